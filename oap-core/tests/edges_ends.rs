//! What happens at the bounds of a connection's life, and of what it remembers.

mod support;

use std::time::Duration;

use oap_core::{Consume, Event, Lane, Reason};

use self::support::*;

// OAP-4-11
#[test]
fn a_server_that_closes_says_so_and_a_client_does_not() {
    let mut server = Endpoint::server();
    server.feed(&hello(ALL_FEATURES));
    server.frames();
    server.conn.close();
    assert_eq!(flags_code(&server.one_frame()), (EVENT, 503));
    let mut client = Endpoint::client_told(ALL_FEATURES);
    client.conn.close();
    assert!(client.frames().is_empty());
}

// OAP-11-9
#[test]
fn a_reset_after_the_end_tells_nothing_more() {
    let mut server = Endpoint::server();
    server.open(&frame(REQ | START, 1));
    server.conn.close();
    assert!(matches!(server.events()[..], [Event::Closed(_)]));
    server.conn.handle_reset(Lane::FIRST, server.now);
    assert!(server.conn.poll_event().is_none());
}

// OAP-3-14
#[test]
fn the_last_256_ids_are_remembered() {
    let mut server = Endpoint::server();
    // Each START goes on in two directions at once, so it is refused, and its request has no end.
    for corr in 1..=257 {
        server.feed(&frame(REQ | RESP | START, corr));
        server.frames();
        server.advance(Duration::from_secs(1));
    }
    for corr in 2..=257 {
        server.feed(&frame(REQ, corr).payload(b"late"));
        server.assert_silent();
    }
    server.feed(&frame(REQ, 1).payload(b"later still"));
    assert_error(&server.one_frame(), 400, Reason::BadSequence, 1, APP, 0);
}

// OAP-6-8
#[test]
fn what_keeps_to_no_window_draws_no_ack() {
    let mut server = Endpoint::server_with(|config| config.consume = Consume::Manually);
    server.feed(&frame(REQ | START, 1).payload(&pattern(200_000)));
    let event = server.one_event();
    let Event::Opened { id, payload, .. } = event else {
        panic!("{event:?}");
    };
    server.conn.consumed(id, payload.charge());
    server.assert_silent();
    assert_eq!(payload.into_wire_bytes(), pattern(200_000));
}

// OAP-10-3
#[test]
fn a_host_that_takes_no_events_is_not_idle_for_it() {
    let opens = |server: &mut Endpoint, count: u64| {
        let starts: Vec<Raw> = (1..=count).map(|corr| frame(REQ | START, corr)).collect();
        let mut bytes = bytes_of(&starts)[..].into();
        server
            .conn
            .handle_input(Lane::FIRST, server.now, &mut bytes);
        assert!(bytes.is_empty());
    };
    for (count, stands_still) in [(31, false), (32, true)] {
        let mut server = Endpoint::server();
        opens(&mut server, count);
        assert_eq!(server.conn.interest().read, !stands_still);
        server
            .conn
            .handle_timeout(server.now + Duration::from_secs(61));
        assert_eq!(server.conn.is_closed(), !stands_still, "{count} events");
    }
}
