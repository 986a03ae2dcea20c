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

/// A client whose answer begins with `first` and goes on with `then` after it was given up.
fn given_up_between(first: Option<&Raw>, then: &Raw) -> Endpoint {
    let mut client = Endpoint::client_told("{}");
    let id = client.stream(b"question");
    first.into_iter().for_each(|first| client.feed(first));
    let exchange = client.conn.exchange(id).expect("it is open");
    exchange.cancel(Code::TIMEOUT, Reason::Cancelled);
    client.frames();
    client.feed(then);
    client
}

// OAP-3-18 OAP-6-3
#[test]
fn a_later_frame_that_asks_for_an_ack_gets_one_when_it_is_discarded() {
    let part = |flags| frame(RESP | flags, 1).code(200).payload(b"part");
    for (first, then, acks) in [
        (Some(part(ACK_REQ)), part(ACK_REQ), 1),
        (Some(part(ACK_REQ)), part(NONE), 0),
        (None, part(ACK_REQ), 0),
    ] {
        let mut client = given_up_between(first.as_ref(), &then);
        assert_eq!(client.frames().len(), acks, "{first:?} {then:?}");
        assert_eq!(client.conn.counters().late_frames, 1);
    }
}

// OAP-6-7 OAP-6-13
#[test]
fn only_the_error_that_ends_an_answer_needs_no_credit() {
    for (flags, code, allowed) in [(END, 500, true), (END, 200, false), (NONE, 500, false)] {
        let mut client = Endpoint::client_told("{}");
        let id = client.stream(b"question");
        let whole = frame(RESP | ACK_REQ, 1)
            .code(200)
            .payload(&pattern(131_072));
        client.feed(&whole);
        client.events();
        let body = error_json("internal", 1);
        client.feed(&frame(RESP | flags, 1).code(code).payload(body.as_bytes()));
        let event = client.one_event();
        if allowed {
            assert!(
                matches!(event, Event::Data { fin: Fin::End, .. }),
                "{event:?}"
            );
        } else {
            let (ended, violation) = ended_for(&event);
            assert_eq!((ended, violation.reason), (id, Reason::CreditViolation));
        }
    }
}

// OAP-6-16
#[test]
fn the_first_windowed_frame_of_an_answer_needs_room_for_its_bytes_alone() {
    let mut client = Endpoint::client_told_with("{}", |config| config.limits = small_limits());
    client.stream(b"first");
    client.stream(b"second");
    for _ in 0..9 {
        client.feed(&frame(RESP, 1).code(200).payload(&pattern(3_622)));
    }
    assert_eq!(client.conn.held_bytes(), 32_768 - 170);
    client.feed(&frame(RESP | ACK_REQ, 2).code(200).payload(b"small"));
    assert_eq!(client.undecoded(), 0);
    client.feed(&frame(RESP, 1).code(200).payload(b"small"));
    assert!(client.undecoded() > 0, "256 bytes are charged for it");
}
