//! Section 1 of the specification: frames, and the end of a stream.

mod support;

use oap_core::{CloseReason, Code, Event, Fin, Head, Lane, Reason, Role};

use self::support::*;

fn endpoint(role: Role) -> Endpoint {
    match role {
        Role::Client => Endpoint::client(),
        Role::Server => Endpoint::server(),
    }
}

/// What is wrong, the bytes, after how many of them it is seen, and the fault.
type Framing = (&'static str, Vec<u8>, usize, u16, Reason, &'static str);

/// What a server says to a script, and what its application sees.
fn transcript(pieces: &[&[u8]]) -> (Vec<String>, Vec<Frame>, u64) {
    let mut server = Endpoint::server();
    let (mut seen, mut frames) = (Vec::new(), Vec::new());
    for piece in pieces {
        server.feed_bytes(Lane::FIRST, piece);
        seen.extend(server.serve().iter().map(without_handle));
        frames.extend(server.frames());
    }
    assert_eq!(server.undecoded(), 0);
    (seen, frames, server.conn.counters().frames_received)
}

/// Which slots handles name depends on when answers are encoded.
fn without_handle(event: &Event) -> String {
    match event {
        Event::Opened {
            start,
            payload,
            fin,
            ..
        } => format!("{start:?} {payload:?} {fin:?}"),
        Event::Data { payload, fin, .. } => format!("data {payload:?} {fin:?}"),
        Event::Ended { end, .. } => format!("{end:?}"),
        other => format!("{other:?}"),
    }
}

fn script() -> Vec<u8> {
    bytes_of(&[
        hello(ALL_FEATURES),
        request(1, b"one frame"),
        frame(REQ | START | ACK_REQ, 2)
            .cap(b"cap")
            .payload(&pattern(300)),
        frame(REQ | ACK_REQ, 2).payload(&pattern(2_000)),
        ping(9),
        frame(REQ, 3).payload(b"a fault"),
        frame(REQ | END, 2),
        frame(REQ | START, 4),
        cancel(4, 408),
        request(5, b""),
    ])
}

fn is_ack(frame: &Frame) -> bool {
    flags_code(frame) == (RESP, 202)
}

/// Everything but ACKs, by exchange: among exchanges the order is free.
fn in_order(frames: &[Frame]) -> Vec<&Frame> {
    let mut frames: Vec<&Frame> = frames.iter().filter(|frame| !is_ack(frame)).collect();
    frames.sort_by_key(|frame| (frame.header.corr_id, frame.header.app_proto_id));
    frames
}

// OAP-1-1
#[test]
fn the_golden_bytes_of_a_stranger_are_answered() {
    let mut server = Endpoint::server();
    server.feed_bytes(Lane::FIRST, &[&[0x21, 0, 0, 0, 1][..], &[0; 32]].concat());
    let reply = server.one_frame();
    assert_eq!(flags_code(&reply), (RESP | END, 0));
    server.events();

    let body = br#"{"msg":"ping","op":"echo"}"#;
    let mut golden = vec![0x3b, 0, 0, 0, 1, 0x19, 0, 0, 0, 0x01, 0x0f];
    golden.extend([0; 18]);
    golden.extend([1, 0, 0, 0, 0, 0, 0, 0]);
    golden.extend(body);
    assert_eq!(golden.len(), 63);
    server.feed_bytes(Lane::FIRST, &golden);
    server.serve();
    let out = server.bytes_on(Lane::FIRST, usize::MAX);
    golden[5..9].copy_from_slice(&[0x12, 0, 200, 0]);
    assert_eq!(out, golden, "the same but for flags and code");
}

// OAP-1-2
#[test]
fn how_bytes_are_divided_into_reads_changes_nothing() {
    let script = script();
    let whole = transcript(&[&script]);
    assert_eq!(
        whole.1.len(),
        6,
        "the script makes the server say six things"
    );
    for piece in [1, 2, 7, 36, 37, 38, 100, 1_000] {
        let pieces: Vec<&[u8]> = script.chunks(piece).collect();
        let parts = transcript(&pieces);
        assert!(parts.0 == whole.0, "events differ, in pieces of {piece}");
        assert_eq!(parts.2, whole.2);
        // The ACK that the second chunk asks for is void once the END is there.
        let acks = parts.1.iter().filter(|frame| is_ack(frame)).count();
        assert!(acks <= 1 && !whole.1.iter().any(is_ack));
        assert_eq!(
            in_order(&parts.1),
            in_order(&whole.1),
            "in pieces of {piece}"
        );
    }
}

// OAP-1-3 OAP-1-4 OAP-1-5 OAP-1-6 OAP-1-7 OAP-1-9
#[test]
fn what_is_no_frame_ends_the_connection_of_either_role() {
    let mut faults: Vec<Framing> = Vec::new();
    let whole = request(1, b"0123456789").cap(b"capability").bytes();
    let changed = |changes: &[(usize, u8)]| {
        let mut bytes = whole.clone();
        for (at, byte) in changes {
            bytes[*at] = *byte;
        }
        bytes
    };
    let bad_frame = Reason::BadFrame;
    for len in [0, 1, 31, 32] {
        faults.push(("short", changed(&[(0, len)]), 4, 400, bad_frame, "OAP-1-3"));
    }
    let too_large = changed(&[(0, 1), (2, 0x10)]);
    faults.push(("too large", too_large, 4, 413, Reason::TooLarge, "OAP-1-4"));
    let largest = changed(&[(0, 0xff), (1, 0xff), (2, 0xff), (3, 0xff)]);
    faults.push(("largest", largest, 4, 413, Reason::TooLarge, "OAP-1-4"));
    for ver in [0, 2, 255] {
        let bytes = changed(&[(4, ver)]);
        faults.push(("version", bytes, 5, 400, Reason::BadVersion, "OAP-1-5"));
    }
    faults.push(("cap", changed(&[(27, 21)]), 29, 400, bad_frame, "OAP-1-6"));
    faults.push((
        "long cap",
        changed(&[(28, 255)]),
        29,
        400,
        bad_frame,
        "OAP-1-6",
    ));
    faults.push((
        "no START",
        changed(&[(5, 0x11)]),
        29,
        400,
        bad_frame,
        "OAP-1-6",
    ));
    // The first check that fails decides.
    faults.push((
        "len first",
        changed(&[(0, 9), (4, 9), (28, 9)]),
        4,
        400,
        bad_frame,
        "OAP-1-3",
    ));
    faults.push((
        "ver next",
        changed(&[(4, 9), (28, 9)]),
        5,
        400,
        Reason::BadVersion,
        "OAP-1-5",
    ));

    for role in [Role::Server, Role::Client] {
        for (name, bytes, at, code, reason, clause) in &faults {
            let mut early = endpoint(role);
            early.feed_bytes(Lane::FIRST, &bytes[..at - 1]);
            early.assert_silent();
            early.feed_bytes(Lane::FIRST, &bytes[at - 1..*at]);
            early.assert_fatal(*code, *reason, clause);
            assert_eq!(early.conn.counters().refused(*reason), 1, "{name}");

            let mut late = endpoint(role);
            late.feed_bytes(Lane::FIRST, &[bytes.clone(), whole.clone()].concat());
            late.assert_fatal(*code, *reason, clause);
            assert_eq!(late.conn.counters().frames_received, 0, "{name}");
        }
    }
}

// OAP-1-4
#[test]
fn a_receiver_keeps_to_its_own_max_frame_from_the_first_byte() {
    for with_hello in [false, true] {
        for (payload, fits) in [(4_096 - 33, true), (4_097 - 33, false)] {
            let mut server = Endpoint::server_with(|config| config.limits = small_limits());
            if with_hello {
                server.feed(&hello(r#"{"max_frame":1048576}"#));
                server.frames();
                server.events();
            }
            server.feed(&request(1, &pattern(payload)));
            if fits {
                server.serve();
                assert_eq!(server.one_frame().payload.len(), payload);
                server.assert_alive();
            } else {
                server.assert_fatal(413, Reason::TooLarge, "OAP-1-4");
            }
        }
    }
    let mut server = Endpoint::server();
    server.feed(&request(1, &pattern(1_048_543)));
    server.serve();
    assert_eq!(joined(&server.frames()), pattern(1_048_543));
}

// OAP-1-8 OAP-5-4
#[test]
fn a_client_sends_no_frame_above_the_servers_max_frame() {
    let wide = |config: &mut oap_core::Config| {
        config.limits = limits(|l| l.chunk(1_048_543));
        config.windows = false;
    };
    let mut unknown = Endpoint::client_with(wide);
    let mut told = Endpoint::client_told_with(r#"{"max_frame":5000}"#, wide);
    let mut high = Endpoint::client_told_with(r#"{"max_frame":9999999}"#, wide);
    for (client, most) in [
        (&mut unknown, 1_048_576),
        (&mut told, 5_000),
        (&mut high, 1_048_576),
    ] {
        let mut head = Head::new(APP);
        head.capability = pattern(700).into();
        let body = pattern(3_000_000);
        client
            .conn
            .request(client.now, head, body.clone().into(), Fin::End)
            .expect("a request");
        let frames = client.frames();
        assert_eq!(joined(&frames), body);
        assert!(frames.iter().all(|frame| frame.header.len <= most));
        assert!(
            frames.iter().any(|frame| frame.header.len == most),
            "frames are filled"
        );
        assert_eq!(frames[0].cap.len(), 700);
    }
}

// OAP-1-8 OAP-5-4
#[test]
fn a_server_sends_no_frame_above_the_clients_max_frame() {
    for (said, most) in [("{}", 1_048_576), (r#"{"max_frame":4096}"#, 4_096)] {
        let mut server = Endpoint::server_with(|c| c.limits = limits(|l| l.chunk(1_048_543)));
        server.feed(&hello(said));
        assert!(server.one_frame().header.len <= most);
        server.events();
        let id = server.open(&request(1, b"much"));
        server.push(id, &pattern(10_000));
        server.send(id, 200, &pattern(2_500_000), Fin::End);
        let frames = server.frames();
        assert!(frames.iter().all(|frame| frame.header.len <= most));
        assert_eq!(joined(&frames).len(), 2_510_000);
        // Refusals and errors, too.
        let id = server.open(&request(2, b""));
        let long = "x".repeat(100_000);
        server
            .conn
            .exchange(id)
            .expect("open")
            .fail(Code::BAD_REQUEST, Reason::BadRequest, &long)
            .expect("an answer");
        let error = server.one_frame();
        assert!(error.header.len <= most);
        assert_error(&error, 400, Reason::BadRequest, 2, APP, 0);
    }
}

// OAP-1-9
#[test]
fn a_fatal_fault_is_told_once_and_ends_everything() {
    let mut server = Endpoint::server();
    server.feed(&hello(ALL_FEATURES));
    server.frames();
    server.events();
    let open = server.open(&frame(REQ | START, 1));
    // A reply and an answer wait; the answer is begun, the reply is not.
    server.send(open, 200, b"begun", Fin::More);
    let mut wrong = bytes_of(&[ping(1), frame(REQ, 99)]);
    wrong.extend(frame(NONE, 3).bytes());
    wrong.extend(request(5, b"after").bytes());
    server.feed_bytes(Lane::FIRST, &wrong);
    let frames = server.frames();
    assert_eq!(frames.len(), 2);
    assert_eq!(&frames[0].payload[..], b"begun");
    assert_error(&frames[1], 400, Reason::BadSequence, 0, 0, 0);
    let events = server.events();
    match &events[..] {
        [Event::Closed(reason)] => assert_eq!(reason.reason(), Reason::BadSequence),
        other => panic!("{other:?}"),
    }
    assert_eq!(server.conn.counters().frames_received, 5);
    let exchange = server.conn.exchange(open).expect("its slot is not reused");
    assert!(
        exchange
            .send(Code::OK, b"more".as_slice().into(), Fin::End)
            .is_err()
    );
    server.assert_over();
}

// OAP-1-9
#[test]
fn a_transport_that_takes_nothing_is_closed_all_the_same() {
    let mut server = Endpoint::server();
    server.feed(&frame(NONE, 3));
    assert!(server.conn.interest().write);
    server.conn.handle_transport_error();
    server.check();
    assert!(server.conn.interest().done);
}

// OAP-1-10
#[test]
fn a_stream_that_ends_inside_a_frame_is_fatal() {
    let whole = request(1, b"payload").cap(b"cap").bytes();
    for role in [Role::Server, Role::Client] {
        for cut in 1..whole.len() {
            let mut endpoint = endpoint(role);
            endpoint.feed_bytes(Lane::FIRST, &whole[..cut]);
            endpoint.eof();
            endpoint.assert_fatal(400, Reason::BadFrame, "OAP-1-10");
        }
    }
}

// OAP-1-11
#[test]
fn a_server_answers_what_is_complete_when_its_client_sends_no_more() {
    let mut server = Endpoint::server();
    server.feed_all(&[
        request(1, b"complete"),
        frame(REQ | START, 2).payload(b"incom"),
        frame(REQ | START, 3),
    ]);
    server.eof();
    let events = server.events();
    let ids: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Opened { id, .. } => Some(*id),
            _ => None,
        })
        .collect();
    assert_eq!(ids.len(), 3);
    assert_eq!(
        events[3..],
        [
            Event::Truncated { id: ids[1] },
            Event::Truncated { id: ids[2] }
        ]
    );
    assert!(!server.conn.interest().read && !server.conn.is_closed());
    server.send(ids[0], 200, b"whole", Fin::End);
    server.send(ids[1], 400, b"half", Fin::End);
    assert_eq!(server.frames().len(), 2);
    assert!(!server.conn.is_closed(), "one is not answered yet");
    server.send(ids[2], 200, &pattern(300_000), Fin::End);
    let last = server.frames();
    assert_eq!(joined(&last), pattern(300_000));
    assert_eq!(server.events(), [Event::Closed(CloseReason::PeerClosed)]);
    server.assert_over();
}

// OAP-1-11
#[test]
fn the_end_of_a_stream_waits_behind_what_is_not_decoded_yet() {
    let mut server = Endpoint::server();
    let many: Vec<Raw> = (1..=100).map(|corr| request(corr, b"x")).collect();
    server.feed_all(&many);
    assert!(
        server.undecoded() > 0,
        "events wait, so decoding has stopped"
    );
    server.eof();
    assert!(!server.conn.is_closed());
    server.serve();
    assert_eq!(server.frames().len(), 100);
    server.events();
    server.assert_over();
}

// OAP-1-12
#[test]
fn a_client_whose_server_sends_no_more_loses_its_exchanges() {
    let mut client = Endpoint::client();
    client.ask(b"one");
    client.stream(b"two");
    client.feed(&frame(RESP, 1).code(200).payload(b"half"));
    client.eof();
    let events = client.events();
    assert_eq!(events.len(), 2);
    match &events[1] {
        Event::Closed(reason) => assert_eq!(reason.reason(), Reason::Io),
        other => panic!("{other:?}"),
    }
    client.assert_over();
}

// OAP-1-13
#[test]
fn a_capability_goes_with_req_start_alone() {
    let mut client = Endpoint::client_told(ALL_FEATURES);
    let mut head = Head::new(APP);
    head.capability = b"macaroon".as_slice().into();
    let id = client
        .conn
        .request(client.now, head, pattern(200_000).into(), Fin::More)
        .expect("a request");
    let mut frames = client.frames();
    client.feed(&ack(1, 100_000, 231_072));
    client.send(id, 0, b"", Fin::End);
    frames.extend(client.frames());
    assert!(frames.len() > 3);
    assert_eq!(
        (frames[0].header.flags, &frames[0].cap[..]),
        (REQ | START | ACK_REQ, &b"macaroon"[..])
    );
    assert!(frames[1..].iter().all(|frame| frame.header.cap_len == 0));
}

// OAP-1-13
#[test]
fn a_capability_on_another_start_is_ignored() {
    let mut server = Endpoint::server();
    server.feed(
        &hello(r#"{"ack_window":5000}"#)
            .with(START | END)
            .cap(b"cap"),
    );
    assert_eq!(flags_code(&server.one_frame()), (RESP | END, 0));
    assert!(matches!(&server.one_event(), Event::Hello(said) if said.ack_window == Some(5_000)));

    let mut client = Endpoint::client();
    client.ask(b"question");
    client.feed(&answer(1, b"answer").with(START).cap(b"capability"));
    let event = client.one_event();
    assert_eq!(&payload_of(&event)[..], b"answer");
    client.assert_alive();
}

// OAP-1-2
#[test]
fn what_a_transport_takes_in_small_pieces_is_the_same() {
    let mut outputs = Vec::new();
    for most in [usize::MAX, 1, 7, 1_000] {
        let mut server = Endpoint::server();
        server.feed_bytes(Lane::FIRST, &script());
        server.serve();
        let mut out = Vec::new();
        while server.conn.interest().write {
            let piece = server.bytes_on(Lane::FIRST, most);
            assert!(piece.len() <= most && !piece.is_empty());
            out.extend(piece);
        }
        outputs.push(out);
    }
    assert!(outputs.iter().all(|out| *out == outputs[0]));
}
