//! Frames out of a byte stream, without a copy.

use bytes::{Buf, Bytes, BytesMut};

use super::header::{HEADER_LEN, LEN_FIELD};
use super::{FrameFault, Header};

/// One whole frame, as it came from the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The checked header.
    pub header: Header,
    /// The frame's bytes, header included.
    bytes: Bytes,
}

impl Frame {
    /// The capability; empty without one.
    pub fn capability(&self) -> &[u8] {
        let end = HEADER_LEN + usize::from(self.header.cap_len);
        self.bytes.get(HEADER_LEN..end).unwrap_or_default()
    }

    /// The payload.
    pub fn payload(&self) -> &[u8] {
        let start = HEADER_LEN + usize::from(self.header.cap_len);
        self.bytes.get(start..).unwrap_or_default()
    }

    /// The payload, without a copy.
    pub fn into_payload(mut self) -> Bytes {
        self.bytes
            .advance(HEADER_LEN + usize::from(self.header.cap_len));
        self.bytes
    }

    /// All bytes of the frame, unchanged, as a relay passes them on.
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }
}

/// An incremental decoder of one byte stream, however that is divided into reads (OAP-1-2).
///
/// It owns no buffer: whole frames are split off the front of the caller's, what is incomplete
/// stays there. A header is parsed once, however slowly the rest of its frame arrives.
///
/// ```
/// use bytes::BytesMut;
/// use oap_core::wire::{Decoder, MAX_FRAME};
///
/// let mut decoder = Decoder::new(MAX_FRAME);
/// let mut buf = BytesMut::from(&[0x21, 0, 0, 0, 1][..]);
/// assert!(decoder.decode(&mut buf)?.is_none());
/// buf.extend_from_slice(&[0; 32]);
/// let frame = decoder.decode(&mut buf)?.expect("37 bytes are a whole HELLO");
/// assert_eq!(frame.header.app_proto_id, 0);
/// # Ok::<(), oap_core::wire::FrameFault>(())
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "testing", derive(Hash))]
pub struct Decoder {
    max_frame: u32,
    /// Bytes that the buffer must hold before anything new can be said.
    need: usize,
    pending: Option<Header>,
}

impl Decoder {
    /// A decoder that refuses length fields above `max_frame`.
    pub const fn new(max_frame: u32) -> Self {
        Self {
            max_frame,
            need: LEN_FIELD,
            pending: None,
        }
    }

    /// Takes the next whole frame off the front of `buf`; `None` if there is none yet.
    ///
    /// # Errors
    /// A [`FrameFault`]; it is final, and the decoder must not be used after it.
    #[inline]
    pub fn decode(&mut self, buf: &mut BytesMut) -> Result<Option<Frame>, FrameFault> {
        if buf.len() < self.need {
            Ok(None)
        } else {
            self.decode_more(buf)
        }
    }

    // In the caller's frame: the result is then used where it is made, which saves a fifth.
    #[inline(always)]
    fn decode_more(&mut self, buf: &mut BytesMut) -> Result<Option<Frame>, FrameFault> {
        let Some(header) = self.look(buf)? else {
            self.make_room(buf);
            return Ok(None);
        };
        let bytes = buf.split_to(header.frame_len()).freeze();
        Ok(Some(Frame { header, bytes }))
    }

    /// The header of the frame at the front of `buf`, once all of that frame is there. The caller
    /// takes the frame's bytes off before it asks again.
    ///
    /// # Errors
    /// As [`Decoder::decode`].
    #[inline(always)]
    pub fn poll_header(&mut self, buf: &[u8]) -> Result<Option<Header>, FrameFault> {
        if buf.len() < self.need {
            Ok(None)
        } else {
            self.look(buf)
        }
    }

    #[inline(always)]
    fn look(&mut self, buf: &[u8]) -> Result<Option<Header>, FrameFault> {
        if self.pending.is_some() {
            return Ok(self.complete());
        }
        let Some(bytes) = buf.first_chunk::<HEADER_LEN>() else {
            self.need = Header::check_prefix(buf, self.max_frame)?;
            return Ok(None);
        };
        let header = Header::parse(bytes, self.max_frame)?;
        if buf.len() < header.frame_len() {
            self.await_rest(header);
            return Ok(None);
        }
        self.need = LEN_FIELD;
        Ok(Some(header))
    }

    /// The frame whose header came before is whole now.
    #[cold]
    fn complete(&mut self) -> Option<Header> {
        self.need = LEN_FIELD;
        self.pending.take()
    }

    #[cold]
    fn await_rest(&mut self, header: Header) {
        self.need = header.frame_len();
        self.pending = Some(header);
    }

    /// Whether `buffered` bytes are too few to say anything new.
    #[inline]
    pub(crate) const fn is_waiting(&self, buffered: usize) -> bool {
        buffered < self.need
    }

    /// Lets the buffer's own block take the rest of a frame that has begun, where it is large enough
    /// and nobody holds on to it: so what has arrived is moved at most once. Never allocates.
    #[inline]
    pub(crate) fn make_room(&self, buf: &mut BytesMut) {
        if self.pending.is_some() && buf.capacity() < self.need {
            // False where the block is too small or shared: then the rest goes to a new one.
            let _ = buf.try_reclaim(self.need - buf.len());
        }
    }

    /// The header of the frame that has begun to arrive, once it is whole.
    pub const fn pending(&self) -> Option<&Header> {
        self.pending.as_ref()
    }

    /// What the end of the stream means with `buffered` bytes left undecoded.
    ///
    /// # Errors
    /// [`FrameFault::Truncated`] if the stream ended inside a frame (OAP-1-10).
    pub const fn finish(&self, buffered: usize) -> Result<(), FrameFault> {
        if buffered == 0 {
            Ok(())
        } else {
            Err(FrameFault::Truncated)
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::Code;
    use crate::wire::Flags;

    /// A frame of `size` bytes.
    fn frame(size: usize) -> Vec<u8> {
        let header = Header {
            len: (size - LEN_FIELD) as u32,
            flags: Flags::REQ,
            code: Code::new(0),
            app_proto_id: 1,
            tenant_id: 0,
            cap_len: 0,
            corr_id: 1,
        };
        let mut bytes = header.encode().to_vec();
        bytes.resize(size, 7);
        bytes
    }

    #[test]
    fn the_rest_of_a_frame_gets_the_room_of_its_block() {
        let mut buf = BytesMut::with_capacity(1_000);
        buf.extend_from_slice(&frame(900));
        buf.extend_from_slice(&frame(1_000)[..60]);
        let block = buf.as_ptr();
        let mut decoder = Decoder::new(1_000_000);
        drop(decoder.decode(&mut buf).unwrap().unwrap());
        assert_eq!(buf.capacity(), 100);
        assert_eq!(decoder.decode(&mut buf), Ok(None));
        assert_eq!((buf.as_ptr(), buf.capacity()), (block, 1_000));
    }

    #[test]
    fn nothing_is_moved_for_a_frame_that_has_not_begun() {
        let mut buf = BytesMut::with_capacity(1_000);
        buf.extend_from_slice(&frame(998));
        let mut decoder = Decoder::new(1_000_000);
        drop(decoder.decode(&mut buf).unwrap().unwrap());
        decoder.make_room(&mut buf);
        assert_eq!(buf.capacity(), 2);
        assert!(decoder.is_waiting(3) && !decoder.is_waiting(4));
    }
}
