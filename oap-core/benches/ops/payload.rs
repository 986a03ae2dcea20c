//! Bodies: HELLO and compressed payloads.

use std::hint::black_box;

use flate2::{Decompress, FlushDecompress, Status};
use oap_core::inflate::{InflateError, deflate, inflate};
use oap_core::wire::Hello;

use super::Op;
use super::wire::HELLO;

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
        Self(deflate(&text()).expect("it compresses"))
    }

    #[inline(always)]
    fn step(&mut self) {
        let plain = inflate(black_box(&self.0), 8 * 1_048_576);
        assert!(black_box(plain).is_ok_and(|plain| plain.len() == 1_048_576));
    }
}

/// The same by the backend itself, into a buffer of the right length: nothing is bounded or grown.
/// `MIB` times the text.
pub struct OneShot<const MIB: usize> {
    compressed: Vec<u8>,
    plain: Vec<u8>,
}

impl<const MIB: usize> Op for OneShot<MIB> {
    const FEW: u32 = 1;
    const MANY: u32 = 3;

    fn new() -> Self {
        Self {
            compressed: deflate(&body(MIB)).expect("it compresses"),
            plain: vec![0; MIB * MIB_BYTES],
        }
    }

    #[inline(always)]
    fn step(&mut self) {
        let mut backend = Decompress::new(true);
        let (input, plain) = (black_box(&self.compressed), black_box(&mut self.plain));
        let status = backend.decompress(input, plain, FlushDecompress::Finish);
        assert!(matches!(status, Ok(Status::StreamEnd)));
    }
}

/// A payload that would inflate to 64 MiB, refused at a bound of so many: eight by default, four where
/// frames have at most 512 KiB.
pub struct Bomb<const BOUND: usize>(Vec<u8>);

impl<const BOUND: usize> Op for Bomb<BOUND> {
    const FEW: u32 = 1;
    const MANY: u32 = 3;

    fn new() -> Self {
        Self(deflate(&body(64)).expect("it compresses"))
    }

    #[inline(always)]
    fn step(&mut self) {
        let refused = inflate(black_box(&self.0), BOUND * MIB_BYTES);
        assert_eq!(black_box(refused), Err(InflateError::Overflow));
    }
}

/// 16 KiB of text compressed.
pub struct Deflate(Vec<u8>);

impl Op for Deflate {
    const FEW: u32 = 5;
    const MANY: u32 = 55;

    fn new() -> Self {
        Self(text().split_off(MIB_BYTES - 16 * 1024))
    }

    #[inline(always)]
    fn step(&mut self) {
        assert!(black_box(deflate(black_box(&self.0))).is_some());
    }
}

const MIB_BYTES: usize = 1_048_576;

/// 1 MiB of text; more than that is zeros, as a bomb is.
fn body(mib: usize) -> Vec<u8> {
    match mib {
        1 => text(),
        _ => vec![0; mib * MIB_BYTES],
    }
}

fn text() -> Vec<u8> {
    (0..MIB_BYTES)
        .map(|at| b"overlay "[at % 8] ^ (at >> 12) as u8)
        .collect()
}
