//! Section 5 of the specification: HELLO.

mod support;

use oap_core::wire::{Codings, Features, Hello};
use oap_core::{Code, Config, Event, Fin, Head, Reason, SendError};

use self::support::*;

/// The application's next event, which must be the peer's HELLO.
#[track_caller]
fn said(endpoint: &mut Endpoint) -> Hello {
    match endpoint.one_event() {
        Event::Hello(hello) => *hello,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn assert_bad_hello(server: &mut Endpoint, corr: u64) {
    assert_error(&server.one_frame(), 400, Reason::BadHello, corr, 0, 0);
    assert!(server.events().is_empty());
}

// OAP-5-1
#[test]
fn every_request_on_app_0_is_a_hello() {
    for direction in [NONE, REQ] {
        for more in [NONE, START, END, START | END | ACK_REQ] {
            for code in [0, 200, 202, 408, 65_535] {
                for corr in [0, 1, u64::MAX] {
                    let mut server = Endpoint::server();
                    let raw =
                        control(direction | more, code, corr).payload(b"{\"max_inflight\":3}");
                    server.feed(&raw.tenant(TENANT));
                    let reply = server.one_frame();
                    assert_eq!(flags_code(&reply), (RESP | END, 0));
                    assert_eq!((reply.header.app_proto_id, reply.header.corr_id), (0, corr));
                    assert_eq!((reply.header.tenant_id, reply.header.cap_len), (0, 0));
                    assert_eq!(said(&mut server).max_inflight, Some(3));
                }
            }
        }
    }
}

// OAP-5-2
#[test]
fn the_reply_has_what_the_table_says() {
    let mut server = Endpoint::server_with(|config| {
        config.limits = limits(|l| l.max_frame(65_536).max_inflight(9).ack_window(5_000));
        config.agent = "node \"x\"/1".into();
        config.transports = vec!["tcp".into(), "quic".into()];
        config.pq = Some("hybrid".into());
    });
    server.feed(&hello("{}").tenant(TENANT));
    let reply = server.one_frame();
    let body: serde_json::Value = serde_json::from_slice(&reply.payload).expect("JSON");
    let expected = serde_json::json!({
        "server_version": "node \"x\"/1",
        "max_frame": 65_536,
        "max_inflight": 9,
        "supported_flags": ["REQ", "RESP", "EVENT", "START", "END", "ACK_REQ", "COMP", "APP_E2E"],
        "oap_versions": [1],
        "transports": ["tcp", "quic"],
        "comp": if cfg!(feature = "comp") { vec!["zlib"] } else { vec![] },
        "features": ["cancel", "ping", "goaway"],
        "ack_window": 5_000,
        "idle_timeout_ms": 60_000,
        "pq": "hybrid",
    });
    for (field, value) in expected.as_object().expect("an object") {
        if field != "comp" || cfg!(feature = "comp") {
            assert_eq!(&body[field], value, "{field}");
        }
    }
}

// OAP-5-2
#[test]
fn the_longest_reply_keeps_to_the_smallest_max_frame() {
    let mut server = Endpoint::server_with(|config| {
        config.agent = "\u{1}".repeat(5_000).into();
        config.transports = vec!["\u{1}".repeat(5_000).into(); 50];
        config.pq = Some("\u{1}".repeat(5_000).into());
    });
    server.feed(&hello(r#"{"max_frame":4096}"#));
    let reply = server.one_frame();
    assert!(reply.header.len <= 4_096);
    let body: serde_json::Value = serde_json::from_slice(&reply.payload).expect("JSON");
    assert!(body["transports"].is_array());
}

// OAP-5-3
#[test]
fn a_reply_of_code_200_is_a_reply() {
    for code in [0, 200] {
        let mut client = Endpoint::client_with(|config| config.hello = true);
        client.frames();
        client.feed(&hello_reply(r#"{"max_inflight":2,"features":["ping"]}"#).code(code));
        let hello = said(&mut client);
        assert_eq!((hello.max_inflight, client.conn.capacity()), (Some(2), 2));
        assert!(hello.features.contains(Features::PING));
        client.assert_alive();
    }
}

// OAP-5-4
#[test]
fn the_defaults_hold_until_a_good_hello_is_read() {
    let wide = |config: &mut Config| {
        config.hello = true;
        config.windows = false;
        config.limits = limits(|l| l.chunk(1_048_543).max_inflight(100).ack_window(4_096));
    };
    let mut client = Endpoint::client_with(wide);
    client.frames();
    assert_eq!(client.conn.capacity(), 64);
    let id = client.stream(&pattern(1_048_543));
    client.feed(&hello_reply(
        r#"{"max_frame":4096,"max_inflight":1,"comp":["zlib"]}"#,
    ));
    client.events();
    assert_eq!(client.conn.capacity(), 1);
    client.send(id, 0, &pattern(20_000), Fin::End);
    assert!(
        client
            .frames()
            .iter()
            .all(|frame| frame.header.len <= 4_096)
    );

    let mut server = Endpoint::server_with(|c| c.limits = limits(|l| l.chunk(1_048_543)));
    let id = server.open(&request(1, b""));
    server.send(id, 200, &pattern(100_000), Fin::More);
    assert_eq!(server.one_frame().payload.len(), 100_000);
    server.feed(&hello(r#"{"max_frame":4096}"#));
    server.frames();
    server.events();
    server.send(id, 200, &pattern(100_000), Fin::End);
    assert!(
        server
            .frames()
            .iter()
            .all(|frame| frame.header.len <= 4_096)
    );
}

// OAP-5-5
#[test]
fn an_empty_body_and_unknown_fields_are_fine() {
    for (body, expected) in [
        ("", Hello::default()),
        ("{}", Hello::default()),
        (
            r#" { "tea" : {"sugar":[1,-2.5e9,null,true]} } "#,
            Hello::default(),
        ),
        (
            r#"{"idle_timeout_ms":"x","pq":5,"transports":7}"#,
            Hello::default(),
        ),
        (r#"{"comp":["br","zlib"],"features":["tea","ping"]}"#, {
            let mut hello = Hello::default();
            hello.codings.insert(Codings::ZLIB);
            hello.features.insert(Features::PING);
            hello
        }),
    ] {
        let mut server = Endpoint::server();
        server.feed(&hello(body));
        assert_eq!(flags_code(&server.one_frame()), (RESP | END, 0), "{body}");
        assert_eq!(said(&mut server), expected, "{body}");
        server.assert_alive();
    }
}

fn nested(levels: usize) -> String {
    format!(
        r#"{{"x":{}{}}}"#,
        "[".repeat(levels - 1),
        "]".repeat(levels - 1)
    )
}

// OAP-5-6
#[test]
fn a_body_that_is_no_small_flat_object_is_a_bad_hello() {
    let long = |n: usize| format!(r#"{{"ua":"{}"}}"#, "x".repeat(n - 9));
    assert_eq!(long(4_096).len(), 4_096);
    for good in [long(4_096), nested(8)] {
        let mut server = Endpoint::server();
        server.feed(&hello(&good));
        assert_eq!(flags_code(&server.one_frame()), (RESP | END, 0));
    }
    for bad in [
        long(4_097),
        nested(9),
        "[]".into(),
        "null".into(),
        "7".into(),
        "{".into(),
        "{}x".into(),
        " ".into(),
        "{\"a\":1,}".into(),
        "{'a':1}".into(),
        "\u{feff}{}".into(),
        r#"{"a":1,"a":2}"#.into(),
        r#"{"max_frame":5000,"max_fram\u0065":5000}"#.into(),
        r#"{"x":{"b":1,"\u0062":2}}"#.into(),
        r#"{"x":[{"y":1},{"z":1,"z":1}]}"#.into(),
    ] {
        let mut server = Endpoint::server();
        server.feed(&hello(&bad));
        assert_bad_hello(&mut server, 0);
        server.feed(&control(NONE, 0, 31).payload(bad.as_bytes()));
        assert_bad_hello(&mut server, 31);
        assert_eq!(server.conn.counters().refused(Reason::BadHello), 2);
        server.assert_alive();
    }
    let mut server = Endpoint::server();
    server.feed(&control(REQ, 0, 0).payload(b"{\"ua\":\"\xff\"}"));
    assert_bad_hello(&mut server, 0);
    // The same key in two objects is not the same key.
    server.feed(&hello(r#"{"x":{"a":1},"y":{"a":1},"a":1}"#));
    assert_eq!(flags_code(&server.one_frame()), (RESP | END, 0));
}

// OAP-5-7
#[test]
fn fields_of_a_wrong_type_or_range_are_a_bad_hello() {
    let mut bad: Vec<String> = Vec::new();
    for (field, values) in [
        ("ua", &["1", "null", "[]", "true"][..]),
        (
            "max_frame",
            &[
                "4095", "0", "-1", "4096.0", "4.096e3", "\"4096\"", "null", "+5000",
            ],
        ),
        (
            "max_inflight",
            &["0", "65536", "-1", "1.0", "1e2", "\"1\"", "[1]"],
        ),
        (
            "ack_window",
            &["4095", "8388609", "-4096", "4096.5", "5e3", "false"],
        ),
        ("comp", &["\"zlib\"", "[1]", "{}", "[null]", "null"]),
        ("features", &["\"ping\"", "[true]", "[[]]", "0"]),
    ] {
        bad.extend(
            values
                .iter()
                .map(|value| format!(r#"{{"{field}":{value}}}"#)),
        );
    }
    for bad in &bad {
        let mut server = Endpoint::server();
        server.feed(&hello(bad));
        assert_bad_hello(&mut server, 0);
        server.assert_alive();
    }
    for (good, hello_said) in [
        (
            r#"{"max_frame":4096}"#,
            Hello {
                max_frame: Some(4_096),
                ..Hello::default()
            },
        ),
        (
            r#"{"max_frame":1048577}"#,
            Hello {
                max_frame: Some(1_048_576),
                ..Hello::default()
            },
        ),
        (
            r#"{"max_frame":99999999999999999999999}"#,
            Hello {
                max_frame: Some(1_048_576),
                ..Hello::default()
            },
        ),
        (
            r#"{"max_inflight":65535}"#,
            Hello {
                max_inflight: Some(65_535),
                ..Hello::default()
            },
        ),
        (
            r#"{"ack_window":8388608}"#,
            Hello {
                ack_window: Some(8_388_608),
                ..Hello::default()
            },
        ),
    ] {
        let mut server = Endpoint::server();
        server.feed(&hello(good));
        assert_eq!(flags_code(&server.one_frame()), (RESP | END, 0), "{good}");
        assert_eq!(said(&mut server), hello_said);
    }
}

// OAP-5-7
#[test]
fn a_compressed_or_opaque_hello_is_bad() {
    for coded in [COMP, APP_E2E, COMP | APP_E2E] {
        for body in [&b""[..], b"{}", b"\x78\x9c\xab\xae\x05\x00\x01\x75\x00\xf9"] {
            let mut server = Endpoint::server();
            server.feed(&control(REQ | coded, 0, 4).payload(body));
            assert_bad_hello(&mut server, 4);
            assert_eq!(server.conn.counters().inflated_bytes, 0);
            server.assert_alive();
        }
    }
}

// OAP-5-8
#[test]
fn the_first_good_hello_counts() {
    let mut server = Endpoint::server();
    server.feed(&hello(r#"{"max_frame":1}"#));
    assert_bad_hello(&mut server, 0);
    server.feed(&hello(r#"{"max_frame":4096,"features":["ping"]}"#));
    let first = server.one_frame();
    assert_eq!(said(&mut server).max_frame, Some(4_096));
    // Late ones get the same answer, whatever they say, and change nothing.
    for (late, corr) in [
        (
            hello(r#"{"max_frame":1048576,"features":["cancel","goaway"]}"#),
            0,
        ),
        (control(NONE, 0, 77), 77),
        (control(REQ | START | END, 0, 5).payload(b"not JSON"), 5),
        (control(REQ | COMP, 0, 6).payload(b"x"), 6),
    ] {
        server.feed(&late);
        let again = server.one_frame();
        assert_eq!(flags_code(&again), (RESP | END, 0));
        assert_eq!(
            (again.header.corr_id, &again.payload),
            (corr, &first.payload)
        );
        assert!(server.events().is_empty());
    }
    let id = server.open(&request(1, b""));
    server.send(id, 200, &pattern(10_000), Fin::End);
    assert!(
        server
            .frames()
            .iter()
            .all(|frame| frame.header.len <= 4_096)
    );
    assert!(server.conn.ping(server.now).is_ok());
    server.frames();
    server.conn.drain();
    assert!(server.frames().is_empty(), "GOAWAY was not listed in time");
}

// OAP-5-9
#[test]
fn a_client_whose_hello_is_refused_goes_on_with_the_defaults() {
    let mut client = Endpoint::client_with(|config| {
        config.hello = true;
        config.limits = limits(|l| l.ack_window(8_192));
    });
    client.frames();
    client.ask(b"before");
    let error = error_json("bad_hello", 0);
    client.feed(&control(RESP | END, 400, 0).payload(error.as_bytes()));
    assert_eq!(client.one_event(), Event::NoHello);
    assert_eq!(client.conn.capacity(), 64);
    assert_eq!(client.conn.ping(client.now), Err(SendError::Unsupported));
    client.ask(b"after");
    // The server knows of no window but the default.
    for corr in [1, 2] {
        client.feed(
            &frame(RESP | ACK_REQ, corr)
                .code(200)
                .payload(&pattern(131_072)),
        );
        assert_eq!(payload_of(&client.one_event()).len(), 131_072);
        assert_eq!(ack_numbers(&client.one_frame(), corr), (131_072, 262_144));
        client.feed(&answer(corr, b""));
        client.events();
    }
    client.assert_alive();
}

// OAP-5-10
#[test]
fn a_bad_hello_reply_is_fatal() {
    for bad in [
        "",
        "[]",
        "{",
        r#"{"server_version":1}"#,
        r#"{"max_frame":4095}"#,
        r#"{"max_inflight":0}"#,
        r#"{"supported_flags":"REQ"}"#,
        r#"{"oap_versions":["1"]}"#,
        r#"{"transports":[1]}"#,
        r#"{"comp":[0]}"#,
        r#"{"features":"ping"}"#,
        r#"{"ack_window":4095}"#,
        r#"{"idle_timeout_ms":999}"#,
        r#"{"pq":1}"#,
        r#"{"a":1,"a":1}"#,
        &nested(9),
        &format!(r#"{{"server_version":"{}"}}"#, "x".repeat(4_096)),
    ] {
        let mut client = Endpoint::client_with(|config| config.hello = true);
        client.frames();
        client.feed(&hello_reply(bad));
        client.assert_fatal(400, Reason::BadHello, "OAP-5-10");
    }
}

// OAP-5-10
#[test]
fn a_reply_that_lacks_fields_means_the_defaults() {
    let mut client = Endpoint::client_told(r#"{"ua":7,"unknown":[{}]}"#);
    assert_eq!(client.conn.capacity(), 64);
    assert_eq!(client.conn.ping(client.now), Err(SendError::Unsupported));
    let body = pattern(131_073);
    client
        .conn
        .request(client.now, Head::new(APP), body.into(), Fin::End)
        .expect("a request");
    assert_eq!(
        joined(&client.frames()).len(),
        131_072,
        "the default window"
    );
    client.feed(&answer(1, b""));
    assert!(matches!(
        client.one_event(),
        Event::Data {
            code: Code::ACCEPTED_OK,
            ..
        }
    ));
}
