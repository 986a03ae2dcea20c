//! The command line of the long and hostile runs.

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use oap_conformance::faults;

use crate::Failure;
use crate::chaos;
use crate::compare;
use crate::failure::{exit_with, matches, refused};
use crate::soak::{self, Heap};

/// Runs that take long, that are unkind to the server, or that compare it with others.
#[derive(Parser)]
#[command(name = "transport-bench", version)]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Soak(soak::Options),
    Chaos(chaos::Options),
    Compare(compare::Options),
    /// Plays a part in a process of its own.
    #[command(hide = true)]
    Peer {
        /// The role and its arguments.
        arguments: Vec<String>,
    },
}

/// The whole program; `heap` tells what is allocated now.
pub fn bench_main(heap: fn() -> Heap) -> ExitCode {
    exit_with("transport-bench", run(heap))
}

fn run(heap: fn() -> Heap) -> Result<u8, Failure> {
    let matches = matches(Options::command())?;
    match Options::from_arg_matches(&matches)
        .map_err(refused)?
        .command
    {
        Command::Soak(options) => soak::run(&options, heap),
        Command::Chaos(options) => chaos::run(&options),
        Command::Compare(options) => compare::run(&options),
        Command::Peer { arguments } => faults::run(&arguments).map(|()| 0).map_err(Failure::usage),
    }
}
