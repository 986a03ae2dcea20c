//! A received frame that still stands in the host's buffer.

use bytes::{Buf, Bytes, BytesMut};

use crate::wire::{HEADER_LEN, Header};

/// Payloads up to this size are copied out of the block they arrived in, so that one small payload
/// that is kept does not keep a whole read buffer alive.
const COPY_MAX: usize = 512;

/// A whole frame at the front of a buffer. Its bytes are taken at most once, and only after the
/// frame has passed the checks that its header allows.
pub(super) struct RawFrame<'a> {
    pub(super) header: Header,
    buf: &'a mut BytesMut,
    taken: bool,
}

impl<'a> RawFrame<'a> {
    #[inline]
    pub(super) fn new(header: Header, buf: &'a mut BytesMut) -> Self {
        Self {
            header,
            buf,
            taken: false,
        }
    }

    /// The capability, copied: it is kept longer than the payload.
    pub(super) fn capability(&self) -> Bytes {
        match self.header.cap_len {
            0 => Bytes::new(),
            len => {
                let capability = self.buf.get(HEADER_LEN..HEADER_LEN + usize::from(len));
                capability.map_or_else(Bytes::new, Bytes::copy_from_slice)
            }
        }
    }

    /// The payload, to look at.
    #[inline]
    pub(super) fn payload(&self) -> &[u8] {
        let start = HEADER_LEN + usize::from(self.header.cap_len);
        self.buf
            .get(start..self.header.frame_len())
            .unwrap_or_default()
    }

    /// The payload, to keep: a small one as a copy, a larger one as a share of the buffer.
    #[inline(always)]
    pub(super) fn take_payload(&mut self) -> Bytes {
        let payload = self.payload();
        if payload.is_empty() {
            return Bytes::new();
        }
        if payload.len() <= COPY_MAX {
            return Bytes::copy_from_slice(payload);
        }
        self.taken = true;
        self.buf
            .advance(HEADER_LEN + usize::from(self.header.cap_len));
        self.buf.split_to(self.header.payload_len()).freeze()
    }

    /// Takes the frame off the buffer.
    #[inline]
    pub(super) fn finish(self) {
        if !self.taken {
            self.buf.advance(self.header.frame_len());
        }
    }
}
