//! Failures as lines on stderr and an exit status.

use std::fmt::{self, Display};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{ArgMatches, Command};

/// Why a program ends: a line for each fault, and 2 for values that break a rule or 1 for anything
/// else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Failure {
    lines: Vec<String>,
    status: u8,
}

impl Failure {
    /// A value that breaks a rule. The line has to name both.
    pub fn usage(what: impl Display) -> Self {
        Self::new([what], 2)
    }

    /// Values that break rules, never none.
    pub fn faults(faults: impl IntoIterator<Item = impl Display>) -> Self {
        Self::new(faults, 2)
    }

    /// Something that went wrong although all values are good.
    pub fn run(what: impl Display) -> Self {
        Self::new([what], 1)
    }

    /// Several such things, never none.
    pub fn runs(what: impl IntoIterator<Item = impl Display>) -> Self {
        Self::new(what, 1)
    }

    /// The exit status.
    pub const fn status(&self) -> u8 {
        self.status
    }

    fn new(what: impl IntoIterator<Item = impl Display>, status: u8) -> Self {
        Self {
            lines: what
                .into_iter()
                .map(|what| one_line(&what.to_string()))
                .collect(),
            status,
        }
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines.join("\n"))
    }
}

/// The arguments that a program was given. Help and version go to stdout with status 0.
///
/// # Errors
/// Arguments that clap refuses.
pub(crate) fn matches(command: Command) -> Result<ArgMatches, Failure> {
    command.try_get_matches().map_err(refused)
}

/// What clap refused.
pub(crate) fn refused(error: clap::Error) -> Failure {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => error.exit(),
        _ => Failure::usage(summary(&error.render().to_string())),
    }
}

/// Reports a failure on stderr and makes the exit status of it.
pub fn exit(program: &str, result: Result<(), Failure>) -> ExitCode {
    exit_with(program, result.map(|()| 0))
}

/// The same, of a program that has more than one way to succeed.
pub(crate) fn exit_with(program: &str, result: Result<u8, Failure>) -> ExitCode {
    match result {
        Ok(status) => status.into(),
        Err(failure) => {
            for line in &failure.lines {
                eprintln!("{program}: {line}");
            }
            ExitCode::from(failure.status())
        }
    }
}

/// The first paragraph of clap's report: what is wrong, without usage and tips.
fn summary(report: &str) -> String {
    let paragraph: Vec<&str> = report
        .lines()
        .map(str::trim)
        .take_while(|line| !line.is_empty())
        .collect();
    let text = paragraph.join(" ");
    text.strip_prefix("error: ").unwrap_or(&text).to_owned()
}

/// Control characters would break the line, or the terminal.
fn one_line(text: &str) -> String {
    text.chars()
        .flat_map(|char| {
            let (plain, escaped) = match char.is_control() {
                true => (None, Some(char.escape_default())),
                false => (Some(char), None),
            };
            plain.into_iter().chain(escaped.into_iter().flatten())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_of_clap_becomes_one_line() {
        let value = "error: invalid value '0' for '--conns <N>': 0 is not in 1..=9\n\nFor more\n";
        assert_eq!(
            summary(value),
            "invalid value '0' for '--conns <N>': 0 is not in 1..=9"
        );
        let missing = "error: the following were not provided:\n  --rps <N>\n\nUsage: x\n";
        assert_eq!(
            summary(missing),
            "the following were not provided: --rps <N>"
        );
    }

    #[test]
    fn a_failure_stays_on_its_lines() {
        let failure = Failure::run("a\nb\u{1b}[31m");
        assert_eq!(failure.to_string(), "a\\nb\\u{1b}[31m");
        assert_eq!((failure.status(), Failure::usage("").status()), (1, 2));
        assert_eq!(Failure::faults(["a", "b"]).to_string(), "a\nb");
    }
}
