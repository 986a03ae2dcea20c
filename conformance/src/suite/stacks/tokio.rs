//! oap-tokio, on either flavour of the runtime.

use std::io;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use ::tokio::runtime::{Builder, Handle, Runtime};
use ::tokio::sync::oneshot;
use oap_core::Config;
use oap_core::driver::{ConnectError, DrainReport, Server, Session};
use oap_tokio::{
    QuicConnector, QuicListener, QuicOptions, TcpListener, TcpOptions, TlsConnector, TlsListener,
    TokioRuntime, UdsListener, UdsOptions, connect, connect_uds,
};

use crate::suite::pki::PerIdentity;
use crate::suite::stack::{Address, BoxFuture, Plan, Running, Stack, Target, Wire};

pub(super) struct TokioStack {
    handle: Handle,
    runtime: TokioRuntime,
    connectors: PerIdentity<QuicConnector>,
    _threads: Threads,
}

/// What runs the runtime; it stops when this is dropped.
enum Threads {
    Many(Option<Runtime>),
    One(#[expect(dead_code, reason = "its drop is the signal")] oneshot::Sender<()>),
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Self::Many(runtime) = self {
            runtime
                .take()
                .into_iter()
                .for_each(Runtime::shutdown_background);
        }
    }
}

impl TokioStack {
    pub(super) fn multi_thread() -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        Self::new(runtime.handle().clone(), Threads::Many(Some(runtime)))
    }

    pub(super) fn current_thread() -> Self {
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            let runtime = Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            tell.send(runtime.handle().clone()).expect("who started it");
            // It is the sender's drop that ends the runtime.
            let _ = runtime.block_on(stopped);
            runtime.shutdown_background();
        });
        let handle = told.recv().expect("a runtime");
        Self::new(handle, Threads::One(stop))
    }

    fn new(handle: Handle, threads: Threads) -> Self {
        Self {
            runtime: TokioRuntime::new(handle.clone()),
            handle,
            connectors: PerIdentity::default(),
            _threads: threads,
        }
    }

    /// Runs `work` inside the runtime; anybody may wait for it.
    fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> BoxFuture<'_, T> {
        let task = self.handle.spawn(work);
        Box::pin(async move { task.await.expect("a task of the stack") })
    }
}

impl Stack for TokioStack {
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

async fn serve(runtime: TokioRuntime, wire: Wire, plan: Plan) -> io::Result<Running> {
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
            let listener = QuicListener::bind("127.0.0.1:0", config, &plan.quic).await?;
            let address = Address::Socket(listener.local_addr()?);
            let reloader = listener.reloader();
            let server = plan.start(&runtime, listener, wire);
            let running = Running::new(server, wire, address, identity);
            Ok(running.reloaded_by(move |identity| reloader.replace(identity.server_config())))
        }
    }
}

async fn dial(
    runtime: TokioRuntime,
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
                QuicConnector::new(config, QuicOptions::default())
            });
            let address = format!("localhost:{}", target.socket().port());
            let transport = connector.connect(&address).await?;
            Session::connect(&runtime, transport, config).await
        }
    }
}
