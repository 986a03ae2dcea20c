//! What a client counts while it is measured.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Instant;

use bytes::Bytes;
use hdrhistogram::Histogram;

use crate::scenario::PAYLOAD;

/// Payloads in use, so that an answer to another request is noticed.
const PAYLOADS: usize = 16;

/// Counts answers. It is shared by all connections, and by the thread that begins and ends the
/// measurement.
pub struct Meter {
    payloads: Vec<Bytes>,
    next: AtomicU64,
    /// Requests to send in all, where they are counted and not the time.
    limit: u64,
    /// Whether connections are held once each has had a request.
    holds: bool,
    stopped: AtomicBool,
    measuring: AtomicBool,
    counts: Mutex<Counts>,
    connected: Mutex<Option<mpsc::Sender<()>>>,
}

/// What came while it was measured.
pub struct Counts {
    /// Bytes of answers or chunks.
    pub bytes: u64,
    /// From a request to its answer, in nanoseconds.
    pub latency: Histogram<u64>,
}

impl Meter {
    /// Sends at most `limit` requests, and tells `connected` when all connections are up. If it
    /// `holds`, they are then left idle.
    pub fn new(limit: Option<u64>, holds: bool, connected: mpsc::Sender<()>) -> Self {
        let payload = |number: usize| (0..PAYLOAD).map(|at| (at * 7 + number) as u8).collect();
        // Three digits, from a nanosecond to what a minute has.
        let latency = Histogram::new_with_bounds(1, 60_000_000_000, 3);
        Self {
            payloads: (0..PAYLOADS).map(payload).collect(),
            next: AtomicU64::new(0),
            limit: limit.unwrap_or(u64::MAX),
            holds,
            stopped: AtomicBool::new(false),
            measuring: AtomicBool::new(false),
            counts: Mutex::new(Counts {
                bytes: 0,
                latency: latency.expect("the bounds are in order"),
            }),
            connected: Mutex::new(Some(connected)),
        }
    }

    /// Whether connections are left idle once each has had a request.
    pub const fn holds(&self) -> bool {
        self.holds
    }

    /// All connections are up.
    pub fn connected(&self) {
        let mut connected = self
            .connected
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = connected.take() {
            // Who measures may have given up by now.
            let _ = sender.send(());
        }
    }

    /// The next request; `None`: no more.
    pub fn next(&self) -> Option<Bytes> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let more = number < self.limit && !self.stopped.load(Ordering::Relaxed);
        more.then(|| self.payloads[number as usize % PAYLOADS].clone())
    }

    /// An answer has come to `request`, which was sent then.
    ///
    /// # Panics
    /// If it is another one's.
    pub fn answered(&self, request: &[u8], answer: &[u8], sent: Instant) {
        assert!(request == answer, "an answer is not what was asked for");
        if self.measuring.load(Ordering::Relaxed) {
            let mut counts = self.counts();
            counts.bytes += PAYLOAD as u64;
            let took = sent.elapsed().as_nanos();
            counts.latency.saturating_record(took as u64);
        }
    }

    /// Part of a stream has come. Returns whether to go on.
    pub fn received(&self, bytes: usize) -> bool {
        if self.measuring.load(Ordering::Relaxed) {
            self.counts().bytes += bytes as u64;
        }
        !self.stopped.load(Ordering::Relaxed)
    }

    /// What is counted counts from now on.
    pub fn begin(&self) {
        self.measuring.store(true, Ordering::Relaxed);
    }

    /// Nothing more counts or is sent.
    pub fn end(&self) {
        self.measuring.store(false, Ordering::Relaxed);
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// What has been counted.
    pub fn counts(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
