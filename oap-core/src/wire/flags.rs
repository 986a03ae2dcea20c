//! The flag bits of a frame (OAP-2).

use core::fmt;
use core::ops::{BitOr, BitOrAssign};

/// The sixteen flag bits; the upper eight are reserved and carried unchanged.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Flags(u16);

impl Flags {
    /// No bit.
    pub const NONE: Self = Self(0);
    /// The frame belongs to the requester's half.
    pub const REQ: Self = Self(1);
    /// The frame belongs to the answer.
    pub const RESP: Self = Self(1 << 1);
    /// The frame is a server event, or on app 0 a control message.
    pub const EVENT: Self = Self(1 << 2);
    /// First frame of its direction; on a REQ it opens the exchange.
    pub const START: Self = Self(1 << 3);
    /// Last frame of its direction; on a RESP it closes both.
    pub const END: Self = Self(1 << 4);
    /// On the first frame: the sender keeps to windows. Later: an ACK is asked for.
    pub const ACK_REQ: Self = Self(1 << 5);
    /// The payload is one compressed stream.
    pub const COMP: Self = Self(1 << 6);
    /// The payload is opaque to everybody but the applications.
    pub const APP_E2E: Self = Self(1 << 7);

    /// Names of the defined bits, lowest first, as HELLO lists them.
    pub const NAMES: [&'static str; 8] = [
        "REQ", "RESP", "EVENT", "START", "END", "ACK_REQ", "COMP", "APP_E2E",
    ];

    const DIRECTIONS: u16 = 0b111;
    const RESERVED: u16 = 0xff00;

    /// The bits as they stand on the wire.
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// The bits as they go on the wire.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Whether all bits of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any bit of `other` is set.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The bits of both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These bits less those of `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether a reserved bit is set (OAP-2): ignored and counted.
    pub const fn has_reserved(self) -> bool {
        self.0 & Self::RESERVED != 0
    }

    /// The bits REQ, RESP and EVENT alone. All frames but HELLO requests have exactly one (OAP-2-2).
    pub const fn directions(self) -> Self {
        Self(self.0 & Self::DIRECTIONS)
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.with(other)
    }
}

impl BitOrAssign for Flags {
    fn bitor_assign(&mut self, other: Self) {
        *self = self.with(other);
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for (bit, name) in Self::NAMES.iter().enumerate() {
            if self.0 & (1 << bit) != 0 {
                f.write_str(if first { "" } else { "|" })?;
                f.write_str(name)?;
                first = false;
            }
        }
        if self.has_reserved() {
            write!(
                f,
                "{}0x{:04x}",
                if first { "" } else { "|" },
                self.0 & Self::RESERVED
            )?;
            first = false;
        }
        if first { f.write_str("NONE") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_with_its_own_members_is_the_same_set() {
        let both = Flags::REQ.with(Flags::START);
        assert_eq!(both.with(Flags::START), both);
        assert_eq!(both | Flags::REQ, both);
        assert_eq!(both.without(Flags::START).without(Flags::START), Flags::REQ);
    }

    #[test]
    fn names_follow_the_bits() {
        for (bit, name) in Flags::NAMES.iter().enumerate() {
            assert_eq!(alloc::format!("{:?}", Flags::from_bits(1 << bit)), *name);
        }
        assert_eq!(alloc::format!("{:?}", Flags::NONE), "NONE");
        assert_eq!(
            alloc::format!("{:?}", Flags::from_bits(0x0119)),
            "REQ|START|END|0x0100"
        );
    }
}
