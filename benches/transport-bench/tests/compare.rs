//! `transport-bench compare`, with something else in the place of cargo.
#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// Runs it in `directory`, and this program instead of cargo.
fn compare(directory: &Path, cargo: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_transport-bench"))
        .arg("compare")
        .args(arguments)
        .current_dir(directory)
        .env("CARGO", cargo)
        .output()
        .expect("a process")
}

/// A directory that has the package where the repository has it.
fn root() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let package = root.path().join("benches/compare");
    fs::create_dir_all(&package).unwrap();
    fs::write(package.join("Cargo.toml"), "").unwrap();
    root
}

#[test]
fn all_arguments_are_passed_on() {
    let root = root();
    for (given, passed) in [
        (&[][..], ""),
        (&["--scenario", "1x1"], "--scenario 1x1"),
        (&["growth", "--seconds", "1"], "growth --seconds 1"),
        (&["--", "--help"], "--help"),
    ] {
        let output = compare(root.path(), "echo", given);
        let told = String::from_utf8_lossy(&output.stdout);
        let run = "run --release --manifest-path benches/compare/Cargo.toml --";
        assert_eq!(told.trim_end(), format!("{run} {passed}").trim_end());
        assert_eq!(output.status.code(), Some(0));
    }
}

#[test]
fn a_comparison_that_fails_has_failed() {
    assert_eq!(compare(root().path(), "false", &[]).status.code(), Some(1));
}

#[test]
fn elsewhere_one_line_says_where_to_run_it() {
    let elsewhere = tempfile::tempdir().unwrap();
    let output = compare(elsewhere.path(), "cargo", &[]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(
        told.contains("benches/compare/Cargo.toml is not in "),
        "{told}"
    );
}

#[test]
fn the_package_is_where_it_is_expected() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    assert!(root.join("benches/compare/Cargo.toml").is_file());
}
