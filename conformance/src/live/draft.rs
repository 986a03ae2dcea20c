//! Frames to be sent, well-formed or not.

use oap_core::wire::{Flags, HEADER_LEN, Header, MIN_LEN, VERSION};
use oap_core::{Code, Lane};

/// A frame to be sent. Its length fields follow from its parts unless they are set.
#[derive(Clone, Debug)]
pub struct Draft {
    pub(crate) lane: Lane,
    pub(crate) flags: Flags,
    pub(crate) code: u16,
    pub(crate) app: u16,
    pub(crate) tenant: u128,
    pub(crate) cap: Vec<u8>,
    pub(crate) corr: u64,
    pub(crate) payload: Vec<u8>,
    len: Option<u32>,
    ver: u8,
    cap_len: Option<u16>,
}

impl Draft {
    /// A frame without payload, tenant and capability, of code 0, on the first lane.
    pub fn new(flags: Flags, app: u16, corr: u64) -> Self {
        Self {
            lane: Lane::FIRST,
            flags,
            code: 0,
            app,
            tenant: 0,
            cap: Vec::new(),
            corr,
            payload: Vec::new(),
            len: None,
            ver: VERSION,
            cap_len: None,
        }
    }

    /// A request in one frame: REQ, START and END.
    pub fn request(app: u16, corr: u64, payload: &[u8]) -> Self {
        Self::new(Flags::REQ | Flags::START | Flags::END, app, corr).payload(payload)
    }

    /// The beginning of a request: REQ and START.
    pub fn start(app: u16, corr: u64, payload: &[u8]) -> Self {
        Self::new(Flags::REQ | Flags::START, app, corr).payload(payload)
    }

    /// More of a request.
    pub fn chunk(app: u16, corr: u64, payload: &[u8]) -> Self {
        Self::new(Flags::REQ, app, corr).payload(payload)
    }

    /// The last of a request: REQ and END.
    pub fn last(app: u16, corr: u64, payload: &[u8]) -> Self {
        Self::new(Flags::REQ | Flags::END, app, corr).payload(payload)
    }

    /// The whole of an answer, or its last part: RESP and END.
    pub fn answer(app: u16, corr: u64, payload: &[u8]) -> Self {
        let answer = Self::new(Flags::RESP | Flags::END, app, corr).payload(payload);
        answer.code(200)
    }

    /// A part of an answer.
    pub fn part(app: u16, corr: u64, payload: &[u8]) -> Self {
        Self::new(Flags::RESP, app, corr).payload(payload).code(200)
    }

    /// A frame on app 0.
    pub fn control(flags: Flags, code: u16, corr: u64) -> Self {
        Self::new(flags, 0, corr).code(code)
    }

    /// A HELLO request.
    pub fn hello(body: &str) -> Self {
        Self::control(Flags::REQ, 0, 0).payload(body.as_bytes())
    }

    /// CANCEL.
    pub fn cancel(corr: u64, code: u16) -> Self {
        Self::control(Flags::EVENT, code, corr)
    }

    /// PING.
    pub fn ping(nonce: u64) -> Self {
        Self::control(Flags::EVENT | Flags::ACK_REQ, 0, nonce)
    }

    /// ACK.
    pub fn ack(corr: u64, consumed: u64, limit: u64) -> Self {
        let numbers = [consumed.to_le_bytes(), limit.to_le_bytes()].concat();
        Self::control(Flags::RESP, 202, corr).payload(&numbers)
    }

    /// On this lane.
    #[must_use]
    pub fn on(mut self, lane: Lane) -> Self {
        self.lane = lane;
        self
    }

    /// With these flags as well.
    #[must_use]
    pub fn with(mut self, flags: Flags) -> Self {
        self.flags |= flags;
        self
    }

    /// With these bits of the flags as well.
    #[must_use]
    pub fn bits(self, bits: u16) -> Self {
        self.with(Flags::from_bits(bits))
    }

    /// With this code.
    #[must_use]
    pub fn code(mut self, code: u16) -> Self {
        self.code = code;
        self
    }

    /// For this application.
    #[must_use]
    pub fn app(mut self, app: u16) -> Self {
        self.app = app;
        self
    }

    /// For this tenant.
    #[must_use]
    pub fn tenant(mut self, tenant: u128) -> Self {
        self.tenant = tenant;
        self
    }

    /// With this capability.
    #[must_use]
    pub fn cap(mut self, cap: &[u8]) -> Self {
        self.cap = cap.to_vec();
        self
    }

    /// With this payload.
    #[must_use]
    pub fn payload(mut self, payload: &[u8]) -> Self {
        self.payload = payload.to_vec();
        self
    }

    /// With this `len`, whatever follows.
    #[must_use]
    pub fn len(mut self, len: u32) -> Self {
        self.len = Some(len);
        self
    }

    /// With this `ver`.
    #[must_use]
    pub fn ver(mut self, ver: u8) -> Self {
        self.ver = ver;
        self
    }

    /// With this `cap_len`, whatever follows.
    #[must_use]
    pub fn cap_len(mut self, cap_len: u16) -> Self {
        self.cap_len = Some(cap_len);
        self
    }

    /// The header as it goes out, apart from a `ver` that is not 1.
    pub fn header(&self) -> Header {
        let inside = MIN_LEN + (self.cap.len() + self.payload.len()) as u32;
        Header {
            len: self.len.unwrap_or(inside),
            flags: self.flags,
            code: Code::new(self.code),
            app_proto_id: self.app,
            tenant_id: self.tenant,
            cap_len: self.cap_len.unwrap_or(self.cap.len() as u16),
            corr_id: self.corr,
        }
    }

    /// A frame as it came, whatever its header says of it.
    ///
    /// # Panics
    /// If `bytes` are fewer than a header.
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let (head, rest) = bytes.split_at(HEADER_LEN);
        let field = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
        let number = |at: usize, count: usize| {
            let bytes = head[at..at + count].iter().rev();
            bytes.fold(0_u128, |number, byte| number << 8 | u128::from(*byte))
        };
        let (len, cap_len) = (number(0, 4) as u32, field(27));
        let mut draft = Self::new(Flags::from_bits(field(5)), field(9), number(29, 8) as u64)
            .code(field(7))
            .tenant(number(11, 16))
            .ver(head[4]);
        let cap = usize::from(cap_len).min(rest.len());
        if usize::from(cap_len) > cap {
            draft = draft.cap_len(cap_len).payload(rest);
        } else {
            draft = draft.cap(&rest[..cap]).payload(&rest[cap..]);
        }
        if draft.header().len == len {
            draft
        } else {
            draft.len(len)
        }
    }

    /// The bytes that go out.
    pub fn bytes(&self) -> Vec<u8> {
        let mut header = self.header().encode();
        header[4] = self.ver;
        [&header, &self.cap[..], &self.payload].concat()
    }
}

/// The bytes of several frames.
pub fn bytes_of(drafts: &[Draft]) -> Vec<u8> {
    drafts.iter().flat_map(Draft::bytes).collect()
}

/// An error body as another implementation might write it.
pub fn error_json(reason: &str, corr: u64) -> String {
    format!(
        r#"{{"code":"{reason}","message":"as the case has it","retryable":false,"corr_id":"{corr}"}}"#
    )
}

/// `count` bytes that tell where they stand.
pub fn pattern(count: usize) -> Vec<u8> {
    (0..count).map(|at| (at % 251) as u8).collect()
}
