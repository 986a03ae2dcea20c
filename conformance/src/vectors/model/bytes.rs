//! Bytes in a file: hex, with repetitions kept short.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Runs of one byte that are longer than this are written as a repetition.
const LONGEST_RUN: usize = 64;

/// Bytes as a list of parts, each a hex string or `{"hex": .., "repeat": n}`. A single hex string
/// needs no list.
#[derive(Clone, Default)]
pub struct Bytes(Vec<Part>);

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Part {
    Plain(#[serde(with = "hex::serde")] Vec<u8>),
    Repeated {
        #[serde(with = "hex::serde")]
        hex: Vec<u8>,
        repeat: usize,
    },
}

impl Bytes {
    /// These bytes in one hex string, as the line protocol has them.
    pub fn plain(bytes: &[u8]) -> Self {
        Self(match bytes {
            [] => Vec::new(),
            bytes => vec![Part::Plain(bytes.to_vec())],
        })
    }

    /// These bytes, with long runs of one byte kept short.
    pub fn compact(bytes: &[u8]) -> Self {
        let mut parts = Vec::new();
        let mut plain = Vec::new();
        for run in bytes.chunk_by(|a, b| a == b) {
            if run.len() <= LONGEST_RUN {
                plain.extend_from_slice(run);
                continue;
            }
            if !plain.is_empty() {
                parts.push(Part::Plain(std::mem::take(&mut plain)));
            }
            parts.push(Part::Repeated {
                hex: vec![run[0]],
                repeat: run.len(),
            });
        }
        if !plain.is_empty() {
            parts.push(Part::Plain(plain));
        }
        Self(parts)
    }

    /// These bytes so many times.
    pub fn repeated(bytes: &[u8], repeat: usize) -> Self {
        Self(vec![Part::Repeated {
            hex: bytes.to_vec(),
            repeat,
        }])
    }

    /// These bytes, then those.
    #[must_use]
    pub fn then(mut self, mut more: Self) -> Self {
        self.0.append(&mut more.0);
        self
    }

    /// All of the bytes.
    pub fn expand(&self) -> Vec<u8> {
        let parts = self.0.iter().map(|part| match part {
            Part::Plain(bytes) => bytes.clone(),
            Part::Repeated { hex, repeat } => hex.repeat(*repeat),
        });
        parts.collect::<Vec<_>>().concat()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.expand().is_empty()
    }
}

impl PartialEq for Bytes {
    fn eq(&self, other: &Self) -> bool {
        self.expand() == other.expand()
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.expand();
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(80)]);
        write!(f, "{} bytes {shown:?}", bytes.len())
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0[..] {
            [] => serializer.serialize_str(""),
            [Part::Plain(bytes)] => serializer.serialize_str(&hex::encode(bytes)),
            parts => parts.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            One(String),
            List(Vec<Part>),
        }
        Ok(match Form::deserialize(deserializer)? {
            Form::One(text) => Self::plain(&hex::decode(text).map_err(D::Error::custom)?),
            Form::List(parts) => Self(parts),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_runs_are_kept_short_and_come_back() {
        let bytes = [&b"head"[..], &[7; 65], &[9; 64], b"tail"].concat();
        let compact = Bytes::compact(&bytes);
        let json = serde_json::to_string(&compact).expect("JSON");
        let nines = "09".repeat(64);
        assert_eq!(
            json,
            format!(r#"["68656164",{{"hex":"07","repeat":65}},"{nines}7461696c"]"#)
        );
        let back: Bytes = serde_json::from_str(&json).expect("bytes");
        assert_eq!(back.expand(), bytes);
    }

    #[test]
    fn what_is_short_is_one_string() {
        for (bytes, json) in [(&b""[..], r#""""#), (b"ab", r#""6162""#)] {
            assert_eq!(
                serde_json::to_string(&Bytes::compact(bytes)).expect("JSON"),
                json
            );
        }
    }
}
