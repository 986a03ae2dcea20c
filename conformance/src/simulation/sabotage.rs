//! Deliberate faults between a connection and its judge, to show that the judge would notice.

use bytes::{Bytes, BytesMut};
use oap_core::{Connection, Event};

/// A fault that is put in once per run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// A byte of a delivered payload is another one.
    FlipByte,
    /// A delivered frame is lost.
    DropFrame,
    /// A frame is delivered twice.
    DoubleFrame,
    /// Two frames of one direction change places.
    ReorderFrames,
    /// The news that an exchange has room again is lost.
    LoseWakeup,
    /// A host sleeps on when a deadline is due.
    IgnoreDeadline,
    /// The judge is told a lower limit of frames than the connection has.
    LowerFrameLimit,
    /// The judge is told a lower limit of exchanges than the connection has.
    LowerInflightLimit,
    /// A byte of a frame changes under way.
    FlipOnTheWire,
    /// A link that is up delivers nothing any more, and the judge is not told.
    SilenceLink,
}

impl Sabotage {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::FlipByte,
        Self::DropFrame,
        Self::DoubleFrame,
        Self::ReorderFrames,
        Self::LoseWakeup,
        Self::IgnoreDeadline,
        Self::LowerFrameLimit,
        Self::LowerInflightLimit,
        Self::FlipOnTheWire,
        Self::SilenceLink,
    ];
}

/// Stands between a connection and its application and does its one deed.
#[derive(Debug)]
pub(super) struct Saboteur {
    what: Option<Sabotage>,
    /// Opportunities to let pass.
    patience: u64,
    /// An event that comes later, or once more.
    kept: Option<Event>,
}

impl Saboteur {
    pub(super) const fn new(what: Option<Sabotage>, patience: u64) -> Self {
        // The judge is told of limits as soon as a connection comes up.
        let patience = match what {
            Some(Sabotage::LowerFrameLimit | Sabotage::LowerInflightLimit) => 0,
            _ => patience,
        };
        Self {
            what,
            patience,
            kept: None,
        }
    }

    /// Whether to do this now; true once.
    pub(super) fn strikes(&mut self, what: Sabotage) -> bool {
        if self.what != Some(what) {
            return false;
        }
        if self.patience > 0 {
            self.patience -= 1;
            return false;
        }
        self.what = None;
        true
    }

    /// Whether the deadline that is due is slept over; from the first time on, always.
    pub(super) fn sleeps(&mut self) -> bool {
        self.what == Some(Sabotage::IgnoreDeadline)
    }

    /// The connection's next event, or what has become of it.
    pub(super) fn poll_event(&mut self, connection: &mut Connection) -> Option<Event> {
        if let Some(event) = self.kept.take() {
            return Some(event);
        }
        let event = connection.poll_event()?;
        if self.what.is_none() {
            return Some(event);
        }
        if matches!(event, Event::Writable { .. }) && self.strikes(Sabotage::LoseWakeup) {
            return self.poll_event(connection);
        }
        let Event::Data { id, payload, .. } = &event else {
            return Some(event);
        };
        if payload.wire_len() < 2 {
            return Some(event);
        }
        if self.strikes(Sabotage::DropFrame) {
            return self.poll_event(connection);
        } else if self.strikes(Sabotage::DoubleFrame) {
            self.kept = Some(event.clone());
        } else if self.what == Some(Sabotage::ReorderFrames) {
            let id = *id;
            let next = connection.poll_event();
            if matches!(&next, Some(Event::Data { id: other, .. }) if *other == id) {
                self.what = None;
                self.kept = Some(event);
                return next;
            }
            self.kept = next;
        }
        Some(event)
    }

    /// A delivered payload, or what has become of it.
    pub(super) fn deliver(&mut self, bytes: Bytes) -> Bytes {
        if bytes.len() < 2 || !self.strikes(Sabotage::FlipByte) {
            return bytes;
        }
        let mut changed = BytesMut::from(&bytes[..]);
        changed[1] ^= 0x10;
        changed.freeze()
    }
}
