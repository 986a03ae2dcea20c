//! One direction of a transport: frames under way.

use std::collections::VecDeque;

use bytes::Bytes;

/// Frames from one side to the other, in order.
#[derive(Clone, Debug, Default, Hash)]
pub(super) struct Pipe {
    frames: VecDeque<Bytes>,
    /// The sender has ended it.
    pub(super) ended: bool,
    /// It is lost, and whoever touches it learns so.
    pub(super) lost: bool,
    /// Nobody reads it any more: what is written vanishes.
    pub(super) deaf: bool,
}

impl Pipe {
    /// Whether a sender may write a frame into it now: one that vanishes takes everything.
    pub(super) fn takes(&self, room: usize) -> bool {
        !self.lost && (self.deaf || self.ended || self.frames.len() < room)
    }

    /// Takes a frame; whoever has ended the stream speaks to nobody.
    pub(super) fn write(&mut self, frame: Bytes) {
        if !self.deaf && !self.ended {
            self.frames.push_back(frame);
        }
    }

    /// The next frame to arrive.
    pub(super) fn read(&mut self) -> Option<Bytes> {
        self.frames.pop_front()
    }

    /// Whether nothing is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Whether the receiver finds the end of the stream next.
    pub(super) fn is_at_end(&self) -> bool {
        self.ended && self.frames.is_empty() && !self.lost
    }

    /// The receiver has gone.
    pub(super) fn go_deaf(&mut self) {
        self.deaf = true;
        self.frames.clear();
    }

    /// Everything under way is lost.
    pub(super) fn lose(&mut self) {
        self.lost = true;
        self.frames.clear();
    }

    /// The stream ends in the middle of the frame that is next to arrive.
    pub(super) fn truncate(&mut self) {
        self.frames.truncate(1);
        if let Some(frame) = self.frames.front_mut() {
            let half = frame.len() / 2;
            frame.truncate(half);
        }
        self.ended = true;
    }
}
