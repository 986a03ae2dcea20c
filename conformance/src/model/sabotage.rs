//! Broken wrappers around a connection: what the checker has to find.

use bytes::{Bytes, BytesMut};
use oap_core::Code;
use oap_core::wire::{Flags, HEADER_LEN, Header, MAX_FRAME};

/// What is done to every frame of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// ACKs vanish.
    DropAck,
    /// The last byte of a payload is there twice.
    DoubleByte,
    /// The last byte of a payload is not there.
    LoseByte,
    /// Answers do not end.
    ForgetEnd,
    /// CANCEL vanishes.
    DropCancel,
    /// A frame is there twice.
    RepeatFrame,
    /// Two bytes of a payload change places.
    SwapBytes,
    /// ACKs tell of a byte more than was consumed.
    FalseAck,
}

impl Sabotage {
    /// Every one.
    pub const ALL: [Self; 8] = [
        Self::DropAck,
        Self::DoubleByte,
        Self::LoseByte,
        Self::ForgetEnd,
        Self::DropCancel,
        Self::RepeatFrame,
        Self::SwapBytes,
        Self::FalseAck,
    ];

    /// The frames that leave in place of this one.
    pub fn apply(self, frame: Bytes) -> Vec<Bytes> {
        let Some(header) = frame.first_chunk::<HEADER_LEN>() else {
            return vec![frame];
        };
        let Ok(header) = Header::parse(header, MAX_FRAME) else {
            return vec![frame];
        };
        let control = header.app_proto_id == 0;
        let ack = control && header.code == Code::ACK && header.flags.contains(Flags::RESP);
        let cancel = control && header.flags.contains(Flags::EVENT) && header.corr_id != 0;
        let payload = frame.slice(HEADER_LEN + usize::from(header.cap_len)..);
        let data = !control && payload.len() > 1;
        match self {
            Self::DropAck if ack => Vec::new(),
            Self::DropCancel if cancel => Vec::new(),
            Self::DoubleByte if data => vec![with_payload(&header, &frame, |bytes| {
                bytes.extend_from_slice(&payload[payload.len() - 1..]);
            })],
            Self::LoseByte if data => vec![with_payload(&header, &frame, |bytes| {
                bytes.truncate(bytes.len() - 1);
            })],
            Self::SwapBytes if data => vec![with_payload(&header, &frame, |bytes| {
                let last = bytes.len() - 1;
                bytes.swap(last - 1, last);
            })],
            Self::FalseAck if ack => vec![with_payload(&header, &frame, |bytes| {
                let at = bytes.len() - 16;
                bytes[at] = bytes[at].wrapping_add(1);
            })],
            Self::ForgetEnd if !control && header.flags.contains(Flags::RESP | Flags::END) => {
                let flags = header.flags.without(Flags::END);
                let header = Header { flags, ..header };
                vec![with_payload(&header, &frame, |_| {})]
            }
            Self::RepeatFrame if data => vec![frame.clone(), frame],
            _ => vec![frame],
        }
    }
}

fn with_payload(header: &Header, frame: &[u8], change: impl FnOnce(&mut BytesMut)) -> Bytes {
    let mut bytes = BytesMut::from(frame);
    change(&mut bytes);
    let len = (bytes.len() - 4) as u32;
    bytes[..HEADER_LEN].copy_from_slice(&Header { len, ..*header }.encode());
    bytes.freeze()
}
