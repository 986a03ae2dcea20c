//! Metrics, health, readiness and logs, as an operator sees them.
#![cfg(unix)]

#[path = "support/session.rs"]
mod session;
#[allow(dead_code, reason = "these tests refuse nothing")]
mod support;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::Bytes;
use oap_core::Code;
use oap_core::driver::test_apps::{DELAY, ECHO};
use oap_tokio::Head;
use rustix::process::Signal;
use serde_json::Value;
use session::{session, session_of};
use support::{DEADLINE, Server, private_directory, run_client, temporary};
use tokio::time::timeout;

/// What an operator scrapes of a server; Tor's progress is of builds with Tor.
const NAMES: [&str; 21] = [
    "transport_dials_total",
    "transport_accepts_total",
    "handshake_latency_seconds",
    "conn_inflight",
    "bytes_in_total",
    "bytes_out_total",
    "io_read_size_bytes",
    "io_write_size_bytes",
    "rejected_total",
    "tls_handshake_failures_total",
    "queue_depth",
    "queue_dropped_total",
    "tasks_spawned_total",
    "tasks_aborted_total",
    "io_timeouts_total",
    "pq_handshake_total",
    "oap_frames_total",
    "oap_frame_bytes",
    "oap_inflight_frames",
    "oap_ack_window",
    "oap_exchange_seconds",
];

/// The value of a series.
fn value(metrics: &str, series: &str) -> f64 {
    let line = metrics.lines().find(|line| line.starts_with(series));
    let line = line.unwrap_or_else(|| panic!("no {series} in {metrics}"));
    line.rsplit_once(' ').unwrap().1.parse().unwrap()
}

#[test]
fn metrics_have_their_names_labels_and_buckets() {
    for runtime in ["tokio", "smol"] {
        let ca = temporary(&format!("metrics-{runtime}.pem"));
        let ca = ca.to_str().unwrap();
        let server = Server::start(&[
            "--metrics",
            "127.0.0.1:0",
            "--self-signed-out",
            ca,
            "--runtime",
            runtime,
        ]);
        let before = server.get("/metrics").1;
        assert_eq!(
            value(&before, r#"transport_accepts_total{backend="tls"}"#),
            0.0
        );

        let target = format!("https://{}", server.address);
        let load = [
            "--ca",
            ca,
            "--conns",
            "2",
            "--rps",
            "100",
            "--duration",
            "1",
        ];
        let output = run_client(&[&["--target", &target][..], &load[..]].concat());
        assert_eq!(output.status.code(), Some(0));
        let mut stranger = TcpStream::connect(&server.address).unwrap();
        stranger.set_read_timeout(Some(DEADLINE)).unwrap();
        stranger.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        let _ = stranger.read_to_end(&mut Vec::new());
        server.wait_for("handshake failed", 1);
        server.wait_for("\"closed\"", 2);

        let (status, metrics) = server.get("/metrics");
        assert_eq!(status, 200);
        let told: BTreeSet<&str> = metrics
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
            .collect();
        for name in NAMES {
            assert!(told.contains(name), "no {name} in {metrics}");
        }
        let at = |series: &str| value(&metrics, series);
        assert_eq!(at(r#"transport_accepts_total{backend="tls"}"#), 2.0);
        assert_eq!(at(r#"tls_handshake_failures_total{backend="tls"}"#), 1.0);
        assert_eq!(at(r#"rejected_total{reason="tls"}"#), 1.0);
        assert_eq!(at(r#"conn_inflight{backend="tls"}"#), 0.0);
        assert_eq!(
            at(&format!(r#"oap_exchange_seconds_count{{app="{ECHO}"}}"#)),
            100.0
        );
        assert_eq!(
            at(r#"pq_handshake_total{backend="tls",mode="hybrid",result="ok"}"#),
            2.0
        );
        for bound in [
            "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2", "+Inf",
        ] {
            let series =
                format!(r#"handshake_latency_seconds_bucket{{backend="tls",le="{bound}"}}"#);
            assert!(metrics.contains(&series), "no {series} in {metrics}");
        }
        assert!(
            metrics.contains(r#"io_read_size_bytes_bucket{le="1048576"}"#),
            "{metrics}"
        );
        assert!(
            !metrics.contains("127.0.0.1"),
            "a peer's address is a label: {metrics}"
        );
    }
}

#[tokio::test]
async fn readiness_ends_with_the_drain_and_what_is_in_flight_completes() {
    let pairs = [
        ("tokio", "tcp"),
        ("smol", "tcp"),
        ("tokio", "quic"),
        ("smol", "quic"),
    ];
    for (runtime, backend) in pairs {
        let directory = private_directory();
        let ca = directory.path().join("ca.pem").display().to_string();
        let mut args = vec!["--backend", backend, "--runtime", runtime];
        args.extend(["--metrics", "127.0.0.1:0"]);
        if backend == "quic" {
            args.extend(["--self-signed-out", &ca]);
        }
        let server = Server::start(&args);
        assert_eq!(server.get("/healthz"), (200, "ok\n".to_owned()));
        assert_eq!(readyz(&server), (200, "ready".into(), Value::Null));

        let trust = [
            ("tls_client.trust_store", "path"),
            ("tls_client.ca_bundle_path", &*ca),
        ];
        let flags = if backend == "quic" { &trust[..] } else { &[] };
        let target = format!("{backend}://{}", server.address);
        let session = session_of(&target, flags).await.expect("a session");
        let long = Bytes::copy_from_slice(&1_500_u32.to_le_bytes());
        let slow = session.clone();
        let request = tokio::spawn(async move { slow.request(Head::new(DELAY), long).await });
        tokio::task::yield_now().await;
        in_flight(&server).await;
        server.signal(Signal::TERM);
        timeout(DEADLINE, session.going_away())
            .await
            .expect("a GOAWAY in time");
        let not_ready = (503, "not_ready".into(), "draining".into());
        assert_eq!(readyz(&server), not_ready);
        assert_eq!(server.get("/healthz").0, 200);
        assert!(!request.is_finished(), "the drain was too slow to tell");
        assert_eq!(request.await.unwrap().unwrap().code, Code::OK);
        // Meanwhile the client has to go on, to close its side.
        let ended = tokio::task::spawn_blocking(|| server.wait());
        let (status, stderr) = ended.await.unwrap();
        assert_eq!(status, Some(0), "{stderr}");
        assert!(stderr.contains("1 drained, 0 cut off"), "{stderr}");
    }
}

/// Waits until the server has an exchange open.
async fn in_flight(server: &Server) {
    let open = async {
        while value(&server.get("/metrics").1, "oap_inflight_frames") < 1.0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(DEADLINE, open).await.expect("an exchange in time");
}

/// Status, state and reason.
fn readyz(server: &Server) -> (u16, Value, Value) {
    let (status, body) = server.get("/readyz");
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["conditions"]["listener_bound"], true);
    (status, body["state"].clone(), body["reason"].clone())
}

#[tokio::test]
async fn a_log_is_a_json_object_for_each_event() {
    let server = Server::start(&["--plain"]);
    let session = session(&server.address).await;
    let secret = Bytes::from_static(b"nobody shall read this");
    session.request(Head::new(ECHO), secret).await.unwrap();
    session.close();
    session.closed().await;
    server.wait_for("\"closed\"", 1);
    server.signal(Signal::TERM);
    let (_, stderr) = server.wait();
    assert!(!stderr.contains("nobody shall read this"));
    let events: Vec<Value> = stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect();
    let connected = events
        .iter()
        .find(|event| event["message"] == "connected")
        .unwrap();
    assert_eq!(connected["level"], "INFO");
    assert_eq!(connected["span"]["name"], "connection");
    assert!(connected["span"]["id"].is_u64(), "{connected}");
}

#[test]
fn a_log_may_be_text() {
    let server = Server::start(&["--plain", "--log.format", "text"]);
    server.signal(Signal::TERM);
    let (_, stderr) = server.wait();
    assert!(
        stderr.contains(" INFO transport_bench::host: listening"),
        "{stderr}"
    );
}
