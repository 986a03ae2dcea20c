//! Cases and what comes of them.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use super::transcript::Transcript;

/// What a case is made of: it goes on, or it stops with a finding or a reason to skip.
pub type Step<T = ()> = Result<T, Stop>;

/// Why a case stops before its end.
#[derive(Clone, Debug)]
pub enum Stop {
    /// The implementation does not do what is due.
    Fail(Finding),
    /// The case does not apply here.
    Skip(String),
}

/// What was due and what came instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What the specification asks for at this point.
    pub due: String,
    /// What the implementation did.
    pub came: String,
}

/// Stops a case: `came` instead of what was `due`.
pub(crate) fn fail<T>(due: impl Into<String>, came: impl Into<String>) -> Step<T> {
    Err(Stop::Fail(Finding {
        due: due.into(),
        came: came.into(),
    }))
}

/// Stops a case that does not apply.
pub(crate) fn skip<T>(reason: impl Into<String>) -> Step<T> {
    Err(Stop::Skip(reason.into()))
}

/// Goes on if `holds`.
pub(crate) fn ensure(holds: bool, due: &str, came: impl FnOnce() -> String) -> Step {
    if holds { Ok(()) } else { fail(due, came()) }
}

/// What became of a case.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// The implementation does what is due.
    Pass,
    /// It does not.
    Fail(Finding),
    /// The case does not apply, for this reason.
    Skipped(String),
}

/// A case that was run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The clause that it tests.
    pub clause: &'static str,
    /// What is true if it passes.
    pub name: &'static str,
    /// What came of it.
    pub verdict: Verdict,
    /// How long it took.
    pub took: Duration,
    /// What went over the connection.
    pub transcript: Transcript,
}

/// How long a case may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// It waits for answers only.
    Quick,
    /// It waits for a timer of the implementation.
    Slow,
}

/// A future in a box.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One case: what is true of an implementation that keeps to a clause. `P` is what it talks to.
pub struct Case<P> {
    /// The clause, `OAP-3-11` say.
    pub clause: &'static str,
    /// What is true, in words joined by `_`.
    pub name: &'static str,
    /// Whether it has to wait for a timer.
    pub pace: Pace,
    /// The case itself.
    pub run: for<'a> fn(&'a mut P) -> BoxFuture<'a, Step>,
}

/// A [`Case`] of the function that has its name.
macro_rules! case {
    ($clause:literal, $run:ident) => {
        $crate::live::verdict::case!($clause, $run, Quick)
    };
    ($clause:literal, $run:ident, $pace:ident) => {
        $crate::live::verdict::Case {
            clause: $clause,
            name: stringify!($run),
            pace: $crate::live::verdict::Pace::$pace,
            run: |peer| Box::pin($run(peer)),
        }
    };
}
pub(crate) use case;

/// Which cases to run.
#[derive(Clone, Debug, Default)]
pub struct Only(Vec<String>);

impl Only {
    /// Only these: clauses, sections such as `OAP-3`, or names of cases. None means all.
    pub fn new(wanted: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self(wanted.into_iter().map(Into::into).collect())
    }

    /// Whether a case is among them.
    pub fn takes(&self, clause: &str, name: &str) -> bool {
        let is = |wanted: &String| {
            let inside = clause.strip_prefix(wanted.as_str());
            wanted == name || inside.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        self.0.is_empty() || self.0.iter().any(is)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_picked_by_clause_section_or_name() {
        let takes = |wanted: &str, clause| Only::new([wanted]).takes(clause, "a_name");
        assert!(takes("OAP-3-1", "OAP-3-1") && takes("OAP-3", "OAP-3-11"));
        assert!(!takes("OAP-3-1", "OAP-3-11") && !takes("OAP-1", "OAP-11-1"));
        assert!(takes("a_name", "OAP-3-1"));
        assert!(Only::default().takes("OAP-3-1", "a_name"));
    }
}
