//! Tasks and timers of smol.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use async_io::Timer;
use futures_util::future::{Either, select};
use oap_core::Timestamp;
use oap_core::driver::{Clock, Runtime};
use smol::Executor;

/// An executor of smol, as the driver sees it.
///
/// All clones share one origin of time, so timestamps of their clocks compare.
#[derive(Clone, Debug)]
pub struct SmolRuntime {
    /// `None`: smol's global one.
    executor: Option<Arc<Executor<'static>>>,
    origin: Instant,
}

impl SmolRuntime {
    /// Runs tasks on `executor`, which the caller runs, on as many threads as it likes:
    /// `smol::block_on(executor.run(..))`. The `block_on` of smol polls sockets and timers between
    /// tasks; any other leaves that to a thread that does so less often.
    pub fn new(executor: Arc<Executor<'static>>) -> Self {
        Self {
            executor: Some(executor),
            origin: Instant::now(),
        }
    }

    /// Runs tasks on smol's global executor, which has one thread, or as many as the environment
    /// variable `SMOL_THREADS` says.
    pub fn global() -> Self {
        Self {
            executor: None,
            origin: Instant::now(),
        }
    }

    /// The same as [`SmolRuntime::global`], under the name that every adapter has.
    pub fn current() -> Self {
        Self::global()
    }
}

/// Runs a program's future to its end, and smol's global executor beside it.
///
/// # Errors
/// None: it is there so that programs change their adapter in one line.
pub fn run<F: Future>(program: F) -> io::Result<F::Output> {
    Ok(smol::block_on(program))
}

impl Runtime for SmolRuntime {
    type Clock = SmolClock;

    fn now(&self) -> Timestamp {
        time_since(self.origin)
    }

    fn clock(&self) -> SmolClock {
        SmolClock {
            origin: self.origin,
            alarm: None,
            pause: None,
        }
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        match &self.executor {
            Some(executor) => executor.spawn(task).detach(),
            None => smol::spawn(task).detach(),
        }
    }
}

/// A monotonic clock with one alarm that never rings early.
///
/// A deadline that moves later, as an idle timer's does with each frame, costs nothing: the timer
/// armed for the earlier one stays and is armed again when it fires.
#[derive(Debug)]
pub struct SmolClock {
    origin: Instant,
    // Made with the first deadline: a connection that never waits has no timer.
    alarm: Option<Alarm>,
    // Ends a yield.
    pause: Option<Timer>,
}

#[derive(Debug)]
struct Alarm {
    timer: Timer,
    at: Instant,
}

impl Alarm {
    fn new(at: Instant) -> Self {
        Self {
            timer: Timer::at(at),
            at,
        }
    }

    fn set(&mut self, at: Instant) {
        self.timer.set_at(at);
        self.at = at;
    }
}

impl Clock for SmolClock {
    fn now(&self) -> Timestamp {
        time_since(self.origin)
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>, deadline: Timestamp) -> Poll<()> {
        let since_origin = Duration::from_micros(deadline.as_micros());
        // A point beyond what an Instant holds is never reached.
        let Some(at) = self.origin.checked_add(since_origin) else {
            return Poll::Pending;
        };
        let alarm = self.alarm.get_or_insert_with(|| Alarm::new(at));
        if at < alarm.at {
            alarm.set(at);
        }
        loop {
            if Pin::new(&mut alarm.timer).poll(cx).is_pending() {
                return Poll::Pending;
            }
            // One that has fired is of no use until it is set again.
            alarm.set(at);
            if Instant::now() >= at {
                return Poll::Ready(());
            }
        }
    }

    fn yield_now(&mut self, cx: &mut Context<'_>) {
        // A task that wakes itself runs up to 200 times before the executor looks at sockets; a
        // timer fires when it does.
        let mut pause = Timer::after(Duration::from_micros(1));
        if Pin::new(&mut pause).poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        self.pause = Some(pause);
    }
}

fn time_since(origin: Instant) -> Timestamp {
    Timestamp::ZERO + origin.elapsed()
}

/// What `work` comes to, or `None` once `deadline` is reached.
pub(crate) async fn before<T>(deadline: Instant, work: impl Future<Output = T>) -> Option<T> {
    match select(pin!(work), Timer::at(deadline)).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(_) => None,
    }
}
