//! What can go wrong for a caller.

use crate::{CloseReason, Code, End, Reason, SendError, Violation};

/// Why a call has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The command was not possible; nothing was sent.
    #[error("{0}")]
    Send(#[from] SendError),
    /// The exchange ended before its end.
    #[error("the exchange ended early: {}", end_name(.0))]
    Ended(End),
    /// The connection is over.
    #[error("the connection is over: {0}")]
    Closed(CloseReason),
    /// The peer ended its stream in the middle of the request.
    #[error("the peer ended its stream in the middle of the request")]
    Truncated,
    /// The body passes the limit that the caller set.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// A compressed payload could not be inflated.
    #[error("{0}")]
    Inflate(Violation),
}

fn end_name(end: &End) -> std::string::String {
    match end {
        End::Cancelled {
            code,
            reason: Some(reason),
        } => std::format!("cancelled, {code} {reason}"),
        End::Cancelled { code, reason: None } => std::format!("cancelled, {code}"),
        End::Violation(violation) => std::format!("{violation}"),
        End::TimedOut => "timed out".into(),
    }
}

impl CallError {
    /// The reason of the closed list that stands for this.
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Send(SendError::OverCapacity { .. } | SendError::Full) => Reason::OverCapacity,
            Self::Send(SendError::Draining) => Reason::Draining,
            Self::Send(SendError::TooLarge { .. }) | Self::TooLarge { .. } => Reason::TooLarge,
            Self::Send(SendError::Closed) | Self::Truncated => Reason::Io,
            Self::Send(_) => Reason::BadRequest,
            Self::Ended(End::Cancelled {
                reason: Some(reason),
                ..
            }) => *reason,
            Self::Ended(End::Cancelled { reason: None, .. }) => Reason::Cancelled,
            Self::Ended(End::Violation(violation)) | Self::Inflate(violation) => violation.reason,
            Self::Ended(End::TimedOut) => Reason::Timeout,
            Self::Closed(reason) => reason.reason(),
        }
    }

    /// The code that goes with the reason.
    pub const fn code(&self) -> Code {
        self.reason().code()
    }
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The transport was not established.
    #[error(transparent)]
    Handshake(#[from] super::HandshakeError),
    /// The connection ended before its HELLO was answered.
    #[error("{0}")]
    Closed(CloseReason),
}
