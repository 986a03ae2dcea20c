//! For programs.

use serde::Serialize;

use super::{Counts, Report};
use crate::live::verdict::{Outcome, Verdict};

#[derive(Serialize)]
struct Document<'a> {
    target: &'a str,
    implementation: &'a str,
    role: &'a str,
    passed: usize,
    failed: usize,
    skipped: usize,
    cases: Vec<Case<'a>>,
}

#[derive(Serialize)]
struct Case<'a> {
    clause: &'a str,
    name: &'a str,
    verdict: &'a str,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    due: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    came: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    transcript: Vec<String>,
}

impl<'a> From<&'a Outcome> for Case<'a> {
    fn from(outcome: &'a Outcome) -> Self {
        let mut case = Self {
            clause: outcome.clause,
            name: outcome.name,
            verdict: "passed",
            seconds: outcome.took.as_secs_f64(),
            due: None,
            came: None,
            reason: None,
            transcript: Vec::new(),
        };
        match &outcome.verdict {
            Verdict::Pass => {}
            Verdict::Fail(finding) => {
                case.verdict = "failed";
                case.due = Some(&finding.due);
                case.came = Some(&finding.came);
                case.transcript = outcome.transcript.lines();
            }
            Verdict::Skipped(reason) => {
                case.verdict = "skipped";
                case.reason = Some(reason);
            }
        }
        case
    }
}

/// The report as one JSON object.
///
/// # Errors
/// None that a report could cause.
pub fn json(report: &Report) -> serde_json::Result<String> {
    let counts = Counts::of(&report.outcomes);
    serde_json::to_string_pretty(&Document {
        target: &report.target,
        implementation: &report.implementation,
        role: report.role,
        passed: counts.passed,
        failed: counts.failed,
        skipped: counts.skipped,
        cases: report.outcomes.iter().map(Case::from).collect(),
    })
}
