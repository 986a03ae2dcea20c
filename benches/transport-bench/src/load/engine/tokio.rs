//! A thread of tokio.

use std::future::Future;
use std::io;
use std::time::Instant;

use oap_tokio::config::{AnyTransport, Connector, Settings, SetupError};
use oap_tokio::{HandshakeError, TlsClientConfig, TokioRuntime};
#[cfg(target_os = "linux")]
use tokio::io::unix::AsyncFd;
use tokio::runtime::Builder;

use super::{Alarm, Engine};
use crate::Target;

#[derive(Clone)]
pub(in crate::load) struct TokioEngine(TokioRuntime);

impl Engine for TokioEngine {
    type Runtime = TokioRuntime;
    type Connector = Connector;
    type Alarm = FineAlarm;

    fn run<F>(work: impl FnOnce(Self) -> F) -> io::Result<()>
    where
        F: Future<Output = ()>,
    {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let engine = Self(TokioRuntime::new(runtime.handle().clone()));
        runtime.block_on(work(engine));
        Ok(())
    }

    fn runtime(&self) -> &TokioRuntime {
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
        FineAlarm::new()
    }
}

/// Waits more exactly than tokio's timers, which round up to a millisecond: at thousands of requests
/// per second that would send them in bursts and count in their latency.
#[cfg(target_os = "linux")]
pub(in crate::load) struct FineAlarm(AsyncFd<std::os::fd::OwnedFd>);

#[cfg(target_os = "linux")]
impl FineAlarm {
    #[allow(
        deprecated,
        reason = "the safe constructor is unsound only for types that give away or close their \
                  descriptor, which OwnedFd does not; its successor is an unsafe function"
    )]
    fn new() -> io::Result<Self> {
        use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        Ok(Self(AsyncFd::new(timer)?))
    }
}

#[cfg(target_os = "linux")]
impl Alarm for FineAlarm {
    async fn wait_until(&mut self, at: Instant) -> io::Result<()> {
        use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};
        loop {
            let left = at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            let once = Itimerspec {
                it_interval: Timespec::default(),
                it_value: Timespec::try_from(left).map_err(io::Error::other)?,
            };
            timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &once)?;
            // Setting it again takes the expiration back, so nothing need be read.
            self.0.readable().await?.clear_ready();
        }
    }
}

/// Waits to the millisecond.
#[cfg(not(target_os = "linux"))]
pub(in crate::load) struct FineAlarm;

#[cfg(not(target_os = "linux"))]
impl FineAlarm {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }
}

#[cfg(not(target_os = "linux"))]
impl Alarm for FineAlarm {
    async fn wait_until(&mut self, at: Instant) -> io::Result<()> {
        tokio::time::sleep_until(at.into()).await;
        Ok(())
    }
}
