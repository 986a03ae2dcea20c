//! A watcher of the wire: reads every frame that either side writes, with its own few lines of
//! parsing, and checks it against the rules of who may send what, when and how much.

use std::collections::{BTreeMap, BTreeSet};

use oap_core::wire::Features;
use oap_core::{Config, Role};

const HEADER: usize = 37;
const REQ: u16 = 1;
const RESP: u16 = 2;
const EVENT: u16 = 4;
const START: u16 = 8;
const END: u16 = 16;
const ACK_REQ: u16 = 32;
const DEFAULT_WINDOW: u64 = 131_072;

/// What a side may send.
#[derive(Debug)]
struct Rules {
    max_frame: u32,
    buffer: u64,
    /// The first limit of its windowed directions.
    first_limit: u64,
    features: Features,
}

impl Rules {
    /// Those of the peer of `receiver`.
    fn towards(receiver: &Config, hello: bool) -> Self {
        let limits = &receiver.limits;
        let told = hello && receiver.windows;
        Self {
            max_frame: limits.max_frame(),
            buffer: limits.buffer_bytes() as u64,
            first_limit: if told {
                u64::from(limits.ack_window())
            } else {
                DEFAULT_WINDOW
            },
            features: if hello {
                receiver.features
            } else {
                Features::NONE
            },
        }
    }
}

/// One direction of an exchange.
#[derive(Debug, Default)]
struct Flow {
    begun: bool,
    windowed: bool,
    ended: bool,
    cancelled: bool,
    sent: u64,
    /// The last ACK's numbers.
    acked: Option<(u64, u64)>,
}

#[derive(Debug)]
struct Exchange {
    app: u16,
    tenant: u128,
    lane: usize,
    flows: [Flow; 2],
}

/// What is read of one lane in one direction.
#[derive(Debug, Default)]
struct Reader {
    /// The header, and of an ACK its payload.
    head: Vec<u8>,
    /// Bytes of the frame that need no look.
    skip: usize,
}

/// A header as it stands on the wire.
#[derive(Debug)]
struct Frame {
    len: u32,
    version: u8,
    flags: u16,
    code: u16,
    app: u16,
    tenant: u128,
    cap_len: u16,
    corr: u64,
}

/// Both directions of one connection.
#[derive(Debug)]
pub(super) struct Wire {
    /// By sender.
    rules: [Rules; 2],
    hello: bool,
    readers: Vec<[Reader; 2]>,
    exchanges: BTreeMap<u64, Exchange>,
    /// By lane.
    last_corr: Vec<u64>,
    pings: [BTreeSet<u64>; 2],
    hellos: u32,
    frames: u64,
}

impl Wire {
    pub(super) fn new(client: &Config, server: &Config) -> Self {
        Self {
            rules: [
                Rules::towards(server, client.hello),
                Rules::towards(client, client.hello),
            ],
            hello: client.hello,
            readers: Vec::new(),
            exchanges: BTreeMap::new(),
            last_corr: Vec::new(),
            pings: [BTreeSet::new(), BTreeSet::new()],
            hellos: 0,
            frames: 0,
        }
    }

    /// Frames seen so far.
    pub(super) const fn frames(&self) -> u64 {
        self.frames
    }

    /// Whether nothing was ever written.
    pub(super) const fn is_silent(&self) -> bool {
        self.frames == 0
    }

    /// A lane begins; its number may have been another's.
    pub(super) fn open(&mut self, lane: usize) {
        if lane >= self.readers.len() {
            self.readers.resize_with(lane + 1, Default::default);
            self.last_corr.resize(lane + 1, 0);
        }
        self.readers[lane] = Default::default();
    }

    /// Bytes that a side has handed to a lane.
    pub(super) fn written(&mut self, sender: Role, lane: usize, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let reader = &mut self.readers[lane][sender as usize];
            if reader.skip > 0 {
                let skip = reader.skip.min(bytes.len());
                reader.skip -= skip;
                bytes = &bytes[skip..];
                continue;
            }
            let want = reader.wanted();
            let take = (want - reader.head.len()).min(bytes.len());
            reader.head.extend_from_slice(&bytes[..take]);
            bytes = &bytes[take..];
            if reader.head.len() == reader.wanted() {
                let head = std::mem::take(&mut reader.head);
                let frame = Frame::parse(&head);
                reader.skip = frame.len as usize + 4 - head.len();
                self.check(sender, lane, &frame, &head[HEADER..]);
            }
        }
    }

    fn check(&mut self, sender: Role, lane: usize, frame: &Frame, payload: &[u8]) {
        self.frames += 1;
        let rules = &self.rules[sender as usize];
        assert_eq!(frame.version, 1, "{sender:?}: {frame:?}");
        assert!(
            (33..=rules.max_frame).contains(&frame.len),
            "{sender:?} passes max_frame {}: {frame:?}",
            rules.max_frame
        );
        assert_eq!(frame.flags & 0xff00, 0, "{sender:?}: reserved {frame:?}");
        let directions = frame.flags & (REQ | RESP | EVENT);
        assert_eq!(
            directions.count_ones(),
            1,
            "{sender:?}: directions {frame:?}"
        );
        let may_carry = sender == Role::Client && frame.is(REQ | START) && frame.app != 0;
        assert!(frame.cap_len == 0 || may_carry, "{sender:?}: {frame:?}");
        match frame.app {
            0 => self.check_control(sender, lane, frame, payload),
            _ if sender == Role::Client => self.check_request(lane, frame),
            _ => self.check_answer(lane, frame),
        }
    }

    fn check_request(&mut self, lane: usize, frame: &Frame) {
        assert!(frame.is(REQ) && frame.code == 0, "Client: {frame:?}");
        if frame.is(START) {
            // Lanes may overtake one another.
            let last = &mut self.last_corr[lane];
            assert!(frame.corr > *last, "an id below the last: {frame:?}");
            *last = frame.corr;
            let again = self.exchanges.insert(
                frame.corr,
                Exchange {
                    app: frame.app,
                    tenant: frame.tenant,
                    lane,
                    flows: Default::default(),
                },
            );
            assert!(again.is_none(), "an id again: {frame:?}");
        }
        self.count(Role::Client, lane, frame);
    }

    fn check_answer(&mut self, lane: usize, frame: &Frame) {
        let allowed = frame.is(RESP) || frame.is(EVENT) && !frame.is(END);
        assert!(allowed, "Server: {frame:?}");
        self.count(Role::Server, lane, frame);
    }

    /// A frame of an exchange: its place, its sequence and its credit.
    fn count(&mut self, sender: Role, lane: usize, frame: &Frame) {
        let first_limit = self.rules[sender as usize].first_limit;
        let exchange = self
            .exchanges
            .get_mut(&frame.corr)
            .unwrap_or_else(|| panic!("{sender:?} sends on what nobody opened: {frame:?}"));
        let same = exchange.app == frame.app && exchange.tenant == frame.tenant;
        assert!(same, "{sender:?} changes app or tenant: {frame:?}");
        assert_eq!(
            exchange.lane, lane,
            "{sender:?} changes the lane: {frame:?}"
        );
        let flow = &mut exchange.flows[sender as usize];
        assert!(
            !flow.ended && !flow.cancelled,
            "{sender:?} sends after its end: {frame:?}"
        );
        if !flow.begun {
            flow.begun = true;
            flow.windowed = frame.is(ACK_REQ);
        }
        flow.ended = frame.is(END);
        let error_body = frame.is(RESP | END) && frame.code >= 400;
        if !error_body {
            flow.sent += u64::from(frame.len) - 33 - u64::from(frame.cap_len);
        }
        let limit = first_limit.max(flow.acked.map_or(0, |(_, limit)| limit));
        assert!(
            !flow.windowed || flow.sent <= limit,
            "{sender:?} passes its window: {} of {limit}: {frame:?}",
            flow.sent
        );
    }

    fn check_control(&mut self, sender: Role, lane: usize, frame: &Frame, payload: &[u8]) {
        assert_eq!(frame.tenant, 0, "{sender:?}: {frame:?}");
        let features = self.rules[sender as usize].features;
        match (frame.flags & (REQ | RESP | EVENT), frame.code) {
            (REQ, 0) if sender == Role::Client && self.hello => {
                assert!(self.hellos == 0 && self.frames == 1, "a late HELLO");
                self.hellos += 1;
            }
            (RESP, 0) if sender == Role::Server => {
                assert!(self.hellos > 0, "a HELLO reply that nobody asked for");
                self.hellos -= 1;
            }
            (RESP, 202) => self.check_ack(sender, lane, frame, payload),
            (EVENT, 0) if frame.is(ACK_REQ) => {
                assert!(features.contains(Features::PING), "{sender:?}: {frame:?}");
                let fresh = frame.corr != 0 && self.pings[sender as usize].insert(frame.corr);
                assert!(fresh, "{sender:?}: a PING again {frame:?}");
            }
            (EVENT, 202) => {
                let asked = self.pings[1 - sender as usize].remove(&frame.corr);
                assert!(asked, "{sender:?}: a PONG nobody asked for {frame:?}");
            }
            (EVENT, 503 | 429) if frame.corr == 0 => {
                assert!(features.contains(Features::GOAWAY), "{sender:?}: {frame:?}");
            }
            (EVENT, 400..=599) => {
                assert!(features.contains(Features::CANCEL), "{sender:?}: {frame:?}");
                let exchange = self.exchanges.get_mut(&frame.corr);
                let flow =
                    exchange.map(|exchange| (exchange.lane, &mut exchange.flows[sender as usize]));
                let Some((own_lane, flow)) = flow else {
                    panic!("{sender:?} cancels what nobody opened: {frame:?}");
                };
                assert!(own_lane == lane && !flow.cancelled, "{sender:?}: {frame:?}");
                flow.cancelled = true;
            }
            (RESP, 400..) if frame.corr == 0 => {}
            _ => panic!("{sender:?} must not send {frame:?}"),
        }
    }

    fn check_ack(&mut self, sender: Role, lane: usize, frame: &Frame, payload: &[u8]) {
        let (consumed, limit) = payload.split_at(8);
        let (consumed, limit) = (number(consumed), number(limit));
        // What it grants bounds the other side.
        let buffer = self.rules[1 - sender as usize].buffer;
        let exchange = self.exchanges.get_mut(&frame.corr);
        let exchange =
            exchange.unwrap_or_else(|| panic!("{sender:?}: an ACK of nothing {frame:?}"));
        assert_eq!(exchange.lane, lane, "{sender:?}: an ACK on another lane");
        assert!(
            !exchange.flows[sender as usize].cancelled,
            "{sender:?}: an ACK after CANCEL {frame:?}"
        );
        let flow = &mut exchange.flows[1 - sender as usize];
        assert!(flow.windowed, "{sender:?}: an ACK without window {frame:?}");
        let (last_consumed, last_limit) = flow.acked.unwrap_or((0, 0));
        let fits = consumed <= flow.sent
            && consumed >= last_consumed
            && limit >= last_limit
            && limit >= consumed
            && limit - consumed <= buffer;
        assert!(
            fits,
            "{sender:?}: an ACK of {consumed} up to {limit} after {:?}, {} sent: {frame:?}",
            flow.acked, flow.sent
        );
        flow.acked = Some((consumed, limit));
    }
}

impl Reader {
    /// Bytes to collect before the frame can be judged.
    fn wanted(&self) -> usize {
        let Some(head) = self.head.first_chunk::<HEADER>() else {
            return HEADER;
        };
        let frame = Frame::parse(head);
        let is_ack = frame.app == 0 && frame.is(RESP) && frame.code == 202 && frame.len == 49;
        HEADER + if is_ack { 16 } else { 0 }
    }
}

impl Frame {
    fn parse(head: &[u8]) -> Self {
        Self {
            len: number(&head[..4]) as u32,
            version: head[4],
            flags: number(&head[5..7]) as u16,
            code: number(&head[7..9]) as u16,
            app: number(&head[9..11]) as u16,
            tenant: u128::from(number(&head[11..19])) | u128::from(number(&head[19..27])) << 64,
            cap_len: number(&head[27..29]) as u16,
            corr: number(&head[29..37]),
        }
    }

    const fn is(&self, flags: u16) -> bool {
        self.flags & flags == flags
    }
}

/// A little-endian number of up to eight bytes.
fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |number, &byte| number << 8 | u64::from(byte))
}
