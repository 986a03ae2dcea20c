//! Bodies: HELLO and compressed payloads.

use std::hint::black_box;

use oap_core::inflate::{deflate, inflate};
use oap_core::wire::Hello;

use crate::Op;
use crate::wire::HELLO;

/// A HELLO body read.
pub struct HelloParse;

impl Op for HelloParse {
    fn new() -> Self {
        Self
    }

    #[inline(always)]
    fn step(&mut self) {
        let hello = Hello::parse_request(black_box(HELLO.as_bytes()));
        assert!(black_box(hello).is_ok());
    }
}

/// A payload that inflates to 1 MiB, within the bound of eight frames.
pub struct InflateMib(Vec<u8>);

impl Op for InflateMib {
    const FEW: u32 = 2;
    const MANY: u32 = 12;

    fn new() -> Self {
        let text: Vec<u8> = (0..1_048_576_u32)
            .map(|at| b"overlay "[at as usize % 8] ^ (at >> 12) as u8)
            .collect();
        Self(deflate(&text).expect("it compresses"))
    }

    #[inline(always)]
    fn step(&mut self) {
        let plain = inflate(black_box(&self.0), 8 * 1_048_576);
        assert!(black_box(plain).is_ok_and(|plain| plain.len() == 1_048_576));
    }
}
