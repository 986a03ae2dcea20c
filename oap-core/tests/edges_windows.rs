//! Credit where it is easily lost: around exchanges that are given up and limits that come late.

mod support;

use oap_core::{Code, Event, Fin, Reason};
use support::*;

/// A windowed answer of 70,000 bytes to a client that has not yet been told that it may send ACKs.
fn windowed_answer(client: &mut Endpoint) {
    let part = |bits, size: usize| frame(RESP, 1).code(200).bits(bits).payload(&pattern(size));
    client.feed(&part((START | ACK_REQ).bits(), 40_000));
    client.feed(&part(0, 30_000));
}

// OAP-3-18
#[test]
fn an_ack_that_is_due_when_an_exchange_is_given_up_still_goes_out() {
    let mut client = Endpoint::client_told("{}");
    let id = client.stream(b"question");
    windowed_answer(&mut client);
    assert_eq!(client.events().len(), 2, "and so an ACK is queued");
    let exchange = client.conn.exchange(id).expect("it is open");
    exchange.cancel(Code::TIMEOUT, Reason::Cancelled);
    let frames = client.frames();
    let acks: Vec<_> = frames.iter().map(|frame| ack_numbers(frame, 1)).collect();
    assert_eq!(acks, [(70_000, 70_000 + 131_072)]);
}

// OAP-3-18
#[test]
fn what_the_application_never_took_counts_as_taken_once_it_gives_up() {
    let mut client = Endpoint::client_told("{}");
    let id = client.stream(b"question");
    windowed_answer(&mut client);
    assert!(client.frames().is_empty(), "nothing is consumed yet");
    let exchange = client.conn.exchange(id).expect("it is open");
    exchange.cancel(Code::TIMEOUT, Reason::Cancelled);
    assert_eq!(ack_numbers(&client.one_frame(), 1).0, 70_000);
    assert!(client.conn.exchange(id).is_none(), "the handle is stale");
    assert_eq!(client.conn.exchanges(), 1, "the slot is not free");
    client.feed(&frame(RESP | END, 1).code(200));
    assert_eq!(client.conn.exchanges(), 0);
}

// OAP-6-1
#[test]
fn the_error_that_ends_an_answer_waits_for_no_credit() {
    let mut server = Endpoint::server();
    server.feed(&hello(r#"{"ack_window":5000}"#));
    server.frames();
    server.events();
    let id = server.open(&request(1, b"question"));
    server.send(id, 200, &pattern(6_000), Fin::More);
    let sent = server.frames();
    assert_eq!(joined(&sent), pattern(6_000)[..5_000]);
    let body = error_json("internal", 1);
    server.send(id, 500, body.as_bytes(), Fin::End);
    assert!(server.frames().is_empty(), "the rest is before it");
    // Credit for the rest, and no more.
    server.feed(&ack(1, 1_000, 6_000));
    let [rest, last] = &server.frames()[..] else {
        panic!("two frames are due");
    };
    assert_eq!(rest.payload, pattern(6_000)[5_000..]);
    assert_error(last, 500, Reason::Internal, 1, APP, 0);
}

// OAP-3-18 OAP-6-8
#[test]
fn what_is_discarded_draws_an_ack_only_where_there_is_a_window() {
    let mut client = Endpoint::client_told("{}");
    let id = client.stream(b"question");
    let exchange = client.conn.exchange(id).expect("it is open");
    exchange.cancel(Code::TIMEOUT, Reason::Cancelled);
    client.frames();
    for _ in 0..3 {
        client.feed(&frame(RESP, 1).code(200).payload(&pattern(100_000)));
    }
    client.assert_silent();
}

#[test]
fn an_ack_of_an_answered_exchange_changes_nothing_but_the_counter() {
    let mut server = Endpoint::server();
    let id = server.open(&request(1, b"x"));
    // Not windowed: nobody has asked for ACKs.
    server.send(id, 200, b"part", Fin::More);
    server.frames();
    server.feed(&ack(1, 4, 1_000));
    assert_eq!(server.conn.counters().ignored_control, 1);
    server.send(id, 200, b"rest", Fin::End);
    server.frames();
    server.feed(&ack(1, 8, 1_000));
    assert_eq!(server.conn.counters().ignored_control, 2);
    server.assert_alive();
}

#[test]
fn an_ack_before_the_first_frame_is_ignored() {
    let mut server = Endpoint::server();
    let id = server.open(&frame(REQ | START | END | ACK_REQ, 1));
    server.feed(&ack(1, 0, 200_000));
    assert_eq!(server.conn.counters().ignored_control, 1);
    // So the first limit holds, not what that ACK said.
    server.send(id, 200, &pattern(150_000), Fin::More);
    assert_eq!(joined(&server.frames()).len(), 131_072);
}

#[test]
fn a_parked_frame_gives_its_room_back_when_it_is_denied() {
    let mut server = Endpoint::server_with(|config| {
        config.authorize = true;
        config.limits = small_limits();
    });
    server.feed(&frame(REQ | START, 1).payload(&pattern(3_000)));
    server.feed(&frame(REQ, 1).payload(&pattern(2_000)));
    let Event::Authorize { id, .. } = server.one_event() else {
        panic!("nothing to authorize");
    };
    assert_eq!(server.conn.held_bytes(), 5_000);
    let now = server.now;
    let exchange = server.conn.exchange(id).expect("parked");
    exchange.authorize(now, oap_core::Verdict::Deny);
    assert_eq!(server.conn.held_bytes(), 0);
    let refusal = server.one_frame();
    assert_eq!(flags_code(&refusal), (RESP | END, 401));
}
