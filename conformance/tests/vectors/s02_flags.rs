//! Section 2: flags.

use oap_conformance::vectors::{Cause, Flags};

use crate::build::{Section, client, server, serving, told};
use crate::due::{Freedom, any_hello, data, ends, out_of_sequence, ponged, pushes, sent, welcomed};
use crate::frames::{
    ACK_REQ, ALL_FEATURES, APP, APP_E2E, COMP, END, EVENT, Edit, NONE, REQ, RESP, START, TENANT,
    answer, cancel, control, frame, hello, named, ping, request,
};

pub(crate) fn section() -> Section {
    let mut all = Section::new("02-flags.json", "2", "Flags");
    reserved(&mut all);
    sent_directions(&mut all);
    two_directions(&mut all);
    no_request(&mut all);
    events_of_clients(&mut all);
    two_directions_on_app_0(&mut all);
    at_clients(&mut all);
    all
}

fn reserved(all: &mut Section) {
    for bit in 8..16 {
        let start = request(1, b"x").bits(1 << bit);
        all.add(
            server(format!("reserved bit {bit} of a request"), "2-1")
                .open(&start)
                .answer(1, b"y")
                .alive(),
        );
        let reply = answer(1, b"y").bits(1 << bit);
        all.add(
            client(format!("reserved bit {bit} of an answer"), "2-1")
                .ask(b"x")
                .feed(&reply)
                .tells(data(&reply))
                .alive(),
        );
    }
    all.add(
        server("all reserved bits of a request", "2-1")
            .open(&request(1, b"x").bits(0xff00))
            .answer(1, b"y")
            .alive(),
    );
    all.add(
        server("all reserved bits of a PING", "2-1")
            .feed(ping(2).bits(0xff00))
            .due(ponged(2)),
    );
    all.add(
        server("all reserved bits of a HELLO", "2-1")
            .feed(hello("").bits(0xff00))
            .tells(any_hello())
            .due(welcomed(0, "{}")),
    );
    all.add(
        serving("all reserved bits of a CANCEL", "2-1")
            .feed(cancel(1, 408).bits(0xff00))
            .tells(ends(1, Cause::Peer, 408, "timeout")),
    );
    let event = frame(EVENT, 1).payload(b"x").bits(0xff00);
    all.add(
        client("all reserved bits of an EVENT", "2-1")
            .stream(b"")
            .feed(&event)
            .tells(pushes(&event)),
    );
    all.add(
        server("a fault is answered without reserved bits", "2-1")
            .feed(frame(REQ, 4).bits(0xff00))
            .due(out_of_sequence(&frame(REQ, 4))),
    );
}

/// Every frame of an endpoint has exactly one direction.
fn sent_directions(all: &mut Section) {
    all.add(client("a request has REQ", "2-2").ask(b"x"));
    all.add(
        client("each frame of a request has REQ", "2-2 3-2")
            .config(|config| config.no_windows = true)
            .stream(b"a")
            .send(1, 0, b"b", false)
            .due(sent(frame(REQ, 1).payload(b"b")))
            .send(1, 0, b"", true)
            .due(sent(frame(REQ | END, 1))),
    );
    all.add(
        server("each frame of an answer has RESP", "2-2 3-3")
            .open(&request(1, b""))
            .send(1, 200, b"a", false)
            .due(crate::due::part(1, 200, b"a"))
            .send(1, 200, b"b", false)
            .due(sent(frame(RESP, 1).code(200).payload(b"b")))
            .send(1, 200, b"", true)
            .due(sent(frame(RESP | END, 1).code(200))),
    );
    all.add(
        serving("a pushed event has EVENT alone", "2-2 7-1")
            .push(1, b"a")
            .due(crate::due::pushed(1, b"a")),
    );
    all.add(
        told("an opaque body has APP_E2E", "2-2 8-8", ALL_FEATURES)
            .request_with(frame(APP_E2E, 0).payload(b"sealed"), true)
            .due(sent(request(1, b"sealed").with(APP_E2E)).may(ACK_REQ)),
    );
}

/// REQ together with RESP or EVENT, outside app 0.
fn two_directions(all: &mut Section) {
    for more in [RESP, EVENT, RESP | EVENT] {
        for half in [NONE, START, END, START | END] {
            let flags = REQ | more | half;
            let wrong = frame(flags, 5).tenant(TENANT).payload(b"x");
            let name = format!("{} of an unknown id", named(flags));
            all.add(
                server(name, "2-3 3-8")
                    .feed(&wrong)
                    .due(out_of_sequence(&wrong))
                    .alive(),
            );
            let wrong = frame(flags, 1);
            all.add(
                serving(format!("{} of an open id", named(flags)), "2-3 3-8")
                    .feed(&wrong)
                    .due(out_of_sequence(&wrong))
                    .tells(ends(1, Cause::Fault, 400, "bad_sequence"))
                    .alive(),
            );
        }
    }
    let wrong = frame(REQ | RESP, 1).app(APP + 1).tenant(TENANT);
    all.add(
        serving(
            "two directions on an open id, answered as its START",
            "2-3 3-8",
        )
        .feed(wrong)
        .due(out_of_sequence(&frame(REQ, 1)))
        .tells(ends(1, Cause::Fault, 400, "bad_sequence"))
        .alive(),
    );
    let wrong = frame(REQ | EVENT | START, 0);
    all.add(
        server("two directions before corr_id 0", "2-3")
            .feed(&wrong)
            .due(out_of_sequence(&wrong))
            .alive(),
    );
}

/// No direction, or RESP without REQ, outside app 0.
fn no_request(all: &mut Section) {
    for flags in [NONE, RESP, RESP | EVENT] {
        for half in [NONE, START, END, START | END] {
            let flags = flags | half;
            let wrong = frame(flags, 1);
            all.add(
                server(format!("{} at a server, unknown id", named(flags)), "2-4")
                    .feed(&wrong)
                    .fatal(400, "bad_sequence")
                    .dead(),
            );
            all.add(
                serving(format!("{} at a server, open id", named(flags)), "2-4")
                    .feed(&wrong)
                    .fatal(400, "bad_sequence")
                    .dead(),
            );
        }
    }
    all.add(
        server("no direction, corr_id 0", "2-4")
            .feed(frame(NONE, 0))
            .fatal(400, "bad_sequence"),
    );
    all.add(
        server("RESP with COMP and APP_E2E at a server", "2-4")
            .feed(frame(RESP | COMP | APP_E2E, 3))
            .fatal(400, "bad_sequence"),
    );
}

fn events_of_clients(all: &mut Section) {
    for more in [NONE, START, END, START | END, ACK_REQ] {
        all.add(
            serving(
                format!("{} from a client, open id", named(EVENT | more)),
                "2-5 3-8 7-1",
            )
            .feed(frame(EVENT | more, 1).payload(b"x"))
            .due(out_of_sequence(&frame(REQ, 1)))
            .tells(ends(1, Cause::Fault, 400, "bad_sequence"))
            .alive(),
        );
    }
    let start = request(1, b"").tenant(TENANT);
    all.add(
        server("EVENT from a client after its END", "2-5")
            .open(&start)
            .feed(frame(EVENT, 1).app(7))
            .due(out_of_sequence(&start))
            .tells(ends(1, Cause::Fault, 400, "bad_sequence"))
            .alive(),
    );
    for flags in [EVENT, EVENT | START, EVENT | END] {
        all.add(
            server(format!("{} from a client, unknown id", named(flags)), "7-4")
                .feed(frame(flags, 1))
                .alive(),
        );
    }
    all.add(
        server("EVENT with corr_id 0 from a client", "7-4")
            .feed(frame(EVENT, 0))
            .alive(),
    );
}

fn two_directions_on_app_0(all: &mut Section) {
    for flags in [REQ | RESP, REQ | EVENT, RESP | EVENT, REQ | RESP | EVENT] {
        for corr in [0, 1] {
            for code in [0, 202, 408] {
                let name = format!("{} on app 0, code {code}, corr_id {corr}", named(flags));
                all.add(
                    server(name, "2-6")
                        .feed(control(flags, code, corr))
                        .fatal(400, "bad_sequence")
                        .dead(),
                );
            }
        }
    }
}

fn at_clients(all: &mut Section) {
    let wrong: [Flags; 6] = [
        NONE,
        REQ,
        REQ | RESP,
        REQ | EVENT,
        RESP | EVENT,
        REQ | RESP | EVENT,
    ];
    for flags in wrong {
        for app in [0, APP] {
            for corr in [0, 1, 9] {
                let name = format!(
                    "{} at a client, app {app:#06x}, corr_id {corr}",
                    named(flags)
                );
                all.add(
                    client(name, "2-7")
                        .ask(b"x")
                        .feed(control(flags, 0, corr).app(app))
                        .fatal(400, "bad_sequence")
                        .dead(),
                );
            }
        }
    }
}
