//! What a hostile peer can make an endpoint hold: at any moment at most two bytes for each byte that
//! it sent, and 16 KiB; where a verifier is set, 160 bytes more for each exchange. The buffer that the host reads into counts.

mod counting;

use std::sync::Arc;

use bytes::{Buf, BytesMut};
use oap_core::wire::{Flags, Header, MIN_LEN};
use oap_core::{Code, Config, Connection, Event, Lane, Timestamp, Verdict};

const PER_BYTE: usize = 2;
const BASE: usize = 16 * 1024;
/// What 64 exchanges that wait for their verdicts may take besides.
const PARKED: usize = 64 * 160;
/// What the host reads at once.
const READ: usize = 4_096;

const START: Flags = Flags::from_bits(0x09);
const CHUNK: Flags = Flags::from_bits(0x01);
const ONE_SHOT: Flags = Flags::from_bits(0x19);
const WINDOWED_START: Flags = Flags::from_bits(0x29);
const WINDOWED_CHUNK: Flags = Flags::from_bits(0x21);
const CONTROL_EVENT: Flags = Flags::from_bits(0x04);
const PING: Flags = Flags::from_bits(0x24);
const RESP: Flags = Flags::from_bits(0x02);
const PUSHED: Flags = Flags::from_bits(0x04);

/// What the application does with events.
#[derive(Clone, Copy, PartialEq)]
enum App {
    /// It takes and forgets them, and answers nothing.
    Deaf,
    /// It takes them, and releases what has ended.
    Tidy,
    /// It does not take them.
    Absent,
}

/// What the transport does with output.
#[derive(Clone, Copy, PartialEq)]
enum Out {
    /// Nobody asks for it.
    Unasked,
    /// It is asked for, and none of it leaves.
    Stuck,
    /// It leaves.
    Flows,
}

fn frame(flags: Flags, app: u16, corr_id: u64, code: u16, payload: &[u8]) -> Vec<u8> {
    let header = Header {
        len: MIN_LEN + payload.len() as u32,
        flags,
        code: Code::new(code),
        app_proto_id: app,
        tenant_id: 0,
        cap_len: 0,
        corr_id,
    };
    let mut wire = header.encode().to_vec();
    wire.extend_from_slice(payload);
    wire
}

const HELLO: &[u8] =
    br#"{"features":["cancel","ping","goaway"],"ack_window":131072,"comp":["zlib"]}"#;

fn server() -> Connection {
    Connection::server(Arc::new(Config::default()), Timestamp::ZERO)
}

/// Feeds `wire` as the host would, and checks what is held after every read. Returns how many bytes
/// the connection was willing to read.
fn feed(
    name: &str,
    mut connection: Connection,
    wire: &[u8],
    read: usize,
    app: App,
    out: Out,
) -> usize {
    let before = counting::live();
    counting::take_peak();
    let mut buf = BytesMut::new();
    let mut sent = 0;
    let mut worst = (0_isize, 0, 0);
    let mut micros = 0;
    while sent < wire.len() && !connection.is_closed() {
        micros += 1;
        let now = Timestamp::from_micros(micros);
        let interest = connection.interest();
        if interest.read {
            let end = wire.len().min(sent + read);
            buf.extend_from_slice(&wire[sent..end]);
            sent = end;
        } else if !interest.again {
            break;
        }
        connection.handle_input(Lane::FIRST, now, &mut buf);
        if app != App::Absent {
            while let Some(event) = connection.poll_event() {
                let ended = match &event {
                    Event::Ended { id, .. } => Some(*id),
                    _ => None,
                };
                drop(event);
                if app == App::Tidy {
                    if let Some(exchange) = ended.and_then(|id| connection.exchange(id)) {
                        exchange.release();
                    }
                }
            }
        }
        if out != Out::Unasked {
            if let Some(mut transmit) = connection.poll_transmit(Lane::FIRST, now) {
                if out == Out::Flows {
                    transmit.advance(transmit.remaining());
                }
            }
        }
        let held = counting::take_peak() - before;
        let excess = held as isize - (PER_BYTE * sent) as isize;
        if excess > worst.0 {
            worst = (excess, held, sent);
        }
    }
    let (excess, held, at) = worst;
    let base = if connection.config().authorize {
        BASE + PARKED
    } else {
        BASE
    };
    println!("{name}: {sent} bytes sent, worst {held} held at {at} ({excess} of {base} over)");
    assert!(
        excess <= base as isize,
        "{name}: {held} bytes held after {at} hostile bytes, {} too many",
        excess - base as isize
    );
    sent
}

/// Every way to treat events and output.
fn feed_all(name: &str, connection: impl Fn() -> Connection, wire: &[u8]) {
    let mut failed = Vec::new();
    for (app, app_name) in [
        (App::Deaf, "deaf"),
        (App::Tidy, "tidy"),
        (App::Absent, "absent"),
    ] {
        for (out, out_name) in [
            (Out::Unasked, "unasked"),
            (Out::Stuck, "stuck"),
            (Out::Flows, "flows"),
        ] {
            for read in [37, READ] {
                let name = format!("{name}, {app_name}, {out_name}, reads of {read}");
                let connection = connection();
                let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    feed(&name, connection, wire, read, app, out);
                }));
                if result.is_err() {
                    failed.push(name);
                }
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

/// A server that knows its peer's HELLO.
fn greeted() -> Connection {
    let mut connection = server();
    let mut buf = BytesMut::from(&frame(ONE_SHOT, 0, 0, 0, HELLO)[..]);
    connection.handle_input(Lane::FIRST, Timestamp::ZERO, &mut buf);
    while connection.poll_event().is_some() {}
    if let Some(mut out) = connection.poll_transmit(Lane::FIRST, Timestamp::ZERO) {
        out.advance(out.remaining());
    }
    connection
}

#[test]
fn sixty_four_starts_and_sixty_four_refused_ones() {
    for size in [0, 1, 64, 600] {
        let wire: Vec<u8> = (1..=128)
            .flat_map(|corr| frame(START, 1, corr, 0, &vec![7; size]))
            .collect();
        feed_all(&format!("starts of {size}"), server, &wire);
    }
}

#[test]
fn whole_requests_that_nobody_answers() {
    let wire: Vec<u8> = (1..=2_000)
        .flat_map(|corr| frame(ONE_SHOT, 1, corr, 0, b"x"))
        .collect();
    feed_all("requests", server, &wire);
    feed_all("requests after HELLO", greeted, &wire);
}

#[test]
fn empty_frames() {
    let mut wire = Vec::new();
    for corr in 1..=64 {
        wire.extend(frame(START, 1, corr, 0, b""));
        for _ in 0..100 {
            wire.extend(frame(CHUNK, 1, corr, 0, b""));
        }
    }
    feed_all("empty frames", server, &wire);
}

#[test]
fn a_large_frame_byte_by_byte() {
    let payload = vec![7; 1_048_576 - 33];
    let wire = frame(ONE_SHOT, 1, 1, 0, &payload);
    for read in [1, 1_500, 65_536] {
        feed("1 MiB", server(), &wire, read, App::Deaf, Out::Flows);
    }
}

#[test]
fn pings() {
    let wire: Vec<u8> = (1..=20_000)
        .flat_map(|nonce| frame(PING, 0, nonce, 0, b""))
        .collect();
    feed_all("pings", server, &wire);
    feed_all("pings after HELLO", greeted, &wire);
}

// OAP-10-10
#[test]
fn a_peer_that_never_reads_is_soon_not_read_any_more() {
    let wire: Vec<u8> = (1..=30_000)
        .flat_map(|nonce| frame(PING, 0, nonce, 0, b""))
        .collect();
    let sent = feed("pings", greeted(), &wire, READ, App::Tidy, Out::Stuck);
    assert!(
        sent <= 512 * 1024,
        "{sent} bytes were read while no reply could leave"
    );
}

#[test]
fn hellos() {
    let wire: Vec<u8> = (0..200)
        .flat_map(|corr| frame(CHUNK, 0, corr, 0, b""))
        .collect();
    feed_all("empty hellos", server, &wire);
    let wire: Vec<u8> = (0..200)
        .flat_map(|corr| frame(CHUNK, 0, corr, 0, HELLO))
        .collect();
    feed_all("hellos", server, &wire);
    let wire: Vec<u8> = (0..200)
        .flat_map(|corr| frame(CHUNK, 0, corr, 0, b"{"))
        .collect();
    feed_all("bad hellos", server, &wire);
    let keys: Vec<String> = (0..500).map(|key| format!("\"{key}\":0")).collect();
    let body = format!("{{{}}}", keys.join(","));
    assert!(body.len() <= 4_096);
    let wire = frame(CHUNK, 0, 0, 0, body.as_bytes());
    feed_all("a hello of keys", server, &wire);
}

#[test]
fn tiny_windowed_frames() {
    let mut wire = Vec::new();
    for corr in 1..=64 {
        wire.extend(frame(WINDOWED_START, 1, corr, 0, b"x"));
    }
    for _ in 0..400 {
        for corr in 1..=64 {
            wire.extend(frame(WINDOWED_CHUNK, 1, corr, 0, b"x"));
        }
    }
    feed_all("tiny windowed frames", server, &wire);
}

#[test]
fn tiny_frames_without_window() {
    let mut wire = frame(START, 1, 1, 0, b"x");
    for _ in 0..40_000 {
        wire.extend(frame(CHUNK, 1, 1, 0, b"x"));
    }
    feed_all("tiny frames", server, &wire);
}

/// A server that asks for a verdict on every exchange.
fn guarded() -> Connection {
    let config = Config {
        authorize: true,
        ..Config::default()
    };
    Connection::server(Arc::new(config), Timestamp::ZERO)
}

fn tiny_requests(exchanges: u64, rounds: usize) -> Vec<u8> {
    let mut wire = Vec::new();
    for corr in 1..=exchanges {
        wire.extend(frame(START, 1, corr, 0, b"x"));
    }
    for _ in 0..rounds {
        for corr in 1..=exchanges {
            wire.extend(frame(CHUNK, 1, corr, 0, b"x"));
        }
    }
    wire
}

#[test]
fn tiny_frames_that_wait_for_a_verdict() {
    feed_all("a parked request", guarded, &tiny_requests(1, 40_000));
    feed_all("parked requests", guarded, &tiny_requests(64, 400));
    feed_all("parked starts", guarded, &tiny_requests(64, 0));
}

#[test]
fn verdicts_given_all_at_once() {
    for (exchanges, rounds) in [(1, 30_000), (64, 0), (64, 1), (64, 400)] {
        let wire = tiny_requests(exchanges, rounds);
        let mut ids = Vec::with_capacity(64);
        let before = counting::live();
        counting::take_peak();
        let mut connection = guarded();
        let mut buf = BytesMut::new();
        for piece in wire.chunks(READ) {
            buf.extend_from_slice(piece);
            loop {
                connection.handle_input(Lane::FIRST, Timestamp::ZERO, &mut buf);
                while let Some(event) = connection.poll_event() {
                    if let Event::Authorize { id, .. } = event {
                        ids.push(id);
                    }
                }
                if !connection.interest().again {
                    break;
                }
            }
        }
        assert_eq!((ids.len() as u64, buf.len()), (exchanges, 0));
        for &id in &ids {
            let exchange = connection.exchange(id).expect("it waits");
            exchange.authorize(Timestamp::ZERO, Verdict::Allow);
        }
        let mut frames = 0;
        while let Some(event) = connection.poll_event() {
            let brings = matches!(event, Event::Opened { .. } | Event::Data { .. });
            frames += u64::from(brings);
        }
        assert_eq!(frames, exchanges * (rounds as u64 + 1), "all of it came");
        let held = counting::take_peak() - before;
        let allowed = PER_BYTE * wire.len() + BASE + PARKED;
        println!("{exchanges} x {rounds}: {held} held of {allowed}");
        assert!(
            held <= allowed,
            "{exchanges} x {rounds}: {held} held of {allowed}"
        );
    }
}

#[test]
fn frames_that_come_too_late() {
    let mut wire = Vec::new();
    for corr in 1..=900 {
        // A START in a second direction is refused, and its id is remembered.
        wire.extend(frame(Flags::from_bits(0x0b), 1, corr, 0, b""));
        for _ in 0..4 {
            wire.extend(frame(CHUNK, 1, corr, 0, b"late"));
        }
    }
    feed_all("late frames", server, &wire);
}

#[test]
fn cancels() {
    let mut wire = Vec::new();
    for corr in 1..=2_000 {
        wire.extend(frame(START, 1, corr, 0, b""));
        wire.extend(frame(CONTROL_EVENT, 0, corr, 408, b""));
    }
    feed_all("cancels", server, &wire);
    feed_all("cancels after HELLO", greeted, &wire);
}

#[test]
fn noise() {
    let mut state = 1_u64;
    let mut wire = Vec::new();
    for _ in 0..16_384 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        wire.extend_from_slice(&state.to_be_bytes());
    }
    feed_all("noise", server, &wire);
}

#[test]
fn answers_and_events_that_nobody_asked_for() {
    let client = || {
        let config = Config {
            hello: false,
            ..Config::default()
        };
        Connection::client(Arc::new(config), Timestamp::ZERO)
    };
    let wire: Vec<u8> = (1..=5_000)
        .flat_map(|corr| frame(PUSHED, 1, corr, 0, b"x"))
        .collect();
    feed_all("events at a client", client, &wire);
    let wire: Vec<u8> = (1..=5_000)
        .flat_map(|corr| frame(RESP, 1, corr, 0, b"x"))
        .collect();
    feed_all("answers at a client", client, &wire);
}
