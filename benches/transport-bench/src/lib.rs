//! What the echo servers and load generators share: options that explain themselves when they are
//! wrong, certificates, signals, a server on one thread per core, an open-loop load, its report.

mod certificate;
mod cpu;
mod failure;
mod handover;
pub mod load;
mod report;
mod server;
mod signals;
mod target;

pub use certificate::SelfSigned;
pub use cpu::{cores, process_time};
pub use failure::{Failure, exit, parse};
pub use report::{Asked, Negotiated, Offer, Report, Requests, Spread};
pub use server::{ServeOptions, ServeTotals, serve};
pub use signals::Signals;
pub use target::{Address, Scheme, Target};

/// The largest payload of one frame without a capability, in bytes.
pub const MAX_PAYLOAD: u32 = oap_core::wire::MAX_FRAME - oap_core::wire::MIN_LEN;

/// Connections that one server thread serves, and that a client opens, at most: far above what the
/// descriptors of a usual process allow, so that the system's limit is met first.
pub const MAX_CONNECTIONS: u32 = 16_384;
