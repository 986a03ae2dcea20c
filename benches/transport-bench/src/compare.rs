//! The comparison with other protocols, which is a package apart, so that nobody who builds OAP/1
//! compiles what it is compared with.

use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use clap::Args;

use crate::Failure;

/// Where the package is, from the root of the repository.
const MANIFEST: &str = "benches/compare/Cargo.toml";

/// Compares OAP/1 with what people would pick instead, on this machine, in one run.
///
/// Runs the package benches/compare, which cargo builds first. All arguments are passed on to it:
/// `compare -- --help` lists them.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Arguments of the comparison
    #[arg(
        value_name = "ARGS",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    arguments: Vec<OsString>,
}

/// Runs it to its end; returns its exit status.
pub(crate) fn run(options: &Options) -> Result<u8, Failure> {
    if !Path::new(MANIFEST).is_file() {
        let here = env::current_dir().unwrap_or_default();
        return Err(Failure::run(format!(
            "{MANIFEST} is not in {}: run this in the root of the repository",
            here.display()
        )));
    }
    // A cargo that runs us is the one to go on with.
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(&cargo)
        .args(["run", "--release", "--manifest-path", MANIFEST, "--"])
        .args(&options.arguments)
        .status()
        .map_err(|error| Failure::run(format!("{}: {error}", cargo.display())))?;
    // A signal has no status of its own.
    Ok(status
        .code()
        .and_then(|code| code.try_into().ok())
        .unwrap_or(1))
}
