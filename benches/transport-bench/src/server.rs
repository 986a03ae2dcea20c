//! The echo server: one thread accepts, the others serve, each with an event loop of its own.

use std::future::ready;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use oap_core::driver::test_apps;
use oap_tokio::{Config, Server, ServerOptions, StreamTransport, TlsServerConfig, TokioRuntime};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, watch};

use crate::handover::{Accepted, Handover};
use crate::{Address, Failure, MAX_CONNECTIONS, Signals};

/// How long requests in flight may take to finish once the server has been asked to end.
const DRAIN: Duration = Duration::from_secs(30);
/// Accepted connections that wait for one thread; further ones stay in the kernel's backlog.
const WAITING: usize = 64;
/// Pause after an accept that failed, for want of descriptors say.
const PAUSE: Duration = Duration::from_millis(50);

/// What to serve and where.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Where to listen.
    pub listen: Address,
    /// TLS, or plain TCP.
    pub tls: Option<TlsServerConfig>,
    /// Threads that serve, at least 1.
    pub threads: usize,
}

/// What a server did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServeTotals {
    /// Connections accepted.
    pub accepted: u64,
    /// Handshakes that failed.
    pub handshakes_failed: u64,
    /// Connections that had finished their work when the server ended.
    pub drained: usize,
    /// Connections that were cut off.
    pub aborted: usize,
}

/// Serves the test applications until a signal comes and the connections are drained; a second
/// signal cuts them off. Prints `listening on ADDR` to stdout when it is ready.
///
/// # Errors
/// An address that cannot be listened on; threads that cannot be started.
pub fn serve(options: &ServeOptions) -> Result<ServeTotals, Failure> {
    let failed = |error| Failure::run(format!("--listen {}: {error}", options.listen));
    let runtime = event_loop().map_err(failed)?;
    runtime.block_on(async {
        let mut signals = Signals::install().map_err(failed)?;
        let listener = TcpListener::bind(options.listen.to_string())
            .await
            .map_err(failed)?;
        let mut pool = Pool::start(options).map_err(failed)?;
        announce(listener.local_addr().map_err(failed)?).map_err(failed)?;
        tokio::select! {
            () = pool.accept(listener) => {}
            () = signals.next() => {}
        }
        Ok(pool.end(signals).await)
    })
}

fn announce(address: SocketAddr) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "listening on {address}")?;
    stdout.flush()
}

fn event_loop() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
enum Stage {
    Serve,
    Drain,
    Leave,
}

/// The serving threads.
struct Pool {
    lines: Vec<mpsc::Sender<Accepted>>,
    stage: watch::Sender<Stage>,
    totals: mpsc::UnboundedReceiver<ServeTotals>,
}

impl Pool {
    fn start(options: &ServeOptions) -> io::Result<Self> {
        let (stage, watched) = watch::channel(Stage::Serve);
        let (report, totals) = mpsc::unbounded_channel();
        let mut lines = Vec::new();
        for index in 0..options.threads {
            let (line, accepted) = mpsc::channel(WAITING);
            let (tls, watched, report) = (options.tls.clone(), watched.clone(), report.clone());
            let runtime = event_loop()?;
            thread::Builder::new()
                .name(format!("serve-{index}"))
                .spawn(move || {
                    let done = runtime.block_on(serve_line(accepted, tls, watched));
                    // The main thread waits for it unless it was told to leave.
                    let _ = report.send(done);
                })?;
            lines.push(line);
        }
        Ok(Self {
            lines,
            stage,
            totals,
        })
    }

    /// Hands connections to the threads in turn, for ever.
    async fn accept(&self, listener: TcpListener) {
        let mut turn = 0;
        loop {
            let accepted = match listener.accept().await {
                Ok((stream, peer)) => stream.into_std().map(|stream| (stream, peer)),
                Err(error) => Err(error),
            };
            match accepted {
                Ok(accepted) => {
                    let line = &self.lines[turn % self.lines.len()];
                    turn += 1;
                    if line.send(accepted).await.is_err() {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// Drains, or after another signal leaves.
    async fn end(&mut self, mut signals: Signals) -> ServeTotals {
        self.lines.clear();
        self.stage.send_replace(Stage::Drain);
        let mut sum = ServeTotals::default();
        loop {
            tokio::select! {
                done = self.totals.recv() => match done {
                    Some(line) => {
                        sum.accepted += line.accepted;
                        sum.handshakes_failed += line.handshakes_failed;
                        sum.drained += line.drained;
                        sum.aborted += line.aborted;
                    }
                    None => return sum,
                },
                () = signals.next() => {
                    self.stage.send_replace(Stage::Leave);
                }
            }
        }
    }
}

async fn serve_line(
    accepted: mpsc::Receiver<Accepted>,
    tls: Option<TlsServerConfig>,
    mut stage: watch::Receiver<Stage>,
) -> ServeTotals {
    let runtime = TokioRuntime::current();
    let service = test_apps::service(&runtime);
    let config = Config {
        transports: vec![if tls.is_some() { "tls" } else { "tcp" }.into()],
        ..Config::default()
    };
    let options = ServerOptions::default().with_max_connections(MAX_CONNECTIONS as usize);
    let server = match tls {
        Some(tls) => {
            let listener = Handover::new(accepted, move |stream, info| tls.accept(stream, info));
            Server::start(&runtime, listener, service, config, options)
        }
        None => {
            let listener = Handover::new(accepted, |stream, info| {
                ready(Ok(StreamTransport::new(stream, info)))
            });
            Server::start(&runtime, listener, service, config, options)
        }
    };
    // A sender that is gone means the same: the main thread has ended.
    let _ = stage.wait_for(|stage| *stage != Stage::Serve).await;
    let stats = server.stats();
    let (drained, aborted) = tokio::select! {
        report = server.drain(&runtime, DRAIN) => (report.drained, report.aborted),
        _ = stage.wait_for(|stage| *stage == Stage::Leave) => {
            let left = server.stats().connections;
            (stats.connections.saturating_sub(left), left)
        }
    };
    ServeTotals {
        accepted: stats.accepted,
        handshakes_failed: stats.handshakes_failed,
        drained,
        aborted,
    }
}
