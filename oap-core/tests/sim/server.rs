//! The server's application.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use oap_core::{
    Code, Connection, Consume, Event, ExchangeId, Fin, Payload, Reason, SendError, Timestamp,
    Verdict,
};

use super::plan::{EVENT, Kind, Plan, pattern};
use super::{Sim, affordable, consume};

/// How long the server works on what it never answers.
const GIVE_UP: Duration = Duration::from_secs(4);
/// And on anything at most.
const AT_MOST: Duration = Duration::from_secs(40);

/// An exchange as the server's handler sees it.
#[derive(Debug)]
pub(crate) struct Handler {
    pub(crate) plan: usize,
    pub(crate) got: usize,
    pub(crate) request_over: bool,
    /// Bytes, then END, that still have to be sent.
    pub(crate) owes: VecDeque<(Bytes, Fin)>,
    pub(crate) blocked: bool,
    pub(crate) begun: bool,
    pub(crate) work_until: Timestamp,
    pub(crate) gives_up: Timestamp,
    pub(crate) over: bool,
}

impl Sim {
    pub(crate) fn server_app(&mut self, now: Timestamp) {
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
                    gives_up: match self.plans[plan].kind {
                        Kind::Never | Kind::Denied => now + GIVE_UP,
                        _ => now + AT_MOST,
                    },
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

    fn request_bytes(&mut self, now: Timestamp, id: ExchangeId, payload: Payload, fin: Fin) {
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
                    let body = Bytes::from_static(pattern(index, true, at, piece));
                    handler.owes.push_back((body, Fin::More));
                    at += piece;
                }
                handler.owes.push_back((Bytes::new(), Fin::End));
            }
            Kind::Subscribe(count) if first => {
                for event in 0..count {
                    // A long event may come in several frames, so the model knows bytes only.
                    let body = Bytes::from_static(pattern(index, true, event * EVENT, EVENT));
                    handler.owes.push_back((body, Fin::More));
                }
                handler.owes.push_back((Bytes::new(), Fin::End));
            }
            Kind::Fail if first => handler.owes.push_back((Bytes::new(), Fin::End)),
            _ => {}
        }
        assert_eq!(handler.plan, index);
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
