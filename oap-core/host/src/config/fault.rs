//! What is wrong with settings, one line each.

use std::fmt;
use std::path::{Path, PathBuf};

/// Most characters of a value, of a name and of a place that a fault repeats.
const MAX_SHOWN: usize = 120;
/// Most characters of a rule, which may repeat a path or what a parser says.
const MAX_RULE: usize = 400;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Origin {
    /// Nowhere: it is the key's default.
    #[default]
    Default,
    /// A line of the file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1; 0 for the file as a whole.
        line: usize,
    },
    /// An environment variable.
    Env(String),
    /// A flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => {
                f.write_str(&printable(&path.display().to_string()))?;
                match line {
                    0 => Ok(()),
                    line => write!(f, ":{line}"),
                }
            }
            Self::Env(name) => f.write_str(&printable(name)),
            Self::Flag(name) => write!(f, "--{}", printable(name)),
        }
    }
}

/// One value that breaks a rule. Its text is one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    key: Option<String>,
    value: Option<String>,
    origin: Origin,
    rule: String,
}

impl Fault {
    /// The value of a key.
    pub(super) fn of(key: &str, value: &str, origin: &Origin, rule: impl Into<String>) -> Self {
        Self {
            key: Some(key.to_owned()),
            value: Some(value.to_owned()),
            origin: origin.clone(),
            rule: rule.into(),
        }
    }

    /// A key that there is not. Its value is not repeated: it may be anything, a secret too.
    pub(super) fn unknown(key: &str, origin: Origin) -> Self {
        Self {
            key: Some(key.to_owned()),
            value: None,
            origin,
            rule: "there is no such key".to_owned(),
        }
    }

    /// A place as a whole.
    pub(super) fn place(origin: Origin, rule: impl Into<String>) -> Self {
        Self {
            key: None,
            value: None,
            origin,
            rule: rule.into(),
        }
    }

    /// A file that says nothing.
    pub(super) fn unread(path: &Path, rule: impl Into<String>) -> Self {
        Self::place(
            Origin::File {
                path: path.to_owned(),
                line: 0,
            },
            rule,
        )
    }

    /// The key, where one is meant.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Where the value came from.
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The rule that is broken.
    pub fn rule(&self) -> &str {
        &self.rule
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.key, &self.value) {
            (Some(key), Some(value)) => {
                write!(f, "{key} = \"{}\" ({})", printable(value), self.origin)?;
            }
            (Some(key), None) => write!(f, "{} ({})", printable(key), self.origin)?,
            (None, _) => write!(f, "{}", self.origin)?,
        }
        write!(f, ": {}", bounded(&self.rule, MAX_RULE))
    }
}

/// Everything that is wrong with settings; never empty. Its text is a line for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// `value` if there is no fault.
    pub(super) fn none_or<T>(faults: Vec<Fault>, value: T) -> Result<T, Self> {
        if faults.is_empty() {
            Ok(value)
        } else {
            Err(Self(faults))
        }
    }

    /// They, in the order of file, environment, flags, and rules that concern several keys.
    pub fn as_slice(&self) -> &[Fault] {
        &self.0
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            let line_break = if index == 0 { "" } else { "\n" };
            write!(f, "{line_break}{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

impl IntoIterator for Faults {
    type Item = Fault;
    type IntoIter = std::vec::IntoIter<Fault>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

fn printable(text: &str) -> String {
    bounded(text, MAX_SHOWN)
}

/// As it is, but on one line, without control characters and of at most `most` characters.
fn bounded(text: &str, most: usize) -> String {
    let mut shown: String = text.chars().take(most).map(visible).collect();
    if text.chars().nth(most).is_some() {
        shown.push_str("...");
    }
    shown
}

// Direction marks and the like, too, could make a line look like another.
fn visible(c: char) -> char {
    let odd = c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if odd { '\u{fffd}' } else { c }
}
