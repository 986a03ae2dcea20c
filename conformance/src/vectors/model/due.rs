//! Frames that are due.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::number::{decimal, tenant};
use super::{Bytes, is_default};
use crate::vectors::Flags;

/// A frame that is due, with the freedom that the specification leaves.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Due {
    /// The lane.
    #[serde(default, skip_serializing_if = "is_default")]
    pub lane: u16,
    /// The lane is the endpoint's choice.
    #[serde(default, skip_serializing_if = "is_default")]
    pub any_lane: bool,
    /// Flags that are set.
    pub flags: Flags,
    /// Flags that may be set or not; all others are not.
    #[serde(default, skip_serializing_if = "is_default")]
    pub may: Flags,
    /// The code.
    #[serde(default, skip_serializing_if = "is_default")]
    pub code: u16,
    /// The application.
    #[serde(default, skip_serializing_if = "is_default")]
    pub app: u16,
    /// The tenant.
    #[serde(with = "tenant", default, skip_serializing_if = "is_default")]
    pub tenant: u128,
    /// The exchange; 0 stands for any id where `any_corr` is set.
    #[serde(with = "decimal")]
    pub corr: u64,
    /// The id is the endpoint's choice, but not 0.
    #[serde(default, skip_serializing_if = "is_default")]
    pub any_corr: bool,
    /// The capability.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cap: Bytes,
    /// The payload, by bytes or by what it means.
    #[serde(default, skip_serializing_if = "DueBody::is_empty")]
    pub body: DueBody,
    /// One or more frames, whose payloads are joined: START only on the first, END only on the last.
    #[serde(default, skip_serializing_if = "is_default")]
    pub split: bool,
    /// What `len` of each frame may be at most.
    #[serde(default, skip_serializing_if = "is_default")]
    pub max_len: Option<u32>,
    /// The bytes of the frame, where everything is determined.
    #[serde(default, skip_serializing_if = "is_default")]
    pub hex: Option<Bytes>,
}

/// What a payload is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DueBody {
    /// Exactly these bytes.
    Payload(Bytes),
    /// An error body with this reason (OAP-9-3).
    Error(String),
    /// The same, or nothing.
    ErrorOrEmpty(String),
    /// A HELLO body: an object with at least these members.
    Hello(HelloBody),
    /// The payload of an ACK.
    Ack(Ack),
    /// A compressed payload that inflates to these bytes.
    Zlib(Bytes),
}

impl DueBody {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for DueBody {
    fn default() -> Self {
        Self::Payload(Bytes::default())
    }
}

/// Members that a HELLO body has, whatever else it has.
pub type HelloBody = Map<String, Value>;

/// The numbers of an ACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ack {
    /// Exactly this.
    pub consumed: u64,
    /// At least this.
    pub limit: u64,
    /// At most this, where something bounds it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub most: Option<u64>,
}
