//! Two connections in virtual time, over links with delay, small pieces, stalls and cuts, against a
//! model that knows every byte. Each run follows from its seed: `OAP_SEED=n` replays one,
//! `OAP_SEEDS=n` makes more of them.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use bytes::Bytes;
use oap_core::testing::{Cut, Pair, Rng, Weather};
use oap_core::wire::{Features, MAX_FRAME};
use oap_core::{
    Body, Charge, CloseReason, Code, Config, Connection, Consume, End, Event, ExchangeId, Fin,
    Head, Limits, Reason, SendError, Timestamp, Verdict, Violation,
};

const SEEDS: u64 = 400;
/// Steps after which a run hangs.
const MAX_STEPS: usize = 400_000;
/// Bytes of an event.
const EVENT: usize = 700;
/// How long the server works on what it never answers.
const GIVE_UP: Duration = Duration::from_secs(30);
/// Everything is over by then, in virtual time.
const MAX_TIME: Duration = Duration::from_secs(900);

/// What an exchange does. The server knows it by the tenant id, which is the exchange's number.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// The answer is the request, chunk by chunk.
    Echo,
    /// The answer is that many bytes of the server's.
    Download(usize),
    /// The server pushes that many events, then ends.
    Subscribe(usize),
    /// The server answers with an error.
    Fail,
    /// The server never answers; the client or a timer gives up.
    Never,
    /// The server denies it, where it asks a verifier.
    Denied,
}

/// How an exchange ended at the client.
#[derive(Clone, Debug, PartialEq)]
enum Outcome {
    Answered(Code),
    Ended(End),
    Cancelled,
    ConnectionOver,
}

#[derive(Debug)]
struct Plan {
    kind: Kind,
    at: Timestamp,
    /// Request bytes, in these chunks; a single one goes in one piece.
    chunks: VecDeque<usize>,
    cancel_at: Option<Timestamp>,
    server_cancels_after: Option<usize>,
    compress: bool,
    id: Option<ExchangeId>,
    /// The client has sent its END.
    finished: bool,
    blocked: bool,
    sent: usize,
    answered: usize,
    pushed: usize,
    outcome: Option<Outcome>,
}

/// An exchange as the server's handler sees it.
#[derive(Debug)]
struct Handler {
    plan: usize,
    got: usize,
    request_over: bool,
    /// Bytes, then END, that still have to be sent.
    owes: VecDeque<(Bytes, Fin)>,
    blocked: bool,
    begun: bool,
    work_until: Timestamp,
    gives_up: Timestamp,
    over: bool,
}

/// The bytes of a direction of an exchange, from an offset on.
fn pattern(plan: usize, answer: bool, from: usize, len: usize) -> Vec<u8> {
    (from..from + len)
        .map(|at| {
            let x = (at as u64 ^ ((plan as u64) << 32 | u64::from(answer) << 63))
                .wrapping_mul(0x9e37_79b9_7f4a_7c15);
            // Half of it is repetitive, so that compression sometimes pays.
            if at / 512 % 2 == 0 {
                (x >> 56) as u8
            } else {
                plan as u8
            }
        })
        .collect()
}

struct Sim {
    pair: Pair,
    rng: Rng,
    plans: Vec<Plan>,
    handlers: BTreeMap<ExchangeId, Handler>,
    /// Payloads that were delivered and not consumed yet.
    at_client: Vec<(Timestamp, ExchangeId, Charge)>,
    at_server: Vec<(Timestamp, ExchangeId, Charge)>,
    client_wakes: Timestamp,
    server_wakes: Timestamp,
    /// How long an application may look away.
    lazy: u64,
    cut_at: Option<(Timestamp, Cut)>,
    drain_at: Option<Timestamp>,
    drained: bool,
    /// No link stands still for so long that a timer may run out.
    fair: bool,
    client_over: Option<CloseReason>,
    server_over: Option<CloseReason>,
    explicit: bool,
    /// One of them consumes later than it takes.
    slow: bool,
    small_server: bool,
    /// The client may open exchanges.
    ready: bool,
}

fn config(rng: &mut Rng) -> Config {
    let limits = loop {
        let max_frame = rng.pick(&[1_048_576, 1_048_576, 65_536, 8_192, 4_096]);
        let limits = Limits::builder()
            .max_frame(max_frame)
            .max_inflight(rng.pick(&[64, 64, 8, 3, 1]))
            .ack_window(rng.pick(&[131_072, 4_096, 5_000, 32_768, 1_048_576]))
            .chunk(rng.pick(&[65_536, 4_096, 1_048_543]))
            .send_buffer(rng.pick(&[262_144, 1, 10_000]))
            .build();
        if let Ok(limits) = limits {
            break limits;
        }
    };
    let mut features = Features::NONE;
    for feature in [Features::CANCEL, Features::PING, Features::GOAWAY] {
        if !rng.one_in(4) {
            features.insert(feature);
        }
    }
    Config {
        limits,
        features,
        hello: !rng.one_in(4),
        windows: !rng.one_in(4),
        authorize: rng.one_in(4),
        explicit_release: rng.one_in(3),
        consume: match rng.one_in(2) {
            true => Consume::OnDelivery,
            false => Consume::Manually,
        },
        hash_key: rng.next_u64(),
        ..Config::default()
    }
}

fn plan(rng: &mut Rng, now: Timestamp) -> Plan {
    let at = now + Duration::from_micros(rng.range(0, 3_000_000));
    let kind = match rng.range(0, 11) {
        0..=4 => Kind::Echo,
        5 | 6 => Kind::Download(rng.size(400_000)),
        7 | 8 => Kind::Subscribe(rng.below(30)),
        9 => Kind::Fail,
        10 => Kind::Never,
        _ => Kind::Denied,
    };
    let count = match rng.one_in(2) {
        true => 1,
        false => rng.range(1, 12),
    };
    let most = rng.pick(&[64, 5_000, 100_000]);
    let chunks = (0..count).map(|_| rng.size(most)).collect();
    let cancel = kind == Kind::Never || rng.one_in(6);
    Plan {
        kind,
        at,
        chunks,
        cancel_at: cancel.then(|| at + Duration::from_micros(rng.range(0, 1_500_000))),
        server_cancels_after: rng.one_in(10).then(|| rng.size(50_000)),
        compress: rng.one_in(5),
        id: None,
        finished: false,
        blocked: false,
        sent: 0,
        answered: 0,
        pushed: 0,
        outcome: None,
    }
}

impl Sim {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let (mut client, mut server) = (config(&mut rng), config(&mut rng));
        if !client.hello {
            // Without HELLO neither side learns of a smaller frame.
            client.limits = Limits::default();
            server.limits = Limits::default();
        }
        let slow = [&client, &server]
            .iter()
            .any(|config| config.consume == Consume::Manually);
        // A server holds to its own limit from the first byte, so the client has to know it.
        let ready = server.limits.max_frame() == MAX_FRAME;
        let fair = !rng.one_in(5);
        let stall = Duration::from_millis(if fair { 400 } else { 8_000 });
        let weather = match rng.one_in(6) {
            true => Weather::CALM,
            false => {
                let mut weather = Weather::random(&mut rng, stall);
                if fair {
                    // A link that lets a byte through now and then is too slow for the timers.
                    weather.room = weather.room.max(65_536);
                    weather.piece = weather.piece.max(400);
                    weather.stall_one_in = weather.stall_one_in.max(100);
                }
                weather
            }
        };
        let (explicit, small_server) = (server.explicit_release, server.limits.max_inflight() < 64);
        let pair = Pair::new(client, server, weather, rng.next_u64());
        let count = rng.range(1, 40);
        let plans = (0..count).map(|_| plan(&mut rng, pair.now())).collect();
        let later = |rng: &mut Rng| pair.now() + Duration::from_micros(rng.range(0, 4_000_000));
        let cut_at = rng.one_in(5).then(|| {
            let how = rng.pick(&[Cut::End, Cut::Reset]);
            (later(&mut rng), how)
        });
        let drain_at = rng.one_in(5).then(|| later(&mut rng));
        let lazy = rng.pick(&[0, 1_000, 50_000]);
        Self {
            pair,
            rng,
            plans,
            handlers: BTreeMap::new(),
            at_client: Vec::new(),
            at_server: Vec::new(),
            client_wakes: Timestamp::ZERO,
            server_wakes: Timestamp::ZERO,
            lazy,
            cut_at,
            drain_at,
            drained: false,
            fair,
            client_over: None,
            server_over: None,
            explicit,
            slow,
            small_server,
            ready,
        }
    }

    fn run(mut self) {
        let begin = self.pair.now();
        for _ in 0..MAX_STEPS {
            let now = self.pair.now();
            assert!(
                now.saturating_since(begin) < MAX_TIME,
                "it is not over: {:#?}",
                self.plans
                    .iter()
                    .filter(|plan| plan.outcome.is_none())
                    .collect::<Vec<_>>()
            );
            self.faults(now);
            if now >= self.client_wakes {
                self.client_app(now);
                self.client_wakes = self.nap(now);
            }
            if now >= self.server_wakes {
                self.server_app(now);
                self.server_wakes = self.nap(now);
            }
            self.check();
            let until = self.next_of_the_apps();
            if !self.pair.step(until) && until == Timestamp::MAX {
                return self.end();
            }
        }
        let (client, server) = (&self.pair.client.connection, &self.pair.server.connection);
        panic!(
            "{MAX_STEPS} steps, {:?}, and not over: {:?} {:?} {:#?}",
            self.pair.now().saturating_since(begin),
            client.interest(),
            server.interest(),
            self.pair
        );
    }

    fn nap(&mut self, now: Timestamp) -> Timestamp {
        now + Duration::from_micros(self.rng.range(0, self.lazy))
    }

    fn faults(&mut self, now: Timestamp) {
        if let Some((at, how)) = self.cut_at
            && now >= at
        {
            self.cut_at = None;
            self.pair.cut(how);
        }
        if self.drain_at.is_some_and(|at| now >= at) {
            self.drain_at = None;
            self.drained = true;
            self.pair.server.connection.drain();
        }
        if !self.drained && self.plans.iter().all(|plan| plan.outcome.is_some()) {
            self.drained = true;
            self.pair.server.connection.drain();
        }
    }

    /// When one of the applications, or the fate of the link, has something to do.
    fn next_of_the_apps(&self) -> Timestamp {
        let mut next = Timestamp::MAX;
        let now = self.pair.now();
        if self.pair.client.connection.interest().event {
            next = next.min(self.client_wakes);
        }
        if self.pair.server.connection.interest().event {
            next = next.min(self.server_wakes);
        }
        for plan in &self.plans {
            if plan.outcome.is_none() {
                if plan.id.is_none() && self.ready {
                    next = next.min(plan.at.max(self.client_wakes));
                } else if plan.id.is_some() && !plan.finished && !plan.blocked {
                    next = next.min(self.client_wakes);
                }
                if plan.id.is_some() {
                    let cancel = plan.cancel_at.unwrap_or(Timestamp::MAX);
                    next = next.min(cancel.max(self.client_wakes));
                }
            }
        }
        for handler in self.handlers.values() {
            if handler.over {
                next = next.min(handler.work_until.max(self.server_wakes));
            } else if !handler.owes.is_empty() && !handler.blocked {
                next = next.min(self.server_wakes);
            }
            next = next.min(handler.gives_up.max(self.server_wakes));
        }
        for (at, ..) in &self.at_client {
            next = next.min((*at).max(self.client_wakes));
        }
        for (at, ..) in &self.at_server {
            next = next.min((*at).max(self.server_wakes));
        }
        if let Some((at, _)) = self.cut_at {
            next = next.min(at);
        }
        next = next.min(self.drain_at.unwrap_or(Timestamp::MAX));
        // What could not be done now is tried again a little later.
        match next == Timestamp::MAX {
            true => next,
            false => next.max(now + Duration::from_micros(100)),
        }
    }

    fn client_app(&mut self, now: Timestamp) {
        while let Some(event) = self.pair.client.connection.poll_event() {
            self.client_event(now, event);
        }
        consume(&mut self.pair.client.connection, &mut self.at_client, now);
        for index in 0..self.plans.len() {
            let plan = &mut self.plans[index];
            if plan.outcome.is_some() {
                continue;
            }
            if self.client_over.is_some() {
                plan.outcome = Some(Outcome::ConnectionOver);
                continue;
            }
            let connection = &mut self.pair.client.connection;
            if plan.id.is_none() && now >= plan.at && self.ready {
                open(connection, plan, index, now);
            }
            let plan = &mut self.plans[index];
            while plan.outcome.is_none() && plan.id.is_some() && !plan.finished && !plan.blocked {
                send_more(connection, plan, index);
            }
            if plan.outcome.is_none()
                && plan.id.is_some()
                && plan.cancel_at.is_some_and(|at| now >= at)
                && let Some(exchange) = plan.id.and_then(|id| connection.exchange(id))
            {
                exchange.cancel(Code::TIMEOUT, Reason::Cancelled);
                plan.outcome = Some(Outcome::Cancelled);
            }
        }
    }

    fn client_event(&mut self, now: Timestamp, event: Event) {
        assert!(
            self.client_over.is_none(),
            "an event after the last: {event:?}"
        );
        match event {
            Event::Data {
                id,
                code,
                payload,
                fin,
            } => {
                let index = self.plan_of(id);
                self.hold_at_client(now, id, payload.charge());
                let kind = self.plans[index].kind;
                if code.is_error() {
                    assert!(fin.is_end(), "an error is an end");
                    self.settle(index, Outcome::Answered(code));
                    return;
                }
                let inflated = self.pair.client.connection.inflate(now, id, &payload);
                let Some(bytes) = affordable(inflated) else {
                    return;
                };
                let plan = &mut self.plans[index];
                let expected = pattern(index, kind != Kind::Echo, plan.answered, bytes.len());
                assert!(bytes == expected, "wrong bytes in the answer to {index}");
                plan.answered += bytes.len();
                if fin.is_end() {
                    self.settle(index, Outcome::Answered(code));
                }
            }
            Event::Pushed { id, payload, .. } => {
                let index = self.plan_of(id);
                self.hold_at_client(now, id, payload.charge());
                let plan = &mut self.plans[index];
                let expected = pattern(index, true, plan.pushed, payload.wire_len());
                assert!(payload.wire_bytes()[..] == expected[..], "a wrong event");
                plan.pushed += payload.wire_len();
            }
            Event::Ended { id, end } => {
                let index = self.plan_of(id);
                self.settle(index, Outcome::Ended(end));
            }
            Event::Writable { id } => {
                if let Some(plan) = self.plans.iter_mut().find(|plan| plan.id == Some(id)) {
                    plan.blocked = false;
                }
            }
            Event::Closed(reason) => self.client_over = Some(reason),
            Event::Hello(_) | Event::NoHello => self.ready = true,
            Event::GoAway { .. } | Event::Pong { .. } => {}
            other => panic!("at a client: {other:?}"),
        }
    }

    /// The exchange behind a handle; it must be one that has no outcome yet.
    fn plan_of(&self, id: ExchangeId) -> usize {
        self.plans
            .iter()
            .position(|plan| plan.id == Some(id) && plan.outcome.is_none())
            .unwrap_or_else(|| panic!("an event of {id:?}, which is over or never was"))
    }

    fn hold_at_client(&mut self, now: Timestamp, id: ExchangeId, charge: Charge) {
        if self.pair.client.connection.config().consume == Consume::Manually {
            let at = now + Duration::from_micros(self.rng.range(0, self.lazy));
            self.at_client.push((at, id, charge));
        }
    }

    fn settle(&mut self, index: usize, outcome: Outcome) {
        let plan = &mut self.plans[index];
        assert!(plan.outcome.is_none(), "a second outcome: {outcome:?}");
        plan.outcome = Some(outcome);
    }

    fn server_app(&mut self, now: Timestamp) {
        while let Some(event) = self.pair.server.connection.poll_event() {
            self.server_event(now, event);
        }
        consume(&mut self.pair.server.connection, &mut self.at_server, now);
        let ids: Vec<ExchangeId> = self.handlers.keys().copied().collect();
        for id in ids {
            let handler = self.handlers.get_mut(&id).expect("it is there");
            let connection = &mut self.pair.server.connection;
            while !handler.over && !handler.blocked && !handler.owes.is_empty() {
                answer(connection, id, handler, &self.plans[handler.plan]);
            }
            handler.over |= now >= handler.gives_up;
            if handler.over && now >= handler.work_until {
                if let Some(exchange) = connection.exchange(id) {
                    exchange.release();
                }
                self.handlers.remove(&id);
            }
        }
    }

    fn server_event(&mut self, now: Timestamp, event: Event) {
        assert!(
            self.server_over.is_none(),
            "an event after the last: {event:?}"
        );
        match event {
            Event::Authorize { id, start } => {
                let denied = self.plans[start.tenant_id as usize].kind == Kind::Denied;
                let verdict = if denied {
                    Verdict::Deny
                } else {
                    Verdict::Allow
                };
                if let Some(exchange) = self.pair.server.connection.exchange(id) {
                    exchange.authorize(now, verdict);
                }
            }
            Event::Opened {
                id,
                start,
                payload,
                fin,
            } => {
                let plan = start.tenant_id as usize;
                let work = Duration::from_micros(self.rng.range(0, self.lazy));
                let fresh = Handler {
                    plan,
                    got: 0,
                    request_over: false,
                    owes: VecDeque::new(),
                    blocked: false,
                    begun: false,
                    work_until: now + work,
                    gives_up: now + GIVE_UP,
                    over: false,
                };
                assert!(
                    self.handlers.insert(id, fresh).is_none(),
                    "a handle given out twice"
                );
                self.request_bytes(now, id, payload, fin);
            }
            Event::Data {
                id, payload, fin, ..
            } => self.request_bytes(now, id, payload, fin),
            Event::Truncated { id } | Event::Ended { id, .. } => {
                let handler = self.handlers.entry(id).or_insert_with(|| Handler {
                    // It ended while it was parked.
                    plan: 0,
                    got: 0,
                    request_over: true,
                    owes: VecDeque::new(),
                    blocked: false,
                    begun: false,
                    work_until: now,
                    gives_up: now,
                    over: true,
                });
                handler.over = true;
            }
            Event::Writable { id } => {
                if let Some(handler) = self.handlers.get_mut(&id) {
                    handler.blocked = false;
                }
            }
            Event::Closed(reason) => {
                self.server_over = Some(reason);
                self.handlers.clear();
            }
            Event::Hello(_) | Event::GoAway { .. } | Event::Pong { .. } => {}
            other => panic!("at a server: {other:?}"),
        }
    }

    fn request_bytes(
        &mut self,
        now: Timestamp,
        id: ExchangeId,
        payload: oap_core::Payload,
        fin: Fin,
    ) {
        if self.pair.server.connection.config().consume == Consume::Manually {
            let at = now + Duration::from_micros(self.rng.range(0, self.lazy));
            self.at_server.push((at, id, payload.charge()));
        }
        let inflated = self.pair.server.connection.inflate(now, id, &payload);
        let Some(bytes) = affordable(inflated) else {
            return;
        };
        let handler = self.handlers.get_mut(&id).expect("data before the opening");
        assert!(!handler.request_over, "data after the end");
        let expected = pattern(handler.plan, false, handler.got, bytes.len());
        assert!(bytes == expected, "wrong bytes in request {}", handler.plan);
        let first = !std::mem::replace(&mut handler.begun, true);
        handler.got += bytes.len();
        handler.request_over = fin.is_end();
        let index = handler.plan;
        match self.plans[index].kind {
            Kind::Echo => handler.owes.push_back((bytes, fin)),
            Kind::Download(size) if first => {
                let mut at = 0;
                while at < size {
                    let piece = self.rng.size(60_000).max(1).min(size - at);
                    let body = pattern(index, true, at, piece).into();
                    handler.owes.push_back((body, Fin::More));
                    at += piece;
                }
                handler.owes.push_back((Bytes::new(), Fin::End));
            }
            Kind::Subscribe(count) if first => {
                for event in 0..count {
                    // A long event may come in several frames, so the model knows bytes only.
                    let body = pattern(index, true, event * EVENT, EVENT).into();
                    handler.owes.push_back((body, Fin::More));
                }
                handler.owes.push_back((Bytes::new(), Fin::End));
            }
            Kind::Fail if first => handler.owes.push_back((Bytes::new(), Fin::End)),
            _ => {}
        }
        assert_eq!(handler.plan, index);
    }

    fn check(&self) {
        let (client, server) = (&self.pair.client.connection, &self.pair.server.connection);
        let inflight = usize::from(server.config().limits.max_inflight());
        assert!(server.exchanges() <= inflight, "too many exchanges");
        for connection in [client, server] {
            assert!(
                connection.held_bytes() <= connection.config().limits.buffer_bytes(),
                "{:?} holds {} bytes",
                connection.role(),
                connection.held_bytes()
            );
        }
    }

    /// Nothing will ever happen any more.
    fn end(self) {
        let (client, server) = (&self.pair.client.connection, &self.pair.server.connection);
        for (index, plan) in self.plans.iter().enumerate() {
            let outcome = plan.outcome.as_ref().unwrap_or_else(|| {
                panic!(
                    "no outcome of {index}: {plan:#?}\n{:?} {client:#?}",
                    client.interest()
                )
            });
            self.judge(index, plan, outcome);
        }
        for (connection, over) in [(client, &self.client_over), (server, &self.server_over)] {
            assert!(
                connection.is_closed(),
                "{:?} is still open with {} exchanges: {:?}\n{:#?}\n{connection:#?}",
                connection.role(),
                connection.exchanges(),
                connection.interest(),
                self.handlers
            );
            assert!(
                over.is_some(),
                "{:?} never told that it is over",
                connection.role()
            );
            assert!(connection.interest().done, "{over:?} {connection:#?}");
        }
    }

    /// Whether the outcome is one that this exchange may have.
    fn judge(&self, index: usize, plan: &Plan, outcome: &Outcome) {
        let cut = !self.fair || self.cut_was_planned();
        match outcome {
            Outcome::Answered(code) if code.is_error() => {
                let refusal = *code == Code::TOO_MANY
                    && (self.small_server || self.explicit || self.slow || plan.compress);
                let drained = *code == Code::UNAVAILABLE;
                let denied = plan.kind == Kind::Denied && *code == Code::UNAUTHORIZED;
                let failed = plan.kind == Kind::Fail && *code == Code::NOT_FOUND;
                let given_up = plan.server_cancels_after.is_some()
                    || matches!(plan.kind, Kind::Never | Kind::Denied);
                let cancelled = given_up && *code == Code::INTERNAL;
                assert!(
                    refusal || drained || denied || failed || cancelled || cut,
                    "{index} ended with {code}: {plan:#?}"
                );
            }
            Outcome::Answered(_) => {
                let whole = match plan.kind {
                    Kind::Echo => plan.answered == plan.sent && plan.finished,
                    Kind::Download(size) => plan.answered == size,
                    Kind::Subscribe(count) => plan.pushed == count * EVENT,
                    _ => false,
                };
                assert!(whole, "{index} was not answered in full: {plan:#?}");
            }
            Outcome::Cancelled => assert!(plan.cancel_at.is_some()),
            Outcome::ConnectionOver => {
                assert!(
                    cut || self.drained,
                    "the connection ended before {index} did: {:?}, {:?}",
                    self.client_over,
                    self.server_over
                );
            }
            Outcome::Ended(End::TimedOut) => assert!(cut, "{index} timed out: {plan:#?}"),
            Outcome::Ended(End::Cancelled { .. }) => {
                assert!(plan.server_cancels_after.is_some(), "{index}: {plan:#?}");
            }
            // A sender of small bodies to a receiver that keeps them can pass the buffer budget.
            Outcome::Ended(End::Violation(fault)) if fault.clause == "OAP-6-17" => {
                assert!(self.slow, "{index} ended with {fault}");
            }
            Outcome::Ended(end) => assert!(cut, "{index} ended with {end:?}: {plan:#?}"),
        }
    }

    fn cut_was_planned(&self) -> bool {
        self.cut_at.is_some() || self.pair.was_cut()
    }
}

/// What came of inflating; nothing where the budget for it was used up, which ends the exchange.
fn affordable(inflated: Result<Bytes, Violation>) -> Option<Bytes> {
    match inflated {
        Ok(bytes) => Some(bytes),
        Err(fault) => {
            assert_eq!(fault.reason, Reason::RateLimited, "{fault}");
            None
        }
    }
}

fn consume(
    connection: &mut Connection,
    held: &mut Vec<(Timestamp, ExchangeId, Charge)>,
    now: Timestamp,
) {
    for (at, id, charge) in held.split_off(0) {
        if at <= now {
            connection.consumed(id, charge);
        } else {
            held.push((at, id, charge));
        }
    }
}

/// A body of the client's: plain, or compressed where that may be.
fn body(connection: &Connection, plan: &Plan, index: usize, size: usize) -> Body {
    let bytes = Bytes::from(pattern(index, false, plan.sent, size));
    match plan.compress && size < 3_000 {
        true => connection.compression().apply(bytes),
        false => bytes.into(),
    }
}

fn open(connection: &mut Connection, plan: &mut Plan, index: usize, now: Timestamp) {
    let size = plan.chunks[0];
    let fin = if plan.chunks.len() == 1 {
        Fin::End
    } else {
        Fin::More
    };
    let head = Head {
        tenant_id: index as u128,
        // A request that nobody ends must not wait for ever.
        timeout: Some(Duration::from_secs(50)),
        ..Head::new(1)
    };
    let body = body(connection, plan, index, size);
    match connection.request(now, head, body, fin) {
        Ok(id) => {
            plan.id = Some(id);
            plan.chunks.pop_front();
            plan.sent += size;
            plan.finished = fin.is_end();
        }
        Err(SendError::OverCapacity { .. }) => plan.at = now + Duration::from_millis(50),
        Err(SendError::Draining | SendError::Closed) => {
            plan.outcome = Some(Outcome::ConnectionOver)
        }
        Err(error) => panic!("{index} was not opened: {error}"),
    }
}

fn send_more(connection: &mut Connection, plan: &mut Plan, index: usize) {
    let size = plan.chunks[0];
    let fin = if plan.chunks.len() == 1 {
        Fin::End
    } else {
        Fin::More
    };
    let body = body(connection, plan, index, size);
    let Some(exchange) = plan.id.and_then(|id| connection.exchange(id)) else {
        // It is over; the event that tells so waits.
        plan.finished = true;
        return;
    };
    match exchange.send(Code::OK, body, fin) {
        Ok(()) => {
            plan.chunks.pop_front();
            plan.sent += size;
            plan.finished = fin.is_end();
        }
        Err(SendError::Full) => plan.blocked = true,
        Err(SendError::Ended | SendError::Closed) => plan.finished = true,
        Err(error) => panic!("{index} cannot send: {error}"),
    }
}

fn answer(connection: &mut Connection, id: ExchangeId, handler: &mut Handler, plan: &Plan) {
    let Some((body, fin)) = handler.owes.front().cloned() else {
        return;
    };
    let Some(exchange) = connection.exchange(id) else {
        handler.over = true;
        return;
    };
    let cancels = plan.server_cancels_after;
    if plan.kind != Kind::Fail && cancels.is_some_and(|after| handler.got >= after) {
        exchange.cancel(Code::INTERNAL, Reason::Internal);
        handler.over = true;
        return;
    }
    let sent = match plan.kind {
        Kind::Fail => exchange.fail(Code::NOT_FOUND, Reason::NotFound, "there is nothing"),
        Kind::Subscribe(_) if !fin.is_end() => exchange.push(Code::OK, body.into()),
        _ => exchange.send(Code::OK, body.into(), fin),
    };
    match sent {
        Ok(()) => {
            handler.owes.pop_front();
            handler.over = fin.is_end();
        }
        Err(SendError::Full) => handler.blocked = true,
        Err(SendError::Ended | SendError::Closed) => handler.over = true,
        Err(error) => panic!("the server cannot answer: {error}"),
    }
}

#[test]
fn a_pair_in_any_weather_does_what_the_model_says() {
    let number = |name: &str| {
        let value = std::env::var(name).ok()?;
        Some(value.parse::<u64>().expect("a number"))
    };
    if let Some(seed) = number("OAP_SEED") {
        return Sim::new(seed).run();
    }
    for seed in 0..number("OAP_SEEDS").unwrap_or(SEEDS) {
        if catch_unwind(AssertUnwindSafe(|| Sim::new(seed).run())).is_err() {
            panic!("replay it with OAP_SEED={seed} cargo test -p oap-core --test sim_pair");
        }
    }
}
