//! A server, and rounds of load on it.

use std::thread;
use std::time::{Duration, Instant};

use oap_core::driver::test_apps;
use oap_tokio::config::{Backend, Loader, Settings};
use oap_tokio::{Server, TlsClientConfig};

use super::{Heap, Options};
use crate::load::{self, LoadOptions, Shape};
use crate::loops::{Loops, RuntimeName, SmolLoops, TokioLoops};
use crate::{Failure, Report, SelfSigned, Target, cores, process_time};

/// Payload of small and of large requests.
const SMALL: u32 = 4 * 1024;
const LARGE: u32 = 64 * 1024;
/// Small requests for each large one.
const SMALL_PER_LARGE: u32 = 16;
/// How long the server may take to let go of closed connections.
const REST: Duration = Duration::from_secs(30);
/// Between two looks, and how many of them must see the same.
const LOOK: Duration = Duration::from_millis(20);
const SAME: u32 = 5;

/// A server of this process and how to load it.
pub(super) struct Rig {
    server: Server,
    target: Target,
    tls: Option<TlsClientConfig>,
    settings: Settings,
    options: Options,
}

/// What a round came to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loaded {
    pub(super) answered: u64,
    /// Requests that were due and not answered with what they sent.
    pub(super) unanswered: u64,
    /// CPU time of the process, in percent of all cores.
    pub(super) cpu_pct: f64,
    /// 99th percentiles, in microseconds.
    pub(super) small_p99_us: u64,
    pub(super) large_p99_us: u64,
}

impl Rig {
    pub(super) fn start(options: &Options) -> Result<Self, Failure> {
        match options.runtime {
            RuntimeName::Tokio => Self::start_on::<TokioLoops>(options),
            RuntimeName::Smol => Self::start_on::<SmolLoops>(options),
        }
    }

    fn start_on<L: Loops>(options: &Options) -> Result<Self, Failure> {
        let backend = options.backend;
        let settings = Loader::server()
            .brings_certificate()
            .flag("backend", backend.as_str())
            .flag("bind_addr", "127.0.0.1:0")
            .load()
            .map_err(Failure::faults)?;
        let own = SelfSigned::new("127.0.0.1")?;
        let has_tls = backend != Backend::Tcp;
        let server_tls = has_tls
            .then(|| {
                settings
                    .tls_server_builder()
                    .pem(own.certificate(), own.key())
                    .build()
            })
            .transpose()
            .map_err(Failure::run)?;
        let tls = has_tls
            .then(|| TlsClientConfig::builder().ca_pem(own.certificate()).build())
            .transpose()
            .map_err(Failure::run)?;
        let loops = L::start(cores()).map_err(Failure::run)?;
        let bound = loops.bind(&settings, server_tls).map_err(Failure::run)?;
        let target = format!("{}://{}", backend.as_str(), bound.listener.local());
        let runtime = loops.runtime();
        let server = Server::start(
            &runtime,
            bound.listener,
            test_apps::service(&runtime),
            settings.core_config(),
            settings.server_options(),
        );
        let client = Loader::client().flag("backend", backend.as_str());
        Ok(Self {
            server,
            target: target.parse().map_err(Failure::run)?,
            tls,
            settings: client.load().map_err(Failure::faults)?,
            options: options.clone(),
        })
    }

    /// Loads the server for a round with so many small requests per second, and large ones besides.
    pub(super) fn round(&self, rate: u32) -> Result<Loaded, Failure> {
        let before = (Instant::now(), process_time());
        let conns = self.options.conns;
        let (small, large) = thread::scope(|scope| {
            let large = self.load(LARGE, (rate / SMALL_PER_LARGE).max(1), conns.div_ceil(4));
            let large = scope.spawn(move || load::run(&large));
            let small = load::run(&self.load(SMALL, rate.max(1), conns));
            (small, large.join())
        });
        let large = large.map_err(|_| Failure::run("a load panicked"))??;
        let small = small?;
        let passed = before.0.elapsed().as_secs_f64() * cores() as f64;
        let cpu = process_time().zip(before.1).map_or(0.0, |(after, before)| {
            after.saturating_sub(before).as_secs_f64()
        });
        let unanswered = |report: &Report| report.requests.intended - report.requests.answered;
        let p99 = |report: &Report| report.latency_us.map_or(0, |latency| latency.p99);
        Ok(Loaded {
            answered: small.requests.answered + large.requests.answered,
            unanswered: unanswered(&small) + unanswered(&large),
            cpu_pct: cpu / passed * 100.0,
            small_p99_us: p99(&small),
            large_p99_us: p99(&large),
        })
    }

    fn load(&self, payload: u32, rps: u32, conns: u32) -> LoadOptions {
        LoadOptions {
            target: self.target.clone(),
            runtime: self.options.runtime,
            settings: self.settings.clone(),
            tls: self.tls.clone(),
            conns,
            rps,
            payload,
            duration: Duration::from_secs(self.options.round.into()),
            depth: 16,
            shape: Shape::Unary,
            threads: cores().div_ceil(2),
            progress: false,
            server: None,
        }
    }

    /// Waits until the server has no connection and what is allocated stands still, and tells what
    /// that is.
    pub(super) fn rest(&self, heap: fn() -> Heap) -> Result<Heap, Failure> {
        let deadline = Instant::now() + REST;
        let (mut seen, mut same) = (heap(), 0);
        while same < SAME {
            if Instant::now() > deadline {
                let stats = self.server.stats();
                return Err(Failure::run(format!(
                    "no rest within {REST:?} after a round: {} connections, {} handshakes, {seen:?}",
                    stats.connections, stats.handshakes
                )));
            }
            thread::sleep(LOOK);
            let stats = self.server.stats();
            let now = heap();
            let rests = stats.connections + stats.handshakes == 0 && now == seen;
            same = if rests { same + 1 } else { 0 };
            seen = now;
        }
        Ok(seen)
    }
}
