//! Section 3: exchanges at a client.

use oap_conformance::vectors::{Action, Bytes, Cause, Frame};

use crate::build::{Section, client, told};
use crate::due::{acked, cancelled, data, ends};
use crate::frames::{
    ACK_REQ, ALL_FEATURES, APP, END, EVENT, Edit, RESP, START, answer, chunk, frame, named,
};

pub(crate) fn add(all: &mut Section) {
    abandoned(all);
    capacity_of_clients(all);
    stray_answers(all);
    other_app_or_tenant_at_a_client(all);
}

/// A client that gives up where the server has no CANCEL.
fn abandoned(all: &mut Section) {
    let given_up = |name: &str| client(name, "3-18 4-4").ask(b"x").cancel(1, 408);
    all.add(
        given_up("an abandoned exchange is discarded up to its end")
            .feed(vec![chunk(1, b"a"), chunk(1, b"b"), answer(1, b"c")])
            .alive(),
    );
    all.add(
        given_up("an abandoned exchange may break rules")
            .feed(vec![
                chunk(1, b"a").app(9),
                frame(EVENT, 1).tenant(4),
                answer(1, b"c"),
            ])
            .alive(),
    );
    all.add(
        given_up("an abandoned answer is acknowledged")
            .feed(chunk(1, &[1; 65_536]).with(ACK_REQ))
            .due(acked(1, 65_536, 196_608))
            .feed(answer(1, b"c"))
            .alive(),
    );
    all.add(
        given_up("ACK_REQ of an abandoned answer is honoured")
            .feed(chunk(1, b"abc").with(ACK_REQ))
            .feed(chunk(1, b"de").with(ACK_REQ))
            .due(acked(1, 5, 131_077))
            .feed(answer(1, b"c"))
            .alive(),
    );
    all.add(
        told(
            "an abandoned exchange keeps its place",
            "3-18 3-19",
            r#"{"max_inflight":1}"#,
        )
        .ask(b"x")
        .cancel(1, 408)
        .act(asking())
        .refused()
        .feed(answer(1, b"at last"))
        .alive_as(2),
    );
    all.add(
        told(
            "a cancelled exchange has no place where CANCEL is known",
            "4-7 3-18",
            ALL_FEATURES,
        )
        .ask(b"x")
        .cancel(1, 408)
        .due(cancelled(1, 408, "cancelled"))
        .feed(vec![chunk(1, b"late"), answer(1, b"later")])
        .alive(),
    );
}

/// A request that is refused gives out no id.
fn asking() -> Action {
    Action::Request {
        app: APP,
        tenant: 0,
        cap: Bytes::default(),
        payload: Bytes::default(),
        lane: 0,
        end: true,
        comp: false,
        e2e: false,
    }
}

fn capacity_of_clients(all: &mut Section) {
    for max in [1, 2, 63] {
        let reply = format!(r#"{{"max_inflight":{max}}}"#);
        let mut built = told(
            format!("no more than {max} exchanges in flight"),
            "3-19",
            &reply,
        );
        for _ in 0..max {
            built = built.ask(b"");
        }
        let end = answer(1, b"");
        all.add(
            built
                .act(asking())
                .refused()
                .feed(&end)
                .tells(data(&end))
                .ask(b""),
        );
    }
    let mut built = client(
        "no more than 64 exchanges in flight without a HELLO",
        "3-19",
    );
    for _ in 0..64 {
        built = built.ask(b"");
    }
    all.add(built.act(asking()).refused());
}

fn stray_answers(all: &mut Section) {
    for (what, corr) in [("0", 0), ("the next", 2), ("the highest", u64::MAX)] {
        for flags in [RESP, RESP | START, RESP | END] {
            all.add(
                client(format!("{} with corr_id {what}", named(flags)), "3-20")
                    .ask(b"x")
                    .feed(frame(flags, corr).code(200))
                    .fatal(400, "bad_sequence")
                    .dead(),
            );
        }
    }
    all.add(
        client("an answer before any request", "3-20")
            .feed(answer(1, b""))
            .fatal(400, "bad_sequence"),
    );
    let end = answer(1, b"");
    for flags in [RESP, RESP | START, RESP | END] {
        all.add(
            client(
                format!("{} of an exchange that has ended", named(flags)),
                "3-20",
            )
            .ask(b"x")
            .feed(&end)
            .tells(data(&end))
            .feed(frame(flags, 1).code(200).payload(b"late"))
            .alive(),
        );
    }
}

fn other_app_or_tenant_at_a_client(all: &mut Section) {
    for flags in [RESP, RESP | END, EVENT] {
        let right = frame(flags, 1).payload(b"x");
        let wrongs: [(&str, Frame); 2] = [
            ("another app", right.clone().app(APP + 1)),
            ("another tenant", right.clone().tenant(1)),
        ];
        for (what, wrong) in wrongs {
            let name = format!("{what} on {}", named(flags));
            all.add(
                told(format!("{name}, with CANCEL"), "3-21 3-9", ALL_FEATURES)
                    .ask(b"x")
                    .feed(&wrong)
                    .due(cancelled(1, 400, "bad_sequence"))
                    .tells(ends(1, Cause::Fault, 400, "bad_sequence"))
                    .alive(),
            );
            all.add(
                client(format!("{name}, without CANCEL"), "3-21 3-9 3-18")
                    .ask(b"x")
                    .feed(&wrong)
                    .tells(ends(1, Cause::Fault, 400, "bad_sequence"))
                    .feed(vec![chunk(1, b"y"), answer(1, b"z")])
                    .alive(),
            );
        }
    }
}
