//! The fixed 37 bytes in front of every frame (OAP-1-1).

use super::{Flags, FrameFault};
use crate::Code;

/// Bytes of a header, the length field included.
pub const HEADER_LEN: usize = 37;
/// Bytes of the length field, which does not count itself.
pub const LEN_FIELD: usize = 4;
/// The smallest legal value of the length field: a header without capability and payload.
pub const MIN_LEN: u32 = (HEADER_LEN - LEN_FIELD) as u32;
/// The largest value of the length field that any endpoint may accept.
pub const MAX_FRAME: u32 = 1_048_576;
/// The only version.
pub const VERSION: u8 = 1;

const VER_AT: usize = 4;
const CAP_LEN_AT: usize = 27;

/// One header, checked once and never again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Header {
    /// Bytes that follow the length field.
    pub len: u32,
    /// The flag bits.
    pub flags: Flags,
    /// 0 on requests, a status on answers.
    pub code: Code,
    /// 0 for control frames, else the application.
    pub app_proto_id: u16,
    /// ULID or UUID as a number; 0 is unspecified.
    pub tenant_id: u128,
    /// Bytes of capability in front of the payload.
    pub cap_len: u16,
    /// The exchange.
    pub corr_id: u64,
}

impl Header {
    /// Reads a header and makes every framing check (OAP-1).
    ///
    /// # Errors
    /// A [`FrameFault`], the first in the order `len`, `ver`, `cap_len`.
    ///
    /// ```
    /// use oap_core::wire::{Header, MAX_FRAME};
    ///
    /// let mut hello = [0u8; 37];
    /// hello[..5].copy_from_slice(&[0x21, 0, 0, 0, 1]);
    /// let header = Header::parse(&hello, MAX_FRAME)?;
    /// assert_eq!((header.len, header.app_proto_id, header.corr_id), (33, 0, 0));
    /// # Ok::<(), oap_core::wire::FrameFault>(())
    /// ```
    #[inline]
    pub fn parse(bytes: &[u8; HEADER_LEN], max_frame: u32) -> Result<Self, FrameFault> {
        let header = Self {
            len: u32::from_le_bytes(field(bytes, 0)),
            flags: Flags::from_bits(u16::from_le_bytes(field(bytes, 5))),
            code: Code::new(u16::from_le_bytes(field(bytes, 7))),
            app_proto_id: u16::from_le_bytes(field(bytes, 9)),
            tenant_id: u128::from_le_bytes(field(bytes, 11)),
            cap_len: u16::from_le_bytes(field(bytes, CAP_LEN_AT)),
            corr_id: u64::from_le_bytes(field(bytes, 29)),
        };
        check_len(header.len, max_frame)?;
        check_ver(bytes[VER_AT])?;
        check_cap(header.len, header.flags, header.cap_len)?;
        Ok(header)
    }

    /// Makes those framing checks that an incomplete header already allows (OAP-1-7).
    ///
    /// Returns how many bytes the next check needs.
    ///
    /// # Errors
    /// As [`Header::parse`].
    pub fn check_prefix(bytes: &[u8], max_frame: u32) -> Result<usize, FrameFault> {
        let Some(len) = bytes
            .first_chunk::<LEN_FIELD>()
            .map(|b| u32::from_le_bytes(*b))
        else {
            return Ok(LEN_FIELD);
        };
        check_len(len, max_frame)?;
        let Some(&ver) = bytes.get(VER_AT) else {
            return Ok(VER_AT + 1);
        };
        check_ver(ver)?;
        let Some(early) = bytes.first_chunk::<{ CAP_LEN_AT + 2 }>() else {
            return Ok(CAP_LEN_AT + 2);
        };
        let flags = Flags::from_bits(u16::from_le_bytes([early[5], early[6]]));
        check_cap(
            len,
            flags,
            u16::from_le_bytes([early[CAP_LEN_AT], early[CAP_LEN_AT + 1]]),
        )?;
        Ok(HEADER_LEN)
    }

    /// The header as it goes on the wire.
    #[inline]
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        out[0..4].copy_from_slice(&self.len.to_le_bytes());
        out[4] = VERSION;
        out[5..7].copy_from_slice(&self.flags.bits().to_le_bytes());
        out[7..9].copy_from_slice(&self.code.get().to_le_bytes());
        out[9..11].copy_from_slice(&self.app_proto_id.to_le_bytes());
        out[11..27].copy_from_slice(&self.tenant_id.to_le_bytes());
        out[27..29].copy_from_slice(&self.cap_len.to_le_bytes());
        out[29..37].copy_from_slice(&self.corr_id.to_le_bytes());
        out
    }

    /// Bytes of the whole frame on the wire.
    #[inline]
    pub const fn frame_len(&self) -> usize {
        LEN_FIELD + self.len as usize
    }

    /// Bytes of payload.
    #[inline]
    pub const fn payload_len(&self) -> usize {
        (self.len - MIN_LEN) as usize - self.cap_len as usize
    }
}

#[inline(always)]
fn field<const N: usize>(bytes: &[u8; HEADER_LEN], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

#[inline(always)]
fn check_len(len: u32, max_frame: u32) -> Result<(), FrameFault> {
    if len < MIN_LEN {
        Err(FrameFault::TooShort { len })
    } else if len > max_frame {
        Err(FrameFault::TooLarge { len, max_frame })
    } else {
        Ok(())
    }
}

#[inline(always)]
fn check_ver(ver: u8) -> Result<(), FrameFault> {
    if ver == VERSION {
        Ok(())
    } else {
        Err(FrameFault::Version { ver })
    }
}

#[inline(always)]
fn check_cap(len: u32, flags: Flags, cap_len: u16) -> Result<(), FrameFault> {
    if cap_len == 0 {
        return Ok(());
    }
    if u32::from(cap_len) > len - MIN_LEN {
        Err(FrameFault::CapabilityTooLong { cap_len, len })
    } else if !flags.contains(Flags::START) {
        Err(FrameFault::CapabilityWithoutStart { cap_len })
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Header {
        Header {
            len: 33 + 5 + 7,
            flags: Flags::REQ | Flags::START,
            code: Code::OK,
            app_proto_id: 0x0f01,
            tenant_id: 0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10,
            cap_len: 5,
            corr_id: 0x1122_3344_5566_7788,
        }
    }

    // OAP-1-1
    #[test]
    fn every_field_is_little_endian_at_its_offset() {
        let bytes = sample().encode();
        assert_eq!(bytes[..11], [45, 0, 0, 0, 1, 0x09, 0, 0, 0, 0x01, 0x0f]);
        assert_eq!(
            bytes[11..27],
            [16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]
        );
        assert_eq!(bytes[27..29], [5, 0]);
        assert_eq!(
            bytes[29..],
            [0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11]
        );
        assert_eq!(Header::parse(&bytes, MAX_FRAME), Ok(sample()));
        assert_eq!((sample().frame_len(), sample().payload_len()), (49, 7));
    }

    #[test]
    fn faults_come_in_the_order_len_ver_cap() {
        let mut header = sample();
        header.cap_len = 13;
        let mut bytes = header.encode();
        assert_eq!(
            Header::parse(&bytes, MAX_FRAME),
            Err(FrameFault::CapabilityTooLong {
                cap_len: 13,
                len: 45
            })
        );
        bytes[4] = 2;
        assert_eq!(
            Header::parse(&bytes, MAX_FRAME),
            Err(FrameFault::Version { ver: 2 })
        );
        bytes[0] = 32;
        assert_eq!(
            Header::parse(&bytes, MAX_FRAME),
            Err(FrameFault::TooShort { len: 32 })
        );
        bytes[..4].copy_from_slice(&(MAX_FRAME + 1).to_le_bytes());
        assert_eq!(
            Header::parse(&bytes, MAX_FRAME),
            Err(FrameFault::TooLarge {
                len: MAX_FRAME + 1,
                max_frame: MAX_FRAME
            })
        );
    }

    #[test]
    fn a_capability_needs_start() {
        let mut header = sample();
        header.flags = Flags::REQ;
        assert_eq!(
            Header::parse(&header.encode(), MAX_FRAME),
            Err(FrameFault::CapabilityWithoutStart { cap_len: 5 })
        );
    }

    #[test]
    fn a_prefix_is_judged_as_early_as_its_bytes_allow() {
        let bytes = sample().encode();
        for at in 0..=HEADER_LEN {
            let next = [4, 5, 29, 37]
                .into_iter()
                .find(|need| *need > at)
                .unwrap_or(37);
            assert_eq!(
                Header::check_prefix(&bytes[..at], MAX_FRAME),
                Ok(next),
                "{at} bytes"
            );
        }
        let mut short = bytes;
        short[0] = 0;
        assert!(Header::check_prefix(&short[..3], MAX_FRAME).is_ok());
        assert!(Header::check_prefix(&short[..4], MAX_FRAME).is_err());
        let mut version = bytes;
        version[4] = 9;
        assert!(Header::check_prefix(&version[..4], MAX_FRAME).is_ok());
        assert!(Header::check_prefix(&version[..5], MAX_FRAME).is_err());
        let mut capability = bytes;
        capability[27] = 200;
        assert!(Header::check_prefix(&capability[..28], MAX_FRAME).is_ok());
        assert!(Header::check_prefix(&capability[..29], MAX_FRAME).is_err());
    }
}
