//! Every counter counts what its documentation says, by one each, and no other does.

mod support;

use oap_core::wire::{HEADER_LEN, Header};
use oap_core::{Code, Fin, Reason};
use support::*;

fn sizes(frames: &[Raw]) -> u64 {
    frames.iter().map(|frame| frame.bytes().len() as u64).sum()
}

fn sent(frames: &[Frame]) -> u64 {
    let sizes = frames.iter().map(|frame| frame.header.frame_len() as u64);
    sizes.sum()
}

#[test]
fn a_server_counts_frames_and_bytes_of_both_ways() {
    let mut server = Endpoint::server();
    let received = [
        hello(ALL_FEATURES),
        ping(7),
        ping(8),
        frame(REQ | START, 1).payload(b"abc"),
        frame(REQ | END, 1).payload(b"defg"),
    ];
    server.feed_all(&received);
    server.serve();
    let frames = server.frames();
    assert_eq!(frames.len(), 4, "{frames:?}");
    let counters = server.conn.counters();
    assert_eq!(counters.frames_received, 5);
    assert_eq!(counters.bytes_received, sizes(&received));
    assert_eq!(counters.control_received, 3);
    assert_eq!(counters.frames_sent, 4);
    assert_eq!(counters.bytes_sent, sent(&frames));
    assert_eq!(counters.control_sent, 3);
    assert_eq!(counters.exchanges_opened, 1);
    assert_eq!((counters.events_received, counters.events_sent), (0, 0));
}

#[test]
fn a_client_counts_frames_and_bytes_of_both_ways() {
    let mut client = Endpoint::client_told(ALL_FEATURES);
    let before = client.conn.counters().clone();
    assert_eq!((before.frames_sent, before.control_sent), (1, 1));
    assert_eq!((before.frames_received, before.control_received), (1, 1));
    assert!(before.bytes_sent > HEADER_LEN as u64);
    assert_eq!(before.bytes_received, sizes(&[hello_reply(ALL_FEATURES)]));

    client.ask(b"one");
    client.ask(b"two!");
    client.feed(&answer(1, b"yes"));
    client.events();
    let counters = client.conn.counters();
    assert_eq!(counters.frames_sent - before.frames_sent, 2);
    assert_eq!(
        counters.bytes_sent - before.bytes_sent,
        2 * HEADER_LEN as u64 + 7
    );
    assert_eq!(counters.bytes_received - before.bytes_received, 40);
    assert_eq!(counters.control_sent, before.control_sent);
    assert_eq!(counters.exchanges_opened, 2);
}

#[test]
fn events_are_counted_at_both_ends() {
    let mut server = Endpoint::server();
    let id = server.open(&frame(REQ | START, 1));
    server.push(id, b"one");
    server.push(id, b"two");
    server.send(id, 200, b"part", Fin::More);
    assert_eq!(server.frames().len(), 3);
    let counters = server.conn.counters();
    assert_eq!((counters.events_sent, counters.frames_sent), (2, 3));

    let mut client = Endpoint::client();
    client.stream(b"ask");
    for text in [b"one", b"two"] {
        client.feed(&frame(EVENT, 1).code(200).payload(text));
    }
    assert_eq!(client.events().len(), 2);
    assert_eq!(client.conn.counters().events_received, 2);
}

#[test]
fn acks_count_as_control_frames_of_their_size() {
    let mut server = Endpoint::server_with(|config| config.limits = small_limits());
    server.feed(&hello(ALL_FEATURES));
    server.events();
    server.frames();
    let before = server.conn.counters().clone();
    server.open(&frame(REQ | START | ACK_REQ, 1).payload(&pattern(4_000)));
    let ack = server.one_frame();
    assert_eq!(ack_numbers(&ack, 1).0, 4_000);
    let after = server.conn.counters();
    assert_eq!(after.control_sent - before.control_sent, 1);
    assert_eq!(after.frames_sent - before.frames_sent, 1);
    assert_eq!(after.bytes_sent - before.bytes_sent, 53);
}

#[test]
fn refusals_are_counted_by_reason_and_in_all() {
    let mut server = Endpoint::server();
    assert_eq!(server.conn.counters().refused_total(), 0);
    server.feed(&hello("no object"));
    for corr in [1, 2] {
        server.feed(&frame(REQ, corr));
    }
    let counters = server.conn.counters();
    assert_eq!(counters.refused(Reason::BadHello), 1);
    assert_eq!(counters.refused(Reason::BadSequence), 2);
    assert_eq!(counters.refused_total(), 3);
    for reason in Reason::all() {
        let known = matches!(reason, Reason::BadHello | Reason::BadSequence);
        assert_eq!(counters.refused(reason) > 0, known, "{reason}");
    }
}

#[test]
fn what_was_ignored_or_late_is_counted_one_by_one() {
    let mut server = Endpoint::server();
    for nonce in [1, 2, 3] {
        // The answer to a PING that was never sent.
        server.feed(&control(EVENT, 202, nonce));
    }
    assert_eq!(server.conn.counters().ignored_control, 3);
    for corr in [5, 6] {
        server.feed(&cancel(corr, 408));
    }
    assert_eq!(server.conn.counters().ignored_control, 5);
    server.feed(&control(EVENT, 299, 1));
    assert_eq!(server.conn.counters().ignored_control, 6);

    let mut client = Endpoint::client();
    client.ask(b"question");
    client.feed(&answer(1, b"yes"));
    client.events();
    for _ in 0..3 {
        client.feed(&frame(RESP, 1).code(200));
    }
    assert_eq!(client.conn.counters().late_frames, 3);
    client.feed(&frame(EVENT, 1).code(200));
    client.feed(&frame(EVENT, 1).code(200));
    assert_eq!(client.conn.counters().discarded_events, 2);
    client.assert_alive();
}

#[test]
fn reserved_flags_are_counted_per_frame() {
    let mut server = Endpoint::server();
    server.feed(&request(1, b"plain"));
    server.feed(&request(2, b"odd").bits(0x8100));
    server.feed(&request(3, b"odd").bits(0x0200));
    assert_eq!(server.conn.counters().reserved_flags, 2);
}

/// A header reads back as it was written, so that the sizes above mean what they say.
#[test]
fn a_request_in_one_frame_has_the_header_and_its_bytes() {
    let raw = request(1, b"seven b");
    let bytes = raw.bytes();
    assert_eq!(bytes.len(), HEADER_LEN + 7);
    let header = bytes.first_chunk::<HEADER_LEN>().expect("a header");
    let header = Header::parse(header, 1 << 20).expect("a legal one");
    assert_eq!((header.code, header.payload_len()), (Code::OK, 7));
}
