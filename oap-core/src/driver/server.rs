//! A server: an accept loop, its connections, and their drain.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;
use std::vec::Vec;

use super::accept::AcceptLoop;
use super::service::Service;
use super::shared::Shared;
use super::task::Task;
use super::{Clock, HandshakeError, Listener, Runtime, Transport};
use crate::config::Consume;
use crate::{Config, Connection, Timers, Timestamp};

/// How long a drained connection waits for its client to close first, where nothing else is set.
const LINGER: Duration = Duration::from_secs(1);

/// What a server decides besides its connections' [`Config`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ServerOptions {
    /// Handshakes at once. Default 2 per core.
    pub handshakes: usize,
    /// Connections at once; further ones wait in the kernel's backlog. Default 1,024.
    pub max_connections: usize,
}

impl Default for ServerOptions {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            handshakes: 2 * cores,
            max_connections: 1_024,
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
    /// Accepts that failed, for want of descriptors say.
    pub accept_errors: u64,
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
        let linger = if config.timers.linger.is_zero() {
            LINGER
        } else {
            config.timers.linger
        };
        let config = Config {
            timers: Timers {
                linger,
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
        };
        let state = Arc::new(State {
            options,
            config: Arc::new(config),
            service: Arc::new(service),
            stats: Totals::default(),
            live: Mutex::new(Live::default()),
        });
        runtime.spawn(AcceptLoop::new(state.clone(), runtime.clone(), listener));
        Self {
            handle: Arc::new(Handle { state }),
        }
    }

    /// Totals so far.
    pub fn stats(&self) -> ServerStats {
        let state = &self.handle.state;
        ServerStats {
            accepted: state.stats.accepted.load(Ordering::Relaxed),
            handshakes_failed: state.stats.handshakes_failed.load(Ordering::Relaxed),
            accept_errors: state.stats.accept_errors.load(Ordering::Relaxed),
            connections: state.lock().connections.len(),
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
        let grace = clock.now() + Duration::from_secs(1);
        state.ended_before(&mut clock, grace).await;
        DrainReport {
            drained: total - aborted,
            aborted,
        }
    }
}

/// Nobody holds the server any more.
impl Drop for Handle {
    fn drop(&mut self) {
        self.state.stop();
        self.state.close_all();
    }
}

/// What the accept loop, the connections and the handles share.
pub(super) struct State {
    pub(super) options: ServerOptions,
    config: Arc<Config>,
    service: Arc<Service>,
    pub(super) stats: Totals,
    live: Mutex<Live>,
}

#[derive(Default)]
pub(super) struct Totals {
    pub(super) accepted: AtomicU64,
    pub(super) handshakes_failed: AtomicU64,
    pub(super) accept_errors: AtomicU64,
}

#[derive(Default)]
struct Live {
    connections: BTreeMap<u64, Arc<Shared>>,
    next: u64,
    /// Connections whose handshake is under way.
    handshakes: usize,
    stopping: bool,
    accept_loop: Option<Waker>,
    /// Drains that wait for the last connection's end.
    drains: Vec<Waker>,
}

impl Live {
    /// Whom the end of a connection or of a handshake concerns.
    fn take_due(&mut self) -> Vec<Waker> {
        let mut due = Vec::from_iter(self.accept_loop.take());
        if self.is_quiet() {
            due.append(&mut self.drains);
        }
        due
    }

    fn is_quiet(&self) -> bool {
        self.connections.is_empty() && self.handshakes == 0
    }
}

impl State {
    /// Runs a connection, its handshake first, as a task of its own.
    pub(super) fn spawn<R, H, T>(self: Arc<Self>, runtime: &R, handshake: H)
    where
        R: Runtime,
        T: Transport,
        H: Future<Output = Result<T, HandshakeError>> + Send + 'static,
    {
        self.stats.accepted.fetch_add(1, Ordering::Relaxed);
        self.lock().handshakes += 1;
        // Both places are given back even if the task is dropped or panics.
        let shaking = Shaking(self.clone());
        let runtime_of_task = runtime.clone();
        runtime.spawn(async move {
            let established = handshake.await;
            let state = shaking.0.clone();
            match established {
                Ok(transport) => {
                    let (place, task) = state.join(&runtime_of_task, transport);
                    drop(shaking);
                    task.await;
                    drop(place);
                }
                Err(_) => {
                    state
                        .stats
                        .handshakes_failed
                        .fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }

    /// Counts a connection among the live ones. One that is established while the server stops is
    /// drained like the others.
    fn join<R: Runtime, T: Transport>(
        self: &Arc<Self>,
        runtime: &R,
        transport: T,
    ) -> (Place, Task<T, R::Clock>) {
        let connection = Connection::server(self.config.clone(), runtime.now());
        let clock = runtime.clone();
        let shared = Shared::new(connection, move || clock.now());
        let task = Task::server(
            shared.clone(),
            self.service.clone(),
            transport,
            runtime.clock(),
        );
        let mut live = self.lock();
        live.next += 1;
        let id = live.next;
        if live.stopping {
            shared.command(|inner| inner.connection.drain());
        }
        live.connections.insert(id, shared);
        (
            Place {
                state: self.clone(),
                id,
            },
            task,
        )
    }

    fn lock(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leave(&self, id: u64) {
        let mut live = self.lock();
        live.connections.remove(&id);
        let due = live.take_due();
        drop(live);
        due.into_iter().for_each(Waker::wake);
    }

    fn handshake_ended(&self) {
        let mut live = self.lock();
        live.handshakes -= 1;
        let due = live.take_due();
        drop(live);
        due.into_iter().for_each(Waker::wake);
    }

    /// Whether one more connection may be accepted; the accept loop is woken when that changes.
    pub(super) fn may_accept(&self, waker: &Waker) -> bool {
        let mut live = self.lock();
        live.accept_loop = Some(waker.clone());
        live.handshakes < self.options.handshakes
            && live.connections.len() + live.handshakes < self.options.max_connections
    }

    /// Whether the accept loop has to end.
    pub(super) fn is_stopping(&self) -> bool {
        self.lock().stopping
    }

    /// Ends the accept loop and returns the connections that are up.
    fn stop(&self) -> Vec<Arc<Shared>> {
        let mut live = self.lock();
        live.stopping = true;
        let accept_loop = live.accept_loop.take();
        let open = live.connections.values().cloned().collect();
        drop(live);
        accept_loop.into_iter().for_each(Waker::wake);
        open
    }

    fn close_all(&self) -> usize {
        let open: Vec<Arc<Shared>> = self.lock().connections.values().cloned().collect();
        for shared in &open {
            shared.command(|inner| inner.connection.close());
        }
        open.len()
    }

    /// Waits for the last connection's end; false if the deadline came first.
    async fn ended_before(&self, clock: &mut impl Clock, deadline: Timestamp) -> bool {
        poll_fn(|cx| {
            let mut live = self.lock();
            if live.is_quiet() {
                return Poll::Ready(true);
            }
            live.drains.push(cx.waker().clone());
            drop(live);
            clock.poll_deadline(cx, deadline).map(|()| false)
        })
        .await
    }
}

/// A handshake under way.
struct Shaking(Arc<State>);

impl Drop for Shaking {
    fn drop(&mut self) {
        self.0.handshake_ended();
    }
}

/// A connection's place among the live ones.
struct Place {
    state: Arc<State>,
    id: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.state.leave(self.id);
    }
}

/// A key for the tables of exchanges that no peer knows.
#[expect(
    clippy::disallowed_types,
    reason = "a server is a host: it draws its secret once"
)]
fn secret() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new()
        .build_hasher()
        .finish()
}
