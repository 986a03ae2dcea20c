//! A scenario, for a moment.

use std::process::{Command, Output};

use serde_json::Value;

fn compare(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_compare"));
    command.args(arguments).output().unwrap()
}

#[test]
fn rounds_end_with_ratios_to_whom_one_names() {
    let directory = tempfile::tempdir().unwrap();
    let json = directory.path().join("report.json");
    let scenario = ["--scenario", "32x1", "--beside", "tokio-rustls-plain"];
    let round = [
        "--contender",
        "oap-tokio",
        "--rounds",
        "1",
        "--seconds",
        "1",
    ];
    let file = ["--json", json.to_str().unwrap()];
    let output = compare(&[&scenario[..], &round[..], &file[..]].concat());
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{output:?}");
    assert!(told.contains("ratios to tokio-rustls-plain"), "{told}");

    let report: Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    let standings = report["scenarios"][0]["standings"].as_array().unwrap();
    let names = standings
        .iter()
        .map(|one| one["contender"].as_str().unwrap());
    assert!(names.eq(["tokio-rustls-plain", "oap-tokio"]), "{told}");
    for standing in standings {
        assert!(standing["rate"]["median"].as_f64() > Some(0.0), "{told}");
    }
    assert_eq!(standings[0]["cpu_ratio"]["median"], 1.0);
}

#[test]
fn who_cannot_do_it_is_named() {
    let arguments = ["--scenario", "quic-stream-64k", "--beside", "tonic"];
    let output = compare(&arguments);
    assert!(!output.status.success());
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = "Error: --beside tonic: it does not do quic-stream-64k";
    assert_eq!(error.lines().next(), Some(line));
}
