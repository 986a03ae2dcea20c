//! How a script sees into handlers, and holds them back.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use oap_core::Code;
use oap_core::driver::Incoming;

use super::within;

/// Tells a script what handlers do. Clones share it.
#[derive(Clone, Default)]
pub struct Probe(Arc<Mutex<Told>>);

#[derive(Default)]
struct Told {
    lines: VecDeque<String>,
    waiter: Option<Waker>,
}

impl Probe {
    /// Tells something.
    pub fn tell(&self, line: impl Into<String>) {
        let mut told = self.lock();
        told.lines.push_back(line.into());
        let waiter = told.waiter.take();
        drop(told);
        waiter.into_iter().for_each(Waker::wake);
    }

    /// Tells `line` when it is dropped.
    pub fn at_drop(&self, line: &'static str) -> AtDrop {
        AtDrop {
            probe: self.clone(),
            line,
        }
    }

    /// What was told next.
    ///
    /// # Panics
    /// If nothing is within 30 s.
    pub async fn next(&self) -> String {
        let told = poll_fn(|cx| {
            let mut told = self.lock();
            match told.lines.pop_front() {
                Some(line) => Poll::Ready(line),
                None => {
                    told.waiter = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        });
        within("a handler tells something", told).await
    }

    /// Whether nothing was told that is not taken yet.
    pub fn is_silent(&self) -> bool {
        self.lock().lines.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells a [`Probe`] that it is dropped, unless it is told otherwise before.
pub struct AtDrop {
    probe: Probe,
    line: &'static str,
}

impl AtDrop {
    /// What it will tell from now on.
    pub fn becomes(&mut self, line: &'static str) {
        self.line = line;
    }
}

impl Drop for AtDrop {
    fn drop(&mut self) {
        self.probe.tell(self.line);
    }
}

/// Holds handlers back until it is opened. Clones share it.
#[derive(Clone, Default)]
pub struct Gate(Arc<Mutex<(bool, Vec<Waker>)>>);

impl Gate {
    /// Lets everybody through, from now on.
    pub fn open(&self) {
        let mut state = self.lock();
        state.0 = true;
        let waiting = std::mem::take(&mut state.1);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Holds back who comes from now on.
    pub fn close(&self) {
        self.lock().0 = false;
    }

    /// Waits until it is open.
    pub async fn passed(&self) {
        poll_fn(|cx| {
            let mut state = self.lock();
            if state.0 {
                return Poll::Ready(());
            }
            state.1.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    fn lock(&self) -> MutexGuard<'_, (bool, Vec<Waker>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An application that tells when it begins, waits for the gate, and answers `held`.
pub(crate) async fn hold(incoming: Incoming, probe: Probe, gate: Gate) {
    probe.tell("handler begins");
    let mut guard = probe.at_drop("handler is dropped");
    gate.passed().await;
    let answered = incoming.respond(Code::OK, bytes::Bytes::from_static(b"held"));
    guard.becomes(match answered {
        Ok(()) => "handler has answered",
        Err(_) => "handler cannot answer",
    });
}
