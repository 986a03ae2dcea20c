//! Section 4: control frames.

use oap_conformance::vectors::{Action, Cause, Event, Frame};

use crate::build::{Section, V, client, greeting, server, serving, told};
use crate::due::{
    Freedom, any_hello, cancelled, closes, data, ends, going_away, part, pinged, ponged, sent,
    welcomed,
};
use crate::frames::{
    ACK_REQ, ALL_FEATURES, APP_E2E, COMP, END, EVENT, Edit, REQ, RESP, START, TENANT, ack, answer,
    cancel, chunk, connection_error, control, error_json, frame, hello, named, ping,
};

pub(crate) fn section() -> Section {
    let mut all = Section::new("04-control.json", "4", "Control frames");
    what_is_ignored_on_them(&mut all);
    ignored_events(&mut all);
    ignored_answers(&mut all);
    features(&mut all);
    errors_while_greeting(&mut all);
    connection_errors(&mut all);
    cancelling(&mut all);
    being_cancelled(&mut all);
    stray_cancels(&mut all);
    pings(&mut all);
    crate::s04_drains::add(&mut all);
    all
}

/// An endpoint of each role in which exchange 1 is open.
fn both(name: &str, clauses: &str) -> [V; 2] {
    [
        serving(format!("{name}, server"), clauses),
        client(format!("{name}, client"), clauses).ask(b"x"),
    ]
}

/// A server whose client has told its features.
pub(crate) fn greeted(name: impl Into<String>, clauses: &str, body: &str) -> V {
    server(name, clauses)
        .feed(hello(body))
        .tells(any_hello())
        .due(welcomed(0, "{}"))
}

pub(crate) fn goaway_event(code: u16, retry_after_ms: Option<u64>) -> Event {
    Event::GoAway {
        code,
        retry_after_ms,
    }
}

fn what_is_ignored_on_them(all: &mut Section) {
    for more in [START, END, COMP, APP_E2E] {
        for endpoint in both(&format!("PING with {}", named(more)), "4-2 4-11") {
            all.add(endpoint.feed(ping(7).with(more)).due(ponged(7)).alive());
        }
    }
    for endpoint in both("PING with a tenant and a payload", "4-2 4-11") {
        let odd = ping(7).tenant(TENANT).payload(b"what for");
        all.add(endpoint.feed(odd).due(ponged(7)).alive());
    }
    for more in [START, END, ACK_REQ, COMP, APP_E2E] {
        for endpoint in both(&format!("CANCEL with {}", named(more)), "4-2") {
            let told = ends(1, Cause::Peer, 408, "timeout");
            all.add(endpoint.feed(cancel(1, 408).with(more)).tells(told).alive());
        }
    }
    for endpoint in both("CANCEL with a tenant", "4-2") {
        let told = ends(1, Cause::Peer, 500, "internal");
        all.add(
            endpoint
                .feed(cancel(1, 500).tenant(TENANT))
                .tells(told)
                .alive(),
        );
    }
    let body = vec![5; 140_000];
    let begun = frame(RESP | ACK_REQ, 1).code(200).payload(&body[..131_072]);
    let rest = frame(RESP, 1).code(200).payload(&body[131_072..]);
    for more in [START, END, ACK_REQ, COMP] {
        all.add(
            server(format!("ACK with {} and a tenant", named(more)), "4-2 6-7")
                .open(&frame(REQ | START | ACK_REQ, 1))
                .send(1, 200, &body, false)
                .due(sent(begun.clone()).may(START).split())
                .feed(ack(1, 131_072, 262_144).with(more).tenant(TENANT))
                .due(sent(rest.clone()).split()),
        );
    }
    for (what, reply) in [
        ("without END", control(RESP, 0, 0)),
        ("with START", control(RESP | START | END, 0, 0)),
        ("with COMP", control(RESP | END | COMP, 0, 0)),
        ("with a tenant", control(RESP | END, 0, 0).tenant(TENANT)),
        ("of code 200", control(RESP | END, 200, 0)),
    ] {
        all.add(
            greeting(format!("a HELLO reply {what}"), "4-2 5-3")
                .feed(reply.payload(b"{}"))
                .tells(any_hello())
                .alive(),
        );
    }
    all.add(
        client("GOAWAY with every flag", "4-2 4-13")
            .feed(control(
                EVENT | START | END | ACK_REQ | COMP | APP_E2E,
                503,
                0,
            ))
            .tells(goaway_event(503, None)),
    );
}

/// EVENTs on app 0 that are no CANCEL, PING, PONG or GOAWAY.
fn ignored_events(all: &mut Section) {
    let codes = [1, 199, 200, 201, 203, 299, 300, 399, 600, 65_535];
    let mut odd: Vec<Frame> = codes.map(|code| control(EVENT, code, 1)).to_vec();
    odd.push(control(EVENT, 0, 1));
    let zero = [0, 200, 202, 400, 408, 428, 430, 500, 502, 504, 599, 600];
    odd.extend(zero.map(|code| control(EVENT, code, 0)));
    odd.push(ping(0));
    odd.push(control(EVENT | ACK_REQ, 1, 1));
    for event in odd {
        let ask = if event.flags.has(ACK_REQ) {
            " with ACK_REQ"
        } else {
            ""
        };
        let name = format!(
            "EVENT{ask} on app 0, code {}, corr_id {}",
            event.code, event.corr
        );
        for endpoint in both(&name, "4-3") {
            all.add(endpoint.feed(&event).alive());
        }
    }
    for endpoint in both("PONG that nobody awaits", "4-3") {
        all.add(endpoint.feed(control(EVENT, 202, 7)).alive());
    }
    all.add(
        greeted("PONG with another nonce", "4-3", r#"{"features":["ping"]}"#)
            .act(Action::Ping)
            .due(pinged())
            .feed(control(EVENT, 202, u64::MAX))
            .act(Action::Pong)
            .tells(Event::Pong),
    );
    all.add(
        greeted("PONG that comes twice", "4-3", r#"{"features":["ping"]}"#)
            .act(Action::Ping)
            .due(pinged())
            .act(Action::Pong)
            .tells(Event::Pong)
            .act(Action::Pong)
            .alive(),
    );
}

/// RESP on app 0 that is no ACK, no connection error frame and no answer to a HELLO.
fn ignored_answers(all: &mut Section) {
    for (code, corr) in [
        (0, 0),
        (200, 0),
        (202, 0),
        (399, 0),
        (0, 5),
        (300, 5),
        (400, 5),
        (429, 1),
        (500, u64::MAX),
    ] {
        for endpoint in both(
            &format!("RESP on app 0, code {code}, corr_id {corr}"),
            "4-3",
        ) {
            all.add(endpoint.feed(control(RESP | END, code, corr)).alive());
        }
    }
    all.add(
        greeting("a HELLO reply with another corr_id", "4-3")
            .feed(control(RESP | END, 0, 4).payload(b"{}"))
            .feed(control(RESP | END, 400, 4).payload(error_json("bad_hello", 4).as_bytes()))
            .hears("{}")
            .alive(),
    );
    all.add(
        told("a second HELLO reply", "4-3", "{}")
            .feed(control(RESP | END, 0, 0).payload(b"nonsense"))
            .alive(),
    );
}

/// Nothing optional is sent to a peer that does not list it.
fn features(all: &mut Section) {
    let sets = [
        ("no HELLO", None),
        ("no feature", Some("{}")),
        ("cancel alone", Some(r#"{"features":["cancel"]}"#)),
        ("ping alone", Some(r#"{"features":["ping"]}"#)),
        ("goaway alone", Some(r#"{"features":["goaway"]}"#)),
        (
            "unknown features",
            Some(r#"{"features":["Cancel","PING","go-away",""]}"#),
        ),
    ];
    for (what, body) in sets {
        let has = |feature: &str| body.is_some_and(|body| body.contains(&format!("\"{feature}\"")));
        let name = |act: &str| format!("{act} to a peer with {what}");
        let at_client = |act: &str| match body {
            None => client(name(act), "4-4"),
            Some(body) => told(name(act), "4-4", body),
        };
        let at_server = |act: &str| match body {
            None => server(format!("{}, server", name(act)), "4-4"),
            Some(body) => greeted(format!("{}, server", name(act)), "4-4", body),
        };
        let built = at_client("cancel").ask(b"x").cancel(1, 408);
        all.add(if has("cancel") {
            built.due(cancelled(1, 408, "cancelled"))
        } else {
            built
        });
        for built in [at_client("ping"), at_server("ping")] {
            let built = built.act(Action::Ping);
            all.add(if has("ping") {
                built.due(pinged())
            } else {
                built.refused()
            });
        }
        let begun = [
            at_client("drain").ask(b"x"),
            at_server("drain").open(&frame(REQ | START, 1)),
        ];
        for built in begun {
            let built = built.act(Action::Drain);
            all.add(if has("goaway") {
                built.due(going_away(503, "draining"))
            } else {
                built
            });
        }
    }
}

/// An error with corr_id 0 while the client's HELLO waits for its answer.
fn errors_while_greeting(all: &mut Section) {
    let greet = |name: &str| greeting(name, "4-5 5-9");
    for code in [400, 429, 500] {
        let body = error_json("bad_hello", 0);
        all.add(
            greet(&format!("{code} bad_hello answers the HELLO"))
                .feed(control(RESP | END, code, 0).payload(body.as_bytes()))
                .tells(Event::NoHello)
                .alive(),
        );
    }
    for (code, reason) in [
        (400, "bad_frame"),
        (429, "peer_limit"),
        (503, "draining"),
        (403, "forbidden"),
    ] {
        all.add(
            greeting(
                format!("{code} {reason} does not answer the HELLO"),
                "4-5 4-6",
            )
            .feed(connection_error(code, reason))
            .tells(closes(Cause::Peer, code, reason))
            .dead(),
        );
    }
    all.add(
        greeting(
            "an error without a body does not answer the HELLO",
            "4-5 9-5",
        )
        .feed(control(RESP | END, 400, 0))
        .tells(closes(Cause::Peer, 400, "bad_request")),
    );
    all.add(
        client("bad_hello that answers no HELLO", "4-5 4-6")
            .feed(connection_error(400, "bad_hello"))
            .tells(closes(Cause::Peer, 400, "bad_hello")),
    );
    all.add(
        told("bad_hello after the answer", "4-5 4-6", "{}")
            .feed(connection_error(400, "bad_hello"))
            .tells(closes(Cause::Peer, 400, "bad_hello")),
    );
}

fn connection_errors(all: &mut Section) {
    let reasons = [
        (400, "bad_frame"),
        (400, "bad_version"),
        (400, "bad_sequence"),
        (400, "credit_violation"),
        (413, "too_large"),
        (429, "flood"),
        (429, "peer_limit"),
        (500, "internal"),
        (503, "draining"),
    ];
    for (code, reason) in reasons {
        for endpoint in both(&format!("connection error {code} {reason}"), "4-6") {
            let fed = endpoint.feed(connection_error(code, reason));
            all.add(fed.tells(closes(Cause::Peer, code, reason)).dead());
        }
    }
    let bodies: [(&str, &[u8]); 3] = [
        ("no body", b""),
        ("a malformed body", b"{\"code\":"),
        ("an unknown reason", b"{\"code\":\"tea\",\"message\":\"m\"}"),
    ];
    for (what, body) in bodies {
        for endpoint in both(&format!("connection error with {what}"), "4-6 9-5") {
            let fed = endpoint.feed(control(RESP | END, 503, 0).payload(body));
            all.add(fed.tells(closes(Cause::Peer, 503, "not_ready")));
        }
    }
    for endpoint in both("connection error without END", "4-2 4-6") {
        let odd = control(RESP, 429, 0).payload(error_json("flood", 0).as_bytes());
        all.add(endpoint.feed(odd).tells(closes(Cause::Peer, 429, "flood")));
    }
    for endpoint in both("nothing is answered after a connection error", "4-6") {
        let error = connection_error(400, "bad_frame");
        let fed = endpoint.feed(vec![error, ping(4)]);
        all.add(fed.tells(closes(Cause::Peer, 400, "bad_frame")).eof());
    }
}

/// CANCEL that this endpoint sends.
fn cancelling(all: &mut Section) {
    let begin = |code: u16| {
        let name = format!("a client cancels with code {code}");
        told(name, "4-7 4-1", ALL_FEATURES)
            .ask(b"x")
            .cancel(1, code)
    };
    for (code, reason) in [
        (408, "cancelled"),
        (400, "cancelled"),
        (499, "cancelled"),
        (500, "cancelled"),
        (599, "cancelled"),
    ] {
        // Which reason goes with an application's own code is not said; an empty body always may.
        let mut due = cancelled(1, code, reason);
        due.corr = 1;
        all.add(begin(code).due(due).alive());
    }
    for code in [0, 200, 399, 600] {
        all.add(begin(code).due(cancelled(1, 408, "cancelled")).alive());
    }
    all.add(
        told(
            "what was queued is not sent after CANCEL",
            "4-7",
            r#"{"features":["cancel"],"ack_window":4096}"#,
        )
        .stream(&[3; 4_096])
        .send(1, 0, &[4; 500], false)
        .cancel(1, 408)
        .due(cancelled(1, 408, "cancelled"))
        .feed(ack(1, 4_096, 8_192))
        .send(1, 0, b"x", true)
        .refused(),
    );
    all.add(
        told(
            "what arrives after CANCEL is discarded",
            "4-7",
            ALL_FEATURES,
        )
        .ask(b"x")
        .cancel(1, 408)
        .due(cancelled(1, 408, "cancelled"))
        .feed(vec![
            chunk(1, b"a"),
            frame(EVENT, 1),
            cancel(1, 408),
            answer(1, b"b"),
        ])
        .alive(),
    );
}

fn being_cancelled(all: &mut Section) {
    let causes = [
        (400, "bad_request"),
        (408, "timeout"),
        (429, "rate_limited"),
        (499, "bad_request"),
        (500, "internal"),
        (599, "internal"),
    ];
    for (code, reason) in causes {
        for endpoint in both(&format!("CANCEL {code} without a body"), "4-8 4-9 9-5") {
            let told = ends(1, Cause::Peer, code, reason);
            all.add(endpoint.feed(cancel(1, code)).tells(told).alive());
        }
    }
    for (code, reason) in [
        (408, "cancelled"),
        (400, "bad_sequence"),
        (429, "rate_limited"),
    ] {
        for endpoint in both(&format!("CANCEL {code} {reason}"), "4-8 4-9") {
            let body = error_json(reason, 1);
            let told = ends(1, Cause::Peer, code, reason);
            all.add(
                endpoint
                    .feed(cancel(1, code).payload(body.as_bytes()))
                    .tells(told)
                    .alive(),
            );
        }
    }
    let body = vec![9; 140_000];
    let begun = frame(RESP | ACK_REQ, 1).code(200).payload(&body[..131_072]);
    all.add(
        server("CANCEL drops what was queued", "4-8")
            .open(&frame(REQ | START | ACK_REQ, 1))
            .send(1, 200, &body, true)
            .due(sent(begun).may(START).split())
            .feed(vec![cancel(1, 408), ack(1, 131_072, 262_144)])
            .tells(ends(1, Cause::Peer, 408, "timeout"))
            .alive(),
    );
    all.add(
        serving("nothing is sent after CANCEL", "4-8")
            .config(|config| config.release = true)
            .send(1, 200, b"part", false)
            .due(part(1, 200, b"part"))
            .feed(cancel(1, 408))
            .tells(ends(1, Cause::Peer, 408, "timeout"))
            .send(1, 200, b"x", true)
            .refused()
            .fail(1, 500, None)
            .refused()
            .release(1),
    );
    all.add(
        client("a late answer after the server's CANCEL", "4-9 3-20")
            .ask(b"x")
            .feed(vec![cancel(1, 500), answer(1, b"late")])
            .tells(ends(1, Cause::Peer, 500, "internal"))
            .alive(),
    );
}

fn stray_cancels(all: &mut Section) {
    for corr in [2, 900, u64::MAX] {
        for endpoint in both(&format!("CANCEL of unknown exchange {corr}"), "4-10") {
            all.add(endpoint.feed(cancel(corr, 408)).alive());
        }
    }
    all.add(
        serving("CANCEL of an exchange that has ended, server", "4-10")
            .answer(1, b"y")
            .feed(cancel(1, 408))
            .alive(),
    );
    let reply = answer(1, b"y");
    all.add(
        client("CANCEL of an exchange that has ended, client", "4-10")
            .ask(b"x")
            .feed(&reply)
            .tells(data(&reply))
            .feed(cancel(1, 408))
            .alive(),
    );
    all.add(
        serving("CANCEL that comes twice", "4-10")
            .feed(vec![cancel(1, 408), cancel(1, 408)])
            .tells(ends(1, Cause::Peer, 408, "timeout"))
            .alive(),
    );
}

fn pings(all: &mut Section) {
    for nonce in [1, 256, 1 << 63, u64::MAX] {
        for endpoint in both(&format!("PING {nonce}"), "4-11 4-1") {
            all.add(endpoint.feed(ping(nonce)).due(ponged(nonce)).alive());
        }
    }
    for endpoint in both("the same PING twice", "4-11") {
        let fed = endpoint.feed(vec![ping(5), ping(5)]);
        all.add(fed.due(ponged(5)).due(ponged(5)));
    }
    for endpoint in both("three PINGs", "4-11") {
        let fed = endpoint.feed(vec![ping(5), ping(6), ping(7)]);
        all.add(fed.due(ponged(5)).due(ponged(6)).due(ponged(7)));
    }
    all.add(
        told(
            "a PING of the client's is answered",
            "4-11 4-4",
            ALL_FEATURES,
        )
        .act(Action::Ping)
        .due(pinged())
        .act(Action::Pong)
        .tells(Event::Pong),
    );
}
