//! Who is connected to a server: its handshakes, its connections, and what is counted of them.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::vec::Vec;

use super::rates::{Gate, Meter};
use super::service::Service;
use super::shared::Shared;
use super::task::Task;
use super::telemetry::ServerTelemetry;
use super::{Accepted, Clock, HandshakeError, Lanes, PeerKey, Runtime, ServerOptions};
use crate::{Config, Connection, Timestamp};

/// Peers without connections whose rate is remembered until it is paid for.
const IDLE_PEERS: usize = 64;

/// What the accept loop, the connections and the handles share.
pub(super) struct State {
    service: Arc<Service>,
    telemetry: ServerTelemetry,
    pub(super) stats: Totals,
    live: Mutex<Live>,
}

#[derive(Default)]
pub(super) struct Totals {
    pub(super) accepted: AtomicU64,
    pub(super) refused_peers: AtomicU64,
    pub(super) handshakes_failed: AtomicU64,
    pub(super) accept_errors: AtomicU64,
    pub(super) throttled: AtomicU64,
}

/// What new connections get.
#[derive(Clone)]
struct Rules {
    options: ServerOptions,
    config: Arc<Config>,
    /// The same, for connections of several lanes.
    multi: Arc<Config>,
    ingress: Option<Arc<Meter>>,
    egress: Option<Arc<Meter>>,
}

impl Rules {
    fn new(config: Config, options: ServerOptions) -> Self {
        let multi = Config {
            multi_lane: true,
            ..config.clone()
        };
        Self {
            options,
            config: Arc::new(config),
            multi: Arc::new(multi),
            ingress: Meter::new(options.rates.ingress),
            egress: Meter::new(options.rates.egress),
        }
    }
}

struct Live {
    rules: Rules,
    seats: BTreeMap<u64, Seat>,
    next: u64,
    /// Seats whose handshake is under way.
    handshakes: usize,
    peers: BTreeMap<PeerKey, PeerEntry>,
    stopping: bool,
    aborting: bool,
    accept_loop: Option<Waker>,
    /// Drains that wait for the last connection's end.
    drains: Vec<Waker>,
}

/// One accepted connection.
enum Seat {
    /// Its handshake is under way, and wants to be told if the server gives up.
    Shaking(Option<Waker>),
    Up(Arc<Shared>),
}

/// The connections of one peer.
struct PeerEntry {
    connections: usize,
    ingress: Option<Arc<Meter>>,
    egress: Option<Arc<Meter>>,
}

impl Live {
    /// Whom the end of a connection or of a handshake concerns.
    fn take_due(&mut self) -> Vec<Waker> {
        let mut due = Vec::from_iter(self.accept_loop.take());
        if self.seats.is_empty() {
            due.append(&mut self.drains);
        }
        due
    }

    fn connections(&self) -> impl Iterator<Item = &Arc<Shared>> {
        self.seats.values().filter_map(|seat| match seat {
            Seat::Up(shared) => Some(shared),
            Seat::Shaking(_) => None,
        })
    }

    /// One more connection of the peer; false if it has as many as it may.
    fn admit(&mut self, peer: PeerKey, now: Timestamp) -> bool {
        if self.peers.len() > self.seats.len() + IDLE_PEERS {
            self.peers
                .retain(|_, entry| entry.connections > 0 || !entry.is_settled(now));
        }
        let most = self.rules.options.per_peer_connections;
        let rate = self.rules.options.rates.per_peer;
        let entry = self.peers.entry(peer).or_insert_with(|| PeerEntry {
            connections: 0,
            ingress: Meter::new(rate),
            egress: Meter::new(rate),
        });
        let admitted = most == 0 || entry.connections < most;
        entry.connections += usize::from(admitted);
        admitted
    }

    fn dismiss(&mut self, peer: PeerKey) {
        if let Some(entry) = self.peers.get_mut(&peer) {
            entry.connections -= 1;
            if entry.connections == 0 && entry.ingress.is_none() {
                self.peers.remove(&peer);
            }
        }
    }
}

impl PeerEntry {
    fn is_settled(&self, now: Timestamp) -> bool {
        let mut meters = self.ingress.iter().chain(&self.egress);
        meters.all(|meter| meter.is_settled(now))
    }
}

impl State {
    pub(super) fn new(
        backend: &'static str,
        service: Service,
        config: Config,
        options: ServerOptions,
    ) -> Self {
        Self {
            telemetry: ServerTelemetry::new(backend, service.apps(), &config),
            service: Arc::new(service),
            stats: Totals::default(),
            live: Mutex::new(Live {
                rules: Rules::new(config, options),
                seats: BTreeMap::new(),
                next: 0,
                handshakes: 0,
                peers: BTreeMap::new(),
                stopping: false,
                aborting: false,
                accept_loop: None,
                drains: Vec::new(),
            }),
        }
    }

    pub(super) fn service(&self) -> &Service {
        &self.service
    }

    /// The operating system has no connection for us.
    pub(super) fn accept_failed(&self) {
        self.stats.accept_errors.fetch_add(1, Ordering::Relaxed);
        self.telemetry.accept_failed();
    }

    /// Runs a connection, its handshake first, as a task of its own.
    pub(super) fn spawn<R, H, T>(self: Arc<Self>, runtime: &R, accepted: Accepted<H>)
    where
        R: Runtime,
        T: Lanes,
        H: Future<Output = Result<T, HandshakeError>> + Send + 'static,
    {
        self.stats.accepted.fetch_add(1, Ordering::Relaxed);
        let Some(place) = self.clone().seat(accepted.peer, runtime.now()) else {
            self.stats.refused_peers.fetch_add(1, Ordering::Relaxed);
            self.telemetry.peer_refused();
            return;
        };
        let runtime_of_task = runtime.clone();
        let began = runtime.now();
        runtime.spawn(async move {
            let telemetry = &place.state.telemetry;
            match place.handshake(accepted.handshake).await {
                Some(Ok(transport)) => {
                    let took = runtime_of_task.now().saturating_since(began);
                    telemetry.established(took, transport.info());
                    place.serve(&runtime_of_task, transport).await;
                }
                Some(Err(error)) => {
                    let failed = &place.state.stats.handshakes_failed;
                    failed.fetch_add(1, Ordering::Relaxed);
                    telemetry.handshake_failed(&error);
                }
                None => {}
            }
        });
    }

    /// A place for an accepted connection; `None` if its peer has as many as it may.
    fn seat(self: Arc<Self>, peer: Option<PeerKey>, now: Timestamp) -> Option<Place> {
        let mut live = self.lock();
        if let Some(peer) = peer {
            if !live.admit(peer, now) {
                return None;
            }
        }
        live.next += 1;
        let id = live.next;
        live.handshakes += 1;
        live.seats.insert(id, Seat::Shaking(None));
        drop(live);
        self.telemetry.handshake_begun();
        Some(Place {
            state: self,
            id,
            peer,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// New connections get this from now on.
    pub(super) fn reload(&self, config: Config, options: ServerOptions) {
        let mut live = self.lock();
        live.rules = Rules::new(config, options);
        for entry in live.peers.values_mut() {
            entry.ingress = Meter::new(options.rates.per_peer);
            entry.egress = Meter::new(options.rates.per_peer);
        }
        let due = live.accept_loop.take();
        drop(live);
        due.into_iter().for_each(Waker::wake);
    }

    /// Connections that are up, and handshakes under way.
    pub(super) fn census(&self) -> (usize, usize) {
        let live = self.lock();
        (live.seats.len() - live.handshakes, live.handshakes)
    }

    /// Whether one more connection may be accepted; the accept loop is woken when that changes.
    pub(super) fn may_accept(&self, waker: &Waker) -> bool {
        let mut live = self.lock();
        live.accept_loop = Some(waker.clone());
        live.handshakes < live.rules.options.handshakes
            && live.seats.len() < live.rules.options.max_connections
    }

    /// Whether the accept loop has to end.
    pub(super) fn is_stopping(&self) -> bool {
        self.lock().stopping
    }

    /// Ends the accept loop and returns the connections that are up.
    pub(super) fn stop(&self) -> Vec<Arc<Shared>> {
        let mut live = self.lock();
        live.stopping = true;
        let accept_loop = live.accept_loop.take();
        let open = live.connections().cloned().collect();
        drop(live);
        accept_loop.into_iter().for_each(Waker::wake);
        open
    }

    /// Closes every connection in order; returns how many there were.
    pub(super) fn close_all(&self) -> usize {
        let open: Vec<Arc<Shared>> = self.lock().connections().cloned().collect();
        for shared in &open {
            shared.command(|inner| inner.connection.close());
        }
        open.len()
    }

    /// Stops every task at its next turn, handshakes too; returns how many connections there were.
    pub(super) fn abort_all(&self) -> usize {
        let mut live = self.lock();
        live.aborting = true;
        let open: Vec<Arc<Shared>> = live.connections().cloned().collect();
        let mut due = Vec::new();
        for seat in live.seats.values_mut() {
            if let Seat::Shaking(waker) = seat {
                due.extend(waker.take());
            }
        }
        drop(live);
        due.into_iter().for_each(Waker::wake);
        for shared in &open {
            shared.abort();
        }
        open.len()
    }

    /// Waits for the last connection's end; false if the deadline came first.
    pub(super) async fn ended_before(&self, clock: &mut impl Clock, deadline: Timestamp) -> bool {
        poll_fn(|cx| {
            let mut live = self.lock();
            if live.seats.is_empty() {
                return Poll::Ready(true);
            }
            if !live.drains.iter().any(|drain| drain.will_wake(cx.waker())) {
                live.drains.push(cx.waker().clone());
            }
            drop(live);
            clock.poll_deadline(cx, deadline).map(|()| false)
        })
        .await
    }
}

/// An accepted connection's place. It is given back even if the task is dropped or panics.
struct Place {
    state: Arc<State>,
    id: u64,
    peer: Option<PeerKey>,
}

impl Place {
    /// The handshake's outcome; `None` if the server was told to stop at once.
    async fn handshake<T>(&self, handshake: impl Future<Output = T>) -> Option<T> {
        let mut handshake = pin!(handshake);
        poll_fn(|cx| {
            if self.is_aborted(cx) {
                return Poll::Ready(None);
            }
            handshake.as_mut().poll(cx).map(Some)
        })
        .await
    }

    fn is_aborted(&self, cx: &Context<'_>) -> bool {
        let mut live = self.state.lock();
        let aborting = live.aborting;
        if let Some(Seat::Shaking(waker)) = live.seats.get_mut(&self.id) {
            *waker = Some(cx.waker().clone());
        }
        aborting
    }

    /// The connection's task. One that is established while the server stops is drained like the
    /// others.
    fn serve<R: Runtime, T: Lanes>(&self, runtime: &R, transport: T) -> Task<T, R::Clock> {
        let mut live = self.state.lock();
        let config = if transport.is_multi() {
            live.rules.multi.clone()
        } else {
            live.rules.config.clone()
        };
        let connection = Connection::server(config, runtime.now());
        let clock = runtime.clone();
        let info = transport.info().clone();
        let shared = Shared::new(connection, info, move || clock.now());
        let (ingress, egress) = self.gates(&live);
        if live.stopping {
            shared.command(|inner| inner.connection.drain());
        }
        if live.aborting {
            shared.abort();
        }
        live.seats.insert(self.id, Seat::Up(shared.clone()));
        live.handshakes -= 1;
        let due = live.take_due();
        drop(live);
        due.into_iter().for_each(Waker::wake);
        self.state.telemetry.handshake_over();
        let telemetry = self.state.telemetry.connection(self.id, transport.info());
        Task::server(
            shared,
            self.state.clone(),
            transport,
            runtime.clock(),
            telemetry,
        )
        .with_gates(ingress, egress)
    }

    fn gates(&self, live: &Live) -> (Gate, Gate) {
        let rules = &live.rules;
        let own = rules.options.rates.per_connection;
        let entry = self.peer.and_then(|peer| live.peers.get(&peer));
        let (peer_in, peer_out) = entry.map_or((None, None), |entry| {
            (entry.ingress.clone(), entry.egress.clone())
        });
        (
            Gate::new([Meter::new(own), peer_in, rules.ingress.clone()]),
            Gate::new([Meter::new(own), peer_out, rules.egress.clone()]),
        )
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut live = self.state.lock();
        if let Some(Seat::Shaking(_)) = live.seats.remove(&self.id) {
            live.handshakes -= 1;
            self.state.telemetry.handshake_over();
        }
        if let Some(peer) = self.peer {
            live.dismiss(peer);
        }
        let due = live.take_due();
        drop(live);
        due.into_iter().for_each(Waker::wake);
    }
}
