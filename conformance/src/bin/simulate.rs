//! Runs worlds of the simulation, many of them or one again.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use oap_conformance::simulation::{Failure, Options, Totals, simulate};

/// Whole worlds of OAP/1 connections in virtual time, judged by a reference model.
#[derive(Parser)]
struct Args {
    /// How many seeds to run.
    #[arg(long, default_value_t = 2_000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Run this seed alone, and print everything that happens.
    #[arg(long, conflicts_with_all = ["seeds", "first"])]
    seed: Option<u64>,
    /// Go on after a failure; each is reported when it is found.
    #[arg(long)]
    keep_going: bool,
    /// Threads; one per core if not given.
    #[arg(long)]
    jobs: Option<usize>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    // A failure is reported once, with its seed.
    std::panic::set_hook(Box::new(|_| {}));
    let failures = match args.seed {
        Some(seed) => replay(seed).err().into_iter().collect(),
        None => run(&args),
    };
    if let Some(failure) = failures.first().filter(|_| !args.keep_going) {
        eprintln!("{failure}");
    }
    match failures.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn replay(seed: u64) -> Result<(), Failure> {
    let options = Options {
        trace: true,
        ..Options::default()
    };
    let report = simulate(seed, options)?;
    println!("digest {:016x}: {}", report.digest, report.totals);
    Ok(())
}

/// What the threads share.
struct Shared {
    next: AtomicU64,
    end: u64,
    keep_going: bool,
    stop: AtomicBool,
    outcome: Mutex<(Totals, Vec<Failure>)>,
    progress: ProgressBar,
}

fn run(args: &Args) -> Vec<Failure> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let jobs = args.jobs.unwrap_or(cores).max(1);
    let shared = Shared {
        next: AtomicU64::new(args.first),
        end: args.first.saturating_add(args.seeds),
        keep_going: args.keep_going,
        stop: AtomicBool::new(false),
        outcome: Mutex::default(),
        progress: progress(args.seeds),
    };
    let begin = Instant::now();
    let core: Duration = thread::scope(|scope| {
        let threads: Vec<_> = (0..jobs).map(|_| scope.spawn(|| work(&shared))).collect();
        let times = threads.into_iter().map(|thread| thread.join());
        times.map(|time| time.unwrap_or_default()).sum()
    });
    shared.progress.finish_and_clear();
    let (totals, mut failures) = shared
        .outcome
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    let seconds = begin.elapsed().as_secs_f64();
    let done = shared.progress.position();
    println!("{done} seeds: {totals}");
    println!(
        "{:.1} seeds/s on {jobs} threads, {seconds:.1} s; {:.1} simulated years per core-day",
        done as f64 / seconds,
        totals.years_per_core_day(core),
    );
    failures.sort_by_key(|failure| failure.seed);
    failures
}

/// Runs seeds until there are no more or one fails; returns how long that took.
fn work(shared: &Shared) -> Duration {
    let begin = Instant::now();
    while !shared.stop.load(Ordering::Relaxed) {
        let seed = shared.next.fetch_add(1, Ordering::Relaxed);
        if seed >= shared.end {
            break;
        }
        let outcome = simulate(seed, Options::default());
        let mut sums = shared
            .outcome
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(report) => sums.0 += report.totals,
            Err(failure) => {
                if shared.keep_going {
                    shared.progress.suspend(|| eprintln!("{failure}"));
                }
                sums.1.push(failure);
                shared.stop.fetch_or(!shared.keep_going, Ordering::Relaxed);
            }
        }
        drop(sums);
        shared.progress.inc(1);
    }
    begin.elapsed()
}

fn progress(seeds: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} seeds, {per_sec}, {eta} left");
    let bar = ProgressBar::new(seeds);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
