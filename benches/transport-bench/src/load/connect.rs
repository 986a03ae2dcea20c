//! The connections of one thread.

use std::time::Instant;

use futures_util::stream::{self, StreamExt};
use oap_core::driver::Lanes;
use oap_tokio::{Config, ConnectError, ConnectionInfo, Session};

use super::Plan;
use super::engine::Engine;
use super::recorder::Times;
use crate::{Failure, Negotiated, Target};

/// Connections that one thread establishes at once.
pub(super) const AT_ONCE: usize = 8;

/// One connection and its number.
pub(super) struct Line {
    pub(super) session: Session,
    pub(super) number: u32,
}

/// What is known once all connections are up.
#[derive(Default)]
pub(super) struct Established {
    pub(super) negotiated: Negotiated,
    /// From the beginning of the connect to the answer to HELLO.
    pub(super) times: Times,
}

impl Established {
    /// Adds those of another thread.
    pub(super) fn merge(&mut self, other: &Self) {
        self.negotiated.merge(&other.negotiated);
        self.times.merge(&other.times);
    }
}

/// Establishes every connection whose number falls to this thread.
pub(super) async fn establish<E: Engine>(
    engine: &E,
    plan: &Plan,
    thread: usize,
) -> Result<(Vec<Line>, E::Connector, Established), Failure> {
    let options = &plan.options;
    let connector = engine
        .connector(&options.settings, &options.target, options.tls.clone())
        .map_err(Failure::usage)?;
    let config = options.settings.core_config();
    let numbers = (0..options.conns).skip(thread).step_by(options.threads);
    let mut opening = stream::iter(numbers)
        .map(|number| {
            let (connector, config) = (&connector, config.clone());
            async move {
                let began = Instant::now();
                let made = open(engine, connector, config).await;
                made.map(|opened| (number, opened, began.elapsed()))
            }
        })
        .buffer_unordered(AT_ONCE);
    let mut lines = Vec::new();
    let mut established = Established::default();
    while let Some(made) = opening.next().await {
        let (number, Opened { session, info, .. }, took) =
            made.map_err(|error| cannot_connect(&options.target, &error))?;
        let hello = session.hello();
        established
            .negotiated
            .merge(&Negotiated::new(&info, hello.as_ref()));
        established.times.record(took);
        lines.push(Line { session, number });
    }
    drop(opening);
    lines.sort_unstable_by_key(|line| line.number);
    Ok((lines, connector, established))
}

/// What ends a run before it has begun.
pub(super) fn cannot_connect(target: &Target, error: &ConnectError) -> Failure {
    Failure::run(format!("cannot connect to {target}: {error}"))
}

/// A connection whose HELLO is answered.
pub(super) struct Opened {
    pub(super) session: Session,
    pub(super) info: ConnectionInfo,
    /// When the transport was there, before HELLO.
    pub(super) connected: Instant,
}

pub(super) async fn open<E: Engine>(
    engine: &E,
    connector: &E::Connector,
    config: Config,
) -> Result<Opened, ConnectError> {
    let transport = E::connect(connector).await?;
    let connected = Instant::now();
    let info = transport.info().clone();
    let session = Session::connect(engine.runtime(), transport, config).await?;
    Ok(Opened {
        session,
        info,
        connected,
    })
}
