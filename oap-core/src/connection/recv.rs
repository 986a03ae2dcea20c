//! Application frames on their way in (OAP-2, OAP-3, OAP-6, OAP-7).

use alloc::boxed::Box;

use bytes::BytesMut;

use super::budget::{self, MAX_EMPTIES};
use super::events::Parked;
use super::exchange::{Marks, Phase};
use super::frame::RawFrame;
use super::state::{self, Kind, Rule, State};
use super::{Connection, Life, Role};
use crate::limits::frame_cost;
use crate::wire::{Flags, FrameFault, HEADER_LEN, Header, LEN_FIELD};
use crate::{
    Code, Event, ExchangeId, Fin, Lane, Payload, Reason, Scope, Start, Timestamp, Violation,
};

const BEYOND_WINDOW: Violation = Violation::exchange(
    Reason::CreditViolation,
    "OAP-6-13",
    "payload beyond the window",
);
const DRAINING: Violation =
    Violation::exchange(Reason::Draining, "OAP-4-12", "the connection is draining");
const OVER_CAPACITY: Violation = Violation::exchange(
    Reason::OverCapacity,
    "OAP-3-16",
    "max_inflight exchanges are being worked on",
);
const OTHER_APP: Violation = Violation::exchange(
    Reason::BadSequence,
    "OAP-3-12",
    "another app or tenant than the START's",
);
const OTHER_LANE: Violation = Violation::exchange(
    Reason::BadSequence,
    "OAP-11-7",
    "another lane than the START's",
);
const TOO_MANY_FRAMES: Violation =
    Violation::exchange(Reason::Flood, "OAP-6-17", "too many small frames are held");

/// What the connection says about bytes that are no frame (OAP-1).
pub(super) fn framing_violation(fault: &FrameFault) -> Violation {
    let (clause, message) = match fault {
        FrameFault::TooShort { .. } => ("OAP-1-3", "len is below 33"),
        FrameFault::TooLarge { .. } => ("OAP-1-4", "len is above max_frame"),
        FrameFault::Version { .. } => ("OAP-1-5", "ver is not 1"),
        FrameFault::CapabilityTooLong { .. } => ("OAP-1-6", "cap_len passes the frame"),
        FrameFault::CapabilityWithoutStart { .. } => ("OAP-1-6", "capability without START"),
        FrameFault::Truncated => ("OAP-1-10", "the stream ended inside a frame"),
    };
    Violation::connection(fault.reason(), clause, message)
}

const fn sequence(scope: Scope, clause: &'static str, message: &'static str) -> Violation {
    Violation {
        scope,
        ..Violation::exchange(Reason::BadSequence, clause, message)
    }
}

impl Connection {
    #[inline]
    pub(super) fn handle_frame(&mut self, lane: Lane, now: Timestamp, frame: &mut RawFrame<'_>) {
        let wire = frame.header.frame_len();
        self.counters.frames_received += 1;
        self.counters.bytes_received += wire as u64;
        self.counters.reserved_flags += u64::from(frame.header.flags.has_reserved());
        self.budgets.earn(wire);
        self.times.frame_received(now);
        match (frame.header.app_proto_id, self.role) {
            (0, _) => {
                self.counters.control_received += 1;
                self.handle_control(lane, now, frame);
            }
            (_, Role::Server) => self.handle_at_server(lane, now, frame),
            (_, Role::Client) => self.handle_at_client(lane, now, frame),
        }
    }

    fn handle_at_server(&mut self, lane: Lane, now: Timestamp, frame: &mut RawFrame<'_>) {
        let header = &frame.header;
        let directions = header.flags.directions();
        if directions == Flags::REQ {
            return self.handle_request_frame(lane, now, frame);
        }
        let open = self.exchanges.find(header.corr_id);
        if directions.contains(Flags::REQ) {
            let fault = sequence(Scope::Exchange, "OAP-2-3", "two directions in one frame");
            return self.refuse_frame(lane, now, header, open, fault);
        }
        if directions != Flags::EVENT {
            let fault = sequence(Scope::Connection, "OAP-2-4", "not a request");
            return self.fail(lane, now, fault);
        }
        match open {
            Some(_) => {
                let fault = sequence(Scope::Exchange, "OAP-2-5", "EVENT from a client");
                self.refuse_frame(lane, now, header, open, fault);
            }
            None => self.discard_event(lane, now),
        }
    }

    #[inline]
    fn handle_request_frame(&mut self, lane: Lane, now: Timestamp, frame: &mut RawFrame<'_>) {
        let header = &frame.header;
        if header.corr_id == 0 {
            let fault = sequence(Scope::Exchange, "OAP-3-13", "corr_id 0 outside app 0");
            return self.refuse_frame(lane, now, header, None, fault);
        }
        let open = self.exchanges.find(header.corr_id);
        let kind = Kind::new(
            header.flags.contains(Flags::START),
            header.flags.contains(Flags::END),
        );
        match state::server(self.state_at_server(open, header.corr_id), kind) {
            Rule::Open => self.accept_start(lane, now, frame),
            Rule::Deliver => {
                if let Some(slot) = open {
                    self.accept_request_frame(slot, lane, now, frame);
                }
            }
            Rule::Discard => self.discard_late(open, header),
            Rule::Fault(clause, message) => {
                let fault = Violation::exchange(Rule::REASON, clause, message);
                self.refuse_frame(lane, now, header, open, fault);
            }
        }
    }

    #[inline]
    pub(super) fn state_at_server(&self, open: Option<u32>, corr: u64) -> State {
        let Some(slot) = open else {
            let late = !self.late.is_empty() && self.late.contains(&corr);
            return if late { State::Late } else { State::Unknown };
        };
        let exchange = self.exchanges.get(slot);
        if exchange.marks.has(Marks::PEER_FINISHED) {
            State::HalfClosed
        } else if exchange.phase == Phase::Parked {
            State::Parked
        } else if exchange.marks.has(Marks::FINISHED) {
            State::Answered
        } else {
            State::Open
        }
    }

    /// A late frame costs nothing, but its credit is returned while the exchange is still known.
    fn discard_late(&mut self, open: Option<u32>, header: &Header) {
        self.counters.late_frames += 1;
        let Some(slot) = open else { return };
        let exchange = self.exchanges.get_mut(slot);
        if header.flags.contains(Flags::END) {
            exchange.marks.set(Marks::PEER_FINISHED);
        }
        exchange.recv.receive(header.payload_len());
        self.credit(slot, header.payload_len());
    }

    /// Opens an exchange, unless one of the checks refuses it (OAP-3-2, OAP-3-15).
    #[inline]
    fn accept_start(&mut self, lane: Lane, now: Timestamp, frame: &mut RawFrame<'_>) {
        if let Some(refusal) = self.start_fault(&frame.header) {
            return self.refuse_frame(lane, now, &frame.header, None, refusal);
        }
        let header = frame.header;
        let windowed = header.flags.contains(Flags::ACK_REQ);
        let ended = header.flags.contains(Flags::END);
        let marks = Marks::PEER_BEGUN
            | Marks::when(windowed, Marks::PEER_WINDOWED)
            | Marks::when(windowed || self.peer.wants_windows, Marks::WINDOWED)
            | Marks::when(header.cap_len > 0, Marks::CAPABLE)
            | Marks::when(ended, Marks::PEER_FINISHED);
        let window = self.receive_window();
        let (id, exchange) = self.exchanges.open(header.corr_id);
        exchange.begin(lane, marks, window, self.peer.window);
        exchange.app = header.app_proto_id;
        exchange.tenant = header.tenant_id;
        exchange.recv.receive(header.payload_len());
        self.hold(header.payload_len(), windowed);
        self.counters.exchanges_opened += 1;
        let start = Start {
            corr_id: header.corr_id,
            app_proto_id: header.app_proto_id,
            tenant_id: header.tenant_id,
            capability: frame.capability(),
            lane,
        };
        let payload = Payload::new(frame.take_payload(), header.flags, windowed);
        let fin = if ended { Fin::End } else { Fin::More };
        if self.config.authorize {
            self.park_start(id, now, start, payload, fin);
        } else {
            self.events.push_back(Event::Opened {
                id,
                start,
                payload,
                fin,
            });
        }
    }

    /// The START waits for its verdict; nothing of it reaches the handler before (OAP-3-22).
    fn park_start(
        &mut self,
        id: ExchangeId,
        now: Timestamp,
        start: Start,
        payload: Payload,
        fin: Fin,
    ) {
        let deadline = self.times.arm(now + self.config.timers.verdict);
        let exchange = self.exchanges.get_mut(id.slot);
        exchange.phase = Phase::Parked;
        exchange.deadline = deadline;
        let parked = Parked::new(start.clone(), payload, fin);
        exchange.parked = Some(Box::new(parked));
        self.events.push_back(Event::Authorize { id, start });
    }

    /// Why a START is refused, if it is: draining (OAP-4-12), no slot (OAP-3-16), or a first payload
    /// beyond what its window or the budget takes.
    #[inline]
    fn start_fault(&self, header: &Header) -> Option<Violation> {
        if self.life == Life::Draining {
            Some(DRAINING)
        } else if self.exchanges.taken() >= usize::from(self.config.limits.max_inflight()) {
            Some(OVER_CAPACITY)
        } else if header.flags.contains(Flags::ACK_REQ) {
            self.window_fault(header.payload_len(), self.receive_window())
        } else {
            None
        }
    }

    /// What is wrong with the first payload of a windowed request.
    fn window_fault(&self, len: usize, window: u32) -> Option<Violation> {
        if len > window as usize {
            Some(BEYOND_WINDOW)
        } else if self.is_flooded() {
            Some(TOO_MANY_FRAMES)
        } else {
            None
        }
    }

    fn accept_request_frame(
        &mut self,
        slot: u32,
        lane: Lane,
        now: Timestamp,
        frame: &mut RawFrame<'_>,
    ) {
        if !self.belongs(slot, lane, &frame.header) {
            let fault = if self.exchanges.get(slot).lane == lane {
                OTHER_APP
            } else {
                OTHER_LANE
            };
            return self.refuse_frame(lane, now, &frame.header, Some(slot), fault);
        }
        let Some((payload, fin)) = self.take_payload(slot, lane, now, frame) else {
            return;
        };
        match &mut self.exchanges.get_mut(slot).parked {
            Some(parked) => parked.push(payload, fin),
            None => self.events.push_back(Event::Data {
                id: self.exchanges.id(slot),
                code: Code::OK,
                payload,
                fin,
            }),
        }
    }

    /// Answers and events, in the order sent and with or without START, up to RESP|END (OAP-3-4,
    /// OAP-7-2).
    fn handle_at_client(&mut self, lane: Lane, now: Timestamp, frame: &mut RawFrame<'_>) {
        let header = &frame.header;
        let directions = header.flags.directions();
        if directions != Flags::RESP && directions != Flags::EVENT {
            let fault = sequence(Scope::Connection, "OAP-2-7", "neither answer nor event");
            return self.fail(lane, now, fault);
        }
        let event = directions == Flags::EVENT;
        let Some(slot) = self.exchanges.find(header.corr_id) else {
            if event {
                return self.discard_event(lane, now);
            }
            if header.corr_id == 0 || header.corr_id >= self.next_corr {
                let fault = sequence(
                    Scope::Connection,
                    "OAP-3-20",
                    "answer to what was never asked",
                );
                return self.fail(lane, now, fault);
            }
            self.counters.late_frames += 1;
            return;
        };
        let ended = !event && header.flags.contains(Flags::END);
        if self.exchanges.get(slot).phase == Phase::Discarding {
            return self.discard_answer(slot, header, ended);
        }
        if !self.belongs(slot, lane, header) {
            let fault = sequence(
                Scope::Exchange,
                "OAP-3-21",
                "another app, tenant or lane than the START's",
            );
            return self.fail_exchange(slot, now, fault);
        }
        let code = header.code;
        let Some((payload, fin)) = self.take_payload(slot, lane, now, frame) else {
            return;
        };
        let id = self.exchanges.id(slot);
        if event {
            self.counters.events_received += 1;
            self.events.push_back(Event::Pushed { id, code, payload });
        } else {
            self.events.push_back(Event::Data {
                id,
                code,
                payload,
                fin,
            });
            if ended {
                self.forget(slot);
            }
        }
    }

    /// A frame of an exchange that the client has given up (OAP-3-18).
    fn discard_answer(&mut self, slot: u32, header: &Header, ended: bool) {
        self.counters.late_frames += 1;
        let exchange = self.exchanges.get_mut(slot);
        let later = exchange.marks.has(Marks::PEER_BEGUN);
        begin_peer(&mut exchange.marks, header.flags);
        exchange.recv.receive(header.payload_len());
        self.credit(slot, header.payload_len());
        if ended {
            self.forget(slot);
        } else if later && header.flags.contains(Flags::ACK_REQ) {
            self.ack_if_windowed(slot);
        }
    }

    #[inline]
    fn belongs(&self, slot: u32, lane: Lane, header: &Header) -> bool {
        let exchange = self.exchanges.get(slot);
        exchange.app == header.app_proto_id
            && exchange.tenant == header.tenant_id
            && exchange.lane == lane
    }

    /// Checks a frame of an open exchange against its windows and budgets, charges them, and gives
    /// out its payload. `None`: it was a fault, and is dealt with.
    #[inline]
    fn take_payload(
        &mut self,
        slot: u32,
        lane: Lane,
        now: Timestamp,
        frame: &mut RawFrame<'_>,
    ) -> Option<(Payload, Fin)> {
        let flags = frame.header.flags;
        let len = frame.header.payload_len();
        let event = flags.contains(Flags::EVENT);
        let flooded = self.is_flooded();
        let exchange = self.exchanges.get_mut(slot);
        let later = exchange.marks.has(Marks::PEER_BEGUN);
        begin_peer(&mut exchange.marks, flags);
        let windowed = exchange.marks.has(Marks::PEER_WINDOWED);
        let counted = if is_error_body(&frame.header) { 0 } else { len };
        if windowed {
            if !exchange.recv.admits(counted) {
                self.blame(slot, lane, now, &frame.header, BEYOND_WINDOW);
                return None;
            }
            if flooded {
                self.blame(slot, lane, now, &frame.header, TOO_MANY_FRAMES);
                return None;
            }
        }
        if len == 0 && !flags.intersects(Flags::START | Flags::END) {
            exchange.empties = exchange.empties.saturating_add(1);
            if exchange.empties > MAX_EMPTIES {
                self.flood(lane, now, "OAP-10-11");
                return None;
            }
        }
        exchange.recv.receive(counted);
        let end = flags.contains(Flags::END) && !event;
        if end {
            exchange.marks.set(Marks::PEER_FINISHED);
        }
        self.hold(len, windowed);
        if windowed && later && !end && flags.contains(Flags::ACK_REQ) {
            self.queue_ack(slot);
        }
        let payload = Payload::new(frame.take_payload(), flags, windowed);
        Some((payload, if end { Fin::End } else { Fin::More }))
    }

    /// Server: whether a control frame of an open exchange came on another lane; the exchange has
    /// ended then (OAP-11-7).
    pub(super) fn strayed(&mut self, slot: u32, lane: Lane, now: Timestamp) -> bool {
        let strayed = self.role == Role::Server && self.exchanges.get(slot).lane != lane;
        if strayed {
            self.fail_exchange(slot, now, OTHER_LANE);
        }
        strayed
    }

    fn ack_if_windowed(&mut self, slot: u32) {
        if self.exchanges.get(slot).marks.has(Marks::PEER_WINDOWED) {
            self.queue_ack(slot);
        }
    }

    fn discard_event(&mut self, lane: Lane, now: Timestamp) {
        self.counters.discarded_events += 1;
        self.charge_fault(lane, now);
    }

    /// The fault lies with the frame's sender, whichever role that is.
    fn blame(&mut self, slot: u32, lane: Lane, now: Timestamp, header: &Header, fault: Violation) {
        match self.role {
            Role::Server => self.refuse_frame(lane, now, header, Some(slot), fault),
            Role::Client => self.fail_exchange(slot, now, fault),
        }
    }

    /// Whether a START had better wait until the host has heard of exchanges that have ended and may
    /// have released their slots: a client that cancels and asks anew is not refused for it.
    #[inline]
    pub(super) fn waits_for_release(&self, header: &Header) -> bool {
        self.ends_untold > 0
            && self.role == Role::Server
            && header.flags.contains(Flags::START)
            && self.exchanges.taken() >= usize::from(self.config.limits.max_inflight())
    }

    /// Charges a frame to the buffer budget (OAP-6-16).
    #[inline]
    fn hold(&mut self, len: usize, windowed: bool) {
        self.held += frame_cost(len, windowed);
        self.windowed_frames += usize::from(windowed);
    }

    /// Gives back what [`Connection::hold`] charged.
    #[inline]
    pub(super) fn unhold(&mut self, len: usize, windowed: bool) {
        self.held = self.held.saturating_sub(frame_cost(len, windowed));
        let frames = usize::from(windowed);
        self.windowed_frames = self.windowed_frames.saturating_sub(frames);
    }

    /// Whether one more windowed frame would be one too many, because they are so small (OAP-6-17).
    #[inline]
    fn is_flooded(&self) -> bool {
        self.windowed_frames >= self.config.limits.windowed_frames()
    }

    /// Whether the next frame has room in the buffer budget, seen before it is taken (OAP-6-16).
    /// Control frames need none; nor does a frame that ends its exchange for being one too many.
    pub(super) fn next_frame_fits(&self, buf: &BytesMut) -> bool {
        let Some(bytes) = buf.first_chunk::<HEADER_LEN>() else {
            return true;
        };
        let Ok(header) = Header::parse(bytes, self.config.limits.max_frame()) else {
            return true;
        };
        let len = header.payload_len();
        let marks = self
            .exchanges
            .find(header.corr_id)
            .map(|slot| self.exchanges.get(slot).marks);
        let windowed = match marks {
            Some(marks) if marks.has(Marks::PEER_BEGUN) => marks.has(Marks::PEER_WINDOWED),
            _ => header.flags.contains(Flags::ACK_REQ),
        };
        header.app_proto_id == 0
            || self.held + frame_cost(len, windowed) <= self.config.limits.buffer_bytes()
            || windowed && self.is_flooded()
    }

    /// Everything whole is decoded: the rest waits for more, under its timer (OAP-10-2), or for the
    /// end of the stream to judge it.
    #[inline]
    pub(super) fn await_rest(&mut self, lane: Lane, now: Timestamp, buf: &mut BytesMut) {
        if self.lanes.resume(lane, now) {
            self.times.last_frame = now;
        }
        let state = self.lanes.get_mut(lane);
        if state.eof_pending {
            return self.judge_eof(lane, now, buf);
        }
        if buf.is_empty() {
            return;
        }
        state.decoder.make_room(buf);
        state.waiting = true;
        let len = buf
            .first_chunk::<LEN_FIELD>()
            .map_or(0, |len| u32::from_le_bytes(*len));
        if state.frame_deadline == Timestamp::MAX {
            state.frame_started = now;
        }
        let deadline = state.frame_started + budget::frame_time(self.config.timers.frame, len);
        if state.frame_deadline != deadline {
            state.frame_deadline = deadline;
            self.lanes.earliest = self.lanes.earliest.min(deadline);
        }
    }
}

/// The body of an error that ends an answer needs no credit (OAP-6-7).
#[inline]
fn is_error_body(header: &Header) -> bool {
    header.code.is_error() && header.flags.contains(Flags::RESP | Flags::END)
}

/// Notes the first frame of the peer's direction and whether it keeps to our window (OAP-6-1); no
/// later frame changes that (OAP-6-2).
#[inline]
fn begin_peer(marks: &mut Marks, flags: Flags) {
    if !marks.has(Marks::PEER_BEGUN) {
        marks.set(Marks::PEER_BEGUN);
        if flags.contains(Flags::ACK_REQ) {
            marks.set(Marks::PEER_WINDOWED);
        }
    }
}
