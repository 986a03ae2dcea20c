//! What an endpoint under test reports.

use serde::{Deserialize, Serialize};

use super::{Action, Bytes, Event, Vector};
use crate::vectors::model::is_default;

/// An implementation under test.
pub trait Subject {
    /// Begins a vector with a new connection in its role and with its configuration.
    ///
    /// # Errors
    /// [`SubjectError`]
    fn begin(&mut self, vector: &Vector) -> Result<Report, SubjectError>;

    /// Lets one thing happen and reports all that follows from it.
    ///
    /// # Errors
    /// [`SubjectError`]
    fn act(&mut self, action: &Action) -> Result<Report, SubjectError>;
}

/// What followed from one action.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Report {
    /// Bytes for the peer, in the order in which they were written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub output: Vec<Output>,
    /// Events for the application.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Event>,
    /// The endpoint takes no more bytes from the transport for now.
    #[serde(skip_serializing_if = "is_default")]
    pub paused: bool,
    /// The command was not possible and has changed nothing.
    #[serde(skip_serializing_if = "is_default")]
    pub refused: bool,
}

/// Bytes of one lane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// The lane.
    #[serde(default, skip_serializing_if = "is_default")]
    pub lane: u16,
    /// The bytes.
    pub bytes: Bytes,
}

/// Why there is no report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubjectError {
    /// The implementation does not do this; the vector is not judged.
    Skip(String),
    /// The implementation did not answer, or not in the form agreed on.
    Broken(String),
}

impl Report {
    /// Adds what followed from the next piece of the same action.
    pub fn extend(&mut self, next: Self) {
        self.output.extend(next.output);
        self.events.extend(next.events);
        self.paused = next.paused;
        self.refused |= next.refused;
    }
}
