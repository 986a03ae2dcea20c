//! What happens when time passes (OAP-10). Time only ever comes in from outside.

use core::time::Duration;

use super::exchange::Phase;
use super::{Connection, Role, Stall};
use crate::event::End;
use crate::wire::Features;
use crate::{CloseReason, Code, Lane, Reason, Timer, Timestamp};
use bytes::Buf;

/// How long after the last frame buffers are given back.
const TRIM_AFTER: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
#[cfg_attr(feature = "testing", derive(Hash))]
pub(super) struct Timetable {
    opened: Timestamp,
    pub(super) first_byte: bool,
    pub(super) last_frame: Timestamp,
    /// The HELLO sent, while it is not answered (OAP-10-6).
    pub(super) hello_sent: Option<Timestamp>,
    /// The PING sent, while it is not answered.
    pub(super) ping: Option<(u64, Timestamp)>,
    trimmed: bool,
    /// A drained server waits for its client to close, since when it knows of the time.
    linger: Option<Option<Timestamp>>,
    /// A lower bound of the deadlines of all exchanges.
    earliest_exchange: Timestamp,
    /// Since when the next frame has waited for room; only where that is bounded.
    wants_room: Timestamp,
}

impl Timetable {
    pub(super) const fn new(now: Timestamp) -> Self {
        Self {
            opened: now,
            first_byte: false,
            last_frame: now,
            hello_sent: None,
            ping: None,
            trimmed: true,
            linger: None,
            earliest_exchange: Timestamp::MAX,
            wants_room: Timestamp::ZERO,
        }
    }

    #[inline]
    pub(super) fn frame_received(&mut self, now: Timestamp) {
        self.last_frame = now;
        self.trimmed = false;
    }

    /// Reading, which had been stopped, goes on.
    pub(super) fn read_again(&mut self, now: Timestamp) {
        self.last_frame = now;
        if !self.first_byte {
            self.opened = now;
        }
    }

    /// Something was queued that may need trimming later.
    pub(super) fn used(&mut self) {
        self.trimmed = false;
    }

    /// Nothing is open any more; the wait begins with the next time told.
    pub(super) fn linger(&mut self) {
        self.linger = self.linger.or(Some(None));
    }

    /// Notes an exchange's deadline and returns it.
    #[inline]
    pub(super) fn arm(&mut self, deadline: Timestamp) -> Timestamp {
        self.earliest_exchange = self.earliest_exchange.min(deadline);
        deadline
    }
}

impl Connection {
    /// Time has passed; `now` may be earlier or later than the deadline asked for.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        if now >= self.lanes.writes_due() {
            self.time_writes(now);
        }
        if self.is_closed() {
            return;
        }
        if self.is_lingered_out(now) {
            return self.finish(CloseReason::Drained);
        }
        if let Some(timer) = self.expired(now) {
            return self.shut(CloseReason::TimedOut(timer));
        }
        if now >= self.frames_due() {
            self.time_frames(now);
            if self.is_closed() {
                return;
            }
        }
        if now >= self.times.earliest_exchange {
            self.time_exchanges(now);
        }
        if self.ping_due().is_some_and(|due| now >= due) {
            self.send_ping(now);
        }
        if now >= self.trim_due() {
            self.trim();
        }
    }

    /// The earliest moment at which [`Connection::handle_timeout`] has something to do.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        let timers = &self.config.timers;
        let mut deadline = self.lanes.writes_due();
        if !self.is_closed() {
            deadline = deadline
                .min(self.idle_due())
                .min(self.frames_due())
                .min(self.standstill_due())
                .min(self.times.earliest_exchange)
                .min(self.trim_due());
            if self.awaits_first_byte() {
                deadline = deadline.min(self.times.opened + timers.first_frame);
            }
            if let Some(sent) = self.times.hello_sent {
                deadline = deadline.min(sent + timers.hello);
            }
            if let Some(due) = self.ping_due() {
                deadline = deadline.min(due);
            }
            if let Some(since) = self.times.linger {
                let due = since.map_or(Timestamp::ZERO, |since| since + timers.linger);
                deadline = deadline.min(due);
            }
        }
        (deadline != Timestamp::MAX).then_some(deadline)
    }

    fn is_lingered_out(&mut self, now: Timestamp) -> bool {
        let Some(since) = &mut self.times.linger else {
            return false;
        };
        now >= *since.get_or_insert(now) + self.config.timers.linger
    }

    /// Whether a connection-level timer of the peer's has run out.
    fn expired(&self, now: Timestamp) -> Option<Timer> {
        let timers = &self.config.timers;
        if self.awaits_first_byte() && now >= self.times.opened + timers.first_frame {
            Some(Timer::FirstFrame)
        } else if self
            .times
            .hello_sent
            .is_some_and(|sent| now >= sent + timers.hello)
        {
            Some(Timer::Hello)
        } else if now >= self.idle_due() {
            Some(Timer::Idle)
        } else if now >= self.standstill_due() {
            Some(Timer::Standstill)
        } else {
            None
        }
    }

    /// A client that says nothing at all holds no connection (OAP-10-1), unless nobody listens.
    fn awaits_first_byte(&self) -> bool {
        self.role == Role::Server && !self.times.first_byte && !self.lanes.is_stopped()
    }

    /// The idle timer stands still while this side has stopped reading (OAP-10-3).
    fn idle_due(&self) -> Timestamp {
        if self.lanes.is_stopped() || self.eof {
            Timestamp::MAX
        } else {
            self.times.last_frame + self.config.timers.idle
        }
    }

    /// Frame timers, too, stand still while this side has stopped reading (OAP-10-3).
    fn frames_due(&self) -> Timestamp {
        if self.lanes.is_stopped() {
            Timestamp::MAX
        } else {
            self.lanes.earliest
        }
    }

    /// Decoding stops before a frame that finds no room (OAP-6-16). With each frame `decoded` before
    /// it, and each time that something was consumed and not enough, the time runs anew.
    pub(super) fn stall_for_room(&mut self, lane: Lane, now: Timestamp, decoded: bool) {
        let stall = Stall::Room(self.held);
        let is_new = decoded || self.stall != stall || !self.lanes.any_stalled();
        if is_new && !self.config.timers.standstill.is_zero() {
            self.times.wants_room = now;
        }
        self.stall = stall;
        self.lanes.stall(lane, now);
    }

    fn standstill_due(&self) -> Timestamp {
        let limit = self.config.timers.standstill;
        let waits = matches!(self.stall, Stall::Room(_)) && self.lanes.any_stalled();
        if waits && !limit.is_zero() && !self.may_resume() {
            self.times.wants_room + limit
        } else {
            Timestamp::MAX
        }
    }

    /// Half of the shorter idle time after the last frame (OAP-10-5).
    fn ping_due(&self) -> Option<Timestamp> {
        if !self.peer.features.contains(Features::PING)
            || self.times.ping.is_some()
            || self.lanes.is_stopped()
            || self.eof
        {
            return None;
        }
        let idle = self.peer.idle.map_or(self.config.timers.idle, |peer| {
            peer.min(self.config.timers.idle)
        });
        Some(self.times.last_frame + idle / 2)
    }

    fn trim_due(&self) -> Timestamp {
        if self.times.trimmed {
            Timestamp::MAX
        } else {
            self.times.last_frame + TRIM_AFTER
        }
    }

    fn trim(&mut self) {
        self.times.trimmed = true;
        self.exchanges.trim();
        self.lanes.trim();
        self.events.shrink_to_fit();
        self.late.shrink_to_fit();
    }

    /// Keeps a lane's write timer: it runs while bytes wait, and begins anew with each progress
    /// (OAP-10-4).
    #[inline]
    pub(super) fn watch_writes(&mut self, lane: Lane, now: Timestamp) {
        let Some(state) = self.lanes.try_get_mut(lane) else {
            return;
        };
        if !state.out.has_remaining() {
            state.write_deadline = Timestamp::MAX;
        } else if state.out.take_advanced() || state.write_deadline == Timestamp::MAX {
            let deadline = now + self.config.timers.write;
            state.write_deadline = deadline;
            self.lanes.earliest_write = self.lanes.earliest_write.min(deadline);
        }
    }

    /// Starts the write timers of all lanes that have something to write.
    pub(super) fn watch_all_writes(&mut self, now: Timestamp) {
        let deadline = now + self.config.timers.write;
        let waiting = self.lanes.iter_mut().map(|(_, state)| state);
        for state in waiting.filter(|state| state.out.has_remaining()) {
            state.out.take_advanced();
            state.write_deadline = state.write_deadline.min(deadline);
        }
        self.lanes.earliest_write = self.lanes.earliest_write.min(deadline);
    }

    fn time_writes(&mut self, now: Timestamp) {
        let mut earliest = Timestamp::MAX;
        let mut stuck = false;
        let write = self.config.timers.write;
        for (_, state) in self.lanes.iter_mut() {
            if !state.out.has_remaining() {
                state.write_deadline = Timestamp::MAX;
            } else if state.out.take_advanced() {
                state.write_deadline = now + write;
            }
            stuck |= now >= state.write_deadline;
            earliest = earliest.min(state.write_deadline);
        }
        self.lanes.earliest_write = earliest;
        if stuck {
            self.lanes.earliest_write = Timestamp::MAX;
            self.write_failed = true;
            self.shut(CloseReason::TimedOut(Timer::Write));
        }
    }

    fn time_frames(&mut self, now: Timestamp) {
        let mut earliest = Timestamp::MAX;
        let mut late = None;
        for (lane, state) in self.lanes.iter_mut() {
            if now >= state.frame_deadline {
                late = late.or(Some(lane));
            }
            earliest = earliest.min(state.frame_deadline);
        }
        self.lanes.earliest = earliest;
        if late.is_some() {
            self.shut(CloseReason::TimedOut(Timer::Frame));
        }
    }

    /// Ends the exchanges whose time is over. A deadline is a lower bound, so that an exchange that
    /// ends in time costs nothing here.
    fn time_exchanges(&mut self, now: Timestamp) {
        let mut earliest = Timestamp::MAX;
        for slot in 0..self.exchanges.len() {
            let exchange = self.exchanges.get(slot);
            if !matches!(exchange.phase, Phase::Parked | Phase::Open) {
                continue;
            }
            if now < exchange.deadline {
                earliest = earliest.min(exchange.deadline);
            } else if exchange.deadline != Timestamp::MAX {
                self.time_out(slot);
            }
        }
        self.times.earliest_exchange = earliest;
    }

    /// A request without its answer (OAP-10-7), or a START without its verdict (OAP-10-12).
    fn time_out(&mut self, slot: u32) {
        self.counters.refuse(Reason::Timeout);
        let (code, message) = match self.role {
            Role::Server => (Code::GATEWAY_TIMEOUT, "no verdict in time"),
            Role::Client => (Code::TIMEOUT, "no answer in time"),
        };
        self.end_with_error(slot, code, Reason::Timeout, message);
        self.end_exchange(slot, End::TimedOut);
    }

    /// Queues a PING on the first lane.
    pub(super) fn send_ping(&mut self, now: Timestamp) -> u64 {
        self.ping_nonce += 1;
        let nonce = self.ping_nonce;
        self.times.ping = Some((nonce, now));
        self.push_control(Lane::FIRST, super::lanes::ReplyKind::Ping, nonce, Code::OK);
        nonce
    }
}
