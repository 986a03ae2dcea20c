//! The line protocol of the stdio mode: one JSON object a line, and one line in answer to each.

mod process;
mod serve;

use serde::{Deserialize, Serialize};

use super::model::is_default;
use super::{Action, Config, Event, Output, Report, Role};

pub use process::Process;
pub use serve::serve;

/// A line to the implementation.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Order {
    Begin(Begin),
    Act(Action),
}

/// The first line of a vector.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Begin {
    #[serde(rename = "do")]
    what: BeginTag,
    vector: String,
    clauses: Vec<String>,
    role: Role,
    #[serde(default)]
    config: Config,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum BeginTag {
    #[serde(rename = "begin")]
    Begin,
}

/// A line from the implementation.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Answer {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    output: Vec<Output>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    events: Vec<Event>,
    #[serde(skip_serializing_if = "is_default")]
    paused: bool,
    #[serde(skip_serializing_if = "is_default")]
    refused: bool,
    /// Why the implementation does not do this.
    #[serde(skip_serializing_if = "is_default")]
    skip: Option<String>,
    /// Why it could not make sense of the line.
    #[serde(skip_serializing_if = "is_default")]
    error: Option<String>,
}

impl From<Report> for Answer {
    fn from(report: Report) -> Self {
        Self {
            output: report.output,
            events: report.events,
            paused: report.paused,
            refused: report.refused,
            ..Self::default()
        }
    }
}
