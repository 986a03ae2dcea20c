//! A load on an echo server, open loop or closed.
//!
//! Open loop: the n-th of R requests per second is meant to start n / R seconds after the beginning,
//! whether or not earlier ones have been answered, and its latency counts from there. A server that
//! stalls is charged for every request that it kept waiting. Closed loop: each connection keeps as
//! many requests in flight as it may, and each one's latency counts from its own start.

mod connect;
mod engine;
mod exchange;
mod handshakes;
mod line;
mod pace;
mod payload;
mod recorder;
mod schedule;
mod seconds;
mod threads;

use std::sync::Arc;
use std::time::{Duration, Instant};

use oap_tokio::TlsClientConfig;
use oap_tokio::config::Settings;

use crate::{Failure, Report, RuntimeName, Target, Usage};
use connect::{Established, Line};
use engine::{Engine, SmolEngine, TokioEngine};
pub use handshakes::{HandshakeOptions, HandshakeTally, Handshakes, run as run_handshakes};
use pace::Pace;
use payload::Payloads;
pub use recorder::{Recorder, Times};
pub use schedule::Schedule;
pub use seconds::Seconds;
pub use threads::Measured;
use threads::{Common, Job, Shared};

/// How long requests that were due in time may still take when the time is over.
const GRACE: Duration = Duration::from_secs(2);
/// How long a connection may take to close after the run.
const CLOSE_TIME: Duration = Duration::from_secs(1);

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
    let common = Common {
        threads,
        duration: options.duration,
        progress: options.progress,
        server: options.server,
    };
    let (established, measured) = threads::run::<E, _>(&plan, common)?;
    Ok(Report::new(
        &plan.options,
        established.negotiated,
        &established.times,
        measured,
    ))
}

/// A thread's connections, and what has made them.
struct Ready<E: Engine> {
    connector: E::Connector,
    lines: Vec<Line>,
}

impl<E: Engine> Job<E> for Plan {
    type Ready = Ready<E>;
    type Tally = Recorder;

    async fn prepare(&self, engine: &E, thread: usize) -> Result<(Ready<E>, Established), Failure> {
        let (lines, connector, established) = connect::establish(engine, self, thread).await?;
        Ok((Ready { connector, lines }, established))
    }

    async fn perform(
        self: Arc<Self>,
        engine: &E,
        thread: usize,
        ready: Ready<E>,
        began: Instant,
        tally: Shared<Recorder>,
    ) {
        let pace = Pace {
            schedule: self.schedule,
            duration: self.options.duration,
            threads: self.options.threads,
            thread,
            began,
        };
        line::drive_all(engine, &self, pace, ready.lines, tally).await;
        engine
            .timeout(CLOSE_TIME, E::wait_idle(&ready.connector))
            .await;
    }
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
    fn now(server: Option<u32>) -> Result<Self, Failure> {
        Ok(Self {
            client: Usage::own(),
            server: server.map(Usage::of).transpose()?,
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
