//! The metrics' names, what they mean, and the buckets that an exporter should use.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Upper bounds of the buckets of `handshake_latency_seconds` and `oap_exchange_seconds`, in
/// seconds.
pub const LATENCY_BUCKETS: [f64; 8] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0];

/// Upper bounds of the buckets of sizes, in bytes: powers of two to 1 MiB.
pub const SIZE_BUCKETS: [f64; 15] = [
    64.0,
    128.0,
    256.0,
    512.0,
    1_024.0,
    2_048.0,
    4_096.0,
    8_192.0,
    16_384.0,
    32_768.0,
    65_536.0,
    131_072.0,
    262_144.0,
    524_288.0,
    1_048_576.0,
];

/// Tells the recorder what each metric means.
pub fn describe() {
    for (name, meaning) in COUNTERS {
        describe_counter!(name, meaning);
    }
    for (name, meaning) in GAUGES {
        describe_gauge!(name, meaning);
    }
    for (name, unit, meaning) in HISTOGRAMS {
        describe_histogram!(name, unit, meaning);
    }
}

const COUNTERS: [(&str, &str); 13] = [
    ("transport_dials_total", "Connections dialled, by outcome"),
    ("transport_accepts_total", "Connections accepted"),
    ("bytes_in_total", "Bytes received, above TLS"),
    ("bytes_out_total", "Bytes sent, above TLS"),
    (
        "rejected_total",
        "Frames, exchanges and connections refused, by reason",
    ),
    (
        "tls_handshake_failures_total",
        "TLS and QUIC handshakes that failed",
    ),
    ("queue_dropped_total", "What a full queue refused"),
    ("tasks_spawned_total", "Tasks begun"),
    ("tasks_aborted_total", "Tasks stopped before their end"),
    ("io_timeouts_total", "Timers of the protocol that ran out"),
    (
        "pq_handshake_total",
        "Handshakes by key exchange, hybrid or classical",
    ),
    ("oap_frames_total", "Frames received and sent, by kind"),
    ("connections_throttled_total", "Waits to keep a byte rate"),
];

const GAUGES: [(&str, &str); 4] = [
    ("conn_inflight", "Connections that are up"),
    ("queue_depth", "What waits in a queue"),
    ("oap_inflight_frames", "Exchanges that are open"),
    (
        "oap_ack_window",
        "Bytes that a peer may send ahead, per exchange",
    ),
];

const HISTOGRAMS: [(&str, Unit, &str); 5] = [
    (
        "handshake_latency_seconds",
        Unit::Seconds,
        "Time of a handshake that succeeded",
    ),
    (
        "io_read_size_bytes",
        Unit::Bytes,
        "Size of a read, above TLS",
    ),
    (
        "io_write_size_bytes",
        Unit::Bytes,
        "Size of a write, above TLS",
    ),
    (
        "oap_frame_bytes",
        Unit::Bytes,
        "Payload of a received frame",
    ),
    (
        "oap_exchange_seconds",
        Unit::Seconds,
        "Time from a request's first frame to its handler's end",
    ),
];
