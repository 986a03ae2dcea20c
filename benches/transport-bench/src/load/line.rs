//! The load on one connection.

use std::future::pending;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Instant;

use futures_util::future::{Either, select};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::Notify;

use super::connect::Line;
use super::engine::{Alarm, Engine};
use super::exchange::request;
use super::recorder::{Outcome, Recorder};
use super::{CLOSE_TIME, GRACE, Plan, SharedRecorder};

/// Loads all connections of a thread until each is done, then closes them.
pub(super) async fn drive_all<E: Engine>(
    engine: &E,
    plan: &Arc<Plan>,
    lines: Vec<Line>,
    thread: usize,
    began: Instant,
    recorder: SharedRecorder,
) {
    let gates: Arc<[Gate]> = lines.iter().map(|_| Gate::default()).collect();
    let mut ends: FuturesUnordered<_> = lines
        .into_iter()
        .enumerate()
        .map(|(index, line)| {
            let drive = Drive {
                engine: engine.clone(),
                plan: plan.clone(),
                line,
                gates: gates.clone(),
                index,
                began,
                taken: 0,
                recorder: recorder.clone(),
            };
            engine.spawn(drive.run())
        })
        .collect();
    let all_ended = pin!(async {
        while let Some(end) = ends.next().await {
            if end.is_err() {
                // A request that panicked must not pass for a clean run.
                lock(&recorder).connections_lost += 1;
            }
        }
    });
    let paced = pin!(pace(engine, plan, &gates, thread, began));
    // Without timers nothing falls due, and every request counts as dropped.
    if let Either::Right((_, all_ended)) = select(all_ended, paced).await {
        all_ended.await;
    }
}

/// Opens the gates of a thread's connections as their requests fall due.
async fn pace<E: Engine>(
    engine: &E,
    plan: &Plan,
    gates: &[Gate],
    thread: usize,
    began: Instant,
) -> io::Result<()> {
    let mut alarm = engine.alarm()?;
    let threads = plan.options.threads;
    let rounds = plan.schedule.total_of(0);
    for round in 0..rounds {
        for (index, gate) in gates.iter().enumerate() {
            let number = (thread + index * threads) as u32;
            if round >= plan.schedule.total_of(number) {
                return Ok(());
            }
            let due = began + plan.schedule.start(number, round);
            alarm.wait_until(due).await?;
            gate.open();
        }
    }
    Ok(())
}

/// How many requests of a connection are due.
#[derive(Default)]
struct Gate {
    due: AtomicU64,
    opened: Notify,
}

impl Gate {
    fn open(&self) {
        self.due.fetch_add(1, Ordering::Relaxed);
        self.opened.notify_one();
    }

    fn due(&self) -> u64 {
        self.due.load(Ordering::Relaxed)
    }
}

/// A connection under load.
struct Drive<E> {
    engine: E,
    plan: Arc<Plan>,
    line: Line,
    gates: Arc<[Gate]>,
    index: usize,
    began: Instant,
    /// Requests started.
    taken: u64,
    recorder: SharedRecorder,
}

impl<E: Engine> Drive<E> {
    async fn run(mut self) {
        let (depth, total) = (self.plan.options.depth as usize, self.total());
        let end = self.began + self.plan.options.duration;
        let mut time_up = pin!(self.engine.sleep_until(end + GRACE));
        if self.plan.schedule.is_closed_loop() {
            self.engine.sleep_until(self.began).await;
        }

        let session = self.line.session.clone();
        let mut flying = FuturesUnordered::new();
        let mut lost = false;
        let shape = self.plan.options.shape;
        loop {
            while flying.len() < depth && !lost {
                let Some(intended) = self.next_start(end) else {
                    break;
                };
                let body = self.plan.payloads.get(self.line.number, self.taken);
                flying.push(request(&session, shape, body, intended, end));
                self.taken += 1;
            }
            if flying.is_empty() && (lost || self.is_over(end, total)) {
                break;
            }
            tokio::select! {
                biased;
                Some(done) = flying.next(), if !flying.is_empty() => {
                    lost |= matches!(done.outcome, Outcome::Lost(_));
                    lock(&self.recorder).record(&done);
                }
                () = self.due(), if flying.len() < depth && !lost => {}
                () = &mut time_up => break,
            }
        }
        {
            let mut recorder = lock(&self.recorder);
            recorder.unfinished += flying.len() as u64;
            recorder.dropped += total.saturating_sub(self.taken);
            recorder.connections_lost += u64::from(lost);
        }
        drop(flying);
        session.drain();
        // A server that does not close is cut off with the thread.
        self.engine.timeout(CLOSE_TIME, session.closed()).await;
    }

    fn total(&self) -> u64 {
        self.plan.schedule.total_of(self.line.number)
    }

    /// When the next request was meant to start, if it is due.
    fn next_start(&self, end: Instant) -> Option<Instant> {
        let schedule = &self.plan.schedule;
        if schedule.is_closed_loop() {
            let now = Instant::now();
            (now < end).then_some(now)
        } else {
            let due = self.taken < self.gates[self.index].due();
            due.then(|| self.began + schedule.start(self.line.number, self.taken))
        }
    }

    /// Whether no further request will fall due.
    fn is_over(&self, end: Instant, total: u64) -> bool {
        if self.plan.schedule.is_closed_loop() {
            Instant::now() >= end
        } else {
            self.taken == total
        }
    }

    /// Waits until something may be due. In a closed loop the next request is due when one ends.
    async fn due(&self) {
        if self.plan.schedule.is_closed_loop() {
            pending().await
        } else {
            self.gates[self.index].opened.notified().await;
        }
    }
}

fn lock(recorder: &SharedRecorder) -> MutexGuard<'_, Recorder> {
    recorder.lock().unwrap_or_else(PoisonError::into_inner)
}
