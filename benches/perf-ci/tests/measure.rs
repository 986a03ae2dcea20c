//! `measure` and `record`, with programs that say what they are told to.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

const SCHEMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../baselines/schema.json");

/// Listens in word alone; ends when it is killed.
const SERVER: &str = "#!/bin/sh\necho 'listening on 127.0.0.1:1'\nexec sleep 60\n";

/// Writes a report to where `--json` says.
const CLIENT: &str = r#"#!/bin/sh
while [ $# -gt 0 ]; do
    case $1 in
    --json) report=$2 ;;
    --stream) stream=1 ;;
    esac
    shift
done
if [ -n "$stream" ]; then
    echo '{"elapsed_s": 1.0, "sent_bytes_per_s": 0.0, "received_bytes_per_s": 2.5e8}' >"$report"
else
    echo '{"elapsed_s": 1.0, "latency_us": {"p95": 1500, "p99": 2500}}' >"$report"
fi
"#;

/// Knows no `--stream`.
const OLD_CLIENT: &str = r#"#!/bin/sh
case "$*" in
*--stream*) echo "tls_echo_client: unexpected argument '--stream' found" >&2; exit 2 ;;
esac
while [ $# -gt 0 ]; do [ "$1" = --json ] && report=$2; shift; done
echo '{"elapsed_s": 1.0, "latency_us": {"p95": 1500, "p99": 2500}}' >"$report"
"#;

fn programs(client: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for backend in ["tls", "quic"] {
        for (role, text) in [("server", SERVER), ("client", client)] {
            let path = directory.path().join(format!("{backend}_echo_{role}"));
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
    directory
}

fn measure(programs: &Path) -> (Option<i32>, String, PathBuf) {
    let report = programs.join("report.json");
    let output = Command::new(env!("CARGO_BIN_EXE_measure"))
        .args([
            "--schema",
            SCHEMA,
            "--runs",
            "2",
            "--seconds",
            "1",
            "--programs",
        ])
        .arg(programs)
        .arg("--report")
        .arg(&report)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), said, report)
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn what_the_programs_report_becomes_figures_in_their_units() {
    let programs = programs(CLIENT);
    let (status, said, report) = measure(programs.path());
    assert_eq!(status, Some(0), "{said}");
    let report = read(&report);
    assert_eq!(report["runs"].as_array().unwrap().len(), 2);
    let figures = &report["runs"][0]["figures"];
    assert_eq!(figures["tls_small_p95_ms"], 1.5);
    assert_eq!(figures["tls_small_p99_ms"], 2.5);
    assert_eq!(figures["tls_stream_64k_gbps"], 2.0);
    assert_eq!(figures["quic_stream_64k_gbps"], 2.0);
    assert!(figures["mem_gib"].as_f64().unwrap() > 0.0);
    assert_eq!(report["load"]["small_rps"], 5000);
}

#[test]
fn programs_without_streams_leave_those_figures_out_and_say_so() {
    let programs = programs(OLD_CLIENT);
    let (status, said, report) = measure(programs.path());
    assert_eq!(status, Some(1), "{said}");
    assert!(
        said.contains("tls_stream_64k_gbps: tls_echo_client --stream: "),
        "{said}"
    );
    let run = &read(&report)["runs"][0];
    assert_eq!(run["figures"]["tls_small_p95_ms"], 1.5);
    assert!(run["figures"]["quic_stream_64k_gbps"].is_null());
}

#[test]
fn programs_that_are_not_there_are_named() {
    let (status, said, _) = measure(tempfile::tempdir().unwrap().path());
    assert_eq!(status, Some(2));
    assert!(
        said.contains("tls_echo_server: is not there: cargo build"),
        "{said}"
    );
}

#[test]
fn a_baseline_is_not_recorded_from_a_debug_build() {
    if !cfg!(debug_assertions) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let baselines = directory.path().join("baselines.json");
    let empty = r#"{"crate": "oap-core", "baselines": []}"#;
    fs::write(&baselines, empty).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_record"))
        .args(["--schema", SCHEMA, "--ref", "Ref-A", "--baselines"])
        .arg(&baselines)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("--release")
    );
    assert_eq!(fs::read_to_string(&baselines).unwrap(), empty);
}
