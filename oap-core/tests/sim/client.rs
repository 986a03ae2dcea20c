//! The client's application.

use std::time::Duration;

use bytes::Bytes;
use oap_core::{
    Body, Charge, Code, Connection, Consume, Event, ExchangeId, Fin, Head, Reason, SendError,
    Timestamp,
};

use super::plan::{Kind, Outcome, Plan, pattern};
use super::{Sim, affordable, consume};

impl Sim {
    pub(crate) fn client_app(&mut self, now: Timestamp) {
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
            {
                if let Some(exchange) = plan.id.and_then(|id| connection.exchange(id)) {
                    exchange.cancel(Code::TIMEOUT, Reason::Cancelled);
                    plan.outcome = Some(Outcome::Cancelled);
                }
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
                assert!(payload.wire_bytes() == expected, "a wrong event");
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
}

/// The next body of the client's: plain, or compressed where that may be. It is made once, because
/// it may be refused for want of room many times.
fn body(connection: &Connection, plan: &mut Plan, index: usize, size: usize) -> Body {
    match &plan.made {
        Some((at, made)) if *at == plan.chunks.len() => return made.clone(),
        _ => {}
    }
    let bytes = Bytes::from_static(pattern(index, false, plan.sent, size));
    let made = match plan.compress && size < 3_000 {
        true => connection.compression().apply(bytes),
        false => bytes.into(),
    };
    plan.made = Some((plan.chunks.len(), made.clone()));
    made
}

fn open(connection: &mut Connection, plan: &mut Plan, index: usize, now: Timestamp) {
    if connection.exchanges() >= connection.capacity() {
        // Before the body is made: compressing it again and again takes most of the time.
        plan.at = now + Duration::from_millis(100);
        return;
    }
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
