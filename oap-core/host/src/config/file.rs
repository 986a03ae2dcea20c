//! The file's layer: TOML, flattened to keys with their lines.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use toml::de::{DeArray, DeInteger, DeTable, DeValue};

use super::fault::{Fault, Origin};
use super::keys::{self, Key, find};
use super::kind::Kind;
use super::load::must_be;

/// Largest file, in bytes: far above any real one.
const MAX_FILE: u64 = 1024 * 1024;

/// One key's value in a file.
pub(super) struct Entry {
    pub(super) key: &'static Key,
    pub(super) text: String,
    pub(super) origin: Origin,
}

/// What a file at `path` says, in its order; `None` if it is no TOML file.
pub(super) fn read(path: &Path, faults: &mut Vec<Fault>) -> Option<Vec<Entry>> {
    match load(path) {
        Ok(text) => parse(path, &text, faults),
        Err(rule) => {
            faults.push(Fault::unread(path, rule));
            None
        }
    }
}

/// What `text`, said to be the file at `path`, says.
pub(super) fn parse(path: &Path, text: &str, faults: &mut Vec<Fault>) -> Option<Vec<Entry>> {
    let source = Source { path, text };
    let (table, mut errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let start = |error: &toml::de::Error| error.span().map_or(0, |span| span.start);
        errors.sort_by_key(start);
        faults.extend(errors.iter().map(|error| {
            let rule = format!("must be TOML: {}", error.message());
            Fault::place(source.origin(start(error)), rule)
        }));
        return None;
    }
    let mut entries = Vec::new();
    source.flatten("", table.get_ref(), &mut entries, faults);
    // Tables are sorted by name; people read from the top.
    entries.sort_by_key(|entry| line(&entry.origin));
    Some(entries)
}

fn load(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let count = File::open(path)
        .and_then(|file| file.take(MAX_FILE + 1).read_to_string(&mut text))
        .map_err(|error| format!("cannot be read: {error}"))?;
    if count as u64 > MAX_FILE {
        return Err(format!("must be at most {MAX_FILE} bytes"));
    }
    Ok(text)
}

fn line(origin: &Origin) -> usize {
    match origin {
        Origin::File { line, .. } => *line,
        _ => 0,
    }
}

struct Source<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Source<'_> {
    fn origin(&self, at: usize) -> Origin {
        let before = self.text.as_bytes().iter().take(at);
        Origin::File {
            path: self.path.to_owned(),
            line: 1 + before.filter(|byte| **byte == b'\n').count(),
        }
    }

    /// Collects the keys below `prefix`. It goes into tables of the settings only, so never deep.
    fn flatten(
        &self,
        prefix: &str,
        table: &DeTable<'_>,
        entries: &mut Vec<Entry>,
        faults: &mut Vec<Fault>,
    ) {
        for (part, value) in table {
            let name = format!("{prefix}{}", part.get_ref());
            let origin = self.origin(part.span().start);
            let inner = format!("{name}.");
            // A quoted part may hold dots; it is no other spelling of a key.
            if part.get_ref().contains('.') {
                faults.push(Fault::unknown(&name, origin));
                continue;
            }
            match (find(&name), value.get_ref()) {
                (Some(key), value) => match text_of(key.kind, value) {
                    Some(text) => entries.push(Entry { key, text, origin }),
                    None => {
                        let shown = format!("a TOML {}", value.type_str());
                        faults.push(Fault::of(&name, &shown, &origin, must_be(key)));
                    }
                },
                (None, DeValue::Table(table)) if is_section(&inner) => {
                    self.flatten(&inner, table, entries, faults);
                }
                (None, _) if is_section(&inner) => {
                    let shown = format!("a TOML {}", value.get_ref().type_str());
                    faults.push(Fault::of(&name, &shown, &origin, "must be a table of keys"));
                }
                (None, _) => faults.push(Fault::unknown(&name, origin)),
            }
        }
    }
}

fn is_section(prefix: &str) -> bool {
    keys::keys()
        .iter()
        .any(|key| key.name().starts_with(prefix))
}

/// A value as the other layers would write it; `None` for what the key does not take, whatever it
/// says.
fn text_of(kind: Kind, value: &DeValue<'_>) -> Option<String> {
    match (value, kind) {
        (DeValue::String(text), _) => Some(text.clone().into_owned()),
        (DeValue::Boolean(on), Kind::Switch(_)) => Some(on.to_string()),
        (DeValue::Integer(number), Kind::Count { .. } | Kind::Size { .. } | Kind::Time { .. }) => {
            decimal(number)
        }
        (DeValue::Array(items), Kind::UserIds(_)) => list_of(items),
        _ => None,
    }
}

fn decimal(number: &DeInteger<'_>) -> Option<String> {
    let number = i64::from_str_radix(number.as_str(), number.radix()).ok()?;
    Some(number.to_string())
}

fn list_of(items: &DeArray<'_>) -> Option<String> {
    let items = items.iter().map(|item| match item.get_ref() {
        DeValue::Integer(number) => decimal(number),
        _ => None,
    });
    Some(items.collect::<Option<Vec<String>>>()?.join(","))
}
