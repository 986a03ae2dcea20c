//! What a connection's task keeps of each lane.

use std::vec::Vec;

use bytes::BytesMut;

use super::lanes::LanePool;
use crate::{Connection, Lane};

/// Received bytes by lane, and how far each lane has come.
pub(super) struct Inputs {
    multi: bool,
    client: bool,
    first: BytesMut,
    /// Lane n stands at n - 1.
    others: Vec<LaneInput>,
    /// Lanes whose decoding has stopped before their bytes were used up.
    stalled: Vec<Lane>,
    /// Lanes that our side may end once nothing is left to do on them.
    finishing: Vec<Lane>,
    /// Lanes that take nothing more in this turn.
    full: Vec<Lane>,
}

#[derive(Default)]
struct LaneInput {
    buf: BytesMut,
    /// The peer has ended its side.
    ended: bool,
    /// We have ended ours.
    finished: bool,
}

impl Inputs {
    pub(super) fn new(multi: bool, client: bool) -> Self {
        Self {
            multi,
            client,
            first: BytesMut::new(),
            others: Vec::new(),
            stalled: Vec::new(),
            finishing: Vec::new(),
            full: Vec::new(),
        }
    }

    #[inline]
    pub(super) const fn is_multi(&self) -> bool {
        self.multi
    }

    #[inline]
    pub(super) fn buffer(&mut self, lane: Lane) -> &mut BytesMut {
        match lane {
            Lane::FIRST => &mut self.first,
            lane => &mut self.other(lane).buf,
        }
    }

    fn other(&mut self, lane: Lane) -> &mut LaneInput {
        let at = usize::from(lane.0) - 1;
        if at >= self.others.len() {
            self.others.resize_with(at + 1, LaneInput::default);
        }
        &mut self.others[at]
    }

    /// The peer has ended its side of a lane. We end ours when nothing is left to do on it, and where
    /// it belongs to one exchange of ours, when nobody holds that any more. Returns whether both have
    /// ended.
    pub(super) fn ended(&mut self, lane: Lane) -> bool {
        if lane == Lane::FIRST {
            return false;
        }
        let input = self.other(lane);
        input.ended = true;
        let over = input.finished;
        if over {
            self.forget(lane);
        } else if !self.is_held(lane) {
            self.finishing.push(lane);
        }
        over
    }

    /// Whether the lane belongs to an exchange of ours.
    fn is_held(&self, lane: Lane) -> bool {
        self.client && LanePool::is_own(lane)
    }

    /// The peer has given a lane up. Returns whether nobody holds it any more.
    pub(super) fn reset(&mut self, lane: Lane) -> bool {
        self.buffer(lane).clear();
        if self.is_held(lane) {
            return self.ended(lane);
        }
        self.forget(lane);
        true
    }

    /// Whether we have ended our side of a lane.
    pub(super) fn is_finished(&self, lane: Lane) -> bool {
        let at = usize::from(lane.0).checked_sub(1);
        at.and_then(|at| self.others.get(at))
            .is_some_and(|input| input.finished)
    }

    fn forget(&mut self, lane: Lane) {
        if lane != Lane::FIRST {
            *self.other(lane) = LaneInput::default();
        }
        self.stalled.retain(|other| *other != lane);
        self.finishing.retain(|other| *other != lane);
    }

    /// These lanes are to be ended when nothing is left to do on them.
    pub(super) fn finish(&mut self, lanes: impl IntoIterator<Item = Lane>) {
        self.finishing.extend(lanes);
    }

    pub(super) fn take_finishing(&mut self) -> Vec<Lane> {
        core::mem::take(&mut self.finishing)
    }

    /// We have ended our side of a lane. Returns whether both sides have ended, and forgets the lane
    /// then.
    pub(super) fn finished(&mut self, lane: Lane) -> bool {
        let input = self.other(lane);
        input.finished = true;
        let over = input.ended;
        if over {
            self.forget(lane);
        }
        over
    }

    #[inline]
    pub(super) fn stalled(&mut self, lane: Lane) {
        self.stalled.push(lane);
    }

    pub(super) fn take_stalled(&mut self) -> Vec<Lane> {
        core::mem::take(&mut self.stalled)
    }

    /// Every lane may take something again.
    #[inline]
    pub(super) fn begin_turn(&mut self) {
        self.full.clear();
    }

    /// A lane takes nothing more for now.
    pub(super) fn full(&mut self, lane: Lane) {
        self.full.push(lane);
    }

    /// The next lane to write to.
    #[inline]
    pub(super) fn next_to_write(&self, connection: &mut Connection) -> Option<Lane> {
        if self.multi {
            connection.poll_writable_lane(|lane| !self.full.contains(&lane))
        } else {
            Some(Lane::FIRST)
        }
    }

    /// Gives back what an idle connection does not need.
    pub(super) fn trim(&mut self) {
        if self.first.is_empty() {
            self.first = BytesMut::new();
        }
        for input in &mut self.others {
            if input.buf.is_empty() {
                input.buf = BytesMut::new();
            }
        }
        self.stalled.shrink_to_fit();
        self.finishing.shrink_to_fit();
        self.full.shrink_to_fit();
    }
}
