//! Every operation of a recorded run fails once.

use std::fmt;

use super::rig::{Served, calls, nothing_is_left};
use super::{Ends, Fault, Op, Outcome, Plan, Tasks, open_descriptors};
use crate::suite::Wire;

/// Sessions of a run, one after the other.
const SESSIONS: usize = 2;
/// How often a run is repeated in which the operation was not reached: reads and writes of sockets
/// come together differently from run to run.
const ATTEMPTS: usize = 10;

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Operations of the recorded run, of both sides, in the order of [`Op::ALL`].
    pub recorded: [u64; Op::ALL.len()],
    /// Faults made.
    pub faults: usize,
    /// Faults whose operation no run has reached.
    pub unreached: usize,
    /// Calls that were answered.
    pub answered: usize,
    /// Calls that failed with a reason.
    pub failed: usize,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (op, count) in Op::ALL.iter().zip(self.recorded) {
            write!(f, "{op:?} {count}, ")?;
        }
        write!(
            f,
            "{} faults made, {} not reached; calls: {} answered, {} failed with a reason",
            self.faults, self.unreached, self.answered, self.failed
        )
    }
}

#[derive(Clone, Copy, Debug)]
enum Side {
    Client,
    Server,
}

/// Records a run of every kind of call, then repeats it once for every operation of each side and
/// every manner in which that can fail.
///
/// # Panics
/// If a call does not end, if its answer is wrong, if the server does not serve on, or if a task or
/// a descriptor is left.
pub fn every_operation_fails_once<E: Ends>() -> Summary {
    let ends = E::start();
    let mut summary = Summary::default();
    // The runtime's own descriptors are made in a first run.
    run(&ends, &Plan::recording(), &Plan::recording(), usize::MAX);
    let descriptors = open_descriptors();
    let recorded = [Plan::recording(), Plan::recording()];
    let outcomes = run(&ends, &recorded[0], &recorded[1], descriptors);
    assert!(
        outcomes.iter().all(|outcome| *outcome == Outcome::Answered),
        "without a fault: {outcomes:?}"
    );
    for (side, record) in [Side::Client, Side::Server].into_iter().zip(&recorded) {
        for (op, total) in Op::ALL.into_iter().zip(&mut summary.recorded) {
            *total += record.count(op);
        }
        for fault in faults(record) {
            let Some(outcomes) = strike(&ends, side, fault, descriptors) else {
                summary.unreached += 1;
                continue;
            };
            summary.faults += 1;
            let answered = outcomes.iter().filter(|call| **call == Outcome::Answered);
            let answered = answered.count();
            summary.answered += answered;
            summary.failed += outcomes.len() - answered;
        }
    }
    println!("{} over {}: {summary}", E::KIND.name(), Wire::name(E::WIRE));
    summary
}

/// Every fault of the recorded operations.
fn faults(record: &Plan) -> Vec<Fault> {
    let mut faults = Vec::new();
    for op in Op::ALL {
        for nth in 1..=record.count(op) {
            let manners = op.manners().iter();
            faults.extend(manners.map(|&manner| Fault { op, nth, manner }));
        }
    }
    faults
}

/// Runs until the fault was made; `None` if no run came that far.
fn strike<E: Ends>(ends: &E, side: Side, fault: Fault, descriptors: usize) -> Option<Vec<Outcome>> {
    (0..ATTEMPTS).find_map(|_| {
        let failing = Plan::failing(fault);
        let other = Plan::recording();
        let outcomes = match side {
            Side::Client => run(ends, &failing, &other, descriptors),
            Side::Server => run(ends, &other, &failing, descriptors),
        };
        failing.struck().then_some(outcomes)
    })
}

fn run<E: Ends>(ends: &E, client: &Plan, server: &Plan, descriptors: usize) -> Vec<Outcome> {
    let tasks = Tasks::default();
    ends.block_on(async {
        let served = Served::start(ends, server, &tasks).await;
        let mut outcomes = Vec::new();
        for _ in 0..SESSIONS {
            outcomes.extend(calls(ends, &served.address, client, &tasks).await);
        }
        server.end();
        served.serves_on_and_ends(ends).await;
        nothing_is_left(&tasks, descriptors).await;
        outcomes
    })
}
