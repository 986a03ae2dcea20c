//! What a handler gets: one exchange at a server.

use std::future::poll_fn;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::exchange::Core;
use super::shared::{Key, Shared};
use super::telemetry::ExchangeTelemetry;
use super::{CallError, ConnectionInfo};
use crate::{Body, Code, ExchangeId, Fin, Payload, Reason, Start};

/// A request and the way to answer it.
///
/// The handler's future is dropped when the client cancels or the connection ends. Dropping an
/// `Incoming` without an answer ends the exchange with 500 `internal`; its slot is free from then
/// on.
pub struct Incoming {
    core: Core,
    start: Start,
    first: Option<(Payload, Fin)>,
    telemetry: ExchangeTelemetry,
}

/// A whole request, for handlers that need no stream.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Request {
    /// What the START said.
    pub start: Start,
    /// The body, inflated.
    pub body: Bytes,
}

impl Request {
    /// A request as a handler gets it: for what stands before handlers, and for their tests.
    pub fn new(start: Start, body: impl Into<Bytes>) -> Self {
        Self {
            start,
            body: body.into(),
        }
    }
}

/// A whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Response {
    /// The status.
    pub code: Code,
    /// The body; of a received answer, inflated.
    pub body: Bytes,
}

impl Response {
    /// An answer of any status.
    pub fn new(code: Code, body: impl Into<Bytes>) -> Self {
        Self {
            code,
            body: body.into(),
        }
    }

    /// An answer of status 0.
    pub fn ok(body: impl Into<Bytes>) -> Self {
        Self::new(Code::OK, body)
    }

    /// The error body of an answer of 400 and up.
    pub fn error(&self) -> Option<crate::wire::ErrorBody> {
        if self.code.is_error() {
            crate::wire::ErrorBody::parse(&self.body)
        } else {
            None
        }
    }

    /// The reason of an answer of 400 and up; the code's own where the body names none.
    pub fn reason(&self) -> Option<Reason> {
        let named = self.error().and_then(|body| body.reason.known());
        self.code
            .is_error()
            .then(|| named.unwrap_or_else(|| self.code.into()))
    }
}

impl Incoming {
    pub(super) fn new(
        shared: Arc<Shared>,
        key: Key,
        start: Start,
        payload: Payload,
        fin: Fin,
        telemetry: ExchangeTelemetry,
    ) -> Self {
        Self {
            core: Core {
                shared,
                key,
                over: false,
            },
            start,
            first: Some((payload, fin)),
            telemetry,
        }
    }

    /// Where it came from, for the task that runs its handler.
    pub(super) fn origin(&self) -> (Arc<Shared>, ExchangeId) {
        (self.core.shared.clone(), self.core.key.id)
    }

    /// What is known of the connection that it came on.
    pub fn connection(&self) -> &ConnectionInfo {
        self.core.shared.info()
    }

    /// What the START said.
    pub const fn start(&self) -> &Start {
        &self.start
    }

    /// The next payload of the request and whether it was the last; `None` after that.
    ///
    /// # Errors
    /// [`CallError::Truncated`] if the client ended its stream before its END: it may still be
    /// answered. Others if the exchange or the connection has ended.
    pub async fn next(&mut self) -> Result<Option<(Payload, Fin)>, CallError> {
        if let Some((payload, fin)) = self.first.take() {
            self.core.over = fin.is_end();
            return Ok(Some((payload, fin)));
        }
        let message = poll_fn(|cx| self.core.poll_message(cx)).await?;
        Ok(message.map(|message| (message.payload, message.fin)))
    }

    /// The rest of the request in one piece, inflated, at most `limit` bytes.
    ///
    /// # Errors
    /// [`CallError::TooLarge`], or as [`Incoming::next`] and [`Incoming::inflate`].
    pub async fn body(&mut self, limit: usize) -> Result<Bytes, CallError> {
        let mut whole = BytesMut::new();
        while let Some((payload, fin)) = self.next().await? {
            let plain = self.inflate(&payload)?;
            if whole.len() + plain.len() > limit {
                return Err(CallError::TooLarge { limit });
            }
            if whole.is_empty() && fin.is_end() {
                return Ok(plain);
            }
            whole.extend_from_slice(&plain);
        }
        Ok(whole.freeze())
    }

    /// Sends part of the answer, once there is room.
    ///
    /// # Errors
    /// A [`CallError`]: nothing of this body was sent.
    pub async fn send(&mut self, code: Code, body: impl Into<Body>) -> Result<(), CallError> {
        let body = body.into();
        poll_fn(|cx| self.core.poll_room(cx)).await?;
        self.core.send(code, body, Fin::More)
    }

    /// Pushes an event, once there is room. A body above one frame, or above the client's credit at
    /// hand, arrives as several events.
    ///
    /// # Errors
    /// A [`CallError`]: nothing was sent.
    pub async fn push(&mut self, code: Code, body: impl Into<Body>) -> Result<(), CallError> {
        let body = body.into();
        poll_fn(|cx| self.core.poll_room(cx)).await?;
        self.core.act(|exchange| exchange.push(code, body))
    }

    /// The whole answer, or its last part.
    ///
    /// # Errors
    /// A [`CallError`]: the client gets 500 `internal`, if it can be told.
    pub fn respond(self, code: Code, body: impl Into<Body>) -> Result<(), CallError> {
        self.core.send(code, body.into(), Fin::End)
    }

    /// Ends the exchange with an error body.
    ///
    /// # Errors
    /// A [`CallError`] if it has ended already.
    pub fn fail(self, code: Code, reason: Reason, message: &str) -> Result<(), CallError> {
        self.core
            .act(|exchange| exchange.fail(code, reason, message))
    }

    /// A payload's plain bytes, inflated if need be.
    ///
    /// # Errors
    /// [`CallError::Inflate`]; the client has been answered with it, and the exchange has ended.
    pub fn inflate(&self, payload: &Payload) -> Result<Bytes, CallError> {
        self.core.inflate(payload)
    }

    /// The bytes as a body: compressed where the client takes that and it helps.
    pub fn compress(&self, bytes: Bytes) -> Body {
        self.core.compress(bytes)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.telemetry.ended(|| self.core.shared.now());
        self.core.shared.command(|inner| {
            if let Some(exchange) = inner.connection.exchange(self.core.key.id) {
                exchange.release();
            }
            inner.disown(self.core.key);
        });
    }
}
