//! Tests implementations of OAP/1 of any make.

#[cfg(feature = "live")]
mod drill;
#[cfg(feature = "live")]
mod output;
#[cfg(feature = "live")]
mod run;
#[cfg(feature = "live")]
mod serve;
mod stdio;
mod vectors;

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
    #[cfg(feature = "live")]
    Run(run::Args),
    /// Tests a live client that follows the drill
    #[cfg(feature = "live")]
    Serve(serve::Args),
    /// Follows the drill, with the client of oap-tokio
    #[cfg(feature = "live")]
    Drill(drill::Args),
    /// Drives an implementation by the test vectors over its standard input and output
    Vectors(vectors::Args),
    /// Is oap-core, driven over standard input and output
    Stdio(stdio::Args),
}

fn main() -> ExitCode {
    match Options::parse().command {
        #[cfg(feature = "live")]
        Command::Run(args) => run::run(args),
        #[cfg(feature = "live")]
        Command::Serve(args) => serve::run(args),
        #[cfg(feature = "live")]
        Command::Drill(args) => drill::run(args),
        Command::Vectors(args) => vectors::run(args),
        Command::Stdio(args) => stdio::run(args),
    }
}
