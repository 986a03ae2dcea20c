//! A runtime that counts its tasks and whose alarms fail by plan.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use oap_core::Timestamp;
use oap_core::driver::{Clock, Runtime};

use super::{Manner, Op, Plan};

/// How late a late alarm rings.
const LATE: Duration = Duration::from_millis(100);

/// The tasks of a test that have not ended. Clones share it.
#[derive(Clone, Default)]
pub struct Tasks(Arc<Census>);

#[derive(Default)]
struct Census {
    live: AtomicUsize,
    panicked: AtomicBool,
}

impl Tasks {
    /// How many there are.
    ///
    /// # Panics
    /// If one of them has panicked.
    pub fn live(&self) -> usize {
        assert!(!self.0.panicked.load(Ordering::SeqCst), "a task panicked");
        self.0.live.load(Ordering::SeqCst)
    }

    /// One more, until this is dropped.
    fn enter(&self) -> Seat {
        self.0.live.fetch_add(1, Ordering::SeqCst);
        Seat(self.clone())
    }
}

struct Seat(Tasks);

impl Drop for Seat {
    fn drop(&mut self) {
        let Tasks(census) = &self.0;
        if thread::panicking() {
            census.panicked.store(true, Ordering::SeqCst);
        }
        census.live.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Any runtime, with a plan for its alarms.
#[derive(Clone)]
pub struct FaultyRuntime<R> {
    inner: R,
    plan: Plan,
    tasks: Tasks,
}

impl<R> FaultyRuntime<R> {
    /// Puts `plan` before `inner`, whose tasks are counted in `tasks`.
    pub fn new(inner: R, plan: Plan, tasks: Tasks) -> Self {
        Self { inner, plan, tasks }
    }
}

impl<R: Runtime> Runtime for FaultyRuntime<R> {
    type Clock = FaultyClock<R::Clock>;

    fn now(&self) -> Timestamp {
        self.inner.now()
    }

    fn clock(&self) -> Self::Clock {
        FaultyClock {
            inner: self.inner.clock(),
            plan: self.plan.clone(),
            armed: None,
            late: Duration::ZERO,
        }
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let seat = self.tasks.enter();
        self.inner.spawn(async move {
            let _seat = seat;
            task.await;
        });
    }
}

/// A clock of a [`FaultyRuntime`]. Each new deadline is an alarm that is set.
pub struct FaultyClock<C> {
    inner: C,
    plan: Plan,
    armed: Option<Timestamp>,
    late: Duration,
}

impl<C: Clock> Clock for FaultyClock<C> {
    fn now(&self) -> Timestamp {
        self.inner.now()
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>, deadline: Timestamp) -> Poll<()> {
        if self.armed != Some(deadline) {
            self.armed = Some(deadline);
            let manner = self.plan.due(Op::Timer);
            self.plan.done(Op::Timer);
            self.late = match manner {
                Some(Manner::Late) => LATE,
                _ => Duration::ZERO,
            };
            if manner == Some(Manner::Early) {
                return Poll::Ready(());
            }
        }
        self.inner.poll_deadline(cx, deadline + self.late)
    }

    fn yield_now(&mut self, cx: &mut Context<'_>) {
        self.inner.yield_now(cx);
    }
}
