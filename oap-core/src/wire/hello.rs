//! The bodies of HELLO (OAP-5).

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::ops::RangeInclusive;

use super::MAX_FRAME;
use super::json::{self, Fault, Reader, Str};
use crate::code::{Code, Reason};

/// The longest HELLO body, in bytes.
const MAX_BODY: usize = 4_096;

/// What one side says about itself in HELLO; every field is optional.
///
/// Numbers say what that side is ready to receive.
///
/// ```
/// use oap_core::wire::{Features, Hello};
///
/// let hello = Hello::parse_request(br#"{"max_frame": 65536, "features": ["ping", "tea"]}"#)?;
/// assert_eq!(hello.max_frame, Some(65_536));
/// assert!(hello.features.contains(Features::PING));
/// assert_eq!(Hello::parse_request(b"")?, Hello::default());
/// # Ok::<(), oap_core::wire::HelloFault>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "testing", derive(Hash))]
pub struct Hello {
    /// The largest `len` of a frame, in bytes: 4,096 to 1,048,576. Higher values are read as
    /// 1,048,576.
    pub max_frame: Option<u32>,
    /// How many exchanges may be open at once: at least 1.
    pub max_inflight: Option<u16>,
    /// The first window of an exchange, in payload bytes: 4,096 to 8,388,608.
    pub ack_window: Option<u32>,
    /// After how much silence a server closes, in milliseconds: at least 1,000. Only in replies.
    pub idle_timeout_ms: Option<u64>,
    /// The optional control frames that it understands.
    pub features: Features,
    /// The codings that it can undo.
    pub codings: Codings,
    /// Name and version of the implementation: `ua` in a request, `server_version` in a reply. Any
    /// text at all, so escape it before it is shown or logged.
    pub agent: Option<Box<str>>,
    /// A server's policy on post-quantum key exchange. Only in replies. Any text at all.
    pub pq: Option<Box<str>>,
}

/// What only a reply says.
#[derive(Clone, Copy, Debug)]
pub struct ReplyFacts<'a> {
    /// Name and version of the server; cut where it takes more than 1,024 bytes.
    pub server_version: &'a str,
    /// The transports on which it listens; the first 16, each cut at 64 bytes.
    pub transports: &'a [&'a str],
}

/// Why a HELLO is refused; the answer is 400 `bad_hello`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HelloFault {
    /// The body passes 4,096 bytes.
    #[error("the body is longer than 4096 bytes")]
    TooLong,
    /// The body is not JSON.
    #[error("the body is not JSON")]
    NotJson,
    /// The body nests too deep.
    #[error("the body nests deeper than 8 levels")]
    TooDeep,
    /// The body is JSON, but not an object.
    #[error("the body is not an object")]
    NotAnObject,
    /// Two keys are the same once they are unescaped.
    #[error("a key stands there twice")]
    DuplicateKey,
    /// A field has a value of another type.
    #[error("`{field}` is not {expected}")]
    WrongType {
        /// The field.
        field: &'static str,
        /// The type that it must have.
        expected: &'static str,
    },
    /// A number is out of range.
    #[error("`{field}` is not between {min} and {max}")]
    OutOfRange {
        /// The field.
        field: &'static str,
        /// The least value.
        min: u64,
        /// The greatest value.
        max: u64,
    },
}

macro_rules! name_set {
    ($(#[$doc:meta])* $set:ident {
        $($(#[$one_doc:meta])* $one:ident = $bit:literal $name:literal;)*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub struct $set(u8);

        impl $set {
            /// None of them.
            pub const NONE: Self = Self(0);
            $($(#[$one_doc])* pub const $one: Self = Self($bit);)*

            const NAMES: &'static [(Self, &'static str)] = &[$((Self::$one, $name)),*];

            /// Whether everything in `other` is in here.
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// Whether nothing is in here.
            pub const fn is_empty(self) -> bool {
                self.0 == 0
            }

            /// Adds everything in `other`.
            pub fn insert(&mut self, other: Self) {
                self.0 |= other.0;
            }

            /// What is in here and in `other`, too.
            pub const fn intersection(self, other: Self) -> Self {
                Self(self.0 & other.0)
            }

            /// The names on the wire.
            pub fn names(self) -> impl Iterator<Item = &'static str> {
                Self::NAMES.iter().filter(move |row| self.contains(row.0)).map(|row| row.1)
            }

            fn insert_name(&mut self, name: Str<'_>) {
                for (one, known) in Self::NAMES {
                    if name == **known {
                        self.insert(*one);
                    }
                }
            }
        }
    };
}

name_set! {
    /// A set of optional control frames, as in `features` (OAP-5).
    Features {
        /// CANCEL.
        CANCEL = 1 "cancel";
        /// PING and its answer.
        PING = 2 "ping";
        /// GOAWAY.
        GOAWAY = 4 "goaway";
    }
}

name_set! {
    /// A set of payload codings, as in `comp` (OAP-5, OAP-8-1).
    Codings {
        /// RFC 1950.
        ZLIB = 1 "zlib";
        /// RFC 8878.
        ZSTD = 2 "zstd";
    }
}

impl Hello {
    /// Reads the body of a HELLO request (OAP-5-5, OAP-5-6, OAP-5-7). An empty one says nothing.
    ///
    /// Unknown fields, fields that only a reply has, and unknown names in lists are ignored.
    ///
    /// # Errors
    ///
    /// [`HelloFault`] names the field and the rule that it breaks.
    pub fn parse_request(body: &[u8]) -> Result<Self, HelloFault> {
        if body.is_empty() {
            Ok(Self::default())
        } else {
            Self::parse(body, REQUEST_FIELDS)
        }
    }

    /// Reads the body of a HELLO reply (OAP-5-10). No field has to be there, but the object has.
    ///
    /// Unknown fields, fields that only a request has, and unknown names in lists are ignored.
    ///
    /// # Errors
    ///
    /// [`HelloFault`] names the field and the rule that it breaks.
    pub fn parse_reply(body: &[u8]) -> Result<Self, HelloFault> {
        Self::parse(body, REPLY_FIELDS)
    }

    /// Appends the body of a request: what is set in `self` and belongs into a request.
    ///
    /// `agent` is cut where it takes more than 1,024 bytes.
    pub fn write_request(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        if let Some(agent) = &self.agent {
            object.string("ua", agent, AGENT_ROOM);
        }
        object.optional_number("max_frame", self.max_frame);
        object.optional_number("max_inflight", self.max_inflight);
        self.write_shared(&mut object);
        object.end();
    }

    /// Appends the body of a reply (OAP-5-2): the six fields that a reply always has, and what is
    /// set in `self`. `agent` is not written, `reply` says it.
    ///
    /// Where `max_frame` or `max_inflight` is not set, the protocol's default goes out. `pq` is cut
    /// where it takes more than 256 bytes. The body is under 3,072 bytes, so it fits a frame of
    /// every legal `max_frame`.
    pub fn write_reply(&self, reply: &ReplyFacts<'_>, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        object.string("server_version", reply.server_version, AGENT_ROOM);
        object.number("max_frame", self.max_frame.unwrap_or(MAX_FRAME).into());
        object.number(
            "max_inflight",
            self.max_inflight.unwrap_or(DEFAULT_MAX_INFLIGHT).into(),
        );
        object.strings("supported_flags", FLAG_NAMES.iter().copied());
        object.key("oap_versions");
        object.out.extend_from_slice(b"[1]");
        object.strings(
            "transports",
            reply.transports.iter().copied().take(MAX_TRANSPORTS),
        );
        self.write_shared(&mut object);
        object.optional_number("idle_timeout_ms", self.idle_timeout_ms);
        if let Some(pq) = &self.pq {
            object.string("pq", pq, PQ_ROOM);
        }
        object.end();
    }

    fn write_shared(&self, object: &mut Object<'_>) {
        if !self.codings.is_empty() {
            object.strings("comp", self.codings.names());
        }
        if !self.features.is_empty() {
            object.strings("features", self.features.names());
        }
        object.optional_number("ack_window", self.ack_window);
    }

    fn parse(body: &[u8], fields: &[&'static str]) -> Result<Self, HelloFault> {
        if body.len() > MAX_BODY {
            return Err(HelloFault::TooLong);
        }
        let mut hello = Self::default();
        let mut keys = Vec::new();
        let mut reader = Reader::new(body)?;
        reader.object(|key, value| {
            keys.push(Key::new(0, key));
            match key.one_of(fields) {
                Some(field) => hello.read_field(field, value),
                None => Ok(value.skip_with(&mut |object, key| keys.push(Key::new(object, key)))?),
            }
        })?;
        reader.clone().finish()?;
        // Sorted, 4 KiB of keys cost a few ten thousand steps at most, whatever they are.
        keys.sort_unstable_by(|one, other| one.cmp(*other, &reader));
        if keys
            .windows(2)
            .all(|pair| pair[0].cmp(pair[1], &reader).is_lt())
        {
            Ok(hello)
        } else {
            Err(HelloFault::DuplicateKey)
        }
    }

    fn read_field(
        &mut self,
        field: &'static str,
        value: &mut Reader<'_>,
    ) -> Result<(), HelloFault> {
        match field {
            "ua" | "server_version" => self.agent = Some(text(field, value)?),
            "pq" => self.pq = Some(text(field, value)?),
            "max_frame" => {
                let asked: u64 = number(field, value, 4_096..=u64::MAX)?;
                self.max_frame =
                    Some(u32::try_from(asked).map_or(MAX_FRAME, |it| it.min(MAX_FRAME)));
            }
            "max_inflight" => self.max_inflight = Some(number(field, value, 1..=65_535)?),
            "ack_window" => self.ack_window = Some(number(field, value, 4_096..=8_388_608)?),
            "idle_timeout_ms" => {
                self.idle_timeout_ms = Some(number(field, value, 1_000..=u64::MAX)?)
            }
            "features" => strings(field, value, |name| self.features.insert_name(name))?,
            "comp" => strings(field, value, |name| self.codings.insert_name(name))?,
            "oap_versions" => {
                let read = value.array(|element| saturating(element).map(drop));
                read.map_err(wrong(field, "a list of unsigned integers"))?;
            }
            _other_lists => strings(field, value, |_| {})?,
        }
        Ok(())
    }
}

impl HelloFault {
    /// The code of the answer.
    pub const fn code(self) -> Code {
        self.reason().code()
    }

    /// The reason in the answer.
    pub const fn reason(self) -> Reason {
        Reason::BadHello
    }
}

impl From<Fault> for HelloFault {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Syntax | Fault::Overflow => Self::NotJson,
            Fault::TooDeep => Self::TooDeep,
            // Only the outermost value is read without a field to name.
            Fault::WrongType => Self::NotAnObject,
        }
    }
}

/// Where a key stands: its object's number, and its start. A body may have 800 keys, so these are
/// small, and are read again where their digests do not tell two of them apart.
#[derive(Clone, Copy)]
struct Key {
    object: u16,
    start: u16,
    digest: u32,
}

impl Key {
    /// Both are less than the body's length, which fits.
    fn new(object: usize, key: Str<'_>) -> Self {
        Self {
            object: object as u16,
            start: key.start() as u16,
            digest: key.digest(),
        }
    }

    fn cmp(self, other: Self, reader: &Reader<'_>) -> Ordering {
        let name = |key: Self| reader.string_at(key.start.into()).ok();
        let rough = (self.object, self.digest).cmp(&(other.object, other.digest));
        rough.then_with(|| name(self).cmp(&name(other)))
    }
}

/// The fields that are read in a request.
const REQUEST_FIELDS: &[&str] = &[
    "ua",
    "max_frame",
    "max_inflight",
    "comp",
    "features",
    "ack_window",
];
/// The fields that are read in a reply.
const REPLY_FIELDS: &[&str] = &[
    "server_version",
    "max_frame",
    "max_inflight",
    "supported_flags",
    "oap_versions",
    "transports",
    "comp",
    "features",
    "ack_window",
    "idle_timeout_ms",
    "pq",
];
const FLAG_NAMES: [&str; 8] = [
    "REQ", "RESP", "EVENT", "START", "END", "ACK_REQ", "COMP", "APP_E2E",
];
const DEFAULT_MAX_INFLIGHT: u16 = 64;
/// With these, the longest body is under 3 KiB.
const AGENT_ROOM: usize = 1_024;
const PQ_ROOM: usize = 256;
const MAX_TRANSPORTS: usize = 16;
const LISTED_ROOM: usize = 64;

fn text(field: &'static str, value: &mut Reader<'_>) -> Result<Box<str>, HelloFault> {
    let string = value.string().map_err(wrong(field, "a string"))?;
    Ok(string.to_owned().into())
}

fn number<T: TryFrom<u64>>(
    field: &'static str,
    value: &mut Reader<'_>,
    range: RangeInclusive<u64>,
) -> Result<T, HelloFault> {
    let out_of_range = HelloFault::OutOfRange {
        field,
        min: *range.start(),
        max: *range.end(),
    };
    let number = saturating(value).map_err(wrong(field, "an unsigned integer"))?;
    if !range.contains(&number) {
        return Err(out_of_range);
    }
    T::try_from(number).map_err(|_| out_of_range)
}

fn strings(
    field: &'static str,
    value: &mut Reader<'_>,
    mut each: impl FnMut(Str<'_>),
) -> Result<(), HelloFault> {
    let read = value.array(|element| element.string().map(&mut each));
    read.map_err(wrong(field, "a list of strings"))
}

/// An integer, where those that pass 64 bits count as the largest: no range tells them apart.
fn saturating(value: &mut Reader<'_>) -> Result<u64, Fault> {
    match value.unsigned() {
        Err(Fault::Overflow) => Ok(u64::MAX),
        other => other,
    }
}

fn wrong(field: &'static str, expected: &'static str) -> impl Fn(Fault) -> HelloFault {
    move |fault| match fault {
        Fault::WrongType => HelloFault::WrongType { field, expected },
        other => other.into(),
    }
}

/// Writes the members of one object.
struct Object<'a> {
    out: &'a mut Vec<u8>,
    separator: u8,
}

impl<'a> Object<'a> {
    fn begin(out: &'a mut Vec<u8>) -> Self {
        Self {
            out,
            separator: b'{',
        }
    }

    fn key(&mut self, key: &str) {
        self.out.push(self.separator);
        self.separator = b',';
        json::push_string(self.out, key, usize::MAX);
        self.out.push(b':');
    }

    fn string(&mut self, key: &str, value: &str, room: usize) {
        self.key(key);
        json::push_string(self.out, value, room);
    }

    fn number(&mut self, key: &str, value: u64) {
        self.key(key);
        json::push_u64(self.out, value);
    }

    fn optional_number(&mut self, key: &str, value: Option<impl Into<u64>>) {
        if let Some(value) = value {
            self.number(key, value.into());
        }
    }

    fn strings<'s>(&mut self, key: &str, values: impl Iterator<Item = &'s str>) {
        self.key(key);
        let mut separator = b'[';
        for value in values {
            self.out.push(separator);
            separator = b',';
            json::push_string(self.out, value, LISTED_ROOM);
        }
        if separator == b'[' {
            self.out.push(b'[');
        }
        self.out.push(b']');
    }

    fn end(self) {
        if self.separator == b'{' {
            self.out.push(b'{');
        }
        self.out.push(b'}');
    }
}

#[cfg(test)]
mod tests;
