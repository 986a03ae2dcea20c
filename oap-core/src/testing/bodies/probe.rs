//! What property tests and fuzzers run: arbitrary input against either role, with every bound
//! checked after every step.

use std::string::String;
use std::sync::Arc;
use std::time::Duration;
use std::vec::Vec;
use std::{format, vec};

use bytes::{Buf, Bytes, BytesMut};

use crate::wire::{Decoder, Flags, HEADER_LEN, Header, MAX_FRAME, MIN_LEN};
use crate::{
    Body, Charge, Code, Config, Connection, Consume, Counters, Event, ExchangeId, Fin, Head, Lane,
    Limits, Reason, Role, Timestamp, Verdict,
};

/// Ids that the commands may still know.
const MAX_IDS: usize = 64;

/// Choices out of arbitrary bytes; zeros once these are used up.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((&first, rest)) => {
                self.0 = rest;
                first
            }
            None => 0,
        }
    }

    fn word(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A connection of that role, its limits, and what is known of it from outside.
struct Probe {
    connection: Connection,
    role: Role,
    limits: Limits,
    buf: BytesMut,
    now: Timestamp,
    ids: Vec<ExchangeId>,
    charges: Vec<(ExchangeId, Charge)>,
    output: BytesMut,
    decoder: Decoder,
    closed: bool,
    /// How many exchanges a client has opened.
    opened: u64,
    /// The highest limit in an ACK so far.
    granted: u64,
}

impl Probe {
    fn new(role: Role, config: Config) -> Self {
        let (now, limits) = (Timestamp::ZERO, config.limits);
        let config = Arc::new(config);
        let connection = match role {
            Role::Client => Connection::client(config, now),
            Role::Server => Connection::server(config, now),
        };
        Self {
            connection,
            role,
            limits,
            buf: BytesMut::new(),
            now,
            ids: Vec::new(),
            charges: Vec::new(),
            output: BytesMut::new(),
            decoder: Decoder::new(MAX_FRAME),
            closed: false,
            opened: 0,
            granted: 131_072,
        }
    }

    fn input(&mut self, bytes: &[u8]) {
        if self.connection.interest().read {
            self.buf.extend_from_slice(bytes);
            self.connection
                .handle_input(Lane::FIRST, self.now, &mut self.buf);
        }
        self.go_on();
    }

    /// Decodes on while the connection asks for it.
    fn go_on(&mut self) {
        for _ in 0..10_000 {
            if !self.connection.interest().again {
                return;
            }
            let before = self.buf.len();
            self.connection
                .handle_input(Lane::FIRST, self.now, &mut self.buf);
            if self.buf.len() == before && self.connection.interest().again {
                panic!("it asks to be called again, and nothing moves");
            }
        }
    }

    fn events(&mut self, most: usize) {
        for _ in 0..most {
            assert_eq!(
                self.connection.interest().event,
                !self.connection_events_empty(),
                "interest() tells of events"
            );
            let Some(event) = self.connection.poll_event() else {
                return;
            };
            assert!(!self.closed, "an event after the last one: {event:?}");
            match event {
                Event::Opened { id, payload, .. } | Event::Data { id, payload, .. } => {
                    self.keep(id, payload.charge());
                }
                Event::Pushed { id, payload, .. } => self.keep(id, payload.charge()),
                Event::Authorize { id, .. } => self.remember(id),
                Event::Closed(_) => self.closed = true,
                _ => {}
            }
        }
    }

    fn connection_events_empty(&self) -> bool {
        !self.connection.interest().event
    }

    fn remember(&mut self, id: ExchangeId) {
        if !self.ids.contains(&id) {
            if self.ids.len() >= MAX_IDS {
                self.ids.remove(0);
            }
            self.ids.push(id);
        }
    }

    fn keep(&mut self, id: ExchangeId, charge: Charge) {
        self.remember(id);
        self.charges.push((id, charge));
    }

    /// Takes at most so much of what waits to be written, and checks that it is frames.
    fn transmit(&mut self, most: usize) {
        let Some(mut out) = self.connection.poll_transmit(Lane::FIRST, self.now) else {
            assert!(
                !self.connection.interest().write,
                "it wants to write, and has nothing"
            );
            return;
        };
        let mut left = most;
        while left > 0 && out.has_remaining() {
            let chunk = out.chunk();
            assert!(
                !chunk.is_empty(),
                "bytes are left and an empty chunk is lent"
            );
            let take = chunk.len().min(left);
            self.output.extend_from_slice(&chunk[..take]);
            out.advance(take);
            left -= take;
        }
        while let Some(frame) = self
            .decoder
            .decode(&mut self.output)
            .expect("what goes out is frames")
        {
            let flags = frame.header.flags;
            assert_eq!(
                flags.directions().bits().count_ones(),
                1,
                "a frame of this side's has one direction: {flags:?}"
            );
            assert!(!flags.has_reserved());
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        self.connection.handle_timeout(self.now);
        if let Some(deadline) = self.connection.interest().deadline {
            assert!(
                deadline > self.now,
                "the deadline {deadline:?} stays due at {:?}",
                self.now
            );
        }
        self.go_on();
    }

    /// The bounds that hold at any moment.
    fn check(&self) {
        let inflight = usize::from(self.limits.max_inflight());
        match self.role {
            Role::Server => assert!(
                self.connection.exchanges() <= inflight,
                "{} exchanges of {inflight}",
                self.connection.exchanges()
            ),
            Role::Client => assert!(self.connection.exchanges() <= usize::from(u16::MAX)),
        }
        assert!(
            self.connection.held_bytes() <= self.limits.buffer_bytes(),
            "{} bytes held of {}",
            self.connection.held_bytes(),
            self.limits.buffer_bytes()
        );
        let largest = MAX_FRAME as usize + 4;
        assert!(
            !self.connection.interest().read || self.buf.len() <= largest,
            "an incomplete frame of {} bytes",
            self.buf.len()
        );
        if self.connection.is_closed() {
            assert!(!self.connection.interest().read && !self.connection.interest().again);
        }
    }

    /// Takes everything that is left, and checks that it is an end.
    fn finish(mut self) {
        let mut calm = 0;
        for _ in 0..100_000 {
            self.events(usize::MAX);
            for (id, charge) in self.charges.split_off(0) {
                if self.connection.config().consume == Consume::Manually {
                    self.connection.consumed(id, charge);
                }
            }
            self.transmit(usize::MAX);
            self.go_on();
            self.check();
            let interest = self.connection.interest();
            if interest.event || interest.write || interest.again {
                continue;
            }
            calm += 1;
            if calm > 100 || interest.done {
                return;
            }
            let Some(deadline) = interest.deadline else {
                return;
            };
            self.pass(deadline.saturating_since(self.now));
        }
        panic!("it never comes to rest");
    }
}

fn config(choices: &mut Choices<'_>) -> Config {
    let max_frame = choices.pick(&[1_048_576, 4_096, 8_192, 65_536]);
    let max_inflight = choices.pick(&[64, 1, 2, 8]);
    let most = max_frame * 8 / u32::from(max_inflight);
    let limits = Limits::builder()
        .max_frame(max_frame)
        .max_inflight(max_inflight)
        .ack_window(choices.pick(&[4_096, 131_072, most]).min(most).max(4_096))
        .chunk(choices.pick(&[65_536, 4_096, 1_048_543]))
        .send_buffer(choices.pick(&[262_144, 1, 5_000]))
        .build()
        .unwrap_or_default();
    let bits = choices.byte();
    Config {
        limits,
        hello: bits & 1 == 0,
        windows: bits & 2 == 0,
        authorize: bits & 4 != 0,
        explicit_release: bits & 8 != 0,
        consume: match bits & 16 {
            0 => Consume::OnDelivery,
            _ => Consume::Manually,
        },
        hash_key: 7,
        ..Config::default()
    }
}

/// Arbitrary bytes as a peer's, in arbitrary pieces.
///
/// # Panics
/// If a bound is passed.
pub fn any_bytes(role: Role, data: &[u8]) {
    let mut choices = Choices(data);
    let mut probe = Probe::new(role, config(&mut choices));
    let pieces = choices.pick(&[1, 3, 37, 4_096]);
    let data = choices.0;
    for piece in data.chunks(pieces) {
        probe.input(piece);
        probe.check();
        probe.events(1);
        probe.transmit(50);
    }
    probe.finish();
}

/// Arbitrary frames, commands and times, mostly such as make sense. Returns what was counted, so that
/// a test can tell how far the input led.
///
/// # Panics
/// If a bound is passed.
pub fn any_frames(role: Role, data: &[u8]) -> Counters {
    let mut choices = Choices(data);
    let mut probe = Probe::new(role, config(&mut choices));
    while !choices.is_empty() {
        match choices.below(20) {
            0..=9 => {
                let wire = frame(&mut probe, &mut choices);
                let piece = choices.pick(&[usize::MAX, 1, 30, 38]);
                for piece in wire.chunks(piece) {
                    probe.input(piece);
                }
            }
            10 | 11 => probe.events(choices.below(20)),
            12 | 13 => {
                let most = choices.pick(&[usize::MAX, 0, 1, 40, 5_000]);
                probe.transmit(most);
            }
            14 => {
                let long = choices.byte() < 12;
                let millis = match long {
                    true => choices.pick(&[1_100, 5_000, 10_000, 31_000, 61_000]),
                    false => choices.pick(&[0, 1, 20, 150]),
                };
                probe.pass(Duration::from_millis(millis));
            }
            _ => command(&mut probe, &mut choices),
        }
        probe.check();
    }
    let counters = probe.connection.counters().clone();
    probe.finish();
    counters
}

fn command(probe: &mut Probe, choices: &mut Choices<'_>) {
    let now = probe.now;
    let body = Body::from(vec![7; usize::from(choices.word()) % 20_000]);
    let fin = choices.pick(&[Fin::End, Fin::More]);
    let code = Code::new(choices.pick(&[0, 200, 404, 429, 503, 999]));
    let mut kind = choices.below(14);
    if probe.role == Role::Client && matches!(kind, 8 | 9 | 10 | 12 | 13) {
        // What only a server does is tried by a client now and then.
        kind = if choices.byte() < 20 { kind } else { 0 };
    }
    match kind {
        0 | 1 => {
            let mut head = Head::new(choices.pick(&[1, 2, 0]));
            if choices.byte() & 7 == 0 {
                head.capability = Bytes::from_static(b"capability");
            }
            if let Ok(id) = probe.connection.request(now, head, body, fin) {
                probe.opened += 1;
                probe.remember(id);
            }
            return;
        }
        2 => drop(probe.connection.ping(now)),
        3 if choices.byte() & 15 == 0 => probe.connection.drain(),
        4 if choices.byte() & 31 == 0 => probe.connection.close(),
        5 => {
            let count = choices.below(8);
            for _ in 0..count.min(probe.charges.len()) {
                let (id, charge) = probe.charges.remove(0);
                if probe.connection.config().consume == Consume::Manually {
                    probe.connection.consumed(id, charge);
                }
            }
            probe.go_on();
            return;
        }
        6 if choices.byte() & 31 == 0 => {
            let mut buf = core::mem::take(&mut probe.buf);
            probe.connection.handle_eof(Lane::FIRST, now, &mut buf);
            probe.buf = buf;
        }
        _ => {}
    }
    let at = choices.byte();
    let Some(id) = probe.ids.get(usize::from(at) % MAX_IDS).copied() else {
        return;
    };
    let Some(exchange) = probe.connection.exchange(id) else {
        return;
    };
    match kind {
        7 => drop(exchange.send(code, body, fin)),
        8 => drop(exchange.respond(code, body)),
        9 => drop(exchange.push(code, body)),
        10 => drop(exchange.fail(code, Reason::NotFound, "nothing there")),
        11 => exchange.cancel(code, Reason::Cancelled),
        12 => exchange.release(),
        13 => {
            let verdict = choices.pick(&[Verdict::Allow, Verdict::Deny]);
            exchange.authorize(now, verdict);
        }
        _ => {}
    }
    probe.go_on();
}

const BODIES: &[&[u8]] = &[
    b"",
    b"{}",
    br#"{"features":["cancel","ping","goaway"],"ack_window":131072,"comp":["zlib"]}"#,
    br#"{"max_frame":4096,"max_inflight":2,"ack_window":4096}"#,
    br#"{"server_version":"x","max_frame":65536,"max_inflight":3,"supported_flags":[],"oap_versions":[1],"transports":[],"features":["cancel","ping","goaway"],"ack_window":4096,"idle_timeout_ms":1000}"#,
    br#"{"code":"bad_hello","message":"","retryable":false,"corr_id":"0"}"#,
    br#"{"code":"flood","message":"","retryable":true,"corr_id":"0","retry_after_ms":5}"#,
    b"{\"max_frame\":1}",
];

/// One frame as a peer might send it; nearly all are such as do not end the connection.
fn frame(probe: &mut Probe, choices: &mut Choices<'_>) -> Vec<u8> {
    let control = choices.below(4) == 0;
    let (mut flags, mut code, mut corr, payload) = match control {
        true => control_frame(probe, choices),
        false => app_frame(probe, choices),
    };
    let mut app = if control { 0 } else { 1 };
    let mut tenant = 0;
    let mut cap_len = 0;
    // One field in a few hundred frames is anything at all.
    match choices.word() % 400 {
        0 => flags ^= 1 << choices.below(16),
        1 => code = choices.word(),
        2 => corr = u64::from(choices.word()),
        3 => corr = u64::MAX,
        4 => app = choices.word(),
        5 => tenant = 1,
        6..=30 => cap_len = choices.below(20).min(payload.len()),
        _ => {}
    }
    if flags & Flags::START.bits() == 0 && choices.byte() != 0 {
        cap_len = 0;
    }
    let header = Header {
        len: MIN_LEN + payload.len() as u32,
        flags: Flags::from_bits(flags),
        code: Code::new(code),
        app_proto_id: app,
        tenant_id: tenant,
        cap_len: cap_len as u16,
        corr_id: corr,
    };
    let mut wire = header.encode().to_vec();
    wire.extend_from_slice(&payload);
    wire
}

/// Flags, code, `corr_id` and payload.
type Parts = (u16, u16, u64, Vec<u8>);

fn control_frame(probe: &mut Probe, choices: &mut Choices<'_>) -> Parts {
    let corr = 1 + choices.below(12) as u64;
    let known = match probe.role {
        Role::Server => corr,
        Role::Client => probe.opened.min(corr),
    };
    match choices.below(16) {
        // HELLO, or the answer to it.
        0 if choices.below(4) == 0 => {
            let body = choices.pick(BODIES).to_vec();
            match (probe.role, choices.below(4)) {
                (Role::Server, _) => (0x19, 0, 0, body),
                (Role::Client, 0) => (0x12, 400, 0, BODIES[5].to_vec()),
                (Role::Client, 1) => (0x12, 200, 0, body),
                (Role::Client, _) => (0x12, 0, 0, BODIES[4].to_vec()),
            }
        }
        // PING, PONG, GOAWAY.
        1 | 2 => (0x24, 0, corr, Vec::new()),
        3 => (0x04, 202, corr, Vec::new()),
        4 if choices.below(8) == 0 => (0x04, 503, 0, BODIES[6].to_vec()),
        // CANCEL.
        5..=8 => (0x04, 408, corr, Vec::new()),
        // ACK: nothing consumed, but the limit grows.
        _ if known > 0 => {
            probe.granted += u64::from(choices.word());
            let mut ack = [0; 8].to_vec();
            ack.extend(probe.granted.to_le_bytes());
            (0x02, 202, known, ack)
        }
        _ => (0x04, 7, corr, Vec::new()),
    }
}

fn app_frame(probe: &Probe, choices: &mut Choices<'_>) -> Parts {
    let corr = 1 + choices.below(12) as u64;
    let size = match choices.byte() {
        0..=100 => 0,
        101..=220 => usize::from(choices.byte()),
        _ => usize::from(choices.word()) % 8_000,
    };
    let payload = vec![choices.byte(); size];
    if probe.role == Role::Server {
        let flags = choices.pick(&[
            0x09, 0x01, 0x19, 0x01, 0x29, 0x21, 0x11, 0x01, 0x49, 0x59, 0xc1, 0x39, 0x31, 0x04,
        ]);
        return (flags, 0, corr, payload);
    }
    let event = choices.below(4) == 0;
    if event || probe.opened == 0 {
        return (choices.pick(&[0x04, 0x24]), 200, corr, payload);
    }
    // The newest exchanges are the ones that are open.
    let corr = probe.opened - (corr - 1).min(probe.opened - 1);
    let flags = choices.pick(&[0x02, 0x12, 0x0a, 0x2a, 0x22, 0x02, 0x42, 0x92, 0x1a, 0x32]);
    (flags, choices.pick(&[200, 0, 206, 404, 429]), corr, payload)
}

/// What a connection makes of a stream that comes in these pieces: its events and, taken at the end,
/// its output. An echo application answers.
///
/// # Panics
/// If a bound is passed.
pub fn transcript(role: Role, wire: &[u8], pieces: &[usize]) -> (Vec<String>, Vec<u8>) {
    let mut probe = Probe::new(role, Config::default());
    let mut known = Vec::new();
    if role == Role::Client {
        for corr in 0..8 {
            let fin = if corr % 2 == 0 { Fin::End } else { Fin::More };
            let body = Bytes::from_static(b"request").into();
            if let Ok(id) = probe.connection.request(probe.now, Head::new(1), body, fin) {
                known.push((id, corr + 1));
            }
        }
    }
    let mut seen = Vec::new();
    let (mut at, mut turn) = (0, 0);
    while at < wire.len() {
        let size = pieces.get(turn).copied().unwrap_or(usize::MAX).max(1);
        let end = at.saturating_add(size).min(wire.len());
        turn += 1;
        probe.buf.extend_from_slice(&wire[at..end]);
        at = end;
        let mut buf = core::mem::take(&mut probe.buf);
        probe
            .connection
            .handle_input(Lane::FIRST, probe.now, &mut buf);
        probe.buf = buf;
        loop {
            while let Some(event) = probe.connection.poll_event() {
                seen.push(described(&mut known, &event));
                echo(&mut probe.connection, event);
            }
            if !probe.connection.interest().again {
                break;
            }
            probe.go_on();
        }
        probe.check();
    }
    let mut output = Vec::new();
    while let Some(mut out) = probe.connection.poll_transmit(Lane::FIRST, probe.now) {
        while out.has_remaining() {
            output.extend_from_slice(out.chunk());
            let taken = out.chunk().len();
            out.advance(taken);
        }
    }
    assert!(probe.buf.len() < HEADER_LEN || probe.connection.interest().read);
    (seen, output)
}

/// The event with the exchange's `corr_id` in place of its handle, which depends on what else was
/// open at that moment.
fn described(known: &mut Vec<(ExchangeId, u64)>, event: &Event) -> String {
    if let Event::Opened { id, start, .. } | Event::Authorize { id, start } = event {
        known.push((*id, start.corr_id));
    }
    let id = match event {
        Event::Opened { id, .. }
        | Event::Authorize { id, .. }
        | Event::Data { id, .. }
        | Event::Pushed { id, .. }
        | Event::Truncated { id }
        | Event::Ended { id, .. }
        | Event::Writable { id } => id,
        _ => return format!("{event:?}"),
    };
    let corr = known.iter().rev().find(|(other, _)| other == id);
    let corr = corr.map_or(0, |(_, corr)| *corr);
    format!("{event:?}").replace(&format!("{id:?}"), &format!("#{corr}"))
}

fn echo(connection: &mut Connection, event: Event) {
    if connection.role() == Role::Client {
        return;
    }
    let (id, payload, fin) = match event {
        Event::Opened {
            id, payload, fin, ..
        }
        | Event::Data {
            id, payload, fin, ..
        } => (id, payload, fin),
        Event::Ended { id, .. } => {
            if let Some(exchange) = connection.exchange(id) {
                exchange.release();
            }
            return;
        }
        _ => return,
    };
    if let Some(exchange) = connection.exchange(id) {
        let _ = exchange.send(Code::OK, payload.into_wire_bytes().into(), fin);
    }
}
