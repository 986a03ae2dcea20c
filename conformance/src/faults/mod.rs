//! Faults made on purpose: below the driver, around it, and between two processes.
//!
//! A [`Plan`] counts the operations of one side and fails one of them; [`FaultyTransport`],
//! [`FaultyListener`] and [`FaultyRuntime`] put it between the driver and any adapter. What is asked
//! of an implementation afterwards is always the same: every call has ended with an answer or a
//! reason, and no task and no descriptor is left.

mod calls;
mod ends;
mod jumps;
mod lossy;
mod nth;
mod plan;
mod rig;
mod roles;
mod runtime;
mod sigkill;
mod starve;
mod tally;
mod transport;

pub use calls::{Outcome, all_calls};
pub use ends::{Ends, SmolTcp, SmolUds, TokioTcp, TokioUds};
pub use jumps::{Jumped, VirtualRuntime, calls_across_jumps};
pub use lossy::{LossyRelay, Path};
pub use nth::{Summary, every_operation_fails_once};
pub use plan::{Fault, Manner, Op, Plan};
pub use roles::run;
pub use runtime::{FaultyRuntime, Tasks};
pub use sigkill::{Killed, Victim, killed_at_points};
pub use starve::{Starved, dial_without_descriptors};
pub use tally::{Answers, unique_calls};
pub use transport::{FaultyListener, FaultyTransport};

use std::fs;

/// Descriptors that this process has open.
///
/// # Panics
/// Where there is no `/proc`.
pub fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("/proc").count()
}
