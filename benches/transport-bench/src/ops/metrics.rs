//! The recorder of metrics.

use metrics::{counter, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use oap_core::Reason;
use oap_core::driver::telemetry::{LATENCY_BUCKETS, SIZE_BUCKETS, describe};
use oap_tokio::config::Backend;

const LATENCIES: [&str; 2] = ["handshake_latency_seconds", "oap_exchange_seconds"];
const SIZES: [&str; 3] = [
    "io_read_size_bytes",
    "io_write_size_bytes",
    "oap_frame_bytes",
];

/// Installs a recorder of the whole process, whose text the handle renders.
pub(super) fn install(backend: Backend) -> Result<PrometheusHandle, BuildError> {
    let mut builder = PrometheusBuilder::new();
    for (names, buckets) in [
        (&LATENCIES[..], &LATENCY_BUCKETS[..]),
        (&SIZES[..], &SIZE_BUCKETS[..]),
    ] {
        for name in names {
            let name = Matcher::Full((*name).to_owned());
            builder = builder.set_buckets_for_metric(name, buckets)?;
        }
    }
    let handle = builder.install_recorder()?;
    describe();
    begin(backend.as_str());
    Ok(handle)
}

/// What nothing has counted yet is 0 rather than missing, so that a rate over it sees the first
/// event.
fn begin(backend: &'static str) {
    for name in [
        "transport_accepts_total",
        "tls_handshake_failures_total",
        "bytes_in_total",
        "bytes_out_total",
        "connections_throttled_total",
    ] {
        counter!(name, "backend" => backend).absolute(0);
    }
    let _registered = histogram!("handshake_latency_seconds", "backend" => backend);
    gauge!("conn_inflight", "backend" => backend).set(0.0);
    counter!("transport_dials_total", "backend" => backend, "result" => "ok").absolute(0);
    for (mode, result) in [
        ("hybrid", "ok"),
        ("classical", "ok"),
        ("require", "refused"),
    ] {
        let labels = [("backend", backend), ("mode", mode), ("result", result)];
        counter!("pq_handshake_total", &labels).absolute(0);
    }
    for reason in Reason::all() {
        counter!("rejected_total", "reason" => reason.name()).absolute(0);
    }
    gauge!("queue_depth", "queue" => "handshakes").set(0.0);
    counter!("queue_dropped_total", "queue" => "accept").absolute(0);
    for kind in ["accept_loop", "connection"] {
        counter!("tasks_spawned_total", "kind" => kind).absolute(0);
    }
    counter!("tasks_aborted_total", "kind" => "connection").absolute(0);
    for op in [
        "handshake",
        "first_frame",
        "frame",
        "write",
        "hello",
        "idle",
    ] {
        counter!("io_timeouts_total", "op" => op).absolute(0);
    }
}
