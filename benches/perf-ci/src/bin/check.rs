//! Tells whether measured figures are worse than their baseline.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, value_parser};
use perf_ci::baseline::Baselines;
use perf_ci::command::{Where, write_json};
use perf_ci::schema::Schema;
use perf_ci::verdict::{Rules, Statistic};
use perf_ci::waiver::Waivers;
use perf_ci::{Fault, Gates, Report, exit, today};

/// Tells whether the figures of a report are worse than the baseline of its class of hosts.
///
/// The report is what `measure` has written: this program measures nothing. Exit status: 0 if every
/// gated figure is within its gate or waived; 1 if one is worse or missing, or a waiver has expired;
/// 2 if an option or a file breaks a rule; 3, no verdict, without a baseline for the host; 4, no
/// verdict, if the machine or the runs were too noisy.
#[derive(Parser)]
#[command(name = "check", version)]
struct Options {
    #[command(flatten)]
    place: Where,
    /// The measured runs, as `measure` writes them
    #[arg(long, value_name = "FILE")]
    report: PathBuf,
    /// How many percent worse figures may be: + for p95, p99, cpu and mem, which grow as they become
    /// worse, - for throughput, which falls. What is not named is not gated
    #[arg(
        long,
        value_name = "GATES",
        default_value = "+10p95,+10p99,-10throughput,+15cpu,+15mem",
        allow_hyphen_values = true
    )]
    gate: Gates,
    /// Runs that the report must have at least, 1 to 99; all it has are judged
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = value_parser!(u32).range(1..=99))]
    runs: u32,
    /// What stands for the runs of a figure
    #[arg(long, value_name = "NAME", value_enum, default_value = "median")]
    stat: Statistic,
    /// TOML file of waivers [default: waivers.toml beside the baselines, if it is there]
    #[arg(long, value_name = "FILE")]
    waivers: Option<PathBuf>,
    /// Also write the verdict to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn main() -> ExitCode {
    exit("check", run(&Options::parse()))
}

fn run(options: &Options) -> Result<u8, Fault> {
    let Where {
        krate,
        baselines,
        schema,
    } = &options.place;
    let schema = Schema::read(schema)?;
    let report: Report = schema.read_report(&options.report)?;
    let waivers = options.waivers()?;
    let file = Baselines::read(baselines, &schema, krate)?;
    options.check(&report)?;
    let baseline = file.of(&report.host.host_class)?;
    if baseline.load != report.load {
        return Err(Fault::of(
            &options.report,
            format!(
                "load: must be that of the baseline, {:?}, is {:?}",
                baseline.load, report.load
            ),
        ));
    }
    println!(
        "{krate} on {}: commit {:.12}, {} runs, against {} of commit {:.12}, {}",
        report.host.host_class,
        report.commit,
        report.runs.len(),
        baseline.reference,
        baseline.commit,
        baseline.recorded
    );
    if baseline.kernel != report.host.kernel {
        println!(
            "kernel {}, of the baseline {}",
            report.host.kernel, baseline.kernel
        );
    }
    let rules = Rules {
        baseline,
        gates: &options.gate,
        waivers: &waivers,
        statistic: options.stat,
        today: today(),
    };
    let verdict = rules.judge(&report);
    print!("{verdict}");
    if let Some(path) = &options.json {
        write_json(path, &verdict)?;
    }
    Ok(verdict.outcome.status())
}

impl Options {
    fn waivers(&self) -> Result<Waivers, Fault> {
        match &self.waivers {
            Some(path) => Waivers::read(path, today()),
            None => {
                let path = self.place.baselines.with_file_name("waivers.toml");
                if path.exists() {
                    Waivers::read(&path, today())
                } else {
                    Ok(Waivers::default())
                }
            }
        }
    }

    /// What a report must be before it is compared.
    fn check(&self, report: &Report) -> Result<(), Fault> {
        let refused = |what: String| Err(Fault::of(&self.report, what));
        let krate = &self.place.krate;
        if report.krate != *krate {
            return refused(format!("crate: must be {krate}, is {}", report.krate));
        }
        if !report.optimised {
            return refused("optimised: must be true: debug builds say nothing".to_owned());
        }
        let runs = report.runs.len();
        if runs < self.runs as usize {
            return refused(format!("runs: must be {} at least, are {runs}", self.runs));
        }
        Ok(())
    }
}
