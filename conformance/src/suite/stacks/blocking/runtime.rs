//! Tasks that are threads, and one thread that keeps the time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use oap_core::Timestamp;
use oap_core::driver::{Clock, Runtime};

use crate::suite::block_on;

/// Stack of a task's thread, in bytes: a future is polled on it, nothing more.
const STACK: usize = 256 * 1024;

/// Runs each task on a thread of its own. Its clock's thread ends with the last clone and clock.
#[derive(Clone)]
pub struct BlockingRuntime(Arc<Owner>);

impl BlockingRuntime {
    /// A runtime whose time begins now.
    pub fn new() -> Self {
        let alarms = Arc::new(Alarms::default());
        let kept = alarms.clone();
        spawn_named("oap-clock", move || kept.keep());
        Self(Arc::new(Owner {
            alarms,
            origin: Instant::now(),
            next: AtomicU64::new(0),
        }))
    }
}

impl Default for BlockingRuntime {
    fn default() -> Self {
        Self::new()
    }
}

impl Runtime for BlockingRuntime {
    type Clock = BlockingClock;

    fn now(&self) -> Timestamp {
        Timestamp::ZERO + self.0.origin.elapsed()
    }

    fn clock(&self) -> BlockingClock {
        BlockingClock {
            id: self.0.next.fetch_add(1, Ordering::Relaxed),
            owner: self.0.clone(),
            alarm: None,
        }
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        spawn_named("oap-task", move || block_on(task));
    }
}

pub(super) fn spawn_named(
    name: &str,
    run: impl FnOnce() + Send + 'static,
) -> thread::JoinHandle<()> {
    let builder = thread::Builder::new()
        .name(name.to_owned())
        .stack_size(STACK);
    builder.spawn(run).expect("a thread")
}

/// The time since the runtime began, and one alarm.
pub struct BlockingClock {
    id: u64,
    owner: Arc<Owner>,
    alarm: Option<Instant>,
}

impl Clock for BlockingClock {
    fn now(&self) -> Timestamp {
        Timestamp::ZERO + self.owner.origin.elapsed()
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>, deadline: Timestamp) -> Poll<()> {
        let since_origin = Duration::from_micros(deadline.as_micros());
        // A point beyond what an Instant holds is never reached.
        let Some(at) = self.owner.origin.checked_add(since_origin) else {
            return Poll::Pending;
        };
        if Instant::now() >= at {
            self.disarm();
            return Poll::Ready(());
        }
        if self.alarm != Some(at) {
            self.disarm();
            self.alarm = Some(at);
        }
        self.owner.alarms.set((at, self.id), cx.waker());
        Poll::Pending
    }
}

impl BlockingClock {
    fn disarm(&mut self) {
        if let Some(at) = self.alarm.take() {
            self.owner.alarms.lock().set.remove(&(at, self.id));
        }
    }
}

impl Drop for BlockingClock {
    fn drop(&mut self) {
        self.disarm();
    }
}

struct Owner {
    alarms: Arc<Alarms>,
    origin: Instant,
    next: AtomicU64,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.alarms.lock().over = true;
        self.alarms.changed.notify_one();
    }
}

#[derive(Default)]
struct Alarms {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    set: BTreeMap<(Instant, u64), Waker>,
    over: bool,
}

impl Alarms {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, key: (Instant, u64), waker: &Waker) {
        let mut state = self.lock();
        state.set.insert(key, waker.clone());
        let is_next = state
            .set
            .first_key_value()
            .is_some_and(|(first, _)| *first == key);
        drop(state);
        if is_next {
            self.changed.notify_one();
        }
    }

    /// Rings until the runtime is gone.
    fn keep(&self) {
        let mut state = self.lock();
        while !state.over {
            let Some((&(at, _), _)) = state.set.first_key_value() else {
                state = self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let now = Instant::now();
            if now < at {
                let waited = self.changed.wait_timeout(state, at - now);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            let due = state.set.pop_first();
            drop(state);
            due.into_iter().for_each(|(_, waker)| waker.wake());
            state = self.lock();
        }
    }
}
