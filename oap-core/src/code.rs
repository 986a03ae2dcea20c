//! Status codes and the closed list of reasons (OAP-9).

use core::fmt;

/// A status code: an open `u16` of which some values have names.
///
/// ```
/// use oap_core::Code;
///
/// assert!(Code::NOT_FOUND.is_error());
/// assert_eq!(Code::new(477).class(), Code::BAD_REQUEST);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Code(u16);

macro_rules! codes {
    ($($name:ident = $value:literal $text:literal;)*) => {
        impl Code {
            $(#[doc = concat!("`", stringify!($value), "`: ", $text, ".")]
            pub const $name: Self = Self($value);)*

            /// Every code that has a name, in ascending order.
            pub const NAMED: &'static [Self] = &[$(Self::$name),*];
        }
    };
}

codes! {
    OK = 0 "success";
    ACCEPTED_OK = 200 "success, as some peers write it";
    ACK = 202 "acknowledgement, and the answer to a PING";
    PARTIAL = 206 "part of what was asked for";
    NOT_MODIFIED = 304 "what the requester holds is current";
    BAD_REQUEST = 400 "the request is at fault";
    UNAUTHORIZED = 401 "a capability is needed";
    PAYMENT_REQUIRED = 402 "a budget is used up";
    FORBIDDEN = 403 "the capability does not suffice";
    NOT_FOUND = 404 "nobody serves this";
    TIMEOUT = 408 "it took too long, or was cancelled";
    CONFLICT = 409 "it collides with the present state";
    TOO_LARGE = 413 "a size passes its limit";
    UNPROCESSABLE = 422 "understood, but not acceptable";
    TOO_MANY = 429 "a rate or a capacity is used up";
    INTERNAL = 500 "the server is at fault";
    NOT_IMPLEMENTED = 501 "the server cannot do this";
    BAD_GATEWAY = 502 "something behind the server is at fault";
    UNAVAILABLE = 503 "not now";
    GATEWAY_TIMEOUT = 504 "something behind the server took too long";
}

impl Code {
    /// Any code; unknown ones count as the first of their class.
    pub const fn new(value: u16) -> Self {
        Self(value)
    }

    /// The number on the wire.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Whether the code reports a failure: 400 and up.
    pub const fn is_error(self) -> bool {
        self.0 >= 400
    }

    /// The first code of this one's class (OAP-9-1): 0, 200, 300, 400 or 500.
    ///
    /// Values from 1 to 199 count as success, values of 600 and up as a fault of the server.
    pub const fn class(self) -> Self {
        match self.0 {
            0..=199 => Self::OK,
            200..=299 => Self::ACCEPTED_OK,
            300..=399 => Self(300),
            400..=499 => Self::BAD_REQUEST,
            _ => Self::INTERNAL,
        }
    }
}

/// The reason that a code stands for when nobody gives one (OAP-9-5, OAP-9-6).
impl From<Code> for Reason {
    fn from(code: Code) -> Self {
        match code.get() {
            401 => Self::Unauthorized,
            402 | 403 => Self::Forbidden,
            404 => Self::NotFound,
            408 | 504 => Self::Timeout,
            413 => Self::TooLarge,
            429 => Self::RateLimited,
            502 => Self::Io,
            503 => Self::NotReady,
            _ if code.class() == Code::INTERNAL => Self::Internal,
            _ => Self::BadRequest,
        }
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Code({})", self.0)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why something was refused or ended: a closed, append-only list (OAP-9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Reason {
    /// A timer ran out.
    Timeout,
    /// The TLS layer failed.
    Tls,
    /// A size passes its limit.
    TooLarge,
    /// A rate is used up.
    RateLimited,
    /// The peer holds too many connections.
    PeerLimit,
    /// The Tor client is not ready yet.
    ArtiBootstrap,
    /// No slot is free.
    OverCapacity,
    /// A frame breaks the framing rules.
    BadFrame,
    /// A frame has another version.
    BadVersion,
    /// A frame is out of sequence.
    BadSequence,
    /// A HELLO breaks its rules.
    BadHello,
    /// A compressed payload is broken.
    BadCoding,
    /// A compressed payload inflates past the bound.
    DecompressOverflow,
    /// A sender passed its window, or acknowledged what cannot be.
    CreditViolation,
    /// The peer caused more work than its budget allows.
    Flood,
    /// The application does not understand the request.
    BadRequest,
    /// Nobody serves the application id, or the thing asked for.
    NotFound,
    /// A capability is needed.
    Unauthorized,
    /// The capability does not suffice.
    Forbidden,
    /// The host is still starting.
    NotReady,
    /// The connection is being drained.
    Draining,
    /// The requester gave up.
    Cancelled,
    /// The key exchange is weaker than the policy asks for.
    PqPolicy,
    /// The QUIC path failed.
    QuicPath,
    /// The transport failed.
    Io,
    /// The implementation failed.
    Internal,
}

/// A reason, its name on the wire, its usual code, and whether it is worth retrying.
type Row = (Reason, &'static str, Code, bool);

/// The one table of reasons.
const REASONS: [Row; Reason::COUNT] = {
    use Reason::*;
    [
        (Timeout, "timeout", Code::TIMEOUT, true),
        (Tls, "tls", Code::BAD_REQUEST, false),
        (TooLarge, "too_large", Code::TOO_LARGE, false),
        (RateLimited, "rate_limited", Code::TOO_MANY, true),
        (PeerLimit, "peer_limit", Code::TOO_MANY, true),
        (ArtiBootstrap, "arti_bootstrap", Code::UNAVAILABLE, true),
        (OverCapacity, "over_capacity", Code::TOO_MANY, true),
        (BadFrame, "bad_frame", Code::BAD_REQUEST, false),
        (BadVersion, "bad_version", Code::BAD_REQUEST, false),
        (BadSequence, "bad_sequence", Code::BAD_REQUEST, false),
        (BadHello, "bad_hello", Code::BAD_REQUEST, false),
        (BadCoding, "bad_coding", Code::BAD_REQUEST, false),
        (
            DecompressOverflow,
            "decompress_overflow",
            Code::TOO_LARGE,
            false,
        ),
        (
            CreditViolation,
            "credit_violation",
            Code::BAD_REQUEST,
            false,
        ),
        (Flood, "flood", Code::TOO_MANY, true),
        (BadRequest, "bad_request", Code::BAD_REQUEST, false),
        (NotFound, "not_found", Code::NOT_FOUND, false),
        (Unauthorized, "unauthorized", Code::UNAUTHORIZED, false),
        (Forbidden, "forbidden", Code::FORBIDDEN, false),
        (NotReady, "not_ready", Code::UNAVAILABLE, true),
        (Draining, "draining", Code::UNAVAILABLE, true),
        (Cancelled, "cancelled", Code::TIMEOUT, false),
        (PqPolicy, "pq_policy", Code::FORBIDDEN, false),
        (QuicPath, "quic_path", Code::BAD_GATEWAY, true),
        (Io, "io", Code::BAD_GATEWAY, true),
        (Internal, "internal", Code::INTERNAL, false),
    ]
};

impl Reason {
    pub(crate) const COUNT: usize = 26;

    /// Every reason, in the order of the specification.
    pub fn all() -> impl Iterator<Item = Self> {
        REASONS.iter().map(|row| row.0)
    }

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        self.row().1
    }

    /// The code that goes with the reason where nothing more specific is said.
    pub const fn code(self) -> Code {
        self.row().2
    }

    /// Whether the same request may succeed later.
    pub const fn retryable(self) -> bool {
        self.row().3
    }

    /// The reason's row. There is one for each, but the compiler does not always see that.
    const fn row(self) -> &'static Row {
        let at = self as usize;
        if at < REASONS.len() {
            &REASONS[at]
        } else {
            &REASONS[Self::COUNT - 1]
        }
    }

    /// The reason with this name on the wire.
    pub fn from_name(name: &str) -> Option<Self> {
        REASONS.iter().find(|row| row.1 == name).map(|row| row.0)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_a_table_in_order_of_the_list() {
        for (index, (reason, name, code, _)) in REASONS.iter().enumerate() {
            assert_eq!(*reason as usize, index, "{name} stands at the wrong place");
            assert_eq!(Reason::from_name(name), Some(*reason));
            assert!(code.is_error());
        }
        assert_eq!(Reason::from_name("nothing"), None);
        assert_eq!(Reason::all().count(), 26);
    }

    #[test]
    fn unknown_codes_count_as_the_first_of_their_class() {
        for (code, class) in [
            (0, 0),
            (1, 0),
            (202, 200),
            (299, 200),
            (304, 300),
            (418, 400),
            (499, 400),
            (503, 500),
            (65_535, 500),
        ] {
            assert_eq!(Code::new(code).class().get(), class);
        }
        assert!(!Code::new(399).is_error());
        assert!(Code::new(400).is_error());
        assert!(Code::NAMED.windows(2).all(|pair| pair[0] <= pair[1]));
    }
}
