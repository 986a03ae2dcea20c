//! What a turn of a connection's task leads to, what ends it, and what comes between two.

use std::collections::VecDeque;
use std::sync::MutexGuard;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use std::vec::Vec;

use super::Clock;
use super::shared::{Inner, Work};
use super::telemetry::ConnectionTelemetry;
use crate::policy::PollBudget;
use crate::{Event, Timestamp};

/// Frames that one turn may take in before other tasks get theirs.
const TURN_FRAMES: u32 = 64;
/// Frames as which a step of a turn counts at least: a read costs something, whatever it brings.
const STEP_COST: u32 = 4;
/// Bytes that one turn may read and write before other tasks get theirs.
pub(super) const TURN_BYTES: usize = 1024 * 1024;
/// Bytes that the handlers of one turn may inflate before other tasks get theirs.
pub(super) const TURN_INFLATED: usize = 256 * 1024;
/// Encoded bytes beyond which it is better to write than to go on decoding.
pub(super) const WRITE_AT: usize = 64 * 1024;

/// What one turn may still do.
pub(super) struct Turn {
    budget: PollBudget,
    /// Frames that the connection has received until now.
    frames: u64,
}

impl Turn {
    /// A new one, of a connection that has received so many frames.
    pub(super) fn begin(frames: u64) -> Self {
        let budget = PollBudget::new(TURN_FRAMES, TURN_BYTES);
        Self { budget, frames }
    }

    /// Charges a step: the frames that the connection has received by now, the bytes read and
    /// written, and those inflated. False if it was the last.
    pub(super) fn goes_on(&mut self, frames: u64, bytes: usize, inflated: usize) -> bool {
        let taken_in = u32::try_from(frames - self.frames).unwrap_or(u32::MAX);
        self.frames = frames;
        let bytes = bytes.saturating_add(inflated.saturating_mul(TURN_BYTES / TURN_INFLATED));
        self.budget.spend(taken_in.max(STEP_COST), bytes)
    }
}

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

/// How long a server lets a peer wait after each turn that has used up much of its budget of
/// cancels and faults: that peer's errors cost the others less than the time of their answers.
const STRAINED: Duration = Duration::from_millis(5);

/// The time between two turns.
#[derive(Default)]
pub(super) struct Between {
    until: Option<Timestamp>,
}

impl Between {
    /// The turn is over; who strains the server waits for the next one.
    pub(super) fn begin(&mut self, strained: bool, clock: &mut impl Clock, cx: &mut Context<'_>) {
        if strained {
            self.until = Some(clock.now() + STRAINED);
        }
        if self.poll_over(clock, cx).is_ready() {
            clock.yield_now(cx);
        }
    }

    /// Whether the next one may begin.
    #[inline]
    pub(super) fn poll_over(&mut self, clock: &mut impl Clock, cx: &mut Context<'_>) -> Poll<()> {
        match self.until {
            Some(until) if clock.poll_deadline(cx, until).is_pending() => Poll::Pending,
            _ => {
                self.until = None;
                Poll::Ready(())
            }
        }
    }
}
