//! A model checker of the real code: two [`Connection`](oap_core::Connection)s, the transport
//! between them at the grain of frames, two applications with bounded plans, and every order in
//! which all of that can go.
//!
//! [`World`] is one state; [`World::actions`] tells what can happen in it, [`World::apply`] lets one
//! thing happen. [`explore`] walks depth first through every state that can be reached, and knows
//! the states it has seen by 64 bits each. In each it checks [`World::check`]: no limit is passed,
//! the connections' books agree with what is there, credit is never below nothing. Each step is
//! judged: a reference of the plans' bytes at both applications (none lost, doubled or out of
//! place), a judge of the wire that knows the specification only, the server's table cell by cell,
//! and that nobody who keeps to the rules is found at fault. Where nothing happens any more unless
//! something optional does, [`World::check_at_rest`] wants every exchange ended at both sides and
//! nothing left that nobody will move; and no way may lead back to a state that it has passed.
//! Together: whatever the order, every exchange ends.
//!
//! Why an explorer of our own and not stateright: that keeps whole states in its queue (here two
//! connections with their buffers, and a breadth-first front has hundreds of thousands), wants
//! equality of states where a digest serves, and checks "eventually" in a way that its own
//! documentation calls incomplete where paths join or circle. Depth first, the memory is the states
//! of one path and a digest of each known state, circles are found exactly, and it is a hundred
//! lines.
//!
//! What bounds it: the plans, the frames under way, one clock that moves by scripted ticks, whole
//! frames (how bytes are divided is the matter of `oap-core/tests/prop_stream.rs`), no compression.
//! Two states with the same 64 bits would be taken for one; among 10 million states the chance that
//! any two are is below one in 300,000.

mod action;
mod client;
mod explorer;
mod forged;
mod matrix;
mod pipe;
mod plan;
mod properties;
mod sabotage;
mod scenario;
mod scenarios;
mod server;
mod side;
mod wire;
mod world;

pub use action::{Action, Ruling};
pub use client::Outcome;
pub use explorer::{Failure, Report, explore, replay};
pub use matrix::{Cell, KINDS, Matrix};
pub use plan::{Cancels, Finish, Part, Plan};
pub use sabotage::Sabotage;
pub use scenario::{Cast, Chances, Scenario};
pub use scenarios::all;
pub use world::World;
