//! The threads of a load: each prepares its share, then all begin at one instant.

use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::oneshot;

use super::connect::Established;
use super::engine::Engine;
use super::seconds::Timeline;
use super::{Machine, Seconds};
use crate::Failure;
use crate::report::Second;

/// Between the last connection and the first request, so that every thread is ready for it.
const LEAD: Duration = Duration::from_millis(20);
/// Between two looks at the threads.
const TICK: Duration = Duration::from_millis(100);

/// What the threads of a load do.
pub(super) trait Job<E: Engine>: Send + Sync + 'static {
    /// What a thread prepares and uses then.
    type Ready;
    /// What it measures.
    type Tally: Tally;

    /// Prepares the share of a thread.
    fn prepare(
        &self,
        engine: &E,
        thread: usize,
    ) -> impl Future<Output = Result<(Self::Ready, Established), Failure>>;

    /// Does it, from `began` on, and measures.
    fn perform(
        self: Arc<Self>,
        engine: &E,
        thread: usize,
        ready: Self::Ready,
        began: Instant,
        tally: Shared<Self::Tally>,
    ) -> impl Future<Output = ()>;
}

/// What a load has measured.
pub(super) trait Tally: Send + 'static {
    /// Nothing yet, of a load that begins at `began`.
    fn new(began: Instant) -> Self;

    /// What is answered so far.
    fn answered(&self) -> u64;

    /// The seconds that nobody has taken.
    fn seconds(&mut self) -> &mut Seconds;

    /// Adds all of another one but its seconds.
    fn merge(&mut self, other: &Self);
}

/// A tally that a thread fills and another one looks at.
pub(super) type Shared<T> = Arc<Mutex<T>>;

/// Its value.
pub(super) fn lock<T>(shared: &Shared<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What all loads are told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Common {
    /// Threads, at least 1.
    pub(super) threads: usize,
    /// How long something is due.
    pub(super) duration: Duration,
    /// Whether a bar shows how far it is.
    pub(super) progress: bool,
    /// The server's process, if it is to be measured as well.
    pub(super) server: Option<u32>,
}

/// What has come of a load.
#[derive(Clone, Debug)]
pub struct Measured<T> {
    /// Counts and times of all threads.
    pub tally: T,
    /// The same second by second.
    pub seconds: Vec<Second>,
    /// When it began.
    pub began: Instant,
    /// What it has used of the machine.
    pub used: Machine,
}

/// Runs a job on all threads.
pub(super) fn run<E: Engine, J: Job<E>>(
    job: &Arc<J>,
    common: Common,
) -> Result<(Established, Measured<J::Tally>), Failure> {
    let workers = (0..common.threads)
        .map(|index| Worker::start::<E, J>(job, index))
        .collect::<Result<Vec<_>, _>>()?;
    let mut established = Established::default();
    for worker in &workers {
        established.merge(&worker.established()?);
    }
    let before = Machine::now(common.server)?;
    let began = Instant::now() + LEAD;
    let running: Vec<_> = workers
        .into_iter()
        .map(|worker| worker.begin(began))
        .collect();
    let seconds = watch(&running, common, began);
    let mut tally = J::Tally::new(began);
    for thread in running {
        thread
            .join
            .join()
            .map_err(|_| Failure::run("a load thread panicked"))?
            .map_err(|error| Failure::run(format!("a load thread has no event loop: {error}")))?;
        tally.merge(&lock(&thread.tally));
    }
    let measured = Measured {
        tally,
        seconds,
        began,
        used: Machine::now(common.server)?.since(before),
    };
    Ok((established, measured))
}

/// A thread with its share.
struct Worker<T> {
    join: JoinHandle<io::Result<()>>,
    made: mpsc::Receiver<Result<Established, Failure>>,
    begin: oneshot::Sender<(Instant, Shared<T>)>,
}

/// A thread that has begun.
struct Running<T> {
    join: JoinHandle<io::Result<()>>,
    tally: Shared<T>,
}

impl<T: Tally> Worker<T> {
    fn start<E: Engine, J: Job<E, Tally = T>>(job: &Arc<J>, index: usize) -> Result<Self, Failure> {
        let failed = |error| Failure::run(format!("a load thread cannot start: {error}"));
        let (made_by, made) = mpsc::channel();
        let (begin, begun) = oneshot::channel();
        let job = job.clone();
        let work = move |engine: E| async move {
            let ready = match job.prepare(&engine, index).await {
                Ok((ready, established)) => {
                    let _ = made_by.send(Ok(established));
                    ready
                }
                Err(failure) => {
                    let _ = made_by.send(Err(failure));
                    return;
                }
            };
            // No beginning: another thread has failed, and the run with it.
            if let Ok((began, tally)) = begun.await {
                job.perform(&engine, index, ready, began, tally).await;
            }
        };
        let join = thread::Builder::new()
            .name(format!("load-{index}"))
            .spawn(move || E::run(work))
            .map_err(failed)?;
        Ok(Self { join, made, begin })
    }

    fn established(&self) -> Result<Established, Failure> {
        self.made
            .recv()
            .unwrap_or_else(|_| Err(Failure::run("a load thread has no event loop")))
    }

    fn begin(self, began: Instant) -> Running<T> {
        let tally = Arc::new(Mutex::new(T::new(began)));
        // A thread that is gone is noticed when it is joined.
        let _ = self.begin.send((began, tally.clone()));
        Running {
            join: self.join,
            tally,
        }
    }
}

/// Takes the seconds as they pass, and shows progress, until all threads are done. Without a terminal
/// nothing is shown.
fn watch<T: Tally>(running: &[Running<T>], common: Common, began: Instant) -> Vec<Second> {
    let mut timeline = Timeline::default();
    let mut take = |end| {
        let mut tallies: Vec<_> = running.iter().map(|thread| lock(&thread.tally)).collect();
        timeline.take(end, tallies.iter_mut().map(|tally| tally.seconds()));
    };
    let total = common.duration;
    let length = u64::try_from(total.as_millis()).unwrap_or(u64::MAX);
    let target = match common.progress {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    };
    let bar = ProgressBar::with_draw_target(Some(length), target);
    if let Ok(style) = ProgressStyle::with_template("[{bar:40}] {msg}") {
        bar.set_style(style.progress_chars("=> "));
    }
    while running.iter().any(|thread| !thread.join.is_finished()) {
        thread::sleep(TICK);
        take(began.elapsed().as_secs());
        if !bar.is_hidden() {
            let passed = began.elapsed().min(total);
            let answered: u64 = running
                .iter()
                .map(|thread| lock(&thread.tally).answered())
                .sum();
            bar.set_position(u64::try_from(passed.as_millis()).unwrap_or(length));
            bar.set_message(format!(
                "{:.0} of {:.0} s, {answered} answered",
                passed.as_secs_f64(),
                total.as_secs_f64()
            ));
        }
    }
    bar.finish_and_clear();
    take(u64::MAX);
    timeline.into_seconds()
}
