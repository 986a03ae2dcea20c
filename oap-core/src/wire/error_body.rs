//! The body of an error answer (OAP-9).

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use super::json::{self, Fault, Reader};
use crate::code::Reason;

/// The longest body that is read, in bytes.
const MAX_READ: usize = 4_096;
/// The longest body that is written, in bytes: it fits a frame of the least `max_frame`, 4,096
/// less the 33 bytes of the header.
const MAX_WRITTEN: usize = 4_063;

/// Why a peer refused or ended something, in its own words.
///
/// ```
/// use oap_core::Reason;
/// use oap_core::wire::ErrorBody;
///
/// let mut out = Vec::new();
/// ErrorBody::new(Reason::OverCapacity, "64 exchanges are open", 7)
///     .with_retry_after_ms(250)
///     .write(&mut out);
/// let read = ErrorBody::parse(&out).ok_or("not an error body")?;
/// assert_eq!(read.reason, Reason::OverCapacity.into());
/// assert_eq!((read.corr_id, read.retry_after_ms, read.retryable), (7, Some(250), true));
/// # Ok::<(), &str>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorBody {
    /// Why, for programs: `code` in the JSON.
    pub reason: ReasonName,
    /// Why, for people. Any text at all, so escape it before it is shown or logged.
    pub message: Box<str>,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// The exchange that the error belongs to, or 0.
    pub corr_id: u64,
    /// When to try again, in milliseconds from now.
    pub retry_after_ms: Option<u64>,
}

/// A reason as it was received.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ReasonName {
    /// One from the list.
    Known(Reason),
    /// One that a later version may have added.
    Unknown(Box<str>),
}

impl ErrorBody {
    /// An error that is retryable if its reason usually is.
    pub fn new(reason: Reason, message: &str, corr_id: u64) -> Self {
        Self {
            reason: reason.into(),
            message: message.into(),
            retryable: reason.retryable(),
            corr_id,
            retry_after_ms: None,
        }
    }

    /// The same error with the time after which to try again, in milliseconds.
    #[must_use]
    pub fn with_retry_after_ms(mut self, retry_after_ms: u64) -> Self {
        self.retry_after_ms = Some(retry_after_ms);
        self
    }

    /// Reads an error body (OAP-9-5); `None` unless it is a JSON object with a string `code`, at
    /// most 4,096 bytes long and 8 levels deep.
    ///
    /// Any other member that is missing or makes no sense counts as empty, 0 or `None`;
    /// `retryable` then follows from the reason. Of a key given twice the last one counts.
    pub fn parse(body: &[u8]) -> Option<Self> {
        if body.len() > MAX_READ {
            return None;
        }
        Self::read(body).ok().flatten()
    }

    /// Appends the body as JSON (OAP-9-3).
    ///
    /// `message` is cut where the whole would pass 4,063 bytes, so that it fits a frame of every
    /// legal `max_frame` (OAP-9-4).
    pub fn write(&self, out: &mut Vec<u8>) {
        let Self {
            reason,
            message,
            retryable,
            corr_id,
            retry_after_ms,
        } = self;
        write_members(
            out,
            reason.as_str(),
            message,
            *retryable,
            *corr_id,
            *retry_after_ms,
        );
    }

    fn read(body: &[u8]) -> Result<Option<Self>, Fault> {
        let mut reason = None;
        let mut message = Box::default();
        let mut retryable = None;
        let mut corr_id = 0;
        let mut retry_after_ms = None;
        let mut reader = Reader::new(body)?;
        reader.object(|key, value| match key.one_of(MEMBERS) {
            Some("code") => {
                reason =
                    lenient(value, Reader::string)?.map(|name| ReasonName::from(&*name.to_owned()));
                Ok(())
            }
            Some("message") => {
                message = lenient(value, Reader::string)?
                    .map(|text| text.to_owned().into())
                    .unwrap_or_default();
                Ok(())
            }
            Some("retryable") => {
                retryable = lenient(value, Reader::boolean)?;
                Ok(())
            }
            Some("corr_id") => {
                corr_id = lenient(value, string_or_number)?.unwrap_or(0);
                Ok(())
            }
            Some("retry_after_ms") => {
                retry_after_ms = lenient(value, Reader::unsigned)?;
                Ok(())
            }
            _ => value.skip(),
        })?;
        reader.finish()?;
        Ok(reason.map(|reason| {
            let retryable =
                retryable.unwrap_or_else(|| reason.known().is_some_and(Reason::retryable));
            Self {
                reason,
                message,
                retryable,
                corr_id,
                retry_after_ms,
            }
        }))
    }
}

/// Appends an error body as JSON, as [`ErrorBody::new`] and [`ErrorBody::write`] would, but
/// allocates nothing besides `out`.
pub fn write_error_body(
    out: &mut Vec<u8>,
    reason: Reason,
    message: &str,
    corr_id: u64,
    retry_after_ms: Option<u64>,
) {
    write_members(
        out,
        reason.name(),
        message,
        reason.retryable(),
        corr_id,
        retry_after_ms,
    );
}

impl ReasonName {
    /// The name on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(reason) => reason.name(),
            Self::Unknown(name) => name,
        }
    }

    /// The reason, if it is on the list.
    pub fn known(&self) -> Option<Reason> {
        match self {
            Self::Known(reason) => Some(*reason),
            Self::Unknown(_) => None,
        }
    }
}

impl From<Reason> for ReasonName {
    fn from(reason: Reason) -> Self {
        Self::Known(reason)
    }
}

impl From<&str> for ReasonName {
    fn from(name: &str) -> Self {
        Reason::from_name(name).map_or_else(|| Self::Unknown(name.into()), Self::Known)
    }
}

impl fmt::Display for ReasonName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

const MEMBERS: &[&str] = &["code", "message", "retryable", "corr_id", "retry_after_ms"];

/// Room for the name of a reason that is not on the list, in bytes.
const REASON_ROOM: usize = 256;

fn write_members(
    out: &mut Vec<u8>,
    reason: &str,
    message: &str,
    retryable: bool,
    corr_id: u64,
    retry_after_ms: Option<u64>,
) {
    let start = out.len();
    let retryable = if retryable { "true" } else { "false" };
    let fixed_tail = r#"","retryable":,"corr_id":""}"#.len() + retryable.len() + digits(corr_id);
    let retry_tail = r#","retry_after_ms":"#;
    let tail = fixed_tail + retry_after_ms.map_or(0, |millis| retry_tail.len() + digits(millis));
    let texts = reason.len().min(REASON_ROOM) + message.len().min(MAX_WRITTEN);
    // Enough where nothing is escaped.
    out.reserve(r#"{"code":"","message":""#.len() + texts + tail);

    out.extend_from_slice(br#"{"code":"#);
    json::push_string(out, reason, REASON_ROOM);
    out.extend_from_slice(br#","message":"#);
    let before = out.len() - start + 1;
    json::push_string(out, message, MAX_WRITTEN.saturating_sub(before + tail));
    out.extend_from_slice(br#","retryable":"#);
    out.extend_from_slice(retryable.as_bytes());
    out.extend_from_slice(br#","corr_id":""#);
    json::push_u64(out, corr_id);
    out.push(b'"');
    if let Some(millis) = retry_after_ms {
        out.extend_from_slice(retry_tail.as_bytes());
        json::push_u64(out, millis);
    }
    out.push(b'}');
}

fn digits(number: u64) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}

/// The next value if it has the type that `read` wants; anything else is skipped.
fn lenient<'a, T>(
    value: &mut Reader<'a>,
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, Fault>,
) -> Result<Option<T>, Fault> {
    let mut trial = value.clone();
    match read(&mut trial) {
        Ok(read) => {
            *value = trial;
            Ok(Some(read))
        }
        Err(_) => value.skip().map(|()| None),
    }
}

fn string_or_number(value: &mut Reader<'_>) -> Result<u64, Fault> {
    match value.clone().string() {
        Ok(_) => value.string()?.to_u64(),
        Err(_) => value.unsigned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use proptest::prelude::*;

    // OAP-9-3
    #[test]
    fn the_body_looks_like_this() {
        let mut out = Vec::new();
        write_error_body(
            &mut out,
            Reason::OverCapacity,
            "too many exchanges in flight",
            65,
            Some(100),
        );
        let expected = r#"{"code":"over_capacity","message":"too many exchanges in flight","retryable":true,"corr_id":"65","retry_after_ms":100}"#;
        assert_eq!(core::str::from_utf8(&out), Ok(expected));
        out.clear();
        write_error_body(
            &mut out,
            Reason::RateLimited,
            "slow \"down\"",
            u64::MAX,
            Some(1_500),
        );
        let expected = r#"{"code":"rate_limited","message":"slow \"down\"","retryable":true,"corr_id":"18446744073709551615","retry_after_ms":1500}"#;
        assert_eq!(core::str::from_utf8(&out), Ok(expected));
    }

    #[test]
    fn a_body_without_escapes_takes_one_allocation_of_its_size() {
        for retry in [None, Some(7), Some(1_500)] {
            let mut out = Vec::new();
            write_error_body(&mut out, Reason::Timeout, "too late", 65, retry);
            assert_eq!(out.capacity(), out.len(), "{retry:?}");
        }
    }

    // OAP-9-5
    #[test]
    fn a_body_of_4_096_bytes_is_read_and_a_longer_one_is_not() {
        let body = |size: usize| {
            let mut body = br#"{"code":"timeout"}"#.to_vec();
            body.resize(size, b' ');
            ErrorBody::parse(&body)
        };
        assert_eq!(body(4_096), Some(ErrorBody::new(Reason::Timeout, "", 0)));
        assert_eq!(body(4_097), None);
    }

    #[test]
    fn a_reason_reads_as_its_name() {
        for name in ["timeout", "of_the_future"] {
            assert_eq!(alloc::format!("{}", ReasonName::from(name)), name);
        }
    }

    // OAP-9-5
    #[test]
    fn only_the_code_is_needed() {
        let read = ErrorBody::parse(br#"{"code":"timeout"}"#).unwrap();
        assert_eq!(read, ErrorBody::new(Reason::Timeout, "", 0));
        let read = ErrorBody::parse(br#"{"code":"new_one","corr_id":7,"x":[{}]}"#).unwrap();
        assert_eq!(read.reason, ReasonName::Unknown("new_one".into()));
        assert_eq!((read.corr_id, read.retryable), (7, false));
        for none in [
            "",
            "{}",
            "[]",
            r#"{"code":429}"#,
            r#"{"code":null}"#,
            r#"{"code":"io"}}"#,
            r#"{"code":"io","x":}"#,
        ] {
            assert_eq!(ErrorBody::parse(none.as_bytes()), None, "{none}");
        }
        let odd =
            br#"{"message":[1],"retryable":"yes","corr_id":"-4","retry_after_ms":1.5,"code":"io"}"#;
        assert_eq!(
            ErrorBody::parse(odd),
            Some(ErrorBody::new(Reason::Io, "", 0))
        );
    }

    #[test]
    fn corr_ids_are_decimal_strings_or_numbers() {
        for (written, corr_id) in [
            (r#""18446744073709551615""#, u64::MAX),
            ("18446744073709551615", u64::MAX),
            (r#""\u0031\u0032""#, 12),
            (r#""18446744073709551616""#, 0),
            (r#""+5""#, 0),
            (r#""""#, 0),
            ("-5", 0),
            ("{}", 0),
        ] {
            let body = alloc::format!("{{\"code\":\"io\",\"corr_id\":{written}}}");
            assert_eq!(
                ErrorBody::parse(body.as_bytes()).map(|read| read.corr_id),
                Some(corr_id),
                "{written}"
            );
        }
    }

    // OAP-9-4
    #[test]
    fn a_body_never_passes_the_limit() {
        for character in ["x", "\u{e9}", "\u{1f600}", "\"", "\u{1}"] {
            let mut error = ErrorBody::new(Reason::Internal, &character.repeat(5_000), u64::MAX)
                .with_retry_after_ms(u64::MAX);
            for reason in [
                Reason::Internal.into(),
                ReasonName::Unknown(character.repeat(5_000).into()),
            ] {
                error.reason = reason;
                let mut out = b"before".to_vec();
                error.write(&mut out);
                let body = &out[6..];
                assert!(
                    body.len() <= MAX_WRITTEN && body.len() > MAX_WRITTEN - 6,
                    "{}",
                    body.len()
                );
                let read = ErrorBody::parse(body).unwrap();
                assert!(error.message.starts_with(&*read.message) && !read.message.is_empty());
            }
        }
        let long = alloc::format!("{{\"code\":\"io\"{}}}", " ".repeat(MAX_READ));
        assert_eq!(ErrorBody::parse(long.as_bytes()), None);
    }

    proptest! {
        #[test]
        fn bodies_come_back(
            name in ".{0,20}",
            reason in prop::sample::select(Reason::all().collect::<Vec<_>>()),
            known: bool,
            message in ".{0,200}",
            retryable: bool,
            corr_id: u64,
            retry_after_ms: Option<u64>,
        ) {
            let reason = if known { reason.into() } else { ReasonName::from(&*name) };
            let error = ErrorBody { reason, message: message.into(), retryable, corr_id, retry_after_ms };
            let mut out = Vec::new();
            error.write(&mut out);
            prop_assert!(serde_json::from_slice::<serde_json::Value>(&out).is_ok());
            prop_assert_eq!(ErrorBody::parse(&out), Some(error));
        }

        #[test]
        fn both_writers_agree(message in any::<String>(), corr_id: u64, retry_after_ms: Option<u64>) {
            for reason in Reason::all() {
                let (mut one, mut other) = (Vec::new(), Vec::new());
                write_error_body(&mut one, reason, &message, corr_id, retry_after_ms);
                let error = ErrorBody::new(reason, &message, corr_id);
                ErrorBody { retry_after_ms, ..error }.write(&mut other);
                prop_assert_eq!(one, other);
            }
        }

        #[test]
        fn hostile_bodies_never_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = ErrorBody::parse(&body);
        }
    }
}
