//! How exchanges end: by a fault, by giving up, by the end of a lane (OAP-1, OAP-3, OAP-4, OAP-11).

use alloc::vec::Vec;

use super::exchange::{Marks, Phase};
use super::lanes::Reply;
use super::{Connection, Role};
use crate::event::End;
use crate::wire::{Features, Flags, Header};
use crate::{CloseReason, Code, Event, ExchangeId, Lane, Reason, Timestamp, Violation};

/// What the reset of a lane means to an exchange on it (OAP-11-9).
const RESET: End = End::Cancelled {
    code: Code::TIMEOUT,
    reason: Some(Reason::Cancelled),
};

impl Connection {
    /// Server: ends an exchange, or what would be one, for its client's fault (OAP-3-8).
    pub(super) fn refuse_frame(
        &mut self,
        lane: Lane,
        now: Timestamp,
        header: &Header,
        open: Option<u32>,
        fault: Violation,
    ) {
        match open {
            Some(slot) => {
                if header.flags.contains(Flags::END) {
                    self.exchanges.get_mut(slot).marks.set(Marks::PEER_FINISHED);
                }
                self.fail_exchange(slot, now, fault);
            }
            None => {
                self.refuse_start(lane, header, fault);
                // Draining is our own doing (OAP-10-8).
                if fault.reason != Reason::Draining {
                    self.charge_fault(lane, now);
                }
            }
        }
    }

    /// Server: answers a frame that opens nothing.
    fn refuse_start(&mut self, lane: Lane, header: &Header, fault: Violation) {
        self.counters.refuse(fault.reason);
        let reply = Reply::error(header.corr_id, fault.code, fault.reason, fault.message)
            .of_exchange(header.app_proto_id, header.tenant_id)
            .retry_after(self.config.retry_after_ms);
        self.push_reply(lane, reply);
        if !header.flags.contains(Flags::END) && header.corr_id != 0 {
            self.remember_late(header.corr_id);
        }
    }

    /// Ends an open exchange for the peer's fault, at either role (OAP-3-8, OAP-3-9).
    pub(super) fn fail_exchange(&mut self, slot: u32, now: Timestamp, fault: Violation) {
        self.counters.refuse(fault.reason);
        let lane = self.exchanges.get(slot).lane;
        self.end_with_error(slot, fault.code, fault.reason, fault.message);
        self.end_exchange(slot, End::Violation(fault));
        self.charge_fault(lane, now);
    }

    /// Tells the peer that an exchange is over: RESP|END at a server, CANCEL at a client whose peer
    /// takes it.
    pub(super) fn end_with_error(
        &mut self,
        slot: u32,
        code: Code,
        reason: Reason,
        message: &'static str,
    ) {
        let exchange = self.exchanges.get(slot);
        let lane = exchange.lane;
        let reply = Reply::error(exchange.corr, code, reason, message)
            .retry_after(self.config.retry_after_ms);
        match self.role {
            Role::Server => {
                let reply = reply.of_exchange(exchange.app, exchange.tenant);
                self.push_reply(lane, reply);
            }
            Role::Client => self.send_cancel(lane, reply),
        }
    }

    pub(super) fn tell_end(&mut self, id: ExchangeId, end: End) {
        self.ends_untold += 1;
        self.events.push_back(Event::Ended { id, end });
    }

    /// The exchange is over before its end; the application is told.
    pub(super) fn end_exchange(&mut self, slot: u32, end: End) {
        let id = self.exchanges.id(slot);
        self.drop_parked(slot);
        self.tell_end(id, end);
        match self.role {
            Role::Server => self.finish_at_server(slot, false),
            Role::Client => self.abandon(slot),
        }
    }

    /// Client: nobody waits for the answer any more. Towards a peer without CANCEL the exchange
    /// stays, so that a windowed answer still gets its credit (OAP-3-18).
    pub(super) fn abandon(&mut self, slot: u32) {
        if self.peer.features.contains(Features::CANCEL) {
            return self.forget(slot);
        }
        let exchange = self.exchanges.get_mut(slot);
        exchange.generation = exchange.generation.wrapping_add(1);
        exchange.phase = Phase::Discarding;
        exchange.deadline = Timestamp::MAX;
        exchange.marks.set(Marks::FINISHED);
        exchange.marks.clear(Marks::READY | Marks::ACK_QUEUED);
        exchange.queue.clear();
        exchange.queued = 0;
        // What the application had not consumed, it never will.
        self.credit(slot, usize::MAX);
    }

    /// Whether the wire still knows the exchange and the application still works on it.
    #[cfg(feature = "comp")]
    pub(super) fn is_live(&self, slot: u32) -> bool {
        matches!(self.exchanges.get(slot).phase, Phase::Open | Phase::Parked)
    }

    /// The exchange is over on the wire and its slot is free.
    pub(super) fn forget(&mut self, slot: u32) {
        self.exchanges.detach(slot);
        self.exchanges.free(slot);
        self.close_if_finished();
    }

    /// Server: the exchange is over on the wire. Its slot is free once the handler's work is
    /// (OAP-3-17).
    pub(super) fn finish_at_server(&mut self, slot: u32, work_done: bool) {
        let exchange = self.exchanges.get_mut(slot);
        if exchange.phase == Phase::Ended {
            return;
        }
        if !exchange.marks.has(Marks::PEER_FINISHED) {
            let corr = exchange.corr;
            self.remember_late(corr);
        }
        self.exchanges.detach(slot);
        if work_done {
            self.exchanges.free(slot);
            self.close_if_finished();
        } else {
            let exchange = self.exchanges.get_mut(slot);
            exchange.phase = Phase::Ended;
            exchange.deadline = Timestamp::MAX;
            exchange.queue.clear();
            exchange.queued = 0;
        }
    }

    /// Gives back the budget of frames that no verdict let through.
    pub(super) fn drop_parked(&mut self, slot: u32) {
        let Some(parked) = self.exchanges.get_mut(slot).parked.take() else {
            return;
        };
        let windowed = self.exchanges.get(slot).marks.has(Marks::PEER_WINDOWED);
        for payload in parked.payloads() {
            self.unhold(payload.wire_len(), windowed);
        }
    }

    /// The lane's peer has ended its side between frames (OAP-1-11, OAP-1-12).
    pub(super) fn end_of_lane(&mut self, lane: Lane) {
        let state = self.lanes.get_mut(lane);
        state.frame_deadline = Timestamp::MAX;
        state.peer_ended = true;
        let whole_connection = !self.config.multi_lane;
        if self.role == Role::Client && whole_connection {
            return self.shut(CloseReason::PeerClosed);
        }
        let slots: Vec<u32> = self.slots_on(lane).collect();
        for slot in slots {
            let exchange = self.exchanges.get(slot);
            let complete = exchange.marks.has(Marks::PEER_FINISHED);
            match (self.role, exchange.phase) {
                (Role::Client, Phase::Discarding) => self.forget(slot),
                (Role::Client, _) => {
                    let fault = Violation::exchange(Reason::Io, "OAP-1-12", "the lane has ended");
                    let id = self.exchanges.id(slot);
                    self.tell_end(id, End::Violation(fault));
                    self.forget(slot);
                }
                (Role::Server, Phase::Ended) => {}
                (Role::Server, _) if complete => self.make_ready(slot),
                (Role::Server, _) => {
                    let id = self.exchanges.id(slot);
                    let exchange = self.exchanges.get_mut(slot);
                    exchange.marks.set(Marks::PEER_FINISHED);
                    match &mut exchange.parked {
                        Some(parked) => parked.truncate(),
                        None => self.events.push_back(Event::Truncated { id }),
                    }
                    self.make_ready(slot);
                }
            }
        }
        if whole_connection {
            self.eof = true;
            self.close_if_finished();
        }
    }

    /// The lane was cut off: as if every exchange on it had been cancelled (OAP-11-9).
    pub(super) fn cut_lane(&mut self, lane: Lane, now: Timestamp) {
        let slots: Vec<u32> = self.slots_on(lane).collect();
        for slot in slots {
            let id = self.exchanges.id(slot);
            match (self.role, self.exchanges.get(slot).phase) {
                (_, Phase::Ended) => {}
                (Role::Client, Phase::Discarding) => self.forget(slot),
                (Role::Client, _) => {
                    self.tell_end(id, RESET);
                    self.forget(slot);
                }
                (Role::Server, _) => {
                    self.end_exchange(slot, RESET);
                    self.charge_fault(lane, now);
                    if self.is_closed() {
                        return;
                    }
                }
            }
        }
    }

    /// Whether an exchange on the lane still needs it, for ACKs at least (OAP-3-18).
    pub(super) fn is_lane_in_use(&self, lane: Lane) -> bool {
        self.slots_on(lane)
            .any(|slot| self.exchanges.get(slot).phase != Phase::Ended)
    }

    fn slots_on(&self, lane: Lane) -> impl Iterator<Item = u32> + '_ {
        self.exchanges
            .slots()
            .filter(move |&slot| self.exchanges.get(slot).lane == lane)
    }
}
