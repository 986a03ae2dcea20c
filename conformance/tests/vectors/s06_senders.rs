//! Section 6: what a sender does with its credit.

use oap_conformance::vectors::{Cause, Event, Frame};

use crate::build::{Section, V, client, greeting, server, told};
use crate::due::{Freedom, answered, any_hello, data, ends, error, part, pushed, sent, welcomed};
use crate::frames::{
    ACK_REQ, END, EVENT, Edit, REQ, RESP, START, ack, answer, chunk, control, error_json, frame,
    hello, request,
};
use crate::s06_windows::streams;

/// The first limit where nobody has said another.
const DEFAULT: usize = 131_072;

pub(crate) fn add(all: &mut Section) {
    limits_of_requests(all);
    limits_of_answers(all);
    opting_in(all);
    without_credit(all);
}

/// A body that tells where its bytes stand.
fn body(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at / 4_096) as u8).collect()
}

pub(crate) fn more_of_request(bytes: &[u8]) -> oap_conformance::vectors::Due {
    sent(frame(REQ, 1).payload(bytes)).may(ACK_REQ).split()
}

fn limits_of_requests(all: &mut Section) {
    let whole = body(300_000);
    for window in [4_096, 10_000, 200_000] {
        let reply = format!(r#"{{"ack_window":{window}}}"#);
        let built = told(
            format!("a request keeps to the server's ack_window {window}"),
            "6-1 6-4 6-7",
            &reply,
        );
        let next = window as u64;
        all.add(
            streams(built, &whole, window)
                .feed(ack(1, next, next + 1_000))
                .due(more_of_request(&whole[window..window + 1_000])),
        );
    }
    for built in [
        client("a request keeps to the default without a HELLO", "6-1 6-4"),
        told(
            "a request keeps to the default without an ack_window",
            "6-1 6-4",
            "{}",
        ),
    ] {
        all.add(
            streams(built, &whole, DEFAULT)
                .feed(ack(1, 0, 131_073))
                .due(more_of_request(&whole[DEFAULT..DEFAULT + 1])),
        );
    }
    let cautious = |name: &str| streams(greeting(name, "6-4 6-1"), &whole, 4_096);
    for (window, limit) in [
        (4_096, 4_096),
        (20_000, 20_000),
        (131_072, DEFAULT),
        (1_000_000, DEFAULT),
    ] {
        let built = cautious(&format!(
            "a request ahead of a reply with ack_window {window}"
        ))
        .hears(&format!(r#"{{"ack_window":{window}}}"#));
        all.add(match limit {
            4_096 => built,
            limit => built.due(more_of_request(&whole[4_096..limit])),
        });
    }
    all.add(
        cautious("a request ahead of a reply without ack_window")
            .hears("{}")
            .due(more_of_request(&whole[4_096..DEFAULT])),
    );
    all.add(
        cautious("a request ahead of bad_hello")
            .feed(control(RESP | END, 400, 0).payload(error_json("bad_hello", 0).as_bytes()))
            .tells(Event::NoHello)
            .due(more_of_request(&whole[4_096..DEFAULT])),
    );
    all.add(
        cautious("a request ahead of the reply goes on with an ACK")
            .feed(ack(1, 4_096, 8_192))
            .due(more_of_request(&whole[4_096..8_192])),
    );
    all.add(
        streams(
            told(
                "an ACK that raises nothing",
                "6-1 6-7",
                r#"{"ack_window":4096}"#,
            ),
            &whole,
            4_096,
        )
        .feed(ack(1, 4_000, 4_096)),
    );
    all.add(
        streams(
            told("credit byte by byte", "6-1 6-7", r#"{"ack_window":4096}"#),
            &whole,
            4_096,
        )
        .feed(ack(1, 1, 4_097))
        .due(more_of_request(&whole[4_096..4_097]))
        .feed(ack(1, 2, 4_098))
        .due(more_of_request(&whole[4_097..4_098])),
    );
    let small = told(
        "the END waits for credit of its payload",
        "6-7",
        r#"{"ack_window":4096}"#,
    );
    all.add(
        streams(small, &whole[..4_096], 4_096)
            .send(1, 0, b"the end", true)
            .feed(ack(1, 4_096, 8_192))
            .due(
                sent(frame(REQ | END, 1).payload(b"the end"))
                    .may(ACK_REQ)
                    .split(),
            ),
    );
    let small = told(
        "an empty END needs no credit",
        "6-7",
        r#"{"ack_window":4096}"#,
    );
    all.add(
        streams(small, &whole[..4_096], 4_096)
            .send(1, 0, b"", true)
            .due(sent(frame(REQ | END, 1)).may(ACK_REQ)),
    );
}

/// A server whose client has said this, and in which exchange 1 has begun with `start`.
fn begun(name: impl Into<String>, clauses: &str, said: Option<&str>, start: &Frame) -> V {
    let built = server(name, clauses);
    let built = match said {
        None => built,
        Some(said) => built
            .feed(hello(said))
            .tells(any_hello())
            .due(welcomed(0, "{}")),
    };
    built.open(start)
}

fn limits_of_answers(all: &mut Section) {
    let whole = body(300_000);
    let start = request(1, b"");
    let asking = request(1, b"").with(ACK_REQ);
    let cases: [(&str, Option<&str>, &Frame, usize); 6] = [
        ("no HELLO, START with ACK_REQ", None, &asking, DEFAULT),
        (
            "a HELLO without ack_window, START with ACK_REQ",
            Some("{}"),
            &asking,
            DEFAULT,
        ),
        (
            "ack_window 4096",
            Some(r#"{"ack_window":4096}"#),
            &start,
            4_096,
        ),
        (
            "ack_window 4096, START with ACK_REQ",
            Some(r#"{"ack_window":4096}"#),
            &asking,
            4_096,
        ),
        (
            "ack_window 50000",
            Some(r#"{"ack_window":50000}"#),
            &start,
            50_000,
        ),
        (
            "ack_window 200000",
            Some(r#"{"ack_window":200000}"#),
            &start,
            200_000,
        ),
    ];
    for (what, said, start, first) in cases {
        let whole_due =
            |flags, bytes: &[u8]| sent(frame(flags, 1).code(200).payload(bytes)).split();
        let next = first as u64;
        all.add(
            begun(
                format!("an answer keeps to its limit: {what}"),
                "6-1 6-3 6-5",
                said,
                start,
            )
            .send(1, 200, &whole, false)
            .due(whole_due(RESP | ACK_REQ, &whole[..first]).may(START))
            .feed(ack(1, next, next + 500))
            .due(whole_due(RESP, &whole[first..first + 500]).may(ACK_REQ)),
        );
    }
    let unbound: [(&str, Option<&str>); 2] = [
        ("no HELLO", None),
        ("a HELLO without ack_window", Some("{}")),
    ];
    for (what, said) in unbound {
        all.add(
            begun(
                format!("an answer without a window: {what}"),
                "6-3",
                said,
                &start,
            )
            .send(1, 200, &whole, true)
            .due(answered(1, 200, &whole).split()),
        );
    }
    all.add(
        begun(
            "a HELLO after the START changes no window",
            "6-3 6-5",
            None,
            &start,
        )
        .feed(hello(r#"{"ack_window":4096}"#))
        .tells(any_hello())
        .due(welcomed(0, "{}"))
        .send(1, 200, &whole, true)
        .due(answered(1, 200, &whole).split()),
    );
    all.add(
        begun(
            "a HELLO after a START with ACK_REQ changes no limit",
            "6-5",
            None,
            &asking,
        )
        .feed(hello(r#"{"ack_window":4096}"#))
        .tells(any_hello())
        .due(welcomed(0, "{}"))
        .send(1, 200, &whole[..DEFAULT + 9], false)
        .due(
            sent(
                frame(RESP | ACK_REQ, 1)
                    .code(200)
                    .payload(&whole[..DEFAULT]),
            )
            .may(START)
            .split(),
        ),
    );
    all.add(
        begun(
            "a bad HELLO opts in to nothing",
            "6-3 5-6",
            None,
            &request(9, b""),
        )
        .feed(hello(r#"{"ack_window":1}"#))
        .due(crate::due::unwelcome(0))
        .open(&start)
        .send(1, 200, &whole, true)
        .due(answered(1, 200, &whole).split()),
    );
}

/// ACK_REQ on the first frame of an answer.
fn opting_in(all: &mut Section) {
    let said = Some(r#"{"ack_window":4096}"#);
    let start = request(1, b"");
    let begin = |name: &str| begun(name, "6-3", said, &start);
    all.add(
        begin("the first RESP opts in")
            .send(1, 200, b"x", false)
            .due(sent(frame(RESP | ACK_REQ, 1).code(200).payload(b"x")).may(START)),
    );
    all.add(
        begin("the first EVENT opts in")
            .push(1, b"x")
            .due(sent(frame(EVENT | ACK_REQ, 1).payload(b"x")).may(START))
            .send(1, 200, b"y", true)
            .due(answered(1, 200, b"y").may(ACK_REQ)),
    );
    all.add(
        begin("an answer in one frame need not opt in")
            .send(1, 200, &[1; 4_096], true)
            .due(answered(1, 200, &[1; 4_096]).may(ACK_REQ)),
    );
    all.add(
        begin("an answer that does not fit opts in")
            .send(1, 200, &[1; 4_097], true)
            .due(
                sent(frame(RESP | ACK_REQ, 1).code(200).payload(&[1; 4_096]))
                    .may(START)
                    .split(),
            )
            .feed(ack(1, 4_096, 8_192))
            .due(sent(frame(RESP | END, 1).code(200).payload(&[1])).may(ACK_REQ)),
    );
    all.add(
        begun("RESP without a window has no ACK_REQ", "6-3", None, &start)
            .send(1, 200, b"x", false)
            .due(part(1, 200, b"x")),
    );
    all.add(
        begun("EVENT without a window has no ACK_REQ", "6-3", None, &start)
            .push(1, b"x")
            .due(pushed(1, b"x")),
    );
    // EVENT and RESP count into one window.
    let events = body(4_000);
    all.add(
        begun("events and answer share a window", "7-3 6-1", said, &start)
            .push(1, &events)
            .due(sent(frame(EVENT | ACK_REQ, 1).payload(&events)).may(START))
            .send(1, 200, &[2; 200], true)
            .due(sent(frame(RESP, 1).code(200).payload(&[2; 96])).may(START | ACK_REQ))
            .feed(ack(1, 4_000, 8_096))
            .due(sent(frame(RESP | END, 1).code(200).payload(&[2; 104])).may(ACK_REQ)),
    );
}

fn without_credit(all: &mut Section) {
    let said = Some(r#"{"ack_window":4096}"#);
    let full = |name: &str| {
        begun(name, "6-7", said, &request(1, b""))
            .send(1, 200, &[1; 4_096], false)
            .due(
                sent(frame(RESP | ACK_REQ, 1).code(200).payload(&[1; 4_096]))
                    .may(START)
                    .split(),
            )
    };
    all.add(
        full("an empty RESP|END needs no credit")
            .send(1, 200, b"", true)
            .due(sent(frame(RESP | END, 1).code(200)).may(ACK_REQ)),
    );
    all.add(
        full("an error body needs no credit")
            .fail(1, 500, None)
            .due(error(&request(1, b""), 500, "internal")),
    );
    all.add(full("a RESP without credit waits").send(1, 200, b"x", false));
    all.add(full("an EVENT without credit waits").push(1, b"x"));
    let over = answer(1, error_json("internal", 1).as_bytes()).code(500);
    all.add(
        client("an error body beyond the window is taken", "6-7 6-13")
            .config(|config| config.consume = true)
            .ask(b"x")
            .feed(chunk(1, &[1; 65_000]).with(ACK_REQ))
            .tells(data(&chunk(1, &[1; 65_000]).with(ACK_REQ)))
            .feed(chunk(1, &[1; 66_072]))
            .tells(data(&chunk(1, &[1; 66_072])))
            .feed(over)
            .tells(ends(1, Cause::Peer, 500, "internal"))
            .alive(),
    );
}
