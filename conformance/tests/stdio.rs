//! The stdio mode: one program drives another.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::{env, fs, process};

use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_oap-conformance");

fn vectors(exec: &str, more: &[&str]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(["vectors", "--exec", exec]).args(more);
    command.output().expect("the program runs")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_core_passes_every_vector_over_lines() {
    let output = vectors(&format!("{PROGRAM} stdio"), &["--whole"]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains(" 0 failed, 0 skipped"));
}

#[test]
fn a_clause_is_chosen_and_reported() {
    let report = Scratch::new("report.json");
    let path = report.0.to_str().expect("a path of UTF-8");
    let exec = format!("{PROGRAM} stdio");
    let output = vectors(&exec, &["--only", "OAP-1-3", "--json", path]);
    assert!(output.status.success(), "{}", text(&output));
    let report: Value = serde_json::from_slice(&fs::read(path).expect("a report")).expect("JSON");
    let rows = report["vectors"].as_array().expect("a list");
    assert_eq!(report["totals"]["passed"], rows.len());
    assert_eq!(report["totals"]["failed"], 0);
    for row in rows {
        let clauses = row["clauses"].as_array().expect("a list");
        assert!(clauses.contains(&"OAP-1-3".into()), "{row}");
    }
}

#[test]
fn a_program_that_talks_nonsense_fails() {
    let output = vectors("cat", &["--only", "1/len 0", "--whole"]);
    assert!(!output.status.success());
    assert!(
        text(&output).contains("its line is no report"),
        "{}",
        text(&output)
    );
}

#[test]
fn a_program_that_ends_fails() {
    let output = vectors("true", &["--only", "1/len 0", "--whole"]);
    assert!(!output.status.success());
    let output = vectors("there-is-no-such-program", &[]);
    assert!(!output.status.success());
}

#[test]
fn nothing_chosen_is_no_success() {
    let output = vectors(&format!("{PROGRAM} stdio"), &["--only", "OAP-99"]);
    assert!(!output.status.success());
    assert!(text(&output).contains("0 passed, 0 failed"));
}

/// A file that is gone afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        Self(env::temp_dir().join(format!("oap-stdio-{}-{name}", process::id())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
