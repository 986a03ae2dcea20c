//! What property tests and fuzzers run: bodies that take arbitrary bytes and check, after every
//! step, everything that can be seen from outside.

mod bytes;
mod capability;
mod choices;
mod command;
mod config;
mod control;
mod error;
mod frame;
mod frames;
mod header;
mod heap;
mod hello;
#[cfg(feature = "comp")]
mod inflate;
mod output;
mod pair;
mod policy;
mod probe;
mod queue;
mod split;

pub use bytes::{any_bytes, bytes};
pub use capability::capability;
pub use config::config;
pub use control::control;
pub use error::error;
pub use frames::{any_frames, frames};
pub use header::header;
pub use heap::Heap;
pub use hello::hello;
#[cfg(feature = "comp")]
pub use inflate::inflate;
pub use pair::pair;
pub use policy::policy;
pub use queue::queue;
pub use split::{split, transcript};

/// A body: arbitrary bytes, and the heap that it watches.
pub type FuzzBody = fn(&[u8], Heap);

/// Every body by the name of its target and its corpus.
pub const FUZZ_BODIES: &[(&str, FuzzBody)] = &[
    ("bytes", bytes),
    ("capability", capability),
    ("config", config),
    ("control", control),
    ("error", error),
    ("frames", frames),
    ("header", header),
    ("hello", hello),
    #[cfg(feature = "comp")]
    ("inflate", inflate),
    ("pair", pair),
    ("policy", policy),
    ("queue", queue),
    ("split", split),
];

/// Rounds after which a body lets its connections be.
const STEPS: usize = 32;
