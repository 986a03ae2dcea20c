//! The bounds of what can be configured, and the values that go in and out, at their edges.

mod support;

use bytes::Bytes;
use oap_core::wire::{ErrorBody, MAX_FRAME, MIN_LEN};
use oap_core::{
    Body, CloseReason, Code, Event, Fin, Head, LimitError, Limits, LimitsBuilder, Reason,
    SendError, Timer, Verdict, Violation,
};
use support::*;

/// One limit: its name, how it is set, its least and its largest value.
type Bound = (&'static str, fn(u32) -> LimitsBuilder, u32, u32);

#[test]
fn each_limit_takes_its_bounds_and_nothing_beyond() {
    let one = || Limits::builder().max_inflight(1);
    let bounds: [Bound; 4] = [
        (
            "max_frame",
            |value| {
                Limits::builder()
                    .max_inflight(1)
                    .ack_window(4_096)
                    .max_frame(value)
            },
            4_096,
            MAX_FRAME,
        ),
        (
            "ack_window",
            |value| Limits::builder().max_inflight(1).ack_window(value),
            4_096,
            8_388_608,
        ),
        (
            "chunk",
            |value| Limits::builder().chunk(value),
            4_063,
            MAX_FRAME - MIN_LEN,
        ),
        (
            "send_buffer",
            |value| Limits::builder().send_buffer(value),
            1,
            u32::MAX,
        ),
    ];
    for (name, set, least, most) in bounds {
        assert!(set(least).build().is_ok(), "{name} = {least}");
        assert!(set(most).build().is_ok(), "{name} = {most}");
        for value in [least - 1, most.wrapping_add(1)] {
            match set(value).build() {
                Err(LimitError::Range { name: told, .. }) => assert_eq!(told, name),
                other => panic!("{name} = {value}: {other:?}"),
            }
        }
    }
    assert!(one().build().is_ok() && one().max_inflight(0).build().is_err());
}

#[test]
fn limits_are_what_they_were_set_to() {
    let set = limits(|l| {
        l.max_frame(8_192)
            .max_inflight(5)
            .ack_window(5_000)
            .chunk(4_100)
            .send_buffer(77)
    });
    assert_eq!((set.max_frame(), set.max_inflight()), (8_192, 5));
    assert_eq!((set.ack_window(), set.chunk()), (5_000, 4_100));
    assert_eq!((set.send_buffer(), set.buffer_bytes()), (77, 65_536));
}

#[test]
fn windows_may_fill_the_buffer_to_the_last_byte() {
    let windows = |window| {
        Limits::builder()
            .max_frame(4_096)
            .max_inflight(4)
            .ack_window(window)
    };
    assert!(windows(8_192).build().is_ok());
    assert!(matches!(
        windows(8_193).build(),
        Err(LimitError::Windows {
            window: 8_193,
            inflight: 4,
            budget: 32_768
        })
    ));
}

#[test]
fn bodies_come_from_whatever_holds_bytes() {
    let bodies = [
        Body::from(Bytes::from_static(b"body")),
        Body::from(&b"body"[..]),
        Body::from(b"body"),
        Body::from(b"body".to_vec()),
        Body::from("body"),
        Body::from("body".to_owned()),
    ];
    let mut client = Endpoint::client();
    for body in bodies {
        assert_eq!((body.len(), body.is_empty()), (4, false));
        let head = Head::new(APP);
        client
            .conn
            .request(client.now, head, body, Fin::End)
            .expect("a request");
        let asked = client.one_frame();
        assert_eq!(
            (asked.header.flags, &asked.payload[..]),
            (REQ | START | END, &b"body"[..])
        );
    }
    client
        .conn
        .request(
            client.now,
            Head::new(APP),
            Body::from("body").opaque(),
            Fin::End,
        )
        .expect("a request");
    assert_eq!(client.one_frame().header.flags, REQ | START | END | APP_E2E);
}

#[test]
fn reasons_for_a_close_read_as_sentences() {
    let mut server = Endpoint::server();
    server.feed(&control(RESP | REQ, 0, 0));
    let Some(Event::Closed(violation)) = server.events().pop() else {
        panic!("not closed");
    };
    let text = violation.to_string();
    assert!(
        text.starts_with("the peer broke the protocol: 400 bad_sequence: "),
        "{text}"
    );
    assert!(text.ends_with("(OAP-2-6)"), "{text}");
    let told = |reason| CloseReason::PeerError {
        code: Code::TOO_MANY,
        reason,
    };
    for (reason, text) in [
        (CloseReason::Local, "closed by this side"),
        (CloseReason::Drained, "drained"),
        (CloseReason::PeerClosed, "closed by the peer"),
        (told(Some(Reason::Flood)), "the peer reported 429 flood"),
        (told(None), "the peer reported 429"),
        (CloseReason::TimedOut(Timer::Idle), "timed out: Idle"),
        (CloseReason::Transport, "the transport failed"),
    ] {
        assert_eq!(reason.to_string(), text);
    }
}

#[test]
fn reasons_for_a_close_have_their_reason_of_the_list() {
    let violation = |reason| {
        CloseReason::Violation(Violation {
            code: Code::BAD_REQUEST,
            reason,
            clause: "OAP-1-3",
            scope: oap_core::Scope::Connection,
            message: "short",
        })
    };
    let told = |reason| CloseReason::PeerError {
        code: Code::TOO_MANY,
        reason,
    };
    for (reason, listed) in [
        (CloseReason::Local, Reason::Cancelled),
        (CloseReason::Drained, Reason::Draining),
        (CloseReason::PeerClosed, Reason::Io),
        (told(Some(Reason::Flood)), Reason::Flood),
        (told(None), Reason::Io),
        (violation(Reason::BadFrame), Reason::BadFrame),
        (CloseReason::TimedOut(Timer::Write), Reason::Timeout),
        (CloseReason::Transport, Reason::Io),
    ] {
        assert_eq!(reason.reason(), listed);
    }
}

/// The name in a HELLO: the first 256 bytes at most, and no part of a character.
#[test]
fn a_long_name_is_cut_between_characters() {
    for (name, expected) in [
        ("n".repeat(256), 256),
        ("n".repeat(257), 256),
        (format!("{}\u{e9}", "n".repeat(254)), 256),
        (format!("{}\u{e9}", "n".repeat(255)), 255),
        (format!("{}\u{e9}{}", "n".repeat(255), "n".repeat(80)), 255),
        ("short".to_owned(), 5),
    ] {
        let mut client = Endpoint::client_with(|config| {
            config.hello = true;
            config.agent = name.clone().into();
        });
        let asked = client.one_frame();
        let mut server = Endpoint::server_with(|config| config.agent = name.clone().into());
        server.feed(&hello("{}"));
        let told = server.one_frame();
        for (body, key) in [(asked.payload, "ua"), (told.payload, "server_version")] {
            let json: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
            assert_eq!(json[key], name[..expected], "{key}");
        }
    }
}

#[test]
fn a_failure_is_told_with_its_code_and_when_to_try_again() {
    for (code, sent, retry) in [
        (Code::NOT_FOUND, 404, None),
        (Code::TOO_MANY, 429, Some(250)),
        (Code::UNAVAILABLE, 503, Some(250)),
        (Code::new(399), 500, None),
    ] {
        let mut server = Endpoint::server_with(|config| config.retry_after_ms = 250);
        let id = server.open(&request(9, b"x"));
        let exchange = server.conn.exchange(id).expect("it is open");
        assert_eq!(exchange.fail(code, Reason::NotFound, "nobody"), Ok(()));
        let frame = server.one_frame();
        assert_eq!(flags_code(&frame), (RESP | END, sent));
        let body = ErrorBody::parse(&frame.payload).expect("an error body");
        assert_eq!((body.retry_after_ms, body.corr_id), (retry, 9));
    }
}

#[test]
fn a_failure_needs_an_exchange_that_is_open_and_unfinished() {
    let fail = |endpoint: &mut Endpoint, id| {
        let exchange = endpoint.conn.exchange(id).expect("a taken slot");
        exchange.fail(Code::INTERNAL, Reason::Internal, "no")
    };
    let mut parked = Endpoint::server_with(|config| config.authorize = true);
    parked.feed(&request(1, b"x"));
    let Event::Authorize { id, .. } = parked.one_event() else {
        panic!("nothing to authorize");
    };
    assert_eq!(fail(&mut parked, id), Err(SendError::Unauthorized));
    let now = parked.now;
    let exchange = parked.conn.exchange(id).expect("parked");
    exchange.authorize(now, Verdict::Allow);
    assert_eq!(fail(&mut parked, id), Ok(()));

    let mut ended = Endpoint::server();
    let id = ended.open(&frame(REQ | START, 1));
    ended.feed(&cancel(1, 408));
    ended.events();
    assert_eq!(fail(&mut ended, id), Err(SendError::Ended));

    let mut finished = Endpoint::server_with(|config| config.explicit_release = true);
    finished.feed(&hello(r#"{"ack_window":4096}"#));
    finished.events();
    finished.frames();
    let id = finished.open(&request(1, b"x"));
    finished.send(id, 200, &pattern(9_000), Fin::End);
    assert_eq!(fail(&mut finished, id), Err(SendError::Finished));

    let mut closed = Endpoint::server();
    let id = closed.open(&request(1, b"x"));
    closed.conn.close();
    assert_eq!(fail(&mut closed, id), Err(SendError::Closed));

    let mut client = Endpoint::client();
    let id = client.ask(b"x");
    assert_eq!(fail(&mut client, id), Err(SendError::Role));
}
