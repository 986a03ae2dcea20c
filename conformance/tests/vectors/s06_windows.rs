//! Section 6: windows.

use oap_conformance::vectors::Cause;

use crate::build::{Section, V, client, server, serving, told};
use crate::due::{Freedom, acked, cancelled, data, ends, error, part, sent};
use crate::frames::{
    ACK_REQ, ALL_FEATURES, END, EVENT, Edit, NONE, REQ, RESP, START, ack, answer, chunk, control,
    frame, named,
};
use crate::s06_senders::more_of_request;

pub(crate) fn section() -> Section {
    let mut all = Section::new("06-windows.json", "6", "Windows");
    crate::s06_senders::add(&mut all);
    crate::s06_acks::add(&mut all);
    beyond(&mut all);
    bad_acks(&mut all);
    stray_acks(&mut all);
    buffer(&mut all);
    small_frames(&mut all);
    configurations(&mut all);
    all
}

/// A windowed request of `whole` whose first `first` bytes go out at once.
pub(crate) fn streams(built: V, whole: &[u8], first: usize) -> V {
    let due = frame(REQ | START | ACK_REQ, 1).payload(&whole[..first]);
    built.request(whole, false).due(sent(due).split())
}

/// Data beyond the limit.
fn beyond(all: &mut Section) {
    let held = |built: V| built.config(|config| config.consume = true);
    let start = frame(REQ | START | ACK_REQ, 1).payload(&[1; 131_072]);
    let fault = || ends(1, Cause::Fault, 400, "credit_violation");
    all.add(
        held(server("exactly the limit, and an empty frame", "6-13"))
            .open(&start)
            .feed(frame(REQ, 1))
            .tells(data(&frame(REQ, 1))),
    );
    for more in [NONE, END] {
        let name = format!("one byte beyond the limit on {}", named(REQ | more));
        all.add(
            held(server(name, "6-13 3-8"))
                .open(&start)
                .feed(frame(REQ | more, 1).payload(b"x"))
                .due(error(&start, 400, "credit_violation"))
                .tells(fault())
                .consume(1, 1)
                .alive_held(),
        );
    }
    let above = frame(REQ | START | ACK_REQ, 1).payload(&[1; 131_073]);
    all.add(
        server("a START beyond the limit", "6-13 3-8")
            .feed(&above)
            .due(error(&above, 400, "credit_violation"))
            .alive(),
    );
    let next = frame(REQ, 1).payload(&[2; 131_072]);
    all.add(
        held(server("the greatest limit given counts", "6-13 6-9"))
            .open(&start)
            .consume(1, 1)
            .due(acked(1, 131_072, 262_144))
            .feed(&next)
            .tells(data(&next)),
    );
    let first = chunk(1, &[1; 131_072]).with(ACK_REQ);
    all.add(
        held(told(
            "an answer beyond the limit, with CANCEL",
            "6-13 3-9",
            ALL_FEATURES,
        ))
        .ask(b"")
        .feed(&first)
        .tells(data(&first))
        .feed(chunk(1, b"x"))
        .due(cancelled(1, 400, "credit_violation"))
        .tells(fault()),
    );
    all.add(
        held(told(
            "an event beyond the limit",
            "6-13 7-3 3-9",
            ALL_FEATURES,
        ))
        .ask(b"")
        .feed(&first)
        .tells(data(&first))
        .feed(frame(EVENT, 1).payload(b"x"))
        .due(cancelled(1, 400, "credit_violation"))
        .tells(fault()),
    );
    all.add(
        told("a first answer beyond the limit", "6-13 3-9", ALL_FEATURES)
            .ask(b"")
            .feed(answer(1, &[1; 131_073]).with(ACK_REQ))
            .due(cancelled(1, 400, "credit_violation"))
            .tells(fault()),
    );
}

/// A client with a windowed request of 4,096 bytes under way and more to send.
fn under_way(name: impl Into<String>, clauses: &str) -> V {
    let built = told(name, clauses, r#"{"ack_window":4096}"#);
    streams(built, &[1; 5_000], 4_096)
}

fn bad_acks(all: &mut Section) {
    for len in [0, 15, 17, 32] {
        let wrong = |corr| control(RESP, 202, corr).payload(&vec![0; len]);
        all.add(
            under_way(format!("an ACK of {len} bytes"), "6-14")
                .feed(wrong(1))
                .fatal(400, "bad_frame"),
        );
        all.add(
            server(
                format!("an ACK of {len} bytes for an unknown exchange"),
                "6-14",
            )
            .feed(wrong(9))
            .fatal(400, "bad_frame"),
        );
    }
    all.add(
        under_way("limit below consumed", "6-14")
            .feed(ack(1, 2, 1))
            .fatal(400, "bad_frame"),
    );
    all.add(
        server("limit below consumed for an unknown exchange", "6-14")
            .feed(ack(4, u64::MAX, 0))
            .fatal(400, "bad_frame"),
    );
    for consumed in [4_097, u64::MAX] {
        all.add(
            under_way(format!("{consumed} consumed of 4096 sent"), "6-14")
                .feed(ack(1, consumed, u64::MAX))
                .fatal(400, "credit_violation")
                .dead(),
        );
    }
    all.add(
        under_way("consumed goes back", "6-14")
            .feed(ack(1, 100, 4_196))
            .due(more_of_request(&[1; 100]))
            .feed(ack(1, 99, 4_196))
            .fatal(400, "credit_violation"),
    );
    all.add(
        under_way("the limit goes back", "6-14")
            .feed(ack(1, 100, 4_196))
            .due(more_of_request(&[1; 100]))
            .feed(ack(1, 100, 4_195))
            .fatal(400, "credit_violation"),
    );
    all.add(
        under_way("the same ACK twice", "6-14")
            .feed(ack(1, 100, 4_196))
            .due(more_of_request(&[1; 100]))
            .feed(ack(1, 100, 4_196))
            .alive(),
    );
    all.add(
        under_way("an ACK whose limit is the highest number", "6-14 6-7")
            .feed(ack(1, 0, u64::MAX))
            .due(more_of_request(&[1; 904])),
    );
    let start = frame(REQ | START | ACK_REQ, 1);
    let serving = |name: &str| {
        server(name, "6-14")
            .open(&start)
            .send(1, 200, b"four", false)
            .due(sent(frame(RESP | ACK_REQ, 1).code(200).payload(b"four")).may(START))
    };
    all.add(
        serving("more consumed than was answered")
            .feed(ack(1, 5, 200_000))
            .fatal(400, "credit_violation"),
    );
    all.add(
        serving("an ACK of the answer that goes back")
            .feed(ack(1, 4, 131_076))
            .feed(ack(1, 3, 131_076))
            .fatal(400, "credit_violation"),
    );
    all.add(
        serving("an ACK of the whole answer")
            .feed(ack(1, 4, 131_076))
            .alive(),
    );
}

fn stray_acks(all: &mut Section) {
    for corr in [1, 9, u64::MAX] {
        all.add(
            server(format!("an ACK for unknown exchange {corr}"), "6-15")
                .feed(ack(corr, 0, 9))
                .alive(),
        );
    }
    all.add(
        serving("an ACK for an exchange that has ended", "6-15")
            .answer(1, b"y")
            .feed(ack(1, 1, 131_073))
            .alive(),
    );
    all.add(
        serving("an ACK for a direction without a window", "6-15")
            .send(1, 200, b"x", false)
            .due(part(1, 200, b"x"))
            .feed(ack(1, 99, 100))
            .alive(),
    );
    all.add(
        client("an ACK for a request without a window", "6-15")
            .config(|config| config.no_windows = true)
            .stream(b"x")
            .feed(ack(1, 99, 100))
            .alive(),
    );
    let reply = answer(1, b"y");
    all.add(
        client("an ACK for an exchange that has ended, client", "6-15")
            .ask(b"x")
            .feed(&reply)
            .tells(data(&reply))
            .feed(ack(1, 1, 131_073))
            .alive(),
    );
    for corr in [2, 1_000, u64::MAX] {
        all.add(
            client(
                format!("an ACK for exchange {corr} that was never opened"),
                "6-15",
            )
            .ask(b"x")
            .feed(ack(corr, 0, 9))
            .fatal(400, "bad_sequence")
            .dead(),
        );
    }
}

/// A budget of 32 KiB, held until it is consumed.
fn tight(built: V) -> V {
    built
        .max_frame(4_096)
        .config(|config| config.consume = true)
}

fn buffer(all: &mut Section) {
    let start = frame(REQ | START, 1).payload(&[1; 4_063]);
    let more = frame(REQ, 1).payload(&[2; 4_063]);
    // 8 x 4,063 = 32,504 of 32,768 bytes: a ninth frame of 265 bytes does not fit.
    let full = |name: &str| {
        let mut built = tight(server(name, "6-16")).open(&start);
        for _ in 0..7 {
            built = built.feed(&more).tells(data(&more));
        }
        built
    };
    let small = |len: usize| frame(REQ, 1).payload(&vec![3; len]);
    all.add(full("reading goes on while frames fit").reading(true));
    all.add(
        full("a frame that fits exactly")
            .feed(small(264))
            .tells(data(&small(264))),
    );
    all.add(
        full("reading stops before a frame that does not fit")
            .feed(small(265))
            .reading(false)
            .consume(1, 1)
            .tells(data(&small(265)))
            .reading(true),
    );
    all.add(
        full("a small frame is charged 256 bytes")
            .feed(small(1))
            .tells(data(&small(1)))
            .feed(small(0))
            .reading(false)
            .consume(1, 1)
            .tells(data(&small(0))),
    );
    all.add(
        full("nothing is dropped while reading is stopped")
            .feed(vec![small(300), small(301), frame(REQ | END, 1)])
            .reading(false)
            .consume(1, 8)
            .tells(data(&small(300)))
            .tells(data(&small(301)))
            .tells(data(&frame(REQ | END, 1))),
    );
    all.add(
        full("the end of the stream waits behind frames that do not fit")
            .feed(vec![small(300)])
            .reading(false)
            .eof()
            .consume(1, 8)
            .tells(data(&small(300)))
            .tells(crate::due::truncated(1)),
    );
    let first = chunk(1, &[1; 4_063]);
    let mut built = tight(client("reading stops at a client", "6-16")).ask(b"");
    for _ in 0..8 {
        built = built.feed(&first).tells(data(&first));
    }
    all.add(
        built
            .feed(answer(1, &[1; 300]))
            .reading(false)
            .consume(1, 1)
            .tells(data(&answer(1, &[1; 300]))),
    );
}

/// Windowed frames whose charges pass the budget while their bytes do not.
fn small_frames(all: &mut Section) {
    let flood = || ends(1, Cause::Fault, 429, "flood");
    let start = frame(REQ | START | ACK_REQ, 1).payload(b"x");
    let next = frame(REQ, 1).payload(b"y");
    let mut built = tight(server("windowed frames of one byte", "6-17")).open(&start);
    for _ in 0..127 {
        built = built.feed(&next).tells(data(&next));
    }
    all.add(built.clone().reading(true));
    all.add(
        built
            .renamed("one windowed frame of one byte too many")
            .feed(&next)
            .due(error(&start, 429, "flood"))
            .tells(flood())
            .consume(1, 128)
            .alive_held(),
    );
    let first = chunk(1, b"x").with(ACK_REQ);
    let next = chunk(1, b"y");
    let name = "one windowed answer of one byte too many";
    let mut built = tight(told(name, "6-17 3-9", ALL_FEATURES))
        .ask(b"")
        .feed(&first)
        .tells(data(&first));
    for _ in 0..127 {
        built = built.feed(&next).tells(data(&next));
    }
    all.add(
        built
            .feed(&next)
            .due(cancelled(1, 429, "flood"))
            .tells(flood()),
    );
}

fn configurations(all: &mut Section) {
    for (max_frame, inflight, window, good) in [
        (1_048_576, 64, 131_072, true),
        (1_048_576, 64, 131_073, false),
        (1_048_576, 65, 131_072, false),
        (1_048_576, 1, 8_388_608, true),
        (65_536, 4, 131_072, true),
        (65_536, 5, 131_072, false),
        (4_096, 8, 4_096, true),
        (4_096, 9, 4_096, false),
    ] {
        let name = format!("a configuration of {max_frame}, {inflight}, {window}");
        let built = server(name, "6-18").config(|config| {
            config.max_frame = Some(max_frame);
            config.max_inflight = Some(inflight);
            config.ack_window = Some(window);
        });
        all.add(if good { built.alive() } else { built.refused() });
    }
}
