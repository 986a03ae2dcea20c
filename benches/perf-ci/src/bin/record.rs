//! Records the baseline of this machine.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use perf_ci::baseline::{Baseline, Baselines};
use perf_ci::command::{Where, commit, write_json};
use perf_ci::measure::Measure;
use perf_ci::noise::{Noise, complaints};
use perf_ci::schema::Schema;
use perf_ci::{Fault, Report, exit};

/// Measures on this machine and puts the medians into the baselines, in the place of its class.
///
/// It refuses a machine that is not quiet: before the runs it times equal pieces of work, and before
/// and during them it looks at CPU time that is stolen or used by other processes. It refuses builds
/// without optimisation, and files that differ from the commit. Exit status: 0 if the baseline is
/// written, 2 if something breaks a rule, 4 if the machine is too noisy.
#[derive(Parser)]
#[command(name = "record", version)]
struct Options {
    #[command(flatten)]
    place: Where,
    #[command(flatten)]
    measure: Measure,
    /// What the team calls machines of this class: Ref-A, say
    #[arg(long = "ref", value_name = "NAME")]
    reference: String,
    /// Also write the report of the runs to this file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

fn main() -> ExitCode {
    exit("record", run(&Options::parse()))
}

fn run(options: &Options) -> Result<u8, Fault> {
    let Where {
        krate,
        baselines: path,
        schema,
    } = &options.place;
    let schema = Schema::read(schema)?;
    let mut baselines = Baselines::read(path, &schema, krate)?;
    is_fit_for_a_baseline()?;
    let report = options
        .measure
        .measure(krate, |line| eprintln!("record: {line}"))?;
    if let Some(path) = &options.report {
        write_json(path, &report)?;
    }
    was_quiet(&report)?;
    let baseline = Baseline::of(&report, &options.reference)?;
    for (figure, value) in &baseline.figures {
        println!("{:<22}{value:>10.3}", figure.key());
    }
    println!(
        "{} is the baseline of {}",
        report.commit, baseline.host_class
    );
    baselines.put(baseline);
    baselines.write(path, &schema)?;
    Ok(0)
}

/// What would be in vain to measure.
fn is_fit_for_a_baseline() -> Result<(), Fault> {
    if cfg!(debug_assertions) {
        return Err(Fault::Refused(
            "this build: must be made with --release".to_owned(),
        ));
    }
    let (commit, dirty) = commit()?;
    if dirty {
        return Err(Fault::Refused(format!(
            "commit {commit}: files differ from it: must be committed first"
        )));
    }
    quiet(Noise::measure()?.complaints())
}

fn was_quiet(report: &Report) -> Result<(), Fault> {
    let runs = report
        .runs
        .iter()
        .flat_map(|run| complaints(run.steal_pct, run.others_pct));
    quiet(report.noise.complaints().into_iter().chain(runs).collect())
}

fn quiet(complaints: Vec<String>) -> Result<(), Fault> {
    if complaints.is_empty() {
        Ok(())
    } else {
        Err(Fault::Noisy(format!(
            "the machine is too noisy:\n{}",
            complaints.join("\n")
        )))
    }
}
