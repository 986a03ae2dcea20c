//! What an operator sees of the driver: metrics through the facade `metrics`, spans and events
//! through `tracing`.
//!
//! Metrics are registered when a server or a session starts: install the recorder before. Labels
//! come from closed sets only, never a peer's address, an id or anything that a peer chose; events
//! never hold payloads or capabilities. Without the feature `telemetry` all of it is empty.

#[cfg_attr(not(feature = "telemetry"), path = "telemetry/none.rs")]
mod live;
#[cfg(feature = "telemetry")]
mod names;

pub(super) use live::{ConnectionTelemetry, ExchangeTelemetry, ServerTelemetry, dialled};
#[cfg(feature = "telemetry")]
pub use names::{LATENCY_BUCKETS, SIZE_BUCKETS, describe};
