//! What the load needs of a runtime, so that one load serves both.

mod smol;
mod tokio;

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::time::{Duration, Instant};

use ::tokio::sync::oneshot;
use futures_util::future::{Either, select};
use oap_core::driver::{Clock, Runtime};
use oap_tokio::config::{AnyTransport, Settings, SetupError};
use oap_tokio::{HandshakeError, TlsClientConfig};

pub(super) use self::smol::SmolEngine;
pub(super) use self::tokio::TokioEngine;
use crate::Target;

/// One thread's event loop.
pub(super) trait Engine: Clone + Send + Sync + 'static {
    type Runtime: Runtime;
    type Connector: Send + Sync + 'static;
    type Alarm: Alarm;

    /// Makes an event loop and runs `work` to its end on it.
    fn run<F>(work: impl FnOnce(Self) -> F) -> io::Result<()>
    where
        F: Future<Output = ()>;

    /// What the driver is given.
    fn runtime(&self) -> &Self::Runtime;

    /// Prepares to connect to the target; `tls` goes with the backends that need it.
    fn connector(
        &self,
        settings: &Settings,
        target: &Target,
        tls: Option<TlsClientConfig>,
    ) -> Result<Self::Connector, SetupError>;

    /// A new connection.
    fn connect(
        connector: &Self::Connector,
    ) -> impl Future<Output = Result<AnyTransport, HandshakeError>> + Send;

    /// Waits until the messages that close connections are sent.
    fn wait_idle(connector: &Self::Connector) -> impl Future<Output = ()> + Send;

    /// An alarm that is exact to microseconds, where the system has one.
    fn alarm(&self) -> io::Result<Self::Alarm>;

    /// Waits until `at`, to the millisecond.
    fn sleep_until(&self, at: Instant) -> impl Future<Output = ()> + Send {
        let mut clock = self.runtime().clock();
        let deadline = clock.now() + at.saturating_duration_since(Instant::now());
        async move { poll_fn(|cx| clock.poll_deadline(cx, deadline)).await }
    }

    /// What `work` comes to, unless that takes longer than `time`.
    fn timeout<T>(
        &self,
        time: Duration,
        work: impl Future<Output = T> + Send,
    ) -> impl Future<Output = Option<T>> + Send
    where
        T: Send,
    {
        let over = self.sleep_until(Instant::now() + time);
        async move {
            match select(pin!(work), pin!(over)).await {
                Either::Left((done, _)) => Some(done),
                Either::Right(_) => None,
            }
        }
    }

    /// Runs `task` apart; the receiver tells its end, and fails if it has panicked.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> oneshot::Receiver<()> {
        let (ended_by, ended) = oneshot::channel();
        self.runtime().spawn(async move {
            task.await;
            let _ = ended_by.send(());
        });
        ended
    }
}

/// Waits for instants, one at a time.
pub(super) trait Alarm: Send {
    /// Waits until `at`; an instant that has passed costs nothing.
    fn wait_until(&mut self, at: Instant) -> impl Future<Output = io::Result<()>> + Send;
}
