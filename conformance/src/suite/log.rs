//! The logs: what a script did, and what it is expected to do.

use std::any::Any;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

/// Runs a script and compares its log with the committed one.
pub(super) fn check(cell: &str, script: &str, run: impl FnOnce() -> String) {
    let log = match catch_unwind(AssertUnwindSafe(run)) {
        Ok(log) => log,
        Err(panic) => panic!("{cell}, script {script}: {}", message(&*panic)),
    };
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("suite/logs")
        .join(format!("{script}.txt"));
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &log).expect("the log can be written");
        return;
    }
    let expected = fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; BLESS=1 writes it", path.display()));
    assert!(
        log == expected,
        "{cell}, script {script}: the log differs (- expected, + seen)\n{}",
        difference(&expected, &log)
    );
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message")
}

/// The lines from the first that differs on, with those before it as they are.
fn difference(expected: &str, seen: &str) -> String {
    let (expected, seen): (Vec<_>, Vec<_>) = (expected.lines().collect(), seen.lines().collect());
    let same = expected
        .iter()
        .zip(&seen)
        .take_while(|(left, right)| left == right)
        .count();
    let lines = |mark: &'static str, lines: &[&str]| {
        lines
            .iter()
            .map(|line| format!("{mark} {line}\n"))
            .collect::<String>()
    };
    lines(" ", &seen[..same]) + &lines("-", &expected[same..]) + &lines("+", &seen[same..])
}
