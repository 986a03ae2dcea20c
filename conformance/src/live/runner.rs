//! Runs all cases at once.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::cases;
use super::dial::Dial;
use super::facts::Facts;
use super::peer::Peer;
use super::rules::{Rules, Sender};
use super::transcript::Transcript;
use super::verdict::{Case, Finding, Only, Outcome, Pace, Stop, Verdict};
use super::wire::{PATIENCE, Wire};

/// What a quick case may take in all.
const QUICK: Duration = Duration::from_secs(60);
/// What a slow one may take beyond the server's longest timer.
const SLOW: Duration = Duration::from_secs(120);

/// What to run.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Which cases.
    pub only: Only,
    /// Whether to leave out cases that wait for a timer.
    pub quick: bool,
    /// How long the server may take for what it does at once; 10 s where nothing is set.
    pub patience: Option<Duration>,
    /// Quick cases at once; 0 stands for 16. Slow ones all run from the beginning.
    pub at_once: usize,
}

impl Plan {
    /// How many cases it has.
    pub fn cases(&self) -> usize {
        cases::all().filter(|case| self.takes(case)).count()
    }

    fn takes(&self, case: &Case<Peer>) -> bool {
        let left_out = self.quick && case.pace == Pace::Slow;
        !left_out && self.only.takes(case.clause, case.name)
    }
}

/// Runs the cases of a plan against a server of which these facts are known. `each` hears of every
/// outcome as it comes.
///
/// # Errors
/// A case could not be run to its end.
pub async fn run(
    dial: Arc<dyn Dial>,
    facts: Facts,
    plan: &Plan,
    mut each: impl FnMut(&Outcome),
) -> io::Result<Vec<Outcome>> {
    let facts = Arc::new(facts);
    let at_once = if plan.at_once == 0 { 16 } else { plan.at_once };
    let places = Arc::new(Semaphore::new(at_once));
    let patience = plan.patience.unwrap_or(PATIENCE);
    let mut running = JoinSet::new();
    for (index, case) in cases::all().enumerate() {
        if !plan.takes(case) {
            continue;
        }
        let (facts, dial, places) = (facts.clone(), dial.clone(), places.clone());
        running.spawn(async move {
            let _place = match case.pace {
                Pace::Quick => places.acquire_owned().await.ok(),
                Pace::Slow => None,
            };
            (index, one(case, facts, dial, patience).await)
        });
    }
    let mut outcomes = Vec::new();
    while let Some(done) = running.join_next().await {
        let (index, outcome) = done.map_err(io::Error::other)?;
        each(&outcome);
        outcomes.push((index, outcome));
    }
    outcomes.sort_by_key(|(index, _)| *index);
    Ok(outcomes.into_iter().map(|(_, outcome)| outcome).collect())
}

async fn one(
    case: &'static Case<Peer>,
    facts: Arc<Facts>,
    dial: Arc<dyn Dial>,
    patience: Duration,
) -> Outcome {
    let began = Instant::now();
    let limit = match case.pace {
        Pace::Quick => QUICK.max(patience * 6),
        Pace::Slow => facts.idle + SLOW,
    };
    let (verdict, transcript) = match dial.dial().await {
        Err(error) => {
            let finding = Finding {
                due: "a new connection".to_owned(),
                came: error.to_string(),
            };
            (Verdict::Fail(finding), Transcript::default())
        }
        Ok(io) => {
            let wire = Wire::new(io, Rules::new(Sender::Server));
            let mut peer = Peer::new(wire, facts, dial);
            peer.patience = patience;
            let verdict = judge(timeout(limit, (case.run)(&mut peer)).await, limit);
            peer.finish().await;
            (verdict, std::mem::take(&mut peer.transcript))
        }
    };
    Outcome {
        clause: case.clause,
        name: case.name,
        verdict,
        took: began.elapsed(),
        transcript,
    }
}

/// What a case's end means.
pub(crate) fn judge<E>(end: Result<Result<(), Stop>, E>, limit: Duration) -> Verdict {
    match end {
        Ok(Ok(())) => Verdict::Pass,
        Ok(Err(Stop::Fail(finding))) => Verdict::Fail(finding),
        Ok(Err(Stop::Skip(reason))) => Verdict::Skipped(reason),
        Err(_) => Verdict::Fail(Finding {
            due: format!("an end of the case within {limit:?}"),
            came: "none".to_owned(),
        }),
    }
}
