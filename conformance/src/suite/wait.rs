//! Waiting that needs no runtime: a parked thread, deadlines, conditions.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use oap_core::driver::{Clock, Runtime};

use super::stacks::blocking::BlockingRuntime;

/// How long anything may take that has to happen.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a condition is looked at that nothing announces.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Runs a future on this thread, parked while it waits.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// What `future` yields, which must be within 30 s.
///
/// # Panics
/// When the time is over; the message names `what`.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let mut clock = timer().clock();
    let deadline = clock.now() + PATIENCE;
    let mut future = pin!(future);
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(output);
        }
        match clock.poll_deadline(cx, deadline) {
            Poll::Ready(()) => panic!("not within {PATIENCE:?}: {what}"),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Waits until something holds, at most 30 s.
///
/// # Panics
/// When the time is over; the message names `what`.
pub async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    within(what, async {
        while !holds() {
            pause(LOOK_EVERY).await;
        }
    })
    .await;
}

/// Waits for a time, where the time itself is what is tested.
pub(crate) async fn pause(time: Duration) {
    let mut clock = timer().clock();
    let deadline = clock.now() + time;
    poll_fn(|cx| clock.poll_deadline(cx, deadline)).await;
}

/// Whether a future is ready at once.
pub(crate) async fn is_ready<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Polls a future at most `polls` times, each time when it asks for it, and drops it then.
pub(crate) async fn cut_after<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = Box::pin(future);
    let mut left = polls;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// The suite's own timers.
fn timer() -> &'static BlockingRuntime {
    static TIMER: OnceLock<BlockingRuntime> = OnceLock::new();
    TIMER.get_or_init(BlockingRuntime::new)
}
