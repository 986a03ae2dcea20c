//! A host of the test applications: one server of any backend, on either runtime, with what an
//! operator needs.

mod identity;
mod options;
mod running;

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::mpsc;

use oap_core::driver::test_apps;
use oap_tokio::config::{Backend, Live, Settings};
use oap_tokio::{Condition, Readiness, Server};

use crate::loops::{Held, Loops, RuntimeName, SmolLoops, TokioLoops};
use crate::ops::{self, Logs};
use crate::{Failure, exit};
use identity::Identity;
use options::Options;
use running::{Event, Running};

/// The whole program of a server whose backend is `backend` unless it is told otherwise.
pub fn server_main(program: &'static str, backend: Backend) -> ExitCode {
    exit(program, run(program, backend))
}

fn run(program: &'static str, backend: Backend) -> Result<(), Failure> {
    let options = Options::parse(program, backend)?;
    let settings = options.settings()?;
    let identity = Identity::of(&settings)?;
    options.check(&settings, &identity)?;
    let logs = Logs::start(&settings.log, &options.console())?;
    match options.runtime {
        RuntimeName::Tokio => host::<TokioLoops>(options, settings, identity, logs),
        RuntimeName::Smol => host::<SmolLoops>(options, settings, identity, logs),
    }
}

fn host<L: Loops>(
    options: Options,
    settings: Settings,
    identity: Identity,
    logs: Logs,
) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::run(format!("a thread cannot start: {error}"));
    let readiness = Readiness::new(conditions(settings.backend));
    let (events_to, events) = mpsc::channel();
    let signals_to = events_to.clone();
    let metrics = ops::start(
        options.metrics,
        settings.backend,
        readiness.clone(),
        move |signal| signals_to.send(Event::Signal(signal)).is_ok(),
    )?;

    let tls = identity.server_config(&settings).map_err(Failure::usage)?;
    readiness.meet(Condition::TlsConfigLoaded);
    let loops = L::start(options.threads()).map_err(failed)?;
    let bound = loops.bind(&settings, tls).map_err(Failure::run)?;
    let local = bound.listener.local().to_string();
    let (listener, listener_gone) = Held::new(bound.listener);
    let runtime = loops.runtime();
    let server = Server::start(
        &runtime,
        listener,
        test_apps::service(&runtime),
        settings.core_config(),
        settings.server_options(),
    );
    readiness.meet(Condition::ListenerBound);
    tracing::info!(
        backend = settings.backend.as_str(),
        runtime = options.runtime.as_str(),
        %local,
        "listening"
    );
    announce(&local, metrics).map_err(|error| Failure::run(format!("stdout: {error}")))?;

    let running = Running {
        server,
        runtime,
        live: Live::new(settings),
        loader: options.loader(),
        identity,
        tls: bound.tls,
        logs,
        readiness,
        events_to,
    };
    let totals = running.until_stopped(&events);
    // The last sender goes with the listener, and the socket's file before it.
    let _ = listener_gone.recv_timeout(running::GRACE);
    tracing::info!("{totals}");
    Ok(())
}

fn conditions(backend: Backend) -> Vec<Condition> {
    match backend {
        Backend::Tls | Backend::Quic => {
            vec![Condition::ListenerBound, Condition::TlsConfigLoaded]
        }
        Backend::Tor => vec![Condition::ListenerBound, Condition::TorBootstrap],
        _ => vec![Condition::ListenerBound],
    }
}

fn announce(local: &str, metrics: Option<std::net::SocketAddr>) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "listening on {local}")?;
    if let Some(address) = metrics {
        writeln!(stdout, "metrics on http://{address}/metrics")?;
    }
    stdout.flush()
}
