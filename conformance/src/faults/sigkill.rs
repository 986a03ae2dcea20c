//! One of two processes is killed after a number of bytes; the other has to come to an end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use oap_core::testing::Rng;

use super::rig::{Served, calls, nothing_is_left};
use super::{Ends, Outcome, Plan, Tasks, open_descriptors};
use crate::suite::peer::Process;
use crate::suite::{Address, Identity, eventually};

/// Which process is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victim {
    /// The server; the client lives on.
    Server,
    /// The client; the server lives on.
    Client,
}

/// What came of all points.
#[derive(Clone, Copy, Debug, Default)]
pub struct Killed {
    /// Bytes of a whole run, as the survivor reads and writes them.
    pub bytes: u64,
    /// Kills.
    pub kills: usize,
    /// Calls of surviving clients that were answered.
    pub answered: usize,
    /// Calls of surviving clients that failed with a reason.
    pub failed: usize,
}

/// Kills the victim at `points` points, which `seed` scatters over the bytes of a whole run. The
/// survivor itself kills it in the middle of its own read or write. `program` is `attack`.
///
/// # Panics
/// If a call of the survivor does not end, or if it keeps a task, a connection or a descriptor.
pub fn killed_at_points<E: Ends>(
    program: &str,
    victim: Victim,
    points: usize,
    seed: u64,
) -> Killed {
    let ends = E::start();
    let rig = Rig {
        ends: &ends,
        program,
        tasks: Tasks::default(),
    };
    let run = |at_byte| match victim {
        Victim::Server => rig.kill_server(at_byte),
        Victim::Client => rig.kill_client(at_byte),
    };
    // The runtime's own descriptors are made in a first run.
    let bytes = run(u64::MAX).bytes;
    let descriptors = open_descriptors();
    let mut rng = Rng::new(seed);
    let mut sum = Killed {
        bytes,
        ..Killed::default()
    };
    while sum.kills < points {
        let run = run(rng.range(1, bytes));
        ends.block_on(nothing_is_left(&rig.tasks, descriptors));
        // A run may have a few bytes less than the first.
        sum.kills += usize::from(run.killed);
        let answered = run.outcomes.iter();
        let answered = answered.filter(|call| **call == Outcome::Answered).count();
        sum.answered += answered;
        sum.failed += run.outcomes.len() - answered;
    }
    println!(
        "{} over {}, seed {seed}, {victim:?} killed: {sum:?}",
        E::KIND.name(),
        E::WIRE.name()
    );
    sum
}

struct Rig<'a, E> {
    ends: &'a E,
    program: &'a str,
    tasks: Tasks,
}

struct Run {
    bytes: u64,
    killed: bool,
    outcomes: Vec<Outcome>,
}

impl<E: Ends> Rig<'_, E> {
    fn kill_server(&self, at_byte: u64) -> Run {
        let (place, plan) = victim_of(at_byte);
        let arguments = ["peer", "serve", E::KIND.id(), E::WIRE.name()];
        let mut child = Process::start(self.program, &arguments, Identity::first());
        let address = Address::of(E::WIRE, &child.hear("listening"));
        fill(&place, child);
        let outcomes = calls(self.ends, &address, &plan, &self.tasks);
        let outcomes = self.ends.block_on(outcomes);
        Run {
            bytes: plan.bytes(),
            killed: plan.struck(),
            outcomes,
        }
    }

    fn kill_client(&self, at_byte: u64) -> Run {
        let (place, plan) = victim_of(at_byte);
        self.ends.block_on(async {
            let served = Served::start(self.ends, &plan, &self.tasks).await;
            let address = served.address.to_string();
            let arguments = ["peer", "call", E::KIND.id(), E::WIRE.name(), &address];
            fill(
                &place,
                Process::start(self.program, &arguments, Identity::first()),
            );
            eventually("the client has come and is gone", || {
                let stats = served.server.stats();
                stats.accepted == 1 && stats.connections + stats.handshakes == 0
            })
            .await;
            let run = Run {
                bytes: plan.bytes(),
                killed: plan.struck(),
                outcomes: Vec::new(),
            };
            served.serves_on_and_ends(self.ends).await;
            run
        })
    }
}

/// Where the process is until it is killed.
type Place = Arc<Mutex<Option<Process>>>;

/// A plan that kills who is in the place; the last clone of the place does so too.
fn victim_of(at_byte: u64) -> (Place, Plan) {
    let place = Place::default();
    let victim = place.clone();
    let kill = move || drop(lock(&victim).take());
    (place, Plan::at_byte(at_byte, kill))
}

fn fill(place: &Place, child: Process) {
    *lock(place) = Some(child);
}

fn lock(place: &Place) -> MutexGuard<'_, Option<Process>> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}
