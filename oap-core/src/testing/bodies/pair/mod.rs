//! Two honest ends, and a model of what each application said to the other.

mod end;
mod model;

use std::time::Duration;
use std::vec::Vec;

use self::end::End;
use self::model::{Deal, Direction};
use super::Heap;
use super::choices::Choices;
use super::probe::any_config;
use crate::{
    CloseReason, Code, Config, Consume, Event, ExchangeId, Fin, Head, Limits, Reason, Role,
    SendError, Timestamp, Verdict,
};

/// Only so many of the latest exchanges are chosen from.
const LATEST: usize = 8;
/// Below this much time, no timer of the default configuration runs out.
const CALM: Duration = Duration::from_millis(4_900);

/// Commands of a client's and a server's application, and the bytes between them in pieces: every
/// byte arrives once and in its order, every exchange ends in a way that something called for, and
/// neither end ever finds fault with the other.
///
/// # Panics
/// If that does not hold, or the heap's bound is passed.
pub fn pair(data: &[u8], heap: Heap) {
    let mut choices = Choices::new(data);
    let mut pair = Pair::new(&mut choices, heap);
    while !choices.is_empty() {
        pair.step(&mut choices);
        pair.check();
    }
    pair.settle();
}

struct Pair {
    client: End,
    server: End,
    deals: Vec<Deal>,
    now: Timestamp,
    /// What makes a refusal for want of a slot possible.
    is_tight: bool,
    is_drained: bool,
    is_over: bool,
}

impl Pair {
    fn new(choices: &mut Choices<'_>, heap: Heap) -> Self {
        let mut client = one_lane(choices);
        let mut server = one_lane(choices);
        if !client.hello {
            // Without HELLO neither side learns of a smaller frame.
            client.limits = Limits::default();
            server.limits = Limits::default();
        }
        let is_tight = server.explicit_release || server.limits != Limits::default();
        let greets = client.hello;
        let mut pair = Self {
            client: End::new(Role::Client, client, heap),
            server: End::new(Role::Server, server, heap),
            deals: Vec::new(),
            now: Timestamp::ZERO,
            is_tight,
            is_drained: false,
            is_over: false,
        };
        if greets {
            pair.carry(Role::Client, usize::MAX);
            pair.carry(Role::Server, usize::MAX);
            pair.events();
        }
        pair
    }

    fn step(&mut self, choices: &mut Choices<'_>) {
        let kind = choices.below(32);
        let most = choices.pick(&[usize::MAX, 1, 40, 5_000]);
        match kind {
            0..=3 => self.open(choices),
            4..=6 => self.send(Direction::Up, choices),
            7..=10 => self.send(Direction::Down, choices),
            11 | 12 => self.send(Direction::Push, choices),
            13..=15 => self.give_up(kind, choices),
            16..=19 => drop(self.carry(Role::Client, most)),
            20..=23 => drop(self.carry(Role::Server, most)),
            24..=26 => drop(self.events()),
            27 => self.pass(Duration::from_millis(choices.byte().into())),
            28 | 29 => {
                let count = choices.below(16);
                self.client.consume(count);
                self.server.consume(count);
            }
            30 => self.judge(choices),
            _ if choices.byte() & 31 == 0 => {
                self.is_drained = true;
                self.server.connection.drain();
            }
            _ => drop(self.client.connection.ping(self.now)),
        }
    }

    fn check(&self) {
        self.client.check();
        self.server.check();
        let slots = self.server.connection.config().limits.max_inflight();
        assert!(self.server.connection.exchanges() <= slots.into());
    }

    fn open(&mut self, choices: &mut Choices<'_>) {
        let size = usize::from(choices.word()) % model::LARGEST;
        let fin = choices.pick(&[Fin::End, Fin::More]);
        let number = self.deals.len();
        let mut deal = Deal::new(number);
        let body = deal.up.next(size);
        let head = Head::new(1).with_tenant(number as u128);
        let now = self.now;
        let opened = self.client.command(size, |connection| {
            connection.request(now, head, body.into(), fin)
        });
        match opened {
            Ok(id) => {
                deal.up.was_sent(size, fin);
                deal.client = Some(id);
                self.deals.push(deal);
            }
            Err(SendError::OverCapacity { .. }) => {}
            Err(SendError::Draining | SendError::Closed) => {
                // Where it is closed, an event tells why.
                assert!(self.is_drained || self.client.connection.is_closed());
            }
            Err(error) => panic!("it was not opened: {error}"),
        }
    }

    /// More of one direction of an exchange.
    fn send(&mut self, direction: Direction, choices: &mut Choices<'_>) {
        let size = 1 + usize::from(choices.word()) % (model::LARGEST - 1);
        let fin = choices.pick(&[Fin::More, Fin::End]);
        if let Some(at) = self.latest(choices) {
            self.send_on(at, direction, size, fin);
        }
    }

    /// Returns whether it was taken.
    fn send_on(&mut self, at: usize, direction: Direction, size: usize, fin: Fin) -> bool {
        let deal = &mut self.deals[at];
        let (end, id) = match direction {
            Direction::Up => (&mut self.client, deal.client),
            Direction::Down | Direction::Push => (&mut self.server, deal.server),
        };
        let Some(id) = id else { return false };
        let body = deal.flow(direction).next(size);
        let sent = end.command(size, |connection| {
            let exchange = connection.exchange(id)?;
            Some(match direction {
                Direction::Push => exchange.push(Code::OK, body.into()),
                _ => exchange.send(Code::OK, body.into(), fin),
            })
        });
        let finished = match direction {
            Direction::Up => deal.up.is_finished,
            Direction::Down | Direction::Push => deal.down.is_finished,
        };
        match sent {
            Some(Ok(())) => {
                assert!(!finished, "it takes more after its END");
                let fin = if direction == Direction::Push {
                    Fin::More
                } else {
                    fin
                };
                deal.flow(direction).was_sent(size, fin);
                return true;
            }
            Some(Err(SendError::Finished)) => {
                assert!(finished || deal.is_given_up, "it is not finished");
            }
            Some(Err(SendError::Full | SendError::Ended | SendError::Closed)) | None => {}
            Some(Err(SendError::Unauthorized)) => assert!(!deal.is_allowed),
            Some(Err(error)) => panic!("it was not sent: {error}"),
        }
        false
    }

    /// One of the applications wants no more of an exchange.
    fn give_up(&mut self, kind: usize, choices: &mut Choices<'_>) {
        let Some(at) = self.latest(choices) else {
            return;
        };
        let deal = &mut self.deals[at];
        let fails = choices.byte() & 1 == 0;
        let (end, id) = match kind {
            13 => (&mut self.client, deal.client),
            _ => (&mut self.server, deal.server),
        };
        let Some(id) = id else { return };
        deal.is_given_up = true;
        // The slot stays taken until the server has heard of it.
        self.is_tight = true;
        end.command(0, |connection| {
            let Some(exchange) = connection.exchange(id) else {
                return;
            };
            match kind {
                13 | 14 => exchange.cancel(Code::TIMEOUT, Reason::Cancelled),
                _ if fails => drop(exchange.fail(Code::NOT_FOUND, Reason::NotFound, "")),
                _ => exchange.release(),
            }
        });
        if kind == 13 {
            deal.is_over = true;
            deal.has_trail = true;
        }
    }

    fn judge(&mut self, choices: &mut Choices<'_>) {
        let verdict = choices.pick(&[Verdict::Allow, Verdict::Allow, Verdict::Deny]);
        if let Some(at) = self.latest(choices) {
            self.judge_one(at, verdict);
        }
    }

    fn judge_one(&mut self, at: usize, verdict: Verdict) {
        let deal = &mut self.deals[at];
        let Some(id) = deal.server else { return };
        if !core::mem::replace(&mut deal.is_judged, true) {
            deal.is_allowed = verdict == Verdict::Allow;
            deal.is_given_up |= !deal.is_allowed;
        }
        let now = self.now;
        self.server.command(0, |connection| {
            if let Some(exchange) = connection.exchange(id) {
                exchange.authorize(now, verdict);
            }
        });
    }

    fn latest(&self, choices: &mut Choices<'_>) -> Option<usize> {
        self.deals.len().checked_sub(1 + choices.below(LATEST))
    }

    /// Moves at most so many bytes from one end to the other. Returns whether any moved.
    fn carry(&mut self, from: Role, most: usize) -> bool {
        let (from, to) = match from {
            Role::Client => (&mut self.client, &mut self.server),
            Role::Server => (&mut self.server, &mut self.client),
        };
        from.carry_to(to, self.now, most)
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        for end in [&mut self.client, &mut self.server] {
            end.time(self.now);
        }
    }

    /// No time has passed in which a timer could have run out.
    fn is_calm(&self) -> bool {
        self.now < Timestamp::ZERO + CALM
    }

    /// Both applications take all events.
    fn events(&mut self) -> bool {
        let mut any = false;
        while let Some(event) = self.server.poll() {
            any = true;
            self.at_server(&event);
            self.server.forget(event);
        }
        while let Some(event) = self.client.poll() {
            any = true;
            self.at_client(&event);
            self.client.forget(event);
        }
        for deal in &mut self.deals {
            deal.has_trail = false;
        }
        any
    }

    fn at_server(&mut self, event: &Event) {
        match event {
            Event::Authorize { id, start } => {
                self.deals[start.tenant_id as usize].comes_to_server(*id, start);
            }
            Event::Opened {
                id,
                start,
                payload,
                fin,
            } => {
                let deal = &mut self.deals[start.tenant_id as usize];
                if self.server.connection.config().authorize {
                    assert!(deal.is_allowed, "it opens before the verdict");
                } else {
                    deal.is_allowed = true;
                    deal.comes_to_server(*id, start);
                }
                deal.up.arrives(payload.wire_bytes(), *fin);
            }
            Event::Data {
                id, payload, fin, ..
            } => {
                let deal = self.deals.iter_mut().rfind(|deal| deal.server == Some(*id));
                let deal = deal.expect("data of what was never opened");
                deal.up.arrives(payload.wire_bytes(), *fin);
            }
            Event::Ended { id, end } => {
                let at = self.deals.iter().rposition(|deal| deal.server == Some(*id));
                let at = at.expect("the end of what was never opened");
                self.ends(at, end);
                self.server.release(*id);
            }
            Event::Closed(reason) => self.closed(reason),
            Event::Hello(_) | Event::Writable { .. } | Event::Pong { .. } => {}
            other => panic!("at the server: {other:?}"),
        }
    }

    fn at_client(&mut self, event: &Event) {
        match event {
            Event::Data {
                id,
                code,
                payload,
                fin,
            } => {
                let at = self.of_client(*id);
                if code.is_error() {
                    assert!(fin.is_end(), "an error is an end");
                    self.is_refused(at, *code);
                } else {
                    self.deals[at].down.arrives(payload.wire_bytes(), *fin);
                }
                self.deals[at].is_over |= fin.is_end();
            }
            Event::Pushed { id, payload, .. } => {
                let at = self.of_client(*id);
                self.deals[at].push.arrives(payload.wire_bytes(), Fin::More);
            }
            Event::Ended { id, end } => {
                let at = self.of_client(*id);
                self.ends(at, end);
                self.deals[at].is_over = true;
            }
            Event::Closed(reason) => self.closed(reason),
            Event::GoAway { .. } => assert!(self.is_drained || !self.is_calm()),
            Event::Hello(_) | Event::NoHello | Event::Writable { .. } | Event::Pong { .. } => {}
            other => panic!("at the client: {other:?}"),
        }
    }

    /// The exchange behind a client's handle: one that is not over, or was given up while the event
    /// waited.
    fn of_client(&self, id: ExchangeId) -> usize {
        self.deals
            .iter()
            .rposition(|deal| deal.client == Some(id) && (!deal.is_over || deal.has_trail))
            .expect("an event of an exchange that is over")
    }

    fn ends(&mut self, at: usize, end: &crate::End) {
        let (keeps, is_calm) = (self.keeps(), self.is_calm());
        let deal = &mut self.deals[at];
        match end {
            // A client whose request times out cancels it, and one that finds a flood does.
            crate::End::Cancelled { code, .. } => {
                let is_flood = keeps && *code == Code::TOO_MANY;
                let called_for = deal.is_given_up || is_flood || !is_calm;
                assert!(called_for, "{at} is cancelled");
            }
            crate::End::TimedOut => assert!(!is_calm, "a timer runs fast"),
            crate::End::Violation(fault) => {
                assert!(
                    keeps && fault.clause == "OAP-6-17",
                    "between honest ends: {fault}"
                );
                deal.is_given_up = true;
            }
        }
    }

    /// Whether payloads may pile up at an end, because its application keeps what it got or they
    /// wait for a verdict: then short frames may be too many (OAP-6-17).
    fn keeps(&self) -> bool {
        [&self.client, &self.server].iter().any(|end| {
            let config = end.connection.config();
            config.consume == Consume::Manually || config.authorize
        })
    }

    fn is_refused(&mut self, at: usize, code: Code) {
        let is_flood = code == Code::TOO_MANY && self.keeps();
        self.deals[at].is_given_up |= is_flood;
        let called_for = match code {
            Code::TOO_MANY => self.is_tight || is_flood,
            Code::UNAVAILABLE => self.is_drained,
            _ => self.deals[at].is_given_up,
        };
        assert!(called_for || !self.is_calm(), "{at} ends with {code}");
    }

    fn closed(&mut self, reason: &CloseReason) {
        self.is_over = true;
        match reason {
            CloseReason::TimedOut(_) => assert!(!self.is_calm(), "a timer runs fast"),
            CloseReason::Violation(fault) => panic!("a fault between honest ends: {fault}"),
            _ => assert!(self.is_drained || !self.is_calm(), "it closes: {reason}"),
        }
    }

    /// Both applications say what they have left to say; then every exchange is over, without any
    /// time.
    fn settle(&mut self) {
        for _ in 0..100_000 {
            self.client.consume(usize::MAX);
            self.server.consume(usize::MAX);
            let mut moved = self.events();
            moved |= self.carry(Role::Client, usize::MAX);
            moved |= self.carry(Role::Server, usize::MAX);
            if moved {
                continue;
            }
            if !self.say_the_rest() {
                return self.judge_all();
            }
        }
        panic!("it never comes to rest");
    }

    /// Returns whether there was anything left to say.
    fn say_the_rest(&mut self) -> bool {
        let mut any = false;
        for at in 0..self.deals.len() {
            // Also where the client has given it up: what waits for a verdict takes up room, and
            // the server reads of the end only after it.
            if !self.deals[at].is_judged && self.deals[at].server.is_some() {
                self.judge_one(at, Verdict::Allow);
                any = true;
            }
            if self.deals[at].is_over {
                continue;
            }
            if !self.deals[at].up.is_finished {
                any |= self.send_on(at, Direction::Up, 0, Fin::End);
            }
            if self.deals[at].up.is_ended && !self.deals[at].down.is_finished {
                any |= self.send_on(at, Direction::Down, 3, Fin::End);
            }
        }
        any
    }

    fn judge_all(&self) {
        for (at, deal) in self.deals.iter().enumerate() {
            assert!(deal.is_over || self.is_over, "{at} is not over: {deal:?}");
            if !deal.is_given_up && !self.is_drained && !self.is_tight && self.is_calm() {
                deal.is_whole();
            }
        }
    }
}

fn one_lane(choices: &mut Choices<'_>) -> Config {
    Config {
        multi_lane: false,
        ..any_config(choices)
    }
}
