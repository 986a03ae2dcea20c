//! Section 3 of the specification: exchanges.

mod support;

use oap_core::wire::Flags;
use oap_core::{
    Code, Config, Connection, End, Event, Fin, Head, Reason, Scope, SendError, Timestamp, Verdict,
};

use self::support::*;

/// A server that has seen `before`, in which nothing waits.
fn server_after(before: &[Raw]) -> Endpoint {
    let mut server = Endpoint::server();
    server.feed_all(before);
    server.events();
    server.frames();
    server
}

/// `wrong` is a fault of the exchange with its corr_id, and of nothing else.
#[track_caller]
fn assert_fault_of_exchange(before: &[Raw], wrong: &Raw, clause: &str) {
    let mut server = server_after(before);
    let neighbour = server.open(&frame(REQ | START, 900));
    let open = before
        .iter()
        .rev()
        .find(|raw| raw.corr == wrong.corr && raw.flags.contains(REQ | START));
    server.feed(wrong);
    let error = server.one_frame();
    let (app, tenant) = open.map_or((wrong.app, wrong.tenant), |start| (start.app, start.tenant));
    assert_error(&error, 400, Reason::BadSequence, wrong.corr, app, tenant);
    assert_eq!(server.conn.counters().refused(Reason::BadSequence), 1);
    if open.is_some() {
        let (id, violation) = ended_for(&server.one_event());
        assert_violation(
            &violation,
            400,
            Reason::BadSequence,
            clause,
            Scope::Exchange,
        );
        server.release(id);
    }
    server.send(neighbour, 200, b"neighbour", Fin::End);
    assert_eq!(server.one_frame().payload, b"neighbour");
    server.assert_alive();
}

// OAP-3-1
#[test]
fn a_client_counts_its_ids_up() {
    let mut client = Endpoint::client();
    let mut seen = Vec::new();
    for round in 0..5 {
        client
            .conn
            .request(client.now, Head::new(APP), "x".as_bytes().into(), Fin::End)
            .expect("a request");
        let corr = client.one_frame().header.corr_id;
        if round % 2 == 0 {
            client.feed(&answer(corr, b""));
            client.events();
        }
        seen.push(corr);
    }
    assert!(seen[0] > 0);
    assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "{seen:?}");
}

// OAP-3-2
#[test]
fn a_request_reaches_the_handler_in_the_order_sent() {
    let mut server = Endpoint::server();
    server.feed_all(&[
        frame(REQ | START, 7).tenant(TENANT).payload(b"one "),
        frame(REQ | START, 8).payload(b"uno "),
        frame(REQ, 7).tenant(TENANT).payload(b"two "),
        frame(REQ | END, 8),
        frame(REQ | END, 7).tenant(TENANT).payload(b"three"),
    ]);
    let events = server.serve();
    match &events[0] {
        Event::Opened { start, fin, .. } => {
            assert_eq!((start.corr_id, start.app_proto_id), (7, APP));
            assert_eq!((start.tenant_id, *fin), (TENANT, Fin::More));
            assert!(start.capability.is_empty());
        }
        other => panic!("{other:?}"),
    }
    let frames = server.frames();
    assert_eq!(frames.len(), 2);
    assert_eq!(
        (frames[0].header.corr_id, &frames[0].payload[..]),
        (8, &b"uno "[..])
    );
    assert_eq!(
        (frames[1].header.corr_id, &frames[1].payload[..]),
        (7, &b"one two three"[..])
    );
}

// OAP-3-3
#[test]
fn resp_end_closes_both_halves() {
    let mut server = Endpoint::server();
    let id = server.open(&frame(REQ | START, 1).payload(b"never ended"));
    server.send(id, 206, b"early", Fin::More);
    assert_eq!(flags_code(&server.one_frame()), (RESP, 206));
    server.feed(&frame(REQ, 1).payload(b"more"));
    assert_eq!(&payload_of(&server.one_event())[..], b"more");
    server.send(id, 200, b"done", Fin::End);
    assert_eq!(flags_code(&server.one_frame()), (RESP | END, 200));
    assert_eq!(server.conn.exchanges(), 0);
    assert!(
        server.conn.exchange(id).is_none(),
        "nothing more can be sent on it"
    );
    server.feed(&frame(REQ, 1).payload(b"late"));
    server.feed(&frame(REQ | END, 1).payload(b"later"));
    server.assert_silent();
    assert_eq!(server.conn.counters().late_frames, 2);
    server.assert_alive();
}

// OAP-3-3
#[test]
fn nothing_is_sent_after_the_end() {
    let mut server = Endpoint::server_with(|config| config.explicit_release = true);
    let id = server.open(&request(1, b"x"));
    server.send(id, 200, b"", Fin::End);
    for direction in [0, 1] {
        let exchange = server.conn.exchange(id).expect("not released");
        let refused = match direction {
            0 => exchange.send(Code::OK, b"x".as_slice().into(), Fin::More),
            _ => exchange.push(Code::OK, b"x".as_slice().into()),
        };
        assert!(matches!(
            refused,
            Err(SendError::Ended | SendError::Finished)
        ));
    }
    server
        .conn
        .exchange(id)
        .expect("not released")
        .cancel(Code::TIMEOUT, Reason::Timeout);
    assert_eq!(server.frames().len(), 1);
    server.release(id);
    server.assert_alive();
}

// OAP-3-4
#[test]
fn a_client_takes_answers_with_and_without_start() {
    for start in [NONE, START] {
        let mut client = Endpoint::client_told(ALL_FEATURES);
        let id = client.stream(b"request");
        client.feed_all(&[
            frame(RESP | start, 1).code(200).payload(b"one "),
            frame(RESP, 1).code(200).payload(b"two "),
            frame(RESP | END, 1).code(200).payload(b"three"),
            frame(RESP | END, 1).code(200).payload(b"four"),
        ]);
        let events = client.events();
        let text: Vec<u8> = events
            .iter()
            .flat_map(|event| payload_of(event).to_vec())
            .collect();
        assert_eq!(text, b"one two three");
        assert!(
            client.conn.exchange(id).is_none(),
            "nothing more can be sent on it"
        );
        assert_eq!(client.conn.counters().late_frames, 1);
        client.assert_alive();
    }
}

// OAP-3-4
#[test]
fn an_answer_drops_what_its_request_had_queued() {
    let mut client = Endpoint::client_told(r#"{"ack_window":4096}"#);
    let id = client.stream(&pattern(4_096));
    client.send(id, 0, &pattern(1_000), Fin::End);
    client.assert_silent();
    client.feed(&answer(1, b"early"));
    client.one_event();
    client.feed(&ack(1, 4_096, 8_192));
    client.assert_alive();
}

// OAP-3-5
#[test]
fn long_messages_are_split() {
    let mut client = Endpoint::client_told_with(r#"{"max_frame":4096}"#, |c| c.windows = false);
    let body = pattern(10_000);
    client
        .conn
        .request(client.now, Head::new(APP), body.clone().into(), Fin::End)
        .expect("a request");
    let frames = client.frames();
    assert_eq!(joined(&frames), body);
    let flags: Vec<Flags> = frames.iter().map(|frame| frame.header.flags).collect();
    assert_eq!(flags, [REQ | START, REQ, REQ | END]);

    let mut server = Endpoint::server();
    server.feed(&hello(r#"{"max_frame":4096}"#));
    server.frames();
    server.events();
    let id = server.open(&request(3, b""));
    server.send(id, 200, &body, Fin::End);
    let frames = server.frames();
    assert_eq!(joined(&frames), body);
    let ends: Vec<bool> = frames
        .iter()
        .map(|f| f.header.flags.contains(END))
        .collect();
    assert_eq!(ends, [false, false, true]);
    assert!(
        frames[1..]
            .iter()
            .all(|frame| !frame.header.flags.contains(START))
    );
}

// OAP-3-6
#[test]
fn answers_carry_the_app_and_tenant_of_their_start() {
    let mut server = Endpoint::server();
    let one = server.open(&frame(REQ | START, 1).app(7).tenant(TENANT));
    let two = server.open(&frame(REQ | START, 2).app(65_535).tenant(1));
    for id in [one, two] {
        server.push(id, b"event");
        server.send(id, 200, b"part", Fin::More);
        server.send(id, 200, &pattern(100_000), Fin::End);
    }
    for frame in server.frames() {
        let expected = if frame.header.corr_id == 1 {
            (7, TENANT)
        } else {
            (65_535, 1)
        };
        assert_eq!(
            (frame.header.app_proto_id, frame.header.tenant_id),
            expected
        );
    }
}

// OAP-3-7
#[test]
fn the_code_of_a_request_is_0_and_ignored() {
    let mut client = Endpoint::client();
    let id = client
        .conn
        .request(client.now, Head::new(APP), "x".as_bytes().into(), Fin::More)
        .expect("a request");
    client.send(id, 404, b"y", Fin::More);
    client.send(id, 500, b"z", Fin::End);
    assert!(
        client
            .frames()
            .iter()
            .all(|frame| frame.header.code == Code::OK)
    );

    let mut server = Endpoint::server();
    server.feed_all(&[
        frame(REQ | START, 1).code(404).payload(b"a"),
        frame(REQ | END, 1).code(65_535).payload(b"b"),
    ]);
    server.serve();
    assert_eq!(server.one_frame().payload, b"ab");
}

// OAP-3-8
#[test]
fn a_fault_drops_what_was_queued_and_tells_the_handler() {
    let mut server = Endpoint::server();
    // Windowed, so that the answer has to wait for credit.
    let id = server.open(&frame(REQ | START | ACK_REQ, 1).tenant(TENANT));
    server.send(id, 200, &pattern(200_000), Fin::More);
    let begun = joined(&server.frames());
    assert_eq!(begun.len(), 131_072);
    server.feed_all(&[frame(EVENT, 1), ack(1, 131_072, 262_144)]);
    assert_error(
        &server.one_frame(),
        400,
        Reason::BadSequence,
        1,
        APP,
        TENANT,
    );
    let (ended, _) = ended_for(&server.one_event());
    assert_eq!(ended, id);
    assert_eq!(
        server.conn.exchange(id).map(|it| it.queued_bytes()),
        Some(0)
    );
    server.release(id);
    server.assert_alive();
}

// OAP-3-9
#[test]
fn a_fault_at_a_client_is_told_by_cancel() {
    let mut client = Endpoint::client_told(ALL_FEATURES);
    let wrong = client.ask(b"one");
    let right = client.ask(b"two");
    client.feed(&frame(RESP, 1).app(9).code(200).payload(b"x"));
    let (id, violation) = ended_for(&client.one_event());
    assert_eq!(id, wrong);
    assert_violation(
        &violation,
        400,
        Reason::BadSequence,
        "OAP-3-21",
        Scope::Exchange,
    );
    let cancelled = client.one_frame();
    assert_eq!(flags_code(&cancelled), (EVENT, 400));
    assert_eq!(
        (cancelled.header.app_proto_id, cancelled.header.corr_id),
        (0, 1)
    );
    assert_error_body(&cancelled.payload, 400, Reason::BadSequence, 1);
    assert!(client.conn.exchange(wrong).is_none());
    client.feed(&answer(2, b"right"));
    assert!(matches!(client.one_event(), Event::Data { id, .. } if id == right));
    client.assert_alive();
}

// OAP-3-9 OAP-3-18
#[test]
fn a_fault_at_a_client_without_cancel_is_sat_out() {
    let mut client = Endpoint::client();
    client.ask(b"one");
    client.feed(&frame(RESP, 1).app(9).code(200).payload(b"x"));
    ended_for(&client.one_event());
    assert_eq!(client.conn.exchanges(), 1, "it keeps its place");
    client.feed(&frame(RESP, 1).code(200).payload(b"y"));
    client.feed(&frame(RESP, 1).app(8).code(200).payload(b"still wrong"));
    client.assert_silent();
    client.feed(&answer(1, b"z"));
    assert_eq!(client.conn.exchanges(), 0);
    client.assert_alive();
}

// OAP-3-10
#[test]
fn a_request_without_start_is_a_fault() {
    for end in [NONE, END] {
        assert_fault_of_exchange(&[], &frame(REQ | end, 5).tenant(TENANT), "OAP-3-10");
        // An exchange that ended after its END is not remembered.
        let mut server = Endpoint::server();
        server.feed(&request(5, b""));
        server.serve();
        server.frames();
        server.feed(&frame(REQ | end, 5));
        assert_error(&server.one_frame(), 400, Reason::BadSequence, 5, APP, 0);
        server.assert_alive();
    }
}

// OAP-3-10 OAP-3-14
#[test]
fn a_stream_without_start_is_answered_once() {
    let mut server = Endpoint::server();
    server.feed_all(&vec![frame(REQ, 5).payload(b"x"); 50]);
    assert_error(&server.one_frame(), 400, Reason::BadSequence, 5, APP, 0);
    assert_eq!(server.conn.counters().late_frames, 49);
    server.assert_alive();
}

// OAP-3-11
#[test]
fn start_on_an_open_id_ends_that_exchange_and_opens_none() {
    for end in [NONE, END] {
        for before in [
            vec![frame(REQ | START, 5).app(3).tenant(TENANT)],
            vec![request(5, b"complete")],
            vec![frame(REQ | START, 5), frame(REQ | END, 5)],
        ] {
            let again = frame(REQ | START | end, 5).app(before[0].app);
            assert_fault_of_exchange(&before, &again, "OAP-3-11");
        }
    }
    let mut server = server_after(&[frame(REQ | START, 5)]);
    server.feed(&frame(REQ | START, 5));
    server.frames();
    server.events();
    assert_eq!(server.conn.counters().exchanges_opened, 1);
    server.feed(&frame(REQ | END, 5).payload(b"of none"));
    server.assert_silent();
}

// OAP-3-12
#[test]
fn a_request_after_its_end_is_a_fault() {
    let before = [
        frame(REQ | START, 5).tenant(9),
        frame(REQ | END, 5).tenant(9),
    ];
    for end in [NONE, END] {
        assert_fault_of_exchange(&before, &frame(REQ | end, 5).tenant(9), "OAP-3-12");
        assert_fault_of_exchange(&[request(5, b"x")], &frame(REQ | end, 5), "OAP-3-12");
    }
}

// OAP-3-12
#[test]
fn another_app_or_tenant_is_a_fault() {
    let before = [frame(REQ | START, 5).tenant(TENANT)];
    for end in [NONE, END] {
        let right = frame(REQ | end, 5).tenant(TENANT);
        assert_fault_of_exchange(&before, &right.clone().app(APP + 1), "OAP-3-12");
        assert_fault_of_exchange(&before, &right.clone().tenant(0), "OAP-3-12");
        assert_fault_of_exchange(&before, &right.tenant(TENANT ^ (1 << 127)), "OAP-3-12");
    }
}

// OAP-3-13
#[test]
fn corr_id_0_outside_app_0_is_answered() {
    for flags in [REQ, REQ | START, REQ | END, REQ | START | END] {
        let mut server = Endpoint::server();
        for _ in 0..3 {
            server.feed(&frame(flags, 0).app(12).tenant(TENANT).payload(b"x"));
            assert_error(&server.one_frame(), 400, Reason::BadSequence, 0, 12, TENANT);
        }
        assert!(server.events().is_empty());
        server.assert_alive();
    }
}

// OAP-3-14
#[test]
fn late_frames_of_exchanges_that_ended_early_are_dropped() {
    let late = |corr| [frame(REQ, corr).payload(b"late"), frame(REQ | END, corr)];
    // Answered, cancelled, failed, refused.
    let mut server = Endpoint::server_with(|c| c.limits = limits(|l| l.max_inflight(4)));
    let answered = server.open(&frame(REQ | START, 1));
    server.send(answered, 200, b"", Fin::End);
    server.open(&frame(REQ | START, 2));
    server.feed(&cancel(2, 408));
    server.feed_all(&[frame(REQ | START, 3), frame(EVENT, 3)]);
    server.events();
    server.feed_all(&[
        frame(REQ | START, 4),
        frame(REQ | START, 5),
        frame(REQ | START, 6),
    ]);
    server.frames();
    server.events();
    assert_eq!(server.conn.counters().refused(Reason::OverCapacity), 1);
    for corr in [1, 2, 3, 6] {
        server.feed_all(&late(corr));
        server.feed_all(&late(corr));
    }
    server.assert_silent();
    assert_eq!(server.conn.counters().late_frames, 16);
}

// OAP-3-14
#[test]
fn the_newest_256_ended_ids_are_remembered() {
    let mut server = Endpoint::server();
    let end_early = |server: &mut Endpoint, corr| {
        let id = server.open(&frame(REQ | START, corr));
        server.send(id, 200, b"", Fin::End);
        server.frames();
    };
    for corr in 1..=256 {
        end_early(&mut server, corr);
    }
    for corr in 1..=256 {
        server.feed(&frame(REQ, corr));
    }
    server.assert_silent();
    // The same id over and over takes one place.
    for _ in 0..300 {
        end_early(&mut server, 256);
    }
    for corr in 1..=256 {
        server.feed(&frame(REQ, corr));
    }
    server.assert_silent();
    end_early(&mut server, 1_000);
    server.feed(&frame(REQ, 2));
    server.assert_silent();
}

// OAP-3-15
#[test]
fn start_on_an_id_that_is_not_open_opens_a_new_exchange() {
    // Never used, lower than others, ended, remembered, refused.
    let mut server = Endpoint::server_with(|c| c.limits = limits(|l| l.max_inflight(1)));
    for corr in [10, 3, 10, 10] {
        server.feed(&request(corr, b"again"));
        server.serve();
        assert_eq!(server.one_frame().header.corr_id, corr);
    }
    let id = server.open(&frame(REQ | START, 20));
    server.feed(&frame(REQ | START, 21));
    assert_error(&server.one_frame(), 429, Reason::OverCapacity, 21, APP, 0);
    server.send(id, 200, b"", Fin::End);
    server.frames();
    for corr in [20, 21] {
        let id = server.open(&frame(REQ | START, corr).payload(b"anew"));
        server.feed(&frame(REQ | END, corr).payload(b" and whole"));
        server.events();
        server.send(id, 200, b"ok", Fin::End);
        assert_eq!(server.one_frame().header.corr_id, corr);
    }
    server.assert_alive();
}

// OAP-3-15
#[test]
fn an_id_used_again_in_the_same_read_is_answered_in_order() {
    let mut server = Endpoint::server_with(|c| c.limits = limits(|l| l.max_inflight(1)));
    let id = server.open(&frame(REQ | START, 1));
    server.feed_all(&[frame(REQ | START, 2), cancel(1, 408)]);
    server.events();
    server.release(id);
    // The refusal of 2 is not encoded yet; the answer to the new 2 must not overtake it.
    server.feed(&request(2, b"new"));
    server.serve();
    let of_two: Vec<_> = server
        .frames()
        .into_iter()
        .filter(|frame| frame.header.corr_id == 2)
        .collect();
    assert_eq!(of_two.len(), 2);
    assert_error(&of_two[0], 429, Reason::OverCapacity, 2, APP, 0);
    assert_eq!(of_two[1].payload, b"new");
}

// OAP-3-16
#[test]
fn one_exchange_too_many_is_refused_at_once() {
    let mut server = Endpoint::server_with(|config| config.retry_after_ms = 123);
    let many: Vec<Raw> = (1..=64).map(|corr| frame(REQ | START, corr)).collect();
    server.feed_all(&many);
    let ids: Vec<_> = server.events();
    assert_eq!(ids.len(), 64);
    for corr in [65, 66] {
        server.feed(&request(corr, b"x").tenant(TENANT));
        let refusal = server.one_frame();
        assert_error(&refusal, 429, Reason::OverCapacity, corr, APP, TENANT);
        let body: serde_json::Value = serde_json::from_slice(&refusal.payload).expect("JSON");
        assert_eq!(body["retry_after_ms"], 123);
    }
    assert!(server.events().is_empty());
    if let Event::Opened { id, .. } = ids[0] {
        server.send(id, 200, b"", Fin::End);
        server.frames();
    }
    server.assert_alive();
}

// OAP-3-17
#[test]
fn a_slot_is_taken_until_the_handlers_work_has_ended() {
    let two = |config: &mut Config| config.limits = limits(|l| l.max_inflight(2));
    // Cancelled, failed, and, where the host wants it so, answered.
    for explicit in [false, true] {
        let mut server = Endpoint::server_with(|config| {
            two(config);
            config.explicit_release = explicit;
        });
        let cancelled = server.open(&frame(REQ | START, 1));
        let failed = server.open(&frame(REQ | START, 2));
        server.feed_all(&[cancel(1, 408), frame(EVENT, 2)]);
        server.frames();
        assert_eq!(server.events().len(), 2);
        assert_eq!(server.conn.exchanges(), 2);
        server.feed(&request(3, b""));
        assert_error(&server.one_frame(), 429, Reason::OverCapacity, 3, APP, 0);
        server.release(cancelled);
        assert!(server.conn.exchange(cancelled).is_none());
        let answered = server.open(&request(4, b""));
        server.send(answered, 200, b"", Fin::End);
        assert_eq!(flags_code(&server.one_frame()), (RESP | END, 200));
        server.feed(&request(5, b""));
        if explicit {
            assert_error(&server.one_frame(), 429, Reason::OverCapacity, 5, APP, 0);
            server.release(answered);
        } else {
            let id = server.opened();
            server.send(id, 200, b"", Fin::End);
            server.frames();
        }
        server.release(failed);
        assert_eq!(server.conn.exchanges(), 0);
    }
}

// OAP-3-16 OAP-3-17
#[test]
fn a_start_waits_until_the_host_has_heard_of_ended_exchanges() {
    let mut server = Endpoint::server_with(|c| c.limits = limits(|l| l.max_inflight(1)));
    let id = server.open(&frame(REQ | START, 1));
    for released in [true, false] {
        server.feed_all(&[cancel(1, 408), request(2, b"anew"), ping(3)]);
        assert!(
            !server.conn.interest().again,
            "there is nothing to do but to take the event"
        );
        assert!(server.undecoded() > 0);
        let ended = server.conn.poll_event();
        assert!(matches!(ended, Some(Event::Ended { .. })));
        if released {
            server.release(id);
        }
        server.feed_bytes(oap_core::Lane::FIRST, b"");
        assert_eq!(server.undecoded(), 0);
        let frames = server.frames();
        if released {
            let id = server.opened();
            server.send(id, 200, b"", Fin::End);
            server.frames();
            server.open(&frame(REQ | START, 1));
        } else {
            assert_error(&frames[0], 429, Reason::OverCapacity, 2, APP, 0);
        }
    }
}

// OAP-3-17
#[test]
fn a_handler_that_ends_without_an_answer_is_answered_for() {
    let mut server = Endpoint::server();
    let id = server.open(&request(1, b"").tenant(TENANT));
    server.release(id);
    assert_error(&server.one_frame(), 500, Reason::Internal, 1, APP, TENANT);
    assert_eq!(server.conn.exchanges(), 0);
    server.assert_alive();
}

// OAP-3-18
#[test]
fn an_abandoned_exchange_is_kept_until_its_end() {
    let mut client = Endpoint::client_told(r#"{"max_inflight":1}"#);
    let id = client.ask(b"question");
    client.feed(&frame(RESP | ACK_REQ, 1).code(200).payload(&pattern(1_000)));
    client.events();
    client
        .conn
        .exchange(id)
        .expect("open")
        .cancel(Code::TIMEOUT, Reason::Cancelled);
    client.assert_silent();
    assert!(
        client.conn.exchange(id).is_none(),
        "the application has nothing more to do with it"
    );
    let refused = client
        .conn
        .request(client.now, Head::new(APP), b"x".as_slice().into(), Fin::End);
    assert_eq!(refused, Err(SendError::OverCapacity { limit: 1 }));
    // The server goes on for ten windows, and always gets its credit.
    let (mut sent, mut limit) = (1_000_u64, 131_072);
    while sent < 1_310_720 {
        assert!(sent < limit, "the server is stuck at {sent}");
        let next = 10_000.min(limit - sent);
        client.feed(&frame(RESP, 1).code(200).payload(&pattern(next as usize)));
        sent += next;
        for frame in client.frames() {
            let (consumed, granted) = ack_numbers(&frame, 1);
            assert!(consumed <= sent && granted == consumed + 131_072);
            limit = granted;
        }
    }
    client.feed(&frame(RESP | ACK_REQ, 1).code(200));
    assert_eq!(ack_numbers(&client.one_frame(), 1), (sent, sent + 131_072));
    client.feed(&frame(RESP | END, 1).code(200).payload(b"end"));
    assert!(client.events().is_empty());
    client.assert_alive();
}

// OAP-3-18 OAP-4-4
#[test]
fn what_was_given_up_before_the_hello_is_cancelled_after_it() {
    for (features, cancels) in [(ALL_FEATURES, true), (r#"{"features":["ping"]}"#, false)] {
        let mut client = Endpoint::client_with(|config| config.hello = true);
        assert_eq!(client.frames().len(), 1, "the HELLO");
        let kept = client.ask(b"kept");
        let given_up = client.ask(b"given up");
        let exchange = client.conn.exchange(given_up).expect("open");
        exchange.cancel(Code::TIMEOUT, Reason::Cancelled);
        assert!(client.frames().is_empty(), "nothing lists CANCEL yet");
        assert_eq!(client.conn.exchanges(), 2);
        client.feed(&hello_reply(features));
        client.one_event();
        let sent = client.frames();
        assert_eq!(sent.len(), usize::from(cancels));
        if cancels {
            assert_eq!(
                (flags_code(&sent[0]), sent[0].header.corr_id),
                ((EVENT, 408), 2)
            );
        }
        assert_eq!(client.conn.exchanges(), 2 - usize::from(cancels));
        // An answer that was on its way is dropped.
        client.feed(&answer(2, b"late"));
        client.assert_silent();
        client.feed(&answer(1, b"on time"));
        assert!(matches!(client.one_event(), Event::Data { id, .. } if id == kept));
        client.assert_alive();
    }
}

// OAP-3-18 OAP-6-12
#[test]
fn abandoning_consumes_what_the_application_had_not() {
    let mut client = Endpoint::client_with(|config| {
        config.consume = oap_core::Consume::Manually;
    });
    let id = client.ask(b"question");
    client.feed(
        &frame(RESP | ACK_REQ, 1)
            .code(200)
            .payload(&pattern(100_000)),
    );
    client.one_event();
    client.assert_silent();
    client
        .conn
        .exchange(id)
        .expect("open")
        .cancel(Code::TIMEOUT, Reason::Cancelled);
    assert_eq!(ack_numbers(&client.one_frame(), 1), (100_000, 231_072));
}

// OAP-3-19
#[test]
fn a_client_keeps_to_the_servers_max_inflight() {
    let ask = |client: &mut Endpoint| {
        let head = Head::new(APP);
        client
            .conn
            .request(client.now, head, b"x".as_slice().into(), Fin::End)
    };
    let own =
        |config: &mut Config| config.limits = limits(|l| l.max_inflight(640).ack_window(8_192));
    let mut unknown = Endpoint::client_with(own);
    let mut silent = Endpoint::client_told_with("{}", own);
    let mut two = Endpoint::client_told_with(r#"{"max_inflight":2}"#, own);
    let mut many = Endpoint::client_told_with(r#"{"max_inflight":100}"#, own);
    for (client, limit) in [
        (&mut unknown, 64),
        (&mut silent, 64),
        (&mut two, 2),
        (&mut many, 100),
    ] {
        for _ in 0..limit {
            ask(client).expect("below the limit");
        }
        assert_eq!(ask(client), Err(SendError::OverCapacity { limit }));
        assert_eq!(client.frames().len(), limit as usize);
        client.feed(&answer(2, b""));
        ask(client).expect("one has ended");
        assert_eq!(ask(client), Err(SendError::OverCapacity { limit }));
    }
}

// OAP-3-20
#[test]
fn an_answer_to_what_was_never_asked_is_fatal() {
    for corr in [0, 2, 99, u64::MAX] {
        for flags in [RESP, RESP | END, RESP | START | END] {
            let mut client = Endpoint::client();
            client.ask(b"one");
            client.feed(&frame(flags, corr).code(200));
            client.assert_fatal(400, Reason::BadSequence, "OAP-3-20");
        }
    }
}

// OAP-3-20
#[test]
fn an_answer_to_what_has_ended_is_dropped() {
    let mut client = Endpoint::client_told(ALL_FEATURES);
    client.ask(b"one");
    let cancelled = client.ask(b"two");
    client.feed(&answer(1, b""));
    client.events();
    client
        .conn
        .exchange(cancelled)
        .expect("open")
        .cancel(Code::TIMEOUT, Reason::Cancelled);
    client.frames();
    for corr in [1, 2] {
        client.feed(
            &frame(RESP | ACK_REQ, corr)
                .code(200)
                .app(77)
                .payload(b"late"),
        );
        client.feed(&frame(RESP | END, corr).code(404));
    }
    client.assert_silent();
    assert_eq!(client.conn.counters().late_frames, 4);
    client.assert_alive();
}

// OAP-3-21
#[test]
fn an_answer_of_another_app_or_tenant_is_a_fault() {
    for direction in [RESP, RESP | END, EVENT] {
        for (app, tenant) in [(APP + 1, TENANT), (APP, 0), (APP, TENANT + 1)] {
            let mut client = Endpoint::client_told(ALL_FEATURES);
            let mut head = Head::new(APP);
            head.tenant_id = TENANT;
            let id = client
                .conn
                .request(client.now, head, b"x".as_slice().into(), Fin::End)
                .expect("a request");
            client.frames();
            client.feed(
                &frame(direction, 1)
                    .app(app)
                    .tenant(tenant)
                    .code(200)
                    .payload(b"x"),
            );
            let (ended, violation) = ended_for(&client.one_event());
            assert_eq!(ended, id);
            assert_violation(
                &violation,
                400,
                Reason::BadSequence,
                "OAP-3-21",
                Scope::Exchange,
            );
            assert_eq!(flags_code(&client.one_frame()), (EVENT, 400));
            client.assert_alive();
        }
    }
}

fn verified() -> Endpoint {
    Endpoint::server_with(|config| config.authorize = true)
}

fn ask_for_verdict(server: &mut Endpoint, raw: &Raw) -> oap_core::ExchangeId {
    server.feed(raw);
    match server.one_event() {
        Event::Authorize { id, start } => {
            assert_eq!(start.corr_id, raw.corr);
            assert_eq!(&start.capability[..], raw.cap);
            id
        }
        other => panic!("{other:?}"),
    }
}

fn decide(server: &mut Endpoint, id: oap_core::ExchangeId, verdict: Verdict) {
    let now: Timestamp = server.now;
    let conn: &mut Connection = &mut server.conn;
    conn.exchange(id).expect("parked").authorize(now, verdict);
    server.check();
}

// OAP-3-22
#[test]
fn nothing_reaches_a_handler_before_its_verdict() {
    for cap in [&b""[..], b"capability"] {
        let mut server = verified();
        let id = ask_for_verdict(
            &mut server,
            &frame(REQ | START, 1).cap(cap).payload(b"one "),
        );
        server.feed_all(&[
            frame(REQ, 1).payload(b"two "),
            frame(REQ | END, 1).payload(b"three"),
        ]);
        server.assert_silent();
        assert_eq!(
            (server.conn.exchanges(), server.conn.held_bytes()),
            (1, 3 * 256)
        );
        let early = server.conn.exchange(id).expect("parked");
        assert_eq!(
            early.respond(Code::OK, b"".as_slice().into()),
            Err(SendError::Unauthorized)
        );
        decide(&mut server, id, Verdict::Allow);
        let events = server.serve();
        assert_eq!(events.len(), 3);
        match &events[0] {
            Event::Opened {
                id: opened, start, ..
            } => {
                assert_eq!((*opened, &start.capability[..]), (id, cap));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(server.one_frame().payload, b"one two three");
        assert_eq!(server.conn.held_bytes(), 0);
    }
}

// OAP-3-22 OAP-6-16
#[test]
fn what_is_parked_is_within_the_buffer_budget() {
    let mut server = Endpoint::server_with(|config| {
        config.authorize = true;
        config.limits = small_limits();
    });
    let id = ask_for_verdict(&mut server, &frame(REQ | START, 1).payload(&pattern(4_000)));
    server.feed_all(&vec![frame(REQ, 1).payload(&pattern(4_000)); 20]);
    assert!(!server.conn.interest().read && server.undecoded() > 0);
    assert!(server.conn.held_bytes() <= 32_768);
    decide(&mut server, id, Verdict::Allow);
    assert_eq!(server.events().len(), 21);
    assert!(server.conn.interest().read && server.undecoded() == 0);
}

// OAP-3-22 OAP-3-16
#[test]
fn a_parked_exchange_holds_its_slot() {
    let mut server = Endpoint::server_with(|config| {
        config.authorize = true;
        config.limits = limits(|l| l.max_inflight(1));
    });
    let id = ask_for_verdict(&mut server, &request(1, b""));
    server.feed(&request(2, b""));
    assert_error(&server.one_frame(), 429, Reason::OverCapacity, 2, APP, 0);
    decide(&mut server, id, Verdict::Deny);
    server.frames();
    ask_for_verdict(&mut server, &request(3, b""));
}

// OAP-3-22 OAP-3-8
#[test]
fn a_parked_exchange_may_be_faulty_or_cancelled() {
    let mut server = verified();
    let one = ask_for_verdict(&mut server, &frame(REQ | START, 1).payload(b"x"));
    let two = ask_for_verdict(&mut server, &frame(REQ | START, 2).payload(b"x"));
    server.feed_all(&[frame(REQ | START, 1), cancel(2, 408)]);
    assert_error(&server.one_frame(), 400, Reason::BadSequence, 1, APP, 0);
    assert_eq!(server.events().len(), 2);
    assert_eq!(server.conn.held_bytes(), 0);
    for id in [one, two] {
        decide(&mut server, id, Verdict::Allow);
        server.assert_silent();
        server.release(id);
    }
    assert_eq!(server.conn.exchanges(), 0);
}

// OAP-3-23
#[test]
fn a_start_that_is_not_allowed_is_refused() {
    for (cap, verdict, code, reason) in [
        (&b""[..], Verdict::Deny, 401, Reason::Unauthorized),
        (b"cap", Verdict::Deny, 403, Reason::Forbidden),
        (
            b"cap",
            Verdict::Refuse(Code::PAYMENT_REQUIRED, Reason::Forbidden),
            402,
            Reason::Forbidden,
        ),
        (
            b"",
            Verdict::Refuse(Code::UNAVAILABLE, Reason::NotReady),
            503,
            Reason::NotReady,
        ),
    ] {
        let mut server = verified();
        let raw = frame(REQ | START, 1).cap(cap).payload(b"x").tenant(TENANT);
        let id = ask_for_verdict(&mut server, &raw);
        server.feed(&frame(REQ, 1).tenant(TENANT).payload(b"y"));
        decide(&mut server, id, verdict);
        assert_error(&server.one_frame(), code, reason, 1, APP, TENANT);
        assert_eq!(server.conn.counters().refused(reason), 1);
        assert_eq!((server.conn.exchanges(), server.conn.held_bytes()), (0, 0));
        server.feed(&frame(REQ | END, 1).tenant(TENANT));
        server.assert_silent();
        let id = ask_for_verdict(&mut server, &request(2, b"again"));
        decide(&mut server, id, Verdict::Allow);
        server.serve();
        assert_eq!(server.one_frame().payload, b"again");
    }
}

// OAP-3-16 OAP-3-22 OAP-4-12 OAP-3-11 OAP-3-13
#[test]
fn the_first_check_of_a_start_that_fails_decides() {
    let mut server = Endpoint::server_with(|config| {
        config.authorize = true;
        config.limits = limits(|l| l.max_inflight(1));
    });
    let id = ask_for_verdict(&mut server, &frame(REQ | START, 1));
    // Capacity comes before the capability.
    server.feed(&request(2, b"").cap(b"cap"));
    assert_error(&server.one_frame(), 429, Reason::OverCapacity, 2, APP, 0);
    server.conn.drain();
    // Draining comes before capacity.
    server.feed(&request(3, b""));
    assert_error(&server.one_frame(), 503, Reason::Draining, 3, APP, 0);
    // corr_id 0 comes before draining, directions before both.
    server.feed(&request(0, b""));
    assert_error(&server.one_frame(), 400, Reason::BadSequence, 0, APP, 0);
    server.feed(&request(4, b"").with(EVENT));
    assert_error(&server.one_frame(), 400, Reason::BadSequence, 4, APP, 0);
    // "Already open" comes before draining and capacity.
    server.feed(&request(1, b""));
    assert_error(&server.one_frame(), 400, Reason::BadSequence, 1, APP, 0);
    match server.one_event() {
        Event::Ended {
            id: ended,
            end: End::Violation(_),
        } => assert_eq!(ended, id),
        other => panic!("{other:?}"),
    }
    assert!(!server.conn.is_closed());
    server.release(id);
    assert!(server.conn.is_closed());
}
