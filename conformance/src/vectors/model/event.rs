//! What an endpoint tells its application.

use serde::{Deserialize, Serialize};

use super::number::{decimal, tenant};
use super::{Bytes, is_default};

/// One event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The peer's HELLO was read. A vector may leave out what it does not look at.
    Hello {
        /// The peer's, or the default.
        #[serde(default, skip_serializing_if = "is_default")]
        max_frame: Option<u32>,
        /// The peer's, or the default.
        #[serde(default, skip_serializing_if = "is_default")]
        max_inflight: Option<u16>,
        /// The peer's, or the default.
        #[serde(default, skip_serializing_if = "is_default")]
        ack_window: Option<u32>,
        /// The peer's that this version knows, in the order of the specification.
        #[serde(default, skip_serializing_if = "is_default")]
        features: Option<Vec<String>>,
        /// The peer's that this version knows, in the order of the specification.
        #[serde(default, skip_serializing_if = "is_default")]
        comp: Option<Vec<String>>,
    },
    /// Client: the HELLO was answered with an error; the defaults hold.
    NoHello,
    /// Server: a START waits for the verifier.
    Authorize {
        /// What it says.
        #[serde(flatten)]
        start: Start,
    },
    /// Server: an exchange has begun.
    Open {
        /// What its START says.
        #[serde(flatten)]
        start: Start,
        /// The first payload.
        #[serde(default, skip_serializing_if = "is_default")]
        payload: Bytes,
        /// Whether the request is complete.
        #[serde(default, skip_serializing_if = "is_default")]
        end: bool,
        /// The payload is compressed.
        #[serde(default, skip_serializing_if = "is_default")]
        comp: bool,
        /// The payload is encrypted end to end.
        #[serde(default, skip_serializing_if = "is_default")]
        e2e: bool,
    },
    /// More of a request (server) or of an answer (client), one event for each frame.
    Data {
        /// The exchange.
        #[serde(with = "decimal")]
        corr: u64,
        /// Client: the answer's code.
        #[serde(default, skip_serializing_if = "is_default")]
        code: u16,
        /// The payload.
        #[serde(default, skip_serializing_if = "is_default")]
        payload: Bytes,
        /// Whether it is the last.
        #[serde(default, skip_serializing_if = "is_default")]
        end: bool,
        /// The payload is compressed.
        #[serde(default, skip_serializing_if = "is_default")]
        comp: bool,
        /// The payload is encrypted end to end.
        #[serde(default, skip_serializing_if = "is_default")]
        e2e: bool,
    },
    /// Client: the server pushed an event.
    Push {
        /// The exchange.
        #[serde(with = "decimal")]
        corr: u64,
        /// The frame's code.
        #[serde(default, skip_serializing_if = "is_default")]
        code: u16,
        /// The payload.
        #[serde(default, skip_serializing_if = "is_default")]
        payload: Bytes,
        /// The payload is compressed.
        #[serde(default, skip_serializing_if = "is_default")]
        comp: bool,
        /// The payload is encrypted end to end.
        #[serde(default, skip_serializing_if = "is_default")]
        e2e: bool,
    },
    /// Server: no more of this request comes, but it may be answered.
    Truncated {
        /// The exchange.
        #[serde(with = "decimal")]
        corr: u64,
    },
    /// An exchange has ended before its end, or with an error.
    Ended {
        /// The exchange.
        #[serde(with = "decimal")]
        corr: u64,
        /// Who ended it.
        cause: Cause,
        /// The code; absent for `timeout` and for what has none.
        #[serde(default, skip_serializing_if = "is_default")]
        code: Option<u16>,
        /// The reason; empty where there is none.
        #[serde(default, skip_serializing_if = "is_default")]
        reason: String,
    },
    /// The answer to `inflate`.
    Inflated {
        /// The exchange.
        #[serde(with = "decimal")]
        corr: u64,
        /// The plain bytes.
        #[serde(default, skip_serializing_if = "is_default")]
        payload: Bytes,
    },
    /// The PING was answered.
    Pong,
    /// The peer takes no new exchanges.
    GoAway {
        /// 503 or 429.
        code: u16,
        /// What the error body says.
        #[serde(default, skip_serializing_if = "is_default")]
        retry_after_ms: Option<u64>,
    },
    /// The connection is over, and every exchange with it. The last event.
    Closed {
        /// Who ended it.
        cause: Cause,
        /// The code; absent where nothing with a code was sent or received.
        #[serde(default, skip_serializing_if = "is_default")]
        code: Option<u16>,
        /// The reason; empty where there is none.
        #[serde(default, skip_serializing_if = "is_default")]
        reason: String,
    },
}

/// What a START says besides its payload.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// The exchange.
    #[serde(with = "decimal")]
    pub corr: u64,
    /// The application.
    pub app: u16,
    /// The tenant.
    #[serde(with = "tenant", default, skip_serializing_if = "is_default")]
    pub tenant: u128,
    /// The capability.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cap: Bytes,
    /// The lane.
    #[serde(default, skip_serializing_if = "is_default")]
    pub lane: u16,
}

/// Who or what ended an exchange or a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The peer broke the protocol.
    Fault,
    /// The peer ended it: CANCEL, an error answer, a connection error frame, a reset.
    Peer,
    /// A timer.
    Timeout,
    /// The byte stream ended.
    Eof,
    /// This side's application.
    Local,
}
