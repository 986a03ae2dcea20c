//! Section 9 of the specification: codes and errors.

mod support;

use oap_core::wire::{ErrorBody, write_error_body};
use oap_core::{Code, End, Event, Fin, Reason};

use self::support::*;

// OAP-9-1
#[test]
fn every_code_is_accepted_and_reported_as_it_came() {
    for (code, class) in [
        (0, 0),
        (1, 0),
        (199, 0),
        (200, 200),
        (202, 200),
        (206, 200),
        (250, 200),
        (299, 200),
        (300, 300),
        (304, 300),
        (399, 300),
        (400, 400),
        (418, 400),
        (499, 400),
        (500, 500),
        (599, 500),
        (600, 500),
        (65_535, 500),
    ] {
        assert_eq!(Code::new(code).class(), Code::new(class));
        assert_eq!(Code::new(code).is_error(), code >= 400);
        let mut client = Endpoint::client();
        client.ask(b"x");
        client.feed(&frame(RESP | END, 1).code(code));
        match client.one_event() {
            Event::Data {
                code: seen,
                fin: Fin::End,
                ..
            } => assert_eq!(seen.get(), code),
            other => panic!("{other:?}"),
        }
        client.assert_alive();
    }
}

// OAP-9-2
#[test]
fn an_answer_has_the_code_of_its_first_frame_and_may_fail_at_its_end() {
    let mut client = Endpoint::client();
    client.ask(b"x");
    let error = error_json("not_ready", 1);
    client.feed_all(&[
        frame(RESP, 1).code(206).payload(b"part"),
        frame(RESP, 1).code(200).payload(b"part"),
        frame(RESP | END, 1).code(503).payload(error.as_bytes()),
    ]);
    let codes: Vec<u16> = client
        .events()
        .iter()
        .map(|event| match event {
            Event::Data {
                code,
                payload,
                fin: Fin::End,
                ..
            } => {
                let body = ErrorBody::parse(payload.wire_bytes()).expect("an error body");
                assert_eq!(body.reason.known(), Some(Reason::NotReady));
                code.get()
            }
            Event::Data { code, .. } => code.get(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(codes, [206, 200, 503]);
    client.assert_alive();
}

// OAP-9-3 OAP-9-6
#[test]
fn every_reason_makes_a_whole_error_body() {
    for reason in Reason::all() {
        let code = reason.code();
        let retry = (code == Code::TOO_MANY || code == Code::UNAVAILABLE).then_some(1_000);
        let mut body = Vec::new();
        write_error_body(&mut body, reason, "what \"happened\"\n", u64::MAX, retry);
        assert_error_body(&body, code.get(), reason, u64::MAX);
    }
}

// OAP-9-3
#[test]
fn a_handlers_error_is_a_whole_error_body() {
    for (code, reason) in [
        (Code::NOT_FOUND, Reason::NotFound),
        (Code::TOO_MANY, Reason::RateLimited),
        (Code::UNAVAILABLE, Reason::NotReady),
        (Code::GATEWAY_TIMEOUT, Reason::Timeout),
    ] {
        let mut server = Endpoint::server();
        let id = server.open(&request(u64::MAX, b"x").tenant(TENANT));
        let exchange = server.conn.exchange(id).expect("open");
        exchange
            .fail(code, reason, "no \u{1} luck")
            .expect("an answer");
        assert_error(
            &server.one_frame(),
            code.get(),
            reason,
            u64::MAX,
            APP,
            TENANT,
        );
        server.assert_alive();
    }
}

// OAP-9-4
#[test]
fn a_long_message_is_shortened() {
    let mut server = Endpoint::server();
    server.feed(&hello(r#"{"max_frame":4096}"#));
    server.frames();
    server.events();
    for message in [
        "x".repeat(10_000),
        "\u{1}".repeat(3_000),
        "\u{1f980}".repeat(3_000),
    ] {
        let id = server.open(&request(5, b""));
        let exchange = server.conn.exchange(id).expect("open");
        exchange
            .fail(Code::TOO_MANY, Reason::RateLimited, &message)
            .expect("an answer");
        let error = server.one_frame();
        assert!(error.header.len <= 4_096 && error.header.len > 4_000);
        assert_error(&error, 429, Reason::RateLimited, 5, APP, 0);
    }
}

// OAP-9-5
#[test]
fn an_error_without_a_good_body_has_the_codes_reason() {
    let long = format!(
        r#"{{"code":"not_found","message":"{}"}}"#,
        "x".repeat(4_096)
    );
    for (code, body, reason) in [
        (404, "", Reason::NotFound),
        (404, "{", Reason::NotFound),
        (404, "[]", Reason::NotFound),
        (404, r#"{"message":"no code"}"#, Reason::NotFound),
        (403, r#"{"code":"tea"}"#, Reason::Forbidden),
        (503, &long, Reason::NotReady),
        (477, r#"{"code":5}"#, Reason::BadRequest),
        (577, "", Reason::Internal),
        (404, r#"{"code":"unauthorized"}"#, Reason::Unauthorized),
        (
            500,
            r#"{"code":"io","retryable":7,"corr_id":[],"retry_after_ms":"x"}"#,
            Reason::Io,
        ),
    ] {
        let mut client = Endpoint::client_told(ALL_FEATURES);
        let id = client.ask(b"x");
        client.feed(&cancel(1, code).payload(body.as_bytes()));
        let end = End::Cancelled {
            code: Code::new(code),
            reason: Some(reason),
        };
        assert_eq!(
            client.one_event(),
            Event::Ended { id, end },
            "{code} {body}"
        );
        client.assert_alive();
    }
}

/// The rows of a table of the specification, after its header.
fn table(title: &str) -> impl Iterator<Item = Vec<String>> {
    let spec = include_str!("../../docs/spec/oap-1.md");
    let from = spec.find(title).expect("the table is there");
    spec[from..]
        .lines()
        .skip_while(|line| !line.starts_with("|---"))
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells = line.trim_matches('|').split('|');
            cells.map(|cell| cell.trim().replace('`', "")).collect()
        })
}

fn numbers(cell: &str) -> Vec<u16> {
    cell.split(", ")
        .filter_map(|number| number.parse().ok())
        .collect()
}

// OAP-9-5 OAP-9-6
#[test]
fn default_reasons_are_those_of_table_5() {
    let mut rows = 0;
    for row in table("Table 5: codes.") {
        for code in numbers(&row[0]) {
            assert!(Code::NAMED.contains(&Code::new(code)), "{code}");
            if !row[2].is_empty() {
                assert_eq!(Reason::from(Code::new(code)).name(), row[2], "{code}");
                rows += 1;
            }
        }
    }
    assert_eq!(
        rows,
        Code::NAMED.iter().filter(|code| code.is_error()).count()
    );
}

// OAP-9-6
#[test]
fn codes_and_reasons_are_paired_as_table_6_says() {
    let rows: Vec<_> = table("Table 6: reasons.").collect();
    let listed: Vec<&str> = rows.iter().map(|row| row[0].as_str()).collect();
    let known: Vec<&str> = Reason::all().map(Reason::name).collect();
    assert_eq!(listed, known, "the same list in the same order");
    for (row, reason) in rows.iter().zip(Reason::all()) {
        assert_eq!(reason.retryable(), row[2] == "yes", "{reason}");
        let codes = numbers(&row[1]);
        if !row[1].contains("local") {
            assert!(
                codes.contains(&reason.code().get()),
                "{reason}: {}",
                reason.code()
            );
        }
    }
}
