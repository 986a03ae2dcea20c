//! The bodies of HELLO (OAP-5).

use alloc::boxed::Box;
use alloc::vec::Vec;
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
            pub const fn insert(&mut self, other: Self) {
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
            keys.push((0, key));
            match key.one_of(fields) {
                Some(field) => hello.read_field(field, value),
                None => Ok(value.skip_with(&mut |object, key| keys.push((object, key)))?),
            }
        })?;
        reader.finish()?;
        // Sorted, 4 KiB of keys cost a few ten thousand steps at most, whatever they are.
        keys.sort_unstable();
        if keys.is_sorted_by(|one, next| one < next) {
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
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::{String, ToString};
    use proptest::prelude::*;

    fn parse(body: &str) -> Result<Hello, HelloFault> {
        Hello::parse_request(body.as_bytes())
    }

    const REPLY: &str = concat!(
        r#"{"server_version":"demo/1","max_frame":1048576,"max_inflight":64,"#,
        r#""supported_flags":["REQ","RESP","EVENT","START","END","ACK_REQ","COMP","APP_E2E"],"#,
        r#""oap_versions":[1],"transports":["tcp"],"comp":["zlib"],"#,
        r#""features":["cancel","ping","goaway"],"ack_window":131072,"idle_timeout_ms":60000}"#,
    );

    // OAP-5-2
    #[test]
    fn the_reply_of_the_specification_is_written_and_read() {
        let mut hello = Hello {
            max_frame: Some(1_048_576),
            max_inflight: Some(64),
            ack_window: Some(131_072),
            idle_timeout_ms: Some(60_000),
            features: Features(7),
            codings: Codings::ZLIB,
            agent: None,
            pq: None,
        };
        let mut out = Vec::new();
        hello.write_reply(
            &ReplyFacts {
                server_version: "demo/1",
                transports: &["tcp"],
            },
            &mut out,
        );
        assert_eq!(core::str::from_utf8(&out), Ok(REPLY));
        hello.agent = Some("demo/1".into());
        assert_eq!(Hello::parse_reply(&out), Ok(hello));
        out.push(b'}');
        assert_eq!(Hello::parse_reply(&out), Err(HelloFault::NotJson));
    }

    // OAP-5-10
    #[test]
    fn a_reply_is_checked_but_may_lack_fields() {
        assert_eq!(Hello::parse_reply(b"{}"), Ok(Hello::default()));
        assert_eq!(Hello::parse_reply(b""), Err(HelloFault::NotJson));
        for cut in 1..REPLY.len() {
            assert!(Hello::parse_reply(&REPLY.as_bytes()[..cut]).is_err());
        }
        for field in REPLY_FIELDS {
            for value in ["null", "{}", "true", "-1", "[[]]", "[1.5]", "1.5"] {
                let body = format!("{{\"{field}\":{value}}}");
                let fault = Hello::parse_reply(body.as_bytes()).unwrap_err();
                assert!(matches!(fault, HelloFault::WrongType { field: it, .. } if it == *field));
            }
        }
        assert!(Hello::parse_reply(br#"{"ua":1,"oap_versions":[1,99999999999999999999]}"#).is_ok());
    }

    // OAP-5-5
    #[test]
    fn what_is_unknown_is_ignored() {
        assert_eq!(parse(""), Ok(Hello::default()));
        assert_eq!(parse(" {} "), Ok(Hello::default()));
        assert_eq!(
            parse(r#"{"comp":["br"],"features":["tea","Ping"],"x":[{}],"pq":1}"#),
            parse("")
        );
        let read =
            parse(r#"{"comp":["br","zstd"],"features":["pin\u0067"],"ua":"\u0061"}"#).unwrap();
        assert_eq!(
            (read.codings, read.features),
            (Codings::ZSTD, Features::PING)
        );
        assert_eq!(read.agent.as_deref(), Some("a"));
    }

    // OAP-5-6
    #[test]
    fn the_body_is_a_small_flat_object() {
        let filled = |length: usize| format!("{{\"x\":\"{}\"}}", "y".repeat(length - 8));
        assert!(parse(&filled(4_096)).is_ok());
        assert_eq!(parse(&filled(4_097)), Err(HelloFault::TooLong));
        for other in ["[]", "1", "\"{}\"", "null"] {
            assert_eq!(parse(other), Err(HelloFault::NotAnObject));
        }
        let nested = |levels| format!("{{\"x\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse(&nested(7)).is_ok());
        assert_eq!(parse(&nested(8)), Err(HelloFault::TooDeep));
        assert_eq!(parse(" "), Err(HelloFault::NotJson));
    }

    // OAP-5-6
    #[test]
    fn no_object_has_a_key_twice() {
        for twice in [
            r#"{"max_frame":4096,"max_frame":4096}"#,
            r#"{"x":1,"y":2,"\u0078":3}"#,
            r#"{"":1,"a":2,"":3}"#,
            r#"{"\ud83d\ude00":1,"😀":2}"#,
            r#"{"x":[{"a":1},{"a":{"b":1,"c":2,"b":3}}]}"#,
        ] {
            assert_eq!(parse(twice), Err(HelloFault::DuplicateKey), "{twice}");
        }
        assert!(parse(r#"{"a":1,"A":2,"a ":3,"":4,"x":[{"a":{"a":1}},{"a":1}]}"#).is_ok());
    }

    // OAP-5-7
    #[test]
    fn numbers_have_ranges() {
        for (field, min, max) in [
            ("max_frame", 4_096, u64::MAX),
            ("max_inflight", 1, 65_535),
            ("ack_window", 4_096, 8_388_608),
        ] {
            let give = |value: u128| parse(&format!("{{\"{field}\":{value}}}"));
            let out_of_range = Err(HelloFault::OutOfRange { field, min, max });
            assert!(give(min.into()).is_ok() && give(max.into()).is_ok());
            assert_eq!(give(u128::from(min) - 1), out_of_range);
            assert!(max == u64::MAX || give(u128::from(max) + 1) == out_of_range);
            assert_eq!(give(u128::MAX).is_ok(), max == u64::MAX);
        }
        for large in ["1048577", "4294971392", "99999999999999999999"] {
            let read = parse(&format!("{{\"max_frame\":{large}}}")).unwrap();
            assert_eq!(read.max_frame, Some(MAX_FRAME));
        }
        assert!(Hello::parse_reply(br#"{"idle_timeout_ms":999}"#).is_err());
    }

    // OAP-5-7
    #[test]
    fn fields_have_types_and_faults_name_them() {
        for field in REQUEST_FIELDS {
            for value in [
                "null", "{}", "true", "-1", "[[]]", "[1.5]", "4096.0", "4096e0",
            ] {
                let fault = parse(&format!("{{\"{field}\":{value}}}")).unwrap_err();
                assert!(matches!(fault, HelloFault::WrongType { field: it, .. } if it == *field));
                assert_eq!(
                    (fault.code(), fault.reason()),
                    (Code::BAD_REQUEST, Reason::BadHello)
                );
            }
        }
        let fault = parse(r#"{"max_frame":"4096"}"#).unwrap_err();
        assert_eq!(fault.to_string(), "`max_frame` is not an unsigned integer");
    }

    #[test]
    fn the_longest_bodies_fit() {
        let worst = "\u{1}".repeat(5_000);
        let hello = Hello {
            max_frame: Some(MAX_FRAME),
            max_inflight: Some(u16::MAX),
            ack_window: Some(8_388_608),
            idle_timeout_ms: Some(u64::MAX),
            features: Features(7),
            codings: Codings(3),
            agent: Some(worst.as_str().into()),
            pq: Some(worst.as_str().into()),
        };
        let reply = ReplyFacts {
            server_version: &worst,
            transports: &[worst.as_str(); 99],
        };
        let mut out = Vec::new();
        hello.write_reply(&reply, &mut out);
        assert!(out.len() < 3_072 && Hello::parse_reply(&out).is_ok());
        out.clear();
        hello.write_request(&mut out);
        assert!(out.len() < 3_072 && Hello::parse_request(&out).is_ok());
    }

    fn any_hello() -> impl Strategy<Value = Hello> {
        let numbers = (
            prop::option::of(4_096..=MAX_FRAME),
            prop::option::of(1..=u16::MAX),
            prop::option::of(4_096..=8_388_608_u32),
            prop::option::of(1_000..=u64::MAX),
        );
        let text = || prop::option::of(".{0,30}").prop_map(|text| text.map(String::into_boxed_str));
        (numbers, 0..8_u8, 0..4_u8, text(), text()).prop_map(
            |(numbers, features, codings, agent, pq)| Hello {
                max_frame: numbers.0,
                max_inflight: numbers.1,
                ack_window: numbers.2,
                idle_timeout_ms: numbers.3,
                features: Features(features),
                codings: Codings(codings),
                agent,
                pq,
            },
        )
    }

    proptest! {
        #[test]
        fn requests_come_back(hello in any_hello()) {
            let mut out = Vec::new();
            hello.write_request(&mut out);
            prop_assert!(serde_json::from_slice::<serde_json::Value>(&out).is_ok());
            let request = Hello { idle_timeout_ms: None, pq: None, ..hello };
            prop_assert_eq!(Hello::parse_request(&out), Ok(request));
        }

        #[test]
        fn replies_come_back(mut hello in any_hello(), server_version in ".{0,30}") {
            let mut out = Vec::new();
            let transports = &["tls", "uds"];
            let reply = ReplyFacts { server_version: &server_version, transports };
            hello.write_reply(&reply, &mut out);
            let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
            prop_assert_eq!(json["supported_flags"].as_array().map(Vec::len), Some(8));
            prop_assert_eq!(&json["oap_versions"], &serde_json::json!([1]));
            prop_assert_eq!(&json["transports"], &serde_json::json!(["tls", "uds"]));
            hello.agent = Some(server_version.into());
            hello.max_frame.get_or_insert(MAX_FRAME);
            hello.max_inflight.get_or_insert(DEFAULT_MAX_INFLIGHT);
            prop_assert_eq!(Hello::parse_reply(&out), Ok(hello));
        }

        #[test]
        fn hostile_bodies_never_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = (Hello::parse_request(&body), Hello::parse_reply(&body));
        }
    }
}
