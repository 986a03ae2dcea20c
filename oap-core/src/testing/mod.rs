//! Two connections in virtual time, the link between them, and bodies for property tests and
//! fuzzers. Everything follows from a seed, and everything is bounded.

pub mod bodies;
mod link;
mod pair;
mod rng;

pub use link::{Cut, Link, Weather};
pub use pair::{Pair, Side};
pub use rng::Rng;
