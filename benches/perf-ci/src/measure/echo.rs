//! What the echo clients report.

use serde_json::Value;

use super::programs::{Programs, Server};
use crate::noise::cpu_time_of;
use crate::{Figure, Load};

/// Figures of one load, or why there are none.
pub(super) type Loaded = Result<Vec<(Figure, f64)>, String>;

/// Small requests at the target rate: latency, and the server's CPU time.
pub(super) fn small(programs: &Programs, server: &Server, load: &Load) -> Loaded {
    let cpu = || cpu_time_of(server.id()).map_err(|fault| fault.to_string());
    let before = cpu()?;
    let report = programs.load(
        server,
        &[
            ("--conns", load.small_conns),
            ("--rps", load.small_rps),
            ("--payload", load.small_bytes),
            ("--duration", load.seconds),
        ],
        &[],
    )?;
    let cpu = cpu()?.saturating_sub(before).as_secs_f64();
    let elapsed = number(&report, "/elapsed_s")?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(vec![
        (
            Figure::TlsSmallP95,
            number(&report, "/latency_us/p95")? / 1_000.0,
        ),
        (
            Figure::TlsSmallP99,
            number(&report, "/latency_us/p99")? / 1_000.0,
        ),
        (Figure::Cpu, cpu / (elapsed * cores as f64) * 100.0),
    ])
}

/// Payload streamed one way.
pub(super) fn stream(programs: &Programs, server: &Server, load: &Load) -> Loaded {
    let report = programs.load(
        server,
        &[
            ("--conns", load.stream_conns),
            ("--payload", load.stream_bytes),
            ("--duration", load.seconds),
        ],
        &["--stream"],
    )?;
    // One of the directions is that of the stream.
    let sent = number(&report, "/sent_bytes_per_s")?;
    let received = number(&report, "/received_bytes_per_s")?;
    let figure = match server.backend() {
        "quic" => Figure::QuicStream,
        _ => Figure::TlsStream,
    };
    Ok(vec![(figure, sent.max(received) * 8.0 / 1e9)])
}

fn number(report: &Value, pointer: &str) -> Result<f64, String> {
    let number = report.pointer(pointer).and_then(Value::as_f64);
    number.ok_or_else(|| format!("the client's report has no number at {pointer}"))
}
