//! Frames and events that are due.

use oap_conformance::vectors::{
    Ack, Bytes, Cause, Due, DueBody, Event, Flags, Frame, HelloBody, Start,
};

use crate::frames::{ACK_REQ, END, EVENT, Edit, REQ, RESP, START, control, frame};

/// Exactly this frame.
pub(crate) fn sent(frame: Frame) -> Due {
    let hex = Some(Bytes::compact(&frame.bytes()));
    Due {
        lane: 0,
        any_lane: false,
        flags: frame.flags,
        may: Flags::NONE,
        code: frame.code,
        app: frame.app,
        tenant: frame.tenant,
        corr: frame.corr,
        any_corr: false,
        cap: Bytes::compact(&frame.cap),
        body: DueBody::Payload(Bytes::compact(&frame.payload)),
        split: false,
        max_len: None,
        hex,
    }
}

/// RESP|END of an exchange of [`APP`]; START is the server's choice.
pub(crate) fn answered(corr: u64, code: u16, payload: &[u8]) -> Due {
    sent(frame(RESP | END, corr).code(code).payload(payload)).may(START)
}

/// A first RESP that does not end the exchange.
pub(crate) fn part(corr: u64, code: u16, payload: &[u8]) -> Due {
    sent(frame(RESP, corr).code(code).payload(payload)).may(START)
}

/// An event of an exchange of [`APP`].
pub(crate) fn pushed(corr: u64, payload: &[u8]) -> Due {
    sent(frame(EVENT, corr).payload(payload)).may(START)
}

/// RESP|END with an error body, in answer to this frame.
pub(crate) fn error(of: &Frame, code: u16, reason: &str) -> Due {
    let head = frame(RESP | END, of.corr).app(of.app).tenant(of.tenant);
    sent(head.code(code)).body(DueBody::Error(reason.into()))
}

/// RESP|END 400 `bad_sequence`, in answer to this frame.
pub(crate) fn out_of_sequence(of: &Frame) -> Due {
    error(of, 400, "bad_sequence")
}

/// A connection error frame.
pub(crate) fn lost(code: u16, reason: &str) -> Due {
    sent(control(RESP | END, code, 0)).body(DueBody::Error(reason.into()))
}

pub(crate) fn acked(corr: u64, consumed: u64, limit: u64) -> Due {
    sent(control(RESP, 202, corr)).body(DueBody::Ack(Ack {
        consumed,
        limit,
        most: None,
    }))
}

/// The same with no more than this granted.
pub(crate) fn acked_within(corr: u64, consumed: u64, limit: u64, most: u64) -> Due {
    acked(corr, consumed, limit).body(DueBody::Ack(Ack {
        consumed,
        limit,
        most: Some(most),
    }))
}

/// A CANCEL.
pub(crate) fn cancelled(corr: u64, code: u16, reason: &str) -> Due {
    sent(control(EVENT, code, corr)).body(DueBody::ErrorOrEmpty(reason.into()))
}

pub(crate) fn ponged(nonce: u64) -> Due {
    sent(control(EVENT, 202, nonce))
}

/// A PING, whose nonce is its sender's choice.
pub(crate) fn pinged() -> Due {
    let mut due = sent(control(EVENT | ACK_REQ, 0, 0));
    due.any_corr = true;
    due.hex = None;
    due
}

pub(crate) fn going_away(code: u16, reason: &str) -> Due {
    sent(control(EVENT, code, 0)).body(DueBody::Error(reason.into()))
}

/// The HELLO of a client.
pub(crate) fn greeted() -> Due {
    let hello = sent(control(Flags::NONE, 0, 0)).may(REQ | START | END);
    hello.body(DueBody::Hello(HelloBody::new()))
}

/// A HELLO reply whose body has at least these members.
pub(crate) fn welcomed(corr: u64, members: &str) -> Due {
    let members = serde_json::from_str(members).expect("a JSON object");
    sent(control(RESP | END, 0, corr)).body(DueBody::Hello(members))
}

/// A HELLO error.
pub(crate) fn unwelcome(corr: u64) -> Due {
    sent(control(RESP | END, 400, corr)).body(DueBody::Error("bad_hello".into()))
}

/// Changes one thing of what is due.
pub(crate) trait Vary: Sized {
    fn vary(self, change: impl FnOnce(&mut Due)) -> Due;
}

impl Vary for Due {
    fn vary(mut self, change: impl FnOnce(&mut Due)) -> Due {
        change(&mut self);
        self
    }
}

/// The usual changes.
pub(crate) trait Freedom {
    /// These flags may be set or not.
    fn may(self, flags: Flags) -> Due;
    /// The payload is known by what it means.
    fn body(self, body: DueBody) -> Due;
    /// It may come in several frames.
    fn split(self) -> Due;
    /// No `len` is above this.
    fn within(self, len: u32) -> Due;
    fn on_lane(self, lane: u16) -> Due;
    fn on_any_lane(self) -> Due;
}

impl Freedom for Due {
    fn may(self, flags: Flags) -> Due {
        self.vary(|due| {
            due.may = due.may | flags.without(due.flags);
            due.hex = None;
        })
    }

    fn body(self, body: DueBody) -> Due {
        self.vary(|due| {
            due.body = body;
            due.hex = None;
        })
    }

    fn split(self) -> Due {
        self.vary(|due| {
            due.split = true;
            due.hex = None;
        })
    }

    fn within(self, len: u32) -> Due {
        self.vary(|due| due.max_len = Some(len))
    }

    fn on_lane(self, lane: u16) -> Due {
        self.vary(|due| due.lane = lane)
    }

    fn on_any_lane(self) -> Due {
        self.vary(|due| due.any_lane = true)
    }
}

/// The handler hears of an exchange.
pub(crate) fn opens(start: &Frame) -> Event {
    Event::Open {
        start: start_of(start),
        payload: Bytes::compact(&start.payload),
        end: start.flags.has(END),
        comp: compressed(start),
        e2e: start.flags.has(Flags::APP_E2E),
    }
}

/// The verifier is asked.
pub(crate) fn asks(start: &Frame) -> Event {
    Event::Authorize {
        start: start_of(start),
    }
}

fn start_of(frame: &Frame) -> Start {
    Start {
        corr: frame.corr,
        app: frame.app,
        tenant: frame.tenant,
        cap: Bytes::compact(&frame.cap),
        lane: 0,
    }
}

/// More of a request or an answer.
pub(crate) fn data(frame: &Frame) -> Event {
    Event::Data {
        corr: frame.corr,
        code: if frame.flags.has(RESP) { frame.code } else { 0 },
        payload: Bytes::compact(&frame.payload),
        end: frame.flags.has(END),
        comp: compressed(frame),
        e2e: frame.flags.has(Flags::APP_E2E),
    }
}

pub(crate) fn pushes(frame: &Frame) -> Event {
    Event::Push {
        corr: frame.corr,
        code: frame.code,
        payload: Bytes::compact(&frame.payload),
        comp: compressed(frame),
        e2e: frame.flags.has(Flags::APP_E2E),
    }
}

/// COMP says nothing where APP_E2E is set (OAP-8-8).
fn compressed(frame: &Frame) -> bool {
    frame.flags.has(Flags::COMP) && !frame.flags.has(Flags::APP_E2E)
}

pub(crate) fn truncated(corr: u64) -> Event {
    Event::Truncated { corr }
}

pub(crate) fn ends(corr: u64, cause: Cause, code: impl Into<Option<u16>>, reason: &str) -> Event {
    Event::Ended {
        corr,
        cause,
        code: code.into(),
        reason: reason.into(),
    }
}

pub(crate) fn closes(cause: Cause, code: impl Into<Option<u16>>, reason: &str) -> Event {
    Event::Closed {
        cause,
        code: code.into(),
        reason: reason.into(),
    }
}

/// A HELLO of which nothing is looked at.
pub(crate) fn any_hello() -> Event {
    Event::Hello {
        max_frame: None,
        max_inflight: None,
        ack_window: None,
        features: None,
        comp: None,
    }
}

pub(crate) fn inflated(corr: u64, plain: &[u8]) -> Event {
    Event::Inflated {
        corr,
        payload: Bytes::compact(plain),
    }
}
