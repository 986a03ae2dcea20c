//! The accept loop: it outlives every error of a single connection.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, Stream};

use super::server::State;
use super::{Clock, Listener, Runtime};
use crate::Timestamp;

/// Pause after an accept that failed, for want of descriptors say; doubled up to [`MAX_PAUSE`].
const PAUSE: Duration = Duration::from_millis(10);
const MAX_PAUSE: Duration = Duration::from_secs(1);
/// Connections accepted in one poll before other tasks get their turn.
const TURNS: usize = 32;

/// Accepts connections until the server stops. Handshakes run here, a bounded number at once;
/// further connections wait in the kernel's backlog meanwhile.
pub(super) struct AcceptLoop<L: Listener, R: Runtime> {
    state: Arc<State>,
    runtime: R,
    listener: L,
    clock: R::Clock,
    handshakes: FuturesUnordered<L::Handshake>,
    /// No accept before this.
    resume_at: Option<Timestamp>,
    pause: Duration,
}

impl<L: Listener, R: Runtime> AcceptLoop<L, R> {
    pub(super) fn new(state: Arc<State>, runtime: R, listener: L) -> Self {
        Self {
            state,
            clock: runtime.clock(),
            runtime,
            listener,
            handshakes: FuturesUnordered::new(),
            resume_at: None,
            pause: PAUSE,
        }
    }

    fn poll_handshakes(&mut self, cx: &mut Context<'_>) -> bool {
        let mut any = false;
        while let Poll::Ready(Some(done)) = Pin::new(&mut self.handshakes).poll_next(cx) {
            any = true;
            match done {
                Ok(transport) => self.state.clone().spawn(&self.runtime, transport),
                Err(_) => {
                    self.state
                        .stats
                        .handshakes_failed
                        .fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        any
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> bool {
        let options = &self.state.options;
        if self.handshakes.len() >= options.handshakes {
            return false;
        }
        let live = self.state.live(cx.waker()) + self.handshakes.len();
        if live >= options.max_connections || self.is_paused(cx) {
            return false;
        }
        match self.listener.poll_accept(cx) {
            Poll::Pending => false,
            Poll::Ready(Ok(handshake)) => {
                self.pause = PAUSE;
                self.state.stats.accepted.fetch_add(1, Ordering::Relaxed);
                self.handshakes.push(handshake);
                true
            }
            Poll::Ready(Err(_)) => {
                self.state
                    .stats
                    .accept_errors
                    .fetch_add(1, Ordering::Relaxed);
                self.resume_at = Some(self.clock.now() + self.pause);
                self.pause = (self.pause * 2).min(MAX_PAUSE);
                true
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
            if this.state.is_stopping(cx.waker()) {
                return Poll::Ready(());
            }
            let established = this.poll_handshakes(cx);
            let accepted = this.poll_accept(cx);
            if !established && !accepted {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
