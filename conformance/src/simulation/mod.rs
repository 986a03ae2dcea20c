//! Whole worlds of connections in virtual time, each made from a seed.
//!
//! A world has up to sixteen lines with one clock. A line is a client and a server, the links between
//! them with a weather of their own, and an application at either end that calls, handles, dawdles,
//! cancels or never reads. Lines go through bursts of calls and long pauses; connections that end are
//! followed by new ones. The hosts do what `interest()` tells them and nothing else.
//!
//! Beside the real thing stands a judge of three parts that share no code with it:
//!
//! - the reference model (`model.rs`) knows every byte that was sent and every reason for which a call may
//!   end: it checks content, order, and that each call has one outcome;
//! - the watcher (`wire.rs`) reads every frame on the wire and checks who may send what, when and how
//!   much: frame limits, windows, ACKs, ends, ids, lanes;
//! - the endpoints (`endpoint.rs`) check after every step the limits of exchanges, handlers, held bytes,
//!   waiting events and output, and that whoever sleeps until its deadline makes progress.
//!
//! What any of them does not allow ends the run with a [`Failure`], whose seed shows it again, bit for
//! bit. [`Sabotage`] puts faults between the real thing and the judge, to show that it notices.

mod client;
mod endpoint;
mod lanes;
mod line;
mod link;
mod model;
mod pattern;
mod plan;
mod report;
mod sabotage;
mod server;
mod shelf;
mod trace;
mod verdict;
mod wire;
mod world;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub use self::report::{Failure, Report, Totals};
pub use self::sabotage::Sabotage;
use self::world::World;

/// How to run a seed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Print everything that happens.
    pub trace: bool,
    /// No rough lines: links do not break, and every application reads.
    pub fair: bool,
    /// A fault to put in. The world is then fair, because elsewhere some faults are none.
    pub sabotage: Option<Sabotage>,
}

impl Options {
    fn is_fair(self) -> bool {
        self.fair || self.sabotage.is_some()
    }
}

/// Runs the world of a seed to its end.
///
/// # Errors
/// What the judge, or a connection's own assertion, has found.
pub fn simulate(seed: u64, options: Options) -> Result<Report, Failure> {
    catch_unwind(AssertUnwindSafe(|| World::new(seed, options).run())).map_err(|panic| Failure {
        seed,
        message: message(panic.as_ref()),
    })
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("it panicked without a message")
        .to_owned()
}
