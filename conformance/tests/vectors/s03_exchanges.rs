//! Section 3: exchanges.

use oap_conformance::vectors::{Action, Bytes, Cause};

use crate::build::{Section, V, client, server, serving, told};
use crate::due::{Freedom, data, ends, error, opens, out_of_sequence, part, sent};
use crate::frames::{
    ACK_REQ, END, EVENT, Edit, NONE, REQ, RESP, START, TENANT, ack, answer, cancel, chunk, frame,
    named, request,
};

pub(crate) fn section() -> Section {
    let mut all = Section::new("03-exchanges.json", "3", "Exchanges");
    requests(&mut all);
    answers(&mut all);
    faults(&mut all);
    crate::s03_states::add(&mut all);
    corr_id_0(&mut all);
    capacity_of_servers(&mut all);
    slots(&mut all);
    crate::s03_clients::add(&mut all);
    crate::s03_verdicts::add(&mut all);
    all
}

fn requests(all: &mut Section) {
    all.add(client("ids count up", "3-1").ask(b"a").ask(b"b").ask(b"c"));
    let first = answer(1, b"x");
    all.add(
        client("an id is not used again after its answer", "3-1")
            .ask(b"a")
            .feed(&first)
            .tells(data(&first))
            .ask(b"b"),
    );
    let (seven, eight) = (
        frame(REQ | START, 7).payload(b"one "),
        frame(REQ | START, 8),
    );
    let more = frame(REQ, 7).payload(b"two ");
    let (end_8, end_7) = (frame(REQ | END, 8), frame(REQ | END, 7).payload(b"three"));
    all.add(
        server("two requests take turns", "3-2")
            .feed(vec![
                seven.clone(),
                eight.clone(),
                more.clone(),
                end_8.clone(),
                end_7.clone(),
            ])
            .tells(opens(&seven))
            .tells(opens(&eight))
            .tells(data(&more))
            .tells(data(&end_8))
            .tells(data(&end_7))
            .answer(8, b"a")
            .answer(7, b"b"),
    );
    for (name, start) in [("a lower id than before", 3), ("the same id again", 9)] {
        all.add(
            server(name, "3-15 3-2")
                .open(&request(9, b"x"))
                .answer(9, b"y")
                .open(&request(start, b"x"))
                .answer(start, b"y"),
        );
    }
    for code in [1, 200, 404, 65_535] {
        let start = frame(REQ | START, 1).code(code).payload(b"a");
        let end = frame(REQ | END, 1).code(code).payload(b"b");
        all.add(
            server(format!("code {code} on REQ is ignored"), "3-7")
                .open(&start)
                .feed(&end)
                .tells(data(&end))
                .answer(1, b"c"),
        );
    }
    all.add(
        client("the code of every REQ frame is 0", "3-7")
            .config(|config| config.no_windows = true)
            .stream(b"a")
            .send(1, 404, b"b", false)
            .due(sent(frame(REQ, 1).payload(b"b")))
            .send(1, 500, b"c", true)
            .due(sent(frame(REQ | END, 1).payload(b"c"))),
    );
}

fn answers(all: &mut Section) {
    all.add(
        serving("RESP|END ends an exchange before REQ|END", "3-3 3-14")
            .answer(1, b"early")
            .feed(vec![frame(REQ, 1).payload(b"late"), frame(REQ | END, 1)])
            .alive(),
    );
    let more = frame(REQ, 1).payload(b"more");
    all.add(
        serving("RESP may come before REQ|END", "3-3")
            .send(1, 206, b"early", false)
            .due(part(1, 206, b"early"))
            .feed(&more)
            .tells(data(&more))
            .send(1, 206, b"late", true)
            .due(sent(frame(RESP | END, 1).code(206).payload(b"late"))),
    );
    for (what, late) in [
        (
            "RESP",
            Action::Send {
                corr: 1,
                code: 200,
                payload: Bytes::plain(b"x"),
                end: false,
                comp: false,
                e2e: false,
            },
        ),
        (
            "EVENT",
            Action::Push {
                corr: 1,
                payload: Bytes::plain(b"x"),
            },
        ),
    ] {
        all.add(
            server(format!("no {what} after RESP|END"), "3-3 7-1")
                .config(|config| config.release = true)
                .open(&request(1, b"x"))
                .answer(1, b"y")
                .act(late)
                .refused()
                .release(1)
                .alive(),
        );
    }
    for start in [NONE, START] {
        let frames = [
            chunk(1, b"one ").with(start),
            chunk(1, b"two "),
            answer(1, b"three"),
        ];
        let late = [chunk(1, b"four"), answer(1, b"five")];
        let mut built = client(
            format!("an answer whose first frame has {}", named(start)),
            "3-4 3-20",
        )
        .ask(b"x")
        .feed(frames.to_vec());
        for frame in &frames {
            built = built.tells(data(frame));
        }
        all.add(built.feed(late.to_vec()).alive());
    }
    for (name, reply) in [
        ("an empty answer", answer(1, b"")),
        (
            "an answer in one frame with START",
            answer(1, b"x").with(START),
        ),
        ("an answer with ACK_REQ", answer(1, b"x").with(ACK_REQ)),
    ] {
        all.add(
            client(name, "3-4")
                .ask(b"")
                .feed(&reply)
                .tells(data(&reply))
                .alive(),
        );
    }
    let reply = answer(1, b"early");
    all.add(
        client("nothing is sent on an exchange that was answered", "3-4")
            .stream(b"x")
            .feed(&reply)
            .tells(data(&reply))
            .send(1, 0, b"late", true)
            .refused()
            .alive(),
    );
    all.add(
        told(
            "an answer drops what its request had queued",
            "3-4 6-7",
            r#"{"ack_window":4096}"#,
        )
        .stream(&[7; 4_096])
        .send(1, 0, &[8; 1_000], true)
        .feed(&reply)
        .tells(data(&reply))
        .feed(ack(1, 4_096, 8_192))
        .alive(),
    );
    let (seven, max) = (
        request(1, b"").app(7).tenant(TENANT),
        request(2, b"").app(65_535).tenant(1),
    );
    for start in [seven, max] {
        let head = |flags| frame(flags, start.corr).app(start.app).tenant(start.tenant);
        all.add(
            server(
                format!(
                    "answers carry app {} and the tenant of their START",
                    start.app
                ),
                "3-6",
            )
            .open(&start)
            .push(start.corr, b"event")
            .due(sent(head(EVENT).payload(b"event")).may(START))
            .send(start.corr, 200, b"part", false)
            .due(sent(head(RESP).code(200).payload(b"part")).may(START))
            .fail(start.corr, 404, None)
            .due(error(&start, 404, "not_found")),
        );
    }
}

fn faults(all: &mut Section) {
    let start = frame(REQ | START | ACK_REQ, 1).tenant(TENANT);
    let body = vec![9; 200_000];
    let begun = frame(RESP | ACK_REQ, 1)
        .code(200)
        .tenant(TENANT)
        .payload(&body[..131_072]);
    all.add(
        server("a fault drops what was queued", "3-8 6-1")
            .open(&start)
            .send(1, 200, &body, false)
            .due(sent(begun).may(START).split())
            .feed(vec![frame(EVENT, 1), ack(1, 131_072, 262_144)])
            .due(out_of_sequence(&start))
            .tells(ends(1, Cause::Fault, 400, "bad_sequence"))
            .alive(),
    );
    all.add(
        serving("a fault leaves its neighbours alone", "3-8")
            .open(&frame(REQ | START, 2))
            .feed(frame(EVENT, 1))
            .due(out_of_sequence(&frame(REQ, 1)))
            .tells(ends(1, Cause::Fault, 400, "bad_sequence"))
            .answer(2, b"neighbour")
            .alive(),
    );
    all.add(
        serving(
            "nothing is sent on an exchange that a fault has ended",
            "3-8 3-17",
        )
        .config(|config| config.release = true)
        .feed(frame(EVENT, 1))
        .due(out_of_sequence(&frame(REQ, 1)))
        .tells(ends(1, Cause::Fault, 400, "bad_sequence"))
        .send(1, 200, b"x", true)
        .refused()
        .release(1),
    );
}

fn corr_id_0(all: &mut Section) {
    for flags in [REQ, REQ | START, REQ | END, REQ | START | END] {
        let wrong = frame(flags, 0).app(12).tenant(TENANT).payload(b"x");
        all.add(
            server(format!("corr_id 0 on {}", named(flags)), "3-13")
                .feed(&wrong)
                .due(out_of_sequence(&wrong))
                .feed(&wrong)
                .due(out_of_sequence(&wrong))
                .alive(),
        );
    }
}

fn capacity_of_servers(all: &mut Section) {
    for max in [1_u16, 2, 8, 64] {
        for end in [NONE, END] {
            let name = format!("{} above max_inflight {max}", named(REQ | START | end));
            let mut built = server(name, "3-16").config(|config| config.max_inflight = Some(max));
            for corr in 1..=u64::from(max) {
                built = built.open(&frame(REQ | START, corr));
            }
            let above = frame(REQ | START | end, 1_000).app(5).tenant(TENANT);
            all.add(
                built
                    .feed(&above)
                    .due(error(&above, 429, "over_capacity"))
                    .answer(1, b"y")
                    .alive(),
            );
        }
    }
    all.add(
        serving(
            "the client's max_inflight does not bound the server",
            "3-16 5-4",
        )
        .feed(crate::frames::hello(r#"{"max_inflight":1}"#))
        .tells(crate::due::any_hello())
        .due(crate::due::welcomed(0, "{}"))
        .open(&request(2, b""))
        .answer(2, b"y"),
    );
}

/// A slot stays taken until the handler's work has ended.
fn slots(all: &mut Section) {
    let one = |name: &str| {
        server(name, "3-17 3-16").config(|config| {
            config.release = true;
            config.max_inflight = Some(1);
        })
    };
    let next = request(2, b"");
    let refused = |built: V| built.feed(&next).due(error(&next, 429, "over_capacity"));
    let freed = |built: V| built.release(1).open(&request(3, b"")).answer(3, b"y");
    all.add(freed(refused(
        one("an answered exchange keeps its slot")
            .open(&request(1, b""))
            .answer(1, b"y"),
    )));
    all.add(freed(refused(
        one("a cancelled exchange keeps its slot")
            .open(&request(1, b""))
            .feed(cancel(1, 408))
            .tells(ends(1, Cause::Peer, 408, "timeout")),
    )));
    all.add(freed(refused(
        one("an exchange ended by a fault keeps its slot")
            .open(&request(1, b""))
            .feed(frame(EVENT, 1))
            .due(out_of_sequence(&frame(REQ, 1)))
            .tells(ends(1, Cause::Fault, 400, "bad_sequence")),
    )));
    all.add(freed(refused(
        one("a failed exchange keeps its slot")
            .open(&request(1, b""))
            .fail(1, 404, None)
            .due(error(&request(1, b""), 404, "not_found")),
    )));
    all.add(
        one("a handler that ends without an answer has failed")
            .open(&request(1, b""))
            .release(1)
            .due(error(&request(1, b""), 500, "internal"))
            .open(&request(2, b"")),
    );
}
