//! `oap-conformance vectors`: drives a program by the vectors.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use oap_conformance::vectors::{Outcome, Process, Split, Vector, embedded, run as play};
use serde::Serialize;

/// Which program, and which vectors.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The program and its arguments, divided at white space.
    #[arg(long, value_name = "COMMAND")]
    exec: String,
    /// Only vectors of this clause (OAP-6-13), of this section (OAP-6) or whose name begins so
    /// (6/an ACK); may be given more than once.
    #[arg(long, value_name = "CLAUSE")]
    only: Vec<String>,
    /// Writes what came of each vector to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Hands bytes in at once only, not also one by one.
    #[arg(long)]
    whole: bool,
    /// Names every vector, not only those that fail.
    #[arg(long, short)]
    verbose: bool,
}

/// One line of the report.
#[derive(Serialize)]
struct Line<'a> {
    name: &'a str,
    clauses: &'a [String],
    split: &'static str,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

#[derive(Default, Serialize)]
struct Totals {
    passed: usize,
    failed: usize,
    skipped: usize,
}

#[derive(Serialize)]
struct Summary<'a> {
    command: &'a str,
    totals: Totals,
    vectors: Vec<Line<'a>>,
}

/// Succeeds if no vector fails and at least one passes.
pub(crate) fn run(args: Args) -> ExitCode {
    let set = embedded();
    let chosen: Vec<&Vector> = set.vectors().filter(|it| args.wants(it)).collect();
    let mut summary = Summary {
        command: &args.exec,
        totals: Totals::default(),
        vectors: Vec::new(),
    };
    let splits: &[Split] = match args.whole {
        true => &[Split::Whole],
        false => &[Split::Whole, Split::Bytes],
    };
    if let Err(error) = drive(&args, &chosen, splits, &mut summary) {
        eprintln!("oap-conformance vectors: {}: {error}", args.exec);
        return ExitCode::FAILURE;
    }
    let Totals {
        passed,
        failed,
        skipped,
    } = summary.totals;
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&summary).expect("a summary is JSON");
        if let Err(error) = fs::write(path, text) {
            eprintln!("oap-conformance vectors: {}: {error}", path.display());
            return ExitCode::FAILURE;
        }
    }
    match failed == 0 && passed > 0 {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

impl Args {
    fn wants(&self, vector: &Vector) -> bool {
        let fits = |only: &String| {
            let section = format!("{only}-");
            let of_clause = |clause: &String| clause == only || clause.starts_with(&section);
            vector.name.starts_with(only.as_str()) || vector.clauses.iter().any(of_clause)
        };
        self.only.is_empty() || self.only.iter().any(fits)
    }

    fn start(&self) -> std::io::Result<Process> {
        let mut words = self.exec.split_whitespace().map(String::from);
        let program = words.next().unwrap_or_default();
        Process::start(&program, &words.collect::<Vec<_>>())
    }
}

/// Plays the vectors. A program that has stopped answering is started anew.
fn drive<'a>(
    args: &Args,
    vectors: &[&'a Vector],
    splits: &[Split],
    summary: &mut Summary<'a>,
) -> std::io::Result<()> {
    let mut process = args.start()?;
    for vector in vectors {
        for &split in splits {
            let outcome = play(vector, &mut process, split);
            if process.is_broken() {
                process = args.start()?;
            }
            note(args, vector, split, outcome, summary);
        }
    }
    Ok(())
}

fn note<'a>(
    args: &Args,
    vector: &'a Vector,
    split: Split,
    outcome: Outcome,
    summary: &mut Summary<'a>,
) {
    let (outcome, step, why) = match outcome {
        Outcome::Passed => ("passed", None, None),
        Outcome::Skipped(why) => ("skipped", None, Some(why)),
        Outcome::Failed(failure) => ("failed", Some(failure.step), Some(failure.what)),
    };
    let count = match outcome {
        "passed" => &mut summary.totals.passed,
        "failed" => &mut summary.totals.failed,
        _ => &mut summary.totals.skipped,
    };
    *count += 1;
    let split = match split {
        Split::Whole => "whole",
        Split::Bytes => "bytes",
    };
    if outcome == "failed" || args.verbose {
        let clauses = vector.clauses.join(" ");
        println!("{outcome}: {} ({clauses}; {split})", vector.name);
        if let Some(why) = &why {
            let step = step.map_or(String::new(), |step| format!("step {step}: "));
            println!("    {step}{why}");
        }
    }
    summary.vectors.push(Line {
        name: &vector.name,
        clauses: &vector.clauses,
        split,
        outcome,
        step,
        why,
    });
}
