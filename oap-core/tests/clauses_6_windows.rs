//! Section 6 of the specification: windows.

mod support;

use oap_core::{
    Body, Code, Config, Consume, Event, ExchangeId, Fin, Head, LimitError, Limits, Payload, Reason,
    Scope, SendError,
};

use self::support::*;

const DEFAULT: u64 = 131_072;

fn manual(config: &mut Config) {
    config.consume = Consume::Manually;
}

fn own_window(bytes: u32) -> impl Fn(&mut Config) {
    move |config| config.limits = limits(|l| l.max_inflight(8).ack_window(bytes))
}

/// Feeds a frame whose payload is not consumed.
#[track_caller]
fn hold(endpoint: &mut Endpoint, raw: &Raw) -> (ExchangeId, Payload) {
    endpoint.feed(raw);
    match endpoint.one_event() {
        Event::Opened { id, payload, .. }
        | Event::Data { id, payload, .. }
        | Event::Pushed { id, payload, .. } => (id, payload),
        other => panic!("{other:?}"),
    }
}

fn release(endpoint: &mut Endpoint, held: &(ExchangeId, Payload)) {
    endpoint.conn.consumed(held.0, held.1.charge());
    endpoint.check();
}

/// Sends a request of 300,000 bytes and grants 1,000 at a time.
fn sent_within(client: &mut Endpoint, first: usize) {
    let corr = {
        let body = pattern(300_000);
        client
            .conn
            .request(client.now, Head::new(APP), body.into(), Fin::End)
            .expect("a request");
        let frames = client.frames();
        assert_eq!(joined(&frames), pattern(first));
        assert_eq!(frames[0].header.flags, REQ | START | ACK_REQ);
        assert!(frames[1..].iter().all(|frame| frame.header.flags == REQ));
        frames[0].header.corr_id
    };
    for granted in (first + 1_000..first + 5_000).step_by(1_000) {
        client.feed(&ack(corr, 10, granted as u64));
        assert_eq!(joined(&client.frames()).len(), 1_000);
    }
    client.feed(&ack(corr, 10, 1 << 40));
    let rest = client.frames();
    assert_eq!(joined(&rest).len(), 300_000 - first - 4_000);
    assert_eq!(rest.last().map(|frame| frame.header.flags), Some(REQ | END));
}

// OAP-6-1 OAP-6-4 OAP-6-7
#[test]
fn a_windowed_request_keeps_to_its_limit() {
    sent_within(&mut Endpoint::client(), 131_072);
    sent_within(&mut Endpoint::client_told("{}"), 131_072);
    sent_within(&mut Endpoint::client_told(r#"{"ack_window":4096}"#), 4_096);
    sent_within(
        &mut Endpoint::client_told(r#"{"ack_window":200001}"#),
        200_001,
    );
    let mut refused = Endpoint::client_with(|config| config.hello = true);
    refused.frames();
    let error = error_json("bad_hello", 0);
    refused.feed(&control(RESP | END, 400, 0).payload(error.as_bytes()));
    refused.events();
    sent_within(&mut refused, 131_072);
}

// OAP-6-4
#[test]
fn a_request_ahead_of_the_hello_reply_is_cautious() {
    for (reply, then) in [
        (hello_reply("{}"), 131_072),
        (hello_reply(r#"{"ack_window":5000}"#), 5_000),
        (hello_reply(r#"{"ack_window":4096}"#), 4_096),
        (hello_reply(r#"{"ack_window":8388608}"#), 131_072),
        (
            control(RESP | END, 400, 0).payload(error_json("bad_hello", 0).as_bytes()),
            131_072,
        ),
    ] {
        let mut client = Endpoint::client_with(|config| config.hello = true);
        client.frames();
        client
            .conn
            .request(
                client.now,
                Head::new(APP),
                pattern(200_000).into(),
                Fin::End,
            )
            .expect("a request");
        assert_eq!(joined(&client.frames()).len(), 4_096);
        client.feed(&reply);
        assert_eq!(joined(&client.frames()).len(), then - 4_096);
        client.events();
        client.feed(&ack(1, then as u64, then as u64 + 10));
        assert_eq!(joined(&client.frames()).len(), 10);
    }
}

// OAP-6-1 OAP-6-7
#[test]
fn a_request_of_one_frame_needs_no_window() {
    let mut client = Endpoint::client_told(r#"{"ack_window":4096}"#);
    client
        .conn
        .request(client.now, Head::new(APP), pattern(60_000).into(), Fin::End)
        .expect("a request");
    let whole = client.one_frame();
    assert_eq!(
        (whole.header.flags, whole.payload.len()),
        (REQ | START | END, 60_000)
    );
}

// OAP-6-2
#[test]
fn ack_req_on_a_later_frame_alone_opts_in_to_nothing() {
    let mut server = Endpoint::server();
    let id = server.open(&frame(REQ | START, 1).payload(b"x"));
    server.feed_all(&vec![frame(REQ | ACK_REQ, 1).payload(&pattern(60_000)); 4]);
    assert_eq!(server.events().len(), 4, "more than any window");
    server.assert_silent();
    server.send(id, 200, &pattern(200_000), Fin::End);
    let answer = server.frames();
    assert_eq!(joined(&answer).len(), 200_000);
    assert!(
        answer
            .iter()
            .all(|frame| !frame.header.flags.contains(ACK_REQ))
    );

    let mut client = Endpoint::client();
    client.ask(b"x");
    client.feed(&frame(RESP, 1).code(200).payload(b"x"));
    client.feed_all(&vec![
        frame(EVENT | ACK_REQ, 1).payload(&pattern(60_000));
        4
    ]);
    assert_eq!(client.events().len(), 5);
    client.assert_silent();
}

/// Opens an exchange at a server whose client has said `said`, and answers with an event first.
fn first_of_answer(said: Option<&str>, start: &Raw) -> (bool, usize) {
    let mut server = Endpoint::server();
    if let Some(said) = said {
        server.feed(&hello(said));
        server.frames();
        server.events();
    }
    let id = server.open(start);
    server.push(id, b"");
    let first = server.one_frame();
    assert!(first.header.flags.contains(EVENT));
    server.send(id, 200, &pattern(300_000), Fin::End);
    let answer = server.frames();
    assert!(
        answer
            .iter()
            .all(|frame| !frame.header.flags.contains(ACK_REQ))
    );
    (first.header.flags.contains(ACK_REQ), joined(&answer).len())
}

// OAP-6-3 OAP-6-5 OAP-6-1
#[test]
fn a_server_opts_in_when_its_client_did() {
    let plain = frame(REQ | START, 1);
    let windowed = frame(REQ | START | ACK_REQ, 1);
    assert_eq!(first_of_answer(None, &plain), (false, 300_000));
    assert_eq!(first_of_answer(None, &windowed), (true, 131_072));
    assert_eq!(first_of_answer(Some("{}"), &plain), (false, 300_000));
    assert_eq!(first_of_answer(Some("{}"), &windowed), (true, 131_072));
    let small = Some(r#"{"ack_window":5000}"#);
    assert_eq!(first_of_answer(small, &plain), (true, 5_000));
    assert_eq!(first_of_answer(small, &windowed), (true, 5_000));
    let bad = Some(r#"{"ack_window":1}"#);
    assert_eq!(first_of_answer(bad, &plain), (false, 300_000));
}

// OAP-6-3 OAP-6-5
#[test]
fn a_hello_after_the_start_changes_nothing_for_it() {
    let mut server = Endpoint::server();
    let plain = server.open(&frame(REQ | START, 1));
    let windowed = server.open(&frame(REQ | START | ACK_REQ, 2));
    server.feed(&hello(r#"{"ack_window":5000}"#));
    server.frames();
    server.events();
    server.send(plain, 200, &pattern(300_000), Fin::End);
    assert_eq!(joined(&server.frames()).len(), 300_000);
    server.send(windowed, 200, &pattern(300_000), Fin::End);
    assert_eq!(joined(&server.frames()).len(), 131_072);
}

// OAP-6-3
#[test]
fn an_answer_in_one_frame_fits_its_first_limit() {
    let mut server = Endpoint::server();
    server.feed(&hello(r#"{"ack_window":5000}"#));
    server.frames();
    server.events();
    for (len, whole) in [(5_000, true), (5_001, false)] {
        let id = server.open(&request(len as u64, b""));
        server.send(id, 200, &pattern(len), Fin::End);
        let sent = server.one_frame();
        assert_eq!(sent.payload.len(), 5_000);
        assert_eq!(sent.header.flags.contains(END), whole);
        assert_eq!(sent.header.flags.contains(ACK_REQ), !whole);
    }
    server.feed(&ack(5_001, 5_000, 10_000));
    assert_eq!(flags_code(&server.one_frame()), (RESP | END, 200));
}

/// How many bytes in windowed frames a server takes before it blames the client.
fn taken_by(server: &mut Endpoint, corr: u64) -> usize {
    server.feed(&frame(REQ | START | ACK_REQ, corr));
    for taken in (0..).step_by(1_000) {
        assert!(taken < 300_000, "no window at all");
        server.feed(&frame(REQ, corr).payload(&pattern(1_000)));
        if let Some(Event::Ended { .. }) = server.events().last() {
            return taken;
        }
    }
    unreachable!("the range has no end")
}

// OAP-6-6
#[test]
fn a_servers_window_holds_for_exchanges_after_its_reply() {
    let small = |config: &mut Config| {
        manual(config);
        own_window(5_000)(config);
    };
    // No HELLO at all.
    assert_eq!(taken_by(&mut Endpoint::server_with(small), 1), 131_000);
    // HELLO and START in one read: the reply is not with the transport yet.
    let mut server = Endpoint::server_with(small);
    server.feed(&hello("{}"));
    assert_eq!(taken_by(&mut server, 1), 131_000);
    server.frames();
    server.events();
    assert_eq!(taken_by(&mut server, 2), 5_000);
    // The window of an exchange does not change.
    let mut server = Endpoint::server_with(small);
    server.feed(&frame(REQ | START | ACK_REQ, 1));
    server.feed(&hello("{}"));
    server.frames();
    server.events();
    for _ in 0..131 {
        server.feed(&frame(REQ, 1).payload(&pattern(1_000)));
    }
    assert!(
        server
            .events()
            .iter()
            .all(|event| matches!(event, Event::Data { .. }))
    );
    // Bad HELLOs have no good reply.
    let mut server = Endpoint::server_with(small);
    server.feed(&hello("[]"));
    server.frames();
    assert_eq!(taken_by(&mut server, 1), 131_000);
}

// OAP-6-6
#[test]
fn a_clients_window_is_that_of_its_hello() {
    for (hello, windows, window) in [
        (true, true, 5_000),
        (true, false, 131_072),
        (false, true, 131_072),
    ] {
        let mut client = Endpoint::client_with(|config| {
            own_window(5_000)(config);
            manual(config);
            (config.hello, config.windows) = (hello, windows);
        });
        client.frames();
        client.ask(b"x");
        client.feed(&frame(RESP | ACK_REQ, 1).code(200).payload(&pattern(window)));
        assert_eq!(payload_of(&client.one_event()).len(), window);
        client.feed(&frame(RESP, 1).code(200).payload(b"x"));
        let (_, violation) = ended_for(&client.one_event());
        assert_violation(
            &violation,
            400,
            Reason::CreditViolation,
            "OAP-6-13",
            Scope::Exchange,
        );
    }
}

// OAP-6-7
#[test]
fn empty_frames_and_error_bodies_need_no_credit() {
    let mut server = Endpoint::server();
    let mut ids = Vec::new();
    for corr in 1..=4 {
        let id = server.open(&frame(REQ | START | ACK_REQ, corr));
        server.send(id, 200, &pattern(131_072), Fin::More);
        assert_eq!(joined(&server.frames()).len(), 131_072);
        ids.push(id);
    }
    server.push(ids[0], b"");
    assert_eq!(flags_code(&server.one_frame()), (EVENT, 0));
    server.send(ids[0], 200, b"", Fin::End);
    assert_eq!(flags_code(&server.one_frame()), (RESP | END, 200));
    server.send(ids[1], 404, br#"{"code":"not_found"}"#, Fin::End);
    assert_eq!(flags_code(&server.one_frame()), (RESP | END, 404));
    server
        .conn
        .exchange(ids[2])
        .expect("open")
        .fail(Code::UNAVAILABLE, Reason::NotReady, "later")
        .expect("an answer");
    assert_error(&server.one_frame(), 503, Reason::NotReady, 3, APP, 0);
    server.send(ids[3], 200, b"waits", Fin::End);
    server.assert_silent();
    server.feed(&ack(4, 131_072, 131_077));
    assert_eq!(server.one_frame().payload, b"waits");
}

// OAP-6-7 OAP-9-4
#[test]
fn the_body_of_an_error_is_small_or_not_sent() {
    let mut server = Endpoint::server();
    let id = server.open(&frame(REQ | START | ACK_REQ, 1));
    let mut respond = |size| {
        let exchange = server.conn.exchange(id).expect("open");
        exchange.respond(Code::INTERNAL, pattern(size).into())
    };
    let refused = SendError::TooLarge {
        size: 4_064,
        limit: 4_063,
    };
    assert_eq!(respond(4_064), Err(refused));
    assert_eq!(respond(4_063), Ok(()));
    assert_eq!(server.one_frame().payload.len(), 4_063);
}

// OAP-6-7 OAP-6-13
#[test]
fn an_error_body_is_taken_beyond_the_window() {
    let mut client = Endpoint::client_with(manual);
    client.ask(b"x");
    client.feed(
        &frame(RESP | ACK_REQ, 1)
            .code(200)
            .payload(&pattern(131_072)),
    );
    client.events();
    let body = error_json("internal", 1);
    client.feed(&frame(RESP | END, 1).code(500).payload(body.as_bytes()));
    match client.one_event() {
        Event::Data {
            code,
            payload,
            fin: Fin::End,
            ..
        } => {
            assert_eq!(
                (code, &payload.wire_bytes()[..]),
                (Code::INTERNAL, body.as_bytes())
            );
        }
        other => panic!("{other:?}"),
    }
    client.assert_alive();
}

// OAP-6-8 OAP-6-9
#[test]
fn an_ack_is_due_at_half_a_window() {
    let mut server = Endpoint::server();
    server.feed(&frame(REQ | START | ACK_REQ, 1).payload(&pattern(65_535)));
    server.one_event();
    assert!(server.frames().is_empty());
    server.feed(&frame(REQ, 1).payload(b"x"));
    server.one_event();
    assert_eq!(
        ack_numbers(&server.one_frame(), 1),
        (65_536, 65_536 + DEFAULT)
    );
    server.feed(&frame(REQ, 1).payload(&pattern(65_536)));
    server.one_event();
    assert_eq!(
        ack_numbers(&server.one_frame(), 1),
        (131_072, 131_072 + DEFAULT)
    );
}

// OAP-6-8
#[test]
fn half_of_the_smallest_window_that_a_sender_may_assume() {
    for (own, told, due, grants) in [
        // A small own window, which the client may know before the START was here.
        (5_000, false, 2_500, 131_072),
        (5_000, true, 2_500, 5_000),
        // A large one: the client may not have read of it yet.
        (400_000, true, 65_536, 400_000),
        (400_000, false, 65_536, 131_072),
    ] {
        let mut server = Endpoint::server_with(own_window(own));
        if told {
            server.feed(&hello("{}"));
            server.frames();
            server.events();
        }
        server.feed(&frame(REQ | START | ACK_REQ, 1).payload(&pattern(due - 1)));
        server.one_event();
        assert!(server.frames().is_empty());
        server.feed(&frame(REQ, 1).payload(b"x"));
        server.one_event();
        assert_eq!(
            ack_numbers(&server.one_frame(), 1),
            (due as u64, (due + grants) as u64)
        );
    }
}

// OAP-6-8 OAP-6-11
#[test]
fn a_later_ack_req_asks_for_an_ack() {
    let mut server = Endpoint::server();
    server.feed(&frame(REQ | START | ACK_REQ, 1).payload(b"12345"));
    server.events();
    server.assert_silent();
    // Three in one read: one ACK, with the newest numbers.
    server.feed_all(&vec![frame(REQ | ACK_REQ, 1).payload(b"12345"); 3]);
    server.events();
    assert_eq!(ack_numbers(&server.one_frame(), 1), (20, 20 + DEFAULT));
    server.feed(&frame(REQ | ACK_REQ, 1));
    server.events();
    assert_eq!(ack_numbers(&server.one_frame(), 1), (20, 20 + DEFAULT));
}

// OAP-6-8
#[test]
fn after_the_end_no_ack_is_due() {
    let mut server = Endpoint::server();
    server.feed_all(&[
        frame(REQ | START | ACK_REQ, 1).payload(&pattern(60_000)),
        frame(REQ | ACK_REQ, 1).payload(&pattern(60_000)),
        frame(REQ | ACK_REQ | END, 1).payload(b"x"),
    ]);
    server.events();
    server.assert_silent();
    server.feed(&frame(REQ | START | ACK_REQ | END, 2).payload(&pattern(100_000)));
    server.events();
    server.assert_silent();

    let mut client = Endpoint::client();
    client.ask(b"x");
    client.feed_all(&[
        frame(RESP | ACK_REQ, 1)
            .code(200)
            .payload(&pattern(100_000)),
        frame(RESP | END | ACK_REQ, 1).code(200).payload(b"x"),
    ]);
    client.events();
    client.assert_silent();
}

// OAP-6-8
#[test]
fn after_an_answer_no_ack_is_due() {
    for explicit in [false, true] {
        let mut server = Endpoint::server_with(|config| config.explicit_release = explicit);
        let id = server.open(&frame(REQ | START | ACK_REQ, 1));
        server.feed(&frame(REQ | ACK_REQ, 1).payload(&pattern(70_000)));
        server.events();
        server.send(id, 200, b"done", Fin::End);
        assert_eq!(server.one_frame().payload, b"done");
        server.feed(&frame(REQ | ACK_REQ, 1).payload(b"late"));
        server.assert_silent();
    }
}

// OAP-6-9
#[test]
fn the_numbers_of_acks_never_go_back() {
    let mut server = Endpoint::server_with(manual);
    let first = hold(
        &mut server,
        &frame(REQ | START | ACK_REQ, 1).payload(&pattern(1_000)),
    );
    let mut seen = vec![(0, DEFAULT)];
    let mut held = vec![first];
    for round in 0..50_usize {
        let more = frame(REQ | ACK_REQ, 1).payload(&pattern(1 + round * 37 % 700));
        held.push(hold(&mut server, &more));
        if round % 3 == 0 {
            release(&mut server, &held.remove(held.len() / 2));
        }
        seen.extend(server.frames().iter().map(|frame| ack_numbers(frame, 1)));
    }
    assert!(seen.len() > 40);
    assert!(
        seen.windows(2)
            .all(|pair| pair[0].0 <= pair[1].0 && pair[0].1 <= pair[1].1)
    );
    assert!(
        seen.iter()
            .all(|(consumed, limit)| *limit >= consumed + DEFAULT)
    );
}

// OAP-6-10
#[test]
fn no_more_is_granted_than_the_budget_takes() {
    let mut server = Endpoint::server_with(|config| config.limits = small_limits());
    server.feed(&hello("{}"));
    server.frames();
    server.events();
    for corr in 1..=8 {
        server.feed(&frame(REQ | START | ACK_REQ, corr).payload(&pattern(2_048)));
    }
    server.events();
    let granted: u64 = server
        .frames()
        .iter()
        .map(|frame| {
            let (consumed, limit) = ack_numbers(frame, frame.header.corr_id);
            limit - consumed
        })
        .sum();
    assert_eq!(granted, 8 * 4_096);
}

// OAP-6-11 OAP-10-10
#[test]
fn acks_do_not_wait_behind_obligations() {
    let mut server = Endpoint::server();
    server.feed(&frame(REQ | START | ACK_REQ, 1).payload(&pattern(70_000)));
    server.one_event();
    let pings: Vec<Raw> = (1..=63).map(ping).collect();
    server.feed_all(&pings);
    assert!(
        server.conn.interest().read,
        "an ACK and 63 replies are not 64 replies"
    );
    server.feed(&ping(64));
    assert!(!server.conn.interest().read);
    assert_eq!(server.frames().len(), 65);
    assert!(server.conn.interest().read);
}

// OAP-6-12
#[test]
fn bytes_are_consumed_when_delivered_or_when_released() {
    let start = frame(REQ | START | ACK_REQ, 1).payload(&pattern(70_000));
    let mut on_delivery = Endpoint::server();
    on_delivery.feed(&start);
    on_delivery.assert_nothing_to_write();
    assert_eq!(on_delivery.conn.held_bytes(), 70_000);
    on_delivery.one_event();
    assert_eq!(on_delivery.conn.held_bytes(), 0);
    assert_eq!(
        ack_numbers(&on_delivery.one_frame(), 1),
        (70_000, 70_000 + DEFAULT)
    );

    let mut manually = Endpoint::server_with(manual);
    let held = hold(&mut manually, &start);
    manually.assert_silent();
    assert_eq!(manually.conn.held_bytes(), 70_000);
    release(&mut manually, &held);
    assert_eq!(manually.conn.held_bytes(), 0);
    assert_eq!(
        ack_numbers(&manually.one_frame(), 1),
        (70_000, 70_000 + DEFAULT)
    );
}

// OAP-6-12 OAP-8-2
#[test]
fn windows_count_wire_bytes() {
    let mut server = Endpoint::server();
    // Not compressed at all, but nobody looks.
    server.feed(&frame(REQ | START | ACK_REQ | COMP, 1).payload(&pattern(70_000)));
    server.one_event();
    assert_eq!(
        ack_numbers(&server.one_frame(), 1),
        (70_000, 70_000 + DEFAULT)
    );
}

// OAP-6-13
#[test]
fn bytes_beyond_the_limit_cost_the_exchange() {
    // In the START, in a later frame, and in the END.
    let start = frame(REQ | START | ACK_REQ, 1).tenant(TENANT);
    for (before, beyond) in [
        (None, start.clone().payload(&pattern(131_073))),
        (Some(131_072), frame(REQ, 1).tenant(TENANT).payload(b"x")),
        (
            Some(131_071),
            frame(REQ | END, 1).tenant(TENANT).payload(b"xx"),
        ),
    ] {
        let mut server = Endpoint::server_with(manual);
        if let Some(before) = before {
            server.feed(&start.clone().payload(&pattern(before)));
            server.one_event();
        }
        server.feed(&beyond);
        assert_error(
            &server.one_frame(),
            400,
            Reason::CreditViolation,
            1,
            APP,
            TENANT,
        );
        match before {
            None => assert!(server.events().is_empty()),
            Some(_) => {
                let (_, violation) = ended_for(&server.one_event());
                let reason = Reason::CreditViolation;
                assert_violation(&violation, 400, reason, "OAP-6-13", Scope::Exchange);
            }
        }
        if !beyond.flags.contains(END) {
            server.feed(&frame(REQ, 1).tenant(TENANT).payload(b"late"));
        }
        server.assert_alive();
    }
    let mut exact = Endpoint::server_with(manual);
    exact.feed(&start.payload(&pattern(131_072)));
    exact.one_event();
    exact.assert_alive();
}

// OAP-6-13
#[test]
fn the_greatest_limit_given_is_the_one_that_counts() {
    let mut server = Endpoint::server_with(manual);
    let held = hold(
        &mut server,
        &frame(REQ | START | ACK_REQ, 1).payload(&pattern(100_000)),
    );
    release(&mut server, &held);
    assert_eq!(ack_numbers(&server.one_frame(), 1), (100_000, 231_072));
    server.feed(&frame(REQ, 1).payload(&pattern(131_072)));
    assert_eq!(payload_of(&server.one_event()).len(), 131_072);
    server.feed(&frame(REQ, 1).payload(b"x"));
    assert_error(&server.one_frame(), 400, Reason::CreditViolation, 1, APP, 0);
}

/// A server that has sent 1,000 bytes in a windowed answer on exchange 1, whose last ACK said
/// (500, 200,000).
fn windowed_sender() -> Endpoint {
    let mut server = Endpoint::server();
    let id = server.open(&frame(REQ | START | ACK_REQ, 1));
    server.send(id, 200, &pattern(1_000), Fin::More);
    server.feed(&ack(1, 500, 200_000));
    server.frames();
    server
}

// OAP-6-14
#[test]
fn a_malformed_ack_is_fatal() {
    let of = |payload: &[u8]| control(RESP, 202, 1).payload(payload);
    for wrong in [
        of(b""),
        of(&[0; 15]),
        of(&[0; 17]),
        of(&[0; 32]),
        ack(1, 11, 10),
        ack(1, u64::MAX, 0),
        // Whatever its exchange.
        ack(77, 2, 1),
        control(RESP, 202, u64::MAX).payload(&[1; 3]),
    ] {
        let mut server = windowed_sender();
        server.feed(&wrong);
        server.assert_fatal(400, Reason::BadFrame, "OAP-6-14");
        let mut client = Endpoint::client();
        client.stream(b"x");
        client.feed(&wrong);
        client.assert_fatal(400, Reason::BadFrame, "OAP-6-14");
    }
}

// OAP-6-14
#[test]
fn an_ack_of_what_cannot_be_is_fatal() {
    for (consumed, limit) in [
        (1_001, 200_000),
        (499, 200_000),
        (500, 199_999),
        (u64::MAX, u64::MAX),
    ] {
        let mut server = windowed_sender();
        server.feed(&ack(1, consumed, limit));
        server.assert_fatal(400, Reason::CreditViolation, "OAP-6-14");
    }
    let mut client = Endpoint::client();
    client.stream(b"12345");
    client.feed(&ack(1, 6, 131_072));
    client.assert_fatal(400, Reason::CreditViolation, "OAP-6-14");
}

// OAP-6-14
#[test]
fn an_ack_that_repeats_or_grows_is_fine() {
    for (consumed, limit) in [
        (500, 200_000),
        (1_000, 200_000),
        (500, u64::MAX),
        (1_000, 1 << 62),
    ] {
        let mut server = windowed_sender();
        server.feed(&ack(1, consumed, limit));
        server.assert_silent();
        assert!(!server.conn.is_closed());
    }
    // Lower than the first limit, but than no earlier ACK: the first limit stands.
    let mut server = Endpoint::server();
    let id = server.open(&frame(REQ | START | ACK_REQ, 1));
    server.send(id, 200, &pattern(100), Fin::More);
    server.frames();
    server.feed(&ack(1, 100, 200));
    server.send(id, 200, &pattern(200_000), Fin::End);
    assert_eq!(joined(&server.frames()).len(), 131_072 - 100);
}

// OAP-6-14
#[test]
fn the_last_chunk_of_a_request_may_be_acknowledged() {
    let mut client = Endpoint::client();
    let id = client.stream(b"12345");
    client.send(id, 0, b"67890", Fin::End);
    client.frames();
    client.feed(&ack(1, 10, 131_082));
    client.assert_silent();
    client.feed(&answer(1, b"ok"));
    client.one_event();
    client.assert_alive();
}

// OAP-6-15
#[test]
fn an_ack_that_nobody_asked_for_is_ignored_and_counted() {
    let mut server = Endpoint::server();
    // Ended, never opened, open but not windowed, windowed but nothing sent.
    server.feed(&request(1, b""));
    server.serve();
    server.open(&frame(REQ | START, 2));
    server.open(&frame(REQ | START | ACK_REQ, 3));
    server.frames();
    for (count, corr) in (1..).zip([1, 99, 2, 3]) {
        server.feed(&ack(corr, 7, 1_000_000));
        server.assert_silent();
        assert_eq!(server.conn.counters().ignored_control, count);
    }
    let mut client = Endpoint::client();
    client.ask(b"one frame, not windowed");
    client.feed(&ack(1, 7, 1_000_000));
    client.feed(&answer(1, b""));
    client.feed(&ack(1, 7, 1_000_000));
    client.events();
    assert_eq!(client.conn.counters().ignored_control, 2);
    client.assert_alive();
}

// OAP-6-15
#[test]
fn an_ack_for_what_was_never_opened_is_fatal_at_a_client() {
    for corr in [2, 99, u64::MAX] {
        let mut client = Endpoint::client();
        client.ask(b"x");
        client.feed(&ack(corr, 0, 1_000));
        client.assert_fatal(400, Reason::BadSequence, "OAP-6-15");
    }
}

// OAP-6-16
#[test]
fn reading_stops_before_a_frame_that_does_not_fit() {
    let mut server = Endpoint::server_with(|config| {
        manual(config);
        config.limits = small_limits();
    });
    // Seven frames of 4,000 and sixteen small ones fill 32,096 of 32,768 bytes.
    let mut held = vec![hold(
        &mut server,
        &frame(REQ | START, 1).payload(&pattern(4_000)),
    )];
    for _ in 0..6 {
        held.push(hold(&mut server, &frame(REQ, 1).payload(&pattern(4_000))));
    }
    for _ in 0..16 {
        held.push(hold(&mut server, &frame(REQ, 1).payload(b"small")));
    }
    assert_eq!(server.conn.held_bytes(), 7 * 4_000 + 16 * 256);
    assert!(server.conn.interest().read);
    // A control frame needs no room; an application's does.
    server.feed(&ping(1));
    assert_eq!(server.frames().len(), 1);
    let waits = bytes_of(&[frame(REQ, 1).payload(&pattern(673)), ping(2)]);
    server.feed_bytes(oap_core::Lane::FIRST, &waits);
    assert!(!server.conn.interest().read && !server.conn.interest().again);
    assert_eq!(server.undecoded(), waits.len());
    server.assert_silent();
    // One byte less would have fitted; one frame released is enough.
    let small = held.pop().expect("held");
    server.conn.consumed(small.0, small.1.charge());
    assert!(server.conn.interest().again);
    server.feed_bytes(oap_core::Lane::FIRST, b"");
    assert_eq!(payload_of(&server.one_event()).len(), 673);
    assert_eq!(server.frames().len(), 1);
    assert!(server.conn.interest().read);
    // An exchange that has ended gives back what was held of it.
    server.feed(&cancel(1, 408));
    server.events();
    for held in held {
        server.conn.consumed(held.0, held.1.charge());
    }
    assert_eq!(server.conn.held_bytes(), 673);
}

// OAP-6-16
#[test]
fn windowed_frames_wait_for_room_like_others() {
    let mut server = Endpoint::server_with(|config| {
        manual(config);
        config.limits = small_limits();
    });
    let first = hold(&mut server, &frame(REQ | START, 1).payload(&pattern(4_000)));
    let mut held = vec![first];
    for _ in 0..7 {
        held.push(hold(&mut server, &frame(REQ, 1).payload(&pattern(4_000))));
    }
    server.feed(&frame(REQ | START | ACK_REQ, 2).payload(&pattern(1_000)));
    assert!(!server.conn.interest().read);
    server.assert_silent();
    release(&mut server, &held[0]);
    server.feed_bytes(oap_core::Lane::FIRST, b"");
    assert_eq!(payload_of(&server.one_event()).len(), 1_000);
}

// OAP-6-16 OAP-6-17
#[test]
fn a_default_window_above_a_small_budget_is_waited_for() {
    // The client knows nothing of the server's small frames; its window is the default.
    let mut server = Endpoint::server_with(|config| {
        manual(config);
        config.limits = small_limits();
    });
    let mut held = vec![hold(
        &mut server,
        &frame(REQ | START | ACK_REQ, 1).payload(&pattern(4_000)),
    )];
    for _ in 0..20 {
        server.feed(&frame(REQ, 1).payload(&pattern(4_000)));
    }
    for event in server.events() {
        match event {
            Event::Data { id, payload, .. } => held.push((id, payload)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(held.len(), 8);
    assert!(!server.conn.interest().read && server.undecoded() > 0);
    let mut got = 0;
    while !held.is_empty() {
        for held in held.drain(..) {
            got += held.1.wire_len();
            server.conn.consumed(held.0, held.1.charge());
        }
        server.feed_bytes(oap_core::Lane::FIRST, b"");
        for event in server.events() {
            match event {
                Event::Data { id, payload, .. } => held.push((id, payload)),
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(got, 21 * 4_000);
}

// OAP-6-16 OAP-6-17 OAP-6-18
#[test]
fn windows_that_are_used_to_the_last_byte_are_no_flood() {
    let mut server = Endpoint::server_with(|config| {
        manual(config);
        config.limits = small_limits();
    });
    server.feed(&hello("{}"));
    server.frames();
    server.events();
    let mut held = Vec::new();
    for corr in 1..=8 {
        let start = frame(REQ | START | ACK_REQ, corr).payload(&pattern(4_000));
        held.push(hold(&mut server, &start));
        held.push(hold(&mut server, &frame(REQ, corr).payload(&pattern(95))));
        held.push(hold(&mut server, &frame(REQ, corr).payload(b"x")));
    }
    assert_eq!(server.conn.held_bytes(), 8 * 4_096);
    assert!(server.conn.interest().read);
    // What has no window waits for room, whatever its size.
    server.feed(&request(9, b"x"));
    assert!(!server.conn.interest().read);
    server.assert_silent();
}

// OAP-6-17
#[test]
fn windowed_frames_that_are_needlessly_small_cost_their_exchange() {
    for start in [false, true] {
        let mut server = Endpoint::server_with(|config| {
            manual(config);
            config.limits = small_limits();
        });
        server.feed(&frame(REQ | START | ACK_REQ, 1).payload(b"x"));
        for _ in 0..127 {
            server.feed(&frame(REQ, 1).payload(b"x"));
        }
        let held: Vec<_> = server
            .events()
            .into_iter()
            .map(|event| match event {
                Event::Opened { id, payload, .. } | Event::Data { id, payload, .. } => {
                    (id, payload)
                }
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!((held.len(), server.conn.held_bytes()), (128, 128));
        if start {
            server.feed(&frame(REQ | START | ACK_REQ, 2).payload(b"x"));
            assert_error(&server.one_frame(), 429, Reason::Flood, 2, APP, 0);
        } else {
            server.feed(&frame(REQ, 1).payload(b"x"));
            assert_error(&server.one_frame(), 429, Reason::Flood, 1, APP, 0);
            let (_, violation) = ended_for(&server.one_event());
            assert_violation(&violation, 429, Reason::Flood, "OAP-6-17", Scope::Exchange);
        }
        assert!(server.conn.interest().read && !server.conn.is_closed());
        for held in &held {
            release(&mut server, held);
        }
        server.feed(&request(3, b"goes on"));
        let (_, payload) = match server.one_event() {
            Event::Opened { id, payload, .. } => (id, payload),
            other => panic!("{other:?}"),
        };
        assert_eq!(&payload.wire_bytes()[..], b"goes on");
    }
}

// OAP-6-18
#[test]
fn windows_that_do_not_fit_the_budget_are_refused() {
    let build = |frame, window, inflight| {
        Limits::builder()
            .max_frame(frame)
            .ack_window(window)
            .max_inflight(inflight)
            .build()
    };
    assert!(build(1_048_576, 131_072, 64).is_ok());
    for (frame, window, inflight) in [
        (1_048_576, 131_073, 64),
        (1_048_576, 131_072, 65),
        (1_048_575, 131_072, 64),
        (4_096, 4_096, 9),
        (1_048_576, 8_388_608, 65_535),
    ] {
        assert!(matches!(
            build(frame, window, inflight),
            Err(LimitError::Windows { .. })
        ));
    }
    assert!(build(4_096, 4_096, 8).is_ok());
}

// OAP-6-1 OAP-7-3
#[test]
fn a_compressed_body_waits_for_credit_for_all_of_it() {
    let mut server = Endpoint::server();
    server.feed(&hello(r#"{"ack_window":5000,"comp":["zlib"]}"#));
    server.frames();
    server.events();
    let id = server.open(&request(1, b""));
    server.send(id, 200, &pattern(3_000), Fin::More);
    server.frames();
    server
        .conn
        .exchange(id)
        .expect("open")
        .respond(Code::OK, Body::compressed(pattern(3_000).into()))
        .expect("it fits a window");
    server.assert_silent();
    server.feed(&ack(1, 1_000, 6_000));
    let whole = server.one_frame();
    assert_eq!(
        (whole.header.flags, whole.payload.len()),
        (RESP | END | COMP, 3_000)
    );
}
