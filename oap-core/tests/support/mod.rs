//! One endpoint under test, and the bytes of a peer that shares none of its code but the codec.
// Every test binary compiles this file and uses a part of it.
#![allow(dead_code)]

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use oap_core::wire::{Flags, HEADER_LEN, Header, MAX_FRAME, MIN_LEN};
use oap_core::{
    CloseReason, Code, Config, Connection, End, Event, ExchangeId, Fin, Head, Lane, LimitError,
    Limits, LimitsBuilder, Reason, Role, Scope, Timestamp, Violation,
};

pub(crate) const APP: u16 = 0x0f01;
pub(crate) const TENANT: u128 = 0x0123_4567_89ab_cdef_fedc_ba98_7654_3210;
pub(crate) const ALL_FEATURES: &str = r#"{"features":["cancel","ping","goaway"]}"#;
/// Ids of echoes that tell whether a connection goes on.
const ALIVE: u64 = 1 << 40;

pub(crate) const NONE: Flags = Flags::NONE;
pub(crate) const REQ: Flags = Flags::REQ;
pub(crate) const RESP: Flags = Flags::RESP;
pub(crate) const EVENT: Flags = Flags::EVENT;
pub(crate) const START: Flags = Flags::START;
pub(crate) const END: Flags = Flags::END;
pub(crate) const ACK_REQ: Flags = Flags::ACK_REQ;
pub(crate) const COMP: Flags = Flags::COMP;
pub(crate) const APP_E2E: Flags = Flags::APP_E2E;

/// A frame that came from the endpoint under test.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) header: Header,
    pub(crate) cap: Vec<u8>,
    pub(crate) payload: Vec<u8>,
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Header {
            flags,
            code,
            app_proto_id,
            corr_id,
            ..
        } = self.header;
        let text = String::from_utf8_lossy(&self.payload[..self.payload.len().min(120)]);
        let len = self.payload.len();
        write!(
            f,
            "[{flags:?} {code} app {app_proto_id} corr {corr_id}, {len} bytes: {text:?}]"
        )
    }
}

impl Frame {
    /// Takes a whole frame off the front of `bytes`.
    fn take(bytes: &mut Vec<u8>) -> Option<Self> {
        let header = bytes.first_chunk::<HEADER_LEN>()?;
        let header = Header::parse(header, MAX_FRAME).expect("what we send is well-formed");
        if bytes.len() < header.frame_len() {
            return None;
        }
        let payload = bytes.split_off(header.frame_len());
        let mut frame = std::mem::replace(bytes, payload);
        let payload = frame.split_off(HEADER_LEN + usize::from(header.cap_len));
        let cap = frame.split_off(HEADER_LEN);
        Some(Self {
            header,
            cap,
            payload,
        })
    }
}

/// A frame that the peer sends.
#[derive(Clone, Debug)]
pub(crate) struct Raw {
    pub(crate) flags: Flags,
    pub(crate) code: u16,
    pub(crate) app: u16,
    pub(crate) tenant: u128,
    pub(crate) cap: Vec<u8>,
    pub(crate) corr: u64,
    pub(crate) payload: Vec<u8>,
}

/// A frame of the application [`APP`], tenant 0, code 0, without payload.
pub(crate) fn frame(flags: Flags, corr: u64) -> Raw {
    Raw {
        flags,
        code: 0,
        app: APP,
        tenant: 0,
        cap: Vec::new(),
        corr,
        payload: Vec::new(),
    }
}

/// A control frame.
pub(crate) fn control(flags: Flags, code: u16, corr: u64) -> Raw {
    frame(flags, corr).app(0).code(code)
}

/// REQ|START|END.
pub(crate) fn request(corr: u64, payload: &[u8]) -> Raw {
    frame(REQ | START | END, corr).payload(payload)
}

/// RESP|END of code 200.
pub(crate) fn answer(corr: u64, payload: &[u8]) -> Raw {
    frame(RESP | END, corr).code(200).payload(payload)
}

pub(crate) fn hello(body: &str) -> Raw {
    control(REQ, 0, 0).payload(body.as_bytes())
}

pub(crate) fn hello_reply(body: &str) -> Raw {
    control(RESP | END, 0, 0).payload(body.as_bytes())
}

pub(crate) fn ack(corr: u64, consumed: u64, limit: u64) -> Raw {
    control(RESP, 202, corr).payload(&[consumed.to_le_bytes(), limit.to_le_bytes()].concat())
}

pub(crate) fn cancel(corr: u64, code: u16) -> Raw {
    control(EVENT, code, corr)
}

pub(crate) fn ping(nonce: u64) -> Raw {
    control(EVENT | ACK_REQ, 0, nonce)
}

/// An error body as somebody else would write it.
pub(crate) fn error_json(reason: &str, corr: u64) -> String {
    format!(r#"{{"code":"{reason}","message":"m","retryable":false,"corr_id":"{corr}"}}"#)
}

impl Raw {
    pub(crate) fn code(mut self, code: u16) -> Self {
        self.code = code;
        self
    }

    pub(crate) fn app(mut self, app: u16) -> Self {
        self.app = app;
        self
    }

    pub(crate) fn tenant(mut self, tenant: u128) -> Self {
        self.tenant = tenant;
        self
    }

    pub(crate) fn cap(mut self, cap: &[u8]) -> Self {
        self.cap = cap.to_vec();
        self
    }

    pub(crate) fn payload(mut self, payload: &[u8]) -> Self {
        self.payload = payload.to_vec();
        self
    }

    pub(crate) fn with(mut self, flags: Flags) -> Self {
        self.flags |= flags;
        self
    }

    pub(crate) fn bits(mut self, bits: u16) -> Self {
        self.flags = Flags::from_bits(self.flags.bits() | bits);
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let header = Header {
            len: MIN_LEN + (self.cap.len() + self.payload.len()) as u32,
            flags: self.flags,
            code: Code::new(self.code),
            app_proto_id: self.app,
            tenant_id: self.tenant,
            cap_len: self.cap.len() as u16,
            corr_id: self.corr,
        };
        [&header.encode()[..], &self.cap, &self.payload].concat()
    }
}

/// The bytes of several frames.
pub(crate) fn bytes_of(frames: &[Raw]) -> Vec<u8> {
    frames.iter().flat_map(Raw::bytes).collect()
}

/// `n` bytes that tell where they stand.
pub(crate) fn pattern(n: usize) -> Vec<u8> {
    (0..n).map(|at| (at % 251) as u8).collect()
}

pub(crate) fn limits(set: impl FnOnce(LimitsBuilder) -> LimitsBuilder) -> Limits {
    let built: Result<Limits, LimitError> = set(Limits::builder()).build();
    built.expect("the test's limits are legal")
}

/// Limits small enough to be reached: 4 KiB frames, so a buffer budget of 32 KiB.
pub(crate) fn small_limits() -> Limits {
    limits(|l| l.max_frame(4_096).max_inflight(8).ack_window(4_096))
}

/// A connection, its clock, and what is on its wire.
///
/// After each step [`Endpoint::check`] compares what `interest` says with what the connection does.
pub(crate) struct Endpoint {
    pub(crate) conn: Connection,
    pub(crate) now: Timestamp,
    input: Vec<BytesMut>,
    output: Vec<Vec<u8>>,
    /// Requests that are not complete yet, for [`Endpoint::serve`].
    bodies: Vec<(ExchangeId, Vec<u8>)>,
    echoes: u64,
    closed: Option<CloseReason>,
}

// Construction.
impl Endpoint {
    pub(crate) fn server() -> Self {
        Self::server_with(|_| {})
    }

    pub(crate) fn server_with(set: impl FnOnce(&mut Config)) -> Self {
        Self::new(Role::Server, set)
    }

    /// A client that sends no HELLO.
    pub(crate) fn client() -> Self {
        Self::client_with(|_| {})
    }

    pub(crate) fn client_with(set: impl FnOnce(&mut Config)) -> Self {
        Self::new(Role::Client, |config| {
            config.hello = false;
            set(config);
        })
    }

    /// A client whose HELLO was answered with `reply`.
    pub(crate) fn client_told(reply: &str) -> Self {
        Self::client_told_with(reply, |_| {})
    }

    pub(crate) fn client_told_with(reply: &str, set: impl FnOnce(&mut Config)) -> Self {
        let mut client = Self::new(Role::Client, set);
        assert_eq!(client.frames().len(), 1, "a HELLO goes out first");
        client.feed(&hello_reply(reply));
        assert!(matches!(client.events()[..], [Event::Hello(_)]));
        client
    }

    fn new(role: Role, set: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        set(&mut config);
        let (config, now) = (Arc::new(config), Timestamp::from_micros(7_000_000));
        let conn = match role {
            Role::Client => Connection::client(config, now),
            Role::Server => Connection::server(config, now),
        };
        let mut endpoint = Self {
            conn,
            now,
            input: Vec::new(),
            output: Vec::new(),
            bodies: Vec::new(),
            echoes: 0,
            closed: None,
        };
        endpoint.check();
        endpoint
    }
}

// What goes in.
impl Endpoint {
    pub(crate) fn feed(&mut self, raw: &Raw) {
        self.feed_on(Lane::FIRST, raw);
    }

    pub(crate) fn feed_all(&mut self, raws: &[Raw]) {
        self.feed_bytes(Lane::FIRST, &bytes_of(raws));
    }

    pub(crate) fn feed_on(&mut self, lane: Lane, raw: &Raw) {
        self.feed_bytes(lane, &raw.bytes());
    }

    /// Hands bytes in, and again as long as the connection says that this is worth while.
    pub(crate) fn feed_bytes(&mut self, lane: Lane, bytes: &[u8]) {
        let at = usize::from(lane.0);
        if self.input.len() <= at {
            self.input.resize_with(at + 1, BytesMut::new);
        }
        self.input[at].extend_from_slice(bytes);
        self.decode(at);
        self.go_on();
    }

    /// What was handed in and not decoded yet.
    pub(crate) fn undecoded(&self) -> usize {
        self.input.iter().map(BytesMut::len).sum()
    }

    pub(crate) fn eof(&mut self) {
        self.eof_on(Lane::FIRST);
    }

    pub(crate) fn eof_on(&mut self, lane: Lane) {
        let at = usize::from(lane.0);
        if self.input.len() <= at {
            self.input.resize_with(at + 1, BytesMut::new);
        }
        self.conn.handle_eof(lane, self.now, &mut self.input[at]);
        self.check();
    }

    fn decode(&mut self, at: usize) {
        self.conn
            .handle_input(Lane(at as u16), self.now, &mut self.input[at]);
        self.check();
    }

    fn go_on(&mut self) {
        for _ in 0..100_000 {
            if !self.conn.interest().again {
                return;
            }
            let before = (self.undecoded(), self.conn.interest());
            for at in 0..self.input.len() {
                self.decode(at);
            }
            if (self.undecoded(), self.conn.interest()) == before {
                panic!("`again` is set, but calling again changes nothing");
            }
        }
        panic!("`again` stays set forever");
    }

    /// Lets time pass the way a host does that sleeps until each deadline.
    pub(crate) fn advance(&mut self, by: Duration) {
        let target = self.now + by;
        while let Some(due) = self.conn.interest().deadline {
            if due > target {
                break;
            }
            self.now = self.now.max(due);
            let mut rounds = 0;
            while self
                .conn
                .interest()
                .deadline
                .is_some_and(|due| due <= self.now)
            {
                rounds += 1;
                assert!(rounds <= 1_000, "a deadline that never moves");
                self.conn.handle_timeout(self.now);
                self.check();
            }
        }
        self.now = target;
        self.conn.handle_timeout(self.now);
        self.check();
    }
}

// What comes out.
impl Endpoint {
    /// Every event that waits.
    pub(crate) fn events(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while self.conn.interest().event {
            let event = self.conn.poll_event().expect("interest said so");
            assert_eq!(self.closed, None, "{event:?} after the last event");
            if let Event::Closed(reason) = &event {
                self.closed = Some(reason.clone());
            }
            events.push(event);
            self.check();
            self.go_on();
        }
        events
    }

    /// Every frame that waits on the first lane.
    pub(crate) fn frames(&mut self) -> Vec<Frame> {
        self.frames_on(Lane::FIRST)
    }

    pub(crate) fn frames_on(&mut self, lane: Lane) -> Vec<Frame> {
        let at = usize::from(lane.0);
        if self.output.len() <= at {
            self.output.resize_with(at + 1, Vec::new);
        }
        let mut frames = Vec::new();
        loop {
            let bytes = self.bytes_on(lane, usize::MAX);
            if bytes.is_empty() {
                return frames;
            }
            self.output[at].extend_from_slice(&bytes);
            while let Some(frame) = Frame::take(&mut self.output[at]) {
                frames.push(frame);
            }
            self.go_on();
        }
    }

    /// At most `most` of the bytes that wait on a lane, as a transport takes them that is not always
    /// ready.
    pub(crate) fn bytes_on(&mut self, lane: Lane, most: usize) -> Vec<u8> {
        let mut out = Vec::new();
        while out.len() < most {
            let Some(mut transmit) = self.conn.poll_transmit(lane, self.now) else {
                break;
            };
            let take = transmit.chunk().len().min(most - out.len());
            assert!(take > 0, "a transmit without a byte");
            out.extend_from_slice(&transmit.chunk()[..take]);
            transmit.advance(take);
        }
        self.check();
        out
    }

    /// Exactly one frame waits; this is it.
    #[track_caller]
    pub(crate) fn one_frame(&mut self) -> Frame {
        let mut frames = self.frames();
        assert_eq!(frames.len(), 1, "{frames:?}");
        frames.remove(0)
    }

    /// Exactly one event waits; this is it.
    #[track_caller]
    pub(crate) fn one_event(&mut self) -> Event {
        let mut events = self.events();
        assert_eq!(events.len(), 1, "{events:?}");
        events.remove(0)
    }

    /// Nothing waits.
    #[track_caller]
    pub(crate) fn assert_silent(&mut self) {
        let frames = self.frames();
        assert!(frames.is_empty(), "{frames:?}");
        let events = self.events();
        assert!(events.is_empty(), "{events:?}");
    }

    #[track_caller]
    pub(crate) fn assert_nothing_to_write(&mut self) {
        let frames = self.frames();
        assert!(frames.is_empty(), "{frames:?}");
    }

    /// The sole event is the opening of an exchange.
    #[track_caller]
    pub(crate) fn opened(&mut self) -> ExchangeId {
        match self.one_event() {
            Event::Opened { id, .. } => id,
            other => panic!("no exchange opened: {other:?}"),
        }
    }

    /// Server: feeds `raw`, which opens an exchange.
    #[track_caller]
    pub(crate) fn open(&mut self, raw: &Raw) -> ExchangeId {
        self.feed(raw);
        self.opened()
    }

    /// Client: opens a one-shot exchange; its frames are taken off the wire.
    #[track_caller]
    pub(crate) fn ask(&mut self, body: &[u8]) -> ExchangeId {
        let id = self
            .conn
            .request(self.now, Head::new(APP), body.to_vec().into(), Fin::End)
            .expect("a request");
        self.check();
        let frames = self.frames();
        assert!(!frames.is_empty());
        id
    }

    /// Client: opens a streaming exchange; its frames are taken off the wire.
    #[track_caller]
    pub(crate) fn stream(&mut self, body: &[u8]) -> ExchangeId {
        let id = self
            .conn
            .request(self.now, Head::new(APP), body.to_vec().into(), Fin::More)
            .expect("a request");
        self.check();
        self.frames();
        id
    }

    #[track_caller]
    pub(crate) fn send(&mut self, id: ExchangeId, code: u16, body: &[u8], fin: Fin) {
        self.conn
            .exchange(id)
            .expect("the exchange is there")
            .send(Code::new(code), body.to_vec().into(), fin)
            .expect("it may be sent");
        self.check();
    }

    #[track_caller]
    pub(crate) fn push(&mut self, id: ExchangeId, body: &[u8]) {
        self.conn
            .exchange(id)
            .expect("the exchange is there")
            .push(Code::OK, body.to_vec().into())
            .expect("it may be pushed");
        self.check();
    }

    #[track_caller]
    pub(crate) fn release(&mut self, id: ExchangeId) {
        self.conn
            .exchange(id)
            .expect("the exchange is there")
            .release();
        self.check();
    }

    /// Server: answers every complete request with its own payload; other exchanges stay open.
    pub(crate) fn serve(&mut self) -> Vec<Event> {
        let mut seen = Vec::new();
        loop {
            let events = self.events();
            if events.is_empty() {
                return seen;
            }
            for event in events {
                if let Event::Opened {
                    id, payload, fin, ..
                }
                | Event::Data {
                    id, payload, fin, ..
                } = &event
                {
                    match self.bodies.iter_mut().find(|body| body.0 == *id) {
                        Some(body) => body.1.extend_from_slice(payload.wire_bytes()),
                        None => self.bodies.push((*id, payload.wire_bytes().to_vec())),
                    }
                    if fin.is_end() {
                        let at = self.bodies.iter().position(|body| body.0 == *id);
                        let (_, body) = self.bodies.remove(at.expect("just put there"));
                        self.send(*id, 200, &body, Fin::End);
                    }
                }
                seen.push(event);
            }
        }
    }

    /// The connection still works: an echo comes back (server), an answer comes in (client). What
    /// waited on the wire or as an event is an error.
    #[track_caller]
    pub(crate) fn assert_alive(&mut self) {
        self.assert_silent();
        self.echoes += 1;
        let text = format!("alive {}", self.echoes);
        match self.conn.role() {
            Role::Server => {
                let corr = ALIVE + self.echoes;
                self.feed(&request(corr, text.as_bytes()));
                assert!(matches!(self.serve()[..], [Event::Opened { .. }]));
                let echo = self.one_frame();
                assert_eq!(flags_code(&echo), (RESP | END, 200));
                assert_eq!(
                    (echo.header.corr_id, &echo.payload[..]),
                    (corr, text.as_bytes())
                );
            }
            Role::Client => {
                let head = Head::new(APP);
                let id = self
                    .conn
                    .request(self.now, head, text.clone().into_bytes().into(), Fin::End)
                    .expect("the connection takes a request");
                let asked = self.one_frame();
                assert_eq!(asked.header.flags, REQ | START | END);
                self.feed(&answer(asked.header.corr_id, text.as_bytes()));
                match self.one_event() {
                    Event::Data {
                        id: of,
                        code,
                        payload,
                        fin: Fin::End,
                    } => {
                        assert_eq!((of, code), (id, Code::ACCEPTED_OK));
                        assert_eq!(payload.wire_bytes(), text.as_bytes());
                    }
                    other => panic!("no answer: {other:?}"),
                }
            }
        }
        self.assert_silent();
    }

    /// The connection has ended with this violation, and said so to its peer in one frame.
    #[track_caller]
    pub(crate) fn assert_fatal(&mut self, code: u16, reason: Reason, clause: &str) {
        let frame = self.one_frame();
        assert_error(&frame, code, reason, 0, 0, 0);
        self.assert_closed_for(code, reason, clause);
    }

    #[track_caller]
    pub(crate) fn assert_closed_for(&mut self, code: u16, reason: Reason, clause: &str) {
        let events = self.events();
        match events.last() {
            Some(Event::Closed(CloseReason::Violation(violation))) => {
                assert_violation(violation, code, reason, clause, Scope::Connection);
            }
            other => panic!("not closed for a violation: {other:?}"),
        }
        self.assert_over();
    }

    /// The connection has ended for a flood; the peer, which lists no features, was told so.
    #[track_caller]
    pub(crate) fn assert_closed_with_flood(&mut self, clause: &str) {
        self.assert_fatal(429, Reason::Flood, clause);
    }

    /// Everything is written, and nothing is decoded any more.
    #[track_caller]
    pub(crate) fn assert_over(&mut self) {
        let interest = self.conn.interest();
        assert!(self.conn.is_closed() && interest.done && !interest.read && !interest.again);
        assert_eq!(interest.deadline, None);
        let received = self.conn.counters().frames_received;
        self.feed(&request(77, b"too late"));
        assert_eq!(self.conn.counters().frames_received, received);
        assert_eq!(self.input[0].len(), 0, "bytes of no use are thrown away");
        self.assert_silent();
    }

    /// What `interest` says is what the connection does.
    #[track_caller]
    pub(crate) fn check(&mut self) {
        let interest = self.conn.interest();
        if !interest.write {
            assert!(
                self.conn.poll_transmit(Lane::FIRST, self.now).is_none(),
                "bytes wait, but interest does not say so"
            );
            assert_eq!(self.conn.poll_writable_lane(|_| true), None);
        } else if self.conn.poll_writable_lane(|_| true).is_none() {
            assert!(!self.conn.interest().write, "interest in writing nothing");
        }
        let interest = self.conn.interest();
        if !interest.event {
            assert_eq!(self.conn.poll_event(), None);
        }
        if self.conn.is_closed() {
            assert!(!interest.read && !interest.again);
            assert_eq!(interest.done, !interest.write);
        } else {
            assert!(!interest.done);
            assert!(
                interest.deadline.is_some() || !interest.read,
                "a read without end"
            );
        }
        assert!(
            self.conn.held_bytes() <= self.conn.config().limits.buffer_bytes(),
            "{} bytes are held",
            self.conn.held_bytes()
        );
    }
}

// What is asserted often.

pub(crate) fn flags_code(frame: &Frame) -> (Flags, u16) {
    (frame.header.flags, frame.header.code.get())
}

/// The violation that ended an exchange.
#[track_caller]
pub(crate) fn ended_for(event: &Event) -> (ExchangeId, Violation) {
    match event {
        Event::Ended {
            id,
            end: End::Violation(violation),
        } => (*id, *violation),
        other => panic!("no exchange ended for a violation: {other:?}"),
    }
}

#[track_caller]
pub(crate) fn assert_violation(
    violation: &Violation,
    code: u16,
    reason: Reason,
    clause: &str,
    scope: Scope,
) {
    assert_eq!(
        (
            violation.code.get(),
            violation.reason,
            violation.clause,
            violation.scope
        ),
        (code, reason, clause, scope)
    );
}

/// RESP|END with a whole error body, exactly as OAP-9-3 says.
#[track_caller]
pub(crate) fn assert_error(
    frame: &Frame,
    code: u16,
    reason: Reason,
    corr: u64,
    app: u16,
    tenant: u128,
) {
    assert_eq!(flags_code(frame), (RESP | END, code));
    assert_eq!(frame.header.app_proto_id, app);
    assert_eq!(frame.header.tenant_id, tenant);
    assert_eq!(frame.header.corr_id, corr);
    assert_eq!(frame.header.cap_len, 0);
    assert_error_body(&frame.payload, code, reason, corr);
}

#[track_caller]
pub(crate) fn assert_error_body(body: &[u8], code: u16, reason: Reason, corr: u64) {
    assert!(body.len() <= 4_096);
    let json: serde_json::Value = serde_json::from_slice(body).expect("an error body is JSON");
    assert_eq!(json["code"], reason.name());
    assert!(
        json["message"]
            .as_str()
            .is_some_and(|text| !text.is_empty())
    );
    assert_eq!(json["retryable"], reason.retryable());
    assert_eq!(json["corr_id"], corr.to_string());
    assert_eq!(
        json["retry_after_ms"].is_u64(),
        code == 429 || code == 503,
        "retry_after_ms goes with 429 and 503: {json}"
    );
    let members = json.as_object().map_or(0, serde_json::Map::len);
    assert_eq!(members, 4 + usize::from(code == 429 || code == 503));
}

/// `consumed` and `limit` of an ACK.
#[track_caller]
pub(crate) fn ack_numbers(frame: &Frame, corr: u64) -> (u64, u64) {
    assert_eq!(flags_code(frame), (RESP, 202));
    assert_eq!((frame.header.app_proto_id, frame.header.tenant_id), (0, 0));
    assert_eq!((frame.header.corr_id, frame.header.cap_len), (corr, 0));
    let body: [u8; 16] = frame.payload[..].try_into().expect("16 bytes");
    let number = |at: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&body[at..at + 8]);
        u64::from_le_bytes(bytes)
    };
    (number(0), number(8))
}

/// The payloads of some frames, joined.
pub(crate) fn joined(frames: &[Frame]) -> Vec<u8> {
    frames
        .iter()
        .flat_map(|frame| frame.payload.clone())
        .collect()
}

/// The payload of an event that carries one.
#[track_caller]
pub(crate) fn payload_of(event: &Event) -> Bytes {
    match event {
        Event::Opened { payload, .. }
        | Event::Data { payload, .. }
        | Event::Pushed { payload, .. } => payload.wire_bytes().clone(),
        other => panic!("no payload: {other:?}"),
    }
}
