//! The subcommand `serve`.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use oap_conformance::live::report::Report;
use oap_conformance::live::serve::{self, Plan};
use oap_conformance::live::verdict::Only;
use oap_tokio::config::{Loader, Settings};

use crate::output::{Files, Progress, refuse};

const PLACES: &str = "must be tcp://ADDR:PORT, tls://ADDR:PORT, quic://ADDR:PORT or uds:PATH";

/// Tests a client that follows the drill (docs/conformance/live.md).
///
/// It prints `listening on ADDR` once it is ready.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where to listen: tcp://ADDR:PORT, tls://ADDR:PORT, quic://ADDR:PORT or uds:PATH
    #[arg(long, value_name = "PLACE")]
    listen: String,
    /// The certificate chain, on TLS and QUIC
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Its key
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Run only these: clauses (OAP-3-20), sections (OAP-3) or names of cases
    #[arg(long, value_name = "CLAUSE", value_delimiter = ',')]
    only: Vec<String>,
    /// Leave out the cases that wait for a timer of the client
    #[arg(long)]
    quick: bool,
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
    let settings = settings(args)?;
    let bound = oap_tokio::config::bind(&settings).await;
    let listener = bound.map_err(|error| error.to_string())?;
    let local = listener.local().to_string();
    let plan = Plan {
        only: Only::new(&args.only),
        quick: args.quick,
    };
    if plan.count() == 0 {
        return Err(format!("--only {}: no such case", args.only.join(",")));
    }
    let mut stdout = std::io::stdout();
    let announced = writeln!(stdout, "listening on {local}").and_then(|()| stdout.flush());
    announced.map_err(|error| format!("stdout: {error}"))?;
    let progress = Progress::new(plan.count());
    let outcomes = serve::run(listener, &plan, |outcome| progress.tell(outcome)).await;
    progress.finish();
    Ok(Report {
        target: local,
        implementation: "the client under test".to_owned(),
        role: "client",
        outcomes: outcomes.map_err(|error| error.to_string())?,
    })
}

fn settings(args: &Args) -> Result<Settings, String> {
    let (scheme, place) = args.listen.split_once(':').unwrap_or((&args.listen, ""));
    let loader = Loader::server().preset("backend", scheme);
    let mut loader = match (scheme, place.strip_prefix("//")) {
        ("uds", _) => loader.preset("uds.path", place),
        ("tcp" | "tls" | "quic", Some(address)) => loader.preset("bind_addr", address),
        _ => return Err(format!("--listen {}: {PLACES}", args.listen)),
    };
    if let (Some(cert), Some(key)) = (&args.cert, &args.key) {
        loader = loader
            .preset("tls.cert_path", cert.to_string_lossy())
            .preset("tls.key_path", key.to_string_lossy());
    }
    loader.load().map_err(|faults| faults.to_string())
}
