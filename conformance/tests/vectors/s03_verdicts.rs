//! Section 3: the verifier, and the order in which a START is checked.

use oap_conformance::vectors::{Action, Cause, Frame, Verdict};

use crate::build::{Section, V, client, server, serving};
use crate::due::{answered, asks, data, ends, error, opens, out_of_sequence, pushed, pushes};
use crate::frames::{
    END, EVENT, Edit, NONE, REQ, START, TENANT, answer, cancel, frame, named, request,
};

pub(crate) fn add(all: &mut Section) {
    verdicts(all);
    parked(all);
    order_of_checks(all);
}

fn verifying(name: &str, clauses: &str, start: &Frame) -> V {
    server(name, clauses)
        .config(|config| config.verifier = true)
        .feed(start)
        .tells(asks(start))
}

fn authorize(verdict: Verdict) -> Action {
    Action::Authorize { corr: 1, verdict }
}

fn verdicts(all: &mut Section) {
    for cap in [&b""[..], b"capability"] {
        for end in [NONE, END] {
            let start = frame(REQ | START | end, 1)
                .cap(cap)
                .tenant(TENANT)
                .payload(b"x");
            let name = |what: &str| {
                let kind = named(REQ | START | end);
                let with = if cap.is_empty() { "without" } else { "with" };
                format!("{kind} {with} a capability is {what}")
            };
            all.add(
                verifying(&name("allowed"), "3-22", &start)
                    .act(authorize(Verdict::Allow))
                    .tells(opens(&start)),
            );
            let (code, reason) = match cap.is_empty() {
                true => (401, "unauthorized"),
                false => (403, "forbidden"),
            };
            all.add(
                verifying(&name("denied"), "3-23", &start)
                    .act(authorize(Verdict::Deny))
                    .due(error(&start, code, reason)),
            );
        }
    }
    for (code, reason) in [
        (402, "forbidden"),
        (429, "rate_limited"),
        (503, "not_ready"),
        (404, "not_found"),
    ] {
        let start = request(1, b"x").cap(b"capability");
        let verdict = Verdict::Refuse {
            code,
            reason: reason.into(),
        };
        all.add(
            verifying(
                &format!("the verifier refuses with {code} {reason}"),
                "3-23 9-3",
                &start,
            )
            .act(authorize(verdict))
            .due(error(&start, code, reason)),
        );
    }
}

fn parked(all: &mut Section) {
    let start = frame(REQ | START, 1).payload(b"a");
    let (more, end) = (
        frame(REQ, 1).payload(b"b"),
        frame(REQ | END, 1).payload(b"c"),
    );
    all.add(
        verifying(
            "what was parked reaches the handler in order",
            "3-22",
            &start,
        )
        .feed(vec![more.clone(), end.clone()])
        .act(authorize(Verdict::Allow))
        .tells(opens(&start))
        .tells(data(&more))
        .tells(data(&end))
        .answer(1, b"y"),
    );
    all.add(
        verifying(
            "what was parked is dropped with a refusal",
            "3-22 3-23 3-14",
            &start,
        )
        .feed(&more)
        .act(authorize(Verdict::Deny))
        .due(error(&start, 401, "unauthorized"))
        .feed(vec![more.clone(), end.clone()]),
    );
    all.add(
        verifying("CANCEL while parked", "3-22 4-8", &start)
            .feed(cancel(1, 408))
            .tells(ends(1, Cause::Peer, 408, "timeout"))
            .feed(&more),
    );
    all.add(
        verifying("a parked exchange holds its slot", "3-22 3-16", &start)
            .config(|config| config.max_inflight = Some(1))
            .feed(request(2, b""))
            .due(error(&request(2, b""), 429, "over_capacity"))
            .act(authorize(Verdict::Deny))
            .due(error(&start, 401, "unauthorized"))
            .feed(request(3, b""))
            .tells(asks(&request(3, b""))),
    );
    for again in [REQ | START, REQ | START | END] {
        all.add(
            verifying(
                &format!("{} on a parked id", named(again)),
                "3-11 3-22",
                &start,
            )
            .feed(frame(again, 1))
            .due(out_of_sequence(&start))
            .tells(ends(1, Cause::Fault, 400, "bad_sequence")),
        );
    }
    for wrong in [frame(REQ, 1).app(9), frame(REQ, 1).tenant(9)] {
        let what = if wrong.app == 9 { "app" } else { "tenant" };
        all.add(
            verifying(&format!("another {what} while parked"), "3-12 3-22", &start)
                .feed(wrong)
                .due(out_of_sequence(&start))
                .tells(ends(1, Cause::Fault, 400, "bad_sequence")),
        );
    }
    all.add(
        verifying("an answer while parked is refused", "3-22", &start)
            .send(1, 200, b"x", true)
            .refused(),
    );
}

/// The first check that fails decides.
fn order_of_checks(all: &mut Section) {
    let full = |name: &str, clauses: &str| {
        serving(name, clauses).config(|config| config.max_inflight = Some(1))
    };
    let zero = frame(REQ | START, 0);
    all.add(
        full("corr_id 0 before max_inflight", "3-13 3-16")
            .feed(&zero)
            .due(out_of_sequence(&zero)),
    );
    all.add(
        full("already open before max_inflight", "3-11 3-16")
            .feed(frame(REQ | START, 1))
            .due(out_of_sequence(&frame(REQ, 1)))
            .tells(ends(1, Cause::Fault, 400, "bad_sequence"))
            .alive(),
    );
    let next = request(2, b"");
    all.add(
        full("draining before max_inflight", "4-12 3-16")
            .act(Action::Drain)
            .feed(&next)
            .due(error(&next, 503, "draining")),
    );
    all.add(
        serving("already open before draining", "3-11 4-12")
            .open(&request(2, b""))
            .act(Action::Drain)
            .feed(frame(REQ | START, 1))
            .due(out_of_sequence(&frame(REQ, 1)))
            .tells(ends(1, Cause::Fault, 400, "bad_sequence")),
    );
    let start = frame(REQ | START, 1);
    all.add(
        verifying("max_inflight before the verifier", "3-16 3-22", &start)
            .config(|config| config.max_inflight = Some(1))
            .feed(request(2, b"").cap(b"capability"))
            .due(error(&next, 429, "over_capacity")),
    );
    let event = frame(EVENT, 1).payload(b"x");
    all.add(
        client("an EVENT before the answer", "3-4 7-2")
            .ask(b"")
            .feed(vec![event.clone(), answer(1, b"y")])
            .tells(pushes(&event))
            .tells(data(&answer(1, b"y"))),
    );
    all.add(
        serving("an event, then the answer", "3-3 7-1")
            .push(1, b"a")
            .due(pushed(1, b"a"))
            .send(1, 200, b"b", true)
            .due(answered(1, 200, b"b")),
    );
}
