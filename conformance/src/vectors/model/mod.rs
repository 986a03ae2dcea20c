//! The form of a vector file; `conformance/vectors/schema.json` says the same as a JSON Schema.

mod action;
mod bytes;
mod config;
mod due;
mod event;
pub(super) mod number;

use serde::{Deserialize, Serialize};

pub use action::{Action, Verdict};
pub use bytes::Bytes;
pub use config::{Config, Role, Timers};
pub use due::{Ack, Due, DueBody, HelloBody};
pub use event::{Cause, Event, Start};

/// One file: the vectors of one section of the specification.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Where the schema lies, for editors.
    #[serde(rename = "$schema")]
    pub schema: String,
    /// The section's heading.
    pub section: String,
    /// The vectors, in the order of the clauses.
    pub vectors: Vec<Vector>,
}

/// One endpoint, what happens to it, and what is due from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vector {
    /// Unique over all files.
    pub name: String,
    /// The clauses that decide what is due.
    pub clauses: Vec<String>,
    /// What the endpoint under test is.
    pub role: Role,
    /// What differs from the defaults.
    #[serde(default, skip_serializing_if = "is_default")]
    pub config: Config,
    /// What is due as soon as the connection exists.
    #[serde(default, skip_serializing_if = "is_default")]
    pub begin: Expect,
    /// What happens then.
    pub steps: Vec<Step>,
}

/// One thing that happens, and what is due before the next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// What happens.
    #[serde(flatten)]
    pub action: Action,
    /// What is due; by default nothing.
    #[serde(default, skip_serializing_if = "is_default")]
    pub expect: Expect,
}

/// What is due: all of it, and nothing else.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// Frames to the peer. Those of one `app` and `corr` come in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub output: Vec<Due>,
    /// Events to the application, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Event>,
    /// Whether the endpoint takes more bytes from the transport afterwards; not looked at if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reading: Option<bool>,
    /// Whether the endpoint refuses the command, which then changes nothing.
    #[serde(default, skip_serializing_if = "is_default")]
    pub refused: bool,
}

/// Whether a field may be left out of a file.
pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
