//! A server and its clients in one process, for hours: does anything grow?
//!
//! A soak is made of rounds. In each, connections are made, small and large requests go over them at
//! a rate that keeps the processors busy at a given share, and the connections are closed. Between
//! two rounds nothing is under way, so that what is allocated then is what stays behind.

mod process;
mod report;
mod round;
mod trend;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, value_parser};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use oap_tokio::config::Backend;

use crate::client::OutputFile;
use crate::{Failure, RuntimeName};
use process::Resident;
pub use report::{SoakReport, SoakVerdict};
use round::{Loaded, Rig};
pub use trend::Trend;

/// Rounds at least, half of them to warm up.
const FEWEST_ROUNDS: usize = 10;
/// Rounds to warm up at least: meanwhile the rate is found.
const WARM_UP: usize = 5;
/// Of all rounds, how many warm up.
const WARM_UP_SHARE: usize = 10;
/// Small requests per second and core that a search for the right rate begins with.
const FIRST_RATE: f64 = 500.0;
/// By how much the rate changes at most from one round to the next.
const MOST_CHANGE: f64 = 4.0;

/// What is allocated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heap {
    /// Bytes.
    pub bytes: i64,
    /// Allocations.
    pub objects: i64,
}

/// Loads a server of this process with small and 64 KiB requests for hours, and tells what grows.
///
/// Gates, all after the warm-up: every request answered with what it sent; no more descriptors; live
/// bytes per million requests not above zero; resident memory growing by less than 2 % of its start
/// in 24 hours. Slopes have a confidence interval of 95 %: a gate is passed if the whole of it is
/// below the limit, failed if the whole of it is above, and undecided otherwise, as it is where a run
/// is too short to tell. Exit status: 0 passed, 1 failed, 2 an option breaks a rule, 3 undecided.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Hours, 0.001 to 1000
    #[arg(long, value_name = "H", value_parser = hours)]
    hours: f64,
    /// Seconds of load in each round, 1 to 600
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = value_parser!(u32).range(1..=600))]
    round: u32,
    /// Share of all cores that the load is to keep busy, in percent, 1 to 95
    #[arg(long, value_name = "PERCENT", default_value_t = 65, value_parser = value_parser!(u32).range(1..=95))]
    cpu: u32,
    /// Connections with small requests, 1 to 1000; a quarter as many carry large ones
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = value_parser!(u32).range(1..=1000))]
    conns: u32,
    /// tls, quic or tcp
    #[arg(long, value_name = "NAME", default_value = "tls", value_parser = backend)]
    backend: Backend,
    /// The runtime of both sides
    #[arg(long, value_name = "NAME", value_enum, default_value_t)]
    runtime: RuntimeName,
    /// Also write the report to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn hours(text: &str) -> Result<f64, String> {
    let hours = text
        .parse()
        .ok()
        .filter(|hours| (0.001..=1_000.0).contains(hours));
    hours.ok_or_else(|| "must be 0.001 to 1000".to_owned())
}

fn backend(text: &str) -> Result<Backend, String> {
    let known = [Backend::Tls, Backend::Quic, Backend::Tcp];
    let named = known.into_iter().find(|backend| backend.as_str() == text);
    named.ok_or_else(|| "must be tls, quic or tcp".to_owned())
}

/// What was seen after a round.
#[derive(Clone, Copy, Debug)]
struct Sample {
    /// Since the beginning of the soak.
    at: Duration,
    heap: Heap,
    resident: Resident,
    loaded: Loaded,
    /// Requests answered since the beginning.
    answered: u64,
}

/// The whole of a soak; returns the exit status.
pub(crate) fn run(options: &Options, heap: fn() -> Heap) -> Result<u8, Failure> {
    let json = options
        .json
        .as_deref()
        .map(|path| OutputFile::create("--json", path))
        .transpose()?;
    let rig = Rig::start(options)?;
    let total = Duration::from_secs_f64(options.hours * 3_600.0);
    let rounds = (total.as_secs_f64() / f64::from(options.round)).round() as usize;
    let rounds = rounds.max(FEWEST_ROUNDS);
    let warm_up = WARM_UP.max(rounds / WARM_UP_SHARE);
    let bar = bar(rounds);
    let began = Instant::now();
    // Its room is taken before the first sample.
    let mut samples: Vec<Sample> = Vec::with_capacity(rounds);
    let mut rate = FIRST_RATE * crate::cores() as f64;
    let mut answered = 0;
    for number in 0..rounds {
        let loaded = rig.round(rate.round() as u32)?;
        if number + 1 < warm_up {
            rate *= change(f64::from(options.cpu), loaded.cpu_pct);
        }
        answered += loaded.answered;
        samples.push(Sample {
            at: began.elapsed(),
            heap: rig.rest(heap)?,
            resident: Resident::now()?,
            loaded,
            answered,
        });
        show(&bar, number + 1, rounds, began.elapsed());
    }
    bar.finish_and_clear();
    let report = SoakReport::new(options, rate, warm_up, &samples);
    print!("{report}");
    if let Some(file) = json {
        file.write_json(&report)?;
    }
    Ok(report.verdict.status())
}

/// What the rate is multiplied by so that `wanted` percent are busy instead of `busy`.
fn change(wanted: f64, busy: f64) -> f64 {
    (wanted / busy.max(0.1)).clamp(1.0 / MOST_CHANGE, MOST_CHANGE)
}

fn bar(rounds: usize) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(rounds as u64), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("[{bar:40}] {msg}") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

/// Texts of one length: what the bar keeps must not look like growth.
fn show(bar: &ProgressBar, round: usize, rounds: usize, passed: Duration) {
    if !bar.is_hidden() {
        bar.set_position(round as u64);
        bar.set_message(format!(
            "round {round:>8} of {rounds:>8}, {:>8} s",
            passed.as_secs()
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_follows_what_is_busy_in_bounded_steps() {
        assert_eq!(change(65.0, 65.0), 1.0);
        assert_eq!(change(60.0, 30.0), 2.0);
        assert_eq!(change(60.0, 0.0), MOST_CHANGE);
        assert_eq!(change(1.0, 100.0), 1.0 / MOST_CHANGE);
    }
}
