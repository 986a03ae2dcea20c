//! What an endpoint under test is set up with.

use serde::{Deserialize, Serialize};

use super::is_default;

/// What the endpoint under test is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It opened the connection.
    Client,
    /// It accepted the connection.
    Server,
}

/// The settings of an endpoint; what is absent has the protocol's default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Client: sends no HELLO.
    #[serde(skip_serializing_if = "is_default")]
    pub no_hello: bool,
    /// Own `max_frame`.
    #[serde(skip_serializing_if = "is_default")]
    pub max_frame: Option<u32>,
    /// Own `max_inflight`.
    #[serde(skip_serializing_if = "is_default")]
    pub max_inflight: Option<u16>,
    /// Own `ack_window`.
    #[serde(skip_serializing_if = "is_default")]
    pub ack_window: Option<u32>,
    /// The features that it lists; all by default.
    #[serde(skip_serializing_if = "is_default")]
    pub features: Option<Vec<String>>,
    /// The codings that it lists; `zlib` by default.
    #[serde(skip_serializing_if = "is_default")]
    pub comp: Option<Vec<String>>,
    /// Client: does not opt in to windows and gives no `ack_window`.
    #[serde(skip_serializing_if = "is_default")]
    pub no_windows: bool,
    /// Server: a verifier is set; `authorize` gives its verdicts.
    #[serde(skip_serializing_if = "is_default")]
    pub verifier: bool,
    /// Server: a handler works on after its answer, until `release`.
    #[serde(skip_serializing_if = "is_default")]
    pub release: bool,
    /// Payloads count as consumed at `consume`, not on delivery (OAP-6-12).
    #[serde(skip_serializing_if = "is_default")]
    pub consume: bool,
    /// Lanes other than 0 may come (section 11).
    #[serde(skip_serializing_if = "is_default")]
    pub lanes: bool,
    /// The timers that differ from Table 7.
    #[serde(skip_serializing_if = "is_default")]
    pub timers: Timers,
}

/// Timers, in microseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timers {
    /// First frame.
    #[serde(skip_serializing_if = "is_default")]
    pub first_frame: Option<u64>,
    /// Frame, without what its `len` adds.
    #[serde(skip_serializing_if = "is_default")]
    pub frame: Option<u64>,
    /// Write.
    #[serde(skip_serializing_if = "is_default")]
    pub write: Option<u64>,
    /// Idle.
    #[serde(skip_serializing_if = "is_default")]
    pub idle: Option<u64>,
    /// HELLO answer.
    #[serde(skip_serializing_if = "is_default")]
    pub hello: Option<u64>,
    /// Request.
    #[serde(skip_serializing_if = "is_default")]
    pub request: Option<u64>,
    /// Verdict.
    #[serde(skip_serializing_if = "is_default")]
    pub verdict: Option<u64>,
    /// How long a drained server waits for its client (OAP-4-12); not at all by default.
    #[serde(skip_serializing_if = "is_default")]
    pub linger: Option<u64>,
}
