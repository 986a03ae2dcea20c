//! The accept loop: it outlives every error of a single connection.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::seats::State;
use super::{Clock, Listener, Runtime};
use crate::Timestamp;

/// Pause after an accept that failed, for want of descriptors say; doubled up to [`MAX_PAUSE`].
const PAUSE: Duration = Duration::from_millis(10);
const MAX_PAUSE: Duration = Duration::from_secs(1);
/// Connections accepted in one poll before other tasks get their turn.
const TURNS: usize = 32;

/// Accepts connections until the server stops. Each gets a task of its own from its handshake on;
/// while too many handshakes or connections are under way, further ones wait in the kernel's
/// backlog.
pub(super) struct AcceptLoop<L: Listener, R: Runtime> {
    state: Arc<State>,
    runtime: R,
    listener: L,
    clock: R::Clock,
    /// No accept before this.
    resume_at: Option<Timestamp>,
    pause: Duration,
}

impl<L: Listener, R: Runtime> AcceptLoop<L, R> {
    pub(super) fn new(state: Arc<State>, runtime: R, listener: L) -> Self {
        let clock = runtime.clock();
        Self {
            state,
            runtime,
            listener,
            clock,
            resume_at: None,
            pause: PAUSE,
        }
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.state.may_accept(cx.waker()) || self.is_paused(cx) {
            return Poll::Pending;
        }
        match self.listener.poll_accept(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(accepted)) => {
                self.pause = PAUSE;
                self.state.clone().spawn(&self.runtime, accepted);
                Poll::Ready(())
            }
            Poll::Ready(Err(_)) => {
                self.state.accept_failed();
                self.resume_at = Some(self.clock.now() + self.pause);
                self.pause = (self.pause * 2).min(MAX_PAUSE);
                Poll::Ready(())
            }
        }
    }

    fn is_paused(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(at) = self.resume_at else {
            return false;
        };
        if self.clock.poll_deadline(cx, at).is_pending() {
            return true;
        }
        self.resume_at = None;
        false
    }
}

impl<L: Listener, R: Runtime> Future for AcceptLoop<L, R> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        for _ in 0..TURNS {
            if this.state.is_stopping() {
                return Poll::Ready(());
            }
            if this.poll_accept(cx).is_pending() {
                // It may have been stopped before the waker was registered.
                return if this.state.is_stopping() {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                };
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
