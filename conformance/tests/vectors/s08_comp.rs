//! Section 8: COMP and APP_E2E.

use oap_conformance::vectors::{Action, Bytes, Cause, DueBody, Event, Flags, Frame, Start};

use crate::build::{Section, V, client, server, told};
use crate::due::{Freedom, cancelled, data, ends, error, inflated, pushes, sent};
use crate::frames::{
    ACK_REQ, ALL_FEATURES, APP, APP_E2E, COMP, END, EVENT, Edit, REQ, START, answer, frame, hex,
    request,
};
use crate::zlib::{stored, zeros};

/// Example A.8: `overlay ` sixteen times.
const EXAMPLE: &str = "78dacb2f4b2dca49ac54c81f201a00b3a43221";

pub(crate) fn section() -> Section {
    let mut all = Section::new("08-comp.json", "8", "COMP and APP_E2E");
    good_streams(&mut all);
    bad_streams(&mut all);
    not_offered(&mut all);
    bounds(&mut all);
    budgets(&mut all);
    lazily(&mut all);
    opaque(&mut all);
    sending(&mut all);
    all
}

fn inflate(corr: u64) -> Action {
    Action::Inflate { corr }
}

/// A server that has been given this payload in exchange 1.
fn given(name: &str, clauses: &str, payload: &[u8]) -> V {
    server(name, clauses).open(&request(1, payload).with(COMP))
}

/// A client that has been given this answer in exchange 1, and whose server knows CANCEL.
fn answered_with(name: &str, clauses: &str, payload: &[u8]) -> V {
    let part = frame(crate::frames::RESP | COMP, 1)
        .code(200)
        .payload(payload);
    told(name, clauses, ALL_FEATURES)
        .ask(b"")
        .feed(&part)
        .tells(data(&part))
}

fn good_streams(all: &mut Section) {
    let plain = b"overlay ".repeat(16);
    let good: Vec<(&str, Vec<u8>, Vec<u8>)> = vec![
        (
            "the example of the specification",
            hex(EXAMPLE),
            plain.clone(),
        ),
        ("a stored block", stored(&plain), plain),
        ("an empty stream", stored(b""), Vec::new()),
        ("two stored blocks", stored(&[7; 65_536]), vec![7; 65_536]),
        ("one byte", stored(b"x"), b"x".to_vec()),
    ];
    for (what, stream, plain) in good {
        all.add(
            given(&format!("{what} inflates at a server"), "8-2 8-3", &stream)
                .act(inflate(1))
                .tells(inflated(1, &plain))
                .answer(1, b"y"),
        );
        all.add(
            answered_with(&format!("{what} inflates at a client"), "8-2 8-3", &stream)
                .act(inflate(1))
                .tells(inflated(1, &plain)),
        );
    }
}

/// Payloads that are no complete zlib stream.
fn broken() -> Vec<(&'static str, Vec<u8>)> {
    let good = stored(b"some plain text");
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        bytes
    };
    vec![
        ("nothing", Vec::new()),
        ("one byte", good[..1].to_vec()),
        ("the header alone", good[..2].to_vec()),
        ("a stream cut in its block", good[..9].to_vec()),
        (
            "a stream cut before its checksum",
            good[..good.len() - 4].to_vec(),
        ),
        (
            "a stream cut in its checksum",
            good[..good.len() - 1].to_vec(),
        ),
        (
            "a wrong checksum",
            with(&|bytes| *bytes.last_mut().expect("bytes") ^= 1),
        ),
        ("a changed byte", with(&|bytes| bytes[8] ^= 1)),
        ("a byte after the stream", with(&|bytes| bytes.push(0))),
        ("a second stream", [good.clone(), good.clone()].concat()),
        (
            "a preset dictionary",
            hex("78 20 00000001 010000ffff 00000001"),
        ),
        (
            "another compression method",
            with(&|bytes| {
                bytes[0] = 0x77;
                bytes[1] = 0x05;
            }),
        ),
        ("a header whose check fails", with(&|bytes| bytes[1] ^= 1)),
        ("a reserved block type", hex("7801 07 00000001")),
        (
            "a stored length that does not match",
            with(&|bytes| bytes[5] ^= 1),
        ),
        (
            "a distance before the beginning",
            hex("7801 63 02 00 00000001"),
        ),
        ("raw deflate", hex("010000ffff")),
        ("gzip", hex("1f8b0800000000000003 03000000000000000000")),
        ("plain text", b"plain text".to_vec()),
    ]
}

fn bad_streams(all: &mut Section) {
    for (what, stream) in broken() {
        let start = request(1, b"");
        all.add(
            given(&format!("{what} at a server"), "8-3 3-8", &stream)
                .act(inflate(1))
                .due(error(&start, 400, "bad_coding"))
                .tells(ends(1, Cause::Fault, 400, "bad_coding"))
                .alive(),
        );
        all.add(
            answered_with(&format!("{what} at a client"), "8-3 3-9", &stream)
                .act(inflate(1))
                .due(cancelled(1, 400, "bad_coding"))
                .tells(ends(1, Cause::Fault, 400, "bad_coding"))
                .alive(),
        );
    }
}

fn not_offered(all: &mut Section) {
    let none = |config: &mut oap_conformance::vectors::Config| config.comp = Some(Vec::new());
    let zstd = hex("28b52ffd 20 01 090000 78");
    all.add(
        given("zstd that was not offered, server", "8-3", &zstd)
            .act(inflate(1))
            .due(error(&request(1, b""), 400, "bad_coding"))
            .tells(ends(1, Cause::Fault, 400, "bad_coding"))
            .alive(),
    );
    all.add(
        answered_with("zstd that was not offered, client", "8-3", &zstd)
            .act(inflate(1))
            .due(cancelled(1, 400, "bad_coding"))
            .tells(ends(1, Cause::Fault, 400, "bad_coding"))
            .alive(),
    );
    all.add(
        given("zlib that was not offered, server", "8-3", &stored(b"x"))
            .config(none)
            .act(inflate(1))
            .due(error(&request(1, b""), 400, "bad_coding"))
            .tells(ends(1, Cause::Fault, 400, "bad_coding"))
            .alive(),
    );
    all.add(
        answered_with("zlib that was not offered, client", "8-3", &stored(b"x"))
            .config(none)
            .act(inflate(1))
            .due(cancelled(1, 400, "bad_coding"))
            .tells(ends(1, Cause::Fault, 400, "bad_coding")),
    );
}

/// A frame whose payload is kept short in the file.
fn frame_of(flags: Flags, corr: u64, payload: &Bytes) -> Bytes {
    let len = payload.expand().len();
    let head = frame(flags, corr).payload(&vec![0; len]).bytes();
    Bytes::plain(&head[..37]).then(payload.clone())
}

/// The handler hears of a START whose payload is kept short in the file.
fn opens_with(corr: u64, payload: &Bytes) -> Event {
    Event::Open {
        start: Start {
            corr,
            app: APP,
            ..Start::default()
        },
        payload: payload.clone(),
        end: true,
        comp: true,
        e2e: false,
    }
}

fn opened_with(built: V, corr: u64, payload: &Bytes) -> V {
    built
        .feed(frame_of(REQ | START | END | COMP, corr, payload))
        .tells(opens_with(corr, payload))
}

fn plain_zeros(len: usize) -> Vec<u8> {
    vec![0; len]
}

fn bounds(all: &mut Section) {
    // 1 + 2,064 x 15 + 1,807 = 32,768 = 8 x 4,096.
    let small = |name: &str| server(name, "8-4").max_frame(4_096);
    let (exact, len) = zeros(15, 1_807);
    assert_eq!(len, 32_768);
    all.add(
        opened_with(small("8 x max_frame of 4096 is accepted"), 1, &exact)
            .act(inflate(1))
            .tells(inflated(1, &plain_zeros(len))),
    );
    let overflow = |built: V, corr| {
        built
            .act(inflate(corr))
            .due(error(&request(corr, b""), 413, "decompress_overflow"))
            .tells(ends(corr, Cause::Fault, 413, "decompress_overflow"))
    };
    let (above, _) = zeros(15, 1_808);
    all.add(
        overflow(
            opened_with(small("one byte above 8 x max_frame of 4096"), 1, &above),
            1,
        )
        .alive(),
    );
    let (bomb, _) = zeros(200, 0);
    all.add(overflow(opened_with(small("a bomb of 412,801 bytes"), 1, &bomb), 1).alive());
    // 1 + 2,064 x 4,064 + 511 = 8 MiB.
    let (exact, len) = zeros(4_064, 511);
    assert_eq!(len, 8 * 1_048_576);
    all.add(
        opened_with(server("8 MiB are accepted", "8-4 8-6"), 1, &exact)
            .act(inflate(1))
            .tells(inflated(1, &plain_zeros(len))),
    );
    let (above, _) = zeros(4_064, 512);
    all.add(
        overflow(
            opened_with(server("one byte above 8 MiB", "8-4"), 1, &above),
            1,
        )
        .alive(),
    );
    let (part, _) = zeros(15, 1_808);
    let reply = frame_of(crate::frames::RESP | COMP, 1, &part);
    all.add(
        told(
            "one byte above 8 x max_frame at a client",
            "8-4 3-9",
            ALL_FEATURES,
        )
        .max_frame(4_096)
        .ask(b"")
        .feed(reply)
        .tells(Event::Data {
            corr: 1,
            code: 0,
            payload: part,
            end: false,
            comp: true,
            e2e: false,
        })
        .act(inflate(1))
        .due(cancelled(1, 413, "decompress_overflow"))
        .tells(ends(1, Cause::Fault, 413, "decompress_overflow")),
    );
}

fn budgets(all: &mut Section) {
    // 2 MiB each, from 13.2 KB that earn 423 KB: the fifth passes 8 MiB + what was earned.
    let (quarter, len) = zeros(1_016, 127);
    assert_eq!(len, 2 * 1_048_576);
    let limited = |built: V, corr| {
        built
            .act(inflate(corr))
            .due(error(&request(corr, b""), 429, "rate_limited"))
            .tells(ends(corr, Cause::Fault, 429, "rate_limited"))
    };
    let mut built = server("the inflate budget is used up", "8-6 3-8");
    for corr in 1..=5 {
        built = opened_with(built, corr, &quarter);
        if corr < 5 {
            built = built
                .act(inflate(corr))
                .tells(inflated(corr, &plain_zeros(len)))
                .act(Action::Deflated);
        }
    }
    all.add(limited(built, 5).alive());
    let mut built = server("inflated bytes are held", "8-7 3-8");
    for corr in 1..=4 {
        built = opened_with(built, corr, &quarter)
            .act(inflate(corr))
            .tells(inflated(corr, &plain_zeros(len)));
    }
    let earning = request(9, &vec![1; 300_000]);
    built = built.open(&earning).answer(9, b"y");
    let more = stored(b"more");
    built = built.open(&request(6, &more).with(COMP));
    all.add(limited(built, 6).alive());
    let mut built = server("inflated bytes that were released make room", "8-7 8-6");
    for corr in 1..=4 {
        built = opened_with(built, corr, &quarter)
            .act(inflate(corr))
            .tells(inflated(corr, &plain_zeros(len)));
    }
    built = built.act(Action::Deflated).open(&earning).answer(9, b"y");
    built = built.open(&request(6, &more).with(COMP));
    all.add(built.act(inflate(6)).tells(inflated(6, b"more")));
}

/// Frame faults of this section arise only when inflation is asked for.
fn lazily(all: &mut Section) {
    let start = request(1, b"no stream at all").with(COMP);
    all.add(
        server("a broken payload that nobody inflates", "8-2")
            .open(&start)
            .answer(1, b"y")
            .alive(),
    );
    let reply = answer(1, b"no stream at all").with(COMP);
    all.add(
        client("a broken answer that nobody inflates", "8-2")
            .ask(b"")
            .feed(&reply)
            .tells(data(&reply))
            .alive(),
    );
    let event = frame(EVENT | COMP, 1).payload(&hex(EXAMPLE));
    all.add(
        client("an event is delivered as it came", "8-2 7-2")
            .stream(b"")
            .feed(&event)
            .tells(pushes(&event))
            .act(inflate(1))
            .tells(inflated(1, &b"overlay ".repeat(16))),
    );
    let start = frame(REQ | START | ACK_REQ, 1).payload(b"x");
    let more = frame(REQ | ACK_REQ | COMP, 1).payload(&hex(EXAMPLE));
    all.add(
        server("windows count wire bytes", "8-2 6-12")
            .open(&start)
            .feed(&more)
            .tells(data(&more))
            .due(crate::due::acked(1, 20, 131_092))
            .act(inflate(1))
            .tells(inflated(1, &b"overlay ".repeat(16))),
    );
    let chunks: [Frame; 2] = [
        frame(REQ | COMP, 1).payload(&stored(b"two")),
        frame(REQ | END, 1).payload(b"three"),
    ];
    all.add(
        server("COMP holds for its own frame", "8-1 8-2")
            .open(&frame(REQ | START, 1).payload(b"one"))
            .feed(&chunks[0])
            .tells(data(&chunks[0]))
            .act(inflate(1))
            .tells(inflated(1, b"two"))
            .feed(&chunks[1])
            .tells(data(&chunks[1])),
    );
}

fn opaque(all: &mut Section) {
    for flags in [APP_E2E, APP_E2E | COMP] {
        let what = crate::frames::named(flags);
        let start = request(1, &hex(EXAMPLE)).with(flags);
        all.add(
            server(format!("{what} is handed on unchanged"), "8-8")
                .open(&start)
                .act(inflate(1))
                .tells(inflated(1, &hex(EXAMPLE)))
                .answer(1, b"y"),
        );
        let reply = answer(1, b"sealed").with(flags);
        all.add(
            client(format!("{what} is handed on unchanged, client"), "8-8")
                .ask(b"")
                .feed(&reply)
                .tells(data(&reply)),
        );
    }
    let sealed = frame(crate::frames::RESP | END | APP_E2E, 1)
        .code(200)
        .payload(b"sealed");
    all.add(
        server("an opaque answer", "8-8")
            .open(&request(1, b""))
            .act(Action::Send {
                corr: 1,
                code: 200,
                payload: Bytes::plain(b"sealed"),
                end: true,
                comp: false,
                e2e: true,
            })
            .due(sent(sealed).may(START)),
    );
}

/// COMP goes out only to a peer that lists the coding.
fn sending(all: &mut Section) {
    let stream = hex(EXAMPLE);
    let offers = r#"{"comp":["zlib"]}"#;
    let asked = request(1, &stream).with(COMP);
    all.add(
        told(
            "a compressed request to a peer that lists zlib",
            "8-1",
            offers,
        )
        .request_with(frame(COMP, 0).payload(&stream), true)
        .due(sent(asked).may(ACK_REQ)),
    );
    for (what, reply) in [("nothing", "{}"), ("zstd alone", r#"{"comp":["zstd"]}"#)] {
        all.add(
            told(
                format!("no compressed request to a peer that lists {what}"),
                "8-1",
                reply,
            )
            .request_with(frame(COMP, 0).payload(&stream), true)
            .refused(),
        );
    }
    all.add(
        client("no compressed request without a HELLO", "8-1")
            .request_with(frame(COMP, 0).payload(&stream), true)
            .refused(),
    );
    let send = Action::Send {
        corr: 1,
        code: 200,
        payload: Bytes::plain(&stream),
        end: true,
        comp: true,
        e2e: false,
    };
    let mut due = sent(frame(crate::frames::RESP | END | COMP, 1).code(200)).may(START);
    due.body = DueBody::Zlib(Bytes::compact(&b"overlay ".repeat(16)));
    all.add(
        server("a compressed answer to a peer that lists zlib", "8-1")
            .feed(crate::frames::hello(offers))
            .tells(crate::due::any_hello())
            .due(crate::due::welcomed(0, "{}"))
            .open(&request(1, b""))
            .act(send.clone())
            .due(due),
    );
    all.add(
        server("no compressed answer to a peer that lists nothing", "8-1")
            .open(&request(1, b""))
            .act(send)
            .refused(),
    );
}
