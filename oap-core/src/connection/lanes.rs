//! The lanes of a connection: a decoder and queues each.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Buf;

use super::hello;
use super::transmit::HIGH_WATER;
use crate::limits::Limits;
use crate::wire::{Decoder, Flags, FrameQueue, Header, MIN_LEN, write_error_body};
use crate::{Code, Config, ExchangeId, Lane, Reason, Timestamp};

#[derive(Debug)]
#[cfg_attr(feature = "testing", derive(Clone, Hash))]
pub(super) struct LaneState {
    pub(super) decoder: Decoder,
    pub(super) out: FrameQueue,
    pub(super) replies: VecDeque<Reply>,
    pub(super) acks: VecDeque<ExchangeId>,
    /// Exchanges with something that may be sent now.
    pub(super) ready: VecDeque<ExchangeId>,
    /// When the incomplete frame began, where a deadline is set.
    pub(super) frame_started: Timestamp,
    pub(super) frame_deadline: Timestamp,
    /// Until when the transport has to take some of what is encoded.
    pub(super) write_deadline: Timestamp,
    /// The peer's end came while undecoded bytes were left.
    pub(super) eof_pending: bool,
    /// The peer's end came: no ACK comes any more.
    pub(super) peer_ended: bool,
    /// A frame has begun and its timer is set: until the decoder can say more, further bytes need no
    /// look at all.
    pub(super) waiting: bool,
    stalled: bool,
    dirty: bool,
    open: bool,
}

impl LaneState {
    const fn new(max_frame: u32) -> Self {
        Self {
            decoder: Decoder::new(max_frame),
            out: FrameQueue::new(),
            replies: VecDeque::new(),
            acks: VecDeque::new(),
            ready: VecDeque::new(),
            frame_started: Timestamp::ZERO,
            frame_deadline: Timestamp::MAX,
            write_deadline: Timestamp::MAX,
            eof_pending: false,
            peer_ended: false,
            waiting: false,
            stalled: false,
            dirty: false,
            open: true,
        }
    }

    const fn closed(max_frame: u32) -> Self {
        let mut state = Self::new(max_frame);
        state.open = false;
        state
    }

    /// Whether anything waits that is encoded or may be.
    #[inline]
    fn has_output(&self) -> bool {
        self.out.has_remaining() || self.has_queued()
    }

    /// Whether a body may be encoded at once. It must not overtake a reply: that may be the answer to
    /// the HELLO that came before it, or the end of an exchange whose id is in use again.
    #[inline]
    pub(super) fn takes_bodies(&self) -> bool {
        self.replies.is_empty() && self.out.remaining() < HIGH_WATER
    }

    /// Whether anything waits to be encoded.
    #[inline]
    pub(super) fn has_queued(&self) -> bool {
        !self.replies.is_empty() || !self.acks.is_empty() || !self.ready.is_empty()
    }
}

/// A reply that the protocol obliges us to send, encoded only when the transport asks for it: so
/// sixty-four of them take a few KiB.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "testing", derive(Hash))]
pub(super) struct Reply {
    kind: ReplyKind,
    pub(super) corr: u64,
    pub(super) tenant: u128,
    pub(super) app: u16,
    pub(super) code: Code,
    pub(super) reason: Reason,
    pub(super) retry_after_ms: u32,
    pub(super) message: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "testing", derive(Hash))]
pub(super) enum ReplyKind {
    /// The answer to a HELLO request.
    Hello,
    /// RESP|END with an error body.
    Error,
    Ping,
    Pong,
    Cancel,
    GoAway,
}

impl ReplyKind {
    /// Whether the peer made us send it (OAP-10-10).
    const fn is_obligatory(self) -> bool {
        matches!(self, Self::Hello | Self::Error | Self::Pong)
    }
}

impl Reply {
    pub(super) const fn error(
        corr: u64,
        code: Code,
        reason: Reason,
        message: &'static str,
    ) -> Self {
        Self {
            kind: ReplyKind::Error,
            corr,
            tenant: 0,
            app: 0,
            code,
            reason,
            retry_after_ms: 0,
            message,
        }
    }

    pub(super) const fn of_kind(mut self, kind: ReplyKind) -> Self {
        self.kind = kind;
        self
    }

    pub(super) const fn retry_after(mut self, millis: u32) -> Self {
        self.retry_after_ms = millis;
        self
    }

    pub(super) const fn of_exchange(mut self, app: u16, tenant: u128) -> Self {
        self.app = app;
        self.tenant = tenant;
        self
    }

    pub(super) const fn is_good_hello(&self) -> bool {
        matches!(self.kind, ReplyKind::Hello)
    }

    pub(super) const fn is_obligatory(&self) -> bool {
        self.kind.is_obligatory()
    }

    /// `retry_after_ms` goes with every 429 and 503 (OAP-9-3).
    pub(super) fn body_retry(&self) -> Option<u64> {
        (self.code == Code::TOO_MANY || self.code == Code::UNAVAILABLE)
            .then_some(u64::from(self.retry_after_ms))
    }
}

/// All lanes, the first always there. Lanes are walked in the order of their numbers.
#[derive(Debug)]
#[cfg_attr(feature = "testing", derive(Clone, Hash))]
pub(super) struct Lanes {
    /// Not with the others: most connections have no other, and every frame passes here.
    first: LaneState,
    /// Lane n stands at n - 1.
    others: Vec<LaneState>,
    /// Lanes other than the first that may have output.
    dirty: VecDeque<Lane>,
    /// The first lane was the last to get its turn to write.
    after_first: bool,
    stalled: usize,
    /// The host does not read.
    held: bool,
    /// Since when lanes are stalled or held.
    stopped: Timestamp,
    /// A lower bound of all frame deadlines.
    pub(super) earliest: Timestamp,
    /// A lower bound of all write deadlines.
    pub(super) earliest_write: Timestamp,
    /// Since when the host does not write, if so.
    writes_held: Option<Timestamp>,
}

impl Lanes {
    pub(super) const fn new(max_frame: u32) -> Self {
        Self {
            first: LaneState::new(max_frame),
            others: Vec::new(),
            dirty: VecDeque::new(),
            after_first: false,
            stalled: 0,
            held: false,
            stopped: Timestamp::ZERO,
            earliest: Timestamp::MAX,
            earliest_write: Timestamp::MAX,
            writes_held: None,
        }
    }

    /// Makes sure that `lane` is there; false if it may not be.
    #[inline]
    pub(super) fn open(&mut self, lane: Lane, multi: bool, limits: &Limits) -> bool {
        if lane == Lane::FIRST {
            // It was reset, maybe, and its number is in use again.
            self.first.open = true;
            return true;
        }
        multi && self.open_other(lane, limits.max_frame())
    }

    fn open_other(&mut self, lane: Lane, max_frame: u32) -> bool {
        let at = usize::from(lane.0) - 1;
        if at >= self.others.len() {
            let closed = || LaneState::closed(max_frame);
            self.others.resize_with(at + 1, closed);
        }
        if let Some(state) = self.others.get_mut(at).filter(|state| !state.open) {
            // As new but for its place among the dirty, since it was closed.
            state.open = true;
        }
        true
    }

    pub(super) fn exists(&self, lane: Lane) -> bool {
        self.try_get(lane).is_some_and(|state| state.open)
    }

    /// Whether the peer has ended its side of a lane that is not over yet.
    pub(super) fn has_ended(&self, lane: Lane) -> bool {
        self.try_get(lane)
            .is_some_and(|state| state.open && state.peer_ended)
    }

    /// Whether the lane's buffer holds too little to say anything new. Ends a wait that is over.
    #[inline]
    pub(super) fn is_waiting(&mut self, lane: Lane, buffered: usize) -> bool {
        let Some(state) = self.try_get_mut(lane) else {
            return false;
        };
        state.waiting = state.waiting && state.decoder.is_waiting(buffered);
        state.waiting
    }

    /// No further bytes are looked at, waited for or not.
    pub(super) fn stop_waiting(&mut self) {
        self.iter_mut().for_each(|(_, state)| state.waiting = false);
    }

    /// A lane that is there. One that is not would be a mistake of ours, and no reason to panic: the
    /// first always is.
    #[inline]
    pub(super) fn get_mut(&mut self, lane: Lane) -> &mut LaneState {
        debug_assert!(
            usize::from(lane.0) <= self.others.len(),
            "{lane:?} is there"
        );
        match lane.0 {
            0 => &mut self.first,
            other => match self.others.get_mut(usize::from(other) - 1) {
                Some(state) => state,
                None => &mut self.first,
            },
        }
    }

    #[inline]
    pub(super) fn try_get_mut(&mut self, lane: Lane) -> Option<&mut LaneState> {
        match lane.0 {
            0 => Some(&mut self.first),
            other => self.others.get_mut(usize::from(other) - 1),
        }
    }

    fn try_get(&self, lane: Lane) -> Option<&LaneState> {
        match lane.0 {
            0 => Some(&self.first),
            other => self.others.get(usize::from(other) - 1),
        }
    }

    fn iter(&self) -> impl Iterator<Item = (Lane, &LaneState)> {
        let states = core::iter::once(&self.first).chain(&self.others);
        states
            .enumerate()
            .map(|(at, state)| (Lane(at as u16), state))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (Lane, &mut LaneState)> {
        let states = core::iter::once(&mut self.first).chain(&mut self.others);
        states
            .enumerate()
            .map(|(at, state)| (Lane(at as u16), state))
    }

    /// Drops what waits to be written on the lane; returns how many obligatory replies that were.
    pub(super) fn drop_output(&mut self, lane: Lane) -> usize {
        let state = self.get_mut(lane);
        state.out = FrameQueue::new();
        state.acks.clear();
        state.ready.clear();
        let replies = state.replies.drain(..);
        replies.filter(Reply::is_obligatory).count()
    }

    /// The lane is gone, and what waited on it; returns how many obligatory replies that were.
    pub(super) fn close(&mut self, lane: Lane, max_frame: u32) -> usize {
        let obligations = self.drop_output(lane);
        let state = self.get_mut(lane);
        let stalled = usize::from(state.stalled);
        *state = LaneState {
            dirty: state.dirty,
            ..LaneState::closed(max_frame)
        };
        self.stalled -= stalled;
        obligations
    }

    #[inline]
    pub(super) fn any_stalled(&self) -> bool {
        self.stalled > 0
    }

    /// Whether decoding of the lane has stopped for want of room.
    pub(super) fn is_stalled(&self, lane: Lane) -> bool {
        self.try_get(lane).is_some_and(|state| state.stalled)
    }

    /// Whether reading has stopped, by want of room or the host's doing: timers of what the peer
    /// has to send stand still (OAP-10-3).
    #[inline]
    pub(super) fn is_stopped(&self) -> bool {
        self.stalled > 0 || self.held
    }

    /// The host stops reading all lanes.
    pub(super) fn hold(&mut self, now: Timestamp) {
        if !self.is_stopped() {
            self.stopped = now;
        }
        self.held = true;
    }

    /// The host reads again; returns whether it had stopped.
    pub(super) fn release(&mut self, now: Timestamp) -> bool {
        let was_held = core::mem::take(&mut self.held);
        if was_held && !self.is_stopped() {
            self.shift_frame_timers(now.saturating_since(self.stopped));
        }
        was_held
    }

    /// The host stops writing.
    pub(super) fn hold_writes(&mut self, now: Timestamp) {
        self.writes_held.get_or_insert(now);
    }

    /// The host writes again: the time between does not count.
    pub(super) fn release_writes(&mut self, now: Timestamp) {
        if let Some(since) = self.writes_held.take() {
            let by = now.saturating_since(since);
            for (_, state) in self.iter_mut() {
                state.write_deadline = state.write_deadline + by;
            }
        }
    }

    /// When a write timer runs out at the earliest.
    #[inline]
    pub(super) fn writes_due(&self) -> Timestamp {
        if self.writes_held.is_some() {
            Timestamp::MAX
        } else {
            self.earliest_write
        }
    }

    /// Decoding of the lane stopped for want of room; frame timers stand still (OAP-10-3).
    pub(super) fn stall(&mut self, lane: Lane, now: Timestamp) {
        let state = self.get_mut(lane);
        state.frame_deadline = Timestamp::MAX;
        if !state.stalled {
            state.stalled = true;
            if !self.is_stopped() {
                self.stopped = now;
            }
            self.stalled += 1;
        }
    }

    /// Decoding of the lane goes on; returns whether it had stopped.
    #[inline]
    pub(super) fn resume(&mut self, lane: Lane, now: Timestamp) -> bool {
        let was_stalled = core::mem::take(&mut self.get_mut(lane).stalled);
        if was_stalled {
            self.stalled -= 1;
            if !self.is_stopped() {
                self.shift_frame_timers(now.saturating_since(self.stopped));
            }
        }
        was_stalled
    }

    /// The time during which nothing was read does not count against frames that had begun.
    #[cold]
    fn shift_frame_timers(&mut self, by: Duration) {
        for (_, state) in self.iter_mut() {
            state.frame_started = state.frame_started + by;
            state.frame_deadline = state.frame_deadline + by;
        }
    }

    #[inline]
    pub(super) fn any_output(&self) -> bool {
        self.first.has_output() || !self.dirty.is_empty()
    }

    /// To be called whenever something was queued on the lane.
    #[inline]
    pub(super) fn touch(&mut self, lane: Lane) {
        if lane != Lane::FIRST {
            let state = self.get_mut(lane);
            if !state.dirty {
                state.dirty = true;
                self.dirty.push_back(lane);
            }
        }
    }

    /// The next lane with output among those that `takes` any, each in its turn.
    pub(super) fn next_with_output(&mut self, mut takes: impl FnMut(Lane) -> bool) -> Option<Lane> {
        let first = self.first.has_output() && takes(Lane::FIRST);
        if first && !self.after_first {
            self.after_first = true;
            return Some(Lane::FIRST);
        }
        self.after_first = false;
        for _ in 0..self.dirty.len() {
            let Some(lane) = self.dirty.pop_front() else {
                break;
            };
            if self.get_mut(lane).has_output() {
                // Behind the others for the next call, so that no lane starves another.
                self.dirty.push_back(lane);
                if takes(lane) {
                    return Some(lane);
                }
            } else {
                self.get_mut(lane).dirty = false;
            }
        }
        first.then_some(Lane::FIRST)
    }

    pub(super) fn push_reply(&mut self, lane: Lane, reply: Reply) {
        self.get_mut(lane).replies.push_back(reply);
        self.touch(lane);
    }

    pub(super) fn push_ack(&mut self, lane: Lane, id: ExchangeId) {
        self.get_mut(lane).acks.push_back(id);
        self.touch(lane);
    }

    pub(super) fn push_ready(&mut self, lane: Lane, id: ExchangeId) {
        self.get_mut(lane).ready.push_back(id);
        self.touch(lane);
    }

    pub(super) fn has_output(&self, lane: Lane) -> bool {
        self.try_get(lane).is_some_and(LaneState::has_output)
    }

    pub(super) fn encoded(&self, lane: Lane) -> usize {
        self.try_get(lane).map_or(0, |state| state.out.remaining())
    }

    /// Nobody sends a body or an ACK any more.
    pub(super) fn drop_senders(&mut self) {
        for (_, state) in self.iter_mut() {
            state.acks.clear();
            state.ready.clear();
        }
    }

    /// Drops the replies that are not encoded.
    pub(super) fn drop_replies(&mut self) {
        self.iter_mut().for_each(|(_, state)| state.replies.clear());
    }

    /// Every reply that waits.
    #[cfg(feature = "testing")]
    pub(super) fn replies(&self) -> impl Iterator<Item = &Reply> {
        self.iter().flat_map(|(_, state)| &state.replies)
    }

    /// Who waits on the lane to send, and whose ACK does.
    #[cfg(feature = "testing")]
    pub(super) fn queues(
        &self,
        lane: Lane,
    ) -> Option<(&VecDeque<ExchangeId>, &VecDeque<ExchangeId>)> {
        self.try_get(lane).map(|state| (&state.ready, &state.acks))
    }

    /// Lanes on which replies wait.
    pub(super) fn with_replies(&self) -> impl Iterator<Item = Lane> + '_ {
        self.iter()
            .filter(|(_, state)| !state.replies.is_empty())
            .map(|(lane, _)| lane)
    }

    pub(super) fn trim(&mut self) {
        for (_, state) in self.iter_mut() {
            state.out.trim();
            state.replies.shrink_to_fit();
            state.acks.shrink_to_fit();
            state.ready.shrink_to_fit();
        }
        while self
            .others
            .last()
            .is_some_and(|last| !last.open && !last.dirty)
        {
            self.others.pop();
        }
        self.others.shrink_to_fit();
    }
}

/// Puts one reply on the wire, a control frame as OAP-4-1 says, and returns its size.
pub(super) fn encode_reply(reply: &Reply, out: &mut FrameQueue, config: &Config) -> usize {
    let mut body = Vec::new();
    let flags = match reply.kind {
        ReplyKind::Ping => Flags::EVENT | Flags::ACK_REQ,
        ReplyKind::Pong | ReplyKind::Cancel | ReplyKind::GoAway => Flags::EVENT,
        ReplyKind::Hello | ReplyKind::Error => Flags::RESP | Flags::END,
    };
    match reply.kind {
        ReplyKind::Ping | ReplyKind::Pong => {}
        ReplyKind::Hello => hello::write_reply(config, &mut body),
        ReplyKind::Error | ReplyKind::Cancel | ReplyKind::GoAway => {
            let retry = reply.body_retry();
            write_error_body(&mut body, reply.reason, reply.message, reply.corr, retry);
        }
    }
    let header = Header {
        len: MIN_LEN + body.len() as u32,
        flags,
        code: reply.code,
        app_proto_id: reply.app,
        tenant_id: reply.tenant,
        cap_len: 0,
        corr_id: reply.corr,
    };
    out.push_copied(&header, &body);
    header.frame_len()
}
