//! A server in trouble, and what honest clients see of it.
//!
//! Each trouble has a server in a process of its own. Honest clients, whose requests start at even
//! intervals, are measured alone first and then beside the trouble.

mod honest;
mod loris;
mod peer;
mod relays;
mod report;
mod troubles;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, value_parser};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::Failure;
use crate::client::OutputFile;
use honest::Honest;
use peer::Server;
pub use report::{ChaosReport, ChaosRow, Seen};
use troubles::{Came, Trouble};

/// Honest requests carry so many bytes.
const PAYLOAD: u32 = 1_024;

/// Makes trouble for a server, one kind after the other, and measures honest clients beside it.
///
/// A row holds if every honest request was answered with what it sent, the server's memory stayed
/// below the row's bound, and no connection of the trouble was left. Where the server itself is
/// killed, it holds if no request was left without an answer or a reason. Exit status: 0 if every row
/// holds, 1 if one does not, 2 if an option breaks a rule.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// List the kinds of trouble
    #[arg(long)]
    list: bool,
    /// Only this kind; may be given more than once
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Seconds of each measurement, 1 to 3600
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = value_parser!(u32).range(1..=3600))]
    part: u32,
    /// Honest requests per second, 1 to 100000
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = value_parser!(u32).range(1..=100_000))]
    rps: u32,
    /// Honest connections, 1 to 1000
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = value_parser!(u32).range(1..=1000))]
    conns: u32,
    /// Seed of what relays lose and of when processes are killed
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Also write the report to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl Options {
    const fn part(&self) -> Duration {
        Duration::from_secs(self.part as u64)
    }

    fn troubles(&self) -> Result<Vec<Trouble>, Failure> {
        if self.only.is_empty() {
            return Ok(Trouble::all());
        }
        let named = |name: &String| {
            let mut all = Trouble::all().into_iter();
            let found = all.find(|trouble| trouble.name == *name);
            found.ok_or_else(|| Failure::usage(format!("--only {name}: must be one of --list")))
        };
        self.only.iter().map(named).collect()
    }
}

/// The whole of it; returns the exit status.
pub(crate) fn run(options: &Options) -> Result<u8, Failure> {
    let troubles = options.troubles()?;
    if options.list {
        for trouble in troubles {
            println!("{:<16} {}", trouble.name, trouble.what);
        }
        return Ok(0);
    }
    let json = options
        .json
        .as_deref()
        .map(|path| OutputFile::create("--json", path))
        .transpose()?;
    let bar = bar(troubles.len());
    let mut rows = Vec::new();
    for trouble in troubles {
        bar.set_message(trouble.name);
        rows.push(row(options, trouble)?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    let report = ChaosReport::new(options, rows);
    print!("{report}");
    if let Some(file) = json {
        file.write_json(&report)?;
    }
    Ok(u8::from(!report.holds))
}

fn row(options: &Options, trouble: Trouble) -> Result<ChaosRow, Failure> {
    let mut server = Server::start()?;
    let honest = Honest::of(&server, options)?;
    let alone = honest.measure()?;
    let memory = server.memory()?;
    let (beside, came) = std::thread::scope(|scope| {
        let beside = scope.spawn(|| honest.measure());
        let came = (trouble.make)(&mut server, options);
        let beside = beside
            .join()
            .map_err(|_| Failure::run("the honest clients panicked"))?;
        Ok((beside?, came?))
    })?;
    let Came {
        numbers,
        server_is_gone,
    } = came;
    let (growth, left) = if server_is_gone {
        (0, 0)
    } else {
        let growth = server.peak_memory()?.saturating_sub(memory);
        (growth, server.connections_left()?)
    };
    let unharmed = match server_is_gone {
        true => beside.mismatched + beside.unfinished == 0 && beside.answered > 0,
        false => beside.answered == beside.intended,
    };
    Ok(ChaosRow {
        name: trouble.name,
        what: trouble.what,
        trouble: numbers,
        alone,
        beside,
        memory_growth_bytes: growth,
        memory_bound_bytes: trouble.memory,
        connections_left: left,
        holds: unharmed && growth <= trouble.memory && left == 0,
    })
}

fn bar(count: usize) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(count as u64), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("[{bar:40}] {pos} of {len}: {msg}") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}
