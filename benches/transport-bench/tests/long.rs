//! `transport-bench soak` and `chaos`, for a few seconds.
#![cfg(target_os = "linux")]

use std::process::{Command, Output};

use serde_json::Value;

fn bench(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_transport-bench");
    Command::new(program)
        .args(arguments)
        .output()
        .expect("a process")
}

/// Runs it with a report, and returns exit status, text and report.
fn reported(name: &str, arguments: &[&str]) -> (Option<i32>, String, Value) {
    let directory = tempfile::tempdir().unwrap();
    let json = directory.path().join(name);
    let json = json.to_str().unwrap();
    let output = bench(&[arguments, &["--json", json]].concat());
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    let report = std::fs::read_to_string(json).unwrap();
    let report = serde_json::from_str(&report).unwrap_or_else(|error| panic!("{error}: {text}"));
    (output.status.code(), text, report)
}

#[test]
fn a_short_soak_answers_everything_and_says_what_it_cannot_tell() {
    for backend in ["tls", "tcp"] {
        let load = [
            "soak", "--hours", "0.003", "--round", "1", "--conns", "4", "--cpu", "20",
        ];
        let arguments = [&load[..], &["--backend", backend]].concat();
        let (status, text, report) = reported("soak.json", &arguments);
        // Whether memory grows a few seconds do not tell.
        assert!(matches!(status, Some(0 | 3)), "{text}");
        assert_eq!(report["unanswered"], 0, "{text}");
        assert!(report["answered"].as_u64().unwrap() > 0, "{text}");
        assert_eq!(report["descriptors"][0], report["descriptors"][1], "{text}");
        assert_eq!(report["rounds"], serde_json::json!([5, 6]), "{text}");
        assert!(report["rss_pct_per_day"]["low"].is_f64(), "{text}");
        assert!(text.contains("gate         resident memory: "), "{text}");
    }
}

#[test]
fn honest_clients_are_not_harmed_by_any_trouble() {
    let load = ["chaos", "--part", "2", "--rps", "50", "--conns", "2"];
    let (status, text, report) = reported("chaos.json", &load);
    assert_eq!(status, Some(0), "{text}");
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 9);
    let row = |name: &str| rows.iter().find(|row| row["name"] == name).unwrap();
    for (name, number) in [
        ("some-loss", "segments"),
        ("much-loss", "late_segments"),
        ("little-rate", "answered"),
        ("resets", "resets"),
        ("slow-loris", "bytes"),
        ("bombs", "units"),
        ("never-reading", "units"),
        ("killed-clients", "killed"),
    ] {
        let row = row(name);
        assert!(
            row["trouble"][number].as_u64().unwrap() > 0,
            "{name}: {text}"
        );
        assert_eq!(
            row["beside"]["answered"], row["beside"]["intended"],
            "{name}: {text}"
        );
    }
    let lost = &row("killed-server")["beside"];
    assert_eq!(lost["connections_lost"], 2, "{text}");
    assert_eq!(lost["unfinished"], 0, "{text}");
}

#[test]
fn options_that_break_a_rule_are_refused() {
    for arguments in [
        &["soak"][..],
        &["soak", "--hours", "0"],
        &["soak", "--hours", "1", "--backend", "uds"],
        &["chaos", "--only", "earthquake"],
        &["chaos", "--part", "0"],
        &["nonsense"],
    ] {
        let output = bench(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
    let list = String::from_utf8(bench(&["chaos", "--list"]).stdout).unwrap();
    assert!(list.contains("slow-loris"), "{list}");
}
