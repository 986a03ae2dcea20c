//! What the programs of this package have in common.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;
use serde::Serialize;

use crate::Fault;

/// Where baselines are, and of what.
#[derive(Args, Clone, Debug)]
pub struct Where {
    /// The crate whose figures they are
    #[arg(long = "crate", value_name = "NAME", default_value = "oap-core")]
    pub krate: String,
    /// JSON file of baselines, one for each class of hosts
    #[arg(
        long,
        value_name = "FILE",
        default_value = "benches/baselines/oap-core.json"
    )]
    pub baselines: PathBuf,
    /// JSON Schema of baselines and reports
    #[arg(
        long,
        value_name = "FILE",
        default_value = "benches/baselines/schema.json"
    )]
    pub schema: PathBuf,
}

/// The commit that is checked out, and whether files differ from it.
///
/// # Errors
/// No git, or no repository.
pub fn commit() -> Result<(String, bool), Fault> {
    let commit = git(&["rev-parse", "HEAD"])?;
    let changes = git(&["status", "--porcelain", "--untracked-files=no"])?;
    Ok((commit, !changes.is_empty()))
}

fn git(arguments: &[&str]) -> Result<String, Fault> {
    let failed = |what: String| Fault::Refused(format!("git {}: {what}", arguments.join(" ")));
    let output = Command::new("git").args(arguments).output();
    let output = output.map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(
            String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        ));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Writes a file as a whole or not at all.
///
/// # Errors
/// A file that cannot be written.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Fault> {
    let failed = |error: std::io::Error| Fault::of(path, error);
    let partial = path.with_extension("partial");
    let mut file = BufWriter::new(File::create(&partial).map_err(failed)?);
    serde_json::to_writer_pretty(&mut file, value).map_err(|error| failed(error.into()))?;
    file.write_all(b"\n")
        .and_then(|()| file.flush())
        .map_err(failed)?;
    std::fs::rename(&partial, path).map_err(failed)
}
