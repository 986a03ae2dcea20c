//! The lanes of a connection: a decoder and queues each.

use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;

use bytes::Buf;

use super::hello;
use crate::limits::Limits;
use crate::wire::{Decoder, Flags, FrameQueue, Header, MIN_LEN, write_error_body};
use crate::{Code, Config, ExchangeId, Lane, Reason, Timestamp};

#[derive(Debug)]
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
    /// The peer's end came while undecoded bytes were left.
    pub(super) eof_pending: bool,
    stalled: bool,
    dirty: bool,
    open: bool,
}

impl LaneState {
    fn new(max_frame: u32) -> Self {
        Self {
            decoder: Decoder::new(max_frame),
            out: FrameQueue::new(),
            replies: VecDeque::new(),
            acks: VecDeque::new(),
            ready: VecDeque::new(),
            frame_started: Timestamp::ZERO,
            frame_deadline: Timestamp::MAX,
            eof_pending: false,
            stalled: false,
            dirty: false,
            open: true,
        }
    }

    #[inline]
    fn has_output(&self) -> bool {
        self.out.has_remaining()
            || !self.replies.is_empty()
            || !self.acks.is_empty()
            || !self.ready.is_empty()
    }
}

/// A reply that the protocol obliges us to send, encoded only when the transport asks for it: so
/// sixty-four of them take a few KiB.
#[derive(Clone, Copy, Debug)]
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
pub(super) struct Lanes {
    lanes: Vec<LaneState>,
    /// Lanes other than the first that may have output.
    dirty: VecDeque<Lane>,
    stalled: usize,
    /// A lower bound of all frame deadlines.
    pub(super) earliest: Timestamp,
}

impl Lanes {
    pub(super) fn new(max_frame: u32) -> Self {
        Self {
            lanes: vec![LaneState::new(max_frame)],
            dirty: VecDeque::new(),
            stalled: 0,
            earliest: Timestamp::MAX,
        }
    }

    /// Makes sure that `lane` is there; false if it may not be.
    #[inline]
    pub(super) fn open(&mut self, lane: Lane, multi: bool, limits: &Limits) -> bool {
        match self.lanes.get_mut(usize::from(lane.0)) {
            Some(state) if state.open => true,
            Some(state) if multi => {
                *state = LaneState::new(limits.max_frame());
                true
            }
            None if multi => {
                let missing = usize::from(lane.0) + 1;
                self.lanes.resize_with(missing, || LaneState {
                    open: false,
                    ..LaneState::new(limits.max_frame())
                });
                self.get_mut(lane).open = true;
                true
            }
            _ => false,
        }
    }

    pub(super) fn exists(&self, lane: Lane) -> bool {
        self.lanes
            .get(usize::from(lane.0))
            .is_some_and(|state| state.open)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, lane: Lane) -> &mut LaneState {
        &mut self.lanes[usize::from(lane.0)]
    }

    pub(super) fn try_get_mut(&mut self, lane: Lane) -> Option<&mut LaneState> {
        self.lanes.get_mut(usize::from(lane.0))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (Lane, &mut LaneState)> {
        self.lanes
            .iter_mut()
            .enumerate()
            .map(|(at, state)| (Lane(at as u16), state))
    }

    pub(super) fn close(&mut self, lane: Lane) {
        self.resume(lane);
        self.get_mut(lane).open = false;
    }

    #[inline]
    pub(super) fn any_stalled(&self) -> bool {
        self.stalled > 0
    }

    /// Decoding of the lane stopped for want of room; its frame timer stands still (OAP-10-3).
    pub(super) fn stall(&mut self, lane: Lane) {
        let state = self.get_mut(lane);
        state.frame_deadline = Timestamp::MAX;
        if !state.stalled {
            state.stalled = true;
            self.stalled += 1;
        }
    }

    /// Decoding of the lane goes on; returns whether it had stopped.
    #[inline]
    pub(super) fn resume(&mut self, lane: Lane) -> bool {
        let was_stalled = core::mem::take(&mut self.get_mut(lane).stalled);
        self.stalled -= usize::from(was_stalled);
        was_stalled
    }

    #[inline]
    pub(super) fn any_output(&self) -> bool {
        self.lanes[0].has_output() || !self.dirty.is_empty()
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

    pub(super) fn next_with_output(&mut self) -> Option<Lane> {
        if self.lanes[0].has_output() {
            return Some(Lane::FIRST);
        }
        while let Some(&lane) = self.dirty.front() {
            if self.get_mut(lane).has_output() {
                // Behind the others for the next call, so that no lane starves another.
                self.dirty.rotate_left(1);
                return Some(lane);
            }
            self.get_mut(lane).dirty = false;
            self.dirty.pop_front();
        }
        None
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

    pub(super) fn encoded(&self, lane: Lane) -> usize {
        self.lanes
            .get(usize::from(lane.0))
            .map_or(0, |state| state.out.remaining())
    }

    /// Whether encoded bytes wait on any lane.
    pub(super) fn any_encoded(&self) -> bool {
        self.lanes.iter().any(|state| state.out.has_remaining())
    }

    /// Whether any lane's bytes were taken since the last call.
    pub(super) fn take_advanced(&mut self) -> bool {
        self.lanes
            .iter_mut()
            .fold(false, |any, state| state.out.take_advanced() | any)
    }

    /// Drops everything that is queued but not encoded.
    pub(super) fn drop_unencoded(&mut self) {
        for state in &mut self.lanes {
            state.replies.clear();
            state.acks.clear();
            state.ready.clear();
        }
    }

    /// Lanes on which replies wait.
    pub(super) fn with_replies(&self) -> impl Iterator<Item = Lane> + '_ {
        let waiting = self
            .lanes
            .iter()
            .enumerate()
            .filter(|(_, state)| !state.replies.is_empty());
        waiting.map(|(at, _)| Lane(at as u16))
    }

    pub(super) fn trim(&mut self) {
        for state in &mut self.lanes {
            state.out.trim();
            state.replies.shrink_to_fit();
            state.acks.shrink_to_fit();
            state.ready.shrink_to_fit();
        }
        while self.lanes.len() > 1
            && self
                .lanes
                .last()
                .is_some_and(|last| !last.open && !last.dirty)
        {
            self.lanes.pop();
        }
        self.lanes.shrink_to_fit();
    }
}

/// Puts one reply on the wire.
pub(super) fn encode_reply(reply: &Reply, out: &mut FrameQueue, config: &Config) {
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
}
