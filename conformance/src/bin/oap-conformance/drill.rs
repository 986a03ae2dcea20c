//! The subcommand `drill`.

use std::path::PathBuf;
use std::process::ExitCode;

use oap_conformance::live::dial::{Remote, Trust};
use oap_conformance::live::drill;

use crate::output::refuse;

/// Follows the drill of a server that tests clients, with the client of oap-tokio.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The server: tcp://HOST:PORT, https://HOST:PORT, quic://HOST:PORT or uds:PATH
    #[arg(long, value_name = "TARGET")]
    target: String,
    /// Trust the authorities in this PEM file instead of the system's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Believe any certificate
    #[arg(long, conflicts_with = "ca")]
    insecure: bool,
}

/// Drills until the server says that it is done.
pub(crate) fn run(args: Args) -> ExitCode {
    let trust = match &args.ca {
        _ if args.insecure => Trust::Anybody,
        Some(path) => Trust::File(path),
        None => Trust::System,
    };
    let remote = match Remote::new(&args.target, trust) {
        Ok(remote) => remote,
        Err(message) => return refuse(&message),
    };
    let drilled = oap_tokio::run(async {
        let connections = drill::run(&remote).await;
        remote.wait_idle().await;
        connections
    });
    match drilled {
        Ok(Ok(connections)) => {
            println!("done after {connections} connections");
            ExitCode::SUCCESS
        }
        Ok(Err(error)) | Err(error) => refuse(&format!("{}: {error}", args.target)),
    }
}
