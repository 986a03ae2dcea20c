//! Frames out of a byte stream, without a copy.

use bytes::{Buf, Bytes, BytesMut};

use super::header::{HEADER_LEN, LEN_FIELD};
use super::{FrameFault, Header};

/// One whole frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The checked header.
    pub header: Header,
    /// The capability; empty without one.
    pub cap: Bytes,
    /// The payload, still as it came from the wire.
    pub payload: Bytes,
}

/// An incremental decoder of one byte stream.
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
            self.advance(buf)
        }
    }

    /// The header of the frame that has begun to arrive, once it is whole.
    pub const fn pending(&self) -> Option<&Header> {
        self.pending.as_ref()
    }

    /// How many bytes more the present frame needs before [`Decoder::decode`] can say more.
    pub fn missing(&self, buffered: usize) -> usize {
        self.need.saturating_sub(buffered)
    }

    /// What the end of the stream means with `buffered` bytes left undecoded.
    ///
    /// # Errors
    /// [`FrameFault::Truncated`] if the stream ended inside a frame (OAP-1-9).
    pub fn finish(&self, buffered: usize) -> Result<(), FrameFault> {
        if buffered == 0 {
            Ok(())
        } else {
            Err(FrameFault::Truncated)
        }
    }

    fn advance(&mut self, buf: &mut BytesMut) -> Result<Option<Frame>, FrameFault> {
        let header = match self.pending {
            Some(header) => header,
            None => match buf.first_chunk::<HEADER_LEN>() {
                Some(bytes) => Header::parse(bytes, self.max_frame)?,
                None => {
                    self.need = Header::check_prefix(buf, self.max_frame)?;
                    return Ok(None);
                }
            },
        };
        let total = header.frame_len();
        if buf.len() < total {
            self.need = total;
            self.pending = Some(header);
            return Ok(None);
        }
        self.need = LEN_FIELD;
        self.pending = None;
        Ok(Some(split_frame(header, total, buf)))
    }
}

#[inline]
fn split_frame(header: Header, total: usize, buf: &mut BytesMut) -> Frame {
    if total == HEADER_LEN {
        buf.advance(HEADER_LEN);
        return Frame {
            header,
            cap: Bytes::new(),
            payload: Bytes::new(),
        };
    }
    let mut payload = buf.split_to(total).freeze();
    payload.advance(HEADER_LEN);
    let cap = match header.cap_len {
        0 => Bytes::new(),
        cap_len => payload.split_to(usize::from(cap_len)),
    };
    Frame {
        header,
        cap,
        payload,
    }
}
