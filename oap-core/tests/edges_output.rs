//! What is encoded when: how far ahead of the transport, in which order, in which pieces.

mod support;

use std::io::IoSlice;

use bytes::{Buf, Bytes};
use oap_core::{Body, Code, Event, ExchangeId, Fin, Head, Lane, Reason, SendError};
use support::*;

const HEADER: usize = 37;
const SECOND: Lane = Lane(1);

/// Servers with `count` requests that wait for their answers.
fn asked(count: u64) -> (Endpoint, Vec<ExchangeId>) {
    let mut server = Endpoint::server();
    let ids = (1..=count).map(|corr| server.open(&request(corr, b"")));
    let ids = ids.collect();
    (server, ids)
}

fn queued(server: &mut Endpoint, id: ExchangeId) -> usize {
    server.conn.exchange(id).expect("it is open").queued_bytes()
}

fn encoded(server: &mut Endpoint) -> usize {
    let lent = server.conn.poll_transmit(Lane::FIRST, server.now);
    lent.map_or(0, |bytes| bytes.remaining())
}

#[test]
fn some_256_kib_are_encoded_ahead_and_no_more() {
    let (mut server, ids) = asked(8);
    for id in ids {
        server.send(id, 200, &pattern(100_000), Fin::End);
    }
    let ahead = encoded(&mut server);
    assert!((262_144..262_144 + 65_536).contains(&ahead), "{ahead}");
}

#[test]
fn a_body_waits_where_256_kib_are_encoded() {
    for (missing, waits) in [(0, true), (1, false)] {
        let (mut server, ids) = asked(5);
        for id in &ids[..3] {
            server.send(*id, 200, &pattern(65_536 - HEADER), Fin::More);
        }
        server.send(ids[3], 200, &pattern(65_536 - HEADER - missing), Fin::More);
        server.send(ids[4], 200, b"0123456789", Fin::More);
        assert_eq!(queued(&mut server, ids[4]), if waits { 10 } else { 0 });
    }
}

#[test]
fn replies_and_acks_wait_where_1_kib_is_encoded() {
    for (missing, waits) in [(0, true), (1, false)] {
        let size = 1_024 - HEADER - missing;
        let (mut server, ids) = asked(1);
        server.send(ids[0], 200, &pattern(size), Fin::More);
        server.feed(&ping(7));
        let pong = if waits { 0 } else { HEADER };
        assert_eq!(encoded(&mut server), HEADER + size + pong);

        let (mut server, ids) = asked(1);
        let upload = server.open(&frame(REQ | START | ACK_REQ, 2));
        server.send(ids[0], 200, &pattern(size), Fin::More);
        server.feed(&frame(REQ | ACK_REQ, 2).payload(b"more"));
        assert_eq!(server.conn.exchange(upload).expect("open").corr_id(), 2);
        let ack = if waits { 0 } else { HEADER + 16 };
        assert_eq!(encoded(&mut server), HEADER + size + ack);
    }
}

#[test]
fn frames_leave_in_one_gathered_write() {
    let (mut server, ids) = asked(2);
    for id in &ids {
        server.send(*id, 200, &pattern(1_000), Fin::End);
    }
    let bytes = server.conn.poll_transmit(Lane::FIRST, server.now);
    let bytes = bytes.expect("two answers");
    let mut slices = [IoSlice::new(&[]); 8];
    let used = bytes.chunks_vectored(&mut slices);
    assert!(used > 1);
    let gathered: Vec<u8> = slices[..used]
        .iter()
        .flat_map(|slice| slice.to_vec())
        .collect();
    assert_eq!(gathered.len(), bytes.remaining());
    assert_eq!(gathered, server.bytes_on(Lane::FIRST, usize::MAX));
}

#[test]
fn lanes_take_turns() {
    let mut server = Endpoint::server_with(|config| config.multi_lane = true);
    for (lane, corr) in [(Lane::FIRST, 1), (SECOND, 2)] {
        server.feed_on(lane, &request(corr, b""));
        let id = server.opened();
        server.send(id, 200, &pattern(1_000_000), Fin::End);
    }
    let turns: Vec<_> = (0..6)
        .filter_map(|_| server.conn.poll_writable_lane(|_| true))
        .collect();
    assert_eq!(turns, [Lane::FIRST, SECOND].repeat(3));
}

#[test]
fn a_writer_is_told_of_room_below_the_bound_and_not_at_it() {
    let mut server = Endpoint::server_with(|config| {
        config.limits = limits(|l| l.send_buffer(1_000));
    });
    server.feed(&hello(r#"{"ack_window":4096}"#));
    server.events();
    server.frames();
    let id = server.open(&request(1, b""));
    server.send(id, 200, &pattern(4_096), Fin::More);
    server.send(id, 200, &pattern(900), Fin::More);
    server.send(id, 200, &pattern(1_100), Fin::More);
    let send = |server: &mut Endpoint, fin| {
        let exchange = server.conn.exchange(id).expect("it is open");
        exchange.send(Code::OK, b"more".as_slice().into(), fin)
    };
    assert_eq!(send(&mut server, Fin::More), Err(SendError::Full));
    server.frames();
    server.feed(&ack(1, 1_000, 5_096));
    server.frames();
    assert_eq!(queued(&mut server, id), 1_000);
    assert!(server.events().is_empty());
    server.feed(&ack(1, 1_001, 5_097));
    server.frames();
    assert_eq!(server.one_event(), Event::Writable { id });
    // The last body is taken whatever waits.
    server.send(id, 200, &pattern(500), Fin::More);
    assert_eq!(send(&mut server, Fin::More), Err(SendError::Full));
    assert_eq!(send(&mut server, Fin::End), Ok(()));
}

// OAP-1-11
#[test]
fn an_answer_that_needs_more_credit_than_can_come_ends() {
    let mut server = Endpoint::server();
    let id = server.open(&frame(REQ | START | END | ACK_REQ, 1));
    server.eof();
    server.send(id, 200, &pattern(131_072), Fin::More);
    server.frames();
    server.assert_silent();
    server.send(id, 200, b"x", Fin::End);
    let (ended, violation) = ended_for(&server.one_event());
    assert_eq!((ended, violation.clause), (id, "OAP-1-11"));
    assert_eq!(violation.reason, Reason::Io);
}

// OAP-8-1
#[test]
fn compressed_answers_go_only_to_who_takes_them() {
    let (mut server, ids) = asked(1);
    let exchange = server.conn.exchange(ids[0]).expect("it is open");
    let body = Body::compressed(b"whatever".as_slice().into());
    let refused = exchange.send(Code::OK, body, Fin::End);
    assert_eq!(refused, Err(SendError::Unsupported));
}

/// A client whose peer takes 4,063 bytes in a frame.
fn narrow() -> Endpoint {
    Endpoint::client_told(r#"{"comp":["zlib"],"max_frame":4096}"#)
}

// OAP-8-1
#[test]
fn a_body_is_compressed_up_to_the_bound_and_if_it_fits_a_frame() {
    let compression = narrow().conn.compression();
    for (size, compressed) in [(8 * 4_096, true), (8 * 4_096 + 1, false)] {
        let body = compression.apply(Bytes::from(vec![b'x'; size]));
        assert_eq!(body.is_compressed(), compressed, "{size}");
    }
    // Half of each byte tells nothing, so it shrinks by half, which is not enough.
    let mut seed = 1_u32;
    let digits = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        b"0123456789abcdef"[(seed >> 28) as usize]
    });
    let digits: Vec<u8> = digits.take(20_000).collect();
    assert!(!compression.apply(digits.into()).is_compressed());
}

// OAP-1-13 OAP-8-1
#[test]
fn what_cannot_be_split_fills_a_frame_to_the_last_byte() {
    let ask = |cap: usize, body: Body| {
        let mut client = narrow();
        let mut head = Head::new(APP);
        head.capability = Bytes::from(vec![1; cap]);
        client.conn.request(client.now, head, body, Fin::End).err()
    };
    let too_large = |size, limit| Some(SendError::TooLarge { size, limit });
    assert_eq!(ask(4_063, Bytes::new().into()), None);
    assert_eq!(ask(4_064, Bytes::new().into()), too_large(4_064, 4_063));
    let compressed = |size| Body::compressed(Bytes::from(vec![1; size]));
    assert_eq!(ask(10, compressed(4_053)), None);
    assert_eq!(ask(10, compressed(4_054)), too_large(4_054, 4_053));
}
