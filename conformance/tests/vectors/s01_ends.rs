//! Section 1: what fits a frame, what follows a fault, and the end of a stream.

use oap_conformance::vectors::{Cause, Frame};

use crate::build::{Section, client, server, serving, told};
use crate::due::{
    Freedom, answered, closes, data, ends, ponged, pushes, sent, truncated, welcomed,
};
use crate::frames::{
    ACK_REQ, ALL_FEATURES, APP_E2E, END, EVENT, Edit, NONE, REQ, RESP, START, answer, cancel,
    frame, hello, ping, request,
};

pub(crate) fn add(all: &mut Section) {
    largest_sent(all);
    after_a_fault(all);
    ends_inside(all);
    ends_between(all);
    capabilities_elsewhere(all);
}

fn largest_sent(all: &mut Section) {
    let body = vec![0x77; 10_000];
    for max in [4_096, 5_000] {
        let windows = format!(r#"{{"max_frame":{max}}}"#);
        let asked = frame(REQ | START | END, 1).payload(&body);
        all.add(
            told(
                format!("a request within the peer's max_frame {max}"),
                "1-8 3-5 5-4",
                &windows,
            )
            .config(|config| config.no_windows = true)
            .request(&body, true)
            .due(sent(asked).split().within(max)),
        );
        all.add(
            server(
                format!("an answer within the peer's max_frame {max}"),
                "1-8 3-5 5-4",
            )
            .feed(hello(&windows))
            .tells(crate::due::any_hello())
            .due(welcomed(0, "{}").within(max))
            .open(&request(1, b""))
            .send(1, 200, &body, true)
            .due(answered(1, 200, &body).split().within(max)),
        );
    }
    let large = vec![0x77; 1_100_000];
    all.add(
        server("an answer within the default max_frame", "1-8 3-5")
            .open(&request(1, b""))
            .send(1, 200, &large, true)
            .due(answered(1, 200, &large).split().within(1_048_576)),
    );
    all.add(
        client("a request within the default max_frame", "1-8 3-5")
            .config(|config| config.no_windows = true)
            .request(&large, true)
            .due(
                sent(frame(REQ | START | END, 1).payload(&large))
                    .split()
                    .within(1_048_576),
            ),
    );
    all.add(
        told(
            "a capability that fills a frame of the peer's",
            "1-8",
            r#"{"max_frame":4096}"#,
        )
        .request_with(frame(NONE, 0).cap(&[7; 4_063]), true)
        .due(sent(request(1, b"").cap(&[7; 4_063])).may(ACK_REQ)),
    );
    all.add(
        told(
            "a capability above a frame of the peer's",
            "1-8",
            r#"{"max_frame":4096}"#,
        )
        .request_with(frame(NONE, 0).cap(&[7; 4_064]), true)
        .refused(),
    );
}

fn after_a_fault(all: &mut Section) {
    let bad = vec![33, 0, 0, 0, 2];
    let with = |frames: &[Frame]| {
        let mut bytes = bad.clone();
        bytes.extend(frames.iter().flat_map(Frame::bytes));
        bytes
    };
    all.add(
        server("nothing is decoded after a fault", "1-9")
            .feed(with(&[request(1, b"x"), ping(3), hello("{}")]))
            .fatal(400, "bad_version"),
    );
    all.add(
        client("nothing is decoded after a fault, client", "1-9")
            .ask(b"x")
            .feed(with(&[answer(1, b"x"), ping(3)]))
            .fatal(400, "bad_version"),
    );
    all.add(
        serving("nothing is answered after a fault", "1-9")
            .feed(bad.clone())
            .fatal(400, "bad_version")
            .send(1, 200, b"late", true)
            .refused()
            .dead(),
    );
    all.add(
        serving("an event after a fault is refused", "1-9")
            .feed(bad.clone())
            .fatal(400, "bad_version")
            .push(1, b"late")
            .refused(),
    );
    all.add(
        client("a request after a fault is refused", "1-9")
            .feed(bad.clone())
            .fatal(400, "bad_version")
            .request(b"late", true)
            .refused(),
    );
    all.add(
        serving(
            "the end of the stream after a fault changes nothing",
            "1-9 1-11",
        )
        .feed(bad.clone())
        .fatal(400, "bad_version")
        .eof(),
    );
    all.add(
        serving("time after a fault changes nothing", "1-9")
            .feed(bad)
            .fatal(400, "bad_version")
            .seconds(600),
    );
}

fn ends_inside(all: &mut Section) {
    let whole = request(1, b"payload").cap(b"cap").bytes();
    for at in [1, 3, 4, 5, 28, 29, 36, 37, 39, 40, 46] {
        all.add(
            server(
                format!("the stream ends after {at} bytes of a frame"),
                "1-10",
            )
            .feed(&whole[..at])
            .eof()
            .fatal(400, "bad_frame"),
        );
    }
    let reply = answer(1, b"payload").bytes();
    for at in [1, 4, 5, 29, 37, 43] {
        all.add(
            client(
                format!("the stream ends after {at} bytes of an answer"),
                "1-10",
            )
            .ask(b"")
            .feed(&reply[..at])
            .eof()
            .fatal(400, "bad_frame"),
        );
    }
    all.add(
        serving(
            "the stream ends inside a frame while an exchange is open",
            "1-10 1-9",
        )
        .feed(&whole[..9])
        .eof()
        .fatal(400, "bad_frame")
        .send(1, 200, b"", true)
        .refused(),
    );
}

fn ends_between(all: &mut Section) {
    let over = || closes(Cause::Eof, None, "io");
    all.add(
        server("the stream ends before any frame", "1-11")
            .eof()
            .tells(over()),
    );
    all.add(
        server("the stream ends after everything is answered", "1-11")
            .open(&request(1, b"x"))
            .answer(1, b"y")
            .eof()
            .tells(over()),
    );
    all.add(
        server("a complete request is answered after the end", "1-11")
            .open(&request(1, b"x"))
            .eof()
            .answer(1, b"y")
            .tells(over()),
    );
    all.add(
        server("two complete requests are answered after the end", "1-11")
            .open(&request(1, b"x"))
            .open(&request(2, b"x"))
            .eof()
            .answer(2, b"y")
            .answer(1, b"y")
            .tells(over()),
    );
    all.add(
        serving("a request is truncated and answered all the same", "1-11")
            .eof()
            .tells(truncated(1))
            .answer(1, b"what there was")
            .tells(over()),
    );
    all.add(
        serving("a truncated request may be answered in parts", "1-11")
            .eof()
            .tells(truncated(1))
            .send(1, 206, b"a", false)
            .due(crate::due::part(1, 206, b"a"))
            .send(1, 206, b"b", true)
            .due(sent(frame(RESP | END, 1).code(206).payload(b"b")))
            .tells(over()),
    );
    all.add(
        serving("one complete and one truncated request", "1-11")
            .open(&request(2, b"x"))
            .eof()
            .tells(truncated(1))
            .answer(2, b"y")
            .answer(1, b"z")
            .tells(over()),
    );
    all.add(
        serving("a truncated request may fail", "1-11")
            .eof()
            .tells(truncated(1))
            .fail(1, 400, None)
            .due(crate::due::error(&frame(REQ, 1), 400, "bad_request"))
            .tells(over()),
    );
    all.add(
        client("the stream ends while nothing is open, client", "1-12")
            .eof()
            .tells(over()),
    );
    all.add(
        client("the stream ends while an exchange is open, client", "1-12")
            .ask(b"x")
            .eof()
            .tells(over())
            .dead(),
    );
    all.add(
        client("the stream ends in the middle of an answer, client", "1-12")
            .ask(b"x")
            .feed(frame(RESP, 1).code(200).payload(b"part"))
            .tells(data(&frame(RESP, 1).code(200).payload(b"part")))
            .eof()
            .tells(over()),
    );
}

fn capabilities_elsewhere(all: &mut Section) {
    all.add(
        server("a capability on a HELLO is ignored", "1-13")
            .feed(hello("{}").with(START).cap(b"cap"))
            .tells(crate::due::any_hello())
            .due(welcomed(0, "{}"))
            .alive(),
    );
    all.add(
        server("a capability on a PING is ignored", "1-13 4-2")
            .feed(ping(4).with(START).cap(b"cap"))
            .due(ponged(4))
            .alive(),
    );
    all.add(
        serving("a capability on a CANCEL is ignored", "1-13 4-2")
            .feed(cancel(1, 408).with(START).cap(b"cap"))
            .tells(ends(1, Cause::Peer, 408, "timeout"))
            .alive(),
    );
    let reply = answer(1, b"x").with(START);
    all.add(
        client("a capability on an answer is ignored", "1-13")
            .ask(b"")
            .feed(reply.clone().cap(b"cap"))
            .tells(data(&reply))
            .alive(),
    );
    let event = frame(EVENT | START, 1).payload(b"x");
    all.add(
        client("a capability on an EVENT is ignored", "1-13")
            .stream(b"")
            .feed(event.clone().cap(b"cap"))
            .tells(pushes(&event)),
    );
    all.add(
        told("a capability goes on START alone", "1-13 3-5", ALL_FEATURES)
            .config(|config| config.no_windows = true)
            .request_with(frame(NONE, 0).cap(b"cap").payload(b"one"), false)
            .due(sent(frame(REQ | START, 1).cap(b"cap").payload(b"one")))
            .send(1, 0, b"two", true)
            .due(sent(frame(REQ | END, 1).payload(b"two"))),
    );
    let body = vec![0x55; 9_000];
    all.add(
        told(
            "a capability goes on the first of several frames",
            "1-13 3-5",
            r#"{"max_frame":4096}"#,
        )
        .config(|config| config.no_windows = true)
        .request_with(frame(NONE, 0).cap(b"cap").payload(&body), true)
        .due(sent(request(1, &body).cap(b"cap")).split().within(4_096)),
    );
    let e2e = request(1, b"sealed").cap(b"cap").with(APP_E2E);
    all.add(
        server("a capability beside APP_E2E", "1-13 8-8")
            .open(&e2e)
            .answer(1, b""),
    );
}
