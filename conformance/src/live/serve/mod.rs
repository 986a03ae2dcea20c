//! Tests a client: a server that follows a script on each connection and judges what the client
//! sends.
//!
//! The client under test follows the drill (`docs/conformance/live.md`): it connects, says HELLO,
//! asks [`DRILL`] for a task, does it, tells how it went, and begins anew until there is nothing left
//! to do. [`crate::live::drill`] is such a client.

mod cases;
mod judge;
mod session;

pub use judge::{DRILL, Judge};
pub use session::{Plan, case_count, run};
