//! Tests implementations of OAP/1 of any make.

mod drill;
mod output;
mod run;
mod serve;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Tests implementations of OAP/1 against the specification.
///
/// Exit status: 0 if every case passed or does not apply, 1 if one failed, 2 if nothing could be
/// tested.
#[derive(Parser)]
#[command(name = "oap-conformance", version)]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Tests a live server that offers the test applications
    Run(run::Args),
    /// Tests a live client that follows the drill
    Serve(serve::Args),
    /// Follows the drill, with the client of oap-tokio
    Drill(drill::Args),
}

fn main() -> ExitCode {
    match Options::parse().command {
        Command::Run(args) => run::run(args),
        Command::Serve(args) => serve::run(args),
        Command::Drill(args) => drill::run(args),
    }
}
