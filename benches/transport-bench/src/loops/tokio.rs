//! Event loops of tokio, one for each thread: that is faster than one runtime of several threads.

use std::future::{Future, pending};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use oap_core::Timestamp;
use oap_core::driver::Runtime;
use oap_tokio::config::{AnyListener, Backend, Local, Settings, SetupError};
use oap_tokio::{
    QuicListener, TcpListener, TlsReloader, TlsServerConfig, TokioClock, TokioRuntime,
};
use tokio::runtime::{Builder, Handle};

use super::moved::{Moved, MovedTls};
use super::{Bound, Loops};

/// Gives each task to the next thread.
#[derive(Clone)]
pub(crate) struct Spread {
    runtimes: Arc<[TokioRuntime]>,
    turn: Arc<AtomicUsize>,
}

impl Spread {
    /// The one that gets the first task; there is at least one.
    fn first(&self) -> &TokioRuntime {
        &self.runtimes[0]
    }
}

impl Runtime for Spread {
    type Clock = TokioClock;

    fn now(&self) -> Timestamp {
        self.first().now()
    }

    // All clocks are the first one's, so that they have one origin.
    fn clock(&self) -> TokioClock {
        self.first().clock()
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        self.runtimes[turn % self.runtimes.len()].spawn(task);
    }
}

pub(crate) struct TokioLoops {
    /// The thread that accepts.
    first: Handle,
    runtime: Spread,
}

impl Loops for TokioLoops {
    type Runtime = Spread;

    fn start(threads: usize) -> io::Result<Self> {
        let handles = (0..threads)
            .map(start_one)
            .collect::<io::Result<Vec<_>>>()?;
        let first = handles[0].clone();
        let runtime = Spread {
            runtimes: handles.into_iter().map(TokioRuntime::new).collect(),
            turn: Arc::default(),
        };
        Ok(Self { first, runtime })
    }

    fn runtime(&self) -> Self::Runtime {
        self.runtime.clone()
    }

    fn bind(&self, settings: &Settings, tls: Option<TlsServerConfig>) -> Result<Bound, SetupError> {
        self.first.block_on(bind(settings, tls))
    }
}

fn start_one(index: usize) -> io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    thread::Builder::new()
        .name(format!("serve-{index}"))
        .spawn(move || runtime.block_on(pending::<()>()))?;
    Ok(handle)
}

async fn bind(settings: &Settings, tls: Option<TlsServerConfig>) -> Result<Bound, SetupError> {
    let address = settings.bind_addr;
    let failed = |error| SetupError::listen(address, error);
    let made = |listener, tls| Ok(Bound { listener, tls });
    match (settings.backend, tls) {
        (Backend::Tcp, _) => {
            let (tcp, local) = bind_tcp(settings).await?;
            made(AnyListener::new(Moved(tcp), local), None)
        }
        (Backend::Tls, Some(config)) => {
            let (tcp, local) = bind_tcp(settings).await?;
            let listener = MovedTls::new(tcp, config);
            let reloader = Some(listener.reloader());
            made(AnyListener::new(listener, local), reloader)
        }
        // Its sockets are those of the endpoint, whose task stays where it is.
        (Backend::Quic, Some(config)) => {
            let listener = QuicListener::bind(address, config, &settings.quic_options())
                .await
                .map_err(failed)?;
            let local = Local::Address(listener.local_addr().map_err(failed)?);
            let reloader: Option<TlsReloader> = Some(listener.reloader());
            made(AnyListener::new(listener, local), reloader)
        }
        #[cfg(unix)]
        (Backend::Uds, _) => {
            let path = settings.uds.path.as_deref().unwrap_or("".as_ref());
            let listener = oap_tokio::UdsListener::bind(path, settings.uds_options());
            let listener = listener.map_err(SetupError::Socket)?;
            let local = Local::Path(listener.path().to_owned());
            made(AnyListener::new(Moved(listener), local), None)
        }
        (other, _) => Err(SetupError::NotBuilt(other)),
    }
}

async fn bind_tcp(settings: &Settings) -> Result<(TcpListener, Local), SetupError> {
    let address = settings.bind_addr;
    let failed = |error| SetupError::listen(address, error);
    let tcp = TcpListener::bind(address, &settings.tcp_options())
        .await
        .map_err(failed)?;
    let local = Local::Address(tcp.local_addr().map_err(failed)?);
    Ok((tcp, local))
}
