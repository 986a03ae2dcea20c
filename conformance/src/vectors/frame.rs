//! A codec of its own, so that vectors do not inherit a fault of the one under test.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes of a frame before its capability.
pub const HEADER_LEN: usize = 37;

/// The `flags` of a frame (section 2 of the specification).
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Flags(pub u16);

impl Flags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// Direction: request.
    pub const REQ: Self = Self(0x01);
    /// Direction: response.
    pub const RESP: Self = Self(0x02);
    /// Direction: event.
    pub const EVENT: Self = Self(0x04);
    /// First frame of its half.
    pub const START: Self = Self(0x08);
    /// Last frame of its half.
    pub const END: Self = Self(0x10);
    /// Opts in to windows, asks for an ACK, makes a PING.
    pub const ACK_REQ: Self = Self(0x20);
    /// The payload is compressed.
    pub const COMP: Self = Self(0x40);
    /// The payload is encrypted end to end.
    pub const APP_E2E: Self = Self(0x80);

    const NAMES: [&'static str; 8] = [
        "REQ", "RESP", "EVENT", "START", "END", "ACK_REQ", "COMP", "APP_E2E",
    ];

    /// Whether every flag of `other` is set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The flags that are not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether no flag is set.
    pub const fn is_empty(&self) -> bool {
        self.0 == 0
    }

    fn names(self) -> impl Iterator<Item = &'static str> {
        let named = Self::NAMES.into_iter().enumerate();
        named.filter_map(move |(bit, name)| (self.0 & (1 << bit) != 0).then_some(name))
    }
}

impl std::ops::BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.names().collect();
        write!(f, "[{}]", names.join("|"))?;
        match self.0 >> 8 {
            0 => Ok(()),
            reserved => write!(f, "+{reserved:#04x}00"),
        }
    }
}

impl Serialize for Flags {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.names())
    }
}

impl<'de> Deserialize<'de> for Flags {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut flags = Self::NONE;
        for name in Vec::<String>::deserialize(deserializer)? {
            let bit = Self::NAMES.iter().position(|known| *known == name);
            let bit = bit.ok_or_else(|| D::Error::custom(format!("no flag is named {name}")))?;
            flags.0 |= 1 << bit;
        }
        Ok(flags)
    }
}

/// One frame.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Frame {
    /// The flags, reserved bits included.
    pub flags: Flags,
    /// The code.
    pub code: u16,
    /// The application.
    pub app: u16,
    /// The tenant.
    pub tenant: u128,
    /// The exchange.
    pub corr: u64,
    /// The capability.
    pub cap: Vec<u8>,
    /// The payload.
    pub payload: Vec<u8>,
}

impl Frame {
    /// The bytes on the wire (Table 1).
    ///
    /// # Panics
    /// If the capability is longer than 65,535 bytes or the frame than 4 GiB.
    pub fn bytes(&self) -> Vec<u8> {
        let len = HEADER_LEN - 4 + self.cap.len() + self.payload.len();
        let len = u32::try_from(len).expect("a frame is under 4 GiB");
        let cap_len = u16::try_from(self.cap.len()).expect("a capability is under 64 KiB");
        let mut bytes = Vec::with_capacity(HEADER_LEN + self.cap.len() + self.payload.len());
        bytes.extend(len.to_le_bytes());
        bytes.push(1);
        bytes.extend(self.flags.0.to_le_bytes());
        bytes.extend(self.code.to_le_bytes());
        bytes.extend(self.app.to_le_bytes());
        bytes.extend(self.tenant.to_le_bytes());
        bytes.extend(cap_len.to_le_bytes());
        bytes.extend(self.corr.to_le_bytes());
        bytes.extend(&self.cap);
        bytes.extend(&self.payload);
        bytes
    }

    /// Takes one frame off the front of `bytes`; `None` while it is not whole.
    ///
    /// # Errors
    /// What is wrong with the header.
    pub fn take(bytes: &mut &[u8]) -> Result<Option<Self>, String> {
        let Some(header) = bytes.first_chunk::<HEADER_LEN>() else {
            return Ok(None);
        };
        let u16_at = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
        let len = u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let cap_len = usize::from(u16_at(27));
        if header[4] != 1 {
            return Err(format!("ver is {}", header[4]));
        }
        if len < HEADER_LEN - 4 + cap_len {
            return Err(format!("len {len} is too small for cap_len {cap_len}"));
        }
        if bytes.len() < 4 + len {
            return Ok(None);
        }
        let mut tenant = [0; 16];
        tenant.copy_from_slice(&header[11..27]);
        let mut corr = [0; 8];
        corr.copy_from_slice(&header[29..37]);
        let (cap, payload) = bytes[HEADER_LEN..4 + len].split_at(cap_len);
        let frame = Self {
            flags: Flags(u16_at(5)),
            code: u16_at(7),
            app: u16_at(9),
            tenant: u128::from_le_bytes(tenant),
            corr: u64::from_le_bytes(corr),
            cap: cap.to_vec(),
            payload: payload.to_vec(),
        };
        *bytes = &bytes[4 + len..];
        Ok(Some(frame))
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            flags,
            code,
            app,
            tenant,
            corr,
            cap,
            payload,
        } = self;
        write!(f, "{flags:?} code {code} app {app:#06x} corr {corr}")?;
        if *tenant != 0 {
            write!(f, " tenant {tenant:032x}")?;
        }
        if !cap.is_empty() {
            write!(f, " cap of {} bytes", cap.len())?;
        }
        let shown = String::from_utf8_lossy(&payload[..payload.len().min(160)]);
        write!(f, " payload of {} bytes {shown:?}", payload.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // OAP-1-1
    #[test]
    fn the_example_of_the_specification_reads_and_writes() {
        let bytes = hex::decode(
            "280000000129000000010f1032547698badcfeefcdab896745230104000200000000000000\
             636170216f6e65",
        )
        .expect("hex");
        let mut rest = &bytes[..];
        let frame = Frame::take(&mut rest).expect("a frame").expect("whole");
        assert!(rest.is_empty());
        assert_eq!(frame.flags, Flags::REQ | Flags::START | Flags::ACK_REQ);
        assert_eq!(frame.tenant, 0x0123_4567_89ab_cdef_fedc_ba98_7654_3210);
        assert_eq!((frame.app, frame.corr), (0x0f01, 2));
        assert_eq!(
            (&frame.cap[..], &frame.payload[..]),
            (&b"cap!"[..], &b"one"[..])
        );
        assert_eq!(frame.bytes(), bytes);
    }
}
