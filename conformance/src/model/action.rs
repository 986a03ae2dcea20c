//! What can happen in a world, one thing at a time.

use std::fmt;

use oap_core::Role;

/// One step. Everything between two steps stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The host writes the next frame.
    Write(Role),
    /// The host reads the next frame.
    Read(Role),
    /// The host lets decoding go on with what it holds.
    Again(Role),
    /// The host reads the end of the stream.
    ReadEnd(Role),
    /// The host learns that the transport is lost.
    LearnLoss(Role),
    /// Everything is written: the host closes the transport.
    Close(Role),
    /// The connection is closed, the transport takes no more, and the write timer runs out.
    Timeout(Role),
    /// The application takes an event.
    Event(Role),
    /// The application is done with the oldest payload it holds.
    Consume(Role),
    /// The client opens the exchange of a plan.
    Open(u8),
    /// The client sends the next body of a plan's request.
    Send(u8),
    /// The client gives the exchange of a plan up.
    Cancel(u8),
    /// A handler, counted from the oldest, does what it has to do next.
    Answer(u8),
    /// A handler gives up.
    Abort(u8),
    /// A handler has ended its work.
    Release(u8),
    /// The verifier speaks on the START of a handler.
    Verdict(u8, Ruling),
    /// The application asks for a PONG.
    Ping(Role),
    /// The application takes no new exchanges.
    Drain(Role),
    /// The application closes the connection.
    Shut(Role),
    /// The client, or whoever stands for the other side, writes no more, but still reads.
    HalfClose,
    /// The transport is lost, with everything under way.
    Break,
    /// The sender is lost in the middle of the frame that is next to arrive.
    Truncate(Role),
    /// A forged frame is written in the name of this role.
    Forge(Role, u8),
    /// The clock moves to its next mark.
    Tick,
}

/// What a verifier says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// The exchange may go on.
    Allow,
    /// It may not.
    Deny,
    /// It may not, for a reason of the verifier's own.
    Refuse,
}

impl Action {
    /// Whether it may also never happen. What is left has to lead every exchange to its end.
    pub const fn is_optional(self) -> bool {
        matches!(
            self,
            Self::Abort(_)
                | Self::Ping(_)
                | Self::Drain(_)
                | Self::Shut(_)
                | Self::HalfClose
                | Self::Break
                | Self::Truncate(_)
                | Self::Forge(..)
                | Self::Tick
        )
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write(role) => write!(f, "{role:?} writes a frame"),
            Self::Read(role) => write!(f, "{role:?} reads a frame"),
            Self::Again(role) => write!(f, "{role:?} decodes what it holds"),
            Self::ReadEnd(role) => write!(f, "{role:?} reads the end of the stream"),
            Self::LearnLoss(role) => write!(f, "{role:?} learns that the transport is lost"),
            Self::Close(role) => write!(f, "{role:?} closes the transport"),
            Self::Timeout(role) => write!(f, "{role:?}'s write timer runs out"),
            Self::Event(role) => write!(f, "{role:?} takes an event"),
            Self::Consume(role) => write!(f, "{role:?} has consumed a payload"),
            Self::Open(plan) => write!(f, "Client opens exchange {plan}"),
            Self::Send(plan) => write!(f, "Client sends on exchange {plan}"),
            Self::Cancel(plan) => write!(f, "Client cancels exchange {plan}"),
            Self::Answer(plan) => write!(f, "handler {plan} answers"),
            Self::Abort(plan) => write!(f, "handler {plan} gives up"),
            Self::Release(plan) => write!(f, "handler {plan} has ended its work"),
            Self::Verdict(plan, ruling) => write!(f, "the verifier on handler {plan}: {ruling:?}"),
            Self::Ping(role) => write!(f, "{role:?} sends a PING"),
            Self::Drain(role) => write!(f, "{role:?} drains"),
            Self::Shut(role) => write!(f, "{role:?} closes the connection"),
            Self::HalfClose => write!(
                f,
                "the client, or who stands for the other side, ends its stream"
            ),
            Self::Break => write!(f, "the transport is lost"),
            Self::Truncate(role) => write!(f, "{role:?} is lost in the middle of a frame"),
            Self::Forge(role, frame) => write!(f, "forged frame {frame} as {role:?}'s"),
            Self::Tick => write!(f, "the clock moves"),
        }
    }
}
