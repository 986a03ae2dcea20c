//! For a browser: one page that needs nothing else.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{Counts, Report, by_section, title, words};
use crate::live::verdict::{Outcome, Verdict};

const STYLE: &str = "
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
td, th { border-bottom: 1px solid #8884; padding: .25rem .6rem; text-align: left; vertical-align: top; }
pre { background: #8881; overflow-x: auto; padding: .6rem; }
.passed { color: #2a7d3f; } .failed { color: #c0272d; font-weight: 600; } .skipped { color: #777; }
@media (prefers-color-scheme: dark) { body { background: #16181b; color: #ddd; } }
";

/// The report as one page.
pub fn html(report: &Report) -> String {
    let counts = Counts::of(&report.outcomes);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { "OAP/1 conformance of " (report.target) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "OAP/1 conformance" }
                p {
                    (report.role) " " code { (report.target) } ", "
                    code { (report.implementation) } ": "
                    (counts.passed) " passed, " (counts.failed) " failed, "
                    (counts.skipped) " skipped."
                }
                @for (section, outcomes) in by_section(&report.outcomes) {
                    h2 { (section) " " (title(section)) }
                    table {
                        tr { th { "clause" } th { "what is true" } th { "verdict" } }
                        @for outcome in outcomes { (row(outcome)) }
                    }
                }
            }
        }
    }
    .into_string()
}

fn row(outcome: &Outcome) -> Markup {
    let (class, detail) = match &outcome.verdict {
        Verdict::Pass => ("passed", None),
        Verdict::Skipped(reason) => ("skipped", Some(html! { " (" (reason) ")" })),
        Verdict::Fail(finding) => {
            let lines = outcome.transcript.lines().join("\n");
            let detail = html! {
                details open {
                    summary { "due: " (finding.due) }
                    p { "came: " (finding.came) }
                    pre { (lines) }
                }
            };
            ("failed", Some(detail))
        }
    };
    html! {
        tr {
            td { (outcome.clause) }
            td { (words(outcome.name)) }
            td class=(class) {
                (class)
                @if let Some(detail) = detail { (detail) }
            }
        }
    }
}
