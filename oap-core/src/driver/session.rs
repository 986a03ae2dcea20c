//! A client's connection.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;

use super::shared::{HelloState, Shared};
use super::task::Task;
use super::{CallError, ConnectError, Exchange, Response, Runtime, Transport};
use crate::config::Consume;
use crate::wire::Hello;
use crate::{Body, CloseReason, Config, Connection, Counters, Fin, Head, SendError};

/// Largest answer that [`Session::request`] collects, in bytes.
const RESPONSE_LIMIT: usize = 64 * 1024 * 1024;

/// A client's handle of one connection. Clones share it; the connection closes when the last one
/// and the last [`Exchange`] are gone.
#[derive(Clone)]
pub struct Session {
    handle: Arc<Handle>,
}

struct Handle {
    shared: Arc<Shared>,
}

impl Session {
    /// Starts a connection over an established transport and waits for the HELLO to be answered,
    /// where [`Config::hello`] asks for one.
    ///
    /// # Errors
    /// [`ConnectError::Closed`] if the connection ended before that.
    pub async fn connect<R: Runtime>(
        runtime: &R,
        transport: impl Transport,
        config: Config,
    ) -> Result<Self, ConnectError> {
        let now = runtime.now();
        let config = Config {
            consume: Consume::Manually,
            ..config
        };
        let connection = Connection::client(Arc::new(config), now);
        let clock = runtime.clone();
        let shared = Shared::new(connection, move || clock.now());
        runtime.spawn(Task::client(shared.clone(), transport, runtime.clock()));
        let session = Self {
            handle: Arc::new(Handle { shared }),
        };
        session
            .hello_answered()
            .await
            .map_err(ConnectError::Closed)?;
        Ok(session)
    }

    async fn hello_answered(&self) -> Result<(), CloseReason> {
        poll_fn(|cx| {
            let mut inner = self.shared().lock();
            match (&inner.closed, &inner.hello) {
                (Some(reason), _) => Poll::Ready(Err(reason.clone())),
                (None, HelloState::Awaited) => {
                    inner.watch(cx.waker());
                    Poll::Pending
                }
                (None, _) => Poll::Ready(Ok(())),
            }
        })
        .await
    }

    /// Sends a whole request and waits for the whole answer, inflated, at most 64 MiB.
    ///
    /// It waits while as many exchanges are open as both sides allow. Dropping the future cancels
    /// the exchange.
    ///
    /// # Errors
    /// A [`CallError`]. An answer of 400 and up is an answer: see [`Response::error`].
    pub async fn request(&self, head: Head, body: impl Into<Body>) -> Result<Response, CallError> {
        self.open(head, body, Fin::End)
            .await?
            .response(RESPONSE_LIMIT)
            .await
    }

    /// Opens an exchange with the beginning of its request, or all of it. It waits while as many
    /// are open as both sides allow.
    ///
    /// A request that is whole (`Fin::End`) must be answered within the configured time, 10 s; a
    /// [`Head::with_timeout`] of its own suits a long download.
    ///
    /// # Errors
    /// A [`CallError`]: nothing was sent.
    pub async fn open(
        &self,
        head: Head,
        body: impl Into<Body>,
        fin: Fin,
    ) -> Result<Exchange, CallError> {
        let body = body.into();
        let mut place = Place {
            shared: self.shared(),
            ticket: None,
        };
        poll_fn(|cx| match self.try_open(head.clone(), body.clone(), fin) {
            Err(CallError::Send(SendError::OverCapacity { .. })) => {
                let mut inner = self.shared().lock();
                let ticket = *place.ticket.get_or_insert_with(|| inner.take_ticket());
                inner.wait_for_slot(ticket, cx.waker());
                // A slot may have come free between the attempt and the queue.
                let free = inner.connection.exchanges() < inner.connection.capacity();
                if free {
                    cx.waker().wake_by_ref();
                }
                Poll::Pending
            }
            result => Poll::Ready(result),
        })
        .await
    }

    /// As [`Session::open`], but fails where that would wait.
    ///
    /// # Errors
    /// A [`CallError`]: nothing was sent.
    pub fn try_open(
        &self,
        head: Head,
        body: impl Into<Body>,
        fin: Fin,
    ) -> Result<Exchange, CallError> {
        let (now, body) = (self.shared().now(), body.into());
        let key = self.shared().command(|inner| {
            if let Some(reason) = &inner.closed {
                return Err(CallError::Closed(reason.clone()));
            }
            let id = inner.connection.request(now, head, body, fin)?;
            Ok(inner.adopt(id))
        })?;
        Ok(Exchange::new(self.handle.shared.clone(), key, fin.is_end()))
    }

    /// Sends a PING and waits for its PONG: the round-trip time.
    ///
    /// # Errors
    /// [`SendError::Unsupported`] if the peer takes none; the connection's end.
    pub async fn ping(&self) -> Result<Duration, CallError> {
        let sent = self.shared().now();
        let nonce = self.shared().command(|inner| inner.connection.ping(sent))?;
        poll_fn(|cx| {
            let mut inner = self.shared().lock();
            if inner.last_pong.is_some_and(|pong| pong >= nonce) {
                return Poll::Ready(Ok(()));
            }
            if let Some(reason) = &inner.closed {
                return Poll::Ready(Err(CallError::Closed(reason.clone())));
            }
            inner.watch(cx.waker());
            Poll::Pending
        })
        .await?;
        Ok(self.shared().now().saturating_since(sent))
    }

    /// What the server's HELLO said; `None` if there was none.
    pub fn hello(&self) -> Option<Hello> {
        match &self.shared().lock().hello {
            HelloState::Known(hello) => Some((**hello).clone()),
            _ => None,
        }
    }

    /// The bytes as a body: compressed where the server takes that and it helps.
    pub fn compress(&self, bytes: Bytes) -> Body {
        #[cfg(feature = "comp")]
        {
            let plan = self.shared().lock().connection.compression();
            plan.apply(bytes)
        }
        #[cfg(not(feature = "comp"))]
        bytes.into()
    }

    /// What was received, sent, ignored and refused so far.
    pub fn counters(&self) -> Counters {
        self.shared().lock().connection.counters().clone()
    }

    /// Whether the server takes no new exchanges on this connection.
    pub fn is_going_away(&self) -> bool {
        self.shared().lock().connection.is_going_away()
    }

    /// Waits until the server takes no new exchanges on this connection, or it has ended.
    pub async fn going_away(&self) {
        poll_fn(|cx| {
            let mut inner = self.shared().lock();
            if inner.connection.is_going_away() || inner.closed.is_some() {
                return Poll::Ready(());
            }
            inner.watch(cx.waker());
            Poll::Pending
        })
        .await;
    }

    /// Opens no new exchanges, lets the open ones finish, then closes.
    pub fn drain(&self) {
        self.shared().command(|inner| inner.connection.drain());
    }

    /// Closes now; open exchanges end.
    pub fn close(&self) {
        self.shared().command(|inner| inner.connection.close());
    }

    /// Waits for the connection's end and tells why.
    pub async fn closed(&self) -> CloseReason {
        poll_fn(|cx| {
            let mut inner = self.shared().lock();
            match &inner.closed {
                Some(reason) => Poll::Ready(reason.clone()),
                None => {
                    inner.watch(cx.waker());
                    Poll::Pending
                }
            }
        })
        .await
    }

    fn shared(&self) -> &Shared {
        &self.handle.shared
    }
}

/// Nobody can open exchanges any more: those that are open finish, then the connection closes.
impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.command(|inner| inner.connection.drain());
    }
}

/// A place in the queue for slots, given up with the future that holds it.
struct Place<'a> {
    shared: &'a Shared,
    ticket: Option<u64>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.shared.command(|inner| inner.leave_queue(ticket));
        }
    }
}
