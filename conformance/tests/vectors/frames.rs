//! Frames as the peer of an endpoint under test sends them.

use oap_conformance::vectors::{Bytes, Flags, Frame};

pub(crate) const APP: u16 = 0x0f01;
pub(crate) const TENANT: u128 = 0x0123_4567_89ab_cdef_fedc_ba98_7654_3210;
pub(crate) const ALL_FEATURES: &str = r#"{"features":["cancel","ping","goaway"]}"#;
/// Ids of the echoes that tell whether a connection goes on.
pub(crate) const ALIVE: u64 = 1 << 40;

pub(crate) const NONE: Flags = Flags::NONE;
pub(crate) const REQ: Flags = Flags::REQ;
pub(crate) const RESP: Flags = Flags::RESP;
pub(crate) const EVENT: Flags = Flags::EVENT;
pub(crate) const START: Flags = Flags::START;
pub(crate) const END: Flags = Flags::END;
pub(crate) const ACK_REQ: Flags = Flags::ACK_REQ;
pub(crate) const COMP: Flags = Flags::COMP;
pub(crate) const APP_E2E: Flags = Flags::APP_E2E;

/// A frame of [`APP`], tenant 0, code 0, without payload.
pub(crate) fn frame(flags: Flags, corr: u64) -> Frame {
    Frame {
        flags,
        app: APP,
        corr,
        ..Frame::default()
    }
}

pub(crate) fn control(flags: Flags, code: u16, corr: u64) -> Frame {
    frame(flags, corr).app(0).code(code)
}

/// REQ|START|END.
pub(crate) fn request(corr: u64, payload: &[u8]) -> Frame {
    frame(REQ | START | END, corr).payload(payload)
}

/// RESP|END of code 200.
pub(crate) fn answer(corr: u64, payload: &[u8]) -> Frame {
    frame(RESP | END, corr).code(200).payload(payload)
}

/// RESP of code 200.
pub(crate) fn chunk(corr: u64, payload: &[u8]) -> Frame {
    frame(RESP, corr).code(200).payload(payload)
}

pub(crate) fn hello(body: &str) -> Frame {
    control(REQ, 0, 0).payload(body.as_bytes())
}

pub(crate) fn hello_reply(body: &str) -> Frame {
    control(RESP | END, 0, 0).payload(body.as_bytes())
}

pub(crate) fn ack(corr: u64, consumed: u64, limit: u64) -> Frame {
    control(RESP, 202, corr).payload(&[consumed.to_le_bytes(), limit.to_le_bytes()].concat())
}

pub(crate) fn cancel(corr: u64, code: u16) -> Frame {
    control(EVENT, code, corr)
}

pub(crate) fn ping(nonce: u64) -> Frame {
    control(EVENT | ACK_REQ, 0, nonce)
}

/// An error body as somebody else would write it.
pub(crate) fn error_json(reason: &str, corr: u64) -> String {
    format!(r#"{{"code":"{reason}","message":"m","retryable":false,"corr_id":"{corr}"}}"#)
}

/// A connection error frame.
pub(crate) fn connection_error(code: u16, reason: &str) -> Frame {
    control(RESP | END, code, 0).payload(error_json(reason, 0).as_bytes())
}

/// Changes one thing of a frame.
pub(crate) trait Edit: Sized {
    fn edit(self, change: impl FnOnce(&mut Frame)) -> Frame;

    fn code(self, code: u16) -> Frame {
        self.edit(|frame| frame.code = code)
    }

    fn app(self, app: u16) -> Frame {
        self.edit(|frame| frame.app = app)
    }

    fn tenant(self, tenant: u128) -> Frame {
        self.edit(|frame| frame.tenant = tenant)
    }

    fn cap(self, cap: &[u8]) -> Frame {
        self.edit(|frame| frame.cap = cap.to_vec())
    }

    fn payload(self, payload: &[u8]) -> Frame {
        self.edit(|frame| frame.payload = payload.to_vec())
    }

    fn with(self, flags: Flags) -> Frame {
        self.edit(|frame| frame.flags = frame.flags | flags)
    }

    fn bits(self, bits: u16) -> Frame {
        self.edit(|frame| frame.flags.0 |= bits)
    }
}

impl Edit for Frame {
    fn edit(mut self, change: impl FnOnce(&mut Frame)) -> Frame {
        change(&mut self);
        self
    }
}

/// What can be fed.
pub(crate) trait Wire {
    fn wire(self) -> Bytes;
}

impl Wire for &Frame {
    fn wire(self) -> Bytes {
        Bytes::compact(&self.bytes())
    }
}

impl Wire for Frame {
    fn wire(self) -> Bytes {
        (&self).wire()
    }
}

impl Wire for Vec<Frame> {
    fn wire(self) -> Bytes {
        let bytes: Vec<u8> = self.iter().flat_map(Frame::bytes).collect();
        Bytes::compact(&bytes)
    }
}

impl Wire for &[u8] {
    fn wire(self) -> Bytes {
        Bytes::compact(self)
    }
}

impl Wire for Vec<u8> {
    fn wire(self) -> Bytes {
        Bytes::compact(&self)
    }
}

impl Wire for Bytes {
    fn wire(self) -> Bytes {
        self
    }
}

/// Hex with spaces.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    hex::decode(digits).expect("hex")
}

/// A frame so many times.
pub(crate) fn times(frame: &Frame, n: usize) -> Bytes {
    Bytes::repeated(&frame.bytes(), n)
}

/// The flags' names, for the name of a vector.
pub(crate) fn named(flags: Flags) -> String {
    let text = format!("{flags:?}").to_lowercase();
    match text.trim_matches(['[', ']']) {
        "" => "none".into(),
        names => names.replace('|', "+"),
    }
}
