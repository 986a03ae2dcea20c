//! What happens at the bounds of a connection's life, and of what it remembers.

mod support;

use std::time::Duration;

use oap_core::{
    CloseReason, Code, Config, Consume, Event, Fin, Head, Lane, Reason, SendError, Verdict,
};

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

fn lingers(config: &mut Config) {
    config.timers.linger = Duration::from_secs(1);
}

// OAP-4-11
#[test]
fn a_drained_server_waits_for_its_client_to_close() {
    let mut server = Endpoint::server_with(lingers);
    server.feed(&hello(ALL_FEATURES));
    server.frames();
    server.events();
    server.conn.drain();
    assert_eq!(flags_code(&server.one_frame()), (EVENT, 503));
    // What the client had sent before it read that is refused, not lost.
    server.feed(&request(1, b"late"));
    assert_error(&server.one_frame(), 503, Reason::Draining, 1, APP, 0);
    server.advance(Duration::from_millis(999));
    assert!(!server.conn.is_closed());
    server.advance(Duration::from_millis(2));
    let events = server.events();
    let closed = Event::Closed(CloseReason::Drained);
    assert!(
        matches!(&events[..], [.., last] if *last == closed),
        "{events:?}"
    );
}

// OAP-4-11
#[test]
fn nobody_else_waits() {
    let mut silent = Endpoint::server_with(lingers);
    silent.conn.drain();
    assert!(silent.conn.is_closed(), "the client would not know");

    let mut left = Endpoint::server_with(lingers);
    left.feed(&hello(ALL_FEATURES));
    left.events();
    let id = left.open(&request(1, b""));
    left.eof();
    left.conn.drain();
    left.send(id, 200, b"", Fin::End);
    left.frames();
    assert!(left.conn.is_closed(), "the client has sent its last");

    let mut client = Endpoint::client_told_with(ALL_FEATURES, lingers);
    client.conn.drain();
    assert!(client.conn.is_closed(), "its server lingers");
}

// OAP-3-14
#[test]
fn a_refused_request_that_was_complete_is_not_remembered() {
    let mut server = Endpoint::server_with(|config| {
        config.limits = limits(|limits| limits.max_inflight(1));
    });
    server.open(&frame(REQ | START, 1));
    server.feed(&request(2, b"one too many"));
    assert_error(&server.one_frame(), 429, Reason::OverCapacity, 2, APP, 0);
    server.feed(&frame(REQ, 2));
    assert_error(&server.one_frame(), 400, Reason::BadSequence, 2, APP, 0);
}

// OAP-1-12
#[test]
fn a_parked_request_that_is_cut_off_is_told_so() {
    let mut server = Endpoint::server_with(|config| config.authorize = true);
    server.feed(&frame(REQ | START, 1).payload(b"begun"));
    let event = server.one_event();
    let Event::Authorize { id, .. } = event else {
        panic!("{event:?}");
    };
    server.eof();
    let now = server.now;
    let exchange = server.conn.exchange(id).expect("it waits");
    exchange.authorize(now, Verdict::Allow);
    let events = server.events();
    assert!(
        matches!(&events[..], [Event::Opened { .. }, Event::Truncated { .. }]),
        "{events:?}"
    );
}

// OAP-8-3
#[cfg(feature = "comp")]
#[test]
fn what_is_inflated_after_the_end_faults_nobody() {
    let mut server = Endpoint::server_with(|config| config.explicit_release = true);
    server.feed(&hello(r#"{"comp":["zlib"]}"#));
    server.frames();
    server.events();
    server.feed(&frame(REQ | START | COMP, 1).payload(b"no zlib"));
    let event = server.one_event();
    let Event::Opened { id, payload, .. } = event else {
        panic!("{event:?}");
    };
    server.feed(&cancel(1, 408));
    server.events();
    let inflated = server.conn.inflate(server.now, id, &payload);
    assert_eq!(
        inflated.map_err(|fault| fault.reason),
        Err(Reason::BadCoding)
    );
    server.assert_silent();
    assert!(
        server.conn.exchange(id).is_some(),
        "the handler has not ended"
    );
    assert_eq!(server.conn.counters().refused(Reason::BadCoding), 1);
}

// OAP-4-7 OAP-3-18
#[test]
fn a_cancel_of_what_was_given_up_frees_its_slot_and_tells_nothing() {
    let mut client = Endpoint::client_told("{}");
    let id = client.ask(b"question");
    let exchange = client.conn.exchange(id).expect("it is open");
    exchange.cancel(Code::TIMEOUT, Reason::Cancelled);
    assert_eq!(client.conn.exchanges(), 1);
    client.feed(&cancel(1, 408));
    client.assert_silent();
    assert_eq!(client.conn.exchanges(), 0);
}

#[test]
fn a_handle_from_before_the_memory_was_given_back_stays_stale() {
    let mut server = Endpoint::server();
    let before = server.open(&request(1, b""));
    server.send(before, 200, b"", Fin::End);
    server.frames();
    server.advance(Duration::from_secs(5));
    let after = server.open(&request(2, b""));
    assert_ne!(before, after);
    assert!(server.conn.exchange(before).is_none());
}

#[test]
fn a_payload_behind_a_capability_is_whole_however_large() {
    let mut server = Endpoint::server();
    for (corr, len) in (1..).zip([10, 4_000, 70_000]) {
        let body = pattern(len);
        server.feed(&request(corr, &body).cap(b"capability"));
        let event = server.one_event();
        let Event::Opened { start, payload, .. } = event else {
            panic!("{event:?}");
        };
        assert_eq!(&start.capability[..], b"capability");
        assert_eq!(payload.wire_bytes()[..], body);
    }
    server.assert_silent();
}

// OAP-10-10
#[test]
fn what_a_client_says_of_its_own_is_no_obligation() {
    let mut client = Endpoint::client_told(ALL_FEATURES);
    let ids: Vec<_> = (0..64).map(|_| client.stream(b"question")).collect();
    for id in ids {
        let exchange = client.conn.exchange(id).expect("it is open");
        exchange.cancel(Code::TIMEOUT, Reason::Cancelled);
    }
    assert!(client.conn.interest().read);
    assert_eq!(client.frames().len(), 64);
    // Nor does it count against what the peer makes us answer afterwards.
    let pings: Vec<Raw> = (1..=63).map(ping).collect();
    client.feed_all(&pings);
    assert!(client.conn.interest().read);
    client.feed(&ping(64));
    assert!(!client.conn.interest().read);
}

// OAP-11-9
#[test]
fn a_first_lane_that_was_reset_takes_no_request_until_it_is_there_again() {
    let mut client = Endpoint::client_with(|config| config.multi_lane = true);
    client.ask(b"question");
    client.conn.handle_reset(Lane::FIRST, client.now);
    client.events();
    let ask = |client: &mut Endpoint| {
        let body = b"question".as_slice().into();
        let head = Head::new(APP);
        client.conn.request(client.now, head, body, Fin::End).err()
    };
    assert_eq!(ask(&mut client), Some(SendError::NoLane));
    client.feed_bytes(Lane::FIRST, b"");
    assert_eq!(ask(&mut client), None);
}
