//! Section 4 of the specification: control frames.

mod support;

use std::time::Duration;

use oap_core::{CloseReason, Code, End, Event, Fin, Head, Reason, SendError};

use self::support::*;

fn server_of(features: &str) -> Endpoint {
    let mut server = Endpoint::server();
    server.feed(&hello(features));
    server.frames();
    server.events();
    server
}

fn give_up(endpoint: &mut Endpoint, id: oap_core::ExchangeId, code: Code, reason: Reason) {
    endpoint
        .conn
        .exchange(id)
        .expect("open")
        .cancel(code, reason);
    endpoint.check();
}

// OAP-4-1
#[test]
fn control_frames_go_out_as_the_table_says() {
    let mut client = Endpoint::client_with(|config| config.hello = true);
    let hello = client.one_frame();
    assert!(hello.header.flags == REQ || hello.header.flags == REQ | START | END);
    assert_eq!((hello.header.code, hello.header.corr_id), (Code::OK, 0));

    let mut client = Endpoint::client_told(ALL_FEATURES);
    let mut head = Head::new(APP);
    (head.tenant_id, head.capability) = (TENANT, b"cap".as_slice().into());
    let id = client
        .conn
        .request(client.now, head, b"x".as_slice().into(), Fin::End)
        .expect("a request");
    client.frames();
    let nonce = client.conn.ping(client.now).expect("the server has it");
    assert!(nonce > 0);
    give_up(&mut client, id, Code::TOO_MANY, Reason::RateLimited);
    client.conn.close();
    client.check();
    let frames = client.frames();
    let first = &frames[0];
    assert_eq!(
        (flags_code(first), first.header.corr_id),
        ((EVENT | ACK_REQ, 0), nonce)
    );
    assert!(first.payload.is_empty());
    let second = &frames[1];
    assert_eq!(
        (flags_code(second), second.header.corr_id),
        ((EVENT, 429), 1)
    );
    assert_error_body(&second.payload, 429, Reason::RateLimited, 1);
    assert_eq!(frames.len(), 2);
    for frame in &frames {
        assert_eq!((frame.header.app_proto_id, frame.header.tenant_id), (0, 0));
        assert_eq!(frame.header.cap_len, 0);
    }

    let mut server = server_of(ALL_FEATURES);
    server.open(&frame(REQ | START | ACK_REQ, 5).tenant(TENANT));
    server.feed_all(&[
        frame(REQ | ACK_REQ, 5).tenant(TENANT).payload(b"12345"),
        ping(7),
    ]);
    server.events();
    server.conn.drain();
    server.check();
    let frames = server.frames();
    assert_eq!(frames.len(), 3);
    for frame in &frames {
        match flags_code(frame) {
            (EVENT, 202) => assert_eq!((frame.header.corr_id, frame.payload.len()), (7, 0)),
            (RESP, 202) => assert_eq!(ack_numbers(frame, 5), (5, 5 + 131_072)),
            (EVENT, 503) => {
                assert_eq!(frame.header.corr_id, 0);
                assert_error_body(&frame.payload, 503, Reason::Draining, 0);
            }
            other => panic!("{other:?}"),
        }
        assert_eq!((frame.header.app_proto_id, frame.header.tenant_id), (0, 0));
    }
}

// OAP-4-2
#[test]
fn tenant_other_flags_and_the_body_of_a_ping_are_ignored() {
    let odd = START | END | COMP | APP_E2E;
    let mut server = server_of(ALL_FEATURES);
    server.feed(&ping(3).with(odd).tenant(TENANT).payload(b"whatever"));
    let pong = server.one_frame();
    assert_eq!((flags_code(&pong), pong.header.corr_id), ((EVENT, 202), 3));
    assert!(pong.payload.is_empty());

    let id = server.open(&frame(REQ | START | ACK_REQ, 5));
    server.send(id, 200, &pattern(200_000), Fin::End);
    assert_eq!(joined(&server.frames()).len(), 131_072);
    server.feed(&ack(5, 131_072, 262_144).with(odd | ACK_REQ).tenant(TENANT));
    assert_eq!(joined(&server.frames()).len(), 200_000 - 131_072);

    let id = server.open(&frame(REQ | START, 6));
    server.feed(&cancel(6, 499).with(odd | ACK_REQ).tenant(9));
    assert!(matches!(server.one_event(), Event::Ended { id: ended, .. } if ended == id));

    let mut client = Endpoint::client_told(ALL_FEATURES);
    let nonce = client.conn.ping(client.now).expect("a PING");
    client.frames();
    client.feed(&control(EVENT, 202, nonce).with(odd).tenant(1).payload(b"x"));
    assert!(matches!(client.one_event(), Event::Pong { nonce: of, .. } if of == nonce));
    client.feed(&control(EVENT, 503, 0).with(odd | ACK_REQ));
    assert!(matches!(
        client.one_event(),
        Event::GoAway {
            code: Code::UNAVAILABLE,
            ..
        }
    ));

    let mut client = Endpoint::client_with(|config| config.hello = true);
    client.frames();
    client.feed(
        &control(RESP, 0, 0)
            .with(COMP | ACK_REQ)
            .tenant(2)
            .payload(b"{}"),
    );
    assert!(matches!(client.one_event(), Event::Hello(_)));
}

// OAP-4-3
#[test]
fn control_frames_that_mean_nothing_are_ignored_and_counted() {
    let events = [
        control(EVENT, 0, 0),
        control(EVENT, 0, 5),
        control(EVENT | ACK_REQ, 0, 0),
        control(EVENT | ACK_REQ, 200, 5),
        control(EVENT, 202, 0),
        control(EVENT, 202, 99),
        control(EVENT, 304, 5),
        control(EVENT, 399, 1),
        control(EVENT, 400, 0),
        control(EVENT, 500, 0),
        control(EVENT, 600, 1),
        control(EVENT, 65_535, 1),
    ];
    let answers = [
        control(RESP | END, 0, 0),
        control(RESP | END, 0, 5),
        control(RESP | END, 200, 0),
        control(RESP | END, 202, 0),
        control(RESP | END, 400, 5).payload(error_json("bad_hello", 5).as_bytes()),
        control(RESP | END, 500, 1),
        control(RESP | END, 304, 0),
    ];
    for wrong in events.iter().chain(&answers) {
        let mut server = server_of(ALL_FEATURES);
        let id = server.open(&frame(REQ | START, 1));
        server.feed(wrong);
        server.assert_silent();
        assert_eq!(server.conn.counters().ignored_control, 1, "{wrong:?}");
        server.send(id, 200, b"", Fin::End);
        server.frames();
        server.assert_alive();

        let mut client = Endpoint::client_told(ALL_FEATURES);
        client.ask(b"question");
        client.feed(wrong);
        client.assert_silent();
        assert_eq!(client.conn.counters().ignored_control, 1, "{wrong:?}");
        client.feed(&answer(1, b""));
        client.one_event();
        client.assert_alive();
    }
}

// OAP-4-9
#[test]
fn a_pong_of_another_ping_is_ignored() {
    let mut client = Endpoint::client_told(ALL_FEATURES);
    let nonce = client.conn.ping(client.now).expect("a PING");
    client.frames();
    client.feed(&control(EVENT, 202, nonce + 1));
    client.assert_silent();
    assert_eq!(client.conn.counters().ignored_control, 1);
    client.feed(&control(EVENT, 202, nonce));
    assert!(matches!(client.one_event(), Event::Pong { nonce: told, .. } if told == nonce));
}

// OAP-4-3
#[test]
fn a_pong_is_awaited_once() {
    let mut client = Endpoint::client_told(ALL_FEATURES);
    let nonce = client.conn.ping(client.now).expect("a PING");
    let sent = client.now;
    client.frames();
    client.advance(Duration::from_millis(20));
    client.feed_all(&[control(EVENT, 202, nonce + 1), control(EVENT, 202, nonce)]);
    assert_eq!(client.one_event(), Event::Pong { nonce, sent });
    client.feed(&control(EVENT, 202, nonce));
    client.assert_silent();
    assert_eq!(client.conn.counters().ignored_control, 2);
}

// OAP-4-4
#[test]
fn what_a_peer_does_not_list_is_not_sent_to_it() {
    for features in ["[]", r#"["ping"]"#, r#"["cancel"]"#, r#"["goaway","tea"]"#] {
        let body = format!(r#"{{"features":{features}}}"#);
        let has = |name: &str| body.contains(name);
        let mut client = Endpoint::client_told(&body);
        let id = client.ask(b"question");
        client.stream(b"stays open");
        assert_eq!(client.conn.ping(client.now).is_ok(), has("ping"));
        give_up(&mut client, id, Code::TIMEOUT, Reason::Cancelled);
        client.conn.drain();
        client.check();
        let mut kinds: Vec<u16> = client
            .frames()
            .iter()
            .map(|f| f.header.code.get())
            .collect();
        kinds.sort_unstable();
        let mut expected: Vec<u16> = Vec::new();
        expected.extend(has("ping").then_some(0));
        expected.extend(has("cancel").then_some(408));
        expected.extend(has("goaway").then_some(503));
        assert_eq!(kinds, expected, "{features}");

        let mut server = server_of(&body);
        server.open(&frame(REQ | START, 1));
        assert_eq!(server.conn.ping(server.now).is_ok(), has("ping"));
        server.frames();
        server.conn.drain();
        server.check();
        assert_eq!(server.frames().len(), usize::from(has("goaway")));
    }
}

// OAP-4-4
#[test]
fn before_its_hello_a_peer_lists_nothing() {
    let mut client = Endpoint::client_with(|config| config.hello = true);
    client.frames();
    let id = client.ask(b"question");
    assert_eq!(client.conn.ping(client.now), Err(SendError::Unsupported));
    give_up(&mut client, id, Code::TIMEOUT, Reason::Cancelled);
    client.conn.drain();
    client.check();
    client.assert_silent();

    let mut server = Endpoint::server();
    server.open(&frame(REQ | START, 1));
    assert_eq!(server.conn.ping(server.now), Err(SendError::Unsupported));
    server.conn.drain();
    server.check();
    server.assert_silent();
}

// OAP-4-5 OAP-5-9
#[test]
fn an_error_bad_hello_answers_the_hello_that_is_awaited() {
    let error = control(RESP | END, 400, 0).payload(error_json("bad_hello", 0).as_bytes());
    let mut client = Endpoint::client_with(|config| config.hello = true);
    client.frames();
    client.feed(&error);
    assert_eq!(client.one_event(), Event::NoHello);
    client.assert_alive();
    // Awaited no more, it is a connection error frame.
    client.feed(&error);
    let closed = client.one_event();
    match closed {
        Event::Closed(reason) => assert_eq!(reason.reason(), Reason::BadHello),
        other => panic!("{other:?}"),
    }
    client.assert_over();
}

// OAP-4-5
#[test]
fn any_other_error_closes_a_client() {
    for awaits in [false, true] {
        for (code, body, reason) in [
            (413, error_json("too_large", 0), Reason::TooLarge),
            (429, error_json("flood", 0), Reason::Flood),
            (400, error_json("bad_frame", 0), Reason::BadFrame),
            (400, String::new(), Reason::BadRequest),
            (400, "bad_hello".into(), Reason::BadRequest),
            (599, error_json("tea", 0), Reason::Internal),
        ] {
            let mut client = Endpoint::client_with(|config| config.hello = awaits);
            client.frames();
            client.ask(b"question");
            client.feed(&control(RESP | END, code, 0).payload(body.as_bytes()));
            let closed = client.one_event();
            let expected = CloseReason::PeerError {
                code: Code::new(code),
                reason: Some(reason),
            };
            assert_eq!(closed, Event::Closed(expected));
            client.assert_over();
        }
    }
}

// OAP-4-6
#[test]
fn after_a_connection_error_frame_nothing_more_is_sent() {
    for at_server in [true, false] {
        let mut endpoint = if at_server {
            server_of(ALL_FEATURES)
        } else {
            Endpoint::client_told(ALL_FEATURES)
        };
        if at_server {
            let id = endpoint.open(&frame(REQ | START, 1));
            endpoint.send(id, 200, b"encoded, not written", Fin::More);
        } else {
            endpoint
                .conn
                .request(
                    endpoint.now,
                    Head::new(APP),
                    b"x".as_slice().into(),
                    Fin::End,
                )
                .expect("a request");
        }
        let error = control(RESP | END, 413, 0).payload(error_json("too_large", 0).as_bytes());
        endpoint.feed_all(&[ping(1), error, ping(2)]);
        let expected = CloseReason::PeerError {
            code: Code::TOO_LARGE,
            reason: Some(Reason::TooLarge),
        };
        assert_eq!(endpoint.one_event(), Event::Closed(expected.clone()));
        assert_eq!(expected.reason(), Reason::TooLarge);
        endpoint.assert_silent();
        endpoint.assert_over();
    }
}

// OAP-4-7
#[test]
fn a_cancelled_exchange_is_over_for_this_side() {
    for (code, sent) in [
        (408, 408),
        (499, 499),
        (599, 599),
        (0, 408),
        (302, 408),
        (600, 408),
    ] {
        let mut client = Endpoint::client_told(ALL_FEATURES);
        let id = client.stream(b"begun");
        client.send(id, 0, b"encoded", Fin::More);
        give_up(&mut client, id, Code::new(code), Reason::Cancelled);
        let frames = client.frames();
        assert_eq!(flags_code(frames.last().expect("a CANCEL")), (EVENT, sent));
        assert!(client.conn.exchange(id).is_none());
        client.feed_all(&[
            frame(RESP | ACK_REQ, 1).code(200).payload(b"late"),
            frame(EVENT, 1).payload(b"late"),
            ack(1, 5, 131_072),
            frame(RESP | END, 1).code(200),
        ]);
        client.assert_silent();
        client.assert_alive();
    }
}

// OAP-4-7
#[test]
fn a_server_that_gives_up_says_so_once() {
    let mut server = server_of(ALL_FEATURES);
    let id = server.open(&frame(REQ | START | ACK_REQ, 1));
    server.send(id, 200, &pattern(200_000), Fin::More);
    server.frames();
    give_up(&mut server, id, Code::UNAVAILABLE, Reason::NotReady);
    let last = server.one_frame();
    assert_error(&last, 503, Reason::NotReady, 1, APP, 0);
    server.feed_all(&[ack(1, 131_072, 262_144), frame(REQ, 1).payload(b"late")]);
    server.assert_silent();
    server.release(id);
    server.assert_alive();
}

// OAP-4-7
#[test]
fn what_had_arrived_before_a_cancel_still_comes_out() {
    let mut client = Endpoint::client_told(ALL_FEATURES);
    let id = client.stream(b"x");
    client.feed(&frame(RESP, 1).payload(b"before"));
    give_up(&mut client, id, Code::TIMEOUT, Reason::Cancelled);
    client.feed(&answer(1, b"after"));
    let event = client.one_event();
    assert!(matches!(event, Event::Data { id: of, .. } if of == id));
    assert_eq!(payload_of(&event), "before");
    assert!(client.conn.exchange(id).is_none(), "the handle is stale");
    assert_eq!(client.conn.held_bytes(), 0);

    let mut server = server_of(ALL_FEATURES);
    let id = server.open(&frame(REQ | START, 1));
    server.feed(&frame(REQ, 1).payload(b"before"));
    give_up(&mut server, id, Code::TIMEOUT, Reason::Cancelled);
    server.feed(&frame(REQ | END, 1).payload(b"after"));
    let event = server.one_event();
    assert!(matches!(event, Event::Data { id: of, .. } if of == id));
    assert_eq!(payload_of(&event), "before");
    server.release(id);
    assert_eq!(server.conn.held_bytes(), 0);
}

// OAP-4-8
#[test]
fn a_cancelled_exchange_gets_no_answer() {
    let mut server = server_of(ALL_FEATURES);
    let id = server.open(&frame(REQ | START | ACK_REQ, 1));
    server.feed(&frame(REQ, 1).payload(&pattern(70_000)));
    server.send(id, 200, &pattern(200_000), Fin::More);
    server.frames();
    // Data that asks for an ACK, and CANCEL right behind it.
    server.feed_all(&[
        frame(REQ | ACK_REQ, 1).payload(b"x"),
        cancel(1, 499).payload(error_json("cancelled", 1).as_bytes()),
        ack(1, 131_072, 400_000),
    ]);
    let events = server.events();
    let end = End::Cancelled {
        code: Code::new(499),
        reason: Some(Reason::Cancelled),
    };
    assert_eq!(events.last(), Some(&Event::Ended { id, end }));
    server.assert_silent();
    let exchange = server.conn.exchange(id).expect("its slot is taken");
    assert!(exchange.is_ended());
    let exchange = server.conn.exchange(id).expect("its slot is taken");
    assert_eq!(
        exchange.respond(Code::OK, b"".as_slice().into()),
        Err(SendError::Ended)
    );
    server.release(id);
    server.assert_alive();
}

// OAP-4-9
#[test]
fn a_client_learns_code_and_reason_of_a_cancel() {
    for (code, body, reason) in [
        (503, error_json("not_ready", 1), Reason::NotReady),
        (408, String::new(), Reason::Timeout),
        (429, error_json("tea", 1), Reason::RateLimited),
        (499, "nonsense".into(), Reason::BadRequest),
    ] {
        let mut client = Endpoint::client_told(ALL_FEATURES);
        let id = client.ask(b"question");
        client.feed(&cancel(1, code).payload(body.as_bytes()));
        let end = End::Cancelled {
            code: Code::new(code),
            reason: Some(reason),
        };
        assert_eq!(client.one_event(), Event::Ended { id, end });
        assert_eq!(client.conn.exchanges(), 0);
        client.assert_alive();
    }
}

// OAP-4-10
#[test]
fn cancel_of_what_is_not_open_is_ignored_and_counted() {
    let mut server = server_of(ALL_FEATURES);
    server.feed(&request(1, b""));
    server.serve();
    server.frames();
    server.feed_all(&[cancel(1, 408), cancel(2, 500), cancel(u64::MAX, 400)]);
    server.assert_silent();
    assert_eq!(server.conn.counters().ignored_control, 3);
    server.assert_alive();

    let mut client = Endpoint::client_told(ALL_FEATURES);
    client.ask(b"x");
    client.feed(&answer(1, b""));
    client.events();
    client.feed_all(&[cancel(1, 408), cancel(99, 408)]);
    client.assert_silent();
    assert_eq!(client.conn.counters().ignored_control, 2);
    client.assert_alive();
}

// OAP-4-11
#[test]
fn each_ping_has_its_pong() {
    let nonces = [1, 7, 7, u64::MAX];
    for mut endpoint in [Endpoint::server(), Endpoint::client()] {
        let pings: Vec<Raw> = nonces.iter().map(|nonce| ping(*nonce)).collect();
        endpoint.feed_all(&pings);
        let pongs = endpoint.frames();
        let got: Vec<u64> = pongs.iter().map(|pong| pong.header.corr_id).collect();
        assert_eq!(got, nonces);
        assert!(pongs.iter().all(|pong| flags_code(pong) == (EVENT, 202)));
        endpoint.assert_alive();
    }
}

// OAP-4-12
#[test]
fn a_server_that_drains_finishes_what_is_open() {
    for (features, told) in [(ALL_FEATURES, true), ("{}", false)] {
        let mut server = server_of(features);
        let id = server.open(&frame(REQ | START, 1));
        server.conn.drain();
        server.check();
        if told {
            let goaway = server.one_frame();
            assert_eq!(
                (flags_code(&goaway), goaway.header.corr_id),
                ((EVENT, 503), 0)
            );
            assert_error_body(&goaway.payload, 503, Reason::Draining, 0);
        }
        for corr in [2, 3] {
            server.feed(&request(corr, b"new").tenant(TENANT));
            assert_error(
                &server.one_frame(),
                503,
                Reason::Draining,
                corr,
                APP,
                TENANT,
            );
        }
        server.feed(&frame(REQ | END, 1).payload(b"old"));
        assert_eq!(&payload_of(&server.one_event())[..], b"old");
        server.send(id, 200, b"finished", Fin::End);
        assert_eq!(server.one_frame().payload, b"finished");
        assert_eq!(server.one_event(), Event::Closed(CloseReason::Drained));
        server.assert_over();
    }
}

// OAP-4-12
#[test]
fn a_client_that_drains_finishes_what_is_open() {
    for (features, told) in [(ALL_FEATURES, true), ("{}", false)] {
        let mut client = Endpoint::client_told(features);
        client.ask(b"question");
        client.conn.drain();
        client.check();
        assert_eq!(client.frames().len(), usize::from(told));
        let refused =
            client
                .conn
                .request(client.now, Head::new(APP), b"".as_slice().into(), Fin::End);
        assert_eq!(refused, Err(SendError::Draining));
        client.feed(&answer(1, b"answer"));
        let events = client.events();
        assert_eq!(&payload_of(&events[0])[..], b"answer");
        assert_eq!(events[1..], [Event::Closed(CloseReason::Drained)]);
        client.assert_over();
    }
}

// OAP-4-12
#[test]
fn a_client_that_drains_closes_however_the_last_exchange_ends() {
    for way in 0..4 {
        let mut client = Endpoint::client_told(ALL_FEATURES);
        let id = client.ask(b"question");
        client.conn.drain();
        client.frames();
        match way {
            0 => client.feed(&cancel(1, 408)),
            1 => client.feed(&answer(1, b"").app(9)),
            2 => give_up(&mut client, id, Code::TIMEOUT, Reason::Cancelled),
            _ => client.advance(Duration::from_secs(10)),
        }
        client.frames();
        let events = client.events();
        assert_eq!(
            events.last(),
            Some(&Event::Closed(CloseReason::Drained)),
            "way {way}"
        );
        client.assert_over();
    }
}

// OAP-4-12
#[test]
fn a_drain_with_nothing_open_closes_at_once() {
    let mut server = server_of(ALL_FEATURES);
    server.conn.drain();
    server.check();
    assert_eq!(flags_code(&server.one_frame()), (EVENT, 503));
    assert_eq!(server.one_event(), Event::Closed(CloseReason::Drained));
    server.assert_over();
}

// OAP-4-13
#[test]
fn a_client_that_was_told_to_go_away_opens_nothing_new() {
    for code in [503, 429] {
        let mut client = Endpoint::client_told(ALL_FEATURES);
        let id = client.stream(b"open");
        let reason = if code == 503 { "draining" } else { "flood" };
        let body = format!(
            r#"{{"code":"{reason}","message":"","retryable":true,"corr_id":"0","retry_after_ms":250}}"#
        );
        client.feed(&control(EVENT, code, 0).payload(body.as_bytes()));
        let told = Event::GoAway {
            code: Code::new(code),
            retry_after_ms: Some(250),
        };
        assert_eq!(client.one_event(), told);
        assert!(client.conn.is_going_away());
        let refused =
            client
                .conn
                .request(client.now, Head::new(APP), b"".as_slice().into(), Fin::End);
        assert_eq!(refused, Err(SendError::Draining));
        client.send(id, 0, b"goes on", Fin::End);
        assert_eq!(client.one_frame().payload, b"goes on");
        client.feed(&answer(1, b"fine"));
        assert_eq!(&payload_of(&client.one_event())[..], b"fine");
    }
}
