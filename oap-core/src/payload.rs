//! Bodies on their way out, payloads on their way in.

use bytes::Bytes;

use crate::limits::frame_cost;
use crate::wire::Flags;

/// The payload of a received frame, as it came from the wire.
///
/// Nothing is inflated until somebody asks for it (OAP-8-2): see
/// [`Connection::inflate`](crate::Connection::inflate).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[cfg_attr(feature = "testing", derive(Hash))]
pub struct Payload {
    bytes: Bytes,
    flags: Flags,
    windowed: bool,
}

impl Payload {
    pub(crate) fn new(bytes: Bytes, flags: Flags, windowed: bool) -> Self {
        Self {
            bytes,
            flags,
            windowed,
        }
    }

    /// What the payload occupies until the application has consumed it; for
    /// [`Connection::consumed`](crate::Connection::consumed).
    pub fn charge(&self) -> Charge {
        Charge {
            wire_len: self.bytes.len(),
            windowed: self.windowed,
        }
    }

    /// The bytes of the wire, compressed ones included.
    pub fn wire_bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// How many bytes came over the wire.
    pub fn wire_len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether the bytes are a compressed stream that may be inflated: COMP without APP_E2E.
    pub fn is_compressed(&self) -> bool {
        self.flags.contains(Flags::COMP) && !self.is_opaque()
    }

    /// Whether only the applications may look at the bytes: APP_E2E (OAP-8-8).
    pub fn is_opaque(&self) -> bool {
        self.flags.contains(Flags::APP_E2E)
    }

    /// Whether nothing came.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The wire bytes, for a payload that needs no inflation.
    pub fn into_wire_bytes(self) -> Bytes {
        self.bytes
    }
}

/// What a delivered payload occupies of a connection's buffer budget (OAP-6-16).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "testing", derive(Hash))]
#[must_use = "a charge that is never returned stops the connection from reading"]
pub struct Charge {
    pub(crate) wire_len: usize,
    pub(crate) windowed: bool,
}

impl Charge {
    /// The bytes of the buffer budget: the payload's, or 256 if they are fewer and under no window
    /// (OAP-6-16).
    #[inline]
    pub const fn cost(&self) -> usize {
        frame_cost(self.wire_len, self.windowed)
    }
}

/// What an application sends: plain bytes, bytes compressed already, or opaque ones.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Body {
    pub(crate) bytes: Bytes,
    pub(crate) flags: Flags,
}

impl Body {
    /// No bytes.
    pub const fn empty() -> Self {
        Self {
            bytes: Bytes::new(),
            flags: Flags::NONE,
        }
    }

    /// One complete zlib stream; goes out as one frame with COMP.
    pub const fn compressed(bytes: Bytes) -> Self {
        Self {
            bytes,
            flags: Flags::COMP,
        }
    }

    /// Marks the bytes as opaque: receivers never inflate, log or sample them.
    #[must_use]
    pub const fn opaque(mut self) -> Self {
        self.flags = self.flags.with(Flags::APP_E2E);
        self
    }

    /// Bytes on the wire.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether the body is compressed.
    pub const fn is_compressed(&self) -> bool {
        self.flags.contains(Flags::COMP)
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self {
            bytes,
            flags: Flags::NONE,
        }
    }
}

impl From<&'static [u8]> for Body {
    fn from(bytes: &'static [u8]) -> Self {
        Bytes::from_static(bytes).into()
    }
}

impl From<alloc::vec::Vec<u8>> for Body {
    fn from(bytes: alloc::vec::Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl<const N: usize> From<&'static [u8; N]> for Body {
    fn from(bytes: &'static [u8; N]) -> Self {
        bytes.as_slice().into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        text.as_bytes().into()
    }
}

impl From<alloc::string::String> for Body {
    fn from(text: alloc::string::String) -> Self {
        text.into_bytes().into()
    }
}
