//! Section 7: EVENT.

use crate::build::{Section, client, server, serving, told};
use crate::due::{Freedom, data, pushed, pushes, sent};
use crate::frames::{
    ACK_REQ, ALL_FEATURES, APP_E2E, COMP, END, EVENT, Edit, START, TENANT, answer, cancel, chunk,
    frame, named, request, times,
};

pub(crate) fn section() -> Section {
    let mut all = Section::new("07-events.json", "7", "EVENT");
    pushed_by_servers(&mut all);
    delivered(&mut all);
    stray(&mut all);
    all
}

fn pushed_by_servers(all: &mut Section) {
    all.add(
        serving("events on an open subscription", "7-1")
            .push(1, b"a")
            .due(pushed(1, b"a"))
            .push(1, b"")
            .due(sent(frame(EVENT, 1)))
            .answer(1, b"the end"),
    );
    all.add(
        server("events after the request is complete", "7-1")
            .open(&request(1, b""))
            .push(1, b"a")
            .due(pushed(1, b"a")),
    );
    all.add(
        server("an event carries its exchange's app and tenant", "7-1 3-6")
            .open(&request(1, b"").app(3).tenant(TENANT))
            .push(1, b"a")
            .due(sent(frame(EVENT, 1).app(3).tenant(TENANT).payload(b"a")).may(START)),
    );
    all.add(
        serving("no event on an exchange that was cancelled", "7-1 4-8")
            .config(|config| config.release = true)
            .feed(cancel(1, 408))
            .tells(crate::due::ends(
                1,
                oap_conformance::vectors::Cause::Peer,
                408,
                "timeout",
            ))
            .push(1, b"late")
            .refused(),
    );
    all.add(
        server("an event above the peer's max_frame is split", "7-1 1-8")
            .feed(crate::frames::hello(r#"{"max_frame":4096}"#))
            .tells(crate::due::any_hello())
            .due(crate::due::welcomed(0, "{}"))
            .open(&request(1, b""))
            .push(1, &[5; 9_000])
            .due(pushed(1, &[5; 9_000]).split().within(4_096)),
    );
    all.add(
        client("a client pushes no events", "7-1")
            .ask(b"x")
            .push(1, b"x")
            .refused(),
    );
}

fn delivered(all: &mut Section) {
    let event = |payload: &[u8]| frame(EVENT, 1).payload(payload);
    let (a, b, c) = (event(b"a"), event(b""), event(b"c"));
    let (part, end) = (chunk(1, b"part"), answer(1, b"end"));
    all.add(
        client("events and answer in the order sent", "7-2")
            .stream(b"")
            .feed(vec![
                a.clone(),
                part.clone(),
                b.clone(),
                c.clone(),
                end.clone(),
            ])
            .tells(pushes(&a))
            .tells(data(&part))
            .tells(pushes(&b))
            .tells(pushes(&c))
            .tells(data(&end))
            .alive(),
    );
    for more in [START, END, START | END] {
        let odd = a.clone().with(more);
        all.add(
            client(format!("EVENT with {}", named(more)), "7-2")
                .stream(b"")
                .feed(&odd)
                .tells(pushes(&odd))
                .feed(&end)
                .tells(data(&end))
                .alive(),
        );
    }
    for code in [1, 200, 404, 503] {
        let coded = event(b"x").code(code);
        all.add(
            client(format!("EVENT with code {code} ends nothing"), "7-2 9-2")
                .stream(b"")
                .feed(&coded)
                .tells(pushes(&coded))
                .feed(&end)
                .tells(data(&end)),
        );
    }
    all.add(
        client(
            "the code of an answer is not that of an event before it",
            "9-2 7-2",
        )
        .ask(b"")
        .feed(vec![event(b"x").code(503), answer(1, b"y")])
        .tells(pushes(&event(b"x").code(503)))
        .tells(data(&answer(1, b"y"))),
    );
    let sealed = event(b"sealed").with(APP_E2E);
    all.add(
        client("an opaque event", "7-2 8-8")
            .stream(b"")
            .feed(&sealed)
            .tells(pushes(&sealed)),
    );
    let both = event(b"sealed").with(APP_E2E | COMP);
    all.add(
        client("an opaque event with COMP", "7-2 8-8")
            .stream(b"")
            .feed(&both)
            .tells(pushes(&both)),
    );
    let windowed = event(&[1; 65_536]).with(ACK_REQ);
    all.add(
        client("events alone return credit", "7-3 6-8")
            .stream(b"")
            .feed(&windowed)
            .tells(pushes(&windowed))
            .due(crate::due::acked(1, 65_536, 196_608)),
    );
}

/// EVENTs on exchanges that are not open: discarded, one token each.
fn stray(all: &mut Section) {
    for flags in [EVENT, EVENT | START, EVENT | END, EVENT | ACK_REQ] {
        for corr in [0, 2, u64::MAX] {
            all.add(
                client(
                    format!("{} of unknown exchange {corr}", named(flags)),
                    "7-4",
                )
                .ask(b"x")
                .feed(frame(flags, corr).payload(b"x"))
                .feed(answer(1, b"y"))
                .tells(data(&answer(1, b"y"))),
            );
        }
    }
    let end = answer(1, b"y");
    all.add(
        client("an EVENT of an exchange that has ended", "7-4")
            .ask(b"x")
            .feed(&end)
            .tells(data(&end))
            .feed(frame(EVENT, 1).payload(b"late"))
            .alive(),
    );
    all.add(
        serving("an EVENT of an exchange that has ended, server", "7-4")
            .answer(1, b"y")
            .feed(frame(EVENT, 1))
            .alive(),
    );
    let event = frame(EVENT, 900);
    let others = [
        server("1000 stray EVENTs, server", "7-4 10-8"),
        client("1000 stray EVENTs, client", "7-4 10-8"),
    ];
    for built in others {
        all.add(built.feed(times(&event, 1_000)).alive());
    }
    let others = [
        server("1001 stray EVENTs, server", "7-4 10-8 10-9"),
        client("1001 stray EVENTs, client", "7-4 10-8 10-9"),
        told(
            "1001 stray EVENTs where GOAWAY is known",
            "7-4 10-8 10-9",
            ALL_FEATURES,
        ),
    ];
    for (index, built) in others.into_iter().enumerate() {
        let fed = built.feed(times(&event, 1_001));
        let closed = crate::due::closes(oap_conformance::vectors::Cause::Fault, 429, "flood");
        all.add(match index {
            2 => fed.due(crate::due::going_away(429, "flood")).tells(closed),
            _ => fed.fatal(429, "flood"),
        });
    }
}
