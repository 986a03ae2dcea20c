//! The subcommand `run`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use oap_conformance::live::dial::{Remote, Trust};
use oap_conformance::live::facts::{Facts, Timers};
use oap_conformance::live::report::Report;
use oap_conformance::live::runner::{self, Plan};
use oap_conformance::live::verdict::Only;

use crate::output::{Files, Progress, refuse};

/// Tests a live server.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The server: tcp://HOST:PORT, https://HOST:PORT, quic://HOST:PORT or uds:PATH
    #[arg(long, value_name = "TARGET")]
    target: String,
    /// Run only these: clauses (OAP-3-11), sections (OAP-3) or names of cases
    #[arg(long, value_name = "CLAUSE", value_delimiter = ',')]
    only: Vec<String>,
    /// Leave out the cases that wait for a timer of the server
    #[arg(long)]
    quick: bool,
    /// Trust the authorities in this PEM file instead of the system's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Believe any certificate
    #[arg(long, conflicts_with = "ca")]
    insecure: bool,
    /// Seconds that the server waits for the first frame
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    first_frame_timeout: f64,
    /// Seconds that the server gives a frame once it has begun
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    read_timeout: f64,
    /// Seconds that the server waits for a client that does not read
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    write_timeout: f64,
    /// Seconds that the server may take for what it does at once
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0)]
    patience: f64,
    /// Quick cases at once
    #[arg(long, value_name = "N", default_value_t = 16)]
    at_once: usize,
    #[command(flatten)]
    files: Files,
}

/// Runs the cases and reports.
pub(crate) fn run(args: Args) -> ExitCode {
    match oap_tokio::run(judge(&args)) {
        Ok(Ok(report)) => args.files.conclude(&report),
        Ok(Err(message)) => refuse(&message),
        Err(error) => refuse(&error.to_string()),
    }
}

async fn judge(args: &Args) -> Result<Report, String> {
    let trust = match &args.ca {
        _ if args.insecure => Trust::Anybody,
        Some(path) => Trust::File(path),
        None => Trust::System,
    };
    let remote = Arc::new(Remote::new(&args.target, trust)?);
    let timers = Timers {
        first_frame: seconds(args.first_frame_timeout)?,
        frame: seconds(args.read_timeout)?,
        write: seconds(args.write_timeout)?,
    };
    let asked = Facts::ask(&*remote, timers).await;
    let facts = asked.map_err(|error| format!("{}: {error}", args.target))?;
    let implementation = facts.version.clone();
    let plan = Plan {
        only: Only::new(&args.only),
        quick: args.quick,
        patience: Some(seconds(args.patience)?),
        at_once: args.at_once,
    };
    let cases = plan.cases();
    if cases == 0 {
        return Err(format!("--only {}: no such case", args.only.join(",")));
    }
    let progress = Progress::new(cases);
    let run = runner::run(remote.clone(), facts, &plan, |outcome| {
        progress.tell(outcome);
    });
    let outcomes = run.await.map_err(|error| error.to_string())?;
    progress.finish();
    remote.wait_idle().await;
    Ok(Report {
        target: args.target.clone(),
        implementation,
        role: "server",
        outcomes,
    })
}

fn seconds(number: f64) -> Result<Duration, String> {
    Duration::try_from_secs_f64(number).map_err(|error| format!("{number}: {error}"))
}
