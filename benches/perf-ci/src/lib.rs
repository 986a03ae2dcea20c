//! Figures of the echo programs against baselines: `measure` takes them, `record` makes baselines of
//! them, `check` tells whether they have become worse.

pub mod baseline;
pub mod command;
mod figure;
mod gate;
pub mod host;
pub mod measure;
pub mod noise;
mod report;
pub mod schema;
mod time;
pub mod verdict;
pub mod waiver;

use std::path::Path;
use std::process::ExitCode;

pub use figure::{Figure, Worse};
pub use gate::{Gate, Gates};
pub use report::{Load, Report, Run};
pub use time::{now, today};

/// Why a program ends without a verdict.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// A value, a file or a figure that breaks a rule.
    #[error("{0}")]
    Refused(String),
    /// There is nothing to compare with on this class of hosts.
    #[error("{0}")]
    NoBaseline(String),
    /// The machine had other things to do, or the runs contradict each other.
    #[error("{0}")]
    Noisy(String),
}

impl Fault {
    /// What is wrong with a file.
    pub fn of(path: &Path, what: impl std::fmt::Display) -> Self {
        Self::Refused(format!("{}: {what}", path.display()))
    }

    /// The exit status: 2 for what breaks a rule, 3 without a baseline, 4 for noise. 1 is left to
    /// figures that are worse than they may be.
    pub const fn status(&self) -> u8 {
        match self {
            Self::Refused(_) => 2,
            Self::NoBaseline(_) => 3,
            Self::Noisy(_) => 4,
        }
    }
}

/// Ends a program with the status that its work has come to.
pub fn exit(program: &str, result: Result<u8, Fault>) -> ExitCode {
    match result {
        Ok(status) => status.into(),
        Err(fault) => {
            for line in fault.to_string().lines() {
                eprintln!("{program}: {line}");
            }
            fault.status().into()
        }
    }
}
