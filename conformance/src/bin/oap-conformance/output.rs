//! What the subcommands that judge have in common: the files that they write, and their end.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use oap_conformance::live::report::{self, Counts, Report};
use oap_conformance::live::verdict::Outcome;

/// Files for the results.
#[derive(Args)]
pub(crate) struct Files {
    /// Write the results as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the results as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write the results as one HTML page
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Tells of outcomes while they come: failures in full, the number of the others.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    pub(crate) fn new(cases: usize) -> Self {
        let bar = ProgressBar::new(cases as u64);
        if !std::io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(250));
        Self(bar)
    }

    pub(crate) fn tell(&self, outcome: &Outcome) {
        let failure = report::failure(outcome);
        if !failure.is_empty() {
            self.0.suspend(|| println!("{failure}"));
        }
        self.0.set_message(outcome.clause);
        self.0.inc(1);
    }

    pub(crate) fn finish(&self) {
        self.0.finish_and_clear();
    }
}

impl Files {
    /// Prints the summary and writes the files; the status says whether all passed.
    pub(crate) fn conclude(&self, report: &Report) -> ExitCode {
        println!("{}", report::summary(report));
        if let Err(message) = self.write(report) {
            return refuse(&message);
        }
        let failed = Counts::of(&report.outcomes).failed > 0;
        ExitCode::from(u8::from(failed))
    }

    fn write(&self, report: &Report) -> Result<(), String> {
        if let Some(path) = &self.json {
            let text = report::json(report).map_err(|error| error.to_string())?;
            write(path, &text)?;
        }
        if let Some(path) = &self.junit {
            let text = report::junit(report).map_err(|error| error.to_string())?;
            write(path, &text)?;
        }
        match &self.html {
            Some(path) => write(path, &report::html(report)),
            None => Ok(()),
        }
    }
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

/// Nothing could be tested.
pub(crate) fn refuse(message: &str) -> ExitCode {
    eprintln!("oap-conformance: {message}");
    ExitCode::from(2)
}
