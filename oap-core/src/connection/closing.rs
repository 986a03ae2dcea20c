//! How a connection ends: by a fault, by a budget, by a drain, by the end of its stream.

use bytes::BytesMut;

use super::lanes::Reply;
use super::{Connection, Life, Role, recv};
use crate::wire::Features;
use crate::{CloseReason, Code, Event, Lane, Reason, Timestamp, Violation};

impl Connection {
    /// Ends the connection for a fault of the peer's: one error frame, then nothing (OAP-1-9).
    pub(super) fn fail(&mut self, lane: Lane, now: Timestamp, violation: Violation) {
        self.counters.refuse(violation.reason);
        if !self.is_closed() {
            let retry_after_ms = self.config.retry_after_ms;
            let error = Reply::error(0, violation.code, violation.reason, violation.message)
                .retry_after(retry_after_ms);
            self.drop_unencoded();
            self.push_reply(lane, error);
            self.shut_after(now, CloseReason::Violation(violation));
        }
    }

    /// Over a connection's budget (OAP-10-9).
    pub(super) fn flood(&mut self, lane: Lane, now: Timestamp, clause: &'static str) {
        let violation = Violation::connection(Reason::Flood, clause, "over the budget");
        if self.peer.features.contains(Features::GOAWAY) {
            self.counters.refuse(Reason::Flood);
            self.drop_unencoded();
            self.send_goaway(Code::TOO_MANY, Reason::Flood);
            self.shut_after(now, CloseReason::Violation(violation));
        } else {
            self.fail(lane, now, violation);
        }
    }

    /// Charges the budget of cancels and errors; ends the connection when it is used up.
    pub(super) fn charge_fault(&mut self, lane: Lane, now: Timestamp) {
        if !self.is_closed() && !self.budgets.fault(now) {
            self.flood(lane, now, "OAP-10-8");
        }
    }

    /// Ends the connection with the last words that the caller has queued.
    fn shut_after(&mut self, now: Timestamp, reason: CloseReason) {
        self.encode_all_replies();
        self.watch_all_writes(now);
        self.shut(reason);
    }

    /// Ends the connection: what is encoded is still written, nothing else.
    pub(super) fn shut(&mut self, reason: CloseReason) {
        if !self.is_closed() {
            self.drop_unencoded();
            self.end(reason);
        }
    }

    /// Ends the connection: what is encoded and the replies that wait are still written.
    pub(super) fn finish(&mut self, reason: CloseReason) {
        if !self.is_closed() {
            self.lanes.drop_senders();
            self.end(reason);
        }
    }

    fn end(&mut self, reason: CloseReason) {
        self.life = Life::Closing;
        self.lanes.stop_waiting();
        self.events.push_back(Event::Closed(reason));
    }

    fn drop_unencoded(&mut self) {
        self.lanes.drop_senders();
        self.lanes.drop_replies();
        self.obligations = 0;
    }

    /// Closes a connection that drains, or whose peer has ended its stream, once nothing is open.
    pub(super) fn close_if_finished(&mut self) {
        if self.exchanges.taken() > 0 || self.is_closed() {
            return;
        }
        if self.life == Life::Draining {
            if self.may_linger() {
                self.times.linger();
            } else {
                self.finish(CloseReason::Drained);
            }
        } else if self.eof {
            self.finish(CloseReason::PeerClosed);
        }
    }

    /// Whether a drained server waits for its client to close first: what the client had sent before
    /// it read the GOAWAY is then refused instead of lost.
    pub(super) fn may_linger(&self) -> bool {
        self.role == Role::Server
            && !self.eof
            && !self.config.timers.linger.is_zero()
            && self.peer.features.contains(Features::GOAWAY)
    }

    pub(super) fn judge_eof(&mut self, lane: Lane, now: Timestamp, buf: &mut BytesMut) {
        let state = self.lanes.get_mut(lane);
        state.eof_pending = false;
        if let Err(fault) = state.decoder.finish(buf.len()) {
            buf.clear();
            return self.fail(lane, now, recv::framing_violation(&fault));
        }
        self.end_of_lane(lane);
    }
}
