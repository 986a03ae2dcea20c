//! A client's streaming exchange.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};

use super::shared::{Key, Shared};
use super::{CallError, Response};
use crate::{Body, Code, Fin, Payload, Reason, SendError};

/// Something that came on an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// Part of the answer, or an event.
    pub kind: MessageKind,
    /// The frame's code.
    pub code: Code,
    /// What it carries, as it came from the wire.
    pub payload: Payload,
    /// Whether it was the last.
    pub fin: Fin,
}

/// What a [`Message`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// Part of the request or of the answer.
    Data,
    /// An event that the server pushed.
    Event,
}

/// One open exchange of a client: send, receive, finish, cancel.
///
/// Dropping it cancels the exchange, unless it is over; the connection goes on either way.
/// [`Exchange::recv`] is cancel-safe: a dropped future loses nothing. A dropped
/// [`Exchange::send`] has either handed the whole body over or nothing of it.
pub struct Exchange {
    core: Core,
    finished: bool,
}

impl Exchange {
    pub(super) fn new(shared: Arc<Shared>, key: Key, finished: bool) -> Self {
        Self {
            core: Core {
                shared,
                key,
                over: false,
            },
            finished,
        }
    }

    /// Sends more of the request, once there is room.
    ///
    /// # Errors
    /// A [`CallError`]: nothing of this body was sent.
    pub async fn send(&mut self, body: impl Into<Body>) -> Result<(), CallError> {
        let body = body.into();
        poll_fn(|cx| self.core.poll_room(cx)).await?;
        self.core.send(Code::OK, body, Fin::More)
    }

    /// Ends the request with a last body.
    ///
    /// # Errors
    /// A [`CallError`]: nothing was sent.
    pub fn finish(&mut self, body: impl Into<Body>) -> Result<(), CallError> {
        self.core.send(Code::OK, body.into(), Fin::End)?;
        self.finished = true;
        Ok(())
    }

    /// Whether the request is finished.
    pub const fn is_finished(&self) -> bool {
        self.finished
    }

    /// The next message; `None` once the answer is complete.
    ///
    /// # Errors
    /// A [`CallError`] if the exchange or its connection ended early.
    pub async fn recv(&mut self) -> Result<Option<Message>, CallError> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// As [`Exchange::recv`], for hand-written futures.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message>, CallError>> {
        self.core.poll_message(cx)
    }

    /// The rest of the answer in one piece, inflated, at most `limit` bytes; events are passed over.
    ///
    /// # Errors
    /// A [`CallError`]. An answer of 400 and up is an answer: see [`Response::error`].
    pub async fn response(mut self, limit: usize) -> Result<Response, CallError> {
        let mut whole = BytesMut::new();
        let mut code = None;
        while let Some(message) = self.recv().await? {
            if message.kind == MessageKind::Event {
                continue;
            }
            let last = message.fin.is_end();
            // The body of a failure stands for itself (OAP-9-2).
            if last && message.code.is_error() {
                return Ok(Response::new(message.code, self.inflate(&message.payload)?));
            }
            let code = *code.get_or_insert(message.code);
            let plain = self.inflate(&message.payload)?;
            if whole.len() + plain.len() > limit {
                return Err(CallError::TooLarge { limit });
            }
            if last && whole.is_empty() {
                return Ok(Response::new(code, plain));
            }
            whole.extend_from_slice(&plain);
        }
        Ok(Response::new(code.unwrap_or(Code::OK), whole.freeze()))
    }

    /// A payload's plain bytes, inflated if need be.
    ///
    /// # Errors
    /// [`CallError::Inflate`]; the exchange has ended with it.
    pub fn inflate(&self, payload: &Payload) -> Result<Bytes, CallError> {
        self.core.inflate(payload)
    }

    /// The bytes as a body: compressed where the peer takes that and it helps.
    pub fn compress(&self, bytes: Bytes) -> Body {
        self.core.compress(bytes)
    }

    /// Gives the exchange up with this code, 408 where nothing fits better.
    pub fn cancel(self, code: Code) {
        self.core.cancel(code);
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.core.cancel(Code::TIMEOUT);
        self.core
            .shared
            .command(|inner| inner.disown(self.core.key));
    }
}

/// What the handles of both roles have in common.
pub(super) struct Core {
    pub(super) shared: Arc<Shared>,
    pub(super) key: Key,
    /// Everything that will come has been taken.
    pub(super) over: bool,
}

impl Core {
    pub(super) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        let mut inner = self.shared.lock();
        let Some(mut exchange) = inner.connection.exchange(self.key.id) else {
            let end = inner.end_of(self.key);
            return Poll::Ready(Err(end.unwrap_or(CallError::Send(SendError::Ended))));
        };
        if exchange.has_room() {
            return Poll::Ready(Ok(()));
        }
        match inner.end_of(self.key) {
            Some(end) if !matches!(end, CallError::Truncated) => Poll::Ready(Err(end)),
            _ => {
                inner.wait_for_room(self.key, cx.waker());
                Poll::Pending
            }
        }
    }

    pub(super) fn send(&self, code: Code, body: Body, fin: Fin) -> Result<(), CallError> {
        self.act(|exchange| exchange.send(code, body, fin))
    }

    /// Carries out a command on the exchange.
    pub(super) fn act(
        &self,
        command: impl FnOnce(crate::Exchange<'_>) -> Result<(), SendError>,
    ) -> Result<(), CallError> {
        self.shared.command(|inner| {
            let result = match inner.connection.exchange(self.key.id) {
                Some(exchange) => command(exchange),
                None => Err(SendError::Ended),
            };
            result.map_err(|error| match inner.end_of(self.key) {
                Some(end) if matches!(error, SendError::Ended | SendError::Closed) => end,
                _ => CallError::Send(error),
            })
        })
    }

    pub(super) fn poll_message(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Message>, CallError>> {
        if self.over {
            return Poll::Ready(Ok(None));
        }
        // What is consumed may be due an ACK.
        let received = self.shared.attempt(
            |inner| inner.receive(self.key, cx.waker()),
            |received| matches!(received, Ok(Some(_))),
        );
        match received {
            Ok(None) => Poll::Pending,
            Ok(Some(message)) => {
                self.over = message.fin.is_end();
                Poll::Ready(Ok(Some(message)))
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    pub(super) fn inflate(&self, payload: &Payload) -> Result<Bytes, CallError> {
        if !payload.is_compressed() {
            return Ok(payload.wire_bytes().clone());
        }
        #[cfg(feature = "comp")]
        {
            let now = self.shared.now();
            self.shared.command(|inner| {
                let before = inner.connection.inflatable();
                let plain = inner.connection.inflate(now, self.key.id, payload);
                self.shared
                    .has_inflated(before - inner.connection.inflatable());
                plain.map_err(|fault| {
                    inner.ended(self.key, CallError::Inflate(fault));
                    CallError::Inflate(fault)
                })
            })
        }
        #[cfg(not(feature = "comp"))]
        Err(CallError::Send(SendError::Unsupported))
    }

    pub(super) fn compress(&self, bytes: Bytes) -> Body {
        #[cfg(feature = "comp")]
        {
            // Deflating takes its time: the connection is not locked meanwhile.
            let plan = self.shared.lock().connection.compression();
            plan.apply(bytes)
        }
        #[cfg(not(feature = "comp"))]
        bytes.into()
    }

    /// Nothing happens if the exchange is over.
    pub(super) fn cancel(&self, code: Code) {
        self.shared.command(|inner| {
            if let Some(exchange) = inner.connection.exchange(self.key.id) {
                exchange.cancel(code, Reason::Cancelled);
            }
        });
    }
}
