//! HELLO, and what it tells of the peer (OAP-5).

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::Connection;
use super::exchange::{Marks, Phase};
use super::frame::RawFrame;
use super::lanes::{Reply, ReplyKind};
use crate::wire::{Codings, Features, Flags, Header, Hello, MAX_FRAME, MIN_LEN, ReplyFacts};
use crate::{Code, Config, Event, Lane, Reason, Timestamp, Violation};

/// The window of a peer that has told of none (OAP-6).
pub(super) const DEFAULT_WINDOW: u32 = 131_072;
/// The credit of a windowed request while the HELLO is not answered (OAP-6-4).
const CAUTIOUS_WINDOW: u32 = 4_096;
/// The smallest `max_frame` that a HELLO may name; its answer must fit it.
const LEAST_FRAME: u32 = 4_096;
/// Name and transports are cut to this, so that a HELLO always fits the smallest frame.
const MAX_NAME: usize = 256;

/// What is known of the other side; the protocol's defaults until its HELLO is read (OAP-5-4).
#[derive(Clone, Debug)]
#[cfg_attr(feature = "testing", derive(Hash))]
pub(super) struct Peer {
    pub(super) known: bool,
    pub(super) max_frame: u32,
    pub(super) max_inflight: u16,
    /// The first limit of windowed answers (OAP-6-5) or requests (OAP-6-4).
    pub(super) window: u32,
    /// A client that gave `ack_window` wants windowed answers.
    pub(super) wants_windows: bool,
    pub(super) idle: Option<Duration>,
    pub(super) features: Features,
    pub(super) codings: Codings,
    pub(super) going_away: bool,
    /// It was told our `ack_window`: in our HELLO, or in a good reply that the transport has.
    pub(super) told: bool,
}

impl Default for Peer {
    fn default() -> Self {
        Self {
            known: false,
            max_frame: MAX_FRAME,
            max_inflight: 64,
            window: DEFAULT_WINDOW,
            wants_windows: false,
            idle: None,
            features: Features::NONE,
            codings: Codings::NONE,
            going_away: false,
            told: false,
        }
    }
}

impl Peer {
    fn learn(&mut self, hello: &Hello) {
        self.known = true;
        self.max_frame = hello.max_frame.unwrap_or(MAX_FRAME);
        self.max_inflight = hello.max_inflight.unwrap_or(64);
        self.window = hello.ack_window.unwrap_or(DEFAULT_WINDOW);
        self.wants_windows = hello.ack_window.is_some();
        self.idle = hello.idle_timeout_ms.map(Duration::from_millis);
        self.features = hello.features;
        self.codings = hello.codings;
    }

    /// Payload bytes that fit one frame (OAP-1-8).
    pub(super) const fn max_payload(&self) -> usize {
        (self.max_frame - MIN_LEN) as usize
    }
}

impl Connection {
    /// Client: queues the HELLO; it goes out before anything else.
    pub(super) fn send_hello(&mut self, now: Timestamp) {
        let mut body = Vec::new();
        let mut hello = self.config.own_hello();
        hello.agent = Some(cut(&self.config.agent).into());
        hello.write_request(&mut body);
        let header = Header {
            len: MIN_LEN + body.len() as u32,
            flags: Flags::REQ | Flags::START | Flags::END,
            code: Code::OK,
            app_proto_id: 0,
            tenant_id: 0,
            cap_len: 0,
            corr_id: 0,
        };
        self.lanes
            .get_mut(Lane::FIRST)
            .out
            .push(&header, Bytes::new(), body.into());
        self.counters.sent(header.frame_len());
        self.counters.control_sent += 1;
        self.times.hello_sent = Some(now);
        self.peer.window = CAUTIOUS_WINDOW;
        self.peer.told = self.config.windows;
    }

    /// Server: whatever asks on app 0 is a HELLO (OAP-5-1). The first good one counts, every one is
    /// answered (OAP-5-8).
    pub(super) fn handle_hello_request(
        &mut self,
        lane: Lane,
        now: Timestamp,
        frame: &RawFrame<'_>,
    ) {
        if !self.budgets.hello(now) {
            return self.flood(lane, now, "OAP-10-9");
        }
        let corr = frame.header.corr_id;
        if !self.peer.known {
            let coded = frame.header.flags.intersects(Flags::COMP | Flags::APP_E2E);
            let hello = match Hello::parse_request(frame.payload()) {
                Ok(hello) if !coded => hello,
                _ => {
                    self.counters.refuse(Reason::BadHello);
                    let message = "the HELLO is malformed or out of range";
                    let reply = Reply::error(corr, Code::BAD_REQUEST, Reason::BadHello, message);
                    return self.push_reply(lane, reply);
                }
            };
            self.learn(&hello);
            self.events.push_back(Event::Hello(Box::new(hello)));
        }
        self.push_control(lane, ReplyKind::Hello, corr, Code::OK);
    }

    fn learn(&mut self, hello: &Hello) {
        self.peer.learn(hello);
        let chunk = self.config.limits.chunk() as usize;
        self.max_chunk = chunk.min(self.peer.max_payload());
    }

    pub(super) fn handle_hello_reply(&mut self, lane: Lane, now: Timestamp, frame: &RawFrame<'_>) {
        let Ok(hello) = Hello::parse_reply(frame.payload()) else {
            let message = "the HELLO reply is malformed or out of range";
            let fault = Violation::connection(Reason::BadHello, "OAP-5-10", message);
            return self.fail(lane, now, fault);
        };
        self.times.hello_sent = None;
        self.learn(&hello);
        self.raise_limits(self.peer.window.min(DEFAULT_WINDOW));
        self.peer.window = hello.ack_window.unwrap_or(DEFAULT_WINDOW);
        self.events.push_back(Event::Hello(Box::new(hello)));
        // Last, as it may end a connection that drains.
        self.cancel_abandoned();
    }

    /// Client: what was given up before the HELLO was answered is cancelled, where it can be after
    /// all (OAP-3-18).
    fn cancel_abandoned(&mut self) {
        if !self.peer.features.contains(Features::CANCEL) {
            return;
        }
        for slot in 0..self.exchanges.len() {
            let exchange = self.exchanges.get(slot);
            if exchange.phase == Phase::Discarding {
                let (lane, corr) = (exchange.lane, exchange.corr);
                let reply = Reply::error(corr, Code::TIMEOUT, Reason::Cancelled, "given up");
                self.send_cancel(lane, reply);
                self.forget(slot);
            }
        }
    }

    /// Client: requests opened before the HELLO was answered get their proper credit (OAP-6-4).
    pub(super) fn raise_limits(&mut self, window: u32) {
        self.peer.window = window;
        for slot in 0..self.exchanges.len() {
            let exchange = self.exchanges.get_mut(slot);
            if exchange.phase == Phase::Open && exchange.marks.has(Marks::WINDOWED) {
                exchange.send.raise(window);
                self.make_ready(slot);
            }
        }
    }

    /// Client: the server made nothing of our HELLO. The defaults hold, and its answers, also those
    /// on their way, keep to the default window (OAP-5-9, OAP-6-6).
    pub(super) fn go_on_without_hello(&mut self) {
        self.times.hello_sent = None;
        self.peer.told = false;
        self.raise_limits(DEFAULT_WINDOW);
        for slot in 0..self.exchanges.len() {
            let exchange = self.exchanges.get_mut(slot);
            exchange.window = exchange.window.max(DEFAULT_WINDOW);
            exchange.recv.raise(exchange.window);
        }
        self.events.push_back(Event::NoHello);
    }

    /// The window that the peer takes for granted on an exchange that begins now (OAP-6-6).
    pub(super) fn receive_window(&self) -> u32 {
        if self.peer.told {
            self.config.limits.ack_window()
        } else {
            DEFAULT_WINDOW
        }
    }
}

/// The body of a HELLO reply; the same on every occasion, and within what the peer takes.
pub(super) fn write_reply(config: &Config, out: &mut Vec<u8>) {
    let transports: Vec<&str> = config
        .transports
        .iter()
        .take(8)
        .map(|name| cut(name))
        .collect();
    let facts = ReplyFacts {
        server_version: cut(&config.agent),
        transports: &transports,
    };
    let mut hello = config.own_hello();
    hello.ack_window = Some(config.limits.ack_window());
    hello.agent = None;
    hello.write_reply(&facts, out);
    debug_assert!(out.len() <= (LEAST_FRAME - MIN_LEN) as usize);
}

fn cut(name: &str) -> &str {
    let end = name
        .char_indices()
        .map(|(at, _)| at)
        .take_while(|&at| at <= MAX_NAME)
        .last();
    match end {
        Some(end) if name.len() > MAX_NAME => name.get(..end).unwrap_or_default(),
        _ => name,
    }
}
