//! Which lanes have something: a wake costs the same however many lanes there are.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

use futures_util::task::AtomicWaker;
use oap_core::Lane;

/// What has become ready on a connection since its task looked.
#[derive(Debug, Default)]
pub(super) struct Ready {
    lanes: Mutex<VecDeque<Lane>>,
    streams: AtomicBool,
    task: AtomicWaker,
}

impl Ready {
    /// Wakes this task from now on.
    pub(super) fn register(&self, waker: &Waker) {
        self.task.register(waker);
    }

    /// The next lane that may have something; the caller [clears](LaneWaker::clear) its waker.
    pub(super) fn pop(&self) -> Option<Lane> {
        self.lanes().pop_front()
    }

    /// Whether streams, or the end of the connection, are to be accepted.
    pub(super) fn take_streams(&self) -> bool {
        self.streams.swap(false, Ordering::AcqRel)
    }

    /// As if a stream had come: the task is woken to look, once until it does.
    pub(super) fn wake_streams(&self) {
        if !self.streams.swap(true, Ordering::AcqRel) {
            self.task.wake();
        }
    }

    fn lanes(&self) -> MutexGuard<'_, VecDeque<Lane>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes the task for new streams.
pub(super) struct StreamsWaker(pub(super) Arc<Ready>);

impl Wake for StreamsWaker {
    fn wake(self: Arc<Self>) {
        self.0.wake_streams();
    }
}

/// Wakes the task for what one lane has received.
#[derive(Debug)]
pub(super) struct LaneWaker {
    ready: Arc<Ready>,
    lane: Lane,
    queued: AtomicBool,
}

impl LaneWaker {
    pub(super) fn new(ready: Arc<Ready>, lane: Lane) -> Self {
        Self {
            ready,
            lane,
            queued: AtomicBool::new(false),
        }
    }

    /// Puts the lane in the queue, once; says whether it was not there.
    pub(super) fn queue(&self) -> bool {
        let queued = !self.queued.swap(true, Ordering::AcqRel);
        if queued {
            self.ready.lanes().push_back(self.lane);
        }
        queued
    }

    /// The lane has left the queue.
    pub(super) fn clear(&self) {
        self.queued.store(false, Ordering::Release);
    }
}

impl Wake for LaneWaker {
    fn wake(self: Arc<Self>) {
        if self.queue() {
            self.ready.task.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_task_that_does_not_look_is_woken_once() {
        let wakes = Arc::new(Wakes::default());
        let (ready, waker) = (Ready::default(), Waker::from(wakes.clone()));
        for round in 1..4 {
            for _ in 0..5 {
                ready.register(&waker);
                ready.wake_streams();
            }
            assert_eq!(wakes.0.load(Ordering::Relaxed), round);
            assert!(ready.take_streams() && !ready.take_streams());
        }
    }
}
