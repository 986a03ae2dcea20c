//! Runs the echo programs and writes what they report.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use perf_ci::command::{Where, write_json};
use perf_ci::measure::Measure;
use perf_ci::schema::Schema;
use perf_ci::{Fault, exit};
use serde_json::json;

/// Runs the echo programs and writes a report of their figures, for `check`.
///
/// Each run: small requests over TLS at the target rate, then 64 KiB chunks streamed one way over
/// TLS and over QUIC. A figure that could not be measured is noted with the reason. Exit status: 0
/// if every figure was measured, 1 if not, 2 if an option breaks a rule or a program is not there.
#[derive(Parser)]
#[command(name = "measure", version)]
struct Options {
    #[command(flatten)]
    place: Where,
    #[command(flatten)]
    measure: Measure,
    /// Write the report to this file
    #[arg(long, value_name = "FILE")]
    report: PathBuf,
}

fn main() -> ExitCode {
    exit("measure", run(&Options::parse()))
}

fn run(options: &Options) -> Result<u8, Fault> {
    let schema = Schema::read(&options.place.schema)?;
    let report = options
        .measure
        .measure(&options.place.krate, |line| eprintln!("measure: {line}"))?;
    schema.check_report(&options.report, &json!(report))?;
    write_json(&options.report, &report)?;
    let mut complete = true;
    for (number, run) in (1..).zip(&report.runs) {
        for (figure, reason) in &run.missing {
            eprintln!("measure: run {number}: {figure}: {reason}");
            complete = false;
        }
    }
    Ok(u8::from(!complete))
}
