//! Section 5: HELLO.

use oap_conformance::vectors::{Event, Frame};

use crate::build::{Section, V, client, greeting, greeting_with, server, told};
use crate::due::{Freedom, answered, any_hello, sent, unwelcome, welcomed};
use crate::frames::{
    ACK_REQ, APP_E2E, COMP, END, Edit, NONE, REQ, RESP, START, control, error_json, frame, hello,
    named, request,
};

pub(crate) fn section() -> Section {
    let mut all = Section::new("05-hello.json", "5", "HELLO");
    shapes(&mut all);
    replies_sent(&mut all);
    good_requests(&mut all);
    bad_requests(&mut all);
    later_ones(&mut all);
    own_hello(&mut all);
    good_replies(&mut all);
    bad_replies(&mut all);
    limits_in_force(&mut all);
    all
}

fn read(
    max_frame: u32,
    max_inflight: u16,
    ack_window: u32,
    features: &[&str],
    comp: &[&str],
) -> Event {
    let names = |names: &[&str]| Some(names.iter().map(ToString::to_string).collect());
    Event::Hello {
        max_frame: Some(max_frame),
        max_inflight: Some(max_inflight),
        ack_window: Some(ack_window),
        features: names(features),
        comp: names(comp),
    }
}

fn defaults() -> Event {
    read(1_048_576, 64, 131_072, &[], &[])
}

/// Every REQ or directionless frame on app 0 is a HELLO request.
fn shapes(all: &mut Section) {
    for flags in [NONE, REQ] {
        for half in [NONE, START, END, START | END, ACK_REQ] {
            for corr in [0, 7] {
                let flags = flags | half;
                all.add(
                    server(
                        format!("a HELLO of {} with corr_id {corr}", named(flags)),
                        "5-1 5-2 5-5",
                    )
                    .feed(control(flags, 0, corr))
                    .tells(defaults())
                    .due(welcomed(corr, "{}"))
                    .alive(),
                );
            }
        }
    }
    for code in [1, 202, 400, 65_535] {
        all.add(
            server(format!("a HELLO with code {code}"), "5-1")
                .feed(hello("{}").code(code))
                .tells(defaults())
                .due(welcomed(0, "{}"))
                .alive(),
        );
    }
    all.add(
        server("a HELLO with the highest corr_id", "5-1 5-2")
            .feed(control(REQ, 0, u64::MAX))
            .tells(defaults())
            .due(welcomed(u64::MAX, "{}")),
    );
    all.add(
        server("a HELLO after requests", "5-1 5-2")
            .open(&request(1, b""))
            .feed(hello("{}"))
            .tells(defaults())
            .due(welcomed(0, "{}"))
            .answer(1, b"y"),
    );
    all.add(
        server("no HELLO at all", "5-4 5-2")
            .open(&request(1, b"x"))
            .answer(1, b"y")
            .alive(),
    );
}

fn replies_sent(all: &mut Section) {
    let facts = r#"{"max_frame":1048576,"max_inflight":64,"oap_versions":[1],"supported_flags":["REQ","RESP","EVENT","START","END","ACK_REQ","COMP","APP_E2E"]}"#;
    all.add(
        server("a reply has the defaults", "5-2")
            .feed(hello(""))
            .tells(defaults())
            .due(welcomed(0, facts)),
    );
    all.add(
        server("a reply has the server's own numbers", "5-2")
            .config(|config| {
                config.max_frame = Some(65_536);
                config.max_inflight = Some(3);
                config.ack_window = Some(8_192);
                config.timers.idle = Some(9_000_000);
            })
            .feed(hello(r#"{"max_frame":4096,"max_inflight":9}"#))
            .tells(any_hello())
            .due(
                welcomed(
                    0,
                    r#"{"max_frame":65536,"max_inflight":3,"ack_window":8192,"idle_timeout_ms":9000}"#,
                )
                .within(4_096),
            ),
    );
    all.add(
        server("a reply lists what the server has", "5-2 4-4")
            .config(|config| {
                config.features = Some(vec!["ping".into()]);
                config.comp = Some(vec!["zlib".into()]);
            })
            .feed(hello("{}"))
            .tells(any_hello())
            .due(welcomed(0, r#"{"features":["ping"],"comp":["zlib"]}"#)),
    );
}

/// Bodies that are read, and what they say.
fn good_requests(all: &mut Section) {
    let deep = r#"{"x":[[[[[[[1]]]]]]]}"#;
    let long = format!(r#"{{"x":"{}"}}"#, "y".repeat(4_096 - 8));
    let good: Vec<(&str, &str, Event)> = vec![
        ("an empty body", "", defaults()),
        ("an empty object", "{}", defaults()),
        (
            "white space",
            " \t\r\n{ \"max_frame\" :\n4096 } ",
            read(4_096, 64, 131_072, &[], &[]),
        ),
        (
            "the least max_frame",
            r#"{"max_frame":4096}"#,
            read(4_096, 64, 131_072, &[], &[]),
        ),
        (
            "the greatest max_frame",
            r#"{"max_frame":1048576}"#,
            defaults(),
        ),
        (
            "a max_frame above the greatest",
            r#"{"max_frame":1048577}"#,
            defaults(),
        ),
        (
            "a max_frame above 64 bits",
            r#"{"max_frame":99999999999999999999}"#,
            defaults(),
        ),
        (
            "the least max_inflight",
            r#"{"max_inflight":1}"#,
            read(1_048_576, 1, 131_072, &[], &[]),
        ),
        (
            "the greatest max_inflight",
            r#"{"max_inflight":65535}"#,
            read(1_048_576, 65_535, 131_072, &[], &[]),
        ),
        (
            "the least ack_window",
            r#"{"ack_window":4096}"#,
            read(1_048_576, 64, 4_096, &[], &[]),
        ),
        (
            "the greatest ack_window",
            r#"{"ack_window":8388608}"#,
            read(1_048_576, 64, 8_388_608, &[], &[]),
        ),
        (
            "all features",
            r#"{"features":["goaway","ping","cancel"]}"#,
            read(1_048_576, 64, 131_072, &["cancel", "ping", "goaway"], &[]),
        ),
        (
            "a feature twice",
            r#"{"features":["ping","ping"]}"#,
            read(1_048_576, 64, 131_072, &["ping"], &[]),
        ),
        (
            "unknown features",
            r#"{"features":["tea","","PING"]}"#,
            defaults(),
        ),
        (
            "a known and an unknown coding",
            r#"{"comp":["br","zlib"]}"#,
            read(1_048_576, 64, 131_072, &[], &["zlib"]),
        ),
        ("unknown codings", r#"{"comp":["ZLIB","gzip"]}"#, defaults()),
        ("empty lists", r#"{"comp":[],"features":[]}"#, defaults()),
        ("an empty ua", r#"{"ua":""}"#, defaults()),
        (
            "a ua with escapes",
            r#"{"ua":"a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"}"#,
            defaults(),
        ),
        ("a ua of UTF-8", "{\"ua\":\"\u{e9}\u{1f600}\"}", defaults()),
        (
            "unknown fields of every type",
            r#"{"a":null,"b":true,"c":-1.5e-3,"d":"x","e":[{}],"f":{"g":0}}"#,
            defaults(),
        ),
        (
            "an escaped key",
            r#"{"max\u005fframe":4096}"#,
            read(4_096, 64, 131_072, &[], &[]),
        ),
        (
            "fields that only a reply has",
            r#"{"server_version":1,"transports":2,"idle_timeout_ms":1,"pq":[],"oap_versions":"x","supported_flags":{}}"#,
            defaults(),
        ),
        (
            "the same key at different depths",
            r#"{"x":{"max_frame":1},"max_frame":4096}"#,
            read(4_096, 64, 131_072, &[], &[]),
        ),
        ("8 levels", deep, defaults()),
        ("4096 bytes", &long, defaults()),
    ];
    for (what, body, event) in good {
        all.add(
            server(format!("a HELLO with {what}"), "5-5 5-6 5-7")
                .feed(control(REQ, 0, 3).payload(body.as_bytes()))
                .tells(event)
                .due(welcomed(3, "{}"))
                .alive(),
        );
    }
}

/// Bodies that fail the check as the body of either HELLO.
fn malformed() -> Vec<(&'static str, Vec<u8>)> {
    let text = |text: &str| text.as_bytes().to_vec();
    vec![
        (
            "4097 bytes",
            format!(r#"{{"x":"{}"}}"#, "y".repeat(4_097 - 8)).into_bytes(),
        ),
        ("an array", text("[]")),
        ("a number", text("1")),
        ("a string", text("\"x\"")),
        ("null", text("null")),
        ("an object that does not end", text("{\"x\":1")),
        ("a trailing comma", text("{\"x\":1,}")),
        ("single quotes", text("{'x':1}")),
        ("a key without quotes", text("{x:1}")),
        ("no colon", text("{\"x\" 1}")),
        ("something after the object", text("{} x")),
        ("two objects", text("{}{}")),
        ("a comment", text("{/* */}")),
        ("a leading zero", text("{\"x\":01}")),
        ("a plus sign", text("{\"x\":+1}")),
        (
            "a number without digits before the point",
            text("{\"x\":.5}"),
        ),
        (
            "a number without digits after the point",
            text("{\"x\":5.}"),
        ),
        ("an exponent without digits", text("{\"x\":1e}")),
        ("NaN", text("{\"x\":NaN}")),
        ("an unknown escape", text("{\"x\":\"\\x\"}")),
        ("a short escape", text("{\"x\":\"\\u12\"}")),
        ("a control character in a string", text("{\"x\":\"\n\"}")),
        ("a string that does not end", text("{\"x\":\"y}")),
        ("white space alone", text("  ")),
        ("bytes that are no UTF-8", b"{\"x\":\"\xff\"}".to_vec()),
        ("9 levels", text(r#"{"x":[[[[[[[[1]]]]]]]]}"#)),
        (
            "9 levels of objects",
            text(r#"{"x":{"x":{"x":{"x":{"x":{"x":{"x":{"x":{}}}}}}}}}"#),
        ),
        (
            "a key twice",
            text(r#"{"max_frame":4096,"max_frame":4096}"#),
        ),
        ("an unknown key twice", text(r#"{"x":1,"x":1}"#)),
        (
            "a key twice once it is unescaped",
            text(r#"{"ack_window":4096,"ack\u005fwindow":4096}"#),
        ),
        (
            "a key twice in an inner object",
            text(r#"{"x":{"y":1,"y":2}}"#),
        ),
        ("an empty key twice", text(r#"{"":1,"":2}"#)),
    ]
}

/// Values that a field must not have, for the fields that both HELLOs have.
fn wrong_fields() -> Vec<(&'static str, &'static [&'static str])> {
    vec![
        (
            "max_frame",
            &[
                "4095", "0", "-1", "-4096", "4096.0", "4.096e3", "1e4", "\"4096\"", "null", "true",
                "[]", "{}",
            ],
        ),
        (
            "max_inflight",
            &[
                "0", "65536", "-1", "-0", "1.0", "1e1", "\"1\"", "null", "[1]",
            ],
        ),
        (
            "ack_window",
            &[
                "4095", "8388609", "0", "-1", "4096.0", "5E3", "\"4096\"", "null", "{}",
            ],
        ),
        (
            "features",
            &[
                "\"cancel\"",
                "{}",
                "null",
                "1",
                "[1]",
                "[null]",
                "[[\"cancel\"]]",
                "[\"cancel\",2]",
            ],
        ),
        (
            "comp",
            &["\"zlib\"", "{}", "null", "false", "[1]", "[true]", "[{}]"],
        ),
    ]
}

fn bad_requests(all: &mut Section) {
    let refused = |name: String, clauses: &str, wrong: Frame| {
        let corr = wrong.corr;
        server(name, clauses)
            .feed(wrong)
            .due(unwelcome(corr))
            .alive()
    };
    for (what, body) in malformed() {
        let wrong = control(REQ, 0, 5).payload(&body);
        all.add(refused(format!("a HELLO with {what}"), "5-6 9-3", wrong));
    }
    let of_requests = [("ua", &["1", "null", "[]", "{}", "true"][..])];
    for (field, values) in wrong_fields().into_iter().chain(of_requests) {
        for value in values {
            let body = format!("{{\"{field}\":{value}}}");
            let wrong = control(NONE, 0, 5).payload(body.as_bytes());
            all.add(refused(
                format!("a HELLO with {field} {value}"),
                "5-7",
                wrong,
            ));
        }
    }
    for flag in [COMP, APP_E2E, COMP | APP_E2E] {
        for body in ["", "{}"] {
            let wrong = hello(body).with(flag);
            let with = if body.is_empty() { "no body" } else { "a body" };
            all.add(refused(
                format!("a HELLO with {} and {with}", named(flag)),
                "5-7",
                wrong,
            ));
        }
    }
    all.add(refused(
        "a bad HELLO with corr_id 0".into(),
        "5-6 4-5",
        hello("[]"),
    ));
}

fn later_ones(all: &mut Section) {
    let features = r#"{"features":["ping"]}"#;
    all.add(
        server("a late HELLO changes nothing", "5-8")
            .feed(hello("{}"))
            .tells(defaults())
            .due(welcomed(0, "{}"))
            .feed(control(NONE, 0, 8).payload(features.as_bytes()))
            .due(welcomed(8, "{}"))
            .act(oap_conformance::vectors::Action::Ping)
            .refused(),
    );
    all.add(
        server("the body of a late HELLO is not read", "5-8")
            .feed(hello("{}"))
            .tells(defaults())
            .due(welcomed(0, "{}"))
            .feed(control(NONE, 0, 8).payload(b"nonsense"))
            .due(welcomed(8, "{}"))
            .feed(hello("{}").with(COMP))
            .due(welcomed(0, "{}"))
            .alive(),
    );
    all.add(
        server("a good HELLO after a bad one counts", "5-8 5-6")
            .feed(hello("[]"))
            .due(unwelcome(0))
            .feed(hello(features))
            .tells(any_hello())
            .due(welcomed(0, "{}"))
            .act(oap_conformance::vectors::Action::Ping)
            .due(crate::due::pinged()),
    );
    all.add(
        server("a bad HELLO leaves the defaults", "5-6 5-4")
            .feed(hello(r#"{"features":["ping"],"max_frame":1}"#))
            .due(unwelcome(0))
            .act(oap_conformance::vectors::Action::Ping)
            .refused()
            .open(&request(1, b""))
            .send(1, 200, &[6; 10_000], true)
            .due(answered(1, 200, &[6; 10_000]).split()),
    );
}

fn own_hello(all: &mut Section) {
    all.add(greeting("a client's HELLO", "5-4 4-1").hears("{}").alive());
    all.add(
        greeting_with("a client's HELLO has its numbers", "5-4 6-6", |config| {
            config.max_frame = Some(65_536);
            config.max_inflight = Some(8);
            config.ack_window = Some(8_192);
        })
        .hears("{}")
        .alive(),
    );
    all.add(
        greeting("a request ahead of the reply", "5-4 6-4")
            .ask(b"x")
            .hears("{}")
            .feed(crate::frames::answer(1, b"y"))
            .tells(crate::due::data(&crate::frames::answer(1, b"y"))),
    );
    all.add(client("a client without a HELLO", "5-4").ask(b"x").alive());
    for body in ["{}", r#"{"code":"bad_hello"}"#] {
        let known = body.contains("bad_hello");
        let error = control(RESP | END, 400, 0).payload(body.as_bytes());
        let built = greeting(format!("a HELLO answered 400 {body}"), "5-9 4-5").feed(error);
        all.add(if known {
            built.tells(Event::NoHello).alive()
        } else {
            built.tells(crate::due::closes(
                oap_conformance::vectors::Cause::Peer,
                400,
                "bad_request",
            ))
        });
    }
    all.add(
        greeting("after bad_hello a reply answers nothing", "5-9 4-3")
            .feed(control(RESP | END, 400, 0).payload(error_json("bad_hello", 0).as_bytes()))
            .tells(Event::NoHello)
            .feed(crate::frames::hello_reply(r#"{"features":["ping"]}"#))
            .act(oap_conformance::vectors::Action::Ping)
            .refused(),
    );
}

fn good_replies(all: &mut Section) {
    let whole = r#"{"server_version":"demo/1","max_frame":65536,"max_inflight":5,"supported_flags":["REQ"],"oap_versions":[1,2],"transports":["tcp"],"comp":["zlib"],"features":["cancel","ping","goaway"],"ack_window":8192,"idle_timeout_ms":60000,"pq":"off"}"#;
    let good = [
        ("an empty object", "{}", defaults()),
        (
            "every field",
            whole,
            read(65_536, 5, 8_192, &["cancel", "ping", "goaway"], &["zlib"]),
        ),
        (
            "the least numbers",
            r#"{"max_frame":4096,"max_inflight":1,"ack_window":4096,"idle_timeout_ms":1000}"#,
            read(4_096, 1, 4_096, &[], &[]),
        ),
        (
            "numbers above their use",
            r#"{"max_frame":18446744073709551615,"idle_timeout_ms":18446744073709551615}"#,
            defaults(),
        ),
        ("a field that only a request has", r#"{"ua":1}"#, defaults()),
        (
            "unknown fields and names",
            r#"{"tea":1,"features":["tea"],"comp":["tea"],"transports":["pigeon"]}"#,
            defaults(),
        ),
        ("an unknown version", r#"{"oap_versions":[]}"#, defaults()),
    ];
    for (what, body, event) in good {
        all.add(
            greeting(format!("a HELLO reply with {what}"), "5-10 5-5")
                .feed(crate::frames::hello_reply(body))
                .tells(event)
                .alive(),
        );
    }
}

fn bad_replies(all: &mut Section) {
    let refused = |name: String, body: &[u8]| -> V {
        greeting(name, "5-10")
            .feed(control(RESP | END, 0, 0).payload(body))
            .fatal(400, "bad_hello")
            .dead()
    };
    for (what, body) in malformed() {
        all.add(refused(format!("a HELLO reply with {what}"), &body));
    }
    let of_replies = [
        ("server_version", &["1", "null", "[]"][..]),
        ("supported_flags", &["\"REQ\"", "[1]", "{}"]),
        ("oap_versions", &["1", "[\"1\"]", "[1.5]", "[-1]", "{}"]),
        ("transports", &["\"tcp\"", "[1]"]),
        (
            "idle_timeout_ms",
            &["999", "0", "-1", "1e4", "\"60000\"", "null"],
        ),
        ("pq", &["1", "null", "[]"]),
    ];
    for (field, values) in wrong_fields().into_iter().chain(of_replies) {
        for value in values {
            let body = format!("{{\"{field}\":{value}}}");
            all.add(refused(
                format!("a HELLO reply with {field} {value}"),
                body.as_bytes(),
            ));
        }
    }
}

/// The numbers of a HELLO hold from when it was read.
fn limits_in_force(all: &mut Section) {
    let body = vec![8; 6_000];
    let start = frame(REQ | START, 1);
    all.add(
        server("a HELLO bounds what is encoded after it", "5-4 1-8")
            .open(&start)
            .send(1, 200, &body, false)
            .due(
                sent(frame(RESP, 1).code(200).payload(&body))
                    .may(START)
                    .split(),
            )
            .feed(hello(r#"{"max_frame":4096}"#))
            .tells(any_hello())
            .due(welcomed(0, "{}").within(4_096))
            .send(1, 200, &body, true)
            .due(
                sent(frame(RESP | END, 1).code(200).payload(&body))
                    .split()
                    .within(4_096),
            ),
    );
    all.add(
        told(
            "a reply bounds what is encoded after it",
            "5-4 1-8",
            r#"{"max_frame":4096}"#,
        )
        .config(|config| config.no_windows = true)
        .stream(b"")
        .send(1, 0, &body, true)
        .due(
            sent(frame(REQ | END, 1).payload(&body))
                .split()
                .within(4_096),
        ),
    );
}
