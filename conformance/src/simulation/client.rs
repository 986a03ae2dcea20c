//! The client's application: opens calls, sends, cancels, and takes what comes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use oap_core::wire::Features;
use oap_core::{
    Body, Code, Connection, Consume, Event, ExchangeId, Fin, Head, Lane, Payload, Reason,
    SendError, Timestamp,
};

use super::endpoint::{Endpoint, Surroundings};
use super::model::{Facts, Model, Outcome};
use super::pattern::{Direction, pattern};
use super::plan::CallPlan;
use super::shelf::Shelf;

/// Bodies above this are not compressed: it would take most of the time of a run.
const MOST_COMPRESSED: usize = 3_000;

/// A call that is open.
#[derive(Debug)]
struct Active {
    call: usize,
    id: ExchangeId,
    lane: Lane,
    /// Chunks that are still to be sent.
    chunks: VecDeque<usize>,
    sent: usize,
    next_chunk: Timestamp,
    blocked: bool,
    cancel_at: Timestamp,
}

/// The application at the client's end of one connection.
#[derive(Debug)]
pub(super) struct Client {
    wakes: Timestamp,
    nap: Duration,
    keeps: Duration,
    /// Calls that are to be opened, and when.
    waiting: Vec<(Timestamp, usize)>,
    active: Vec<Active>,
    calls: BTreeMap<ExchangeId, usize>,
    /// Exchanges of which some bytes could not be inflated.
    lost: BTreeSet<ExchangeId>,
    shelf: Shelf,
    /// Calls may be opened.
    ready: bool,
    /// The HELLO, if any, is answered.
    greeted: bool,
    /// The server is known to take CANCEL.
    tells: bool,
}

impl Client {
    /// Without `eager` it waits for the answer to its HELLO, if it sends one.
    pub(super) fn new(hello: bool, eager: bool, nap: Duration, keeps: Duration) -> Self {
        Self {
            wakes: Timestamp::ZERO,
            nap,
            keeps,
            waiting: Vec::new(),
            active: Vec::new(),
            calls: BTreeMap::new(),
            lost: BTreeSet::new(),
            shelf: Shelf::default(),
            ready: eager || !hello,
            greeted: !hello,
            tells: false,
        }
    }

    pub(super) fn plan(&mut self, at: Timestamp, call: usize) {
        self.waiting.push((at, call));
    }

    /// The calls that were never opened.
    pub(super) fn take_waiting(&mut self) -> Vec<(Timestamp, usize)> {
        std::mem::take(&mut self.waiting)
    }

    /// Whether every call has its outcome.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.active.is_empty()
    }

    /// Whether calls wait for slots that no answer will free: those of calls given up at a server that
    /// takes no CANCEL (OAP-3-18).
    pub(super) fn is_starved(&self, connection: &Connection) -> bool {
        !self.tells
            && self.ready
            && self.active.is_empty()
            && !self.waiting.is_empty()
            && connection.exchanges() >= connection.capacity()
    }

    /// Opens no more calls on this connection.
    pub(super) const fn stop(&mut self) {
        self.ready = false;
    }

    pub(super) const fn kept(&self) -> usize {
        self.shelf.cost()
    }

    pub(super) fn check(&self, model: &Model, now: Timestamp, slack: Duration) {
        for active in &self.active {
            model.check_patience(active.call, now, slack);
        }
    }

    /// When there is something to do.
    pub(super) fn next(&self, connection: &Connection) -> Option<Timestamp> {
        let mut next = self.shelf.next().unwrap_or(Timestamp::MAX);
        if connection.interest().event {
            next = next.min(self.wakes);
        }
        if self.may_open(connection) {
            for &(at, _) in &self.waiting {
                next = next.min(at);
            }
        }
        for active in &self.active {
            next = next.min(active.cancel_at);
            if !active.blocked && !active.chunks.is_empty() {
                next = next.min(active.next_chunk);
            }
        }
        (next != Timestamp::MAX).then(|| next.max(self.wakes))
    }

    /// Whether an event waits for an application that is awake.
    pub(super) fn is_due(&self, connection: &Connection, now: Timestamp) -> bool {
        connection.interest().event && self.wakes <= now
    }

    /// Does what is due; returns whether anything was.
    pub(super) fn act(
        &mut self,
        end: &mut Endpoint,
        at: &mut Surroundings<'_>,
        model: &mut Model,
        facts: &Facts,
    ) -> bool {
        if at.now < self.wakes {
            return false;
        }
        let mut moved = false;
        let mut polled = 0;
        while let Some(event) = at.saboteur.poll_event(&mut end.connection) {
            moved = true;
            polled += 1;
            self.event(event, end, at, model, facts);
        }
        check_waiting_events(polled, &end.connection);
        moved |= self.shelf.give_back(&mut end.connection, at.now);
        if end.over.is_none() {
            moved |= self.open_due(end, at, model);
            moved |= self.send_due(end, at, model);
            moved |= self.cancel_due(end, at, model, facts);
        }
        if moved {
            let nap = at.rng.range(0, self.nap.as_micros() as u64);
            self.wakes = at.now + Duration::from_micros(nap);
        }
        moved
    }

    fn event(
        &mut self,
        event: Event,
        end: &mut Endpoint,
        at: &mut Surroundings<'_>,
        model: &mut Model,
        facts: &Facts,
    ) {
        let (now, who) = (at.now, end.who());
        assert!(end.over.is_none(), "{who}: {event:?} after the last event");
        match event {
            Event::Data {
                id,
                code,
                payload,
                fin,
            } => {
                let call = self.call(id);
                at.trace
                    .note(now, who, "answer", call as u64, payload.wire_len() as u64);
                self.keep(id, call, &payload, end, at, model);
                if model.is_settled(call) {
                    return;
                }
                let error = code.is_error() && fin.is_end();
                if !error && !self.bytes(id, call, &payload, fin, end, at, model) {
                    return;
                }
                if fin.is_end() {
                    self.settle(id, Outcome::Answered(code), at, model, facts, end);
                }
            }
            Event::Pushed { id, payload, .. } => {
                let call = self.call(id);
                at.trace
                    .note(now, who, "event", call as u64, payload.wire_len() as u64);
                self.keep(id, call, &payload, end, at, model);
                if !model.is_settled(call) {
                    self.bytes(id, call, &payload, Fin::More, end, at, model);
                }
            }
            Event::Ended { id, end: how } => {
                self.settle(id, Outcome::Ended(how), at, model, facts, end);
            }
            Event::Writable { id } => {
                let active = self.active.iter_mut().find(|active| active.id == id);
                if let Some(active) = active {
                    active.blocked = false;
                }
            }
            Event::Closed(reason) => {
                at.trace.note(now, who, "closed", 0, 0);
                end.over = Some(reason);
                let open: Vec<_> = self.active.iter().map(|active| active.id).collect();
                for id in open {
                    self.settle(id, Outcome::ConnectionOver, at, model, facts, end);
                }
            }
            Event::Hello(hello) => {
                (self.ready, self.greeted) = (true, true);
                self.tells = hello.features.contains(Features::CANCEL);
            }
            Event::GoAway { code, .. } => {
                assert_eq!(code, Code::UNAVAILABLE, "{who}: the server blames us");
            }
            Event::Pong { nonce, sent } => end.pong(nonce, sent, now),
            other => panic!("{who}: {other:?}"),
        }
    }

    fn call(&self, id: ExchangeId) -> usize {
        let call = self.calls.get(&id);
        *call.unwrap_or_else(|| panic!("an event of {id:?}, which never was"))
    }

    fn keep(
        &mut self,
        id: ExchangeId,
        call: usize,
        payload: &Payload,
        end: &Endpoint,
        at: &mut Surroundings<'_>,
        model: &Model,
    ) {
        if end.connection.config().consume == Consume::Manually {
            let never = model.plan(call).never_read && !model.is_settled(call);
            let keeps = at.rng.range(0, self.keeps.as_micros() as u64);
            let until = match never {
                true => Timestamp::MAX,
                false => at.now + Duration::from_micros(keeps),
            };
            self.shelf.put(until, id, payload);
        }
    }

    /// Hands bytes to the model; false if they could not be had.
    #[expect(
        clippy::too_many_arguments,
        reason = "everything that an event touches"
    )]
    fn bytes(
        &mut self,
        id: ExchangeId,
        call: usize,
        payload: &Payload,
        fin: Fin,
        end: &mut Endpoint,
        at: &mut Surroundings<'_>,
        model: &mut Model,
    ) -> bool {
        if self.lost.contains(&id) {
            return false;
        }
        match end.connection.inflate(at.now, id, payload) {
            Ok(bytes) => {
                let bytes = at.saboteur.deliver(bytes);
                model.got(call, Direction::Answer, &bytes, fin.is_end());
                true
            }
            Err(fault) => {
                assert_eq!(fault.reason, Reason::RateLimited, "{call}: {fault}");
                self.lost.insert(id);
                false
            }
        }
    }

    fn settle(
        &mut self,
        id: ExchangeId,
        outcome: Outcome,
        at: &mut Surroundings<'_>,
        model: &mut Model,
        facts: &Facts,
        end: &Endpoint,
    ) {
        let call = self.call(id);
        at.trace
            .note(at.now, end.who(), outcome.name(), call as u64, 0);
        model.settle(call, outcome, at.now, facts);
        self.shelf.over(id, at.now);
        if let Some(index) = self.active.iter().position(|active| active.id == id) {
            let active = self.active.remove(index);
            at.lanes.retire(active.lane);
        }
    }

    fn may_open(&self, connection: &Connection) -> bool {
        self.ready
            && !connection.is_closed()
            && !connection.is_going_away()
            && connection.exchanges() < connection.capacity()
    }

    fn open_due(
        &mut self,
        end: &mut Endpoint,
        at: &mut Surroundings<'_>,
        model: &mut Model,
    ) -> bool {
        let mut moved = false;
        while self.may_open(&end.connection) {
            let due = self.waiting.iter().position(|&(when, _)| when <= at.now);
            let Some(index) = due else { break };
            let (_, call) = self.waiting[index];
            if !self.open(call, end, at, model) {
                break;
            }
            self.waiting.remove(index);
            moved = true;
        }
        moved
    }

    fn open(
        &mut self,
        call: usize,
        end: &mut Endpoint,
        at: &mut Surroundings<'_>,
        model: &mut Model,
    ) -> bool {
        let now = at.now;
        let plan = model.plan(call).clone();
        let multi = end.connection.config().multi_lane && self.greeted;
        let lane = match multi && plan.own_lane {
            true => at.lanes.free().unwrap_or(Lane::FIRST),
            false => Lane::FIRST,
        };
        let mut chunks: VecDeque<_> = plan.request.iter().copied().collect();
        let first = chunks.pop_front().unwrap_or(0);
        let fin = fin(chunks.is_empty());
        let head = Head {
            tenant_id: model.tenant(call),
            capability: Bytes::from_static(pattern(call, Direction::Request, 0, plan.capability)),
            lane,
            timeout: Some(plan.timeout),
            ..Head::new(plan.app)
        };
        let body = body(&end.connection, call, Direction::Request, &plan, 0, first);
        let id = match end.connection.request(now, head, body, fin) {
            Ok(id) => id,
            Err(SendError::Draining | SendError::Closed) => return false,
            // The connection is coming to its end.
            Err(SendError::NoLane) if end.has_ended(lane) => {
                self.stop();
                return false;
            }
            Err(error) => panic!("{}: {call} is not opened: {error}", end.who()),
        };
        if lane != Lane::FIRST {
            at.lanes.open(lane, now);
            at.wire.open(usize::from(lane.0));
        }
        at.trace
            .note(now, end.who(), "open", call as u64, first as u64);
        assert!(
            !end.has_ended(lane),
            "{}: {call} is on a lane that has ended",
            end.who()
        );
        model.opened(call, now);
        model.sent(call, Direction::Request, first, fin.is_end());
        self.calls.insert(id, call);
        self.active.push(Active {
            call,
            id,
            lane,
            chunks,
            sent: first,
            next_chunk: now + plan.request_gap,
            blocked: false,
            cancel_at: plan
                .cancel_after
                .map_or(Timestamp::MAX, |after| now + after),
        });
        true
    }

    fn send_due(
        &mut self,
        end: &mut Endpoint,
        at: &mut Surroundings<'_>,
        model: &mut Model,
    ) -> bool {
        let mut moved = false;
        for active in &mut self.active {
            while !active.blocked && active.next_chunk <= at.now {
                let Some(&size) = active.chunks.front() else {
                    break;
                };
                let Some(mut exchange) = end.connection.exchange(active.id) else {
                    // It is over; the event that tells so waits.
                    active.chunks.clear();
                    break;
                };
                if !exchange.has_room() {
                    active.blocked = true;
                    break;
                }
                let plan = model.plan(active.call);
                let (call, sent, gap) = (active.call, active.sent, plan.request_gap);
                let body = body(&end.connection, call, Direction::Request, plan, sent, size);
                let fin = fin(active.chunks.len() == 1);
                let exchange = end.connection.exchange(active.id);
                match exchange.map(|exchange| exchange.send(Code::OK, body, fin)) {
                    Some(Ok(())) => {
                        model.sent(call, Direction::Request, size, fin.is_end());
                        active.chunks.pop_front();
                        active.sent += size;
                        active.next_chunk = at.now + gap;
                        moved = true;
                    }
                    Some(Err(SendError::Ended | SendError::Closed)) | None => {
                        active.chunks.clear();
                    }
                    Some(Err(error)) => panic!("{}: {call} cannot send: {error}", end.who()),
                }
            }
        }
        moved
    }

    fn cancel_due(
        &mut self,
        end: &mut Endpoint,
        at: &mut Surroundings<'_>,
        model: &mut Model,
        facts: &Facts,
    ) -> bool {
        let due = |active: &&mut Active| active.cancel_at <= at.now;
        let mut cancelled = Vec::new();
        for active in self.active.iter_mut().filter(due) {
            active.cancel_at = Timestamp::MAX;
            // A server that is not told would wait for the rest of the request (OAP-3-18).
            if !self.tells && !active.chunks.is_empty() {
                continue;
            }
            // Otherwise it is over already, and an event waits that tells so.
            if let Some(exchange) = end.connection.exchange(active.id) {
                exchange.cancel(Code::TIMEOUT, Reason::Cancelled);
                cancelled.push(active.id);
            }
        }
        for &id in &cancelled {
            self.settle(id, Outcome::Cancelled, at, model, facts, end);
        }
        !cancelled.is_empty()
    }
}

/// Events that may wait: those that decoding stops at, and a few per exchange that come of commands,
/// timers and ends. Frames that were parked come all at once, where there is a verifier.
pub(super) fn check_waiting_events(polled: usize, connection: &Connection) {
    let config = connection.config();
    if !config.authorize {
        let most = 40 + 4 * usize::from(config.limits.max_inflight());
        assert!(
            polled <= most,
            "{:?}: {polled} events waited",
            connection.role()
        );
    }
}

/// The next bytes of a direction of a call, as its plan wants them sent.
pub(super) fn body(
    connection: &Connection,
    call: usize,
    direction: Direction,
    plan: &CallPlan,
    offset: usize,
    len: usize,
) -> Body {
    let bytes = Bytes::from_static(pattern(call, direction, offset, len));
    if plan.opaque {
        Body::from(bytes).opaque()
    } else if plan.compress && len <= MOST_COMPRESSED {
        connection.compression().apply(bytes)
    } else {
        bytes.into()
    }
}

pub(super) const fn fin(end: bool) -> Fin {
    if end { Fin::End } else { Fin::More }
}
