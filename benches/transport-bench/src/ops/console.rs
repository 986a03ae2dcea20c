//! What tokio-console shows, in builds that have it.

use std::net::SocketAddr;

use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::Registry;

use crate::Failure;

/// Where tokio-console finds us, if anywhere.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Console(pub(crate) Option<SocketAddr>);

impl Console {
    /// What collects for it; `None` where it is not wanted.
    ///
    /// # Errors
    /// It is wanted, and this build has it not.
    pub(super) fn layer(self) -> Result<Option<Box<dyn Layer<Registry> + Send + Sync>>, Failure> {
        match self.0 {
            None => Ok(None),
            Some(address) => collect(address).map(Some),
        }
    }
}

#[cfg(all(feature = "console", tokio_unstable))]
fn collect(address: SocketAddr) -> Result<Box<dyn Layer<Registry> + Send + Sync>, Failure> {
    let builder = console_subscriber::ConsoleLayer::builder().server_addr(address);
    Ok(builder.spawn().boxed())
}

#[cfg(not(all(feature = "console", tokio_unstable)))]
fn collect(address: SocketAddr) -> Result<Box<dyn Layer<Registry> + Send + Sync>, Failure> {
    Err(Failure::usage(format!(
        "--console {address}: this build has no tokio-console: build with --features console and \
         RUSTFLAGS=\"--cfg tokio_unstable\""
    )))
}
