//! What can happen to an endpoint.

use serde::{Deserialize, Serialize};

use super::number::{decimal, tenant};
use super::{Bytes, is_default};

/// One thing that happens: from the peer, from the transport, from time or from the application.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Action {
    /// Bytes arrive.
    Input {
        /// The lane.
        #[serde(default, skip_serializing_if = "is_default")]
        lane: u16,
        /// The bytes.
        bytes: Bytes,
    },
    /// The answer to the newest PING arrives on lane 0; its nonce is the endpoint's choice.
    Pong,
    /// The peer ends its byte stream.
    Eof {
        /// The lane.
        #[serde(default, skip_serializing_if = "is_default")]
        lane: u16,
    },
    /// The lane is reset.
    Reset {
        /// The lane.
        lane: u16,
    },
    /// Time passes.
    Advance {
        /// Microseconds.
        us: u64,
    },
    /// The transport takes no bytes any more.
    Block,
    /// The transport takes bytes again.
    Unblock,
    /// Client: opens the next exchange. Ids count up from 1.
    Request {
        /// The application.
        app: u16,
        /// The tenant.
        #[serde(with = "tenant", default, skip_serializing_if = "is_default")]
        tenant: u128,
        /// The capability.
        #[serde(default, skip_serializing_if = "is_default")]
        cap: Bytes,
        /// The body, or its beginning.
        #[serde(default, skip_serializing_if = "is_default")]
        payload: Bytes,
        /// The lane.
        #[serde(default, skip_serializing_if = "is_default")]
        lane: u16,
        /// Whether the body is complete.
        #[serde(default, skip_serializing_if = "is_default")]
        end: bool,
        /// The payload is one compressed stream.
        #[serde(default, skip_serializing_if = "is_default")]
        comp: bool,
        /// The payload is encrypted end to end.
        #[serde(default, skip_serializing_if = "is_default")]
        e2e: bool,
    },
    /// More of a request (client) or of an answer (server).
    Send {
        /// The exchange.
        #[serde(with = "decimal")]
        corr: u64,
        /// Server: the answer's code.
        #[serde(default, skip_serializing_if = "is_default")]
        code: u16,
        /// The bytes.
        #[serde(default, skip_serializing_if = "is_default")]
        payload: Bytes,
        /// Whether they are the last.
        #[serde(default, skip_serializing_if = "is_default")]
        end: bool,
        /// The payload is one compressed stream.
        #[serde(default, skip_serializing_if = "is_default")]
        comp: bool,
        /// The payload is encrypted end to end.
        #[serde(default, skip_serializing_if = "is_default")]
        e2e: bool,
    },
    /// Server: pushes an event.
    Push {
        /// The exchange.
        #[serde(with = "decimal")]
        corr: u64,
        /// The bytes.
        #[serde(default, skip_serializing_if = "is_default")]
        payload: Bytes,
    },
    /// Server: ends an exchange with an error.
    Fail {
        /// The exchange.
        #[serde(with = "decimal")]
        corr: u64,
        /// The code.
        code: u16,
        /// The reason; absent, the code's default.
        #[serde(default, skip_serializing_if = "is_default")]
        reason: Option<String>,
        /// The message; absent, of the endpoint's choice.
        #[serde(default, skip_serializing_if = "is_default")]
        message: Option<Bytes>,
    },
    /// Gives an exchange up.
    Cancel {
        /// The exchange.
        #[serde(with = "decimal")]
        corr: u64,
        /// The code that fits the cause.
        code: u16,
    },
    /// Server: the handler's work on an exchange has ended.
    Release {
        /// The exchange.
        #[serde(with = "decimal")]
        corr: u64,
    },
    /// Server: the verifier has decided.
    Authorize {
        /// The exchange.
        #[serde(with = "decimal")]
        corr: u64,
        /// The verdict.
        verdict: Verdict,
    },
    /// The application has consumed the oldest so many payloads of an exchange.
    Consume {
        /// The exchange.
        #[serde(with = "decimal")]
        corr: u64,
        /// How many payloads, empty ones included.
        payloads: usize,
    },
    /// The application asks for the newest payload of an exchange to be inflated.
    Inflate {
        /// The exchange.
        #[serde(with = "decimal")]
        corr: u64,
    },
    /// The application is done with everything that was inflated.
    Deflated,
    /// Sends a PING.
    Ping,
    /// Drains the connection.
    Drain,
    /// Closes the connection.
    Close,
}

/// What a verifier says of a START.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It goes on.
    Allow,
    /// It is refused.
    Deny,
    /// It is refused with this.
    Refuse {
        /// The code.
        code: u16,
        /// The reason.
        reason: String,
    },
}

impl Action {
    /// The same, with bytes as one hex string, so that a small program can read it.
    #[must_use]
    pub fn plain(&self) -> Self {
        let mut plain = self.clone();
        match &mut plain {
            Self::Input { bytes, .. } => *bytes = Bytes::plain(&bytes.expand()),
            Self::Request { cap, payload, .. } => {
                *cap = Bytes::plain(&cap.expand());
                *payload = Bytes::plain(&payload.expand());
            }
            Self::Send { payload, .. } | Self::Push { payload, .. } => {
                *payload = Bytes::plain(&payload.expand());
            }
            Self::Fail {
                message: Some(message),
                ..
            } => *message = Bytes::plain(&message.expand()),
            _ => {}
        }
        plain
    }
}
