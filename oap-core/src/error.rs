//! The errors, by who is at fault.

use core::fmt;

use crate::{Code, Reason};

/// A command that could not be carried out: our side's doing. Nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The exchange has ended, or the handle is not of this connection.
    #[error("the exchange has ended")]
    Ended,
    /// This side has sent its END.
    #[error("this side of the exchange is finished")]
    Finished,
    /// The exchange's send buffer is full; an event tells when there is room.
    #[error("the exchange's send buffer is full")]
    Full,
    /// As many exchanges are open as both sides allow.
    #[error("{limit} exchanges are open, as many as both sides allow")]
    OverCapacity {
        /// The lower of both sides' limits.
        limit: u32,
    },
    /// The peer or this side drains the connection.
    #[error("the connection is being drained")]
    Draining,
    /// The connection is closed.
    #[error("the connection is closed")]
    Closed,
    /// What cannot be split is larger than a frame the peer accepts.
    #[error("{size} bytes do not fit a frame of the peer's, which takes {limit}")]
    TooLarge {
        /// Bytes to send.
        size: usize,
        /// Bytes that fit.
        limit: usize,
    },
    /// The role does not send this: only a server answers and pushes, only a client opens.
    #[error("this role does not send that")]
    Role,
    /// The application id 0 belongs to the protocol.
    #[error("app_proto_id 0 belongs to the protocol")]
    ControlId,
    /// The peer has ended the lane, or it may not be opened yet or at all.
    #[error("the lane is closed")]
    NoLane,
    /// The exchange still waits for its verdict.
    #[error("the exchange waits for its verdict")]
    Unauthorized,
    /// The peer did not list the coding or the feature.
    #[error("the peer does not support this")]
    Unsupported,
}

/// How far a peer's fault reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// One exchange ends.
    Exchange,
    /// The connection ends.
    Connection,
}

/// A peer's fault: what goes on the wire, and the clause that was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code} {reason}: {message} ({clause})")]
#[cfg_attr(feature = "testing", derive(Hash))]
pub struct Violation {
    /// The code sent back.
    pub code: Code,
    /// The reason sent back.
    pub reason: Reason,
    /// The specification's clause.
    pub clause: &'static str,
    /// What ends.
    pub scope: Scope,
    /// What happened, in a few words; the message of the error body.
    pub message: &'static str,
}

impl Violation {
    pub(crate) const fn exchange(
        reason: Reason,
        clause: &'static str,
        message: &'static str,
    ) -> Self {
        Self {
            code: reason.code(),
            reason,
            clause,
            scope: Scope::Exchange,
            message,
        }
    }

    pub(crate) const fn connection(
        reason: Reason,
        clause: &'static str,
        message: &'static str,
    ) -> Self {
        Self {
            code: reason.code(),
            reason,
            clause,
            scope: Scope::Connection,
            message,
        }
    }
}

/// Which timer ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Timer {
    /// No frame began in time.
    FirstFrame,
    /// A frame that had begun was not whole in time.
    Frame,
    /// A write made no progress.
    Write,
    /// The HELLO was not answered in time.
    Hello,
    /// Nothing came for too long.
    Idle,
    /// Reading had stopped for too long, because nothing of what was received was consumed.
    Standstill,
}

/// Why a connection is over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "testing", derive(Hash))]
#[non_exhaustive]
pub enum CloseReason {
    /// This side closed it.
    Local,
    /// It was drained: every exchange had ended.
    Drained,
    /// The peer ended its stream between frames, and everything due was answered.
    PeerClosed,
    /// The peer reported a fault of this side.
    PeerError {
        /// The peer's code.
        code: Code,
        /// The peer's reason, if it is one of the list.
        reason: Option<Reason>,
    },
    /// The peer broke the protocol.
    Violation(Violation),
    /// A timer ran out.
    TimedOut(Timer),
    /// The transport failed.
    Transport,
}

impl CloseReason {
    /// The reason of the closed list that stands for this.
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Local => Reason::Cancelled,
            Self::Drained => Reason::Draining,
            Self::PeerError {
                reason: Some(reason),
                ..
            } => *reason,
            Self::Violation(violation) => violation.reason,
            Self::TimedOut(_) => Reason::Timeout,
            Self::PeerClosed | Self::PeerError { .. } | Self::Transport => Reason::Io,
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("closed by this side"),
            Self::Drained => f.write_str("drained"),
            Self::PeerClosed => f.write_str("closed by the peer"),
            Self::PeerError {
                code,
                reason: Some(reason),
            } => {
                write!(f, "the peer reported {code} {reason}")
            }
            Self::PeerError { code, reason: None } => write!(f, "the peer reported {code}"),
            Self::Violation(violation) => write!(f, "the peer broke the protocol: {violation}"),
            Self::TimedOut(timer) => write!(f, "timed out: {timer:?}"),
            Self::Transport => f.write_str("the transport failed"),
        }
    }
}
