//! Section 4: GOAWAY and drains.

use oap_conformance::vectors::{Action, Cause};

use crate::build::{Section, V, client, server, serving, told};
use crate::due::{closes, data, ends, error, going_away, sent};
use crate::frames::{
    ALL_FEATURES, END, EVENT, Edit, REQ, START, answer, cancel, control, frame, request,
};
use crate::s04_control::{goaway_event, greeted};

pub(crate) fn add(all: &mut Section) {
    drains_of_servers(all);
    drains_of_clients(all);
    going_aways(all);
}

fn drains_of_servers(all: &mut Section) {
    let over = || closes(Cause::Local, None, "");
    let next = request(2, b"");
    for (what, body) in [("", None), (" whose client has goaway", Some(ALL_FEATURES))] {
        let begin = |name: &str| match body {
            None => server(format!("{name}{what}"), "4-12"),
            Some(body) => greeted(format!("{name}{what}"), "4-12", body),
        };
        let drain = |built: V| match body {
            None => built.act(Action::Drain),
            Some(_) => built.act(Action::Drain).due(going_away(503, "draining")),
        };
        all.add(drain(begin("an idle server drains")).tells(over()));
        all.add(
            drain(begin("a server drains").open(&frame(REQ | START, 1)))
                .feed(&next)
                .due(error(&next, 503, "draining"))
                .answer(1, b"y")
                .tells(over()),
        );
        let more = frame(REQ | END, 1).payload(b"more");
        all.add(
            drain(begin("open exchanges go on in a drain").open(&frame(REQ | START, 1)))
                .feed(&more)
                .tells(data(&more))
                .answer(1, b"y")
                .tells(over()),
        );
        all.add(
            drain(begin("a drain ends with a CANCEL").open(&frame(REQ | START, 1)))
                .feed(cancel(1, 408))
                .tells(ends(1, Cause::Peer, 408, "timeout"))
                .tells(over()),
        );
    }
    let lingering = |name: &str| {
        greeted(name, "4-12", ALL_FEATURES)
            .timers(|timers| timers.linger = Some(2_000_000))
            .act(Action::Drain)
            .due(going_away(503, "draining"))
    };
    all.add(
        lingering("a server that waits for its client refuses what was under way")
            .feed(&next)
            .due(error(&next, 503, "draining"))
            .eof()
            .tells(over()),
    );
    all.add(
        lingering("a server waits for its client a bounded time")
            .advance(2_100_000)
            .tells(over()),
    );
}

fn drains_of_clients(all: &mut Section) {
    let reply = answer(1, b"y");
    all.add(
        client("an idle client drains", "4-12")
            .act(Action::Drain)
            .tells(closes(Cause::Local, None, "")),
    );
    all.add(
        told("a client drains", "4-12", ALL_FEATURES)
            .ask(b"x")
            .act(Action::Drain)
            .due(going_away(503, "draining"))
            .request(b"late", true)
            .refused()
            .feed(&reply)
            .tells(data(&reply))
            .tells(closes(Cause::Local, None, "")),
    );
}

fn going_aways(all: &mut Section) {
    let reply = answer(1, b"y");
    for (code, reason) in [(503, "draining"), (429, "flood")] {
        let body = format!(
            r#"{{"code":"{reason}","message":"m","retryable":true,"corr_id":"0","retry_after_ms":250}}"#
        );
        for (what, body, after) in [
            ("", body.as_bytes(), Some(250)),
            (" without a body", b"", None),
        ] {
            all.add(
                client(format!("no request after GOAWAY {code}{what}"), "4-13")
                    .ask(b"x")
                    .feed(control(EVENT, code, 0).payload(body))
                    .tells(goaway_event(code, after))
                    .request(b"late", true)
                    .refused()
                    .feed(&reply)
                    .tells(data(&reply)),
            );
        }
    }
    all.add(
        client("an open request goes on after GOAWAY", "4-13 3-4")
            .config(|config| config.no_windows = true)
            .stream(b"a")
            .feed(control(EVENT, 503, 0))
            .tells(goaway_event(503, None))
            .send(1, 0, b"b", true)
            .due(sent(frame(REQ | END, 1).payload(b"b")))
            .feed(&reply)
            .tells(data(&reply)),
    );
    all.add(
        serving("a server goes on after its client's GOAWAY", "4-13")
            .feed(control(EVENT, 503, 0))
            .tells(goaway_event(503, None))
            .answer(1, b"y"),
    );
}
