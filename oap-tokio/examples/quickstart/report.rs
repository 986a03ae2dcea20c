//! What is shown: a line per step, a bar while bytes stream, a table in the end.

use std::error::Error;
use std::fmt::Debug;
use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};

pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// What a step has seen, and the figure that it measured.
pub(crate) type Outcome = Result<(String, String), Failure>;

/// No step takes this long, unless it hangs.
const TIME_LIMIT: Duration = Duration::from_secs(20);

pub(crate) struct Report {
    rows: Vec<[String; 4]>,
    failed: bool,
}

impl Report {
    pub(crate) fn new() -> Self {
        Self {
            rows: vec![["step", "seen", "figure", "result"].map(str::to_owned)],
            failed: false,
        }
    }

    /// Runs a step. Those that follow run even if it fails.
    pub(crate) async fn step(&mut self, name: &str, work: impl Future<Output = Outcome>) {
        let outcome = tokio::time::timeout(TIME_LIMIT, work).await;
        let (seen, figure, result) = match outcome.unwrap_or_else(|_| Err("it hangs".into())) {
            Ok((seen, figure)) => (seen, figure, "ok"),
            Err(error) => (error.to_string(), String::new(), "FAILED"),
        };
        self.failed |= result != "ok";
        eprintln!("{name}: {seen} {figure} {result}");
        let row = [name.to_owned(), seen, figure, result.to_owned()];
        self.rows.push(row);
    }

    /// Prints the table; the status is a failure if any step has failed.
    pub(crate) fn print(self) -> ExitCode {
        let width = |at: usize| self.rows.iter().map(|row| row[at].len()).max();
        let [first, second, third] = [0, 1, 2].map(|at| width(at).unwrap_or(0));
        println!();
        for [step, seen, figure, result] in &self.rows {
            println!("{step:first$}  {seen:second$}  {figure:>third$}  {result}");
        }
        ExitCode::from(u8::from(self.failed))
    }
}

/// A bar that counts to `total` bytes; hidden where stderr is no terminal, gone once it is dropped.
pub(crate) fn progress(total: u64) -> Result<ProgressBar, Failure> {
    let style = ProgressStyle::with_template("{bar:40} {decimal_bytes_per_sec}")?;
    let bar = ProgressBar::new(total).with_style(style);
    Ok(bar.with_finish(ProgressFinish::AndClear))
}

/// Fails unless `seen` is what it must be.
pub(crate) fn expect<T: PartialEq + Debug>(what: &str, seen: T, must: T) -> Result<(), Failure> {
    ensure(seen == must, &format!("{what}: {seen:?}, not {must:?}"))
}

/// Fails with `or` unless `holds`.
pub(crate) fn ensure(holds: bool, or: &str) -> Result<(), Failure> {
    holds.then_some(()).ok_or_else(|| or.into())
}
