//! Section 11, as far as lanes show on them: the transports themselves are not in the vectors.

use oap_conformance::vectors::{Action, Bytes, Cause, Due, Event};

use crate::build::{Section, V, client, greeting, server};
use crate::due::{
    Freedom, acked, answered, any_hello, closes, data, ends, error, opens, out_of_sequence, ponged,
    sent, truncated, welcomed,
};
use crate::frames::{
    ACK_REQ, ALL_FEATURES, APP, END, EVENT, Edit, REQ, RESP, START, ack, answer, cancel, chunk,
    frame, hello, ping, request,
};

pub(crate) fn section() -> Section {
    let mut all = Section::new("11-lanes.json", "11", "Transports: lanes");
    several(&mut all);
    strays(&mut all);
    ends_of_lanes(&mut all);
    resets(&mut all);
    clients(&mut all);
    all
}

fn laned(name: &str, clauses: &str) -> V {
    server(name, clauses).config(|config| config.lanes = true)
}

fn several(all: &mut Section) {
    let built = laned("an answer goes on the lane of its START", "11-7 11-6");
    all.add(
        built
            .open_lane(1, &request(1, b"a"))
            .open_lane(2, &request(2, b"b"))
            .send(2, 200, b"y", true)
            .due(answered(2, 200, b"y").on_lane(2))
            .send(1, 200, b"x", true)
            .due(answered(1, 200, b"x").on_lane(1)),
    );
    let start = frame(REQ | START | ACK_REQ, 1).payload(&[1; 65_536]);
    all.add(
        laned("an ACK goes on the lane of its exchange", "11-7 6-8")
            .open_lane(3, &start)
            .due(acked(1, 65_536, 196_608).on_lane(3)),
    );
    all.add(
        laned("a PING on another lane", "11-6 4-11")
            .feed_on(2, ping(5))
            .due(ponged(5).on_any_lane()),
    );
    all.add(
        laned("a HELLO on the first lane holds for all", "11-6 5-4")
            .feed(hello(r#"{"ack_window":4096}"#))
            .tells(any_hello())
            .due(welcomed(0, "{}"))
            .open_lane(1, &request(1, b""))
            .send(1, 200, &[1; 5_000], false)
            .due(
                sent(frame(RESP | ACK_REQ, 1).code(200).payload(&[1; 4_096]))
                    .may(START)
                    .split()
                    .on_lane(1),
            )
            .feed_on(1, ack(1, 4_096, 8_192))
            .due(
                sent(frame(RESP, 1).code(200).payload(&[1; 904]))
                    .may(ACK_REQ)
                    .split()
                    .on_lane(1),
            ),
    );
    let next = request(3, b"");
    all.add(
        laned("max_inflight holds over all lanes", "11-6 3-16")
            .config(|config| config.max_inflight = Some(2))
            .open_lane(1, &request(1, b""))
            .open_lane(2, &request(2, b""))
            .feed_on(3, &next)
            .due(error(&next, 429, "over_capacity").on_lane(3)),
    );
    let again = request(1, b"").app(9);
    all.add(
        laned("ids are unique over all lanes", "11-6 3-11")
            .open_lane(1, &frame(REQ | START, 1))
            .feed_on(2, &again)
            .due(out_of_sequence(&frame(REQ, 1)).on_lane(1))
            .tells(ends(1, Cause::Fault, 400, "bad_sequence")),
    );
    for lane in [0, 1] {
        all.add(
            laned(
                &format!("a fatal fault on lane {lane} ends the connection"),
                "11-9 1-9",
            )
            .open_lane(1, &request(1, b""))
            .feed_on(lane, vec![33, 0, 0, 0, 9])
            .due(crate::due::lost(400, "bad_version").on_any_lane())
            .tells(closes(Cause::Fault, 400, "bad_version"))
            .send(1, 200, b"", true)
            .refused(),
        );
    }
    all.add(
        laned("frames of two lanes are put together apart", "1-2 11-6")
            .feed_on(1, &request(1, b"one").bytes()[..20])
            .open_lane(2, &request(2, b"two"))
            .feed_on(1, &request(1, b"one").bytes()[20..])
            .tells(on(opens(&request(1, b"one")), 1)),
    );
}

fn on(mut event: Event, lane: u16) -> Event {
    if let Event::Open { start, .. } = &mut event {
        start.lane = lane;
    }
    event
}

/// Frames of an open exchange on another lane than its START's.
fn strays(all: &mut Section) {
    let start = frame(REQ | START | ACK_REQ, 1).payload(b"x");
    let strays = [
        ("a REQ frame", frame(REQ, 1)),
        ("a REQ|END frame", frame(REQ | END, 1)),
        ("an EVENT", frame(EVENT, 1)),
        ("an ACK", ack(1, 0, 9)),
        ("a CANCEL", cancel(1, 408)),
    ];
    for (what, stray) in strays {
        all.add(
            laned(&format!("{what} on another lane"), "11-7")
                .open_lane(1, &start)
                .feed_on(2, stray)
                .due(out_of_sequence(&start).on_lane(1))
                .tells(ends(1, Cause::Fault, 400, "bad_sequence"))
                .alive(),
        );
    }
}

fn ends_of_lanes(all: &mut Section) {
    let eof = |lane| Action::Eof { lane };
    all.add(
        laned(
            "the end of a lane truncates its requests alone",
            "11-9 1-11",
        )
        .open_lane(1, &frame(REQ | START, 1))
        .open_lane(2, &frame(REQ | START, 2))
        .act(eof(1))
        .tells(truncated(1))
        .send(1, 200, b"x", true)
        .due(answered(1, 200, b"x").on_lane(1))
        .feed_on(2, frame(REQ | END, 2))
        .tells(data(&frame(REQ | END, 2)))
        .alive(),
    );
    all.add(
        laned(
            "a complete request is answered after the end of its lane",
            "11-9 1-11",
        )
        .open_lane(1, &request(1, b""))
        .act(eof(1))
        .send(1, 200, b"x", true)
        .due(answered(1, 200, b"x").on_lane(1))
        .alive(),
    );
    let part = request(1, b"x").bytes();
    all.add(
        laned(
            "the end of a lane inside a frame ends the connection",
            "11-9 1-10",
        )
        .open_lane(2, &request(2, b""))
        .feed_on(1, &part[..30])
        .act(eof(1))
        .due(crate::due::lost(400, "bad_frame").on_any_lane())
        .tells(closes(Cause::Fault, 400, "bad_frame")),
    );
}

fn resets(all: &mut Section) {
    let reset = |lane| Action::Reset { lane };
    let reset_told = |corr| ends(corr, Cause::Peer, None, "cancelled");
    all.add(
        laned(
            "a reset cancels the exchanges of its lane alone",
            "11-9 4-8",
        )
        .open_lane(1, &frame(REQ | START, 1))
        .open_lane(2, &request(2, b""))
        .act(reset(1))
        .tells(reset_told(1))
        .send(2, 200, b"x", true)
        .due(answered(2, 200, b"x").on_lane(2))
        .alive(),
    );
    all.add(
        laned("a reset of an idle lane", "11-9")
            .open_lane(1, &request(1, b""))
            .send(1, 200, b"x", true)
            .due(answered(1, 200, b"x").on_lane(1))
            .act(reset(1))
            .alive(),
    );
    all.add(
        laned("a reset inside a frame ends no connection", "11-9")
            .feed_on(1, &request(1, b"").bytes()[..12])
            .act(reset(1))
            .alive(),
    );
}

/// A client on several lanes.
fn clients(all: &mut Section) {
    let ask_on = |lane, end| Action::Request {
        app: APP,
        tenant: 0,
        cap: Bytes::default(),
        payload: Bytes::plain(b"x"),
        lane,
        end,
        comp: false,
        e2e: false,
    };
    let asked = |corr: u64, lane| -> Due { sent(request(corr, b"x")).may(ACK_REQ).on_lane(lane) };
    let laned =
        |name: &str, clauses: &str| client(name, clauses).config(|config| config.lanes = true);
    let reply = answer(1, b"y");
    all.add(
        laned("a client asks on a lane of its own", "11-7")
            .act(ask_on(1, true))
            .due(asked(1, 1))
            .feed_on(1, &reply)
            .tells(data(&reply)),
    );
    all.add(
        greeting("no second lane before the HELLO is answered", "11-6")
            .config(|config| config.lanes = true)
            .act(ask_on(1, true))
            .refused()
            .hears(ALL_FEATURES)
            .act(ask_on(1, true))
            .due(asked(1, 1)),
    );
    all.add(
        laned(
            "the end of a lane ends its exchanges alone, client",
            "11-9 1-12",
        )
        .act(ask_on(1, true))
        .due(asked(1, 1))
        .act(ask_on(2, true))
        .due(asked(2, 2))
        .act(Action::Eof { lane: 1 })
        .tells(ends(1, Cause::Eof, None, "io"))
        .feed_on(2, answer(2, b"y"))
        .tells(data(&answer(2, b"y"))),
    );
    all.add(
        laned(
            "a reset cancels the exchanges of its lane alone, client",
            "11-9 4-9",
        )
        .act(ask_on(1, true))
        .due(asked(1, 1))
        .act(ask_on(2, true))
        .due(asked(2, 2))
        .act(Action::Reset { lane: 1 })
        .tells(ends(1, Cause::Peer, None, "cancelled"))
        .feed_on(2, answer(2, b"y"))
        .tells(data(&answer(2, b"y"))),
    );
    let first = chunk(1, &[1; 65_536]).with(ACK_REQ);
    all.add(
        laned(
            "a client's ACK goes on the lane of its exchange",
            "11-7 6-8",
        )
        .act(ask_on(1, true))
        .due(asked(1, 1))
        .feed_on(1, &first)
        .tells(data(&first))
        .due(acked(1, 65_536, 196_608).on_lane(1)),
    );
    all.add(
        greeting(
            "a client's CANCEL goes on the lane of its exchange",
            "11-7 4-7",
        )
        .config(|config| config.lanes = true)
        .hears(ALL_FEATURES)
        .act(ask_on(1, true))
        .due(asked(1, 1))
        .cancel(1, 408)
        .due(crate::due::cancelled(1, 408, "cancelled").on_lane(1)),
    );
}
