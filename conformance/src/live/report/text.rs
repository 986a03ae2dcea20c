//! For a terminal.

use std::fmt::Write;

use super::{Counts, Report, by_section, title, words};
use crate::live::verdict::{Outcome, Verdict};

/// A failed case with all that helps to understand it; empty for any other.
pub fn failure(outcome: &Outcome) -> String {
    let Verdict::Fail(finding) = &outcome.verdict else {
        return String::new();
    };
    let mut text = format!("FAIL {}: {}\n", outcome.clause, words(outcome.name));
    let _ = writeln!(text, "  due   {}", finding.due);
    let _ = writeln!(text, "  came  {}", finding.came);
    for line in outcome.transcript.lines() {
        let _ = writeln!(text, "  {line}");
    }
    let _ = writeln!(text, "  alone: --only {}", outcome.name);
    text
}

/// A table by section, and one line that says how it went.
pub fn summary(report: &Report) -> String {
    let mut text = format!(
        "{:<26} {:>6} {:>6} {:>7}\n",
        "section", "passed", "failed", "skipped"
    );
    for (section, outcomes) in by_section(&report.outcomes) {
        let counts = Counts::of(outcomes);
        let _ = writeln!(
            text,
            "{section:>2} {:<23} {:>6} {:>6} {:>7}",
            title(section),
            counts.passed,
            counts.failed,
            counts.skipped
        );
    }
    for (reason, count) in skipped(&report.outcomes) {
        let _ = writeln!(text, "skipped {count}: {reason}");
    }
    let counts = Counts::of(&report.outcomes);
    let _ = write!(
        text,
        "{} {} ({}): {} passed, {} failed, {} skipped",
        report.role,
        report.target,
        report.implementation.escape_default(),
        counts.passed,
        counts.failed,
        counts.skipped
    );
    text
}

fn skipped(outcomes: &[Outcome]) -> std::collections::BTreeMap<&str, usize> {
    let mut reasons = std::collections::BTreeMap::new();
    for outcome in outcomes {
        if let Verdict::Skipped(reason) = &outcome.verdict {
            *reasons.entry(reason.as_str()).or_insert(0) += 1;
        }
    }
    reasons
}
