//! Compares OAP/1 with what people would pick instead, over the same TLS, in one run.
//!
//! Server and client are processes of one thread each. All contenders of a round run one after the
//! other, and each is compared with the raw loop of the same round: absolute figures drift with the
//! machine, these ratios do not.

mod contender;
mod contenders;
mod drive;
mod growth;
mod identity;
mod instructions;
mod meter;
mod report;
mod rounds;
mod scenario;
mod side;
mod usage;

use std::fs::File;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::builder::PossibleValuesParser;
use clap::{Parser, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use contender::{ALL, BASELINE, Contender, by_name, named};
use identity::Identity;
use report::{Report, Section};
use scenario::Scenario;
use side::{ClientOptions, SideOptions};

/// Measures contenders side by side and prints their ratios to a raw tokio-rustls loop
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Options {
    /// What to measure, several times if need be [default: all]
    #[arg(long, value_enum, value_name = "NAME")]
    scenario: Vec<Scenario>,
    /// Whom to measure, several times if need be [default: all]
    #[arg(long, value_name = "NAME", value_parser = known(), hide_possible_values = true)]
    contender: Vec<String>,
    /// Whom to compare them with
    #[arg(long, value_name = "NAME", value_parser = known(), default_value = BASELINE)]
    beside: String,
    /// Rounds
    #[arg(long, default_value_t = 5, value_name = "N")]
    rounds: usize,
    /// Seconds that each contender is measured in a round, after a third of that to warm up
    #[arg(long, default_value_t = 2.0, value_name = "S")]
    seconds: f64,
    /// Also write everything to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Task>,
}

#[derive(Subcommand)]
enum Task {
    /// Counts the server's instructions per request with callgrind
    Instructions {
        /// Whom to count [default: the raw loop, oap-tokio, oap-smol and tonic]
        #[arg(long, value_name = "NAME", value_parser = known())]
        contender: Vec<String>,
        /// Directory for the profiles
        #[arg(long, default_value = "profiles", value_name = "DIR")]
        profiles: PathBuf,
    },
    /// Measures how cost grows with connections, with streams, and with idle connections
    Growth(growth::Options),
    #[command(hide = true)]
    Serve(SideOptions),
    #[command(hide = true)]
    Load(ClientOptions),
}

fn main() -> Result<()> {
    let options = Options::parse();
    allow_descriptors();
    match options.command {
        None => compare(&options),
        Some(Task::Growth(options)) => growth::run(&options),
        Some(Task::Serve(options)) => side::serve(&options),
        Some(Task::Load(options)) => side::load(&options),
        Some(Task::Instructions {
            contender,
            profiles,
        }) => {
            let names = match contender.is_empty() {
                true => [BASELINE, "oap-tokio", "oap-smol", "tonic"]
                    .map(String::from)
                    .to_vec(),
                false => contender,
            };
            let directory = tempfile::tempdir()?;
            Identity::create(directory.path())?;
            instructions::run(&named(&names)?, directory.path(), &profiles)
        }
    }
}

fn compare(options: &Options) -> Result<()> {
    let scenarios = match options.scenario.is_empty() {
        true => Scenario::value_variants().to_vec(),
        false => options.scenario.clone(),
    };
    let mut contenders = match options.contender.is_empty() {
        true => ALL.to_vec(),
        false => named(&options.contender)?,
    };
    contenders.retain(|contender| contender.name() != options.beside);
    contenders.splice(..0, by_name(&options.beside));
    let json = options.json.as_ref().map(File::create).transpose()?;
    let directory = tempfile::tempdir()?;
    Identity::create(directory.path())?;
    let mut report = Report {
        beside: options.beside.clone(),
        rounds: options.rounds,
        seconds: options.seconds,
        scenarios: Vec::new(),
    };
    for scenario in scenarios {
        let shape = scenario.shape();
        let mut contenders = contenders.clone();
        contenders.retain(|contender| contender.takes(shape));
        ensure!(
            contenders.first().map(|first| first.name()) == Some(&options.beside),
            "--beside {}: it does not do {}",
            options.beside,
            scenario.name()
        );
        let progress = progress(options.rounds * contenders.len(), &scenario.name())?;
        let standings = rounds::run(
            &contenders,
            shape,
            options.rounds,
            options.seconds,
            directory.path(),
            &progress,
        )?;
        progress.finish_and_clear();
        let section = Section {
            name: scenario.name(),
            shape,
            standings,
        };
        print!("{section}");
        report.scenarios.push(section);
    }
    if let Some(file) = json {
        serde_json::to_writer_pretty(file, &report)?;
    }
    Ok(())
}

/// The names on the command line.
fn known() -> PossibleValuesParser {
    PossibleValuesParser::new(ALL.map(Contender::name))
}

/// Raises the limit of descriptors to what the system allows. Where that is not enough, a connection
/// fails and says so.
fn allow_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    let _ = setrlimit(Resource::Nofile, raised);
}

/// Shown on a terminal only.
fn progress(steps: usize, scenario: &str) -> Result<ProgressBar> {
    let style = ProgressStyle::with_template("{prefix} [{bar:40}] {pos}/{len} {msg}")?;
    let bar = ProgressBar::new(steps as u64).with_prefix(scenario.to_owned());
    Ok(bar.with_style(style))
}
