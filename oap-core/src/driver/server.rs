//! A server: an accept loop, its connections, and their drain.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::accept::AcceptLoop;
use super::rates::Rates;
use super::seats::State;
use super::service::Service;
use super::{Clock, Listener, Runtime};
use crate::config::Consume;
use crate::{Config, Timers};

/// How long a drained connection waits for its client to close first, where nothing else is set.
const LINGER: Duration = Duration::from_secs(1);
/// How long a connection's reading may be stopped by handlers that read nothing, where nothing else
/// is set.
const STANDSTILL: Duration = Duration::from_secs(300);
/// How long connections that are cut off may take to tell their peers.
const GRACE: Duration = Duration::from_secs(1);
/// How long tasks may take to stop once they are told.
const ABORT_TIME: Duration = Duration::from_millis(100);

/// What a server decides besides its connections' [`Config`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ServerOptions {
    /// Handshakes at once. Default 2 per core.
    pub handshakes: usize,
    /// Connections at once, handshakes among them; further ones wait in the kernel's backlog.
    /// Default 1,024.
    pub max_connections: usize,
    /// Connections at once of one [`PeerKey`](super::PeerKey), handshakes among them; further ones
    /// are closed at once. Default 0: as many as it likes.
    pub per_peer_connections: usize,
    /// Byte rates. Default all off.
    pub rates: Rates,
}

impl Default for ServerOptions {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            handshakes: 2 * cores,
            max_connections: 1_024,
            per_peer_connections: 0,
            rates: Rates::default(),
        }
    }
}

impl ServerOptions {
    /// As it is, with this many connections at once.
    #[must_use]
    pub const fn with_max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections;
        self
    }

    /// As it is, with this many connections of one peer at once; 0 is off.
    #[must_use]
    pub const fn with_per_peer_connections(mut self, connections: usize) -> Self {
        self.per_peer_connections = connections;
        self
    }

    /// As it is, with these byte rates.
    #[must_use]
    pub const fn with_rates(mut self, rates: Rates) -> Self {
        self.rates = rates;
        self
    }

    /// As it is, with this many handshakes at once.
    #[must_use]
    pub const fn with_handshakes(mut self, handshakes: usize) -> Self {
        self.handshakes = handshakes;
        self
    }
}

/// Totals of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerStats {
    /// Connections accepted, before their handshake.
    pub accepted: u64,
    /// Handshakes that failed or timed out.
    pub handshakes_failed: u64,
    /// Connections closed at once because their peer had as many as it may.
    pub refused_peers: u64,
    /// Accepts that failed, for want of descriptors say.
    pub accept_errors: u64,
    /// Times that a connection had to wait to keep a rate.
    pub throttled: u64,
    /// Handshakes under way.
    pub handshakes: usize,
    /// Connections that are up.
    pub connections: usize,
}

/// How a drain went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DrainReport {
    /// Connections that had finished their work in time.
    pub drained: usize,
    /// Connections that were cut off when the time was over.
    pub aborted: usize,
}

/// A running server. Clones share it; dropping them all stops accepting and cuts its connections
/// off.
#[derive(Clone)]
pub struct Server {
    handle: Arc<Handle>,
}

struct Handle {
    state: Arc<State>,
}

impl Server {
    /// Serves the connections of `listener`.
    ///
    /// Every START waits for the service's authorizer, if it has one, whatever `config` says.
    pub fn start<R: Runtime>(
        runtime: &R,
        listener: impl Listener,
        service: Service,
        config: Config,
        options: ServerOptions,
    ) -> Self {
        let config = Self::own(config, &service);
        let state = Arc::new(State::new(listener.backend(), service, config, options));
        runtime.spawn(AcceptLoop::new(state.clone(), runtime.clone(), listener));
        Self {
            handle: Arc::new(Handle { state }),
        }
    }

    /// What a server decides in its connections' configuration.
    fn own(config: Config, service: &Service) -> Config {
        let or = |set: Duration, default| if set.is_zero() { default } else { set };
        Config {
            timers: Timers {
                linger: or(config.timers.linger, LINGER),
                standstill: or(config.timers.standstill, STANDSTILL),
                ..config.timers
            },
            hash_key: if config.hash_key == 0 {
                secret()
            } else {
                config.hash_key
            },
            consume: Consume::Manually,
            explicit_release: true,
            authorize: config.authorize || service.has_authorizer(),
            ..config
        }
    }

    /// Connections accepted from now on get this configuration and these options; those that are up
    /// go on as they are.
    pub fn reload(&self, config: Config, options: ServerOptions) {
        let state = &self.handle.state;
        state.reload(Self::own(config, state.service()), options);
    }

    /// Totals so far.
    pub fn stats(&self) -> ServerStats {
        let stats = &self.handle.state.stats;
        let (connections, handshakes) = self.handle.state.census();
        ServerStats {
            accepted: stats.accepted.load(Ordering::Relaxed),
            handshakes_failed: stats.handshakes_failed.load(Ordering::Relaxed),
            refused_peers: stats.refused_peers.load(Ordering::Relaxed),
            accept_errors: stats.accept_errors.load(Ordering::Relaxed),
            throttled: stats.throttled.load(Ordering::Relaxed),
            handshakes,
            connections,
        }
    }

    /// Accepts no more, sends GOAWAY, lets open exchanges finish for at most `timeout`, then cuts
    /// off what is left.
    pub async fn drain<R: Runtime>(&self, runtime: &R, timeout: Duration) -> DrainReport {
        let state = &self.handle.state;
        let open = state.stop();
        let total = open.len();
        for shared in &open {
            shared.command(|inner| inner.connection.drain());
        }
        let mut clock = runtime.clock();
        let deadline = clock.now() + timeout;
        if state.ended_before(&mut clock, deadline).await {
            return DrainReport {
                drained: total,
                aborted: 0,
            };
        }
        let aborted = state.close_all();
        let grace = clock.now() + GRACE;
        if !state.ended_before(&mut clock, grace).await {
            state.abort_all();
        }
        DrainReport {
            drained: total.saturating_sub(aborted),
            aborted,
        }
    }

    /// Accepts no more and stops every task, its handlers and handshakes included, wherever they
    /// are: peers see their connections cut. Waits until all have stopped, 100 ms at most where no
    /// handler blocks its thread.
    ///
    /// Returns how many connections were up.
    pub async fn abort<R: Runtime>(&self, runtime: &R) -> usize {
        let state = &self.handle.state;
        state.stop();
        let aborted = state.abort_all();
        let mut clock = runtime.clock();
        let deadline = clock.now() + ABORT_TIME;
        state.ended_before(&mut clock, deadline).await;
        aborted
    }
}

/// Nobody holds the server any more.
impl Drop for Handle {
    fn drop(&mut self) {
        self.state.stop();
        self.state.close_all();
    }
}

/// A key for the tables of exchanges that no peer knows.
// A server is a host: it draws its secret once.
#[allow(clippy::disallowed_types)]
fn secret() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new()
        .build_hasher()
        .finish()
}
