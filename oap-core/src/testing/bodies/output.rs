//! What a connection writes, taken apart.

use std::collections::VecDeque;

use bytes::BytesMut;

use crate::Code;
use crate::wire::{Decoder, Flags, Header, MAX_FRAME};

/// The frames of one lane, checked one by one.
pub(super) struct Output {
    bytes: BytesMut,
    decoder: Decoder,
    /// Nonces of PINGs that have no PONG yet.
    pings: VecDeque<u64>,
}

impl Default for Output {
    fn default() -> Self {
        Self {
            bytes: BytesMut::new(),
            decoder: Decoder::new(MAX_FRAME),
            pings: VecDeque::new(),
        }
    }
}

impl Output {
    /// A PING went in: a PONG with its nonce has to come out, in its turn.
    pub(super) fn expect_pong(&mut self, nonce: u64) {
        self.pings.push_back(nonce);
    }

    /// How many PONGs are still owed.
    pub(super) fn pongs_owed(&self) -> usize {
        self.pings.len()
    }

    /// Takes bytes that were written.
    ///
    /// # Panics
    /// If they are no frames, or none that this side may send.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        while let Some(frame) = self
            .decoder
            .decode(&mut self.bytes)
            .expect("what goes out is frames")
        {
            self.look(&frame.header);
        }
    }

    fn look(&mut self, header: &Header) {
        let directions = header.flags.directions();
        assert_eq!(
            directions.bits().count_ones(),
            1,
            "a frame of this side's has one direction: {:?}",
            header.flags
        );
        assert!(!header.flags.has_reserved());
        let is_pong = (header.app_proto_id, header.code) == (0, Code::ACK);
        if is_pong && directions == Flags::EVENT {
            if let Some(nonce) = self.pings.pop_front() {
                assert_eq!(header.corr_id, nonce, "a PONG out of turn");
            }
        }
    }
}
