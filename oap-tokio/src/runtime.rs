//! Tasks and timers of tokio.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use oap_core::Timestamp;
use oap_core::driver::{Clock, Runtime};
use tokio::runtime::{Builder, Handle};
use tokio::task::yield_now;
use tokio::time::{Instant, Sleep, sleep_until};

/// A tokio runtime, as the driver sees it.
///
/// All clones share one origin of time, so timestamps of their clocks compare. Time is tokio's:
/// a paused test clock pauses the protocol's timers too.
#[derive(Clone, Debug)]
pub struct TokioRuntime {
    handle: Handle,
    origin: Instant,
}

impl TokioRuntime {
    /// Runs tasks on `handle`, which must have its time driver enabled.
    pub fn new(handle: Handle) -> Self {
        let origin = {
            let _entered = handle.enter();
            Instant::now()
        };
        Self { handle, origin }
    }

    /// The runtime that the caller runs in.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn current() -> Self {
        Self::new(Handle::current())
    }
}

/// Runs a program's future to its end on a runtime made for it, of one thread.
///
/// # Errors
/// The operating system gives no event queue.
pub fn run<F: Future>(program: F) -> io::Result<F::Output> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(program))
}

impl Runtime for TokioRuntime {
    type Clock = TokioClock;

    fn now(&self) -> Timestamp {
        time_since(self.origin)
    }

    fn clock(&self) -> TokioClock {
        TokioClock {
            origin: self.origin,
            alarm: None,
        }
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        drop(self.handle.spawn(task));
    }
}

/// A monotonic clock with one alarm, of 1 ms resolution, that never rings early.
///
/// It must be polled inside a tokio runtime. A deadline that moves later, as an idle timer's does
/// with each frame, costs nothing: the timer armed for the earlier one stays and is armed again
/// when it fires.
#[derive(Debug)]
pub struct TokioClock {
    origin: Instant,
    // Made with the first deadline: a connection that never waits has no timer.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        time_since(self.origin)
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>, deadline: Timestamp) -> Poll<()> {
        let since_origin = Duration::from_micros(deadline.as_micros());
        // A point beyond what an Instant holds is never reached.
        let Some(at) = self.origin.checked_add(since_origin) else {
            return Poll::Pending;
        };
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if at < alarm.deadline() {
            alarm.as_mut().reset(at);
        }
        loop {
            if alarm.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if Instant::now() >= at {
                return Poll::Ready(());
            }
            alarm.as_mut().reset(at);
        }
    }

    fn yield_now(&mut self, cx: &mut Context<'_>) {
        // The first poll of this future asks to be woken after the runtime has looked at its
        // sockets; that is all it does.
        let _ = pin!(yield_now()).poll(cx);
    }
}

fn time_since(origin: Instant) -> Timestamp {
    Timestamp::ZERO + origin.elapsed()
}
