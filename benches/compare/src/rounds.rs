//! Rounds in which all contenders run one after the other, and what comes of them.

use std::path::Path;

use anyhow::{Context, Result};
use indicatif::ProgressBar;
use serde::Serialize;

use crate::contender::Contender;
use crate::scenario::Shape;
use crate::side::{Amount, Outcome, ServerProcess};

/// What one contender has reached in one scenario.
#[derive(Debug, Serialize)]
pub struct Standing {
    pub contender: &'static str,
    /// Answers or chunks a second.
    pub rate: Middle,
    /// The same beside the baseline's of the same round.
    pub rate_ratio: Middle,
    /// CPU time of both sides for each, in microseconds.
    pub cpu_us: Middle,
    pub cpu_ratio: Middle,
    /// The server's part of it.
    pub server_cpu_us: Middle,
    /// Context switches of both sides for each.
    pub switches: Middle,
    pub p50_us: Option<Middle>,
    pub p99_us: Option<Middle>,
    pub p99_ratio: Option<Middle>,
    pub p99_9_us: Option<Middle>,
    pub max_us: Option<Middle>,
    /// Resident memory of the server.
    pub rss_mib: Middle,
    pub rss_ratio: Middle,
    pub rounds: Vec<Outcome>,
}

/// Median, least and most over the rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Middle {
    pub median: f64,
    pub least: f64,
    pub most: f64,
}

impl Middle {
    fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_unstable_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let half = values.len() / 2;
        let median = match values.len() % 2 {
            0 => f64::midpoint(values[half - 1], values[half]),
            _ => values[half],
        };
        Some(Self {
            median,
            least,
            most,
        })
    }
}

/// Runs `contenders`, of which the first is the baseline, in as many rounds. Each round begins with another
/// one, so that nobody always follows the same.
pub fn run(
    contenders: &[&'static dyn Contender],
    shape: Shape,
    rounds: usize,
    seconds: f64,
    identity: &Path,
    progress: &ProgressBar,
) -> Result<Vec<Standing>> {
    let mut outcomes = vec![Vec::new(); contenders.len()];
    for round in 0..rounds {
        for turn in 0..contenders.len() {
            let at = (round + turn) % contenders.len();
            let name = contenders[at].name();
            progress.set_message(name);
            outcomes[at].push(run_one(name, shape, seconds, identity).context(name)?);
            progress.inc(1);
        }
    }
    let base = outcomes.first().context("nobody is to be measured")?;
    let standing = |(contender, own): (&&dyn Contender, &Vec<Outcome>)| {
        stand(contender.name(), own, base).context("there was no round")
    };
    contenders.iter().zip(&outcomes).map(standing).collect()
}

fn run_one(name: &str, shape: Shape, seconds: f64, identity: &Path) -> Result<Outcome> {
    let server = ServerProcess::start(&[], name, shape, identity)?;
    let outcome = server.load(name, shape, identity, Amount::seconds(seconds))?;
    outcome.context("the client has measured nothing")
}

fn stand(contender: &'static str, own: &[Outcome], base: &[Outcome]) -> Option<Standing> {
    let middle = |figure: fn(&Outcome) -> f64| Middle::of(own.iter().map(figure));
    let ratio = |figure: fn(&Outcome) -> f64| {
        let pairs = own.iter().zip(base);
        Middle::of(pairs.map(|(own, base)| figure(own) / figure(base)))
    };
    let timed = own.iter().all(|outcome| outcome.latency.is_some());
    let latency = |figure: fn(&Outcome) -> f64| timed.then(|| middle(figure)).flatten();
    Some(Standing {
        contender,
        rate: middle(rate)?,
        rate_ratio: ratio(rate)?,
        cpu_us: middle(cpu)?,
        cpu_ratio: ratio(cpu)?,
        server_cpu_us: middle(|one| one.server.cpu_ns as f64 / 1e3 / one.requests)?,
        switches: middle(|one| (one.server.switches + one.client.switches) as f64 / one.requests)?,
        p50_us: latency(|one| one.latency.map_or(0.0, |latency| latency.p50_us)),
        p99_us: latency(p99),
        p99_ratio: timed.then(|| ratio(p99)).flatten(),
        p99_9_us: latency(|one| one.latency.map_or(0.0, |latency| latency.p99_9_us)),
        max_us: latency(|one| one.latency.map_or(0.0, |latency| latency.max_us)),
        rss_mib: middle(rss)?,
        rss_ratio: ratio(rss)?,
        rounds: own.to_vec(),
    })
}

fn rate(outcome: &Outcome) -> f64 {
    outcome.requests / outcome.elapsed_s
}

fn cpu(outcome: &Outcome) -> f64 {
    let nanos = outcome.server.cpu_ns + outcome.client.cpu_ns;
    nanos as f64 / 1e3 / outcome.requests
}

fn p99(outcome: &Outcome) -> f64 {
    outcome.latency.map_or(0.0, |latency| latency.p99_us)
}

fn rss(outcome: &Outcome) -> f64 {
    outcome.server.rss_kib as f64 / 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_rounds_is_their_median() {
        let middle = |values: &[f64]| Middle::of(values.iter().copied()).unwrap();
        let odd = middle(&[3.0, 1.0, 2.0]);
        assert_eq!((odd.median, odd.least, odd.most), (2.0, 1.0, 3.0));
        assert_eq!(middle(&[4.0, 1.0, 2.0, 3.0]).median, 2.5);
        assert!(Middle::of([]).is_none());
    }
}
