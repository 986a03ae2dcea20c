//! One end of a connection, moved by what its `interest()` says and by nothing else.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::BytesMut;
use oap_core::testing::Rng;
use oap_core::{CloseReason, Connection, Consume, Lane, Role, SendError, Timestamp};

use super::lanes::Lanes;
use super::sabotage::Saboteur;
use super::trace::{Trace, Who};
use super::wire::Wire;

/// How often a connection may ask for a moment that is there without anything happening.
const PATIENCE: u32 = 4;
/// One turn in so many that moved something is followed by a PING.
const PINGS: u64 = 100;
/// A host wakes late by this at most.
pub(super) const LATE: Duration = Duration::from_millis(2);

/// What an endpoint is moved with.
pub(super) struct Surroundings<'a> {
    pub(super) now: Timestamp,
    pub(super) lanes: &'a mut Lanes,
    pub(super) wire: &'a mut Wire,
    pub(super) trace: &'a mut Trace,
    pub(super) rng: &'a mut Rng,
    pub(super) saboteur: &'a mut Saboteur,
}

#[derive(Debug, Default)]
struct LaneEnd {
    buf: BytesMut,
    /// The peer sends no more.
    ended: bool,
    /// Nor do we.
    finished: bool,
}

/// A connection and its buffers.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) connection: Connection,
    /// The reason that the last event gave.
    pub(super) over: Option<CloseReason>,
    who: Who,
    ends: Vec<LaneEnd>,
    /// The transport is closed.
    closed: bool,
    peer_ended: bool,
    /// How often in a row a deadline stayed due.
    due: u32,
    frames: u64,
    last_frame: Timestamp,
    stopped: bool,
    /// The host's own PINGs that wait for their PONGs, and since when.
    pings: BTreeMap<u64, Timestamp>,
    pongs: u64,
}

impl Endpoint {
    pub(super) fn new(connection: Connection, line: usize, now: Timestamp) -> Self {
        let role = connection.role();
        Self {
            connection,
            over: None,
            who: Who { line, role },
            ends: Vec::new(),
            closed: false,
            peer_ended: false,
            due: 0,
            frames: 0,
            last_frame: now,
            stopped: false,
            pings: BTreeMap::new(),
            pongs: 0,
        }
    }

    pub(super) const fn who(&self) -> Who {
        self.who
    }

    /// Whether the transport is closed.
    pub(super) const fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether the peer has ended its side of a lane.
    pub(super) fn has_ended(&self, lane: Lane) -> bool {
        let end = self.ends.get(usize::from(lane.0));
        end.is_some_and(|end| end.ended)
    }

    /// Whether there is nothing left to do.
    pub(super) fn is_gone(&self) -> bool {
        self.closed && self.over.is_some()
    }

    /// When there is something to do that no other input brings about.
    pub(super) fn next(&self, lanes: &Lanes) -> Option<Timestamp> {
        if self.closed {
            return None;
        }
        let interest = self.connection.interest();
        let role = self.who.role;
        let arrival = match interest.read {
            true => lanes.next_arrival(role),
            false => lanes.next_reset(role),
        };
        [arrival, interest.deadline].into_iter().flatten().min()
    }

    /// Does what can be done now; returns whether anything happened.
    pub(super) fn turn(&mut self, at: &mut Surroundings<'_>) -> bool {
        if self.closed {
            return false;
        }
        let mut moved = self.write(at);
        if self.connection.interest().done {
            at.lanes.close(self.who.role, at.now);
            at.trace.note(at.now, self.who, "closes", 0, 0);
            self.closed = true;
            return true;
        }
        moved |= self.read(at);
        moved |= self.finish_lanes(at);
        if moved {
            self.due = 0;
            if at.rng.one_in(PINGS) {
                self.ping(at);
            }
        }
        moved | self.time(at)
    }

    fn write(&mut self, at: &mut Surroundings<'_>) -> bool {
        let (who, now) = (self.who, at.now);
        let mut full = Vec::new();
        let mut moved = false;
        while self.connection.interest().write {
            let multi = self.connection.config().multi_lane;
            let lane = match multi {
                true => self
                    .connection
                    .poll_writable_lane(|lane| !full.contains(&lane)),
                false => Some(Lane::FIRST).filter(|_| full.is_empty()),
            };
            let Some(lane) = lane else { break };
            full.push(lane);
            let number = usize::from(lane.0);
            let most = self.most_output();
            let Some(pair) = at.lanes.get(number, who.role) else {
                self.connection.drop_output(lane);
                continue;
            };
            let Some(mut transmit) = self.connection.poll_transmit(lane, now) else {
                continue;
            };
            let waiting = bytes::Buf::remaining(&transmit);
            assert!(
                waiting <= most,
                "{who}: {waiting} bytes wait for the transport"
            );
            let link = pair.out(who.role);
            let count = link.send(now, &mut transmit, |bytes| {
                at.trace.bytes(bytes);
                at.wire.written(who.role, number, bytes);
            });
            let broken = link.is_reset(now) || link.is_cut() && count == 0;
            if count > 0 {
                at.trace
                    .note(now, who, "write", number as u64, count as u64);
                moved = true;
            } else if broken && !multi {
                self.connection.handle_transport_error();
                moved = true;
            }
        }
        moved
    }

    /// Bytes that may be encoded and not yet written on one lane: the high-water mark and one body,
    /// or the first chunks of as many requests as may be open.
    fn most_output(&self) -> usize {
        let chunk = self.connection.config().limits.chunk() as usize + 66_000;
        let bodies = match self.who.role {
            Role::Client => self.connection.capacity() + 1,
            Role::Server => 1,
        };
        256 * 1_024 + 64 * 512 + bodies * chunk
    }

    fn read(&mut self, at: &mut Surroundings<'_>) -> bool {
        let (role, now) = (self.who.role, at.now);
        let multi = self.connection.config().multi_lane;
        let mut moved = false;
        for lane in 0..at.lanes.len() {
            let Some(pair) = at.lanes.get(lane, role) else {
                continue;
            };
            if self.ends.len() <= lane {
                self.ends.resize_with(lane + 1, LaneEnd::default);
            }
            let end = &mut self.ends[lane];
            let number = Lane(lane as u16);
            let link = pair.input(role);
            if link.is_reset(now) {
                moved = true;
                if !multi || lane == 0 {
                    self.connection.handle_transport_error();
                    return true;
                }
                self.connection.handle_reset(number, now);
                *end = LaneEnd::default();
                at.lanes.release(lane, role);
                at.trace.note(now, self.who, "lane reset", lane as u64, 0);
                continue;
            }
            if !self.connection.interest().read {
                continue;
            }
            let most = at.rng.pick(&[1, 50, 4_000, 65_536]).max(at.rng.size(8_192));
            let count = link.receive(now, &mut end.buf, most);
            if count > 0 {
                moved = true;
                at.trace
                    .note(now, self.who, "read", lane as u64, count as u64);
                self.connection.handle_input(number, now, &mut end.buf);
            } else if !end.ended && link.take_end(now) {
                moved = true;
                end.ended = true;
                self.peer_ended |= !multi;
                at.trace.note(now, self.who, "eof", lane as u64, 0);
                self.connection.handle_eof(number, now, &mut end.buf);
            }
        }
        if multi && at.lanes.peer_has_closed(role) && !self.connection.is_closed() {
            self.connection.handle_peer_close();
            moved = true;
        }
        if self.connection.interest().again {
            for (lane, end) in self.ends.iter_mut().enumerate() {
                let lane = Lane(lane as u16);
                if self.connection.is_lane_stalled(lane) {
                    self.connection.handle_input(lane, now, &mut end.buf);
                    moved = true;
                }
            }
        }
        moved
    }

    /// Ends our side of lanes that are not needed any more, and forgets those that both have ended.
    fn finish_lanes(&mut self, at: &mut Surroundings<'_>) -> bool {
        let role = self.who.role;
        let mut moved = false;
        for lane in 1..self.ends.len() {
            let Some(pair) = at.lanes.get(lane, role) else {
                continue;
            };
            let end = &mut self.ends[lane];
            let number = Lane(lane as u16);
            let wanted = role == Role::Server || pair.retired;
            let over = end.ended || role == Role::Client;
            if !end.finished && wanted && over && self.connection.is_lane_idle(number) {
                pair.out(role).finish(at.now);
                end.finished = true;
                moved = true;
            }
            if end.finished && end.ended {
                self.connection.handle_reset(number, at.now);
                *end = LaneEnd::default();
                at.lanes.release(lane, role);
                at.trace.note(at.now, self.who, "lane over", lane as u64, 0);
                moved = true;
            }
        }
        moved
    }

    /// A PING by the host's wish, which may share its PONG with one of the connection's own.
    fn ping(&mut self, at: &mut Surroundings<'_>) {
        match self.connection.ping(at.now) {
            Ok(nonce) => {
                self.pings.entry(nonce).or_insert(at.now);
                at.trace.note(at.now, self.who, "ping", nonce, 0);
            }
            Err(SendError::Unsupported | SendError::Closed) => {}
            Err(error) => panic!("{}: no PING goes out: {error}", self.who),
        }
    }

    /// The application is told of a PONG.
    pub(super) fn pong(&mut self, nonce: u64, sent: Timestamp, now: Timestamp) {
        if let Some(wished) = self.pings.remove(&nonce) {
            let in_between = sent <= wished && wished <= now;
            assert!(
                in_between,
                "{}: PING {nonce} of {sent:?} at {now:?}",
                self.who
            );
            self.pongs += 1;
        }
    }

    /// PONGs of PINGs that the host wished for.
    pub(super) const fn pongs(&self) -> u64 {
        self.pongs
    }

    /// No PING waits longer than a connection on which nothing comes would live.
    pub(super) fn check_pings(&self, now: Timestamp) {
        if self.connection.is_closed() || self.peer_ended {
            return;
        }
        let idle = self.connection.config().timers.idle;
        for (nonce, wished) in &self.pings {
            let waits = now.saturating_since(*wished);
            assert!(
                waits < idle + LATE,
                "{}: PING {nonce} waits for {waits:?}",
                self.who
            );
        }
    }

    /// Handles the timeout if it is due. The connection must then do something or ask for a later
    /// moment: who sleeps until the deadline makes progress.
    fn time(&mut self, at: &mut Surroundings<'_>) -> bool {
        let deadline = self.connection.interest().deadline;
        if deadline.is_none_or(|deadline| deadline > at.now) || at.saboteur.sleeps() {
            return false;
        }
        self.connection.handle_timeout(at.now);
        at.trace.note(at.now, self.who, "timeout", 0, 0);
        let left = self.connection.interest().deadline;
        if left.is_some_and(|left| left <= at.now) {
            self.due += 1;
            assert!(
                self.due < PATIENCE,
                "{}: {left:?} stays due at {:?}",
                self.who,
                at.now
            );
        } else {
            self.due = 0;
        }
        true
    }

    /// The limits that hold at every moment. `kept` is what the application has not given back,
    /// counted as the buffer budget counts it; none while some of it is out of sight.
    pub(super) fn check(&mut self, now: Timestamp, max_inflight: usize, kept: Option<usize>) {
        let (connection, who) = (&self.connection, self.who);
        let taken = connection.exchanges();
        assert!(
            taken <= max_inflight,
            "{who}: {taken} exchanges of {max_inflight}"
        );
        let held = connection.held_bytes();
        let budget = connection.config().limits.buffer_bytes();
        assert!(held <= budget, "{who}: holds {held} of {budget} bytes");
        let interest = connection.interest();
        if let Some(kept) = kept.filter(|_| !interest.event && !connection.is_closed()) {
            let kept = match connection.config().consume {
                Consume::OnDelivery => 0,
                Consume::Manually => kept,
            };
            assert_eq!(held, kept, "{who}: held, and kept by the application");
        }
        if self.closed {
            return;
        }
        assert!(!interest.again, "{who}: input waits and is not looked at");
        let late = interest.deadline.filter(|&deadline| deadline <= now);
        assert_eq!(late, None, "{who}: sleeps on at {now:?}");
        self.check_idle(now);
    }

    /// A peer that says nothing is closed, whatever `interest()` says of deadlines.
    fn check_idle(&mut self, now: Timestamp) {
        let frames = self.connection.counters().frames_received;
        let stops = !self.connection.interest().read;
        if frames != self.frames || self.stopped || stops {
            self.last_frame = now;
        }
        self.frames = frames;
        self.stopped = stops;
        if self.connection.is_closed() || self.peer_ended {
            return;
        }
        let idle = self.connection.config().timers.idle;
        let silent = now.saturating_since(self.last_frame);
        assert!(
            silent < idle + LATE,
            "{}: nothing came for {silent:?} at {now:?}",
            self.who
        );
    }
}
