//! Section 10: timers and budgets.

use oap_conformance::vectors::{Action, Cause, Event, Frame, Verdict};

use crate::build::{Section, V, client, server, serving};
use crate::due::{
    any_hello, asks, closes, data, ends, error, going_away, out_of_sequence, ponged, unwelcome,
    welcomed,
};
use crate::frames::{
    APP, COMP, END, EVENT, Edit, REQ, RESP, START, answer, cancel, control, frame, hello, named,
    ping, request, times,
};
use crate::zlib::stored;

pub(crate) const SECOND: u64 = 1_000_000;

pub(crate) fn section() -> Section {
    let mut all = Section::new("10-budgets.json", "10", "Timers and budgets");
    crate::s10_timers::add(&mut all);
    what_costs_a_token(&mut all);
    what_costs_nothing(&mut all);
    refills(&mut all);
    hello_budget(&mut all);
    replies(&mut all);
    empty_frames(&mut all);
    all
}

pub(crate) fn both(name: &str, clauses: &str) -> [V; 2] {
    [
        server(format!("{name}, server"), clauses),
        client(format!("{name}, client"), clauses),
    ]
}

/// So many tokens are gone.
fn spent(built: V, tokens: usize) -> V {
    built.feed(times(&frame(EVENT, 5_000), tokens))
}

/// One token more than there are.
fn over(built: V) -> V {
    built.feed(frame(EVENT, 5_000)).fatal(429, "flood")
}

/// After 999 tokens, `last` takes the thousandth, so that the next is one too many.
fn what_costs_a_token(all: &mut Section) {
    let name = |what: &str| format!("{what} costs a token");
    let begin = |what: &str| spent(server(name(what), "10-8"), 999);
    all.add(over(begin("an EVENT of a client").feed(frame(EVENT, 7))));
    let start = frame(REQ | START, 1);
    all.add(over(
        begin("CANCEL of an open exchange")
            .open(&start)
            .feed(cancel(1, 408))
            .tells(ends(1, Cause::Peer, 408, "timeout")),
    ));
    let wrong = frame(REQ, 1);
    all.add(over(
        begin("REQ without START")
            .feed(&wrong)
            .due(out_of_sequence(&wrong)),
    ));
    all.add(over(
        begin("a fault of an open exchange")
            .open(&start)
            .feed(&start)
            .due(out_of_sequence(&start))
            .tells(ends(1, Cause::Fault, 400, "bad_sequence")),
    ));
    let zero = request(0, b"");
    all.add(over(
        begin("corr_id 0").feed(&zero).due(out_of_sequence(&zero)),
    ));
    let two = request(2, b"");
    all.add(over(
        begin("a START above max_inflight")
            .config(|config| config.max_inflight = Some(1))
            .open(&start)
            .feed(&two)
            .due(error(&two, 429, "over_capacity")),
    ));
    for (cap, code, reason) in [(&b""[..], 401, "unauthorized"), (b"cap", 403, "forbidden")] {
        let start = request(1, b"").cap(cap);
        all.add(over(
            begin(&format!("a denial with {code}"))
                .config(|config| config.verifier = true)
                .feed(&start)
                .tells(asks(&start))
                .act(Action::Authorize {
                    corr: 1,
                    verdict: Verdict::Deny,
                })
                .due(error(&start, code, reason)),
        ));
    }
    let broken = request(1, b"broken").with(COMP);
    all.add(over(
        begin("a broken coding")
            .open(&broken)
            .act(Action::Inflate { corr: 1 })
            .due(error(&broken, 400, "bad_coding"))
            .tells(ends(1, Cause::Fault, 400, "bad_coding")),
    ));
    let at_client = |what: &str| spent(client(name(what), "10-8"), 999);
    all.add(over(
        at_client("CANCEL of a server")
            .ask(b"")
            .feed(cancel(1, 500))
            .tells(ends(1, Cause::Peer, 500, "internal")),
    ));
    all.add(over(
        at_client("a fault of an answer")
            .ask(b"")
            .feed(answer(1, b"").app(APP + 1))
            .tells(ends(1, Cause::Fault, 400, "bad_sequence")),
    ));
    for (features, told_so) in [(r#"["goaway"]"#, true), (r#"["cancel","ping"]"#, false)] {
        let built = server(
            format!("a flood of a client that lists {features}"),
            "10-9 4-4",
        )
        .feed(hello(&format!(r#"{{"features":{features}}}"#)))
        .tells(any_hello())
        .due(welcomed(0, "{}"));
        let built = spent(built, 1_000).feed(frame(EVENT, 5_000));
        let closed = closes(Cause::Fault, 429, "flood");
        all.add(match told_so {
            true => built.due(going_away(429, "flood")).tells(closed).dead(),
            false => built.fatal(429, "flood").dead(),
        });
    }
}

/// After 1,000 tokens, what costs none does no harm.
fn what_costs_nothing(all: &mut Section) {
    let free = |what: &str| spent(server(format!("{what} costs no token"), "10-8"), 1_000);
    all.add(free("an answer").open(&request(1, b"")).answer(1, b"y"));
    all.add(
        free("an error of a handler")
            .open(&request(1, b""))
            .fail(1, 400, None)
            .due(error(&request(1, b""), 400, "bad_request")),
    );
    all.add(
        free("an ignored control frame")
            .feed(control(EVENT, 1, 1))
            .feed(cancel(9, 408))
            .alive(),
    );
    all.add(free("a PING").feed(ping(3)).due(ponged(3)).alive());
    all.add(
        free("a bad HELLO")
            .feed(hello("[]"))
            .due(unwelcome(0))
            .alive(),
    );
    all.add(
        free("a late frame")
            .open(&frame(REQ | START, 1))
            .answer(1, b"y")
            .feed(frame(REQ, 1))
            .alive(),
    );
    let start = request(2, b"");
    all.add(
        free("a START while draining")
            .open(&request(1, b""))
            .act(Action::Drain)
            .feed(&start)
            .due(error(&start, 503, "draining")),
    );
    let cap = request(1, b"").cap(b"cap");
    let refuse = |code, reason: &str| Action::Authorize {
        corr: 1,
        verdict: Verdict::Refuse {
            code,
            reason: reason.into(),
        },
    };
    all.add(
        free("a verifier's 503")
            .config(|config| config.verifier = true)
            .feed(&cap)
            .tells(asks(&cap))
            .act(refuse(503, "not_ready"))
            .due(error(&cap, 503, "not_ready"))
            .feed(ping(1))
            .due(ponged(1)),
    );
    let good = request(1, &stored(b"x")).with(COMP);
    all.add(
        free("a good coding")
            .open(&good)
            .act(Action::Inflate { corr: 1 })
            .tells(crate::due::inflated(1, b"x"))
            .answer(1, b"y"),
    );
}

fn refills(all: &mut Section) {
    let event = frame(EVENT, 5_000);
    let later = |name: &str| {
        let built = server(name, "10-8 10-9");
        spent(built, 1_000).seconds(1)
    };
    all.add(
        later("33 tokens come back in a second")
            .feed(times(&event, 33))
            .alive(),
    );
    all.add(
        later("no more than 33 tokens come back in a second")
            .feed(times(&event, 34))
            .fatal(429, "flood"),
    );
    all.add(
        spent(
            server("no more than 1000 tokens gather", "10-8 10-9"),
            1_000,
        )
        .seconds(50)
        .feed(times(&event, 1_000))
        .feed(event)
        .fatal(429, "flood"),
    );
}

fn hello_budget(all: &mut Section) {
    let ten = |name: &str| {
        let mut built = server(name, "10-9 5-8")
            .feed(hello("{}"))
            .tells(any_hello())
            .due(welcomed(0, "{}"));
        for corr in 1..10 {
            built = built.feed(control(REQ, 0, corr)).due(welcomed(corr, "{}"));
        }
        built
    };
    all.add(ten("ten HELLOs").alive());
    all.add(
        ten("eleven HELLOs")
            .feed(hello("{}"))
            .fatal(429, "flood")
            .dead(),
    );
    let six = ten("one HELLO more after 6 s")
        .advance(6_000_000)
        .feed(hello(""));
    all.add(six.due(welcomed(0, "{}")).alive());
    let mut built = server("eleven bad HELLOs", "10-9 5-6");
    for _ in 0..10 {
        built = built.feed(hello("[]")).due(unwelcome(0));
    }
    all.add(built.feed(hello("[]")).fatal(429, "flood"));
}

/// At most 64 obligatory replies wait; then reading stops.
fn replies(all: &mut Section) {
    let fed = |endpoint: V, pings: u64, reading: bool| {
        let frames: Vec<Frame> = (1..=pings).map(ping).collect();
        let mut built = endpoint
            .act(Action::Block)
            .feed(frames)
            .reading(reading)
            .act(Action::Unblock);
        for nonce in 1..=pings {
            built = built.due(ponged(nonce));
        }
        built.reading(true).alive()
    };
    for endpoint in both("63 PONGs wait", "10-10") {
        all.add(fed(endpoint, 63, true));
    }
    for endpoint in both("64 PONGs wait", "10-10") {
        all.add(fed(endpoint, 64, false));
    }
    for endpoint in both("100 PONGs are owed", "10-10") {
        all.add(fed(endpoint, 100, false));
    }
    let faults: Vec<Frame> = (1..=64).map(|corr| frame(REQ | END, corr)).collect();
    let mut built = server("64 answers to faults wait", "10-10")
        .act(Action::Block)
        .feed(faults.clone())
        .reading(false)
        .act(Action::Unblock);
    for wrong in &faults {
        built = built.due(out_of_sequence(wrong));
    }
    all.add(built.reading(true));
    let mut acks = server("ACKs are no obligatory replies", "10-10 6-11").act(Action::Block);
    for corr in 1..=64 {
        let start = frame(REQ | START | crate::frames::ACK_REQ, corr).payload(&[1; 65_536]);
        acks = acks.open(&start);
    }
    acks = acks.reading(true).act(Action::Unblock);
    for corr in 1..=64 {
        acks = acks.due(crate::due::acked(corr, 65_536, 196_608));
    }
    all.add(acks);
}

fn empty_frames(all: &mut Section) {
    let fed = |built: V, next: &Frame, n: usize, event: &Event| {
        let mut built = built.feed(times(next, n));
        for _ in 0..n {
            built = built.tells(event.clone());
        }
        built
    };
    let empty = frame(REQ, 1);
    let hundred = |name: &str| fed(serving(name, "10-11"), &empty, 100, &data(&empty));
    all.add(hundred("100 empty frames").alive());
    all.add(
        hundred("101 empty frames")
            .feed(&empty)
            .fatal(429, "flood")
            .dead(),
    );
    all.add(
        hundred("an END after 100 empty frames")
            .feed(frame(REQ | END, 1))
            .tells(data(&frame(REQ | END, 1)))
            .alive(),
    );
    let full = frame(REQ, 1).payload(b"x");
    all.add(
        hundred("a payload after 100 empty frames")
            .feed(&full)
            .tells(data(&full))
            .alive(),
    );
    all.add(
        hundred("empty frames count for each exchange alone")
            .open(&frame(REQ | START, 2))
            .feed(frame(REQ, 2))
            .tells(data(&frame(REQ, 2)))
            .alive(),
    );
    for flags in [RESP, EVENT] {
        let empty = frame(flags, 1);
        let event = match flags {
            RESP => data(&empty),
            _ => crate::due::pushes(&empty),
        };
        let hundred = |n: &str| {
            let name = format!("{n} empty frames of {}", named(flags));
            fed(client(name, "10-11").stream(b""), &empty, 100, &event)
        };
        all.add(
            hundred("100")
                .feed(answer(1, b"").code(0))
                .tells(data(&answer(1, b"").code(0))),
        );
        all.add(hundred("101").feed(&empty).fatal(429, "flood"));
    }
    let start = frame(EVENT | START, 1);
    all.add(
        fed(
            client("empty frames with START never count", "10-11").stream(b""),
            &start,
            101,
            &crate::due::pushes(&start),
        )
        .alive(),
    );
}
