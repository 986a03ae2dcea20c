//! oap-smol, on an executor of two threads.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use ::smol::Executor;
use ::smol::channel::{Sender, bounded};
use oap_core::Config;
use oap_core::driver::{ConnectError, DrainReport, Server, Session};
use oap_smol::{
    QuicConnector, QuicListener, QuicOptions, SmolRuntime, TcpListener, TcpOptions, TlsConnector,
    TlsListener, UdsListener, UdsOptions, connect, connect_uds,
};

use crate::suite::pki::PerIdentity;
use crate::suite::stack::{Address, BoxFuture, Plan, Running, Stack, Target, Wire};

const THREADS: usize = 2;

pub(super) struct SmolStack {
    executor: Arc<Executor<'static>>,
    runtime: SmolRuntime,
    connectors: PerIdentity<QuicConnector>,
    /// Its drop stops the threads.
    _running: Sender<()>,
}

impl SmolStack {
    pub(super) fn new() -> Self {
        let executor = Arc::new(Executor::new());
        let (running, stopped) = bounded::<()>(1);
        for _ in 0..THREADS {
            let (executor, stopped) = (executor.clone(), stopped.clone());
            thread::spawn(move || {
                // It is the sender's drop that ends the thread.
                let _ = ::smol::block_on(executor.run(stopped.recv()));
            });
        }
        Self {
            runtime: SmolRuntime::new(executor.clone()),
            executor,
            connectors: PerIdentity::default(),
            _running: running,
        }
    }

    /// Runs `work` on the executor; anybody may wait for it.
    fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> BoxFuture<'_, T> {
        Box::pin(self.executor.spawn(work))
    }
}

impl Stack for SmolStack {
    fn serve(&self, wire: Wire, plan: Plan) -> BoxFuture<'_, io::Result<Running>> {
        self.run(serve(self.runtime.clone(), wire, plan))
    }

    fn connect<'a>(
        &'a self,
        target: &'a Target,
        config: Config,
    ) -> BoxFuture<'a, Result<Session, ConnectError>> {
        let connectors = self.connectors.clone();
        self.run(dial(
            self.runtime.clone(),
            connectors,
            target.clone(),
            config,
        ))
    }

    fn drain<'a>(&'a self, server: &'a Server, timeout: Duration) -> BoxFuture<'a, DrainReport> {
        let (server, runtime) = (server.clone(), self.runtime.clone());
        self.run(async move { server.drain(&runtime, timeout).await })
    }
}

async fn serve(runtime: SmolRuntime, wire: Wire, plan: Plan) -> io::Result<Running> {
    let identity = plan.identity;
    match wire {
        Wire::Tcp | Wire::Tls => {
            let tcp = TcpListener::bind("127.0.0.1:0", &TcpOptions::default()).await?;
            let address = Address::Socket(tcp.local_addr()?);
            if wire == Wire::Tcp {
                let server = plan.start(&runtime, tcp, wire);
                return Ok(Running::new(server, wire, address, identity));
            }
            let listener = TlsListener::new(tcp, identity.server_config());
            let reloader = listener.reloader();
            let server = plan.start(&runtime, listener, wire);
            let running = Running::new(server, wire, address, identity);
            Ok(running.reloaded_by(move |identity| reloader.replace(identity.server_config())))
        }
        Wire::Uds => {
            let directory = tempfile::tempdir()?;
            let path = directory.path().join("run/oap.sock");
            let listener = UdsListener::bind(&path, UdsOptions::default())?;
            let server = plan.start(&runtime, listener, wire);
            let running = Running::new(server, wire, Address::Path(path), identity);
            Ok(running.keeping(directory))
        }
        Wire::Quic => {
            let config = identity.server_config();
            let listener =
                QuicListener::bind_on(&runtime, "127.0.0.1:0", config, &plan.quic).await?;
            let address = Address::Socket(listener.local_addr()?);
            let reloader = listener.reloader();
            let server = plan.start(&runtime, listener, wire);
            let running = Running::new(server, wire, address, identity);
            Ok(running.reloaded_by(move |identity| reloader.replace(identity.server_config())))
        }
    }
}

async fn dial(
    runtime: SmolRuntime,
    connectors: PerIdentity<QuicConnector>,
    target: Target,
    config: Config,
) -> Result<Session, ConnectError> {
    let options = TcpOptions::default();
    match target.wire {
        Wire::Tcp => {
            let transport = connect(target.socket(), &options).await?;
            Session::connect(&runtime, transport, config).await
        }
        Wire::Tls => {
            let connector = TlsConnector::new(target.trust.client_config(), options);
            let address = format!("localhost:{}", target.socket().port());
            let transport = connector.connect(&address).await?;
            Session::connect(&runtime, transport, config).await
        }
        Wire::Uds => {
            let transport = connect_uds(target.path()).await?;
            Session::connect(&runtime, transport, config).await
        }
        Wire::Quic => {
            let connector = connectors.get(target.trust, || {
                let config = target.trust.client_config();
                QuicConnector::new_on(&runtime, config, QuicOptions::default())
            });
            let address = format!("localhost:{}", target.socket().port());
            let transport = connector.connect(&address).await?;
            Session::connect(&runtime, transport, config).await
        }
    }
}
