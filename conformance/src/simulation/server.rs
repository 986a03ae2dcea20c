//! The server's application: a verifier, and handlers that are quick, slow, or never answer.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use oap_core::{
    Code, Connection, Consume, Event, ExchangeId, Fin, Payload, Reason, SendError, Start,
    Timestamp, Verdict,
};

use super::client::{body, check_waiting_events, fin};
use super::endpoint::{Endpoint, Surroundings};
use super::model::{Facts, Model};
use super::pattern::Direction;
use super::plan::Kind;
use super::shelf::Shelf;

/// What a handler is about to do.
#[derive(Clone, Copy, Debug)]
enum Step {
    Send(usize, Fin),
    Push(usize),
    Fail(Code, Reason),
    Cancel,
}

/// One exchange as its handler sees it.
#[derive(Debug)]
struct Handler {
    call: usize,
    steps: VecDeque<Step>,
    acts_at: Timestamp,
    sent: usize,
    blocked: bool,
    /// The handler is done with the exchange, and works on until then.
    works_until: Option<Timestamp>,
}

/// The application at the server's end of one connection.
#[derive(Debug)]
pub(super) struct Server {
    wakes: Timestamp,
    nap: Duration,
    keeps: Duration,
    /// STARTs that wait for their verdict, and when it is given.
    asked: BTreeMap<ExchangeId, (Timestamp, usize)>,
    handlers: BTreeMap<ExchangeId, Handler>,
    calls: BTreeMap<ExchangeId, usize>,
    lost: BTreeSet<ExchangeId>,
    shelf: Shelf,
}

impl Server {
    pub(super) fn new(nap: Duration, keeps: Duration) -> Self {
        Self {
            wakes: Timestamp::ZERO,
            nap,
            keeps,
            asked: BTreeMap::new(),
            handlers: BTreeMap::new(),
            calls: BTreeMap::new(),
            lost: BTreeSet::new(),
            shelf: Shelf::default(),
        }
    }

    /// Handlers that work, and STARTs that wait for a verdict.
    pub(super) fn load(&self) -> usize {
        self.handlers.len() + self.asked.len()
    }

    /// What the application keeps; unknown while frames are parked.
    pub(super) fn kept(&self) -> Option<usize> {
        self.asked.is_empty().then_some(self.shelf.cost())
    }

    /// When there is something to do.
    pub(super) fn next(&self, connection: &Connection) -> Option<Timestamp> {
        let mut next = self.shelf.next().unwrap_or(Timestamp::MAX);
        if connection.interest().event {
            next = next.min(self.wakes);
        }
        for &(at, _) in self.asked.values() {
            next = next.min(at);
        }
        for handler in self.handlers.values() {
            next = next.min(handler.next());
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
        moved |= self.judge_due(end, at, model);
        moved |= self.handle_due(end, at, model);
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
            Event::Authorize { id, start } => {
                let call = model.shown(&start, true);
                at.trace.note(now, who, "asked", call as u64, 0);
                self.calls.insert(id, call);
                let when = now + model.plan(call).verdict_after;
                self.asked.insert(id, (when, call));
            }
            Event::Opened {
                id,
                start,
                payload,
                fin,
            } => {
                self.begin(id, &start, now, model);
                self.request_bytes(id, &payload, fin, end, at, model);
            }
            Event::Data {
                id, payload, fin, ..
            } => self.request_bytes(id, &payload, fin, end, at, model),
            Event::Truncated { id } => {
                if let Some(handler) = self.handlers.get_mut(&id) {
                    handler.steps.clear();
                    let fail = Step::Fail(Code::BAD_REQUEST, Reason::BadRequest);
                    handler.steps.push_back(fail);
                    handler.blocked = false;
                }
            }
            Event::Ended { id, end: how } => {
                let call = self.calls[&id];
                at.trace.note(now, who, "ended", call as u64, 0);
                model.ended_at_server(call, &how, facts);
                self.asked.remove(&id);
                // The slot is taken until the work has ended, also where none was begun.
                let works_on = model.plan(call).works_on;
                let handler = self.handlers.entry(id).or_insert(Handler::new(call, now));
                handler.works_until.get_or_insert(now + works_on);
                self.shelf.over(id, now);
            }
            Event::Writable { id } => {
                if let Some(handler) = self.handlers.get_mut(&id) {
                    handler.blocked = false;
                }
            }
            Event::Closed(reason) => {
                at.trace.note(now, who, "closed", 0, 0);
                end.over = Some(reason);
                self.asked.clear();
                self.handlers.clear();
            }
            Event::Hello(_) => {}
            Event::Pong { nonce, sent } => end.pong(nonce, sent, now),
            Event::GoAway { code, .. } => {
                assert_eq!(code, Code::UNAVAILABLE, "{who}: the client blames us");
            }
            other => panic!("{who}: {other:?}"),
        }
    }

    fn begin(&mut self, id: ExchangeId, start: &Start, now: Timestamp, model: &mut Model) {
        let call = model.shown(start, false);
        self.calls.insert(id, call);
        let plan = model.plan(call);
        let mut handler = Handler::new(call, now + plan.think);
        let answer = &plan.answer;
        match plan.kind {
            _ if plan.server_cancels => handler.steps.push_back(Step::Cancel),
            Kind::Download => {
                let last = answer.len() - 1;
                let chunks = answer.iter().enumerate();
                handler
                    .steps
                    .extend(chunks.map(|(at, &len)| Step::Send(len, fin(at == last))));
            }
            Kind::Subscribe => {
                handler
                    .steps
                    .extend(answer.iter().map(|&len| Step::Push(len)));
                handler.steps.push_back(Step::Send(0, Fin::End));
            }
            Kind::Early => handler.steps.push_back(Step::Send(answer[0], Fin::End)),
            Kind::Fail | Kind::Denied | Kind::Forgotten => {
                let fail = Step::Fail(Code::NOT_FOUND, Reason::NotFound);
                handler.steps.push_back(fail);
            }
            Kind::Never => handler.works_until = Some(now + plan.think),
            Kind::Echo | Kind::Upload => {}
        }
        let before = self.handlers.insert(id, handler);
        assert!(before.is_none(), "a handle is given out twice");
    }

    fn request_bytes(
        &mut self,
        id: ExchangeId,
        payload: &Payload,
        fin: Fin,
        end: &mut Endpoint,
        at: &mut Surroundings<'_>,
        model: &mut Model,
    ) {
        let call = self.calls[&id];
        let len = payload.wire_len() as u64;
        at.trace
            .note(at.now, end.who(), "request", call as u64, len);
        if end.connection.config().consume == Consume::Manually {
            let never = model.plan(call).never_read && self.handlers.contains_key(&id);
            let keeps = at.rng.range(0, self.keeps.as_micros() as u64);
            let until = match never {
                true => Timestamp::MAX,
                false => at.now + Duration::from_micros(keeps),
            };
            self.shelf.put(until, id, payload);
        }
        if self.lost.contains(&id) {
            return;
        }
        let bytes = match end.connection.inflate(at.now, id, payload) {
            Ok(bytes) => at.saboteur.deliver(bytes),
            Err(fault) => {
                assert_eq!(fault.reason, Reason::RateLimited, "{call}: {fault}");
                self.lost.insert(id);
                return;
            }
        };
        model.got(call, Direction::Request, &bytes, fin.is_end());
        let Some(handler) = self.handlers.get_mut(&id) else {
            return;
        };
        match model.plan(call).kind {
            _ if model.plan(call).server_cancels => {}
            Kind::Echo => handler.steps.push_back(Step::Send(bytes.len(), fin)),
            Kind::Upload if fin.is_end() => {
                let len = model.plan(call).answer[0];
                handler.steps.push_back(Step::Send(len, Fin::End));
            }
            _ => {}
        }
    }

    fn judge_due(
        &mut self,
        end: &mut Endpoint,
        at: &mut Surroundings<'_>,
        model: &mut Model,
    ) -> bool {
        let ready: Vec<_> = self
            .asked
            .iter()
            .filter(|(_, (when, _))| *when <= at.now)
            .map(|(&id, &(_, call))| (id, call))
            .collect();
        for &(id, call) in &ready {
            self.asked.remove(&id);
            let allowed = model.plan(call).kind != Kind::Denied;
            let verdict = match allowed {
                true => Verdict::Allow,
                false => Verdict::Deny,
            };
            if let Some(exchange) = end.connection.exchange(id) {
                model.verdict(call, allowed);
                exchange.authorize(at.now, verdict);
            }
        }
        !ready.is_empty()
    }

    fn handle_due(
        &mut self,
        end: &mut Endpoint,
        at: &mut Surroundings<'_>,
        model: &mut Model,
    ) -> bool {
        let now = at.now;
        let mut moved = false;
        let mut gone = Vec::new();
        for (&id, handler) in &mut self.handlers {
            while handler.may_act(now) {
                moved |= handler.act(id, end, at, model);
            }
            if handler.works_until.is_some_and(|until| until <= now) {
                if let Some(exchange) = end.connection.exchange(id) {
                    if !exchange.is_ended() {
                        model.handler_released(handler.call);
                    }
                    exchange.release();
                }
                gone.push(id);
            }
        }
        for id in &gone {
            self.handlers.remove(id);
            self.shelf.over(*id, now);
        }
        moved | !gone.is_empty()
    }
}

impl Handler {
    const fn new(call: usize, acts_at: Timestamp) -> Self {
        Self {
            call,
            steps: VecDeque::new(),
            acts_at,
            sent: 0,
            blocked: false,
            works_until: None,
        }
    }

    fn next(&self) -> Timestamp {
        match self.works_until {
            Some(until) => until,
            None if self.blocked || self.steps.is_empty() => Timestamp::MAX,
            None => self.acts_at,
        }
    }

    fn may_act(&self, now: Timestamp) -> bool {
        self.works_until.is_none() && !self.blocked && !self.steps.is_empty() && self.acts_at <= now
    }

    /// Takes the next step; returns whether the connection took it.
    fn act(
        &mut self,
        id: ExchangeId,
        end: &mut Endpoint,
        at: &mut Surroundings<'_>,
        model: &mut Model,
    ) -> bool {
        let (call, now) = (self.call, at.now);
        let plan = model.plan(call).clone();
        let Some(&step) = self.steps.front() else {
            return false;
        };
        let Some(mut exchange) = end.connection.exchange(id) else {
            self.works_until = Some(now);
            return false;
        };
        let room = exchange.has_room();
        let taken = match step {
            Step::Send(len, fin) if room => {
                let body = body(
                    &end.connection,
                    call,
                    Direction::Answer,
                    &plan,
                    self.sent,
                    len,
                );
                let exchange = end.connection.exchange(id);
                exchange.map(|exchange| exchange.send(Code::OK, body, fin))
            }
            Step::Push(len) if room => {
                let body = body(
                    &end.connection,
                    call,
                    Direction::Answer,
                    &plan,
                    self.sent,
                    len,
                );
                let exchange = end.connection.exchange(id);
                exchange.map(|exchange| exchange.push(Code::OK, body))
            }
            Step::Send(..) | Step::Push(_) => Some(Err(SendError::Full)),
            Step::Fail(code, reason) => Some(exchange.fail(code, reason, "as planned")),
            Step::Cancel => {
                exchange.cancel(Code::INTERNAL, Reason::Internal);
                Some(Ok(()))
            }
        };
        match taken {
            Some(Ok(())) => {}
            Some(Err(SendError::Full)) => {
                self.blocked = true;
                return false;
            }
            Some(Err(SendError::Ended | SendError::Closed)) | None => {
                self.works_until = Some(now + plan.works_on);
                return false;
            }
            Some(Err(error)) => panic!("{}: {call} cannot answer: {error}", end.who()),
        }
        self.steps.pop_front();
        self.acts_at = now + plan.answer_gap;
        let over = match step {
            Step::Send(len, fin) => {
                self.sent += len;
                model.sent(call, Direction::Answer, len, fin.is_end());
                fin.is_end().then_some(Code::OK)
            }
            Step::Push(len) => {
                self.sent += len;
                model.sent(call, Direction::Answer, len, false);
                None
            }
            Step::Fail(code, _) => Some(code),
            Step::Cancel => Some(Code::INTERNAL),
        };
        if let Some(code) = over {
            at.trace.note(
                now,
                end.who(),
                "answered",
                call as u64,
                u64::from(code.get()),
            );
            model.handler_ended(call, code);
            let works_on = end.connection.config().explicit_release;
            self.works_until = Some(match works_on {
                true => now + plan.works_on,
                false => now,
            });
        }
        true
    }
}
