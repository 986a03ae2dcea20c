//! The connections of one thread.

use std::time::Instant;

use futures_util::stream::{self, StreamExt};
use oap_core::driver::Lanes;
use oap_tokio::{Config, ConnectError, ConnectionInfo, Session};

use super::Plan;
use super::engine::Engine;
use super::recorder::{Recorder, Times};
use crate::{Failure, Negotiated};

/// Connections that one thread establishes at once.
const AT_ONCE: usize = 8;

/// One connection and its number.
pub(super) struct Line {
    pub(super) session: Session,
    pub(super) number: u32,
}

/// What is known once all connections of a thread are up.
pub(super) struct Established {
    pub(super) negotiated: Negotiated,
    /// From the beginning of the connect to the answer to HELLO.
    pub(super) times: Times,
}

/// Establishes every connection whose number falls to this thread.
pub(super) async fn establish<E: Engine>(
    engine: &E,
    plan: &Plan,
    thread: usize,
) -> Result<(Vec<Line>, E::Connector, Established), Failure> {
    let options = &plan.options;
    let connector = engine
        .connector(options, options.tls.clone())
        .map_err(Failure::usage)?;
    let config = options.settings.core_config();
    let numbers = (0..options.conns).skip(thread).step_by(options.threads);
    let mut opening = stream::iter(numbers)
        .map(|number| {
            let (connector, config) = (&connector, config.clone());
            async move {
                let began = Instant::now();
                let made = open(engine, connector, config).await;
                made.map(|(session, info)| (number, session, info, began.elapsed()))
            }
        })
        .buffer_unordered(AT_ONCE);
    let mut lines = Vec::new();
    let mut established = Established {
        negotiated: Negotiated::default(),
        times: Recorder::spread(),
    };
    while let Some(made) = opening.next().await {
        let (number, session, info, took) = made.map_err(|error| {
            Failure::run(format!("cannot connect to {}: {error}", options.target))
        })?;
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

async fn open<E: Engine>(
    engine: &E,
    connector: &E::Connector,
    config: Config,
) -> Result<(Session, ConnectionInfo), ConnectError> {
    let transport = E::connect(connector).await?;
    let info = transport.info().clone();
    let session = Session::connect(engine.runtime(), transport, config).await?;
    Ok((session, info))
}
