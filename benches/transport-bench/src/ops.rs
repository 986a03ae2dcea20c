//! What an operator has of a server: signals, logs, metrics, health. It runs on a thread of its own,
//! on a private runtime, whatever the server itself runs on.

mod console;
mod http;
mod logs;
mod metrics;
mod signals;

use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use oap_tokio::Readiness;
use oap_tokio::config::Backend;
use tokio::runtime::Builder;
use tokio::time::interval;

use crate::Failure;
pub(crate) use console::Console;
pub(crate) use logs::Logs;
pub(crate) use signals::{Signal, Signals};

/// How often the recorder puts what was recorded into its buckets.
const UPKEEP: Duration = Duration::from_secs(5);

/// Starts the thread. `tell` gets the signals until it says that nobody listens; where there is an address, metrics and health are
/// served there. Returns the address, with the port that was taken.
///
/// It must be called before anything records metrics.
///
/// # Errors
/// An address that cannot be listened on; a thread that cannot be started.
pub(crate) fn start(
    address: Option<SocketAddr>,
    backend: Backend,
    readiness: Readiness,
    tell: impl Fn(Signal) -> bool + Send + Sync + 'static,
) -> Result<Option<SocketAddr>, Failure> {
    let failed = |error: io::Error| Failure::run(format!("the operations thread: {error}"));
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(failed)?;
    let mut installed = runtime
        .block_on(async { Signals::install() })
        .map_err(failed)?;
    let endpoint = address
        .map(|address| runtime.block_on(http::Endpoint::bind(address, backend, readiness)))
        .transpose()?;
    let taken = endpoint.as_ref().map(|endpoint| endpoint.address);
    let work = async move {
        let forward = async { while tell(installed.next().await) {} };
        match endpoint {
            None => forward.await,
            Some(endpoint) => {
                let metrics = endpoint.metrics.clone();
                let upkeep = async {
                    let mut ticks = interval(UPKEEP);
                    loop {
                        ticks.tick().await;
                        metrics.run_upkeep();
                    }
                };
                tokio::join!(forward, upkeep, endpoint.serve());
            }
        }
    };
    thread::Builder::new()
        .name("operations".to_owned())
        .spawn(move || runtime.block_on(work))
        .map_err(failed)?;
    Ok(taken)
}
