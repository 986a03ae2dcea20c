//! Section 9: codes and errors.

use oap_conformance::vectors::{Action, Bytes, Cause};

use crate::build::{Section, client, server, told};
use crate::due::{Freedom, answered, data, ends, error, part};
use crate::frames::{ALL_FEATURES, Edit, START, answer, chunk, error_json, request};

/// Table 5: codes of 400 and more with their default reasons.
const DEFAULTS: [(u16, &str); 14] = [
    (400, "bad_request"),
    (401, "unauthorized"),
    (402, "forbidden"),
    (403, "forbidden"),
    (404, "not_found"),
    (408, "timeout"),
    (409, "bad_request"),
    (413, "too_large"),
    (422, "bad_request"),
    (429, "rate_limited"),
    (500, "internal"),
    (501, "internal"),
    (502, "io"),
    (503, "not_ready"),
];

/// Unknown codes of 400 and more.
const UNKNOWN: [(u16, &str); 8] = [
    (405, "bad_request"),
    (418, "bad_request"),
    (499, "bad_request"),
    (505, "internal"),
    (599, "internal"),
    (600, "internal"),
    (999, "internal"),
    (65_535, "internal"),
];

/// Table 6: reasons with a code of theirs.
const REASONS: [(&str, u16); 26] = [
    ("timeout", 504),
    ("tls", 400),
    ("too_large", 413),
    ("rate_limited", 429),
    ("peer_limit", 429),
    ("arti_bootstrap", 503),
    ("over_capacity", 429),
    ("bad_frame", 400),
    ("bad_version", 400),
    ("bad_sequence", 400),
    ("bad_hello", 400),
    ("bad_coding", 400),
    ("decompress_overflow", 413),
    ("credit_violation", 400),
    ("flood", 429),
    ("bad_request", 422),
    ("not_found", 404),
    ("unauthorized", 401),
    ("forbidden", 402),
    ("not_ready", 503),
    ("draining", 503),
    ("cancelled", 408),
    ("pq_policy", 403),
    ("quic_path", 502),
    ("io", 502),
    ("internal", 501),
];

pub(crate) fn section() -> Section {
    let mut all = Section::new("09-errors.json", "9", "Codes and errors");
    classes(&mut all);
    default_reasons(&mut all);
    known_reasons(&mut all);
    odd_bodies(&mut all);
    first_code(&mut all);
    errors_made(&mut all);
    long_messages(&mut all);
    all
}

/// Codes that are no errors end an exchange in success, whatever they are.
fn classes(all: &mut Section) {
    for code in [2, 199, 201, 202, 206, 299, 300, 304] {
        let reply = answer(1, b"x").code(code);
        all.add(
            client(format!("code {code} is a success"), "9-1 9-2")
                .ask(b"")
                .feed(&reply)
                .tells(data(&reply))
                .alive(),
        );
    }
}

fn default_reasons(all: &mut Section) {
    for (code, reason) in DEFAULTS
        .into_iter()
        .chain([(504, "timeout")])
        .chain(UNKNOWN)
    {
        all.add(
            client(format!("error {code} without a body"), "9-1 9-2 9-5")
                .ask(b"")
                .feed(answer(1, b"").code(code))
                .tells(ends(1, Cause::Peer, code, reason))
                .alive(),
        );
    }
}

fn known_reasons(all: &mut Section) {
    for (reason, code) in REASONS {
        all.add(
            client(format!("an answer with reason {reason}"), "9-2 9-5")
                .ask(b"")
                .feed(answer(1, error_json(reason, 1).as_bytes()).code(code))
                .tells(ends(1, Cause::Peer, code, reason))
                .alive(),
        );
    }
}

/// What is no error body counts as none; that is no fault.
fn odd_bodies(all: &mut Section) {
    let long = format!(
        r#"{{"code":"flood","message":"{}"}}"#,
        "m".repeat(4_096 - 27)
    );
    let exact = format!(
        r#"{{"code":"flood","message":"{}"}}"#,
        "m".repeat(4_096 - 29)
    );
    assert_eq!((long.len(), exact.len()), (4_098, 4_096));
    let bodies = [
        ("text", "sorry".to_string(), "rate_limited"),
        ("an array", r#"["flood"]"#.into(), "rate_limited"),
        (
            "half an object",
            r#"{"code":"flood""#.into(),
            "rate_limited",
        ),
        ("no reason", r#"{"message":"m"}"#.into(), "rate_limited"),
        (
            "a reason that is no string",
            r#"{"code":7}"#.into(),
            "rate_limited",
        ),
        (
            "an unknown reason",
            r#"{"code":"tea"}"#.into(),
            "rate_limited",
        ),
        (
            "a reason in capitals",
            r#"{"code":"FLOOD"}"#.into(),
            "rate_limited",
        ),
        ("more than 4096 bytes", long, "rate_limited"),
        ("4096 bytes", exact, "flood"),
        ("a reason alone", r#"{"code":"flood"}"#.into(), "flood"),
        (
            "an escaped reason",
            r#"{"code":"fl\u006fod"}"#.into(),
            "flood",
        ),
        (
            "unknown members",
            r#"{"x":[1],"code":"flood","y":null}"#.into(),
            "flood",
        ),
    ];
    for (what, body, reason) in bodies {
        all.add(
            client(format!("an error body of {what}"), "9-5")
                .ask(b"")
                .feed(answer(1, body.as_bytes()).code(429))
                .tells(ends(1, Cause::Peer, 429, reason))
                .alive(),
        );
    }
}

/// The first RESP decides the code; an error on RESP|END decides the outcome.
fn first_code(all: &mut Section) {
    for (first, last) in [(206, 200), (200, 0), (0, 399), (404, 200)] {
        let (part, end) = (chunk(1, b"a").code(first), answer(1, b"b").code(last));
        all.add(
            client(format!("code {first}, then {last}"), "9-2")
                .ask(b"")
                .feed(vec![part.clone(), end.clone()])
                .tells(data(&part))
                .tells(data(&end.code(first)))
                .alive(),
        );
    }
    for code in [400, 500, 600] {
        let part = chunk(1, b"a");
        all.add(
            client(format!("code 200, then an error {code}"), "9-2")
                .ask(b"")
                .feed(vec![
                    part.clone(),
                    answer(1, error_json("internal", 1).as_bytes()).code(code),
                ])
                .tells(data(&part))
                .tells(ends(1, Cause::Peer, code, "internal"))
                .alive(),
        );
    }
}

/// Error bodies of a server's application.
fn errors_made(all: &mut Section) {
    let start = request(u64::MAX, b"");
    for (code, reason) in DEFAULTS
        .into_iter()
        .chain([(504, "timeout")])
        .chain(UNKNOWN)
    {
        all.add(
            server(format!("a handler fails with {code}"), "9-3 9-6")
                .open(&start)
                .fail(u64::MAX, code, None)
                .due(error(&start, code, reason)),
        );
    }
    for (code, reason) in [
        (429, "over_capacity"),
        (503, "draining"),
        (400, "bad_sequence"),
        (408, "cancelled"),
    ] {
        all.add(
            server(format!("a handler fails with {code} {reason}"), "9-3")
                .open(&request(1, b""))
                .fail(1, code, Some(reason))
                .due(error(&request(1, b""), code, reason)),
        );
    }
    all.add(
        server("an error after a part of the answer", "9-3 3-3")
            .open(&request(1, b""))
            .send(1, 200, b"part", false)
            .due(part(1, 200, b"part"))
            .fail(1, 500, None)
            .due(error(&request(1, b""), 500, "internal")),
    );
    for code in [206, 304] {
        all.add(
            server(format!("a handler answers {code}"), "9-1 3-3")
                .open(&request(1, b""))
                .send(1, code, b"x", true)
                .due(answered(1, code, b"x")),
        );
    }
}

fn long_messages(all: &mut Section) {
    let fails = |len: usize, text: &str| Action::Fail {
        corr: 1,
        code: 503,
        reason: Some("not_ready".into()),
        message: Some(Bytes::compact(text.repeat(len).as_bytes())),
    };
    let start = request(1, b"");
    for (what, text) in [
        ("letters", "m"),
        ("characters to escape", "\""),
        ("control characters", "\u{1}"),
        ("characters of four bytes", "\u{1f600}"),
    ] {
        all.add(
            server(format!("a message of 10000 {what} is cut"), "9-4 9-3")
                .open(&start)
                .act(fails(10_000, text))
                .due(error(&start, 503, "not_ready").within(4_129)),
        );
        all.add(
            server(
                format!("a message of 10000 {what} is cut for the peer's frame"),
                "9-4 1-8",
            )
            .feed(crate::frames::hello(r#"{"max_frame":4096}"#))
            .tells(crate::due::any_hello())
            .due(crate::due::welcomed(0, "{}"))
            .open(&start)
            .act(fails(10_000, text))
            .due(error(&start, 503, "not_ready").within(4_096)),
        );
    }
    all.add(
        server("a message of quotes and line breaks", "9-3")
            .open(&start)
            .act(fails(3, "\"\\\n\t\u{7f}\u{e9}"))
            .due(error(&start, 503, "not_ready")),
    );
    all.add(
        told("an error body is no window data", "9-2 6-7", ALL_FEATURES)
            .ask(b"")
            .feed(
                answer(1, error_json("not_found", 1).as_bytes())
                    .code(404)
                    .with(START),
            )
            .tells(ends(1, Cause::Peer, 404, "not_found"))
            .alive(),
    );
}
