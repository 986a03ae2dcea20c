//! What a turn of a connection's task leads to, and what ends it.

use std::collections::VecDeque;
use std::sync::MutexGuard;
use std::task::Waker;
use std::vec::Vec;

use super::shared::{Inner, Work};
use super::telemetry::ConnectionTelemetry;
use crate::{Event, Timestamp};

/// What events have led to.
#[derive(Default)]
pub(super) struct Handed {
    /// What was begun by events of this turn.
    pub(super) begun: VecDeque<Work>,
    /// Empty; it saves a new one for each turn.
    due: Vec<Waker>,
}

impl Handed {
    /// Takes the events that wait, under the lock that they came about under: otherwise a caller
    /// could meanwhile get the slot of an exchange that is over, and the route to its mailbox.
    pub(super) fn take(
        &mut self,
        mut inner: MutexGuard<'_, Inner>,
        telemetry: &ConnectionTelemetry,
    ) {
        while let Some(event) = inner.connection.poll_event() {
            if let Event::Opened { payload, .. }
            | Event::Data { payload, .. }
            | Event::Pushed { payload, .. } = &event
            {
                telemetry.received(payload.wire_bytes().len());
            }
            self.begun.extend(inner.dispatch(event));
        }
        inner.admit_waiters();
        inner.swap_due(&mut self.due);
        drop(inner);
        self.due.drain(..).for_each(Waker::wake);
    }

    /// Gives back what an idle connection does not need.
    pub(super) fn trim(&mut self) {
        self.begun.shrink_to_fit();
        self.due = Vec::new();
    }
}

/// What stands in the way of going on at once.
#[derive(Default)]
pub(super) struct Blocked {
    pub(super) read: bool,
    pub(super) write: bool,
    /// When a rate lets the next bytes pass.
    pub(super) until: Option<Timestamp>,
}

impl Blocked {
    pub(super) fn wait_until(&mut self, at: Timestamp) {
        self.until = Some(self.until.map_or(at, |until| until.min(at)));
    }
}
