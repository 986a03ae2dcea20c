//! A load on an echo server, open loop or closed.
//!
//! Open loop: the n-th of R requests per second is meant to start n / R seconds after the beginning,
//! whether or not earlier ones have been answered, and its latency counts from there. A server that
//! stalls is charged for every request that it kept waiting. Closed loop: each connection keeps as
//! many requests in flight as it may, and each one's latency counts from its own start.

mod connect;
mod engine;
mod exchange;
mod line;
mod payload;
mod recorder;
mod schedule;

use std::io;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use oap_tokio::TlsClientConfig;
use oap_tokio::config::Settings;
use tokio::sync::oneshot;

use crate::{Failure, Negotiated, Report, RuntimeName, Target, Usage};
use connect::Established;
use engine::{Engine, SmolEngine, TokioEngine};
use payload::Payloads;
pub use recorder::{Recorder, Times};
pub use schedule::Schedule;

/// How long requests that were due in time may still take when the time is over.
const GRACE: Duration = Duration::from_secs(2);
/// How long a connection may take to close after the run.
const CLOSE_TIME: Duration = Duration::from_secs(1);
/// Between the last connection and the first request, so that every thread is ready for it.
const LEAD: Duration = Duration::from_millis(20);
/// Between two looks at the threads.
const TICK: Duration = Duration::from_millis(100);

/// What a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One payload, echoed.
    Unary,
    /// The same as a streaming exchange, which on QUIC has a lane of its own.
    Stream,
    /// A streaming exchange that sends its payload again and again, as long as the run takes. The
    /// server answers at its end.
    OneWay,
}

/// What to send, where and how fast.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// The server.
    pub target: Target,
    /// The runtime of the load's threads.
    pub runtime: RuntimeName,
    /// Settings of the connections.
    pub settings: Settings,
    /// TLS, for targets whose transport has it.
    pub tls: Option<TlsClientConfig>,
    /// Connections, at least 1.
    pub conns: u32,
    /// Requests per second over all connections; 0 is a closed loop.
    pub rps: u32,
    /// Payload of each request, in bytes.
    pub payload: u32,
    /// How long requests are due.
    pub duration: Duration,
    /// Requests in flight on one connection, at least 1.
    pub depth: u32,
    /// What each request is.
    pub shape: Shape,
    /// Threads, at least 1.
    pub threads: usize,
    /// Whether a bar shows how far it is.
    pub progress: bool,
    /// The server's process, if it is on this machine and to be measured as well.
    pub server: Option<u32>,
}

/// What the threads share.
struct Plan {
    options: LoadOptions,
    schedule: Schedule,
    payloads: Payloads,
}

/// Establishes the connections, puts the load on them and reports.
///
/// # Errors
/// A connection that could not be established; threads that could not be started.
pub fn run(options: &LoadOptions) -> Result<Report, Failure> {
    match options.runtime {
        RuntimeName::Tokio => run_on::<TokioEngine>(options),
        RuntimeName::Smol => run_on::<SmolEngine>(options),
    }
}

fn run_on<E: Engine>(options: &LoadOptions) -> Result<Report, Failure> {
    let threads = options.threads.min(options.conns as usize);
    let plan = Arc::new(Plan {
        schedule: Schedule::new(options.rps, options.conns, options.duration),
        payloads: Payloads::new(options.payload as usize),
        options: LoadOptions {
            threads,
            ..options.clone()
        },
    });
    let workers = (0..threads)
        .map(|index| Worker::start::<E>(&plan, index))
        .collect::<Result<Vec<_>, _>>()?;
    let mut negotiated = Negotiated::default();
    let mut connects = Recorder::spread();
    for worker in &workers {
        let made = worker.established()?;
        negotiated.merge(&made.negotiated);
        connects.merge(&made.times);
    }
    let before = Machine::now(&plan.options)?;
    let began = Instant::now() + LEAD;
    let mut sum = Recorder::new(began);
    let running: Vec<_> = workers
        .into_iter()
        .map(|worker| worker.begin(began))
        .collect();
    watch(&running, &plan, began);
    for (join, recorder) in running {
        join.join()
            .map_err(|_| Failure::run("a load thread panicked"))?
            .map_err(|error| Failure::run(format!("a load thread has no event loop: {error}")))?;
        sum.merge(&recorder.lock().unwrap_or_else(PoisonError::into_inner));
    }
    let used = Machine::now(&plan.options)?.since(before);
    Ok(Report::new(
        &plan.options,
        negotiated,
        &connects,
        &sum,
        began,
        used,
    ))
}

/// What client and server use of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Machine {
    /// The client.
    pub client: Option<Usage>,
    /// The server, where it is told which process that is.
    pub server: Option<Usage>,
}

impl Machine {
    fn now(options: &LoadOptions) -> Result<Self, Failure> {
        Ok(Self {
            client: Usage::own(),
            server: options.server.map(Usage::of).transpose()?,
        })
    }

    fn since(self, earlier: Self) -> Self {
        let since = |(now, before): (Usage, Usage)| now.since(before);
        Self {
            client: self.client.zip(earlier.client).map(since),
            server: self.server.zip(earlier.server).map(since),
        }
    }
}

type SharedRecorder = Arc<Mutex<Recorder>>;
type Running = (JoinHandle<io::Result<()>>, SharedRecorder);

/// A thread with its share of the connections.
struct Worker {
    join: JoinHandle<io::Result<()>>,
    made: mpsc::Receiver<Result<Established, Failure>>,
    begin: oneshot::Sender<Instant>,
    recorder: SharedRecorder,
}

impl Worker {
    fn start<E: Engine>(plan: &Arc<Plan>, index: usize) -> Result<Self, Failure> {
        let failed = |error| Failure::run(format!("a load thread cannot start: {error}"));
        let recorder = Arc::new(Mutex::new(Recorder::new(Instant::now())));
        let (made_by, made) = mpsc::channel();
        let (begin, begun) = oneshot::channel();
        let (plan, recording) = (plan.clone(), recorder.clone());
        let work = move |engine: E| async move {
            let (lines, connector) = match connect::establish(&engine, &plan, index).await {
                Ok((lines, connector, established)) => {
                    let _ = made_by.send(Ok(established));
                    (lines, connector)
                }
                Err(failure) => {
                    let _ = made_by.send(Err(failure));
                    return;
                }
            };
            // No beginning: another thread has failed, and the run with it.
            if let Ok(began) = begun.await {
                line::drive_all(&engine, &plan, lines, index, began, recording).await;
                engine.timeout(CLOSE_TIME, E::wait_idle(&connector)).await;
            }
        };
        let join = thread::Builder::new()
            .name(format!("load-{index}"))
            .spawn(move || E::run(work))
            .map_err(failed)?;
        Ok(Self {
            join,
            made,
            begin,
            recorder,
        })
    }

    fn established(&self) -> Result<Established, Failure> {
        self.made
            .recv()
            .unwrap_or_else(|_| Err(Failure::run("a load thread has no event loop")))
    }

    fn begin(self, began: Instant) -> Running {
        // A thread that is gone is noticed when it is joined.
        let _ = self.begin.send(began);
        (self.join, self.recorder)
    }
}

/// Shows progress until all threads are done. Without a terminal nothing is shown.
fn watch(running: &[Running], plan: &Plan, began: Instant) {
    let total = plan.options.duration;
    let length = u64::try_from(total.as_millis()).unwrap_or(u64::MAX);
    let target = match plan.options.progress {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    };
    let bar = ProgressBar::with_draw_target(Some(length), target);
    if let Ok(style) = ProgressStyle::with_template("[{bar:40}] {msg}") {
        bar.set_style(style.progress_chars("=> "));
    }
    while running.iter().any(|(join, _)| !join.is_finished()) {
        thread::sleep(TICK);
        if !bar.is_hidden() {
            let passed = began.elapsed().min(total);
            let answered: u64 = running
                .iter()
                .map(|(_, recorder)| {
                    let recorder = recorder.lock().unwrap_or_else(PoisonError::into_inner);
                    recorder.answered()
                })
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
}
