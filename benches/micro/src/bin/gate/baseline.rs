//! The committed counts, and what has become of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::counts::{Counts, rounded};

/// By how much a count may pass its baseline.
const ALLOWED: f64 = 0.02;
/// Functions with a smaller part of a count are left out of the file.
const LEAST_PART: f64 = 0.01;
/// Functions that are named where a count has grown.
const NAMED: usize = 5;

/// Counts of one toolchain.
#[derive(Serialize, Deserialize)]
pub(crate) struct Baseline {
    tools: Tools,
    counts: BTreeMap<String, Count>,
}

/// What the counts depend on beside the code.
#[derive(Serialize, Deserialize, PartialEq, Eq, Debug)]
struct Tools {
    rustc: String,
    valgrind: String,
    libc: String,
}

#[derive(Serialize, Deserialize)]
struct Count {
    instructions: f64,
    functions: BTreeMap<String, f64>,
}

/// What a comparison says.
pub(crate) enum Verdict {
    /// No count has grown by more than it may. Lines that are worth knowing.
    Kept(Vec<String>),
    /// These have.
    Grown(Vec<String>),
    /// The baseline is of other tools: which.
    None(String),
}

impl Baseline {
    /// The counts as they are now.
    ///
    /// # Errors
    /// One line that says what is missing.
    pub(crate) fn measure(counts: &Counts, ids: &[&str]) -> Result<Self, String> {
        let measured = ids.iter().map(|&id| {
            let count = Count::measure(counts, id)?;
            Ok((id.to_owned(), count))
        });
        Ok(Self {
            tools: Tools::here()?,
            counts: measured.collect::<Result<_, String>>()?,
        })
    }

    /// # Errors
    /// One line that names the file.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let complain = |what: &dyn std::fmt::Display| format!("{}: {what}", path.display());
        let text = fs::read_to_string(path).map_err(|error| complain(&error))?;
        serde_json::from_str(&text).map_err(|error| complain(&error))
    }

    /// # Errors
    /// One line that names the file.
    pub(crate) fn write(&self, path: &Path) -> Result<(), String> {
        let complain = |what: &dyn std::fmt::Display| format!("{}: {what}", path.display());
        let text = serde_json::to_string_pretty(self).map_err(|error| complain(&error))?;
        fs::write(path, text + "\n").map_err(|error| complain(&error))
    }

    /// Compares `now` with this baseline.
    pub(crate) fn compare(&self, now: &Self) -> Verdict {
        if self.tools != now.tools {
            return Verdict::None(format!(
                "recorded with {:?}, counted with {:?}",
                self.tools, now.tools
            ));
        }
        let (mut grown, mut notes) = (Vec::new(), Vec::new());
        for (id, count) in &now.counts {
            let Some(base) = self.counts.get(id) else {
                grown.push(format!("{id}: has no baseline yet"));
                continue;
            };
            let ratio = count.instructions / base.instructions;
            let line = format!(
                "{id}: {:.1}, was {:.1} ({:+.1} %)",
                count.instructions,
                base.instructions,
                (ratio - 1.0) * 100.0
            );
            if ratio > 1.0 + ALLOWED {
                grown.push(line);
                grown.extend(count.growth_since(base));
            } else if ratio < 1.0 - ALLOWED {
                notes.push(line);
            }
        }
        for id in self.counts.keys() {
            if !now.counts.contains_key(id) {
                grown.push(format!("{id}: is in the baseline and not counted any more"));
            }
        }
        if grown.is_empty() {
            Verdict::Kept(notes)
        } else {
            Verdict::Grown(grown)
        }
    }
}

impl Count {
    fn measure(counts: &Counts, id: &str) -> Result<Self, String> {
        let instructions = rounded(counts.figure(id)?);
        let mut functions = counts.functions(id)?;
        functions.retain(|_, part| part.abs() >= LEAST_PART * instructions);
        Ok(Self {
            instructions,
            functions,
        })
    }

    /// The functions that have grown most, one line each.
    fn growth_since(&self, base: &Self) -> Vec<String> {
        let before = |name: &String| base.functions.get(name).copied().unwrap_or_default();
        let mut grown: Vec<_> = self
            .functions
            .iter()
            .map(|(name, &now)| (now - before(name), before(name), now, name))
            .filter(|(by, ..)| *by > 0.0)
            .collect();
        grown.sort_by(|a, b| b.0.total_cmp(&a.0));
        grown.truncate(NAMED);
        let lines = grown.into_iter().map(|(by, was, now, name)| {
            format!("    {by:+.1} in {name} ({was:.1} before, {now:.1} now)")
        });
        lines.collect()
    }
}

impl Tools {
    fn here() -> Result<Self, String> {
        Ok(Self {
            rustc: said("rustc", "--version")?,
            valgrind: said("valgrind", "--version")?,
            libc: said("getconf", "GNU_LIBC_VERSION")?,
        })
    }
}

fn said(program: &str, argument: &str) -> Result<String, String> {
    let output = Command::new(program)
        .arg(argument)
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Parts<'a> = &'a [(&'a str, f64)];

    fn baseline(rustc: &str, counts: &[(&str, f64, Parts<'_>)]) -> Baseline {
        let count = |instructions, functions: Parts<'_>| Count {
            instructions,
            functions: functions
                .iter()
                .map(|&(name, part)| (name.to_owned(), part))
                .collect(),
        };
        let counts = counts
            .iter()
            .map(|&(id, total, functions)| (id.to_owned(), count(total, functions)));
        Baseline {
            tools: Tools {
                rustc: rustc.to_owned(),
                valgrind: "3".to_owned(),
                libc: "2".to_owned(),
            },
            counts: counts.collect(),
        }
    }

    #[test]
    fn two_in_a_hundred_are_allowed() {
        let base = baseline("1", &[("a", 1_000.0, &[])]);
        let now = baseline("1", &[("a", 1_020.0, &[])]);
        assert!(matches!(base.compare(&now), Verdict::Kept(notes) if notes.is_empty()));
        let now = baseline("1", &[("a", 1_021.0, &[])]);
        assert!(matches!(base.compare(&now), Verdict::Grown(_)));
    }

    #[test]
    fn it_says_by_how_much_and_where() {
        let base = baseline("1", &[("a", 100.0, &[("parse", 60.0), ("free", 40.0)])]);
        let now = baseline("1", &[("a", 130.0, &[("parse", 85.0), ("free", 45.0)])]);
        let Verdict::Grown(lines) = base.compare(&now) else {
            panic!("it has grown");
        };
        let expected = [
            "a: 130.0, was 100.0 (+30.0 %)",
            "    +25.0 in parse (60.0 before, 85.0 now)",
            "    +5.0 in free (40.0 before, 45.0 now)",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_gain_is_told() {
        let base = baseline("1", &[("a", 100.0, &[])]);
        let now = baseline("1", &[("a", 90.0, &[])]);
        assert!(matches!(base.compare(&now), Verdict::Kept(notes) if notes.len() == 1));
    }

    #[test]
    fn what_is_new_or_gone_has_to_be_recorded() {
        let base = baseline("1", &[("a", 100.0, &[])]);
        let now = baseline("1", &[("b", 100.0, &[])]);
        assert!(matches!(base.compare(&now), Verdict::Grown(lines) if lines.len() == 2));
    }

    #[test]
    fn counts_of_other_tools_say_nothing() {
        let base = baseline("1", &[("a", 100.0, &[])]);
        let now = baseline("2", &[("a", 200.0, &[])]);
        assert!(matches!(base.compare(&now), Verdict::None(_)));
    }
}
