//! A thread of smol, with an executor of its own.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use oap_smol::config::{AnyTransport, Connector, Settings, SetupError};
use oap_smol::{HandshakeError, SmolRuntime, TlsClientConfig};
use smol::{Executor, Timer};

use super::{Alarm, Engine};
use crate::Target;

#[derive(Clone)]
pub(in crate::load) struct SmolEngine(SmolRuntime);

impl Engine for SmolEngine {
    type Runtime = SmolRuntime;
    type Connector = Connector;
    type Alarm = FineAlarm;

    fn run<F>(work: impl FnOnce(Self) -> F) -> io::Result<()>
    where
        F: Future<Output = ()>,
    {
        let executor = Arc::new(Executor::new());
        let engine = Self(SmolRuntime::new(executor.clone()));
        smol::block_on(executor.run(work(engine)));
        Ok(())
    }

    fn runtime(&self) -> &SmolRuntime {
        &self.0
    }

    fn connector(
        &self,
        settings: &Settings,
        target: &Target,
        tls: Option<TlsClientConfig>,
    ) -> Result<Connector, SetupError> {
        let target = target.to_library();
        match tls {
            Some(tls) => Connector::with_tls(settings, target, tls),
            None => Connector::new(settings, target),
        }
    }

    async fn connect(connector: &Connector) -> Result<AnyTransport, HandshakeError> {
        connector.connect().await
    }

    async fn wait_idle(connector: &Connector) {
        connector.wait_idle().await;
    }

    fn alarm(&self) -> io::Result<FineAlarm> {
        Ok(FineAlarm)
    }
}

/// Timers of smol are as exact as the system's.
pub(in crate::load) struct FineAlarm;

impl Alarm for FineAlarm {
    async fn wait_until(&mut self, at: Instant) -> io::Result<()> {
        if at > Instant::now() {
            Timer::at(at).await;
        }
        Ok(())
    }
}
