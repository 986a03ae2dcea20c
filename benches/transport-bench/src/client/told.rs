//! Where reports go: stdout, and the files that were asked for.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::html::{self, Run};
use crate::{Failure, HandshakeReport, Report};

/// A report of either kind of load.
pub(super) trait Told: Display + Serialize {
    /// What is wrong with the run, in one line.
    fn fault(&self) -> Option<String>;

    /// As a page shows it.
    fn run(&self) -> Run<'_>;
}

impl Told for Report {
    fn fault(&self) -> Option<String> {
        self.fault()
    }

    fn run(&self) -> Run<'_> {
        self.into()
    }
}

impl Told for HandshakeReport {
    fn fault(&self) -> Option<String> {
        self.fault()
    }

    fn run(&self) -> Run<'_> {
        self.into()
    }
}

/// A file that is there before a run begins: its figures must not be lost to a bad path.
pub(crate) struct OutputFile {
    option: &'static str,
    path: PathBuf,
    file: File,
}

impl OutputFile {
    /// Creates the file that `option` names.
    ///
    /// # Errors
    /// One that cannot be written.
    pub(crate) fn create(option: &'static str, path: &Path) -> Result<Self, Failure> {
        let path = path.to_owned();
        match File::create(&path) {
            Ok(file) => Ok(Self { option, path, file }),
            Err(error) => {
                let path = path.display();
                Err(Failure::usage(format!(
                    "{option} {path}: must be writable: {error}"
                )))
            }
        }
    }

    /// Writes a report as JSON.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn write_json(mut self, report: &impl Serialize) -> Result<(), Failure> {
        let written = serde_json::to_writer_pretty(&mut self.file, report);
        let written = written
            .map_err(io::Error::from)
            .and_then(|()| writeln!(self.file));
        written.map_err(|error| self.failure(error))
    }

    fn write(mut self, text: &str) -> Result<(), Failure> {
        let written = self.file.write_all(text.as_bytes());
        written.map_err(|error| self.failure(error))
    }

    fn failure(&self, error: impl Display) -> Failure {
        let path = self.path.display();
        Failure::run(format!("{} {path}: {error}", self.option))
    }
}

/// The files of a run.
pub(super) struct Outputs {
    json: Option<OutputFile>,
    html: Option<OutputFile>,
}

impl Outputs {
    pub(super) fn create(json: Option<&Path>, html: Option<&Path>) -> Result<Self, Failure> {
        let create = |option, path: Option<&Path>| {
            path.map(|path| OutputFile::create(option, path))
                .transpose()
        };
        Ok(Self {
            json: create("--json", json)?,
            html: create("--html", html)?,
        })
    }

    /// Writes the reports of runs at one rate after the other.
    pub(super) fn write<R: Told>(self, reports: &[R]) -> Result<(), Failure> {
        if let Some(file) = self.json {
            match reports {
                [only] => file.write_json(only)?,
                all => file.write_json(&all)?,
            }
        }
        if let Some(file) = self.html {
            let runs: Vec<Run<'_>> = reports.iter().map(Told::run).collect();
            let page = html::page(&runs).map_err(|error| file.failure(error))?;
            file.write(&page)?;
        }
        Ok(())
    }
}

/// Measures at one rate after the other. What was measured is told even if a later one fails.
pub(super) fn measure<R: Told>(
    rates: &[u32],
    outputs: Outputs,
    one: impl Fn(u32) -> Result<R, Failure>,
) -> Result<(), Failure> {
    let mut reports = Vec::new();
    let mut failed = Ok(());
    for (number, rate) in rates.iter().enumerate() {
        match one(*rate) {
            Ok(report) => {
                let gap = if number > 0 { "\n" } else { "" };
                write!(io::stdout(), "{gap}{report}")
                    .map_err(|error| Failure::run(format!("stdout: cannot be written: {error}")))?;
                reports.push(report);
            }
            Err(failure) => {
                failed = Err(failure);
                break;
            }
        }
    }
    if !reports.is_empty() {
        outputs.write(&reports)?;
    }
    failed?;
    let faults = rates.iter().zip(&reports).filter_map(|(rate, report)| {
        let fault = report.fault()?;
        Some(match rates {
            [_] => fault,
            _ => format!("at {rate}/s: {fault}"),
        })
    });
    let faults: Vec<String> = faults.collect();
    match faults.is_empty() {
        true => Ok(()),
        false => Err(Failure::runs(faults)),
    }
}
