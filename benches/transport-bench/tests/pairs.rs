//! Every pair of programs, over every transport, on either runtime.
#![cfg(unix)]

#[allow(dead_code, reason = "these tests ask for no metrics")]
mod support;

use std::fs;

use rustix::process::Signal;
use serde_json::Value;
use support::{QUIC_CLIENT, QUIC_SERVER, Server, private_directory, run_client, run_program};

/// Runs a load of a second against a server of `backend`, and ends both.
fn run_pair(runtime: &str, backend: &str, load: &[&str]) -> Value {
    let directory = private_directory();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (ca, socket, json) = (path("ca.pem"), path("socket"), path("json"));
    let mut args = vec!["--runtime", runtime];
    match backend {
        "tls" | "quic" => args.extend(["--self-signed-out", &ca]),
        "uds" => args.extend(["--backend", "uds", "--uds.path", &socket]),
        _ => args.push("--plain"),
    }
    args.extend([
        "--limits.max_inflight",
        "128",
        "--limits.ack_window_bytes",
        "64KiB",
    ]);
    let server = match backend {
        "quic" => Server::start_program(QUIC_SERVER, &args),
        _ => Server::start(&args),
    };
    let target = match backend {
        "tls" => format!("https://{}", server.address),
        "uds" => format!("uds:{}", server.address),
        _ => format!("{backend}://{}", server.address),
    };
    let mut args = vec!["--runtime", runtime, "--target", &target, "--duration", "1"];
    args.extend(["--json", &json, "--conns", "3"]);
    args.extend(load);
    if ["tls", "quic"].contains(&backend) {
        args.extend(["--ca", &ca]);
    }
    let output = match backend {
        "quic" => run_program(QUIC_CLIENT, &args),
        _ => run_client(&args),
    };
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{runtime} {backend}: {stderr}"
    );
    server.signal(Signal::TERM);
    let (status, stderr) = server.wait();
    assert_eq!(status, Some(0), "{runtime} {backend}: {stderr}");
    assert!(
        stderr.contains("3 connections accepted, 0 handshakes failed"),
        "{runtime} {backend}: {stderr}"
    );
    assert!(!fs::exists(&socket).unwrap(), "the socket's file is left");
    let report: Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
    assert_eq!(report["negotiated"]["transport"], backend);
    assert_eq!(report["config"]["runtime"], runtime);
    report
}

const OPEN_LOOP: [&str; 4] = ["--rps", "300", "--payload", "2000"];

fn run_all(runtime: &str) {
    for backend in ["tcp", "tls", "quic", "uds"] {
        let report = run_pair(runtime, backend, &OPEN_LOOP);
        assert_eq!(report["requests"]["answered"], 300, "{runtime} {backend}");
    }
}

#[test]
fn tokio_echoes_over_every_transport() {
    run_all("tokio");
}

#[test]
fn smol_echoes_over_every_transport() {
    run_all("smol");
}

#[test]
fn a_stream_goes_one_way() {
    for (runtime, backend) in [("tokio", "tls"), ("smol", "tls"), ("tokio", "quic")] {
        let report = run_pair(runtime, backend, &["--stream", "--payload", "65536"]);
        assert_eq!(report["config"]["one_way"], true);
        assert_eq!(report["requests"]["answered"], report["config"]["conns"]);
        assert!(report["sent_bytes_per_s"].as_f64() > Some(65_536.0));
        assert_eq!(report["received_bytes_per_s"], 0.0);
    }
}

#[test]
fn more_streams_than_a_depth_allows_are_open_at_once() {
    for runtime in ["tokio", "smol"] {
        let report = run_pair(runtime, "quic", &["--streams", "100", "--payload", "3000"]);
        assert_eq!(report["config"]["depth"], 100);
        assert_eq!(report["config"]["streaming"], true);
        assert!(report["requests"]["answered"].as_u64().unwrap() >= 300);
    }
}
