//! A client's connection.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;

use super::shared::{HelloState, Inner, Shared};
use super::task::Task;
use super::telemetry::ConnectionTelemetry;
use super::{CallError, ConnectError, ConnectionInfo, Exchange, Lanes, Response, Runtime};
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
        transport: impl Lanes,
        config: Config,
    ) -> Result<Self, ConnectError> {
        let now = runtime.now();
        let config = Config {
            consume: Consume::Manually,
            multi_lane: transport.is_multi(),
            ..config
        };
        let connection = Connection::client(Arc::new(config), now);
        let clock = runtime.clone();
        let info = transport.info().clone();
        let shared = Shared::new(connection, info, move || clock.now());
        let telemetry = ConnectionTelemetry::of_client(transport.info());
        let task = Task::client(shared.clone(), transport, runtime.clock(), telemetry);
        runtime.spawn(task);
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
        self.watch(|inner| match (&inner.closed, &inner.hello) {
            (Some(reason), _) => Some(Err(reason.clone())),
            (None, HelloState::Awaited) => None,
            (None, _) => Some(Ok(())),
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
        let body = body.into();
        let share = body.len() <= self.shared().lock().connection.frame_payload();
        self.open_on(head, body, Fin::End, share)
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
        self.open_on(head, body.into(), fin, false).await
    }

    async fn open_on(
        &self,
        head: Head,
        body: Body,
        fin: Fin,
        share: bool,
    ) -> Result<Exchange, CallError> {
        let mut place = Place {
            shared: self.shared(),
            ticket: None,
        };
        poll_fn(
            |cx| match self.try_open_on(head.clone(), body.clone(), fin, share) {
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
            },
        )
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
        self.try_open_on(head, body.into(), fin, false)
    }

    fn try_open_on(
        &self,
        head: Head,
        body: Body,
        fin: Fin,
        share: bool,
    ) -> Result<Exchange, CallError> {
        let now = self.shared().now();
        let open = |inner: &mut Inner| {
            if let Some(reason) = &inner.closed {
                return Err(CallError::Closed(reason.clone()));
            }
            Ok(inner.open(now, head, body, fin, share)?)
        };
        let key = self.shared().attempt(open, Result::is_ok)?;
        Ok(Exchange::new(self.handle.shared.clone(), key, fin.is_end()))
    }

    /// Sends a PING and waits for its PONG: the round-trip time.
    ///
    /// # Errors
    /// [`SendError::Unsupported`] if the peer takes none; the connection's end.
    pub async fn ping(&self) -> Result<Duration, CallError> {
        let sent = self.shared().now();
        let nonce = self.shared().command(|inner| inner.connection.ping(sent))?;
        self.watch(|inner| {
            if inner.last_pong.is_some_and(|pong| pong >= nonce) {
                return Some(Ok(()));
            }
            let closed = inner.closed.clone();
            closed.map(|reason| Err(CallError::Closed(reason)))
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

    /// What is known of the connection.
    pub fn info(&self) -> &ConnectionInfo {
        self.shared().info()
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
        self.watch(|inner| {
            let going_away = inner.connection.is_going_away() || inner.closed.is_some();
            going_away.then_some(())
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
        self.watch(|inner| inner.closed.clone()).await
    }

    /// Waits until `look` finds something. It looks again after HELLO, a PONG and the end.
    async fn watch<T>(&self, look: impl Fn(&Inner) -> Option<T>) -> T {
        let mut watcher = Watcher {
            shared: self.shared(),
            ticket: None,
        };
        poll_fn(|cx| watcher.poll(cx, &look)).await
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

/// Somebody who watches the connection, until the future that holds it is dropped.
struct Watcher<'a> {
    shared: &'a Shared,
    ticket: Option<u64>,
}

impl Watcher<'_> {
    fn poll<T>(&mut self, cx: &Context<'_>, look: impl Fn(&Inner) -> Option<T>) -> Poll<T> {
        let mut inner = self.shared.lock();
        if let Some(found) = look(&inner) {
            return Poll::Ready(found);
        }
        let ticket = *self.ticket.get_or_insert_with(|| inner.take_ticket());
        inner.watch(ticket, cx.waker());
        Poll::Pending
    }
}

impl Drop for Watcher<'_> {
    fn drop(&mut self) {
        let stop = |ticket| self.shared.lock().stop_watching(ticket);
        drop(self.ticket.map(stop));
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
