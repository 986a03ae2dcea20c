//! Section 1: the frame.

use oap_conformance::vectors::{Cause, Flags, Frame};

use crate::build::{Section, V, client, server};
use crate::due::{Freedom, closes, data, ends, opens, ponged, pushes, sent, welcomed};
use crate::frames::{
    ACK_REQ, APP, END, EVENT, Edit, NONE, REQ, RESP, START, TENANT, answer, frame, hello, hex,
    named, ping, request,
};

const ZEROS_16: &str = "00000000000000000000000000000000";

pub(crate) fn section() -> Section {
    let mut all = Section::new("01-frame.json", "1", "Frame");
    examples(&mut all);
    fields(&mut all);
    reads(&mut all);
    lengths(&mut all);
    versions(&mut all);
    capabilities(&mut all);
    order_of_checks(&mut all);
    crate::s01_ends::add(&mut all);
    all
}

/// An endpoint of each role, with a name for each.
fn both(name: &str, clauses: &str) -> [V; 2] {
    [
        server(format!("{name}, server"), clauses),
        client(format!("{name}, client"), clauses),
    ]
}

/// Appendix A, byte for byte as it stands there.
fn examples(all: &mut Section) {
    let smallest = hex(&format!(
        "21000000 01 0000 0000 0000 {ZEROS_16} 0000 0000000000000000"
    ));
    all.add(
        server("example A.1, HELLO", "1-1 5-1 5-2")
            .feed(smallest)
            .tells(crate::due::any_hello())
            .due(welcomed(0, r#"{"oap_versions":[1]}"#)),
    );
    let ping_echo = b"{\"msg\":\"ping\",\"op\":\"echo\"}";
    let one_shot = "3b000000 01 1900 0000 010f 00000000000000000000000000000000 0000
        0100000000000000 7b226d7367223a2270696e67222c226f70223a226563686f227d";
    all.add(
        server("example A.2, one-shot request", "1-1 3-2")
            .feed(hex(one_shot))
            .tells(opens(&request(1, ping_echo)))
            .answer(1, ping_echo),
    );
    let echo = "3b000000 01 1a00 c800 010f 00000000000000000000000000000000 0000
        0100000000000000 7b226d7367223a2270696e67222c226f70223a226563686f227d";
    all.add(
        client("example A.2, its echo", "1-1 3-4")
            .ask(ping_echo)
            .feed(hex(echo))
            .tells(data(&answer(1, ping_echo)))
            .alive(),
    );
    let start = frame(REQ | START | ACK_REQ, 2)
        .tenant(TENANT)
        .cap(b"cap!")
        .payload(b"one");
    let start_hex = "28000000 01 2900 0000 010f 1032547698badcfeefcdab8967452301 0400
        0200000000000000 63617021 6f6e65";
    let asks_hex = "26000000 01 2100 0000 010f 1032547698badcfeefcdab8967452301 0000
        0200000000000000 74776f2d2d";
    let asks = frame(REQ | ACK_REQ, 2).tenant(TENANT).payload(b"two--");
    let end_hex = "21000000 01 1100 0000 010f 1032547698badcfeefcdab8967452301 0000
        0200000000000000";
    let first_chunk = frame(RESP | ACK_REQ, 2)
        .code(200)
        .tenant(TENANT)
        .payload(b"three");
    let last = frame(RESP | END, 2).code(200).tenant(TENANT);
    all.add(
        server(
            "example A.3, a stream with a window, a tenant and a capability",
            "1-1 6-8 6-3 3-6",
        )
        .feed(hex(start_hex))
        .tells(opens(&start))
        .feed(hex(asks_hex))
        .tells(data(&asks))
        .due(crate::due::acked(2, 8, 131_080))
        .feed(hex(end_hex))
        .tells(data(&frame(REQ | END, 2)))
        .send(2, 200, b"three", false)
        .due(sent(first_chunk).may(START))
        .send(2, 200, b"", true)
        .due(sent(last)),
    );
    all.add(
        server("example A.4, CANCEL", "1-1 4-8")
            .open(&frame(REQ | START, 3))
            .feed(hex(&format!(
                "21000000 01 0400 9801 0000 {ZEROS_16} 0000 0300000000000000"
            )))
            .tells(ends(3, Cause::Peer, 408, "timeout"))
            .alive(),
    );
    for endpoint in both("example A.5, PING", "1-1 4-11") {
        let ping = format!("21000000 01 2400 0000 0000 {ZEROS_16} 0000 0700000000000000");
        all.add(endpoint.feed(hex(&ping)).due(ponged(7)).alive());
    }
    let goaway = "88000000 01 0400 f701 0000 00000000000000000000000000000000 0000
        0000000000000000 7b22636f6465223a22647261696e696e67222c226d657373616765223a227365
        7276657220697320647261696e696e67222c22726574727961626c65223a7472
        75652c22636f72725f6964223a2230222c2272657472795f61667465725f6d73223a313030307d";
    all.add(
        client("example A.6, GOAWAY", "1-1 4-13")
            .feed(hex(goaway))
            .tells(oap_conformance::vectors::Event::GoAway {
                code: 503,
                retry_after_ms: Some(1_000),
            }),
    );
    let lost_hex = "78000000 01 1200 9d01 0000 00000000000000000000000000000000 0000
        0000000000000000 7b22636f6465223a22746f6f5f6c61726765222c226d657373616765223a226c
        656e2069732061626f7665206d61785f6672616d65222c22726574727961626c
        65223a66616c73652c22636f72725f6964223a2230227d";
    all.add(
        client("example A.7, connection error frame", "1-1 4-6")
            .feed(hex(lost_hex))
            .tells(closes(Cause::Peer, 413, "too_large")),
    );
    let refusal = "97000000 01 1200 ad01 010f 00000000000000000000000000000000 0000
        0100000000000000 7b22636f6465223a226f7665725f6361706163697479222c226d657373616765
        223a22746f6f206d616e792065786368616e67657320696e20666c6967687422
        2c22726574727961626c65223a747275652c22636f72725f6964223a22363522
        2c2272657472795f61667465725f6d73223a3130307d";
    all.add(
        client("example A.7, refusal", "1-1 9-2")
            .ask(b"x")
            .feed(hex(refusal))
            .tells(ends(1, Cause::Peer, 429, "over_capacity"))
            .alive(),
    );
    let event = "25000000 01 0400 0000 010f 00000000000000000000000000000000 0000
        0100000000000000 7469636b";
    all.add(
        client("example A.9, EVENT", "1-1 7-2")
            .stream(b"")
            .feed(hex(event))
            .tells(pushes(&frame(EVENT, 1).payload(b"tick"))),
    );
}

/// Each field at its bounds, in both directions.
fn fields(all: &mut Section) {
    let of_server = |name: &str, start: Frame| {
        let reply = frame(RESP | END, start.corr)
            .code(200)
            .app(start.app)
            .tenant(start.tenant);
        server(format!("field at a server, {name}"), "1-1 3-2 3-6")
            .open(&start)
            .send(start.corr, 200, b"", true)
            .due(sent(reply).may(START))
            .alive()
    };
    for app in [1, 0x00ff, 0x0100, 0xffff] {
        all.add(of_server(
            &format!("app {app:#06x}"),
            request(1, b"x").app(app),
        ));
        let asked = request(1, b"x").app(app);
        all.add(asked_exactly(&format!("app {app:#06x}"), asked));
    }
    for (name, tenant) in [
        ("1", 1),
        ("2^64", 1 << 64),
        ("2^127", 1 << 127),
        ("all bits", u128::MAX),
        ("each byte its own", TENANT),
    ] {
        all.add(of_server(
            &format!("tenant {name}"),
            request(1, b"x").tenant(tenant),
        ));
        let asked = request(1, b"x").tenant(tenant);
        all.add(asked_exactly(&format!("tenant {name}"), asked));
    }
    for corr in [1, 0xff, 0x100, 1 << 32, 1 << 63, u64::MAX] {
        all.add(of_server(&format!("corr_id {corr}"), request(corr, b"x")));
    }
    for len in [1, 255, 256, 65_535] {
        let start = request(1, b"x").cap(&vec![0xca; len]);
        all.add(of_server(&format!("capability of {len}"), start.clone()));
        all.add(asked_exactly(&format!("capability of {len}"), start));
    }
    for len in [0, 1, 223, 65_503] {
        let start = request(1, &vec![0x5a; len]);
        all.add(of_server(&format!("payload of {len}"), start.clone()));
        all.add(asked_exactly(&format!("payload of {len}"), start));
    }
    for code in [0, 1, 200, 255, 256, 399] {
        let reply = answer(1, b"x").code(code);
        all.add(
            server(format!("field from a server, code {code}"), "1-1 9-1")
                .open(&request(1, b""))
                .send(1, code, b"x", true)
                .due(sent(reply.clone()).may(START)),
        );
        all.add(
            client(format!("field at a client, code {code}"), "1-1 9-1")
                .ask(b"")
                .feed(&reply)
                .tells(data(&reply)),
        );
    }
}

/// A client's request of one frame.
fn asked_exactly(name: &str, asked: Frame) -> V {
    let head = Frame {
        flags: NONE,
        ..asked.clone()
    };
    client(format!("field from a client, {name}"), "1-1 3-7")
        .request_with(head, true)
        .due(sent(asked).may(ACK_REQ))
}

/// How bytes are divided into reads changes nothing; every vector is run byte by byte, too.
fn reads(all: &mut Section) {
    let (one, two) = (request(1, b"one"), request(2, b"two"));
    let whole = [one.bytes(), two.bytes()].concat();
    for at in [1, 3, 4, 5, 28, 29, 36, 37, 39, 40, 41, 44, 79] {
        let mut built = server(
            format!("two frames in two reads, {at} bytes first"),
            "1-2 3-2",
        );
        built = built.feed(&whole[..at]);
        if at >= 40 {
            built = built.tells(opens(&one));
        }
        built = built.feed(&whole[at..]);
        if at < 40 {
            built = built.tells(opens(&one));
        }
        all.add(built.tells(opens(&two)).answer(2, b"b").answer(1, b"a"));
    }
    all.add(
        server("three frames in one read", "1-2")
            .feed(vec![one.clone(), ping(9), two.clone()])
            .tells(opens(&one))
            .due(ponged(9))
            .tells(opens(&two)),
    );
}

fn lengths(all: &mut Section) {
    for len in [0_u32, 1, 32] {
        for endpoint in both(&format!("len {len}"), "1-3 1-7") {
            let fed = endpoint.feed(len.to_le_bytes().to_vec());
            all.add(fed.fatal(400, "bad_frame").dead());
        }
    }
    for endpoint in both("len 33 is the least", "1-3") {
        all.add(endpoint.feed(ping(1)).due(ponged(1)).alive());
    }
    for len in [1_048_577_u32, 0x0100_0000, 0x8000_0000, u32::MAX] {
        for endpoint in both(&format!("len {len} above the default max_frame"), "1-4 1-7") {
            let fed = endpoint.feed(len.to_le_bytes().to_vec());
            all.add(fed.fatal(413, "too_large").dead());
        }
    }
    let largest = request(1, &vec![0x11; 1_048_543]);
    all.add(
        server("len 1048576 is accepted", "1-4")
            .open(&largest)
            .answer(1, b"read"),
    );
    let reply = answer(1, &vec![0x22; 1_048_543]);
    all.add(
        client("len 1048576 is accepted, client", "1-4")
            .ask(b"")
            .feed(&reply)
            .tells(data(&reply))
            .alive(),
    );
    for max in [4_096_u32, 65_536, 1_048_575] {
        let fits = max as usize - 33;
        for (name, before) in [("before a HELLO", false), ("after a HELLO", true)] {
            let begin = |what: &str| {
                let built =
                    server(format!("own max_frame {max} {name}, {what}"), "1-4 1-7").max_frame(max);
                if before {
                    built
                        .feed(hello("{}"))
                        .tells(crate::due::any_hello())
                        .due(welcomed(0, &format!(r#"{{"max_frame":{max}}}"#)))
                } else {
                    built
                }
            };
            let exact = request(1, &vec![0x33; fits]);
            all.add(begin("len equal to it").open(&exact).answer(1, b"read"));
            let above = (max + 1).to_le_bytes().to_vec();
            all.add(begin("len above it").feed(above).fatal(413, "too_large"));
        }
        let config = |built: V| built.max_frame(max);
        let reply = answer(1, &vec![0x33; fits]);
        all.add(
            config(client(
                format!("own max_frame {max}, len equal to it, client"),
                "1-4",
            ))
            .ask(b"")
            .feed(&reply)
            .tells(data(&reply)),
        );
        all.add(
            config(client(
                format!("own max_frame {max}, len above it, client"),
                "1-4",
            ))
            .ask(b"")
            .feed((max + 1).to_le_bytes().to_vec())
            .fatal(413, "too_large"),
        );
    }
    all.add(
        server("the peer's max_frame is not the own", "1-4")
            .feed(hello(r#"{"max_frame":4096}"#))
            .tells(crate::due::any_hello())
            .due(welcomed(0, "{}").within(4_096))
            .open(&request(1, &vec![0x44; 10_000]))
            .answer(1, b"read"),
    );
}

fn versions(all: &mut Section) {
    for version in [0, 2, 0x11, 255] {
        for endpoint in both(&format!("ver {version}"), "1-5 1-7") {
            let fed = endpoint.feed(vec![33, 0, 0, 0, version]);
            all.add(fed.fatal(400, "bad_version").dead());
        }
    }
    for endpoint in both("ver 2 in a second frame", "1-5") {
        let bytes = [&ping(1).bytes()[..], &[33, 0, 0, 0, 2]].concat();
        all.add(
            endpoint
                .feed(ping(5))
                .due(ponged(5))
                .feed(&bytes[37..])
                .fatal(400, "bad_version"),
        );
    }
}

/// The first 29 bytes of a frame whose `cap_len` is not what follows.
fn claim(flags: Flags, app: u16, len: u32, cap_len: u16) -> Vec<u8> {
    let mut bytes = frame(flags, 1).app(app).bytes();
    bytes[..4].copy_from_slice(&len.to_le_bytes());
    bytes[27..29].copy_from_slice(&cap_len.to_le_bytes());
    bytes.truncate(29);
    bytes
}

fn capabilities(all: &mut Section) {
    for (len, cap_len) in [(33, 1), (36, 4), (33, u16::MAX), (33 + 65_534, u16::MAX)] {
        let name = format!("cap_len {cap_len} with len {len}");
        all.add(
            server(name.clone(), "1-6 1-7")
                .feed(claim(REQ | START, APP, len, cap_len))
                .fatal(400, "bad_frame")
                .dead(),
        );
        all.add(
            client(format!("{name}, client"), "1-6 1-7")
                .ask(b"")
                .feed(claim(RESP | START, APP, len, cap_len))
                .fatal(400, "bad_frame")
                .dead(),
        );
    }
    for flags in [REQ, REQ | END, REQ | ACK_REQ, NONE, EVENT, RESP, REQ | RESP] {
        let name = format!("capability without START on {}", named(flags));
        let claim = |app| claim(flags, app, 100, 1);
        all.add(
            server(name.clone(), "1-6")
                .feed(claim(APP))
                .fatal(400, "bad_frame"),
        );
        if flags == NONE || flags == EVENT {
            let name = format!("{name}, app 0");
            all.add(server(name, "1-6").feed(claim(0)).fatal(400, "bad_frame"));
        }
    }
    for flags in [RESP, RESP | END, EVENT, NONE] {
        all.add(
            client(
                format!("capability without START on {}, client", named(flags)),
                "1-6",
            )
            .ask(b"")
            .feed(claim(flags, APP, 100, 1))
            .fatal(400, "bad_frame"),
        );
    }
    let filled = request(1, b"").cap(b"all of it");
    all.add(
        server("a capability fills the frame", "1-6")
            .open(&filled)
            .answer(1, b""),
    );
}

/// `len` at 4 bytes, `ver` at 5, `cap_len` at 29; the first that fails decides.
fn order_of_checks(all: &mut Section) {
    for endpoint in both("len too small before ver", "1-7") {
        all.add(endpoint.feed(vec![32, 0, 0, 0, 9]).fatal(400, "bad_frame"));
    }
    for endpoint in both("len too large before ver", "1-7") {
        all.add(
            endpoint
                .feed(vec![255, 255, 255, 255, 9])
                .fatal(413, "too_large"),
        );
    }
    for endpoint in both("ver before cap_len", "1-7") {
        let mut bytes = claim(REQ, APP, 33, 9);
        bytes[4] = 3;
        all.add(endpoint.feed(bytes).fatal(400, "bad_version"));
    }
    for endpoint in both("len too large before cap_len", "1-7") {
        all.add(
            endpoint
                .feed(claim(REQ, APP, 2_000_000, 9))
                .fatal(413, "too_large"),
        );
    }
    for endpoint in both("28 bytes are too few to judge cap_len", "1-7") {
        let bytes = claim(REQ, APP, 33, 9);
        all.add(
            endpoint
                .feed(&bytes[..28])
                .feed(&bytes[28..])
                .fatal(400, "bad_frame"),
        );
    }
    for endpoint in both("4 bytes are too few to judge ver", "1-7") {
        all.add(
            endpoint
                .feed(vec![33, 0, 0, 0])
                .feed(vec![7])
                .fatal(400, "bad_version"),
        );
    }
    for endpoint in both("3 bytes are too few to judge len", "1-7") {
        all.add(
            endpoint
                .feed(vec![0, 0, 0])
                .feed(vec![0])
                .fatal(400, "bad_frame"),
        );
    }
    let bad = claim(RESP | START, APP, 33, 9);
    all.add(
        server("cap_len before the direction", "1-7 2-4")
            .feed(bad)
            .fatal(400, "bad_frame"),
    );
}
