//! Telemetry that records.

use std::boxed::Box;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::string::{String, ToString};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use tracing::Span;

use crate::driver::service::BoxFuture;
use crate::driver::{ConnectionInfo, HandshakeError};
use crate::{CloseReason, Config, Connection, Counters, Reason, Role, Start, Timer, Timestamp};

pub(in crate::driver) fn dialled(backend: &'static str, error: Option<&HandshakeError>) {
    let result = error.map_or("ok", |error| error.reason().name());
    counter!("transport_dials_total", "backend" => backend, "result" => result).increment(1);
}

/// What a server records. Clones share it.
#[derive(Clone)]
pub(in crate::driver) struct ServerTelemetry {
    meters: Arc<Meters>,
    handshakes: Gauge,
}

/// The handles that every connection uses.
struct Meters {
    backend: &'static str,
    inflight: Gauge,
    bytes_in: Counter,
    bytes_out: Counter,
    read_size: Histogram,
    write_size: Histogram,
    frame_bytes: Histogram,
    exchanges: Gauge,
    requests: Counter,
    responses: Counter,
    events: Counter,
    control: Counter,
    throttled: Counter,
    by_app: BTreeMap<u16, Histogram>,
    other_app: Histogram,
}

impl Meters {
    fn new(backend: &'static str, apps: impl Iterator<Item = u16>) -> Self {
        let seconds = |app: String| histogram!("oap_exchange_seconds", "app" => app);
        let frames = |kind: &'static str| counter!("oap_frames_total", "kind" => kind);
        Self {
            backend,
            inflight: gauge!("conn_inflight", "backend" => backend),
            bytes_in: counter!("bytes_in_total", "backend" => backend),
            bytes_out: counter!("bytes_out_total", "backend" => backend),
            read_size: histogram!("io_read_size_bytes"),
            write_size: histogram!("io_write_size_bytes"),
            frame_bytes: histogram!("oap_frame_bytes"),
            exchanges: gauge!("oap_inflight_frames"),
            requests: frames("request"),
            responses: frames("response"),
            events: frames("event"),
            control: frames("control"),
            throttled: counter!("connections_throttled_total", "backend" => backend),
            by_app: apps.map(|app| (app, seconds(app.to_string()))).collect(),
            other_app: seconds("other".into()),
        }
    }
}

impl ServerTelemetry {
    pub(in crate::driver) fn new(
        backend: &'static str,
        apps: impl Iterator<Item = u16>,
        config: &Config,
    ) -> Self {
        gauge!("oap_ack_window").set(f64::from(config.limits.ack_window()));
        counter!("tasks_spawned_total", "kind" => "accept_loop").increment(1);
        Self {
            meters: Arc::new(Meters::new(backend, apps)),
            handshakes: gauge!("queue_depth", "queue" => "handshakes"),
        }
    }

    fn backend(&self) -> &'static str {
        self.meters.backend
    }

    pub(in crate::driver) fn accept_failed(&self) {
        refuse(Reason::Io, 1);
        tracing::warn!(backend = self.backend(), "accept failed");
    }

    pub(in crate::driver) fn peer_refused(&self) {
        refuse(Reason::PeerLimit, 1);
        counter!("queue_dropped_total", "queue" => "accept").increment(1);
        tracing::info!(backend = self.backend(), "a peer has too many connections");
    }

    pub(in crate::driver) fn handshake_begun(&self) {
        self.handshakes.increment(1.0);
    }

    pub(in crate::driver) fn handshake_over(&self) {
        self.handshakes.decrement(1.0);
    }

    pub(in crate::driver) fn established(&self, took: Duration, info: &ConnectionInfo) {
        let backend = self.backend();
        counter!("transport_accepts_total", "backend" => backend).increment(1);
        histogram!("handshake_latency_seconds", "backend" => backend).record(took.as_secs_f64());
        count_key_exchange(backend, info);
    }

    pub(in crate::driver) fn handshake_failed(&self, error: &HandshakeError) {
        let backend = self.backend();
        let reason = error.reason();
        if matches!(error, HandshakeError::TimedOut) {
            counter!("io_timeouts_total", "op" => "handshake").increment(1);
        }
        if reason == Reason::PqPolicy {
            pq_handshake(backend, "require", "refused");
        }
        refuse(reason, 1);
        counter!("tls_handshake_failures_total", "backend" => backend).increment(1);
        tracing::info!(backend, reason = reason.name(), "handshake failed");
    }

    pub(in crate::driver) fn connection(
        &self,
        id: u64,
        info: &ConnectionInfo,
    ) -> ConnectionTelemetry {
        ConnectionTelemetry::new(self.meters.clone(), Some(id), info)
    }
}

fn refuse(reason: Reason, times: u64) {
    counter!("rejected_total", "reason" => reason.name()).increment(times);
}

fn count_key_exchange(backend: &'static str, info: &ConnectionInfo) {
    if let Some(tls) = &info.tls {
        let hybrid = tls.group.contains("MLKEM");
        let mode = if hybrid { "hybrid" } else { "classical" };
        pq_handshake(backend, mode, "ok");
    }
}

fn pq_handshake(backend: &'static str, mode: &'static str, result: &'static str) {
    counter!("pq_handshake_total", "backend" => backend, "mode" => mode, "result" => result)
        .increment(1);
}

/// Within a connection's span.
pub(in crate::driver) struct Entered(#[allow(dead_code)] tracing::span::EnteredSpan);

/// What one connection records.
pub(in crate::driver) struct ConnectionTelemetry {
    meters: Arc<Meters>,
    span: Span,
    /// What was told already.
    told: Counters,
    exchanges: usize,
    open: bool,
}

impl ConnectionTelemetry {
    pub(in crate::driver) fn of_client(info: &ConnectionInfo) -> Self {
        let meters = Meters::new(info.transport, core::iter::empty());
        count_key_exchange(info.transport, info);
        Self::new(Arc::new(meters), None, info)
    }

    fn new(meters: Arc<Meters>, id: Option<u64>, info: &ConnectionInfo) -> Self {
        let span = tracing::info_span!("connection", id, backend = info.transport);
        // Over Tor there is no address to tell (OAP-11-10).
        let peer = info.peer.map(tracing::field::display);
        tracing::info!(parent: &span, peer, "connected");
        meters.inflight.increment(1.0);
        counter!("tasks_spawned_total", "kind" => "connection").increment(1);
        Self {
            meters,
            span,
            told: Counters::default(),
            exchanges: 0,
            open: true,
        }
    }

    /// What happens until the guard is dropped belongs to the connection.
    #[inline]
    pub(in crate::driver) fn enter(&self) -> Entered {
        Entered(self.span.clone().entered())
    }

    #[inline]
    pub(in crate::driver) fn read(&self, bytes: usize) {
        self.meters.bytes_in.increment(bytes as u64);
        self.meters.read_size.record(bytes as f64);
    }

    #[inline]
    pub(in crate::driver) fn written(&self, bytes: usize) {
        self.meters.bytes_out.increment(bytes as u64);
        self.meters.write_size.record(bytes as f64);
    }

    #[inline]
    pub(in crate::driver) fn received(&self, payload: usize) {
        self.meters.frame_bytes.record(payload as f64);
    }

    pub(in crate::driver) fn throttled(&self) {
        self.meters.throttled.increment(1);
    }

    /// Tells what has changed since the last time.
    pub(in crate::driver) fn observe(&mut self, connection: &Connection) {
        let (now, told) = (connection.counters(), &self.told);
        let received = now.frames_received - told.frames_received;
        let sent = now.frames_sent - told.frames_sent;
        let changed = self.exchanges != connection.exchanges();
        if received == 0 && sent == 0 && !changed {
            return;
        }
        let control_received = now.control_received - told.control_received;
        let control_sent = now.control_sent - told.control_sent;
        let events =
            now.events_sent - told.events_sent + now.events_received - told.events_received;
        let (ours, theirs) = (sent - control_sent, received - control_received);
        let (requests, responses) = match connection.role() {
            Role::Client => (ours, theirs),
            Role::Server => (theirs, ours),
        };
        self.meters.requests.increment(requests);
        self.meters
            .responses
            .increment(responses.saturating_sub(events));
        self.meters.events.increment(events);
        self.meters
            .control
            .increment(control_received + control_sent);
        let refused = now.refused_total() > told.refused_total();
        for reason in Reason::all().filter(|_| refused) {
            let times = now.refused(reason) - told.refused(reason);
            if times > 0 {
                refuse(reason, u64::from(times));
                tracing::info!(parent: &self.span, reason = reason.name(), times, "refused");
            }
        }
        self.told.clone_from(now);
        self.set_exchanges(connection.exchanges());
    }

    fn set_exchanges(&mut self, open: usize) {
        self.meters
            .exchanges
            .increment(open as f64 - self.exchanges as f64);
        self.exchanges = open;
    }

    /// The task ends.
    pub(in crate::driver) fn closed(&mut self, reason: Option<&CloseReason>, aborted: bool) {
        if let Some(CloseReason::TimedOut(timer)) = reason {
            counter!("io_timeouts_total", "op" => operation(*timer)).increment(1);
        }
        if aborted {
            counter!("tasks_aborted_total", "kind" => "connection").increment(1);
        }
        let reason = reason.map(|reason| reason.reason().name());
        tracing::info!(parent: &self.span, reason, aborted, "closed");
        self.settle();
    }

    fn settle(&mut self) {
        self.set_exchanges(0);
        if core::mem::take(&mut self.open) {
            self.meters.inflight.decrement(1.0);
        }
    }

    pub(in crate::driver) fn exchange(
        &self,
        now: impl FnOnce() -> Timestamp,
        start: &Start,
    ) -> ExchangeTelemetry {
        let by_app = self.meters.by_app.get(&start.app_proto_id);
        ExchangeTelemetry {
            began: now(),
            seconds: by_app.unwrap_or(&self.meters.other_app).clone(),
        }
    }

    /// The handler's future, in a span of its exchange.
    pub(in crate::driver) fn instrument(
        &self,
        app_proto_id: u16,
        corr_id: u64,
        future: BoxFuture<()>,
    ) -> BoxFuture<()> {
        let span = tracing::debug_span!(parent: &self.span, "exchange", app_proto_id, corr_id);
        if span.is_disabled() {
            return future;
        }
        Box::pin(InSpan { span, future })
    }
}

/// A task that is dropped in the middle, with its runtime say, counts as ended, too.
impl Drop for ConnectionTelemetry {
    fn drop(&mut self) {
        self.settle();
    }
}

const fn operation(timer: Timer) -> &'static str {
    match timer {
        Timer::FirstFrame => "first_frame",
        Timer::Frame => "frame",
        Timer::Write => "write",
        Timer::Hello => "hello",
        Timer::Idle => "idle",
        Timer::Standstill => "standstill",
    }
}

struct InSpan {
    span: Span,
    future: BoxFuture<()>,
}

impl Future for InSpan {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        this.span.in_scope(|| this.future.as_mut().poll(cx))
    }
}

/// The time that one exchange takes.
pub(in crate::driver) struct ExchangeTelemetry {
    began: Timestamp,
    seconds: Histogram,
}

impl ExchangeTelemetry {
    pub(in crate::driver) fn ended(&self, now: impl FnOnce() -> Timestamp) {
        self.seconds
            .record(now().saturating_since(self.began).as_secs_f64());
    }
}
