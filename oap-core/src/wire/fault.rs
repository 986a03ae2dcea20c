//! What can be wrong with a frame before its meaning is known (OAP-1).

use crate::{Code, Reason};

/// A framing fault: fatal to the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameFault {
    /// The length field is below the 33 bytes that the header needs.
    #[error("frame length {len} is below 33")]
    TooShort {
        /// The length field.
        len: u32,
    },
    /// The length field passes the receiver's limit.
    #[error("frame length {len} is above the limit of {max_frame}")]
    TooLarge {
        /// The length field.
        len: u32,
        /// The receiver's limit.
        max_frame: u32,
    },
    /// The version is not 1.
    #[error("version {ver} is not 1")]
    Version {
        /// The version field.
        ver: u8,
    },
    /// The capability would pass the end of the frame.
    #[error("capability of {cap_len} bytes does not fit a frame length of {len}")]
    CapabilityTooLong {
        /// The capability's length.
        cap_len: u16,
        /// The length field.
        len: u32,
    },
    /// A frame without START carries a capability.
    #[error("capability of {cap_len} bytes on a frame without START")]
    CapabilityWithoutStart {
        /// The capability's length.
        cap_len: u16,
    },
    /// The stream ended inside a frame.
    #[error("the stream ended inside a frame")]
    Truncated,
}

impl FrameFault {
    /// The code that the connection's error frame carries.
    pub const fn code(&self) -> Code {
        self.reason().code()
    }

    /// The reason that the connection's error frame carries.
    pub const fn reason(&self) -> Reason {
        match self {
            Self::TooLarge { .. } => Reason::TooLarge,
            Self::Version { .. } => Reason::BadVersion,
            _ => Reason::BadFrame,
        }
    }
}
