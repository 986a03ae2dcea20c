//! Section 6: when an ACK is due, and for what.

use oap_conformance::vectors::{Cause, Event, Frame};

use crate::build::{Section, V, client, greeting_with, server, serving};
use crate::due::{acked, acked_within, any_hello, cancelled, data, ends, error, pushes, welcomed};
use crate::frames::{
    ACK_REQ, ALL_FEATURES, END, EVENT, Edit, NONE, REQ, RESP, START, answer, chunk, control,
    error_json, frame, hello, named,
};

pub(crate) fn add(all: &mut Section) {
    acks_due(all);
    own_windows(all);
    consumption(all);
}

/// A windowed request at a server: `start` bytes on the START.
fn windowed(name: impl Into<String>, clauses: &str, first: &[u8]) -> V {
    server(name, clauses).open(&frame(REQ | START | ACK_REQ, 1).payload(first))
}

fn fed(built: V, next: &Frame) -> V {
    built.feed(next).tells(data(next))
}

fn acks_due(all: &mut Section) {
    let chunk_of = |len: usize| frame(REQ, 1).payload(&vec![1; len]);
    all.add(windowed("no ACK below half a window", "6-8", &[1; 65_535]));
    all.add(
        windowed("an ACK at half a window", "6-8 6-9", &[1; 65_536]).due(acked(1, 65_536, 196_608)),
    );
    let built = windowed("half a window in two frames", "6-8 6-9", &[1; 65_535]);
    all.add(fed(built, &chunk_of(1)).due(acked(1, 65_536, 196_608)));
    let built = windowed(
        "the next half begins at the last ACK",
        "6-8 6-9",
        &[1; 65_536],
    )
    .due(acked(1, 65_536, 196_608));
    let built = fed(built, &chunk_of(65_535));
    all.add(fed(built, &chunk_of(1)).due(acked(1, 131_072, 262_144)));
    let asks = frame(REQ | ACK_REQ, 1).payload(b"abc");
    let built = windowed("a later ACK_REQ asks for an ACK", "6-8 6-9", b"one");
    all.add(fed(built, &asks).due(acked(1, 6, 131_078)));
    let built = windowed("every later ACK_REQ asks for an ACK", "6-8 6-9", b"one");
    let built = fed(built, &asks).due(acked(1, 6, 131_078));
    all.add(fed(built, &asks).due(acked(1, 9, 131_081)));
    let empty = frame(REQ | ACK_REQ, 1);
    let built = windowed("an empty frame may ask for an ACK", "6-8", b"one");
    all.add(fed(built, &empty).due(acked(1, 3, 131_075)));
    all.add(windowed(
        "ACK_REQ on the START asks for no ACK",
        "6-8 6-1",
        b"one",
    ));
    let last = frame(REQ | END | ACK_REQ, 1).payload(&[1; 80_000]);
    all.add(fed(windowed("no ACK is due after END", "6-8", b"one"), &last).alive());
    let whole = frame(REQ | START | END | ACK_REQ, 1).payload(&[1; 80_000]);
    all.add(server("no ACK is due for a request of one frame", "6-8").open(&whole));
    all.add(
        windowed("no ACK is due after the answer", "6-8 3-14", b"one")
            .answer_windowed(1, b"y")
            .feed(frame(REQ | ACK_REQ, 1).payload(&[1; 70_000]))
            .alive(),
    );
    for flags in [NONE, END] {
        let later = frame(REQ | ACK_REQ | flags, 1).payload(&[1; 70_000]);
        let name = format!("ACK_REQ on {} alone opts in to nothing", named(REQ | flags));
        all.add(fed(serving(name, "6-2"), &later).alive());
    }
    let built = serving(
        "without a window no ACK is due, however much comes",
        "6-2 6-8",
    );
    all.add(fed(fed(built, &chunk_of(100_000)), &chunk_of(100_000)));
    // The same at a client.
    let first = chunk(1, &[1; 65_536]).with(ACK_REQ);
    all.add(
        client("an ACK at half a window, client", "6-8 6-9")
            .ask(b"")
            .feed(&first)
            .tells(data(&first))
            .due(acked(1, 65_536, 196_608)),
    );
    let event = frame(EVENT | ACK_REQ, 1).payload(&[1; 40_000]);
    let rest = chunk(1, &[2; 25_536]);
    all.add(
        client("events and answer share a window, client", "7-3 6-8")
            .ask(b"")
            .feed(&event)
            .tells(pushes(&event))
            .feed(&rest)
            .tells(data(&rest))
            .due(acked(1, 65_536, 196_608)),
    );
    let asks = chunk(1, b"abc").with(ACK_REQ);
    let first = chunk(1, b"x").with(ACK_REQ);
    all.add(
        client("a later ACK_REQ asks for an ACK, client", "6-8")
            .ask(b"")
            .feed(&first)
            .tells(data(&first))
            .feed(&asks)
            .tells(data(&asks))
            .due(acked(1, 4, 131_076)),
    );
    let end = answer(1, &[1; 70_000]).with(ACK_REQ);
    all.add(
        client("no ACK is due after END, client", "6-8")
            .ask(b"")
            .feed(&end)
            .tells(data(&end))
            .alive(),
    );
    let later = chunk(1, &[1; 70_000]).with(ACK_REQ);
    all.add(
        client("ACK_REQ on a later RESP alone opts in to nothing", "6-2")
            .ask(b"")
            .feed(chunk(1, b"x"))
            .tells(data(&chunk(1, b"x")))
            .feed(&later)
            .tells(data(&later)),
    );
}

/// A small own window, and who is held to it.
fn own_windows(all: &mut Section) {
    let small = |name: &str, clauses: &str| {
        server(name, clauses).config(|config| config.ack_window = Some(8_192))
    };
    let welcome = |built: V| {
        built
            .feed(hello("{}"))
            .tells(any_hello())
            .due(welcomed(0, "{}"))
    };
    let start = |len: usize| frame(REQ | START | ACK_REQ, 1).payload(&vec![1; len]);
    all.add(
        small(
            "before its reply a server grants the default window",
            "6-6 6-8",
        )
        .open(&start(100_000))
        .due(acked(1, 100_000, 231_072)),
    );
    all.add(
        small(
            "half of its own window where the client may not know of it",
            "6-6 6-8 6-9",
        )
        .open(&start(4_096))
        .due(acked(1, 4_096, 135_168)),
    );
    all.add(
        welcome(small(
            "after its reply a server's own window holds",
            "6-6 6-8 6-9",
        ))
        .open(&start(4_096))
        .due(acked(1, 4_096, 12_288)),
    );
    all.add(welcome(small("below half of its own window", "6-6 6-8")).open(&start(4_095)));
    all.add(
        welcome(small("beyond its own window", "6-6 6-13"))
            .feed(start(8_193))
            .due(error(&start(0), 400, "credit_violation"))
            .alive(),
    );
    all.add(
        welcome(small("exactly its own window", "6-6 6-13"))
            .open(&start(8_192))
            .due(acked(1, 8_192, 16_384)),
    );
    let large = |name: &str| {
        welcome(server(name, "6-6 6-8").config(|config| {
            config.ack_window = Some(1_000_000);
            config.max_inflight = Some(8);
        }))
    };
    all.add(
        large("half of 131072 where the own window is larger")
            .open(&start(65_536))
            .due(acked(1, 65_536, 1_065_536)),
    );
    all.add(
        large("a large window is granted at once")
            .open(&start(1_000_000))
            .due(acked(1, 1_000_000, 2_000_000)),
    );
    // A client's window is that of its HELLO.
    let asks = |name: &str| {
        greeting_with(name, "6-6 6-13", |config| config.ack_window = Some(8_192))
            .hears(ALL_FEATURES)
            .ask(b"")
    };
    let fits = chunk(1, &[1; 8_192]).with(ACK_REQ);
    all.add(
        asks("an answer that fits the client's window")
            .feed(&fits)
            .tells(data(&fits))
            .due(acked(1, 8_192, 16_384)),
    );
    all.add(
        asks("an answer beyond the client's window")
            .feed(chunk(1, &[1; 8_193]).with(ACK_REQ))
            .due(cancelled(1, 400, "credit_violation"))
            .tells(ends(1, Cause::Fault, 400, "credit_violation"))
            .alive(),
    );
    let large = chunk(1, &[1; 100_000]).with(ACK_REQ);
    all.add(
        client(
            "a client that has said nothing grants the default window",
            "6-6",
        )
        .config(|config| config.ack_window = Some(8_192))
        .ask(b"")
        .feed(&large)
        .tells(data(&large))
        .due(acked(1, 100_000, 231_072)),
    );
    all.add(
        greeting_with(
            "a client answered bad_hello grants the default window",
            "6-6",
            |config| {
                config.ack_window = Some(8_192);
            },
        )
        .feed(control(RESP | END, 400, 0).payload(error_json("bad_hello", 0).as_bytes()))
        .tells(Event::NoHello)
        .ask(b"")
        .feed(&large)
        .tells(data(&large))
        .due(acked(1, 100_000, 231_072)),
    );
    // No more is granted than the buffer budget of 8 x 4,096 holds.
    let tight = |name: &str| welcome(server(name, "6-10 6-9").max_frame(4_096));
    all.add(
        tight("what is granted stays within the buffer budget")
            .open(&start(2_048))
            .due(acked_within(1, 2_048, 6_144, 34_816)),
    );
    let second = frame(REQ | START | ACK_REQ, 2).payload(&[1; 2_048]);
    all.add(
        tight("what is granted to two exchanges stays within the buffer budget")
            .open(&start(1))
            .open(&second)
            .due(acked_within(2, 2_048, 6_144, 2_048 + 32_768 - 4_095)),
    );
}

fn consumption(all: &mut Section) {
    let held = |name: &str| server(name, "6-12 6-8").config(|config| config.consume = true);
    let start = frame(REQ | START | ACK_REQ, 1).payload(&[1; 65_536]);
    all.add(
        held("an ACK waits until the application has consumed")
            .open(&start)
            .consume(1, 1)
            .due(acked(1, 65_536, 196_608)),
    );
    let more = frame(REQ | ACK_REQ, 1).payload(b"abc");
    all.add(
        held("ACK_REQ is answered with what is consumed so far")
            .open(&start)
            .feed(&more)
            .tells(data(&more))
            .due(acked(1, 0, 131_072))
            .consume(1, 2)
            .due(acked(1, 65_539, 196_611)),
    );
    let half = frame(REQ | START | ACK_REQ, 1).payload(&[1; 32_768]);
    let other = frame(REQ, 1).payload(&[1; 32_768]);
    all.add(
        held("consumption adds up")
            .open(&half)
            .feed(&other)
            .tells(data(&other))
            .consume(1, 1)
            .consume(1, 1)
            .due(acked(1, 65_536, 196_608)),
    );
    let first = chunk(1, &[1; 70_000]).with(ACK_REQ);
    all.add(
        client(
            "an ACK waits until the client's application has consumed",
            "6-12 6-8",
        )
        .config(|config| config.consume = true)
        .ask(b"")
        .feed(&first)
        .tells(data(&first))
        .consume(1, 1)
        .due(acked(1, 70_000, 201_072)),
    );
    all.add(
        held("two exchanges have credit of their own")
            .open(&start)
            .open(&frame(REQ | START | ACK_REQ, 2).payload(&[2; 65_536]))
            .consume(2, 1)
            .due(acked(2, 65_536, 196_608))
            .consume(1, 1)
            .due(acked(1, 65_536, 196_608)),
    );
}
