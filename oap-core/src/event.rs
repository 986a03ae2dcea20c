//! What comes out of a connection.

use alloc::boxed::Box;
use core::time::Duration;

use bytes::Bytes;

use crate::wire::Hello;
use crate::{CloseReason, Code, Payload, Reason, Timestamp, Violation};

/// One ordered byte stream that carries frames. TCP, TLS, Tor and Unix sockets have one; on QUIC
/// each bidirectional stream is one (OAP-11).
///
/// The number is the host's: small and dense, and free again once the lane has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane(pub u16);

impl Lane {
    /// The lane that carries HELLO, and the only one of single-stream transports.
    pub const FIRST: Self = Self(0);
}

/// A handle of one exchange. It goes stale when the exchange's slot is free again, and is never
/// mistaken for a later exchange's, even one with the same `corr_id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeId {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

impl ExchangeId {
    /// A small dense number, fit to index a host's own table; reused after the exchange's slot is
    /// free.
    pub const fn index(self) -> usize {
        self.slot as usize
    }
}

/// Whether a direction goes on after a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Fin {
    /// More follows.
    More,
    /// This was the last.
    #[default]
    End,
}

impl Fin {
    /// Whether nothing follows.
    pub const fn is_end(self) -> bool {
        matches!(self, Self::End)
    }
}

/// What a START frame says besides its payload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "testing", derive(Hash))]
pub struct Start {
    /// The id on the wire.
    pub corr_id: u64,
    /// The application.
    pub app_proto_id: u16,
    /// The tenant; 0 is unspecified.
    pub tenant_id: u128,
    /// The capability; empty without one.
    pub capability: Bytes,
    /// The lane it came on.
    pub lane: Lane,
}

/// What a client opens an exchange with.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// The application, not 0.
    pub app_proto_id: u16,
    /// The tenant; 0 is unspecified.
    pub tenant_id: u128,
    /// The capability; empty without one.
    pub capability: Bytes,
    /// The lane to use.
    pub lane: Lane,
    /// How long the answer may take in all. `None`: the configured time for a one-shot request, no
    /// limit for a streaming one.
    pub timeout: Option<Duration>,
}

impl Head {
    /// A head for this application, with nothing else set.
    pub fn new(app_proto_id: u16) -> Self {
        Self {
            app_proto_id,
            ..Self::default()
        }
    }

    /// With this capability, at most 65,535 bytes.
    #[must_use]
    pub fn with_capability(mut self, capability: impl Into<Bytes>) -> Self {
        self.capability = capability.into();
        self
    }

    /// For this tenant.
    #[must_use]
    pub const fn with_tenant(mut self, tenant_id: u128) -> Self {
        self.tenant_id = tenant_id;
        self
    }

    /// With this time for the whole answer.
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "testing", derive(Hash))]
#[non_exhaustive]
pub enum Event {
    /// The peer's HELLO was read and holds from now on.
    Hello(Box<Hello>),
    /// The peer did not answer our HELLO, or with an error; the defaults hold.
    NoHello,
    /// Server: a START waits for [`Exchange::authorize`](crate::Exchange::authorize).
    Authorize {
        /// The exchange.
        id: ExchangeId,
        /// What it asks for.
        start: Start,
    },
    /// Server: an exchange has begun.
    Opened {
        /// The exchange.
        id: ExchangeId,
        /// What it asks for.
        start: Start,
        /// The first payload.
        payload: Payload,
        /// Whether the request is complete.
        fin: Fin,
    },
    /// More of a request (server) or of an answer (client).
    Data {
        /// The exchange.
        id: ExchangeId,
        /// The answer's status; 0 in a request.
        code: Code,
        /// The payload.
        payload: Payload,
        /// Whether the direction is complete. At a client, the exchange is over with it.
        fin: Fin,
    },
    /// Client: the server pushed an event on an open exchange.
    Pushed {
        /// The exchange.
        id: ExchangeId,
        /// The frame's code.
        code: Code,
        /// The payload.
        payload: Payload,
    },
    /// Server: the peer ended its stream; no more of this request comes. It may still be answered.
    Truncated {
        /// The exchange.
        id: ExchangeId,
    },
    /// The exchange ended before its end. A server's slot stays taken until
    /// [`Exchange::release`](crate::Exchange::release).
    Ended {
        /// The exchange.
        id: ExchangeId,
        /// How.
        end: End,
    },
    /// An exchange that was [full](crate::SendError::Full) has room again.
    Writable {
        /// The exchange.
        id: ExchangeId,
    },
    /// The peer answered a PING.
    Pong {
        /// The PING's nonce.
        nonce: u64,
        /// When it was sent.
        sent: Timestamp,
    },
    /// The peer takes no new exchanges; open ones complete.
    GoAway {
        /// 503 for a drain, 429 for a flood.
        code: Code,
        /// When to try again.
        retry_after_ms: Option<u64>,
    },
    /// The connection is over, and every exchange with it. The last event.
    Closed(CloseReason),
}

impl Event {
    /// The payload that it brings, if any.
    #[cfg(feature = "testing")]
    pub(crate) const fn payload(&self) -> Option<&Payload> {
        match self {
            Self::Opened { payload, .. }
            | Self::Data { payload, .. }
            | Self::Pushed { payload, .. } => Some(payload),
            _ => None,
        }
    }
}

/// How an exchange ended before its end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "testing", derive(Hash))]
#[non_exhaustive]
pub enum End {
    /// The peer cancelled it.
    Cancelled {
        /// The peer's code.
        code: Code,
        /// The peer's reason, if it gave one of the list.
        reason: Option<Reason>,
    },
    /// The peer broke its rules.
    Violation(Violation),
    /// Its time ran out.
    TimedOut,
}

/// What the host should do next. Everything that is queued shows here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interest {
    /// Read from the transport and call `handle_input`.
    pub read: bool,
    /// Call `poll_transmit` and write.
    pub write: bool,
    /// Call `handle_input` with what the buffer still holds, without waiting for more bytes.
    pub again: bool,
    /// Call `poll_event`.
    pub event: bool,
    /// Call `handle_timeout` then, or at once where it lies in the past.
    pub deadline: Option<Timestamp>,
    /// Everything is written; close the transport.
    pub done: bool,
}
