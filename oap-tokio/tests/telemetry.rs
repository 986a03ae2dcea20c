//! What an operator sees: every metric by its name, and no secret in any log line.

mod support;

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusBuilder;
use oap_core::driver::test_apps::{DELAY, ECHO, EVENTS};
use oap_tokio::{Config, Fin, Head};
use support::{Over, start_over};

/// Collects what is logged.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Runs a few calls, all on this thread; returns the metrics and the log.
fn observed() -> (String, String) {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    metrics::with_local_recorder(&recorder, || {
        tracing::subscriber::with_default(subscriber, || runtime.block_on(calls()));
    });
    let log = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    (handle.render(), log)
}

async fn calls() {
    let started = start_over(Over::Tls, Config::default()).await;
    let session = started.connect().await;
    let head = Head::new(ECHO).with_capability(&b"secret capability"[..]);
    session.request(head, &b"secret payload"[..]).await.unwrap();
    let events = 3_u32.to_le_bytes().to_vec();
    session.request(Head::new(EVENTS), events).await.unwrap();
    assert!(session.request(Head::new(9), &b""[..]).await.is_ok());
    let delay = 60_000_u32.to_le_bytes().to_vec();
    let _held = session
        .open(Head::new(DELAY), delay, Fin::End)
        .await
        .unwrap();
    session.ping().await.unwrap();
    drop(session);
    started
        .server
        .drain(&started.runtime, Duration::from_millis(50))
        .await;
    // A handshake that fails.
    tokio::task::yield_now().await;
}

#[test]
fn every_metric_has_its_name_and_labels() {
    let (metrics, _) = observed();
    for line in [
        r#"transport_accepts_total{backend="tls"} 1"#,
        r#"transport_dials_total{backend="tls",result="ok"} 1"#,
        r#"oap_frames_total{kind="request"}"#,
        r#"oap_frames_total{kind="response"}"#,
        r#"oap_frames_total{kind="event"} 6"#,
        r#"oap_frames_total{kind="control"}"#,
        r#"bytes_in_total{backend="tls"}"#,
        r#"bytes_out_total{backend="tls"}"#,
        r#"conn_inflight{backend="tls"} 0"#,
        r#"handshake_latency_seconds"#,
        r#"io_read_size_bytes"#,
        r#"io_write_size_bytes"#,
        r#"oap_frame_bytes"#,
        "oap_inflight_frames 0",
        "oap_ack_window 131072",
        r#"oap_exchange_seconds_count{app="3841"} 1"#,
        r#"oap_exchange_seconds_count{app="other"} 1"#,
        r#"pq_handshake_total{backend="tls",mode="hybrid",result="ok"}"#,
        r#"queue_depth{queue="handshakes"} 0"#,
        r#"tasks_spawned_total{kind="connection"} 2"#,
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    assert!(!metrics.contains("127.0.0.1"), "{metrics}");
}

#[test]
fn logs_name_connections_and_exchanges_but_no_secret() {
    let (_, log) = observed();
    assert!(!log.contains("secret"), "{log}");
    let lines: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("oap_core"))
        .collect();
    assert!(
        lines.iter().any(|line| line.contains("\"connected\"")),
        "{log}"
    );
    assert!(
        lines.iter().any(|line| line.contains("\"closed\"")),
        "{log}"
    );
    for line in lines {
        assert!(line.starts_with('{') && line.ends_with('}'), "{line}");
        assert!(line.contains("\"backend\":\"tls\""), "{line}");
    }
}
