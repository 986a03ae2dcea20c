//! Regressions that are accepted for a while, with a reason and an end.

use std::fs;
use std::path::Path;

use ::time::{Date, Month};
use serde::Deserialize;
use toml::value::Datetime;

use crate::{Fault, Figure};

/// How far ahead a waiver may end.
const MOST_DAYS: i64 = 90;
/// A reason has at least so many characters.
const SHORTEST_REASON: usize = 10;

/// The waivers of a file.
#[derive(Clone, Debug, Default)]
pub struct Waivers(Vec<Waiver>);

/// One accepted regression.
#[derive(Clone, Debug, PartialEq)]
pub struct Waiver {
    /// The figure.
    pub figure: Figure,
    /// The class of hosts; `None`: every one.
    pub host_class: Option<String>,
    /// How much worse than the baseline it may be.
    pub at_most_pct: f64,
    /// Why.
    pub reason: String,
    /// The last day on which it holds.
    pub expires: Date,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    waiver: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    figure: Figure,
    host_class: Option<String>,
    at_most_pct: f64,
    reason: String,
    expires: Datetime,
}

impl Waivers {
    /// Reads a file as of a day.
    ///
    /// # Errors
    /// A waiver without reason or end, or with an end too far ahead.
    pub fn read(path: &Path, today: Date) -> Result<Self, Fault> {
        let text = fs::read_to_string(path).map_err(|error| Fault::of(path, error))?;
        Self::parse(&text, today).map_err(|error| Fault::of(path, error))
    }

    fn parse(text: &str, today: Date) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
        let waivers = file
            .waiver
            .into_iter()
            .map(|entry| Waiver::new(entry, today));
        waivers.collect::<Result<_, _>>().map(Self)
    }

    /// Those whose end has passed.
    pub fn expired(&self, today: Date) -> impl Iterator<Item = &Waiver> {
        self.0.iter().filter(move |waiver| waiver.expires < today)
    }

    /// The one that holds for a figure on a class of hosts.
    pub fn find(&self, figure: Figure, host_class: &str, today: Date) -> Option<&Waiver> {
        self.0.iter().find(|waiver| {
            let class = waiver.host_class.as_deref();
            waiver.figure == figure
                && class.is_none_or(|class| class == host_class)
                && waiver.expires >= today
        })
    }
}

impl Waiver {
    fn new(entry: Entry, today: Date) -> Result<Self, String> {
        let key = entry.figure.key();
        if entry.reason.trim().chars().count() < SHORTEST_REASON {
            return Err(format!("{key}: must have a reason"));
        }
        if !(entry.at_most_pct > 0.0 && entry.at_most_pct <= 1_000.0) {
            let pct = entry.at_most_pct;
            return Err(format!(
                "{key}: at_most_pct {pct}: must be above 0, and 1000 at most"
            ));
        }
        let expires = date(&entry.expires)
            .ok_or_else(|| format!("{key}: expires {}: must be a date", entry.expires))?;
        if (expires - today).whole_days() > MOST_DAYS {
            return Err(format!(
                "{key}: expires {expires}: must be within {MOST_DAYS} days"
            ));
        }
        Ok(Self {
            figure: entry.figure,
            host_class: entry.host_class,
            at_most_pct: entry.at_most_pct,
            reason: entry.reason,
            expires,
        })
    }
}

fn date(value: &Datetime) -> Option<Date> {
    let date = value.date.filter(|_| value.time.is_none())?;
    let month = Month::try_from(date.month).ok()?;
    Date::from_calendar_date(date.year.into(), month, date.day).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[[waiver]]\nfigure = \"mem_gib\"\nat_most_pct = 20\n\
                        reason = \"buffers are kept for longer\"\nexpires = 2026-02-10\n";

    fn day(day: u8) -> Date {
        Date::from_calendar_date(2026, Month::February, day).unwrap()
    }

    #[test]
    fn a_waiver_holds_until_its_last_day() {
        let waivers = Waivers::parse(GOOD, day(1)).unwrap();
        let holds = |on| waivers.find(Figure::Memory, "any", on).is_some();
        assert_eq!(
            [holds(day(1)), holds(day(10)), holds(day(11))],
            [true, true, false]
        );
        assert_eq!(waivers.expired(day(10)).count(), 0);
        assert_eq!(waivers.expired(day(11)).count(), 1);
        assert!(waivers.find(Figure::Cpu, "any", day(1)).is_none());
    }

    #[test]
    fn a_waiver_of_a_class_holds_there_alone() {
        let text = format!("{GOOD}host_class = \"here\"\n");
        let waivers = Waivers::parse(&text, day(1)).unwrap();
        assert!(waivers.find(Figure::Memory, "here", day(1)).is_some());
        assert!(waivers.find(Figure::Memory, "there", day(1)).is_none());
    }

    #[test]
    fn a_waiver_needs_a_reason_a_bound_and_an_end_in_sight() {
        for (good, bad) in [
            ("buffers are kept for longer", "later"),
            ("at_most_pct = 20\n", ""),
            ("at_most_pct = 20", "at_most_pct = 0"),
            ("expires = 2026-02-10\n", ""),
            ("2026-02-10", "\"soon\""),
            ("2026-02-10", "2026-06-10"),
            ("2026-02-10", "2026-02-10T10:00:00Z"),
            ("mem_gib", "mem_mib"),
            ("figure", "figures"),
        ] {
            assert!(
                Waivers::parse(&GOOD.replace(good, bad), day(1)).is_err(),
                "{bad}"
            );
        }
        assert!(Waivers::parse("", day(1)).is_ok());
    }
}
