//! Section 3: which REQ frame may come when, at a server.

use oap_conformance::vectors::{Cause, Flags, Frame, Verdict};

use crate::build::{Section, V, server};
use crate::due::{asks, data, ends, error, opens, out_of_sequence};
use crate::frames::{END, EVENT, Edit, NONE, REQ, START, TENANT, cancel, frame, request};

const KINDS: [Flags; 4] = [NONE, Flags(0x08), Flags(0x10), Flags(0x18)];

/// What exchange 1 has been through.
struct Past {
    name: &'static str,
    make: fn(V) -> V,
    /// What a frame without START is: delivered, discarded, or a fault of this clause.
    chunk: Chunk,
    /// Whether a START opens a new exchange, or is a fault of the open one.
    opens: bool,
}

enum Chunk {
    Delivered,
    Discarded,
    /// A fault; whether the exchange was open.
    Fault(&'static str, bool),
}

fn first() -> Frame {
    frame(REQ | START, 1)
}

fn of_unknown(built: V) -> V {
    built
}

fn ended_complete(built: V) -> V {
    built.open(&request(1, b"x")).answer(1, b"y")
}

fn cancelled_complete(built: V) -> V {
    built
        .open(&request(1, b"x"))
        .feed(cancel(1, 408))
        .tells(ends(1, Cause::Peer, 408, "timeout"))
}

fn answered_early(built: V) -> V {
    built.open(&first()).answer(1, b"y")
}

fn cancelled_early(built: V) -> V {
    built
        .open(&first())
        .feed(cancel(1, 408))
        .tells(ends(1, Cause::Peer, 408, "timeout"))
}

fn failed_early(built: V) -> V {
    built
        .open(&first())
        .fail(1, 500, None)
        .due(error(&first(), 500, "internal"))
}

fn faulty_early(built: V) -> V {
    built
        .open(&first())
        .feed(frame(EVENT, 1))
        .due(out_of_sequence(&first()))
        .tells(ends(1, Cause::Fault, 400, "bad_sequence"))
}

fn refused_early(built: V) -> V {
    let other = request(2, b"takes the only place");
    built
        .config(|config| config.max_inflight = Some(1))
        .open(&other)
        .feed(first())
        .due(error(&first(), 429, "over_capacity"))
        .answer(2, b"y")
}

fn denied_early(built: V) -> V {
    let deny = |verdict| oap_conformance::vectors::Action::Authorize { corr: 1, verdict };
    built
        .config(|config| config.verifier = true)
        .feed(first())
        .tells(asks(&first()))
        .act(deny(Verdict::Deny))
        .due(error(&first(), 401, "unauthorized"))
}

fn without_start(built: V) -> V {
    let wrong = frame(REQ, 1);
    built.feed(&wrong).due(out_of_sequence(&wrong))
}

fn open(built: V) -> V {
    built.open(&first())
}

fn open_with_chunk(built: V) -> V {
    let chunk = frame(REQ, 1).payload(b"more");
    built.open(&first()).feed(&chunk).tells(data(&chunk))
}

fn half_closed(built: V) -> V {
    built.open(&request(1, b"x"))
}

fn half_closed_in_two(built: V) -> V {
    let last = frame(REQ | END, 1);
    built.open(&first()).feed(&last).tells(data(&last))
}

fn half_closed_and_half_answered(built: V) -> V {
    built
        .open(&request(1, b"x"))
        .send(1, 200, b"part", false)
        .due(crate::due::part(1, 200, b"part"))
}

const PASTS: &[Past] = &[
    Past {
        name: "unknown",
        make: of_unknown,
        chunk: Chunk::Fault("3-10", false),
        opens: true,
    },
    Past {
        name: "ended after its END",
        make: ended_complete,
        chunk: Chunk::Fault("3-10", false),
        opens: true,
    },
    Past {
        name: "cancelled after its END",
        make: cancelled_complete,
        chunk: Chunk::Fault("3-10", false),
        opens: true,
    },
    Past {
        name: "answered before its END",
        make: answered_early,
        chunk: Chunk::Discarded,
        opens: true,
    },
    Past {
        name: "cancelled before its END",
        make: cancelled_early,
        chunk: Chunk::Discarded,
        opens: true,
    },
    Past {
        name: "failed before its END",
        make: failed_early,
        chunk: Chunk::Discarded,
        opens: true,
    },
    Past {
        name: "ended by a fault before its END",
        make: faulty_early,
        chunk: Chunk::Discarded,
        opens: true,
    },
    Past {
        name: "refused before its END",
        make: refused_early,
        chunk: Chunk::Discarded,
        opens: true,
    },
    Past {
        name: "never opened but faulty",
        make: without_start,
        chunk: Chunk::Discarded,
        opens: true,
    },
    Past {
        name: "open",
        make: open,
        chunk: Chunk::Delivered,
        opens: false,
    },
    Past {
        name: "open and continued",
        make: open_with_chunk,
        chunk: Chunk::Delivered,
        opens: false,
    },
    Past {
        name: "half closed",
        make: half_closed,
        chunk: Chunk::Fault("3-12", true),
        opens: false,
    },
    Past {
        name: "half closed in two frames",
        make: half_closed_in_two,
        chunk: Chunk::Fault("3-12", true),
        opens: false,
    },
    Past {
        name: "half closed and half answered",
        make: half_closed_and_half_answered,
        chunk: Chunk::Fault("3-12", true),
        opens: false,
    },
];

pub(crate) fn add(all: &mut Section) {
    for past in PASTS {
        for kind in KINDS {
            all.add(meets(past, kind));
        }
    }
    for kind in KINDS {
        all.add(meets_denied(kind));
    }
    other_app_or_tenant(all);
    remembered(all);
}

fn meets(past: &Past, kind: Flags) -> V {
    let next = frame(REQ | kind, 1).payload(b"next");
    let clause = match (&past.chunk, kind.has(START), past.opens) {
        (_, true, true) => "3-15",
        (_, true, false) => "3-11 3-8",
        (Chunk::Delivered, ..) => "3-2",
        (Chunk::Discarded, ..) => "3-14",
        (Chunk::Fault("3-10", _), ..) => "3-10 3-8",
        (Chunk::Fault(..), ..) => "3-12 3-8",
    };
    let name = format!(
        "{} on an id that is {}",
        crate::frames::named(REQ | kind),
        past.name
    );
    let built = (past.make)(server(name, clause)).feed(&next);
    let ended = || ends(1, Cause::Fault, 400, "bad_sequence");
    let built = match (&past.chunk, kind.has(START), past.opens) {
        (_, true, true) => built.tells(opens(&next)),
        (_, true, false) => built.due(out_of_sequence(&next)).tells(ended()),
        (Chunk::Delivered, ..) => built.tells(data(&next)),
        (Chunk::Discarded, ..) => built,
        (Chunk::Fault(_, true), ..) => built.due(out_of_sequence(&next)).tells(ended()),
        (Chunk::Fault(_, false), ..) => built.due(out_of_sequence(&next)),
    };
    match past.name {
        // Its only place is taken, so nothing more can be opened.
        "refused before its END" if kind.has(START) => built,
        _ => built.alive(),
    }
}

/// An id whose START the verifier has denied is remembered like others.
fn meets_denied(kind: Flags) -> V {
    let next = frame(REQ | kind, 1).payload(b"next");
    let name = format!(
        "{} on an id that is denied",
        crate::frames::named(REQ | kind)
    );
    let clause = if kind.has(START) {
        "3-15 3-22"
    } else {
        "3-14 3-23"
    };
    let built = denied_early(server(name, clause)).feed(&next);
    if kind.has(START) {
        built.tells(asks(&next))
    } else {
        built
    }
}

fn other_app_or_tenant(all: &mut Section) {
    let start = frame(REQ | START, 1).tenant(TENANT);
    for end in [NONE, END] {
        let right = frame(REQ | end, 1).tenant(TENANT);
        let wrongs = [
            ("another app", right.clone().app(0x0f02)),
            ("no tenant", right.clone().tenant(0)),
            (
                "a tenant that differs in its highest bit",
                right.clone().tenant(TENANT ^ (1 << 127)),
            ),
            (
                "a tenant that differs in its lowest bit",
                right.clone().tenant(TENANT ^ 1),
            ),
        ];
        for (what, wrong) in wrongs {
            let name = format!("{what} on {}", crate::frames::named(REQ | end));
            all.add(
                server(name, "3-12 3-8")
                    .open(&start)
                    .feed(wrong)
                    .due(out_of_sequence(&start))
                    .tells(ends(1, Cause::Fault, 400, "bad_sequence"))
                    .alive(),
            );
        }
        let name = format!(
            "the same app and tenant on {}",
            crate::frames::named(REQ | end)
        );
        all.add(
            server(name, "3-12 3-2")
                .open(&start)
                .feed(&right)
                .tells(data(&right)),
        );
    }
}

/// At least the newest 256 ids are remembered.
fn remembered(all: &mut Section) {
    let wrongs: Vec<Frame> = (1..=256).map(|corr| frame(REQ, corr)).collect();
    for corr in [1, 128, 256] {
        let mut built =
            server(format!("id {corr} of 256 is remembered"), "3-14").feed(wrongs.clone());
        for wrong in &wrongs {
            built = built.due(out_of_sequence(wrong));
        }
        let late = vec![frame(REQ, corr).payload(b"late"), frame(REQ | END, corr)];
        all.add(built.feed(late).alive());
    }
}
