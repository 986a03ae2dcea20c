//! Results for people and for programs.

mod html;
mod json;
mod junit;
mod text;

use super::verdict::{Outcome, Verdict};

pub use html::html;
pub use json::json;
pub use junit::junit;
pub use text::{failure, summary};

/// Everything that a report tells.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was tested, `tls://127.0.0.1:8443` say.
    pub target: String,
    /// Its name and version, as it tells them.
    pub implementation: String,
    /// What was tested in one word: `server` or `client`.
    pub role: &'static str,
    /// All cases that were run.
    pub outcomes: Vec<Outcome>,
}

/// How many cases came out how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Cases that passed.
    pub passed: usize,
    /// Cases that failed.
    pub failed: usize,
    /// Cases that do not apply.
    pub skipped: usize,
}

impl Counts {
    /// Counts these.
    pub fn of<'a>(outcomes: impl IntoIterator<Item = &'a Outcome>) -> Self {
        let mut counts = Self::default();
        for outcome in outcomes {
            match outcome.verdict {
                Verdict::Pass => counts.passed += 1,
                Verdict::Fail(_) => counts.failed += 1,
                Verdict::Skipped(_) => counts.skipped += 1,
            }
        }
        counts
    }

    /// All of them.
    pub const fn total(&self) -> usize {
        self.passed + self.failed + self.skipped
    }
}

/// The number of the section that a clause is in.
fn section(clause: &str) -> u32 {
    let number = clause.split('-').nth(1).and_then(|part| part.parse().ok());
    number.unwrap_or(0)
}

/// The sections that have outcomes, with these.
fn by_section(outcomes: &[Outcome]) -> std::collections::BTreeMap<u32, Vec<&Outcome>> {
    let mut sections = std::collections::BTreeMap::<u32, Vec<&Outcome>>::new();
    for outcome in outcomes {
        sections
            .entry(section(outcome.clause))
            .or_default()
            .push(outcome);
    }
    sections
}

/// A case's name in words.
fn words(name: &str) -> String {
    name.replace('_', " ")
}

/// What the sections of the specification are about.
const TITLES: [&str; 12] = [
    "",
    "frames",
    "flags",
    "exchanges",
    "control frames",
    "HELLO",
    "windows",
    "events",
    "compression",
    "codes and errors",
    "timers and budgets",
    "transports",
];

fn title(section: u32) -> &'static str {
    TITLES.get(section as usize).copied().unwrap_or("")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::live::transcript::Transcript;
    use crate::live::verdict::Finding;

    fn report() -> Report {
        let outcome = |clause, name, verdict| Outcome {
            clause,
            name,
            verdict,
            took: Duration::from_millis(7),
            transcript: Transcript::default(),
        };
        let finding = Finding {
            due: "a <frame>".to_owned(),
            came: "nothing".to_owned(),
        };
        Report {
            target: "tcp://127.0.0.1:1".to_owned(),
            implementation: "demo/1".to_owned(),
            role: "server",
            outcomes: vec![
                outcome("OAP-1-1", "one_is_fine", Verdict::Pass),
                outcome("OAP-3-1", "one_is_not", Verdict::Fail(finding)),
                outcome(
                    "OAP-11-5",
                    "one_is_not_here",
                    Verdict::Skipped("no lanes".to_owned()),
                ),
            ],
        }
    }

    #[tokio::test]
    async fn every_format_tells_what_failed_and_why() {
        let report = report();
        let failed = &report.outcomes[1];
        let texts = [
            failure(failed),
            json(&report).unwrap(),
            junit(&report).unwrap(),
            html(&report),
        ];
        for text in texts {
            assert!(text.contains("OAP-3-1"), "{text}");
            assert!(text.contains("nothing"), "{text}");
        }
        let summary = summary(&report);
        assert!(
            summary.contains("1 passed, 1 failed, 1 skipped"),
            "{summary}"
        );
        let parsed: serde_json::Value = serde_json::from_str(&json(&report).unwrap()).unwrap();
        assert_eq!(parsed["failed"], 1);
        assert!(junit(&report).unwrap().contains("a &lt;frame&gt;"));
        assert!(html(&report).contains("a &lt;frame&gt;"));
    }
}
