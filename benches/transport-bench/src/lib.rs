//! The echo servers and load generators: a host with settings, reload, metrics and health, and an
//! open-loop load with its report, for every transport and on either runtime.

mod bench;
mod certificate;
mod chaos;
mod client;
mod compare;
mod cpu;
mod failure;
mod host;
mod html;
pub mod load;
mod loops;
mod ops;
mod report;
mod soak;
mod target;
mod usage;

pub use bench::bench_main;
pub use certificate::SelfSigned;
pub use chaos::{ChaosReport, ChaosRow, Seen};
pub use client::client_main;
pub use cpu::{cores, process_time};
pub use failure::{Failure, exit};
pub use host::server_main;
pub use loops::RuntimeName;
pub use oap_tokio::config::Backend;
pub use report::{
    Asked, HandshakeCounts, HandshakeReport, HandshakesAsked, Negotiated, Offer, Point, Report,
    Requests, Second, Spread,
};
pub use soak::{Heap, SoakReport, SoakVerdict, Trend};
pub use target::Target;
pub use usage::Usage;

/// The largest payload of one frame without a capability, in bytes.
pub const MAX_PAYLOAD: u32 = oap_core::wire::MAX_FRAME - oap_core::wire::MIN_LEN;

/// Connections that a client opens at most: far above what the descriptors of a usual process allow,
/// so that the system's limit is met first.
pub const MAX_CONNECTIONS: u32 = 16_384;
