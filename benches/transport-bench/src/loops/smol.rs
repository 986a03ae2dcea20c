//! Event loops of smol. Its sockets are registered with one reactor, whatever thread they are used
//! on, so the threads share an executor: one for each thread costs a quarter more on QUIC and saves
//! little elsewhere.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::thread;

use oap_smol::config::{AnyListener, Backend, Local, Settings, SetupError};
use oap_smol::{SmolRuntime, TcpListener, TlsListener, TlsServerConfig};
use smol::Executor;

use super::{Bound, Loops};

pub(crate) struct SmolLoops(SmolRuntime);

impl Loops for SmolLoops {
    type Runtime = SmolRuntime;

    fn start(threads: usize) -> io::Result<Self> {
        let executor = Arc::new(Executor::new());
        for index in 0..threads {
            let executor = executor.clone();
            thread::Builder::new()
                .name(format!("serve-{index}"))
                .spawn(move || smol::block_on(executor.run(pending::<()>())))?;
        }
        Ok(Self(SmolRuntime::new(executor)))
    }

    fn runtime(&self) -> SmolRuntime {
        self.0.clone()
    }

    fn bind(&self, settings: &Settings, tls: Option<TlsServerConfig>) -> Result<Bound, SetupError> {
        smol::block_on(bind(&self.0, settings, tls))
    }
}

async fn bind(
    runtime: &SmolRuntime,
    settings: &Settings,
    tls: Option<TlsServerConfig>,
) -> Result<Bound, SetupError> {
    let address = settings.bind_addr;
    let failed = |error| SetupError::listen(address, error);
    let made = |listener, tls| Ok(Bound { listener, tls });
    match (settings.backend, tls) {
        (Backend::Tls, Some(config)) => {
            let tcp = TcpListener::bind(address, &settings.tcp_options())
                .await
                .map_err(failed)?;
            let local = Local::Address(tcp.local_addr().map_err(failed)?);
            let listener = TlsListener::new(tcp, config);
            let reloader = Some(listener.reloader());
            made(AnyListener::new(listener, local), reloader)
        }
        #[cfg(unix)]
        (Backend::Quic, Some(config)) => {
            let options = settings.quic_options();
            let listener = oap_smol::QuicListener::bind_on(runtime, address, config, &options)
                .await
                .map_err(failed)?;
            let local = Local::Address(listener.local_addr().map_err(failed)?);
            let reloader = Some(listener.reloader());
            made(AnyListener::new(listener, local), reloader)
        }
        (Backend::Tcp | Backend::Uds, _) => made(oap_smol::config::bind(settings).await?, None),
        (other, _) => Err(SetupError::NotBuilt(other)),
    }
}
