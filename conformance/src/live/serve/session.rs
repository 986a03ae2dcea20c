//! One case for each connection of the client under test.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use oap_core::driver::{Lanes, Listener};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::cases;
use super::judge::Judge;
use crate::live::rules::{Rules, Sender};
use crate::live::runner::judge as verdict;
use crate::live::verdict::{Case, Only, Outcome, Pace};
use crate::live::wire::Wire;

/// What a case may take, waiting for the client's timers included.
const LIMIT: Duration = Duration::from_secs(60);
/// How long a client may stay away before all is over.
const AWAY: Duration = Duration::from_secs(20);

/// Which cases to run.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// These only.
    pub only: Only,
    /// Whether to leave out cases that wait for a timer.
    pub quick: bool,
}

impl Plan {
    fn cases(&self) -> Vec<&'static Case<Judge>> {
        let left_out = |case: &&Case<Judge>| self.quick && case.pace == Pace::Slow;
        let mut cases: Vec<_> = cases::all().collect();
        cases.retain(|case| !left_out(case) && self.only.takes(case.clause, case.name));
        cases
    }

    /// How many cases it has.
    pub fn count(&self) -> usize {
        self.cases().len()
    }
}

/// How many cases there are for clients.
pub fn case_count() -> usize {
    cases::all().count()
}

/// Accepts connections of the client under test, one for each case, then tells it that it is done.
///
/// # Errors
/// The client stays away before every case has had its connection; the outcomes so far are told to
/// `each`.
pub async fn run<L: Listener>(
    mut listener: L,
    plan: &Plan,
    mut each: impl FnMut(&Outcome),
) -> io::Result<Vec<Outcome>> {
    let cases = plan.cases();
    let (done, mut outcomes) = mpsc::unbounded_channel();
    let under_way = Arc::new(AtomicUsize::new(0));
    let (mut collected, mut next, mut dismissed) = (Vec::new(), 0, false);
    while !(dismissed && collected.len() == cases.len()) {
        tokio::select! {
            outcome = outcomes.recv() => {
                let Some((index, outcome)) = outcome else { break };
                each(&outcome);
                collected.push((index, outcome));
            }
            accepted = poll_fn(|cx| listener.poll_accept(cx)) => {
                let Ok(transport) = accepted?.handshake.await else {
                    continue;
                };
                let Some(case) = cases.get(next).copied() else {
                    // One more for the client to hear that it is done.
                    dismissed |= timeout(LIMIT, dismiss(transport)).await.is_ok();
                    continue;
                };
                let (index, done, busy) = (next, done.clone(), under_way.clone());
                next += 1;
                busy.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move {
                    let outcome = one(case, transport).await;
                    busy.fetch_sub(1, Ordering::Relaxed);
                    // Nobody waits for outcomes after an error.
                    let _ = done.send((index, outcome));
                });
            }
            () = tokio::time::sleep(AWAY), if under_way.load(Ordering::Relaxed) == 0 => {
                if collected.len() == cases.len() {
                    break;
                }
                let away = format!("the client stays away after {next} of {} cases", cases.len());
                return Err(io::Error::new(io::ErrorKind::TimedOut, away));
            }
        }
    }
    collected.sort_by_key(|(index, _)| *index);
    Ok(collected.into_iter().map(|(_, outcome)| outcome).collect())
}

async fn one(case: &'static Case<Judge>, transport: impl Lanes) -> Outcome {
    let began = Instant::now();
    let mut judge = Judge::new(Wire::new(transport, Rules::new(Sender::Client)));
    let end = timeout(LIMIT, (case.run)(&mut judge)).await;
    let outcome = Outcome {
        clause: case.clause,
        name: case.name,
        verdict: verdict(end, LIMIT),
        took: began.elapsed(),
        transcript: std::mem::take(&mut judge.transcript),
    };
    judge.finish().await;
    // The client ends its side, too, and then comes back.
    let _ = judge.ends_within("the end", Duration::from_secs(2)).await;
    outcome
}

/// Tells the client that there is nothing left to do.
async fn dismiss(transport: impl Lanes) {
    let mut judge = Judge::new(Wire::new(transport, Rules::new(Sender::Client)));
    if judge.welcome(json!({})).await.is_ok() && judge.task(json!({"task": "done"})).await.is_ok() {
        let _ = judge.ends("the end").await;
    }
}
