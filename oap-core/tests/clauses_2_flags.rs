//! Section 2 of the specification: flags and directions.

mod support;

use bytes::BytesMut;
use oap_core::wire::{Decoder, Flags, MAX_FRAME};
use oap_core::{Code, Fin, Head, Lane, Reason, Scope};

use self::support::*;

/// Every direction bit, in all combinations.
fn directions() -> impl Iterator<Item = Flags> {
    (0..8).map(Flags::from_bits)
}

// OAP-2-1
#[test]
fn reserved_bits_are_ignored_and_counted() {
    let mut server = Endpoint::server();
    server.feed(&hello("{}").bits(0x0100));
    assert_eq!(flags_code(&server.one_frame()), (RESP | END, 0));
    server.events();
    server.feed_all(&[
        frame(REQ | START, 1).payload(b"a").bits(0xff00),
        frame(REQ, 1).payload(b"b"),
        frame(REQ | END, 1).payload(b"c").bits(0x8000),
    ]);
    server.serve();
    assert_eq!(server.one_frame().payload, b"abc");
    server.feed(&ping(3).bits(0x4200));
    assert_eq!(flags_code(&server.one_frame()), (EVENT, 202));
    assert_eq!(server.conn.counters().reserved_flags, 4);
    server.assert_alive();

    let mut client = Endpoint::client();
    client.ask(b"question");
    client.feed(&answer(1, b"answer").bits(0xff00));
    assert_eq!(&payload_of(&client.one_event())[..], b"answer");
    assert_eq!(client.conn.counters().reserved_flags, 1);
    client.assert_alive();
}

// OAP-2-1
#[test]
fn a_relay_passes_reserved_bits_on() {
    let sent = frame(REQ | START, 1).bits(0xa500).bytes();
    let mut buffer = BytesMut::from(&sent[..]);
    let relayed = Decoder::new(MAX_FRAME)
        .decode(&mut buffer)
        .expect("well-formed")
        .expect("whole");
    assert_eq!(relayed.header.flags.bits(), 0xa509);
    assert_eq!(relayed.header.encode()[..], sent[..]);
}

// OAP-2-1 OAP-2-2 OAP-7-1 OAP-4-1
#[test]
fn frames_go_out_with_one_direction_and_no_reserved_bit() {
    let mut server = Endpoint::server_with(|config| config.retry_after_ms = 77);
    server.feed_all(&[
        hello(ALL_FEATURES),
        hello("[]").code(9),
        ping(4),
        frame(REQ | START | ACK_REQ, 1).payload(&pattern(100)),
        frame(REQ | ACK_REQ, 1).payload(&pattern(100)),
        frame(REQ, 2),
    ]);
    let events = server.events();
    let id = match &events[1] {
        oap_core::Event::Opened { id, .. } => *id,
        other => panic!("{other:?}"),
    };
    server.push(id, b"event");
    server.send(id, 200, b"part", Fin::More);
    server.send(id, 200, b"rest", Fin::End);
    server.conn.drain();
    let mut frames = server.frames();
    let mut client = Endpoint::client_told(ALL_FEATURES);
    let asked = client
        .conn
        .request(
            client.now,
            Head::new(APP),
            pattern(100_000).into(),
            Fin::End,
        )
        .expect("a request");
    client.conn.ping(client.now).expect("a PING");
    client
        .conn
        .exchange(asked)
        .expect("open")
        .cancel(Code::TIMEOUT, Reason::Cancelled);
    client.conn.drain();
    frames.extend(client.frames());
    assert!(frames.len() > 10, "{frames:?}");
    for frame in &frames {
        assert_eq!(
            frame.header.flags.directions().bits().count_ones(),
            1,
            "{frame:?}"
        );
        assert!(!frame.header.flags.has_reserved(), "{frame:?}");
        if frame.header.app_proto_id == 0 {
            assert_eq!((frame.header.tenant_id, frame.header.cap_len), (0, 0));
            assert!(!frame.header.flags.intersects(COMP | APP_E2E));
        }
        if frame.header.flags.contains(EVENT) {
            assert!(!frame.header.flags.contains(END));
        }
    }
}

// OAP-2-3
#[test]
fn a_request_with_another_direction_costs_its_exchange() {
    for more in [RESP, EVENT, RESP | EVENT] {
        for rest in [NONE, START, END, START | END] {
            let wrong = frame(REQ | more | rest, 5).payload(b"x");
            // Not open: answered with the app and tenant of the frame.
            let mut server = Endpoint::server();
            server.feed(&wrong.clone().app(9).tenant(TENANT));
            assert_error(&server.one_frame(), 400, Reason::BadSequence, 5, 9, TENANT);
            assert_eq!(server.conn.counters().refused(Reason::BadSequence), 1);
            server.assert_alive();
            // Open: that exchange ends, its neighbour goes on.
            let mut server = Endpoint::server();
            let neighbour = server.open(&frame(REQ | START, 4));
            let id = server.open(&frame(REQ | START, 5).tenant(TENANT));
            server.feed(&wrong.clone().app(9));
            assert_error(
                &server.one_frame(),
                400,
                Reason::BadSequence,
                5,
                APP,
                TENANT,
            );
            let (ended, violation) = ended_for(&server.one_event());
            assert_eq!(ended, id);
            assert_violation(
                &violation,
                400,
                Reason::BadSequence,
                "OAP-2-3",
                Scope::Exchange,
            );
            server.send(neighbour, 200, b"", Fin::End);
            assert_eq!(server.one_frame().header.corr_id, 4);
            server.assert_alive();
        }
    }
    // With corr_id 0, the directions are looked at first; the outcome is the same.
    let mut server = Endpoint::server();
    server.feed(&frame(REQ | RESP | START, 0));
    assert_error(&server.one_frame(), 400, Reason::BadSequence, 0, APP, 0);
    server.assert_alive();
}

// OAP-2-4
#[test]
fn an_answer_or_no_direction_from_a_client_is_fatal() {
    for wrong in [NONE, RESP, RESP | EVENT] {
        for open in [false, true] {
            let mut server = Endpoint::server();
            if open {
                server.open(&frame(REQ | START, 5));
            }
            server.feed(&frame(wrong | START | END, 5).payload(b"x"));
            server.assert_fatal(400, Reason::BadSequence, "OAP-2-4");
        }
    }
}

// OAP-2-5
#[test]
fn an_event_from_a_client_costs_its_exchange() {
    let mut server = Endpoint::server();
    let id = server.open(&frame(REQ | START, 5));
    server.feed(&frame(EVENT, 5).payload(b"x"));
    assert_error(&server.one_frame(), 400, Reason::BadSequence, 5, APP, 0);
    let (ended, violation) = ended_for(&server.one_event());
    assert_eq!(ended, id);
    assert_violation(
        &violation,
        400,
        Reason::BadSequence,
        "OAP-2-5",
        Scope::Exchange,
    );
    server.assert_alive();
}

// OAP-2-6
#[test]
fn two_directions_on_app_0_are_fatal_at_a_server() {
    for wrong in directions().filter(|flags| flags.bits().count_ones() > 1) {
        for code in [0, 202, 408] {
            for corr in [0, 5] {
                let mut server = Endpoint::server();
                server.feed(&control(wrong, code, corr));
                server.assert_fatal(400, Reason::BadSequence, "OAP-2-6");
            }
        }
    }
}

// OAP-2-7
#[test]
fn anything_but_an_answer_or_an_event_is_fatal_at_a_client() {
    for wrong in directions().filter(|flags| *flags != RESP && *flags != EVENT) {
        for app in [0, APP] {
            for corr in [0, 1, 99] {
                let mut client = Endpoint::client();
                client.ask(b"question");
                client.feed(&frame(wrong | START | END, corr).app(app));
                client.assert_fatal(400, Reason::BadSequence, "OAP-2-7");
            }
        }
    }
}

// OAP-2-2
#[test]
fn a_hello_request_may_have_no_direction() {
    for flags in [NONE, REQ] {
        let mut server = Endpoint::server();
        server.feed_bytes(Lane::FIRST, &control(flags, 0, 12).bytes());
        let reply = server.one_frame();
        assert_eq!(
            (flags_code(&reply), reply.header.corr_id),
            ((RESP | END, 0), 12)
        );
        server.events();
        server.assert_alive();
    }
}
