//! The task of one connection.

use std::boxed::Box;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::BytesMut;
use futures_util::stream::{FuturesUnordered, Stream};

use super::service::{BoxFuture, Service};
use super::shared::{Inner, Shared, Work};
use super::{Clock, Incoming, Transport};
use crate::policy::PollBudget;
use crate::{Interest, Lane, Timestamp, Verdict};

/// Reads and writes that one poll may do before other tasks get their turn.
const TURNS: u32 = 16;
/// Bytes that one poll may read and write before other tasks get their turn.
const TURN_BYTES: usize = 1024 * 1024;
/// Encoded bytes beyond which it is better to write than to go on decoding.
const WRITE_AT: usize = 64 * 1024;
/// How long the transport may take to close.
const CLOSE_TIME: Duration = Duration::from_secs(2);

/// Moves bytes between a connection and its transport, and runs its handlers, until both are done.
pub(super) struct Task<T, C> {
    shared: Arc<Shared>,
    service: Option<Arc<Service>>,
    transport: T,
    clock: C,
    input: BytesMut,
    read_ended: bool,
    handlers: FuturesUnordered<BoxFuture<()>>,
    /// What was begun by events of this turn.
    begun: VecDeque<Work>,
    /// The transport may hold back what was written.
    unflushed: bool,
    /// Until when the transport may take to close.
    close_deadline: Option<Timestamp>,
}

/// What stands in the way of going on at once.
#[derive(Default)]
struct Blocked {
    read: bool,
    write: bool,
}

impl<T: Transport, C: Clock> Task<T, C> {
    pub(super) fn client(shared: Arc<Shared>, transport: T, clock: C) -> Self {
        Self::new(shared, None, transport, clock)
    }

    pub(super) fn server(
        shared: Arc<Shared>,
        service: Arc<Service>,
        transport: T,
        clock: C,
    ) -> Self {
        Self::new(shared, Some(service), transport, clock)
    }

    fn new(shared: Arc<Shared>, service: Option<Arc<Service>>, transport: T, clock: C) -> Self {
        Self {
            shared,
            service,
            transport,
            clock,
            input: BytesMut::new(),
            read_ended: false,
            handlers: FuturesUnordered::new(),
            begun: VecDeque::new(),
            unflushed: false,
            close_deadline: None,
        }
    }

    /// One read, decoded. What it brought is dispatched, so that everything it leads to can be
    /// written at once.
    fn poll_input(&mut self, cx: &mut Context<'_>, blocked: &mut Blocked) -> usize {
        let interest = self.interest();
        let mut received = 0;
        if interest.read && !self.read_ended && !blocked.read {
            match self.transport.poll_read(cx, &mut self.input) {
                Poll::Pending => blocked.read = true,
                Poll::Ready(Ok(0)) => self.read_ended = true,
                Poll::Ready(Ok(count)) => received = count,
                Poll::Ready(Err(_)) => {
                    self.shared.lock().connection.handle_transport_error();
                    blocked.read = true;
                }
            }
            if received > 0 || self.read_ended {
                self.decode(self.read_ended);
                return received.max(1);
            }
        }
        if interest.again {
            self.decode(false);
            return 1;
        }
        if interest.event {
            self.dispatch();
            return 1;
        }
        0
    }

    fn interest(&self) -> Interest {
        self.shared.lock().connection.interest()
    }

    fn decode(&mut self, ended: bool) {
        let now = self.clock.now();
        let shared = self.shared.clone();
        let mut inner = shared.lock();
        if ended {
            inner
                .connection
                .handle_eof(Lane::FIRST, now, &mut self.input);
        } else {
            inner
                .connection
                .handle_input(Lane::FIRST, now, &mut self.input);
        }
        self.hand_out(inner);
    }

    /// Hands out the events that wait.
    fn dispatch(&mut self) {
        let shared = self.shared.clone();
        self.hand_out(shared.lock());
    }

    /// Hands out the events that wait, under the lock that they came about under: otherwise a caller
    /// could meanwhile get the slot of an exchange that is over, and the route to its mailbox.
    fn hand_out(&mut self, mut inner: MutexGuard<'_, Inner>) {
        while let Some(event) = inner.connection.poll_event() {
            self.begun.extend(inner.dispatch(event));
        }
        inner.admit_waiters();
        let due = inner.take_due();
        drop(inner);
        due.into_iter().for_each(Waker::wake);
    }

    /// Starts what events have begun, and polls what can go on. Returns whether anything ran.
    fn poll_handlers(&mut self, cx: &mut Context<'_>) -> bool {
        let mut ran = !self.begun.is_empty();
        while let Some(work) = self.begun.pop_front() {
            if let Some(mut future) = self.start(work) {
                // Most handlers answer at once: those never join the others.
                if future.as_mut().poll(cx).is_pending() {
                    self.handlers.push(future);
                }
            }
        }
        while let Poll::Ready(Some(())) = Pin::new(&mut self.handlers).poll_next(cx) {
            ran = true;
        }
        ran
    }

    fn start(&self, work: Work) -> Option<BoxFuture<()>> {
        let service = self.service.as_ref()?;
        match work {
            Work::Authorize(key, start) => {
                let Some(verdict) = service.verdict(start) else {
                    // Verdicts are asked for, and nobody gives them.
                    let now = self.clock.now();
                    self.shared
                        .command(|inner| inner.authorize(key, now, Verdict::Deny));
                    return None;
                };
                let shared = self.shared.clone();
                Some(Box::pin(async move {
                    let verdict = verdict.await;
                    let now = shared.now();
                    shared.command(|inner| inner.authorize(key, now, verdict));
                }))
            }
            Work::Handle(key, start, payload, fin) => {
                let incoming = Incoming::new(self.shared.clone(), key, start, payload, fin);
                service.serve(incoming)
            }
        }
    }

    /// Writes what is encoded, until the transport is full. Returns the bytes written.
    fn poll_output(&mut self, cx: &mut Context<'_>, blocked: &mut Blocked) -> usize {
        let now = self.clock.now();
        let mut written = 0;
        let mut inner = self.shared.lock();
        while !blocked.write && written < TURN_BYTES {
            let Some(mut transmit) = inner.connection.poll_transmit(Lane::FIRST, now) else {
                break;
            };
            match self.transport.poll_write(cx, &mut transmit) {
                Poll::Ready(Ok(count)) if count > 0 => written += count,
                Poll::Pending => blocked.write = true,
                Poll::Ready(_) => {
                    inner.connection.handle_transport_error();
                    blocked.write = true;
                }
            }
        }
        drop(inner);
        self.unflushed |= written > 0;
        if self.unflushed {
            match self.transport.poll_flush(cx) {
                Poll::Ready(Ok(())) => self.unflushed = false,
                Poll::Ready(Err(_)) => self.shared.lock().connection.handle_transport_error(),
                Poll::Pending => {}
            }
        }
        written
    }

    /// Lets time act. Ready: something may have changed.
    fn poll_time(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.interest().deadline else {
            return Poll::Pending;
        };
        let now = self.clock.now();
        if now < deadline {
            match self.clock.poll_deadline(cx, deadline) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(()) => {}
            }
        }
        let now = self.clock.now().max(deadline);
        self.time_passes(now);
        Poll::Ready(())
    }

    fn time_passes(&mut self, now: Timestamp) {
        let shared = self.shared.clone();
        let mut inner = shared.lock();
        inner.connection.handle_timeout(now);
        if inner.connection.exchanges() == 0 {
            inner.trim();
            if self.input.is_empty() {
                self.input = BytesMut::new();
            }
            if self.begun.is_empty() {
                self.begun = VecDeque::new();
            }
        }
        self.hand_out(inner);
    }

    /// Goes to sleep, unless something is to be done by now that a handle has brought meanwhile.
    fn sleep(&self, cx: &Context<'_>, blocked: &Blocked) -> bool {
        let mut inner = self.shared.lock();
        let interest = inner.connection.interest();
        let work = interest.event
            || interest.again
            || (interest.write && !blocked.write)
            || (interest.read && !blocked.read && !self.read_ended)
            || interest.done;
        if !work {
            inner.sleep(cx.waker());
        }
        !work
    }
}

impl<T: Transport, C: Clock> Future for Task<T, C> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let mut budget = PollBudget::new(TURNS, TURN_BYTES);
        let mut blocked = Blocked::default();
        this.shared.lock().awake();
        loop {
            let read = this.poll_input(cx, &mut blocked);
            let ran = this.poll_handlers(cx);
            let more = this.shared.lock().connection.wants_to_go_on(WRITE_AT);
            let written = if more {
                0
            } else {
                this.poll_output(cx, &mut blocked)
            };
            if this.interest().done && this.begun.is_empty() {
                return this.poll_end(cx);
            }
            if !budget.spend(1, read + written) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if read > 0 || ran || written > 0 || more {
                continue;
            }
            if this.poll_time(cx).is_ready() {
                continue;
            }
            if this.sleep(cx, &blocked) {
                return Poll::Pending;
            }
        }
    }
}

impl<T: Transport, C: Clock> Task<T, C> {
    /// Everything is written: the handlers learn of the end, then the transport is closed.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.dispatch();
        self.handlers.clear();
        // The alarm bounds how long a peer may keep the close waiting.
        let closed = self.transport.poll_close(cx).is_ready();
        let now = self.clock.now();
        let deadline = *self.close_deadline.get_or_insert(now + CLOSE_TIME);
        if closed || self.clock.poll_deadline(cx, deadline).is_ready() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}
