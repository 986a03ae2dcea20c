//! When each line of a load starts its next request, or its next handshake.

use std::future::{Future, pending};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::{Either, select};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::Notify;

use super::Schedule;
use super::engine::{Alarm, Engine};

/// When the lines of one thread start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) schedule: Schedule,
    /// How long something is due.
    pub(super) duration: Duration,
    pub(super) threads: usize,
    pub(super) thread: usize,
    pub(super) began: Instant,
}

impl Pace {
    /// The number of the thread's line at `index`, among those of all threads.
    fn number(&self, index: usize) -> u32 {
        (self.thread + index * self.threads) as u32
    }

    /// Runs a task for each line until all have ended. Returns how many of them have panicked.
    pub(super) async fn drive_all<E, L, F>(
        self,
        engine: &E,
        lines: Vec<L>,
        drive: impl Fn(L, Starts) -> F,
    ) -> u64
    where
        E: Engine,
        F: Future<Output = ()> + Send + 'static,
    {
        let gates: Arc<[Gate]> = lines.iter().map(|_| Gate::default()).collect();
        let tasks = lines.into_iter().enumerate().map(|(index, line)| {
            let starts = Starts {
                pace: self,
                number: self.number(index),
                index,
                gates: gates.clone(),
                taken: 0,
            };
            engine.spawn(drive(line, starts))
        });
        let mut ends: FuturesUnordered<_> = tasks.collect();
        let all_ended = pin!(async {
            let mut panicked = 0;
            while let Some(end) = ends.next().await {
                panicked += u64::from(end.is_err());
            }
            panicked
        });
        let opened = pin!(self.open(engine, &gates));
        // Without timers nothing falls due, and all of it counts as dropped.
        match select(all_ended, opened).await {
            Either::Left((panicked, _)) => panicked,
            Either::Right((_, all_ended)) => all_ended.await,
        }
    }

    /// Opens the gates as starts fall due.
    async fn open<E: Engine>(&self, engine: &E, gates: &[Gate]) -> io::Result<()> {
        let mut alarm = engine.alarm()?;
        for round in 0..self.schedule.total_of(0) {
            for (index, gate) in gates.iter().enumerate() {
                let number = self.number(index);
                if round >= self.schedule.total_of(number) {
                    return Ok(());
                }
                let due = self.began + self.schedule.start(number, round);
                alarm.wait_until(due).await?;
                gate.open();
            }
        }
        Ok(())
    }
}

/// How many starts of a line are due.
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

/// The starts of one line.
pub(super) struct Starts {
    pace: Pace,
    number: u32,
    index: usize,
    gates: Arc<[Gate]>,
    taken: u64,
}

impl Starts {
    /// How many have been taken.
    pub(super) const fn taken(&self) -> u64 {
        self.taken
    }

    /// How many have not been taken; in a closed loop none is expected.
    pub(super) fn left(&self) -> u64 {
        self.total().saturating_sub(self.taken)
    }

    /// When the duration is over.
    pub(super) fn end(&self) -> Instant {
        self.pace.began + self.pace.duration
    }

    /// Whether none will be due any more.
    pub(super) fn is_over(&self) -> bool {
        if self.is_closed_loop() {
            Instant::now() >= self.end()
        } else {
            self.taken == self.total()
        }
    }

    /// When the next one was meant to be, if it is due: it is then taken.
    pub(super) fn take(&mut self) -> Option<Instant> {
        let start = if self.is_closed_loop() {
            let now = Instant::now();
            (now < self.end()).then_some(now)
        } else {
            let due = self.taken < self.gates[self.index].due();
            due.then(|| self.pace.began + self.pace.schedule.start(self.number, self.taken))
        };
        self.taken += u64::from(start.is_some());
        start
    }

    /// Waits until the load has begun. In an open loop the first start says when.
    pub(super) async fn begun<E: Engine>(&self, engine: &E) {
        if self.is_closed_loop() {
            engine.sleep_until(self.pace.began).await;
        }
    }

    /// Waits until one may be due. In a closed loop that is when an earlier one has ended.
    pub(super) async fn due(&self) {
        if self.is_closed_loop() {
            pending().await
        } else {
            self.gates[self.index].opened.notified().await;
        }
    }

    const fn is_closed_loop(&self) -> bool {
        self.pace.schedule.is_closed_loop()
    }

    const fn total(&self) -> u64 {
        self.pace.schedule.total_of(self.number)
    }
}
