//! Section 8 of the specification: COMP and APP_E2E.
#![cfg(feature = "comp")]

mod support;

use bytes::Bytes;
use oap_core::inflate::{deflate, inflate};
use oap_core::wire::Codings;
use oap_core::{
    Body, Code, Event, ExchangeId, Fin, Head, Payload, Reason, Scope, SendError, Violation,
};

use self::support::*;

const MIB_8: usize = 8 * 1_048_576;

/// A zlib stream that inflates to `n` zeros.
fn bomb(n: usize) -> Vec<u8> {
    deflate(&vec![0; n]).expect("zeros are easy")
}

#[track_caller]
fn opened_with(server: &mut Endpoint, raw: &Raw) -> (ExchangeId, Payload) {
    server.feed(raw);
    match server.one_event() {
        Event::Opened { id, payload, .. } => (id, payload),
        other => panic!("{other:?}"),
    }
}

fn try_inflate(endpoint: &mut Endpoint, of: &(ExchangeId, Payload)) -> Result<Bytes, Violation> {
    let result = endpoint.conn.inflate(endpoint.now, of.0, &of.1);
    endpoint.check();
    result
}

fn compressed(corr: u64, payload: &[u8]) -> Raw {
    frame(REQ | START | COMP, corr).payload(payload)
}

/// Inflating `payload` at a server is this fault, of its exchange and of nothing else.
#[track_caller]
fn assert_fault(
    server: &mut Endpoint,
    corr: u64,
    payload: &[u8],
    code: u16,
    reason: Reason,
    clause: &str,
) {
    let held = opened_with(server, &compressed(corr, payload));
    let fault = try_inflate(server, &held).expect_err("it is a fault");
    assert_violation(&fault, code, reason, clause, Scope::Exchange);
    assert_error(&server.one_frame(), code, reason, corr, APP, 0);
    let (id, violation) = ended_for(&server.one_event());
    assert_eq!((id, violation), (held.0, fault));
    server.release(id);
    server.assert_alive();
}

// OAP-8-1
#[test]
fn comp_is_sent_only_to_a_peer_that_lists_it_and_where_it_helps() {
    let text = b"overlay ".repeat(1_000);
    for (reply, listed) in [
        (r#"{"comp":["zlib"]}"#, true),
        (r#"{"comp":["zstd"]}"#, false),
        ("{}", false),
    ] {
        let client = Endpoint::client_told(reply);
        let body = client.conn.compression().apply(text.clone().into());
        assert_eq!(body.is_compressed(), listed, "{reply}");
        let noise = client
            .conn
            .compression()
            .apply(Bytes::from_static(b"short"));
        assert!(!noise.is_compressed());
        let mut client = client;
        let compressed = Body::compressed(bomb(1_000).into());
        let sent = client
            .conn
            .request(client.now, Head::new(APP), compressed, Fin::End);
        assert_eq!(
            sent.err(),
            (!listed).then_some(SendError::Unsupported),
            "{reply}"
        );
    }
    let mut client = Endpoint::client_told(r#"{"comp":["zlib"],"max_frame":4096}"#);
    let body = client.conn.compression().apply(text.clone().into());
    let mut head = Head::new(APP);
    head.capability = b"capability".as_slice().into();
    client
        .conn
        .request(client.now, head, body, Fin::End)
        .expect("it fits");
    let sent = client.one_frame();
    assert_eq!(sent.header.flags, REQ | START | END | COMP);
    assert_eq!(sent.cap, b"capability");
    assert!(sent.payload.len() < text.len());
    assert_eq!(
        inflate(&sent.payload, text.len()).expect("one whole stream"),
        text
    );
    // What cannot be split has to fit one frame.
    let large = Body::compressed(pattern(5_000).into());
    let refused = client
        .conn
        .request(client.now, Head::new(APP), large, Fin::End);
    assert!(matches!(refused, Err(SendError::TooLarge { .. })));
    client.assert_nothing_to_write();
}

// OAP-8-2
#[test]
fn nothing_is_inflated_before_somebody_asks() {
    let mut server = Endpoint::server();
    let broken = opened_with(&mut server, &compressed(1, b"no zlib at all"));
    assert_eq!(&broken.1.wire_bytes()[..], b"no zlib at all");
    assert!(broken.1.is_compressed());
    server.assert_silent();
    assert_eq!(server.conn.counters().inflated_bytes, 0);
    server.send(broken.0, 200, b"did not look", Fin::End);
    assert_eq!(server.one_frame().payload, b"did not look");

    let plain = b"overlay ".repeat(16);
    let good = opened_with(
        &mut server,
        &compressed(2, &deflate(&plain).expect("smaller")),
    );
    assert_eq!(
        try_inflate(&mut server, &good).expect("a good stream"),
        plain
    );
    assert_eq!(server.conn.counters().inflated_bytes, 128);
    server.send(good.0, 200, b"", Fin::End);
    server.frames();
    server.assert_alive();
}

// OAP-8-3
#[test]
fn a_broken_stream_is_a_fault_of_its_exchange() {
    let whole = deflate(&b"overlay ".repeat(16)).expect("smaller");
    let mut checksum = whole.clone();
    *checksum.last_mut().expect("bytes") ^= 1;
    let mut server = Endpoint::server();
    let broken: [&[u8]; 8] = [
        b"",
        &whole[..1],
        &whole[..whole.len() - 1],
        &[&whole[..], b"x"].concat(),
        &[&whole[..], &whole[..]].concat(),
        &checksum,
        // FDICT: a preset dictionary.
        &[0x78, 0xbb, 0, 0, 0, 1, 3, 0, 0, 0, 0, 1],
        // zstd, which is not offered.
        b"\x28\xb5\x2f\xfd\x20\x01\x09\x00\x00x",
    ];
    for (corr, payload) in (1..).zip(broken) {
        assert_fault(
            &mut server,
            corr,
            payload,
            400,
            Reason::BadCoding,
            "OAP-8-3",
        );
    }
    let mut deaf = Endpoint::server_with(|config| config.codings = Codings::NONE);
    assert_fault(&mut deaf, 1, &whole, 400, Reason::BadCoding, "OAP-8-3");
}

// OAP-8-3 OAP-3-9
#[test]
fn a_broken_answer_is_cancelled_by_a_client() {
    let mut client = Endpoint::client_told(ALL_FEATURES);
    let id = client.ask(b"x");
    client.feed(&frame(RESP | COMP, 1).code(200).payload(b"nonsense"));
    let payload = match client.one_event() {
        Event::Data { payload, .. } => payload,
        other => panic!("{other:?}"),
    };
    let fault = try_inflate(&mut client, &(id, payload)).expect_err("it is a fault");
    assert_violation(&fault, 400, Reason::BadCoding, "OAP-8-3", Scope::Exchange);
    assert_eq!(ended_for(&client.one_event()), (id, fault));
    assert_eq!(flags_code(&client.one_frame()), (EVENT, 400));
    client.assert_alive();
}

// OAP-8-3
#[test]
fn an_exchange_that_has_ended_meanwhile_ends_no_other() {
    let mut server = Endpoint::server();
    let held = opened_with(&mut server, &compressed(1, b"nonsense").with(END));
    server.send(held.0, 200, b"", Fin::End);
    server.frames();
    let next = opened_with(&mut server, &request(2, b""));
    assert_eq!(next.0.index(), held.0.index(), "the slot is in use again");
    assert!(try_inflate(&mut server, &held).is_err());
    server.assert_silent();
    server.send(next.0, 200, b"", Fin::End);
    server.frames();
    server.assert_alive();
}

// OAP-8-4
#[test]
fn more_than_eight_frames_is_too_much_whatever_the_ratio() {
    let mut server = Endpoint::server();
    let exact = opened_with(&mut server, &compressed(1, &bomb(MIB_8)));
    assert_eq!(
        try_inflate(&mut server, &exact)
            .expect("exactly 8 MiB")
            .len(),
        MIB_8
    );
    let reason = Reason::DecompressOverflow;
    let mut server = Endpoint::server();
    assert_fault(&mut server, 1, &bomb(MIB_8 + 1), 413, reason, "OAP-8-4");

    let small = || Endpoint::server_with(|config| config.limits = small_limits());
    let mut server = small();
    let exact = opened_with(&mut server, &compressed(1, &bomb(32_768)));
    assert_eq!(
        try_inflate(&mut server, &exact).expect("8 x 4,096").len(),
        32_768
    );
    assert_fault(&mut server, 2, &bomb(32_769), 413, reason, "OAP-8-4");
}

// OAP-8-6
#[test]
fn the_inflate_budget_is_8_mib_and_32_bytes_per_byte() {
    let mut server = Endpoint::server_with(|config| config.limits = small_limits());
    let half = bomb(16_384);
    let mut budget = MIB_8;
    let mut corr = 0;
    loop {
        corr += 1;
        let raw = compressed(corr, &half).with(END);
        budget = (budget + 32 * raw.bytes().len()).min(MIB_8);
        let held = opened_with(&mut server, &raw);
        let result = try_inflate(&mut server, &held);
        if budget < 16_384 {
            let fault = result.expect_err("the budget is used up");
            assert_violation(&fault, 429, Reason::RateLimited, "OAP-8-6", Scope::Exchange);
            break;
        }
        result.expect("the budget takes it");
        budget -= 16_384;
        server.send(held.0, 200, b"", Fin::End);
        server.frames();
    }
    assert!(corr > 512, "the burst alone is 512 times 16 KiB");
    assert_error(&server.one_frame(), 429, Reason::RateLimited, corr, APP, 0);
    let (id, _) = ended_for(&server.one_event());
    server.release(id);
    // 600 bytes received earn 19,200 to be inflated.
    server.feed(&request(90_000, &pattern(600)));
    server.serve();
    server.frames();
    let held = opened_with(&mut server, &compressed(90_001, &half));
    assert_eq!(
        try_inflate(&mut server, &held).expect("earned").len(),
        16_384
    );
    server.send(held.0, 200, b"", Fin::End);
    server.frames();
    server.assert_alive();
}

// OAP-8-6
#[test]
fn a_budget_of_4_096_is_enough_to_begin_with() {
    for (left, is_enough) in [(4_096, true), (4_095, false)] {
        let mut server = Endpoint::server();
        let tiny = compressed(2, &bomb(100)).with(END);
        let used = MIB_8 - left + 32 * tiny.bytes().len();
        let held = opened_with(&mut server, &compressed(1, &bomb(used)).with(END));
        try_inflate(&mut server, &held).expect("the budget takes it");
        let held = opened_with(&mut server, &tiny);
        assert_eq!(try_inflate(&mut server, &held).is_ok(), is_enough, "{left}");
    }
}

// OAP-8-6
#[test]
fn each_compressed_frame_pays_at_least_4_096() {
    let mut server = Endpoint::server();
    let tiny = bomb(100);
    let raw = frame(REQ | START | COMP | END, 1).payload(&tiny);
    let (wire, mut budget) = (raw.bytes().len(), MIB_8);
    for corr in 1.. {
        let held = opened_with(
            &mut server,
            &Raw {
                corr,
                ..raw.clone()
            },
        );
        budget = (budget + 32 * wire).min(MIB_8);
        let result = try_inflate(&mut server, &held);
        if budget < 4_096 {
            assert_eq!(result.expect_err("used up").clause, "OAP-8-6");
            return;
        }
        result.expect("the budget takes it");
        budget -= 4_096;
        server.send(held.0, 200, b"", Fin::End);
        server.frames();
        assert!(corr < 10_000, "it never runs out");
    }
}

// OAP-8-6
#[test]
fn a_stream_that_breaks_at_its_end_pays_what_it_produced() {
    let mut server = Endpoint::server();
    let mut broken = bomb(4 * 1_048_576);
    *broken.last_mut().expect("bytes") ^= 1;
    let clauses: Vec<&str> = (1..=4)
        .map(|corr| {
            let held = opened_with(&mut server, &compressed(corr, &broken));
            let fault = try_inflate(&mut server, &held).expect_err("broken");
            server.frames();
            server.events();
            fault.clause
        })
        .collect();
    // Each of them inflates 4 MiB before its checksum is seen; the third has not got as much.
    assert_eq!(clauses[..2], ["OAP-8-3", "OAP-8-3"]);
    assert_eq!(clauses[2..], ["OAP-8-6", "OAP-8-6"]);
}

// OAP-8-5 OAP-8-7
#[test]
fn at_most_8_mib_inflated_are_held() {
    let mut server = Endpoint::server();
    let mut held = Vec::new();
    let two = bomb(2 * 1_048_576);
    for corr in 1..=4 {
        let of = opened_with(&mut server, &compressed(corr, &two).with(END));
        held.push(try_inflate(&mut server, &of).expect("within 8 MiB"));
        server.send(of.0, 200, b"", Fin::End);
        server.frames();
    }
    // Earn the inflate budget anew; what is held stays.
    for corr in 10..15 {
        server.feed(&request(corr, &pattern(60_000)));
        server.serve();
        server.frames();
    }
    assert_fault(
        &mut server,
        20,
        &bomb(10_000),
        429,
        Reason::RateLimited,
        "OAP-8-7",
    );
    held.pop();
    for corr in 30..35 {
        server.feed(&request(corr, &pattern(60_000)));
        server.serve();
        server.frames();
    }
    let of = opened_with(&mut server, &compressed(40, &two).with(END));
    assert_eq!(
        try_inflate(&mut server, &of)
            .expect("there is room again")
            .len(),
        2 * 1_048_576
    );
}

// OAP-8-7
#[test]
fn the_bound_of_what_is_held_does_not_depend_on_max_frame() {
    let mut server = Endpoint::server_with(|config| config.limits = small_limits());
    let mut held = Vec::new();
    for corr in 1..=200 {
        let of = opened_with(&mut server, &compressed(corr, &bomb(32_768)).with(END));
        held.push(try_inflate(&mut server, &of).expect("200 x 32 KiB is within 8 MiB"));
        server.send(of.0, 200, b"", Fin::End);
        server.frames();
    }
}

// OAP-8-8
#[test]
fn opaque_payloads_are_handed_on_unchanged() {
    let mut server = Endpoint::server();
    for (corr, flags) in (1..).zip([APP_E2E, APP_E2E | COMP]) {
        let raw = frame(REQ | START | END | flags, corr).payload(b"sealed");
        let of = opened_with(&mut server, &raw);
        assert!(of.1.is_opaque() && !of.1.is_compressed());
        assert_eq!(
            try_inflate(&mut server, &of).expect("as it is"),
            &b"sealed"[..]
        );
        server
            .conn
            .exchange(of.0)
            .expect("open")
            .respond(Code::ACCEPTED_OK, Body::from(b"sealed".as_slice()).opaque())
            .expect("an answer");
        let answer = server.one_frame();
        assert_eq!(answer.header.flags, RESP | END | APP_E2E);
        assert_eq!(answer.payload, b"sealed");
    }
    assert_eq!(server.conn.counters().inflated_bytes, 0);
    server.assert_alive();
}
