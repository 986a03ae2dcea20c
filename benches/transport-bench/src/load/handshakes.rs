//! Handshakes as a load of their own: connections that are made, say HELLO and are closed, one after
//! another at each place.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use futures_util::future::{Either, select};
use futures_util::stream::{self, StreamExt};
use oap_core::Reason;
use oap_tokio::config::Settings;
use oap_tokio::{Config, ConnectError, TlsClientConfig};
use serde::Serialize;

use super::connect::{AT_ONCE, Established, Opened, cannot_connect, open};
use super::engine::{Engine, SmolEngine, TokioEngine};
use super::pace::{Pace, Starts};
use super::threads::{self, Common, Job, Shared, Tally, lock};
use super::{CLOSE_TIME, GRACE, Schedule, Seconds, Times};
use crate::{Failure, HandshakeReport, Negotiated, RuntimeName, Target};

/// Whether handshakes resume an earlier TLS session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Handshakes {
    /// Each is a full one, with certificates
    Cold,
    /// Each resumes the session of the one before it
    Resumed,
}

impl Handshakes {
    /// Its word on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::Resumed => "resumed",
        }
    }
}

/// Which handshakes to make, with whom and how fast.
#[derive(Clone, Debug)]
pub struct HandshakeOptions {
    /// Which.
    pub handshakes: Handshakes,
    /// The server.
    pub target: Target,
    /// The runtime of the load's threads.
    pub runtime: RuntimeName,
    /// Settings of the connections.
    pub settings: Settings,
    /// One for each place, which is thus a client with sessions of its own; at least one.
    pub places: Vec<TlsClientConfig>,
    /// Handshakes per second over all places; 0 is a closed loop.
    pub rps: u32,
    /// How long handshakes are due.
    pub duration: Duration,
    /// Threads, at least 1.
    pub threads: usize,
    /// Whether a bar shows how far it is.
    pub progress: bool,
    /// The server's process, if it is on this machine and to be measured as well.
    pub server: Option<u32>,
}

/// Counts and times of handshakes.
#[derive(Clone, Debug)]
pub struct HandshakeTally {
    /// From the intended start until TCP and TLS are there, of completed ones.
    pub tls: Times,
    /// From the intended start to the answer to HELLO, of the same.
    pub hello: Times,
    /// The same second by second, as far as nobody has taken them.
    pub seconds: Seconds,
    /// From the intended start to the actual one, of the same.
    pub delay: Times,
    /// How many of them resumed a session, as TLS tells.
    pub resumed: u64,
    /// Failed ones by reason.
    pub errors: BTreeMap<&'static str, u64>,
    /// Under way when time was up.
    pub unfinished: u64,
    /// Due but never begun.
    pub dropped: u64,
    /// When the load began.
    pub began: Instant,
    /// When the last HELLO was answered.
    pub last: Instant,
}

/// Makes one connection at each place that does not count, then the handshakes, and reports.
///
/// # Errors
/// A first connection that could not be established; threads that could not be started.
pub fn run(options: &HandshakeOptions) -> Result<HandshakeReport, Failure> {
    match options.runtime {
        RuntimeName::Tokio => run_on::<TokioEngine>(options),
        RuntimeName::Smol => run_on::<SmolEngine>(options),
    }
}

fn run_on<E: Engine>(options: &HandshakeOptions) -> Result<HandshakeReport, Failure> {
    let places = options.places.len();
    let threads = options.threads.min(places);
    let plan = Arc::new(Plan {
        schedule: Schedule::new(options.rps, places as u32, options.duration),
        options: HandshakeOptions {
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
    Ok(HandshakeReport::new(
        &plan.options,
        established.negotiated,
        measured,
    ))
}

/// What the threads share.
struct Plan {
    options: HandshakeOptions,
    schedule: Schedule,
}

impl<E: Engine> Job<E> for Plan {
    type Ready = Vec<E::Connector>;
    type Tally = HandshakeTally;

    async fn prepare(
        &self,
        engine: &E,
        thread: usize,
    ) -> Result<(Self::Ready, Established), Failure> {
        let HandshakeOptions {
            settings, target, ..
        } = &self.options;
        let own = self.options.places.iter().skip(thread);
        let connectors = own
            .step_by(self.options.threads)
            .map(|tls| engine.connector(settings, target, Some(tls.clone())))
            .collect::<Result<Vec<_>, _>>()
            .map_err(Failure::usage)?;
        let mut established = Established::default();
        let mut first = stream::iter(&connectors)
            .map(|connector| async move {
                let began = Instant::now();
                let opened = open(engine, connector, settings.core_config()).await?;
                let hello = opened.session.hello();
                let took = began.elapsed();
                let negotiated = Negotiated::new(&opened.info, hello.as_ref());
                close(engine, opened).await;
                Ok::<_, ConnectError>((negotiated, took))
            })
            .buffer_unordered(AT_ONCE);
        while let Some(made) = first.next().await {
            let (negotiated, took) = made.map_err(|error| cannot_connect(target, &error))?;
            established.negotiated.merge(&negotiated);
            established.times.record(took);
        }
        drop(first);
        Ok((connectors, established))
    }

    async fn perform(
        self: Arc<Self>,
        engine: &E,
        thread: usize,
        connectors: Vec<E::Connector>,
        began: Instant,
        tally: Shared<HandshakeTally>,
    ) {
        let pace = Pace {
            schedule: self.schedule,
            duration: self.options.duration,
            threads: self.options.threads,
            thread,
            began,
        };
        let config = self.options.settings.core_config();
        let drive = |connector, starts| {
            let place = Place {
                engine: engine.clone(),
                connector,
                config: config.clone(),
                starts,
                tally: tally.clone(),
            };
            place.run()
        };
        let panicked = pace.drive_all(engine, connectors, drive).await;
        // One that panicked must not pass for a clean run.
        lock(&tally).unfinished += panicked;
    }
}

/// Where one connection after another is made.
struct Place<E: Engine> {
    engine: E,
    connector: E::Connector,
    config: Config,
    starts: Starts,
    tally: Shared<HandshakeTally>,
}

impl<E: Engine> Place<E> {
    async fn run(mut self) {
        let mut time_up = pin!(self.engine.sleep_until(self.starts.end() + GRACE));
        self.starts.begun(&self.engine).await;
        loop {
            let Some(intended) = self.starts.take() else {
                if self.starts.is_over() {
                    break;
                }
                match select(pin!(self.starts.due()), &mut time_up).await {
                    Either::Left(_) => continue,
                    Either::Right(_) => break,
                }
            };
            let handshake = pin!(self.handshake(intended));
            if let Either::Right(_) = select(handshake, &mut time_up).await {
                lock(&self.tally).unfinished += 1;
                break;
            }
        }
        lock(&self.tally).dropped += self.starts.left();
    }

    /// Makes a connection, counts it, and closes it.
    async fn handshake(&self, intended: Instant) {
        let begun = Instant::now();
        match open(&self.engine, &self.connector, self.config.clone()).await {
            Ok(opened) => {
                let answered = Instant::now();
                lock(&self.tally).complete(intended, begun, &opened, answered);
                close(&self.engine, opened).await;
            }
            Err(error) => lock(&self.tally).fail(&error),
        }
    }
}

/// Closes a connection and waits until it is closed, if the server lets it.
async fn close<E: Engine>(engine: &E, opened: Opened) {
    opened.session.drain();
    if engine
        .timeout(CLOSE_TIME, opened.session.closed())
        .await
        .is_none()
    {
        opened.session.close();
    }
}

impl HandshakeTally {
    /// Nothing yet, of a load that begins at `began`.
    pub fn new(began: Instant) -> Self {
        Self {
            tls: Times::default(),
            hello: Times::default(),
            seconds: Seconds::default(),
            delay: Times::default(),
            resumed: 0,
            errors: BTreeMap::new(),
            unfinished: 0,
            dropped: 0,
            began,
            last: began,
        }
    }

    /// How many were completed.
    pub fn completed(&self) -> u64 {
        self.hello.histogram().len()
    }

    fn complete(&mut self, intended: Instant, begun: Instant, opened: &Opened, answered: Instant) {
        let since_intended = |at: Instant| at.saturating_duration_since(intended);
        self.tls.record(since_intended(opened.connected));
        self.hello.record(since_intended(answered));
        let at = answered.saturating_duration_since(self.began);
        self.seconds.record(at, since_intended(answered));
        self.delay.record(since_intended(begun));
        let tls = opened.info.tls.as_ref();
        self.resumed += u64::from(tls.is_some_and(|tls| tls.resumed));
        self.last = self.last.max(answered);
    }

    fn fail(&mut self, error: &ConnectError) {
        let reason = match error {
            ConnectError::Handshake(error) => error.reason(),
            ConnectError::Closed(reason) => reason.reason(),
            _ => Reason::Internal,
        };
        *self.errors.entry(reason.name()).or_default() += 1;
    }
}

impl Tally for HandshakeTally {
    fn new(began: Instant) -> Self {
        Self::new(began)
    }

    fn answered(&self) -> u64 {
        self.completed()
    }

    fn seconds(&mut self) -> &mut Seconds {
        &mut self.seconds
    }

    fn merge(&mut self, other: &Self) {
        self.tls.merge(&other.tls);
        self.hello.merge(&other.hello);
        self.delay.merge(&other.delay);
        self.resumed += other.resumed;
        for (reason, count) in &other.errors {
            *self.errors.entry(reason).or_default() += count;
        }
        self.unfinished += other.unfinished;
        self.dropped += other.dropped;
        self.last = self.last.max(other.last);
    }
}
