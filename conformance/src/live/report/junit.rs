//! For continuous integration.

use quick_junit::{NonSuccessKind, SerializeError, TestCase, TestCaseStatus, TestSuite};

use super::{Report, by_section, title};
use crate::live::verdict::{Outcome, Verdict};

/// The report as JUnit XML: a suite for each section of the specification.
///
/// # Errors
/// None that a report could cause.
pub fn junit(report: &Report) -> Result<String, SerializeError> {
    let mut document = quick_junit::Report::new(format!("oap-conformance {}", report.role));
    for (section, outcomes) in by_section(&report.outcomes) {
        let mut suite = TestSuite::new(format!("OAP-{section} {}", title(section)));
        suite.add_test_cases(outcomes.into_iter().map(case));
        document.add_test_suite(suite);
    }
    document.to_string()
}

fn case(outcome: &Outcome) -> TestCase {
    let status = match &outcome.verdict {
        Verdict::Pass => TestCaseStatus::success(),
        Verdict::Fail(finding) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            let lines = outcome.transcript.lines().join("\n");
            status.set_message(format!("due: {}; came: {}", finding.due, finding.came));
            status.set_description(lines);
            status
        }
        Verdict::Skipped(reason) => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(reason.as_str());
            status
        }
    };
    let mut case = TestCase::new(outcome.name, status);
    case.set_classname(outcome.clause).set_time(outcome.took);
    case
}
