//! Control frames: everything on app 0 (OAP-4), and ACKs (OAP-6).

use super::exchange::{Marks, Phase};
use super::frame::RawFrame;
use super::lanes::{Reply, ReplyKind};
use super::{Connection, Role};
use crate::event::End;
use crate::wire::{ErrorBody, Features, Flags, Header};
use crate::{CloseReason, Code, Event, Lane, Reason, Timestamp, Violation};

impl Connection {
    pub(super) fn handle_control(&mut self, lane: Lane, now: Timestamp, frame: &mut RawFrame<'_>) {
        let directions = frame.header.flags.directions();
        if directions == Flags::EVENT {
            self.handle_control_event(lane, now, frame);
        } else if directions == Flags::RESP {
            self.handle_control_answer(lane, now, frame);
        } else if self.role == Role::Server
            && (directions == Flags::REQ || directions == Flags::NONE)
        {
            self.handle_hello_request(lane, now, frame);
        } else {
            let (clause, message) = match self.role {
                Role::Server => ("OAP-2-6", "two directions on app 0"),
                Role::Client => ("OAP-2-7", "neither answer nor event"),
            };
            let fault = Violation::connection(Reason::BadSequence, clause, message);
            self.fail(lane, now, fault);
        }
    }

    /// CANCEL, PING (each has its PONG, OAP-4-11), PONG and GOAWAY, told apart by code and `corr_id`
    /// (OAP-4-2).
    fn handle_control_event(&mut self, lane: Lane, now: Timestamp, frame: &RawFrame<'_>) {
        let Header {
            code,
            corr_id,
            flags,
            ..
        } = frame.header;
        match (code, corr_id) {
            (Code::OK, 1..) if flags.contains(Flags::ACK_REQ) => {
                self.push_control(lane, ReplyKind::Pong, corr_id, Code::ACK);
            }
            (Code::ACK, 1..) => match self.times.ping {
                Some((nonce, sent)) if nonce == corr_id => {
                    self.times.ping = None;
                    self.events.push_back(Event::Pong { nonce, sent });
                }
                _ => self.counters.ignored_control += 1,
            },
            (Code::UNAVAILABLE | Code::TOO_MANY, 0) => self.handle_goaway(frame),
            (code, 1..) if (400..600).contains(&code.get()) => {
                self.handle_cancel(lane, now, frame);
            }
            _ => self.counters.ignored_control += 1,
        }
    }

    /// The peer takes no new exchanges (OAP-4-13).
    fn handle_goaway(&mut self, frame: &RawFrame<'_>) {
        self.peer.going_away = true;
        let retry_after_ms = ErrorBody::parse(frame.payload()).and_then(|body| body.retry_after_ms);
        self.events.push_back(Event::GoAway {
            code: frame.header.code,
            retry_after_ms,
        });
    }

    /// A server tells its handler and sends nothing more (OAP-4-8); a client's exchange ends with the
    /// frame's code and reason (OAP-4-9).
    fn handle_cancel(&mut self, lane: Lane, now: Timestamp, frame: &RawFrame<'_>) {
        let Some(slot) = self.exchanges.find(frame.header.corr_id) else {
            self.counters.ignored_control += 1;
            return;
        };
        if self.strayed(slot, lane, now) {
            return;
        }
        let code = frame.header.code;
        let end = End::Cancelled {
            code,
            reason: Some(reason_of(code, frame.payload())),
        };
        match self.role {
            Role::Server => self.end_exchange(slot, end),
            Role::Client if self.exchanges.get(slot).phase == Phase::Discarding => {
                self.forget(slot);
            }
            Role::Client => {
                let id = self.exchanges.id(slot);
                self.tell_end(id, end);
                self.forget(slot);
            }
        }
        self.charge_fault(lane, now);
    }

    /// ACK, the answer to a HELLO (with code 200, too, OAP-5-3), and the connection error frame
    /// (OAP-4-5).
    fn handle_control_answer(&mut self, lane: Lane, now: Timestamp, frame: &RawFrame<'_>) {
        let Header { code, corr_id, .. } = frame.header;
        if code == Code::ACK && corr_id != 0 {
            return self.handle_ack(lane, now, frame);
        }
        let awaited = corr_id == 0 && self.role == Role::Client && self.times.hello_sent.is_some();
        if awaited && (code == Code::OK || code == Code::ACCEPTED_OK) {
            return self.handle_hello_reply(lane, now, frame);
        }
        if corr_id == 0 && code.is_error() {
            let reason = reason_of(code, frame.payload());
            if awaited && reason == Reason::BadHello {
                return self.go_on_without_hello();
            }
            self.write_failed = true;
            return self.shut(CloseReason::PeerError {
                code,
                reason: Some(reason),
            });
        }
        self.counters.ignored_control += 1;
    }

    fn handle_ack(&mut self, lane: Lane, now: Timestamp, frame: &RawFrame<'_>) {
        let fault = |reason, clause, message| Violation::connection(reason, clause, message);
        let Some((consumed, limit)) = parse_ack(frame.payload()) else {
            return self.fail(
                lane,
                now,
                fault(Reason::BadFrame, "OAP-6-14", "malformed ACK"),
            );
        };
        let corr_id = frame.header.corr_id;
        let Some(slot) = self.exchanges.find(corr_id) else {
            if self.role == Role::Client && corr_id >= self.next_corr {
                let message = "ACK of what was never sent";
                return self.fail(lane, now, fault(Reason::BadSequence, "OAP-6-15", message));
            }
            self.counters.ignored_control += 1;
            return;
        };
        if self.strayed(slot, lane, now) {
            return;
        }
        let exchange = self.exchanges.get_mut(slot);
        if !exchange.marks.has(Marks::WINDOWED) || !exchange.marks.has(Marks::BEGUN) {
            self.counters.ignored_control += 1;
            return;
        }
        let acked = exchange.marks.has(Marks::ACKED);
        if !exchange.send.acknowledge(consumed, limit, acked) {
            let message = "ACK of bytes never sent, or one that goes back";
            return self.fail(
                lane,
                now,
                fault(Reason::CreditViolation, "OAP-6-14", message),
            );
        }
        if limit == exchange.send.limit() {
            exchange.marks.set(Marks::ACKED);
        }
        self.make_ready(slot);
    }

    /// Queues a control frame without a body.
    pub(super) fn push_control(&mut self, lane: Lane, kind: ReplyKind, corr: u64, code: Code) {
        let reply = Reply::error(corr, code, Reason::Internal, "").of_kind(kind);
        self.push_reply(lane, reply);
    }

    /// Queues a CANCEL, if the peer takes it (OAP-4-4).
    pub(super) fn send_cancel(&mut self, lane: Lane, reply: Reply) {
        if self.peer.features.contains(Features::CANCEL) {
            self.push_reply(lane, reply.of_kind(ReplyKind::Cancel));
        }
    }

    /// Queues a GOAWAY, if the peer takes it (OAP-4-4).
    pub(super) fn send_goaway(&mut self, code: Code, reason: Reason) {
        if self.peer.features.contains(Features::GOAWAY) {
            let reply = Reply::error(0, code, reason, "the connection takes no new exchanges")
                .of_kind(ReplyKind::GoAway)
                .retry_after(self.config.retry_after_ms);
            self.push_reply(Lane::FIRST, reply);
        }
    }
}

/// The reason an error body names, or else the one its code stands for (OAP-9-5).
pub(super) fn reason_of(code: Code, body: &[u8]) -> Reason {
    ErrorBody::parse(body)
        .and_then(|body| body.reason.known())
        .unwrap_or_else(|| code.into())
}

/// `consumed` and `limit` of an ACK; `None` if it is malformed (OAP-6-14).
fn parse_ack(payload: &[u8]) -> Option<(u64, u64)> {
    let (consumed, limit) = payload.split_first_chunk::<8>()?;
    let limit = <[u8; 8]>::try_from(limit).ok()?;
    let (consumed, limit) = (u64::from_le_bytes(*consumed), u64::from_le_bytes(limit));
    (limit >= consumed).then_some((consumed, limit))
}
