//! Handshakes as a load: the real client and the real server.
#![cfg(unix)]

#[allow(dead_code, reason = "these tests need a part of it")]
mod support;

use std::fs;
use std::process::Output;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;
use support::{DEADLINE, Server, private_directory, run_client};

/// Makes handshakes for a second with a server that is told `serve`; exit status, texts and report.
fn run(serve: &[&str], load: &[&str]) -> (Output, Value, String) {
    let directory = private_directory();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (ca, json) = (path("ca.pem"), path("report.json"));
    let server = Server::start(&[&["--self-signed-out", &ca], serve].concat());
    let (target, pid) = (
        format!("https://{}", server.address),
        server.id().to_string(),
    );
    let mut args = vec!["--target", &target, "--ca", &ca, "--json", &json];
    args.extend(["--duration", "1", "--server-pid", &pid]);
    args.extend(load);
    let output = run_client(&args);
    server.signal(Signal::TERM);
    let (status, stderr) = server.wait();
    assert_eq!(status, Some(0), "{stderr}");
    let report = serde_json::from_slice(&fs::read(json).unwrap()).unwrap_or_else(|error| {
        let stderr = String::from_utf8_lossy(&output.stderr);
        panic!("no report: {error}: {stderr}")
    });
    (output, report, stderr)
}

fn count(report: &Value, name: &str) -> u64 {
    report["handshakes"][name].as_u64().unwrap()
}

#[test]
fn handshakes_are_of_the_kind_that_was_asked_for() {
    for (kind, none, runtime) in [
        ("cold", "resumed", "tokio"),
        ("resumed", "full", "tokio"),
        ("cold", "resumed", "smol"),
        ("resumed", "full", "smol"),
    ] {
        let load = ["--handshakes", kind, "--rps", "8", "--conns", "4"];
        let runtime = ["--runtime", runtime];
        let (output, report, server) = run(&runtime, &[&load[..], &runtime].concat());
        let told = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{told}");
        assert_eq!(
            (count(&report, "intended"), count(&report, "completed")),
            (8, 8)
        );
        assert_eq!(count(&report, none), 0, "{told}");
        assert_eq!(report["as_asked"], true);
        assert_eq!(report["negotiated"]["tls_version"], "TLSv1_3");
        // The first connection of each place is not counted, but the server has seen it.
        assert!(
            server.contains("12 connections accepted, 0 handshakes failed"),
            "{server}"
        );
        for times in ["tls_us", "hello_us"] {
            let at = |name: &str| report[times][name].as_u64().unwrap();
            let steps = ["p50", "p95", "p99", "p99_9", "max"].map(at);
            assert!(steps.is_sorted() && steps[0] > 0, "{times} {steps:?}");
        }
        let each = |name: &str| report[name].as_f64().unwrap();
        assert!(each("client_cpu_us_each") > 0.0, "{told}");
        assert!(report["server_cpu_us_each"].is_f64());
    }
}

#[test]
fn a_closed_loop_makes_one_handshake_after_another_at_each_place() {
    let load = ["--handshakes", "resumed", "--conns", "2"];
    let (output, report, _) = run(&[], &load);
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(count(&report, "completed") > 2, "{told}");
    assert_eq!(count(&report, "resumed"), count(&report, "completed"));
    assert!(told.contains("closed loop, 2 places"), "{told}");
}

#[test]
fn sessions_that_the_server_forgets_are_told_and_spoil_the_run() {
    let directory = private_directory();
    let ca = directory.path().join("ca.pem");
    let ca = ca.to_str().unwrap().to_owned();
    let server = Server::start(&["--self-signed-out", &ca, "--metrics", "127.0.0.1:0"]);
    let target = format!("https://{}", server.address);
    let client = thread::spawn(move || {
        let load = ["--handshakes", "resumed", "--duration", "3"];
        run_client(&[&load[..], &["--target", &target, "--ca", &ca]].concat())
    });
    let deadline = Instant::now() + DEADLINE;
    // The first is not counted, and those after it are resumed.
    while accepted(&server) < 3.0 {
        assert!(Instant::now() < deadline, "no handshakes in time");
        thread::sleep(Duration::from_millis(5));
    }
    // New keys for tickets: those that the client has are void.
    server.reload();
    let output = client.join().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("handshakes were not resumed"), "{told}");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("1 full: 1 are not resumed"), "{told}");
}

/// Connections that the server has accepted.
fn accepted(server: &Server) -> f64 {
    let (_, text) = server.get("/metrics");
    let line = text
        .lines()
        .find(|line| line.starts_with("transport_accepts_total{"));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok())
        .unwrap_or(0.0)
}

#[test]
fn a_first_connection_that_fails_ends_the_run() {
    let directory = private_directory();
    let ca = directory.path().join("ca.pem");
    let ca = ca.to_str().unwrap();
    let server = Server::start(&["--self-signed-out", ca]);
    let target = format!("https://{}", server.address);
    let other_name = ["--tls_client.sni_override", "elsewhere.example"];
    let args = ["--target", &target, "--ca", ca, "--handshakes", "cold"];
    let output = run_client(&[&args[..], &other_name].concat());
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("cannot connect to https://"), "{told}");
}

#[test]
fn options_that_do_not_go_with_handshakes_are_refused() {
    for (args, rule) in [
        (
            &["--target", "tcp://127.0.0.1:1"][..],
            "must be https:// for --handshakes",
        ),
        (
            &["--target", "quic://127.0.0.1:1"],
            "must be https:// for --handshakes",
        ),
        (
            &["--target", "https://127.0.0.1:1", "--payload", "1"],
            "cannot be used with",
        ),
    ] {
        let output = run_client(&[args, &["--handshakes", "cold"]].concat());
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(rule), "{told}");
    }
}
