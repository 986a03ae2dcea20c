//! What a key's value can be: how its text is read, what its rule is, how it is written.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;

use super::values::{Values, Word};

/// The units of sizes, largest first.
const UNITS: [(&str, u64); 3] = [("MiB", bytesize::MIB), ("KiB", bytesize::KIB), ("B", 1)];

/// Where a value of type `T` stands.
pub(super) type Place<T> = fn(&mut Values) -> &mut T;

/// A key's type, with its own rule.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Word(Place<dyn Word>),
    Switch(Place<bool>),
    Count {
        least: u32,
        most: u32,
        place: Place<u32>,
    },
    Size {
        least: u64,
        most: u64,
        place: Place<u64>,
    },
    Time {
        least: Duration,
        most: Duration,
        place: Place<Duration>,
    },
    Address(Place<SocketAddr>),
    Path {
        of: PathOf,
        place: Place<Option<PathBuf>>,
    },
    HostName(Place<Option<String>>),
    UserIds(Place<Vec<u32>>),
}

/// What a path leads to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum PathOf {
    /// A file that exists.
    File,
    /// A file that exists and that nobody but its owner has access to.
    Secret,
    /// A socket to be made.
    Socket,
    /// A directory, to be made where it is missing.
    Directory,
}

/// Most bytes of a socket's path: `sun_path` less its NUL, on the system that has the least of them.
const MAX_SOCKET_PATH: usize = 103;
/// Most bytes of any other path.
const MAX_PATH: usize = 4_095;
const MAX_HOST_NAME: usize = 253;

impl Kind {
    /// One word for the type, as help texts name it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Word(_) => "WORD",
            Self::Switch(_) => "BOOL",
            Self::Count { .. } => "NUMBER",
            Self::Size { .. } => "SIZE",
            Self::Time { .. } => "DURATION",
            Self::Address(_) => "ADDRESS",
            Self::Path { .. } => "PATH",
            Self::HostName(_) => "NAME",
            Self::UserIds(_) => "UIDS",
        }
    }

    /// The rule, to go on from "must be".
    pub(super) fn rule(self) -> String {
        match self {
            Self::Word(place) => one_of(place(&mut Values::blank()).words()),
            Self::Switch(_) => "true or false".to_owned(),
            Self::Count {
                least,
                most: u32::MAX,
                ..
            } => format!("a whole number, at least {least}"),
            Self::Count { least, most, .. } => format!("a whole number, {least} to {most}"),
            Self::Size {
                least: 0,
                most: u64::MAX,
                ..
            } => "a size in B, KiB or MiB".to_owned(),
            Self::Size { least, most, .. } => format!(
                "a size in B, KiB or MiB, {} to {}",
                size_text(least),
                size_text(most)
            ),
            Self::Time { least, most, .. } => format!(
                "a duration in ms, s, m or h, {} to {}",
                time_text(least),
                time_text(most)
            ),
            Self::Address(_) => "an IP address and a port, as in 127.0.0.1:9000".to_owned(),
            Self::Path { of, .. } => of.rule(),
            Self::HostName(_) => "a DNS name or an IP address".to_owned(),
            Self::UserIds(_) => "a list of numeric user ids, as in 0,1000".to_owned(),
        }
    }

    /// Reads `text` into `values`; false if it breaks the rule, and then nothing changes.
    pub(super) fn read(self, text: &str, values: &mut Values) -> bool {
        match self {
            Self::Word(place) => place(values).take(text),
            Self::Switch(place) => put(place(values), text.parse().ok()),
            Self::Count { least, most, place } => {
                let number = parse_count(text).filter(|number| (least..=most).contains(number));
                put(place(values), number)
            }
            Self::Size { least, most, place } => {
                let size = parse_size(text).filter(|size| (least..=most).contains(size));
                put(place(values), size)
            }
            Self::Time { least, most, place } => {
                let time = parse_time(text).filter(|time| (least..=most).contains(time));
                put(place(values), time)
            }
            Self::Address(place) => put(place(values), text.parse().ok()),
            Self::Path { of, place } => {
                let path = (!text.is_empty()).then(|| PathBuf::from(text));
                put(place(values), of.may_be(text).then_some(path))
            }
            Self::HostName(place) => {
                let name = (!text.is_empty()).then(|| text.to_owned());
                put(place(values), may_be_host(text).then_some(name))
            }
            Self::UserIds(place) => put(place(values), parse_uids(text)),
        }
    }

    /// The value as text that [`Kind::read`] takes.
    pub(super) fn write(self, values: &Values) -> String {
        // Places are mutable, so that there is one per key and not two.
        let values = &mut values.clone();
        match self {
            Self::Word(place) => place(values).word().to_owned(),
            Self::Switch(place) => place(values).to_string(),
            Self::Count { place, .. } => place(values).to_string(),
            Self::Size { place, .. } => size_text(*place(values)),
            Self::Time { place, .. } => time_text(*place(values)),
            Self::Address(place) => place(values).to_string(),
            Self::Path { place, .. } => place(values)
                .as_ref()
                .map_or_else(String::new, |path| path.display().to_string()),
            Self::HostName(place) => place(values).clone().unwrap_or_default(),
            Self::UserIds(place) => {
                let uids: Vec<String> = place(values).iter().map(u32::to_string).collect();
                uids.join(",")
            }
        }
    }

    /// The same as a TOML value.
    pub(super) fn toml(self, text: &str) -> String {
        match self {
            Self::Switch(_) | Self::Count { .. } => text.to_owned(),
            Self::UserIds(_) => format!("[{}]", text.replace(',', ", ")),
            _ => toml::Value::from(text).to_string(),
        }
    }

    /// The value as a number, where it is one that limits something.
    pub(super) fn limit(self, values: &Values) -> Option<u64> {
        let values = &mut values.clone();
        match self {
            // Off is no limit at all.
            Self::Count {
                least: 0, place, ..
            } if *place(values) == 0 => Some(u64::MAX),
            Self::Count { place, .. } => Some(u64::from(*place(values))),
            Self::Size { place, .. } => Some(*place(values)),
            _ => None,
        }
    }
}

impl PathOf {
    fn rule(self) -> String {
        match self {
            Self::File => "empty or the path of a readable file".to_owned(),
            Self::Secret => {
                "empty or the path of a readable file, not group- or world-accessible".to_owned()
            }
            Self::Socket => format!("empty or a path of at most {MAX_SOCKET_PATH} bytes"),
            Self::Directory => format!("empty or a path of at most {MAX_PATH} bytes"),
        }
    }

    fn may_be(self, text: &str) -> bool {
        let most = match self {
            Self::Socket => MAX_SOCKET_PATH,
            _ => MAX_PATH,
        };
        text.len() <= most && !text.contains('\0')
    }
}

fn put<T>(place: &mut T, value: Option<T>) -> bool {
    let Some(value) = value else { return false };
    *place = value;
    true
}

fn one_of(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

// As u32 reads it, but without a sign.
fn parse_count(text: &str) -> Option<u32> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then_some(())?;
    text.parse().ok()
}

/// A size in bytes: a whole number with one of our units or none. What `bytesize` reads besides is
/// refused: its decimal kB and MB are mistaken for KiB and MiB.
fn parse_size(text: &str) -> Option<u64> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start_matches(' ');
    let known = unit.is_empty() || UNITS.iter().any(|(name, _)| *name == unit);
    // Nineteen digits: more do not fit a u64, and a number that saturates is not what was meant.
    (known && (1..=19).contains(&number.len())).then_some(())?;
    let ByteSize(bytes) = text.parse().ok()?;
    (bytes != u64::MAX).then_some(bytes)
}

fn size_text(bytes: u64) -> String {
    let (unit, factor) = UNITS
        .into_iter()
        .find(|(_, factor)| bytes.is_multiple_of(*factor))
        .unwrap_or(("B", 1));
    match bytes {
        0 => "0".to_owned(),
        bytes => format!("{}{unit}", bytes / factor),
    }
}

/// A duration in our units; of those that `humantime` reads besides, a month's `M` is mistaken for
/// a minute's `m`.
fn parse_time(text: &str) -> Option<Duration> {
    let mut units = text
        .split(|c: char| c.is_ascii_digit() || c == ' ')
        .filter(|unit| !unit.is_empty())
        .peekable();
    units.peek()?;
    units
        .all(|unit| ["ms", "s", "m", "h"].contains(&unit))
        .then_some(())?;
    humantime::parse_duration(text).ok()
}

fn time_text(time: Duration) -> String {
    let millis = time.as_millis();
    let (unit, factor) = [("h", 3_600_000), ("m", 60_000), ("s", 1_000)]
        .into_iter()
        .find(|(_, factor)| millis.is_multiple_of(*factor))
        .unwrap_or(("ms", 1));
    match millis {
        0 => "0s".to_owned(),
        millis => format!("{}{unit}", millis / factor),
    }
}

fn parse_uids(text: &str) -> Option<Vec<u32>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    text.split(',').map(|uid| parse_count(uid.trim())).collect()
}

pub(super) fn may_be_host(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    text.is_empty()
        || text.parse::<std::net::IpAddr>().is_ok()
        || (text.len() <= MAX_HOST_NAME && text.split('.').all(label))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_whole_numbers_of_binary_units() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4_096),
            ("4096B", 4_096),
            ("64KiB", 65_536),
            ("64 KiB", 65_536),
            ("1MiB", 1_048_576),
        ] {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
        }
        for text in [
            "",
            "B",
            "KiB",
            "64kB",
            "64KB",
            "64K",
            "64k",
            "64kib",
            "1MB",
            "1M",
            "1GiB",
            "1.5KiB",
            "-1",
            "+1",
            "1e3",
            "64KiB ",
            " 64KiB",
            "64\tKiB",
            "1 KiB B",
            "9999999999999999999MiB",
            "99999999999999999999",
            "٣KiB",
        ] {
            assert_eq!(parse_size(text), None, "{text:?}");
        }
    }

    #[test]
    fn durations_have_one_of_four_units() {
        for (text, millis) in [
            ("500ms", 500),
            ("5s", 5_000),
            ("0s", 0),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("1m 30s", 90_000),
            ("1m30s", 90_000),
        ] {
            assert_eq!(
                parse_time(text),
                Some(Duration::from_millis(millis)),
                "{text}"
            );
        }
        for text in [
            "",
            "5",
            "0",
            "s",
            "5 ",
            "5S",
            "1M",
            "1d",
            "1day",
            "5us",
            "5ns",
            "5sec",
            "1.5s",
            "-1s",
            "5s;",
            "5µs",
            "99999999999999999999h",
        ] {
            assert_eq!(parse_time(text), None, "{text:?}");
        }
    }

    #[test]
    fn values_are_written_as_they_are_read() {
        for text in ["0", "1B", "4095B", "64KiB", "1025KiB", "3MiB"] {
            assert_eq!(size_text(parse_size(text).unwrap()), text);
        }
        for text in ["0s", "1ms", "5s", "90s", "2m", "1h", "25h"] {
            assert_eq!(time_text(parse_time(text).unwrap()), text);
        }
        assert_eq!(parse_uids("0, 1000"), Some(vec![0, 1_000]));
        assert_eq!(parse_uids("0,,1"), None);
        assert_eq!(parse_uids("root"), None);
    }
}
