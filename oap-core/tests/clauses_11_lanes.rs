//! What section 11 of the specification asks of the core: lanes.

mod support;

use std::time::Duration;

use oap_core::{Code, Config, End, Event, Fin, Head, Lane, Reason, Scope, SendError};

use self::support::*;

const SECOND: Lane = Lane(1);

fn lanes(config: &mut Config) {
    config.multi_lane = true;
}

fn two_lanes() -> Endpoint {
    let mut server = Endpoint::server_with(lanes);
    server.feed_on(SECOND, &ping(1));
    assert_eq!(server.frames_on(SECOND).len(), 1);
    server
}

fn open_on(server: &mut Endpoint, lane: Lane, raw: &Raw) -> oap_core::ExchangeId {
    server.feed_on(lane, raw);
    match server.one_event() {
        Event::Opened { id, start, .. } => {
            assert_eq!(start.lane, lane);
            id
        }
        other => panic!("{other:?}"),
    }
}

// OAP-11-6
#[test]
fn a_client_opens_no_second_lane_before_its_hello_is_answered() {
    let mut client = Endpoint::client_with(|config| {
        lanes(config);
        config.hello = true;
    });
    assert_eq!(client.frames().len(), 1, "HELLO goes on the first lane");
    client.feed_bytes(SECOND, b"");
    let mut head = Head::new(APP);
    head.lane = SECOND;
    let request = |client: &mut Endpoint| {
        let body = b"x".as_slice().into();
        client
            .conn
            .request(client.now, head.clone(), body, Fin::End)
    };
    assert_eq!(request(&mut client), Err(SendError::NoLane));
    client.ask(b"the first lane is free to use");
    client.feed(&hello_reply(r#"{"max_inflight":2}"#));
    client.events();
    request(&mut client).expect("a second lane");
    assert!(client.frames().is_empty());
    let sent = client.frames_on(SECOND);
    assert_eq!(sent.len(), 1);
    // Limits and ids are those of the connection.
    assert_eq!(sent[0].header.corr_id, 2);
    assert_eq!(
        request(&mut client),
        Err(SendError::OverCapacity { limit: 2 })
    );
}

// OAP-11-6
#[test]
fn limits_and_ids_hold_for_the_connection_as_a_whole() {
    let mut server = Endpoint::server_with(|config| {
        lanes(config);
        config.limits = limits(|l| l.max_inflight(2));
    });
    open_on(&mut server, Lane::FIRST, &frame(REQ | START, 1));
    open_on(&mut server, SECOND, &frame(REQ | START, 2));
    server.feed_on(SECOND, &request(3, b""));
    let refusal = &server.frames_on(SECOND)[0];
    assert_error(refusal, 429, Reason::OverCapacity, 3, APP, 0);
    // The same id on another lane is open already; the answer goes where it was opened.
    server.feed_on(SECOND, &frame(REQ | START, 1));
    assert!(server.frames_on(SECOND).is_empty());
    assert_error(&server.one_frame(), 400, Reason::BadSequence, 1, APP, 0);
}

// OAP-11-7
#[test]
fn everything_of_an_exchange_goes_on_its_lane() {
    let mut server = two_lanes();
    server.feed(&hello(ALL_FEATURES));
    server.frames();
    server.events();
    let start = frame(REQ | START | ACK_REQ, 1).payload(&pattern(70_000));
    let id = open_on(&mut server, SECOND, &start);
    server.push(id, b"event");
    server.send(id, 200, &pattern(100_000), Fin::More);
    server.send(id, 404, b"{}", Fin::End);
    assert_eq!(server.conn.poll_writable_lane(|_| true), Some(SECOND));
    assert!(server.frames().is_empty());
    let sent = server.frames_on(SECOND);
    assert!(sent.len() > 3 && sent.iter().all(|frame| frame.header.corr_id == 1));

    let mut client = Endpoint::client_told_with(ALL_FEATURES, lanes);
    client.feed_bytes(SECOND, b"");
    let mut head = Head::new(APP);
    head.lane = SECOND;
    let id = client
        .conn
        .request(client.now, head, pattern(100_000).into(), Fin::More)
        .expect("a request");
    client.feed_on(
        SECOND,
        &frame(RESP | ACK_REQ, 1).code(200).payload(&pattern(70_000)),
    );
    client.events();
    client
        .conn
        .exchange(id)
        .expect("open")
        .send(Code::OK, b"x".as_slice().into(), Fin::More)
        .expect("room");
    let sent = client.frames_on(SECOND);
    assert!(
        sent.iter().any(|frame| flags_code(frame) == (RESP, 202)),
        "its ACK"
    );
    client
        .conn
        .exchange(id)
        .expect("open")
        .cancel(Code::TIMEOUT, Reason::Cancelled);
    assert_eq!(flags_code(&client.frames_on(SECOND)[0]), (EVENT, 408));
    assert!(client.frames().is_empty());
}

// OAP-11-7
#[test]
fn a_frame_on_another_lane_is_a_fault_of_its_exchange() {
    for stray in [
        frame(REQ, 1).payload(b"x"),
        frame(REQ | END, 1),
        cancel(1, 408),
        ack(1, 0, 131_072),
    ] {
        let mut server = two_lanes();
        let id = open_on(&mut server, Lane::FIRST, &frame(REQ | START | ACK_REQ, 1));
        let neighbour = open_on(&mut server, SECOND, &frame(REQ | START, 2));
        server.send(id, 200, b"begun", Fin::More);
        server.frames();
        server.feed_on(SECOND, &stray);
        assert!(server.frames_on(SECOND).is_empty());
        assert_error(&server.one_frame(), 400, Reason::BadSequence, 1, APP, 0);
        let (ended, violation) = ended_for(&server.one_event());
        assert_eq!(ended, id);
        assert_violation(
            &violation,
            400,
            Reason::BadSequence,
            "OAP-11-7",
            Scope::Exchange,
        );
        server.send(neighbour, 200, b"", Fin::End);
        assert_eq!(server.frames_on(SECOND).len(), 1);
        server.assert_alive();
    }
}

// OAP-11-9 OAP-1-11
#[test]
fn the_end_of_a_lane_concerns_its_exchanges_only() {
    let mut server = two_lanes();
    let first = open_on(&mut server, Lane::FIRST, &frame(REQ | START, 1));
    let complete = open_on(&mut server, SECOND, &request(2, b""));
    let cut = open_on(&mut server, SECOND, &frame(REQ | START, 3));
    server.eof_on(SECOND);
    assert_eq!(server.one_event(), Event::Truncated { id: cut });
    for id in [complete, cut] {
        server.send(id, 200, b"still answered", Fin::End);
    }
    assert_eq!(server.frames_on(SECOND).len(), 2);
    server.feed(&frame(REQ | END, 1));
    server.one_event();
    server.send(first, 200, b"", Fin::End);
    assert_eq!(server.frames().len(), 1);
    server.assert_alive();
}

// OAP-11-9 OAP-1-12
#[test]
fn a_client_loses_the_exchanges_of_a_lane_that_ends() {
    let mut client = Endpoint::client_with(lanes);
    client.feed_bytes(SECOND, b"");
    client.ask(b"first");
    let mut head = Head::new(APP);
    head.lane = SECOND;
    let id = client
        .conn
        .request(client.now, head, b"x".as_slice().into(), Fin::End)
        .expect("a request");
    client.frames_on(SECOND);
    client.eof_on(SECOND);
    let (ended, violation) = ended_for(&client.one_event());
    assert_eq!((ended, violation.reason), (id, Reason::Io));
    client.feed(&answer(1, b"first"));
    client.one_event();
    client.assert_alive();
}

// OAP-11-9 OAP-1-12
#[test]
fn a_client_asks_nothing_on_a_lane_that_has_ended() {
    for lane in [Lane::FIRST, SECOND] {
        let mut client = Endpoint::client_with(lanes);
        client.feed_bytes(lane, b"");
        client.eof_on(lane);
        let request = |client: &mut Endpoint, lane: Lane| {
            let mut head = Head::new(APP);
            head.lane = lane;
            let body = b"x".as_slice().into();
            client.conn.request(client.now, head, body, Fin::End)
        };
        assert_eq!(request(&mut client, lane), Err(SendError::NoLane));
        assert_eq!(client.conn.exchanges(), 0);
        assert!(client.frames_on(lane).is_empty());
        let other = Lane(1 - lane.0);
        request(&mut client, other).expect("the other lane is in use");
        // Once the lane is over in both directions, its number serves a new one.
        if lane == SECOND {
            client.conn.handle_reset(SECOND, client.now);
            request(&mut client, SECOND).expect("a new lane");
            assert_eq!(client.frames_on(SECOND).len(), 1);
        }
    }
}

// OAP-11-9 OAP-1-10
#[test]
fn the_end_of_a_lane_inside_a_frame_ends_the_connection() {
    let mut server = two_lanes();
    server.feed_bytes(SECOND, &ping(1).bytes()[..20]);
    server.eof_on(SECOND);
    let error = &server.frames_on(SECOND)[0];
    assert_error(error, 400, Reason::BadFrame, 0, 0, 0);
    server.assert_closed_for(400, Reason::BadFrame, "OAP-1-10");
}

// OAP-11-9
#[test]
fn a_reset_lane_cancels_its_exchanges() {
    let mut server = two_lanes();
    let other = open_on(&mut server, Lane::FIRST, &frame(REQ | START, 1));
    let cut = open_on(&mut server, SECOND, &frame(REQ | START, 2));
    server.send(cut, 200, b"encoded", Fin::More);
    // An obligation that will never leave must not count for ever.
    let pings: Vec<Raw> = (1..=64).map(ping).collect();
    server.feed_bytes(SECOND, &bytes_of(&pings));
    server.conn.handle_reset(SECOND, server.now);
    server.check();
    match server.one_event() {
        Event::Ended {
            id,
            end: End::Cancelled { .. },
        } => assert_eq!(id, cut),
        other => panic!("{other:?}"),
    }
    assert!(
        server.frames_on(SECOND).is_empty(),
        "nobody is there to read it"
    );
    assert_eq!(server.conn.poll_writable_lane(|_| true), None);
    server.feed_bytes(Lane::FIRST, b"");
    assert!(server.conn.interest().read);
    assert_eq!(server.conn.exchanges(), 2, "the handler still works");
    server.release(cut);
    server.send(other, 200, b"", Fin::End);
    server.frames();
    server.assert_alive();
    // The number serves a new lane.
    let again = open_on(&mut server, SECOND, &request(9, b""));
    server.send(again, 200, b"new", Fin::End);
    assert_eq!(server.frames_on(SECOND)[0].payload, b"new");

    let mut client = Endpoint::client_with(lanes);
    client.feed_bytes(SECOND, b"");
    let mut head = Head::new(APP);
    head.lane = SECOND;
    client
        .conn
        .request(client.now, head, b"x".as_slice().into(), Fin::End)
        .expect("a request");
    client.conn.handle_reset(SECOND, client.now);
    client.check();
    assert!(matches!(
        client.one_event(),
        Event::Ended {
            end: End::Cancelled { .. },
            ..
        }
    ));
    client.assert_alive();
}

#[test]
fn what_nobody_can_write_any_more_is_no_obligation() {
    let mut server = two_lanes();
    let pings: Vec<Raw> = (1..=64).map(ping).collect();
    server.feed_bytes(SECOND, &bytes_of(&pings));
    assert!(!server.conn.interest().read);
    server.conn.drop_output(SECOND);
    server.check();
    assert!(server.conn.interest().read || server.conn.interest().again);
    server.feed_bytes(SECOND, b"");
    assert!(server.conn.is_lane_idle(SECOND));
    assert!(server.frames_on(SECOND).is_empty());
    server.assert_alive();
}

// OAP-11-9
#[test]
fn a_lane_whose_number_is_in_use_again_is_reset_like_any_other() {
    for lane in [Lane::FIRST, SECOND] {
        let mut server = two_lanes();
        for corr in 1..=3 {
            let id = open_on(&mut server, lane, &frame(REQ | START, corr));
            server.conn.handle_reset(lane, server.now);
            server.check();
            match server.one_event() {
                Event::Ended { id: ended, .. } => assert_eq!(ended, id),
                other => panic!("{other:?}"),
            }
            server.conn.exchange(id).expect("its slot").release();
        }
        assert_eq!(server.conn.exchanges(), 0);
    }
}

// OAP-11-9
#[test]
fn a_lane_that_had_output_when_it_was_reset_is_forgotten_in_the_end() {
    let mut server = two_lanes();
    let other = open_on(&mut server, Lane::FIRST, &frame(REQ | START, 1));
    server.feed_bytes(SECOND, &bytes_of(&[ping(2)]));
    // Its number is in use again, for nothing that is answered, before anybody asks who writes.
    server.conn.handle_reset(SECOND, server.now);
    let mut input = bytes_of(&[cancel(77, 408)])[..].into();
    server.conn.handle_input(SECOND, server.now, &mut input);
    server.conn.handle_reset(SECOND, server.now);
    server.now = server.now + Duration::from_secs(20);
    server.conn.handle_timeout(server.now);
    server.send(other, 200, b"", Fin::End);
    assert_eq!(server.conn.poll_writable_lane(|_| true), Some(Lane::FIRST));
    assert_eq!(server.frames().len(), 1);
    assert_eq!(server.conn.poll_writable_lane(|_| true), None);
    server.assert_alive();
}

// OAP-11-9
#[test]
fn a_lane_that_is_reset_while_the_connection_closes_keeps_nobody_waiting() {
    for lane in [Lane::FIRST, SECOND] {
        let mut server = two_lanes();
        let id = open_on(&mut server, lane, &request(1, b""));
        server.send(id, 200, &pattern(1_000), Fin::End);
        server.conn.close();
        assert!(!server.conn.interest().done, "an answer is to be written");
        for lane in [Lane::FIRST, SECOND] {
            server.conn.handle_reset(lane, server.now);
        }
        server.check();
        assert!(server.conn.interest().done);
    }
}

// OAP-11-9 OAP-1-9
#[test]
fn a_fatal_fault_on_any_lane_ends_the_connection() {
    let mut server = two_lanes();
    open_on(&mut server, Lane::FIRST, &frame(REQ | START, 1));
    server.feed_on(SECOND, &frame(NONE, 5));
    let error = &server.frames_on(SECOND)[0];
    assert_error(error, 400, Reason::BadSequence, 0, 0, 0);
    server.assert_closed_for(400, Reason::BadSequence, "OAP-2-4");
}

// OAP-11-6
#[test]
fn a_single_stream_has_no_second_lane() {
    let mut server = Endpoint::server();
    server.feed_on(SECOND, &request(1, b"x"));
    server.assert_silent();
    server.assert_alive();
}
