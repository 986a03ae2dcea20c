//! The task of one connection.

use std::boxed::Box;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Buf;
use futures_util::stream::{FuturesUnordered, Stream};

use super::inputs::Inputs;
use super::rates::Gate;
use super::seats::State;
use super::service::{BoxFuture, decide};
use super::shared::{Inner, Shared, Work};
use super::telemetry::ConnectionTelemetry;
use super::turn::{Between, Blocked, Handed, TURN_BYTES, TURN_INFLATED, Turn, WRITE_AT};
use super::{Clock, Incoming, LaneError, Lanes};
use crate::{Interest, Lane, Timestamp, Verdict};

/// Bytes that a server reads while its answers wait for the transport: a peer that asks and does not
/// read is made to wait, instead of being held for.
const READ_AHEAD: usize = 256 * 1024;
/// How long the transport may take to close.
const CLOSE_TIME: Duration = Duration::from_secs(2);

/// Moves bytes between a connection and its transport, and runs its handlers, until both are done.
pub(super) struct Task<T, C> {
    shared: Arc<Shared>,
    server: Option<Arc<State>>,
    transport: T,
    clock: C,
    lanes: Inputs,
    read_ended: bool,
    handlers: FuturesUnordered<BoxFuture<()>>,
    handed: Handed,
    between: Between,
    /// The transport may hold back what was written.
    unflushed: bool,
    ingress: Gate,
    egress: Gate,
    /// The connection was told that nothing is read for now.
    paused: bool,
    /// Bytes read since the transport last took some of what waits for it.
    ahead: usize,
    /// What is to be written waits for a rate.
    waits_to_write: bool,
    /// Until when the transport may take to close.
    close_deadline: Option<Timestamp>,
    telemetry: ConnectionTelemetry,
}

impl<T: Lanes, C: Clock> Task<T, C> {
    pub(super) fn client(
        shared: Arc<Shared>,
        transport: T,
        clock: C,
        telemetry: ConnectionTelemetry,
    ) -> Self {
        Self::new(shared, None, transport, clock, telemetry)
    }

    pub(super) fn server(
        shared: Arc<Shared>,
        server: Arc<State>,
        transport: T,
        clock: C,
        telemetry: ConnectionTelemetry,
    ) -> Self {
        Self::new(shared, Some(server), transport, clock, telemetry)
    }

    fn new(
        shared: Arc<Shared>,
        server: Option<Arc<State>>,
        transport: T,
        clock: C,
        telemetry: ConnectionTelemetry,
    ) -> Self {
        Self {
            telemetry,
            shared,
            lanes: Inputs::new(transport.is_multi(), server.is_none()),
            server,
            transport,
            clock,
            read_ended: false,
            handlers: FuturesUnordered::new(),
            handed: Handed::default(),
            between: Between::default(),
            unflushed: false,
            ingress: Gate::default(),
            egress: Gate::default(),
            paused: false,
            ahead: 0,
            waits_to_write: false,
            close_deadline: None,
        }
    }

    /// With rates to keep.
    pub(super) fn with_gates(mut self, ingress: Gate, egress: Gate) -> Self {
        self.ingress = ingress;
        self.egress = egress;
        self
    }

    /// One read, decoded. What it brought is dispatched, so that everything it leads to can be
    /// written at once.
    fn poll_input(
        &mut self,
        cx: &mut Context<'_>,
        interest: &Interest,
        blocked: &mut Blocked,
    ) -> usize {
        if !interest.write {
            self.ahead = 0;
        }
        if interest.read && !self.read_ended && !blocked.read && self.may_read(interest, blocked) {
            let received = self.poll_lanes(cx, blocked);
            if received > 0 {
                return received;
            }
        }
        if interest.again {
            self.decode_stalled();
            return 1;
        }
        if interest.event {
            self.dispatch();
            return 1;
        }
        0
    }

    /// Whether a server has read as far ahead of its answers as it may. A client always reads, so
    /// that the two cannot wait for each other.
    #[inline]
    fn is_ahead(&self, interest: &Interest) -> bool {
        interest.write && self.ahead >= READ_AHEAD && self.server.is_some()
    }

    /// Whether bytes are let in, by the rates and by a peer that takes what it asked for.
    fn may_read(&mut self, interest: &Interest, blocked: &mut Blocked) -> bool {
        let ahead = self.is_ahead(interest);
        if self.ingress.is_free() && self.paused == ahead {
            return !ahead;
        }
        let now = self.clock.now();
        let closed = self.ingress.closed_until(now);
        if let Some(until) = closed {
            blocked.read = true;
            blocked.wait_until(until);
        }
        let paused = ahead || closed.is_some();
        if self.paused != paused {
            self.paused = paused;
            let connection = &mut self.shared.lock().connection;
            if paused {
                connection.handle_pause(now);
            } else {
                connection.handle_resume(now);
            }
            if closed.is_some() {
                self.count_throttled();
            }
        }
        !paused
    }

    fn count_throttled(&self) {
        self.telemetry.throttled();
        if let Some(server) = &self.server {
            server.stats.throttled.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// One read from the next lane that has something; returns the bytes, at least 1 if anything
    /// happened.
    fn poll_lanes(&mut self, cx: &mut Context<'_>, blocked: &mut Blocked) -> usize {
        loop {
            let lane = match self.transport.poll_readable(cx) {
                Poll::Ready(Ok(Some(lane))) => lane,
                Poll::Ready(Ok(None)) => {
                    self.read_ended = true;
                    self.shared.lock().connection.handle_peer_close();
                    return 1;
                }
                Poll::Ready(Err(_)) => {
                    blocked.read = true;
                    self.shared.lock().connection.handle_transport_error();
                    return 0;
                }
                Poll::Pending => {
                    blocked.read = true;
                    return 0;
                }
            };
            match self.transport.poll_read(cx, lane, self.lanes.buffer(lane)) {
                // Another lane may have something.
                Poll::Pending if self.lanes.is_multi() => {}
                Poll::Pending => {
                    blocked.read = true;
                    return 0;
                }
                Poll::Ready(Ok(0)) => {
                    self.lane_ended(lane);
                    return 1;
                }
                Poll::Ready(Ok(count)) => {
                    if !self.ingress.is_free() {
                        self.ingress.spend(self.clock.now(), count);
                    }
                    self.telemetry.read(count);
                    self.ahead += count;
                    self.decode(lane, false);
                    return count;
                }
                Poll::Ready(Err(LaneError::Reset)) => {
                    self.lane_reset(lane);
                    return 1;
                }
                Poll::Ready(Err(LaneError::Failed(_))) => {
                    blocked.read = true;
                    self.shared.lock().connection.handle_transport_error();
                    return 0;
                }
            }
        }
    }

    fn decode_stalled(&mut self) {
        if self.lanes.is_multi() {
            for lane in self.lanes.take_stalled() {
                self.decode(lane, false);
            }
        } else {
            self.decode(Lane::FIRST, false);
        }
    }

    /// The peer sends no more on a lane.
    fn lane_ended(&mut self, lane: Lane) {
        self.read_ended = !self.lanes.is_multi();
        self.shared.lock().lose_lane(lane);
        self.decode(lane, true);
        if self.lanes.ended(lane) {
            self.lane_over(lane);
        }
    }

    /// The peer has given a lane up: there is nothing to do on it any more.
    fn lane_reset(&mut self, lane: Lane) {
        self.transport.finish(lane);
        let now = self.clock.now();
        let over = self.lanes.reset(lane);
        let mut inner = self.shared.lock();
        inner.connection.handle_reset(lane, now);
        inner.lose_lane(lane);
        if over {
            inner.release_lane(lane);
        }
        self.handed.take(inner, &self.telemetry);
    }

    /// A lane has ended in both directions: its number may be used again.
    fn lane_over(&mut self, lane: Lane) {
        let now = self.clock.now();
        let mut inner = self.shared.lock();
        inner.connection.handle_reset(lane, now);
        inner.release_lane(lane);
    }

    /// Ends our side of lanes on which nothing is left to do.
    fn finish_lanes(&mut self) {
        if !self.lanes.is_multi() {
            return;
        }
        self.lanes.finish(self.shared.lock().retired.drain(..));
        for lane in self.lanes.take_finishing() {
            if !self.shared.lock().connection.is_lane_idle(lane) {
                self.lanes.finish([lane]);
                continue;
            }
            self.transport.finish(lane);
            if self.lanes.finished(lane) {
                self.lane_over(lane);
            }
        }
    }

    fn decode(&mut self, lane: Lane, ended: bool) {
        let now = self.clock.now();
        let mut inner = self.shared.lock();
        let input = self.lanes.buffer(lane);
        if ended {
            inner.connection.handle_eof(lane, now, input);
        } else {
            inner.connection.handle_input(lane, now, input);
        }
        if self.lanes.is_multi() && inner.connection.is_lane_stalled(lane) {
            self.lanes.stalled(lane);
        }
        self.handed.take(inner, &self.telemetry);
    }

    /// Hands out the events that wait.
    fn dispatch(&mut self) {
        self.handed.take(self.shared.lock(), &self.telemetry);
    }

    /// Starts what events have begun, and polls what can go on, until handlers have inflated as much
    /// as a turn may. Returns whether anything ran.
    fn poll_handlers(&mut self, cx: &mut Context<'_>) -> bool {
        let mut ran = !self.handed.begun.is_empty();
        while self.shared.inflated() < TURN_INFLATED {
            let Some(work) = self.handed.begun.pop_front() else {
                break;
            };
            if let Some(mut future) = self.start(work) {
                // Most handlers answer at once: those never join the others.
                if future.as_mut().poll(cx).is_pending() {
                    self.handlers.push(future);
                }
            }
        }
        while !self.handlers.is_empty() && self.shared.inflated() < TURN_INFLATED {
            let Poll::Ready(Some(())) = Pin::new(&mut self.handlers).poll_next(cx) else {
                break;
            };
            ran = true;
        }
        ran
    }

    fn start(&self, work: Work) -> Option<BoxFuture<()>> {
        let service = self.server.as_ref()?.service();
        match work {
            Work::Authorize(key, start) => {
                let Some(verdict) = service.verdict(start) else {
                    // Verdicts are asked for, and nobody gives them.
                    let now = self.clock.now();
                    self.shared
                        .command(|inner| inner.authorize(key, now, Verdict::Deny));
                    return None;
                };
                Some(Box::pin(decide(self.shared.clone(), key, verdict)))
            }
            Work::Handle(key, start, payload, fin) => {
                let telemetry = self.telemetry.exchange(|| self.clock.now(), &start);
                let (app, corr_id) = (start.app_proto_id, start.corr_id);
                let shared = self.shared.clone();
                let incoming = Incoming::new(shared, key, start, payload, fin, telemetry);
                let future = service.serve(incoming)?;
                Some(self.telemetry.instrument(app, corr_id, future))
            }
        }
    }

    /// Writes what is encoded, until the transport is full, unless more can be encoded first. Returns
    /// the bytes written.
    fn poll_output(&mut self, cx: &mut Context<'_>, blocked: &mut Blocked) -> usize {
        let mut inner = self.shared.lock();
        if inner.connection.wants_to_go_on(WRITE_AT) {
            return 0;
        }
        let waits = inner.connection.work().write;
        let now = if waits {
            self.clock.now()
        } else {
            Timestamp::ZERO
        };
        let mut written = 0;
        let mut reset = None;
        while waits && !blocked.write && written < TURN_BYTES {
            if let Some(until) = self.egress.closed_until(now) {
                if inner.connection.work().write {
                    blocked.write = true;
                    blocked.wait_until(until);
                    if !core::mem::replace(&mut self.waits_to_write, true) {
                        inner.connection.handle_write_pause(now);
                        self.count_throttled();
                    }
                }
                break;
            }
            if core::mem::take(&mut self.waits_to_write) {
                inner.connection.handle_write_resume(now);
            }
            let Some(lane) = self.lanes.next_to_write(&mut inner.connection) else {
                break;
            };
            if self.lanes.is_finished(lane) {
                inner.connection.drop_output(lane);
                continue;
            }
            let Some(mut transmit) = inner.connection.poll_transmit(lane, now) else {
                if self.lanes.is_multi() {
                    continue;
                }
                break;
            };
            let portion = self.egress.portion();
            let sent = if transmit.remaining() > portion {
                let mut portion = (&mut transmit).take(portion);
                self.transport.poll_write(cx, lane, &mut portion)
            } else {
                self.transport.poll_write(cx, lane, &mut transmit)
            };
            match sent {
                Poll::Ready(Ok(count)) if count > 0 => {
                    written += count;
                    self.egress.spend(now, count);
                    self.telemetry.written(count);
                }
                Poll::Pending if self.lanes.is_multi() => self.lanes.full(lane),
                Poll::Ready(Err(LaneError::Reset)) => {
                    reset = Some(lane);
                    break;
                }
                Poll::Pending => blocked.write = true,
                Poll::Ready(_) => {
                    inner.connection.handle_transport_error();
                    blocked.write = true;
                }
            }
        }
        drop(inner);
        if let Some(lane) = reset {
            self.lane_reset(lane);
            written += 1;
        }
        if written > 0 {
            self.ahead = 0;
            self.unflushed = true;
        }
        if self.unflushed {
            match self.transport.poll_flush(cx) {
                Poll::Ready(Ok(())) => self.unflushed = false,
                Poll::Ready(Err(_)) => self.shared.lock().connection.handle_transport_error(),
                Poll::Pending => {}
            }
        }
        written
    }

    /// Goes to sleep until something is to be done, by what a handle has brought meanwhile or by the
    /// time. Ready: that has come to pass.
    fn poll_rest(&mut self, cx: &mut Context<'_>, blocked: &mut Blocked) -> Poll<()> {
        let mut inner = self.shared.lock();
        let interest = inner.connection.interest();
        if self.has_work(&mut inner, &interest, blocked) {
            return Poll::Ready(());
        }
        inner.sleep(cx.waker());
        drop(inner);
        let deadlines = interest.deadline.into_iter().chain(blocked.until);
        let Some(deadline) = deadlines.min() else {
            return Poll::Pending;
        };
        if self.clock.now() < deadline && self.clock.poll_deadline(cx, deadline).is_pending() {
            return Poll::Pending;
        }
        let now = self.clock.now().max(deadline);
        self.time_passes(now);
        if blocked.until.is_some() {
            *blocked = Blocked::default();
        }
        Poll::Ready(())
    }

    fn time_passes(&mut self, now: Timestamp) {
        let mut inner = self.shared.lock();
        inner.awake();
        inner.connection.handle_timeout(now);
        if inner.connection.exchanges() == 0 {
            inner.trim();
            self.lanes.trim();
            self.handed.trim();
        }
        self.handed.take(inner, &self.telemetry);
    }

    /// Whether a lane is left that may take what waits.
    fn may_write(&self, inner: &mut Inner) -> bool {
        !self.lanes.is_multi() || self.lanes.next_to_write(&mut inner.connection).is_some()
    }

    fn has_work(&self, inner: &mut Inner, interest: &Interest, blocked: &Blocked) -> bool {
        interest.event
            || interest.again
            || (interest.write && !blocked.write && self.may_write(inner))
            || (interest.read && !blocked.read && !self.read_ended && !self.is_ahead(interest))
            || interest.done
            || !inner.retired.is_empty()
    }
}

impl<T: Lanes, C: Clock> Future for Task<T, C> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let _entered = this.telemetry.enter();
        let polled = this.poll_turns(cx);
        if cfg!(feature = "telemetry") {
            this.report(polled.is_ready());
        }
        polled
    }
}

impl<T: Lanes, C: Clock> Task<T, C> {
    /// What there is to do.
    fn wake_up(&self) -> (Interest, u64) {
        let mut inner = self.shared.lock();
        inner.awake();
        inner.progress()
    }

    fn report(&mut self, ended: bool) {
        let inner = self.shared.lock();
        self.telemetry.observe(&inner.connection);
        if ended {
            let aborted = self.shared.is_aborted();
            self.telemetry.closed(inner.closed.as_ref(), aborted);
        }
    }

    fn poll_turns(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let this = self;
        if this.between.poll_over(&mut this.clock, cx).is_pending() {
            return Poll::Pending;
        }
        let mut blocked = Blocked::default();
        this.lanes.begin_turn();
        let (mut work, frames) = this.wake_up();
        let mut turn = Turn::begin(frames);
        loop {
            if this.shared.is_aborted() {
                this.handlers.clear();
                return Poll::Ready(());
            }
            let read = this.poll_input(cx, &work, &mut blocked);
            let ran = this.poll_handlers(cx);
            let written = this.poll_output(cx, &mut blocked);
            this.finish_lanes();
            let frames;
            (work, frames) = this.shared.lock().progress();
            if work.done && this.handed.begun.is_empty() {
                return this.poll_end(cx);
            }
            let inflated = this.shared.take_inflated();
            if !turn.goes_on(frames, read + written, inflated) {
                let strained = this.server.is_some() && this.shared.is_strained();
                this.between.begin(strained, &mut this.clock, cx);
                return Poll::Pending;
            }
            if read > 0 || ran || written > 0 {
                continue;
            }
            if this.poll_rest(cx, &mut blocked).is_pending() {
                return Poll::Pending;
            }
            work = this.shared.lock().connection.work();
        }
    }
}

impl<T: Lanes, C: Clock> Task<T, C> {
    /// Everything is written: the handlers learn of the end, then the transport is closed.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.dispatch();
        self.handlers.clear();
        // The alarm bounds how long a peer may keep the close waiting.
        let closed = self.transport.poll_close(cx).is_ready();
        let now = self.clock.now();
        let deadline = *self.close_deadline.get_or_insert(now + CLOSE_TIME);
        if closed || self.clock.poll_deadline(cx, deadline).is_ready() {
            return Poll::Ready(());
        }
        self.shared.lock().sleep(cx.waker());
        // It may have come before there was a waker.
        if self.shared.is_aborted() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

/// Where it is dropped in the middle, with its runtime say, nobody waits in vain.
impl<T, C> Drop for Task<T, C> {
    fn drop(&mut self) {
        self.shared.command(Inner::cut_off);
    }
}
