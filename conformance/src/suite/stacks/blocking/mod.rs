//! Threads and blocking calls of the standard library: proof that the driver embeds anywhere.
//!
//! Every connection has three threads: its task, one that reads and one that writes. They hand bytes
//! over through bounded queues, so that the task never blocks and a slow peer holds nothing up.

mod listen;
mod pipe;
mod runtime;
mod socket;
mod tls;
mod transport;

use std::future::poll_fn;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use oap_core::Config;
use oap_core::driver::{ConnectError, DrainReport, HandshakeError, Server, Session};
use oap_host::tls::TlsReloader;
use oap_host::uds::UdsOptions;

pub use runtime::{BlockingClock, BlockingRuntime};

use self::listen::StdListener;
use self::tls::{TlsAcceptor, handshake_as_client};
use self::transport::StdTransport;
use super::super::stack::{Address, BoxFuture, Plan, Running, Stack, Target, Wire};

/// A stack of threads.
pub(super) struct BlockingStack {
    runtime: BlockingRuntime,
}

impl BlockingStack {
    pub(super) fn new() -> Self {
        Self {
            runtime: BlockingRuntime::new(),
        }
    }

    fn serve_now(&self, wire: Wire, plan: Plan) -> io::Result<Running> {
        let identity = plan.identity;
        if wire == Wire::Uds {
            let directory = tempfile::tempdir()?;
            let path = directory.path().join("run/oap.sock");
            let (listener, file) = oap_host::uds::bind(&path, &UdsOptions::default())?;
            listener.set_nonblocking(false)?;
            let listener = StdListener::new(listener)?;
            let server = plan.start(&self.runtime, listener, wire);
            let running = Running::new(server, wire, Address::Path(path), identity);
            return Ok(running.keeping((file, directory)));
        }
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = Address::Socket(listener.local_addr()?);
        let listener = StdListener::new(listener)?;
        match wire {
            Wire::Tls => {
                let config = identity.server_config();
                let reloader = TlsReloader::new(config);
                let listener = TlsAcceptor::new(listener, reloader.clone(), self.runtime.clone());
                let server = plan.start(&self.runtime, listener, wire);
                let running = Running::new(server, wire, address, identity);
                Ok(running.reloaded_by(move |identity| reloader.replace(identity.server_config())))
            }
            _ => {
                let server = plan.start(&self.runtime, listener, wire);
                Ok(Running::new(server, wire, address, identity))
            }
        }
    }

    // The peers are on this machine: a socket is connected at once or refused at once.
    async fn connect_now(&self, target: &Target, config: Config) -> Result<Session, ConnectError> {
        let failed = |error| ConnectError::Handshake(HandshakeError::Io(error));
        if target.wire == Wire::Uds {
            let stream = UnixStream::connect(target.path()).map_err(failed)?;
            let transport = StdTransport::new(stream).map_err(failed)?;
            return Session::connect(&self.runtime, transport, config).await;
        }
        let stream = TcpStream::connect(target.socket()).map_err(failed)?;
        let mut transport = StdTransport::new(stream).map_err(failed)?;
        if target.wire != Wire::Tls {
            return Session::connect(&self.runtime, transport, config).await;
        }
        let tls = target.trust.client_config();
        let mut handshake = handshake_as_client(&tls, &self.runtime);
        let secured = poll_fn(|cx| handshake.poll(cx, &mut transport)).await?;
        Session::connect(&self.runtime, secured.over(transport), config).await
    }
}

impl Stack for BlockingStack {
    fn serve(&self, wire: Wire, plan: Plan) -> BoxFuture<'_, io::Result<Running>> {
        Box::pin(async move { self.serve_now(wire, plan) })
    }

    fn connect<'a>(
        &'a self,
        target: &'a Target,
        config: Config,
    ) -> BoxFuture<'a, Result<Session, ConnectError>> {
        Box::pin(self.connect_now(target, config))
    }

    fn drain<'a>(&'a self, server: &'a Server, timeout: Duration) -> BoxFuture<'a, DrainReport> {
        Box::pin(server.drain(&self.runtime, timeout))
    }
}
