//! Frames that nobody real has written, byte by byte as the specification lays them out.

use bytes::{BufMut, Bytes, BytesMut};

const REQ: u16 = 0x01;
const RESP: u16 = 0x02;
const EVENT: u16 = 0x04;
const START: u16 = 0x08;
const END: u16 = 0x10;
const ACK_REQ: u16 = 0x20;

/// A frame under construction.
#[derive(Clone, Copy, Debug)]
struct Frame<'a> {
    flags: u16,
    code: u16,
    app: u16,
    corr: u64,
    payload: &'a [u8],
}

const CONTROL: Frame<'_> = Frame {
    flags: 0,
    code: 0,
    app: 0,
    corr: 0,
    payload: b"",
};

impl Frame<'_> {
    fn encode(self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_u32_le(33 + self.payload.len() as u32);
        out.put_u8(1);
        out.put_u16_le(self.flags);
        out.put_u16_le(self.code);
        out.put_u16_le(self.app);
        out.put_u128_le(0);
        out.put_u16_le(0);
        out.put_u64_le(self.corr);
        out.put_slice(self.payload);
        out.freeze()
    }
}

type Named = (String, Bytes);

fn named(name: impl Into<String>, frame: Frame<'_>) -> Named {
    (name.into(), frame.encode())
}

fn ack(corr: u64, consumed: u64, limit: u64) -> Named {
    let payload = [consumed.to_le_bytes(), limit.to_le_bytes()].concat();
    let frame = Frame {
        flags: RESP,
        code: 202,
        corr,
        payload: &payload,
        ..CONTROL
    };
    named(format!("ACK {corr}: {consumed}, {limit}"), frame)
}

/// HELLO requests that a client may send at any time: they break no rule that a client knows of.
pub(super) fn hellos() -> Vec<Named> {
    let hello = |name: &str, payload: &[u8]| {
        // An id that no exchange has: so the answer disturbs nobody.
        let frame = Frame {
            flags: REQ,
            corr: 99,
            payload,
            ..CONTROL
        };
        named(name, frame)
    };
    vec![
        hello("HELLO", br#"{"features":["cancel","ping","goaway"]}"#),
        hello("empty HELLO", b""),
        hello("bad HELLO", b"{"),
    ]
}

/// Every column of the server's table on one id, and a HELLO that makes the windows of answers small.
pub(super) fn table() -> Vec<Named> {
    let mut frames = requests(1);
    for (name, flags) in [("EVENT 1", EVENT), ("REQ|RESP 1", REQ | RESP)] {
        let frame = Frame {
            flags,
            app: 1,
            corr: 1,
            payload: b"astray",
            ..CONTROL
        };
        frames.push(named(name, frame));
    }
    let hello = Frame {
        flags: REQ,
        payload: br#"{"ack_window":4096,"features":["cancel","ping","goaway"]}"#,
        ..CONTROL
    };
    frames.extend([
        cancel(1),
        ack(1, 4_096, 8_192),
        named("HELLO with a window", hello),
    ]);
    frames
}

/// REQ frames with and without START and END.
pub(super) fn requests(corr: u64) -> Vec<Named> {
    let frames = [
        ("REQ", REQ),
        ("REQ|START", REQ | START | ACK_REQ),
        ("REQ|END", REQ | END),
        ("REQ|START|END", REQ | START | END),
    ];
    let request = |(name, flags)| {
        let frame = Frame {
            flags,
            app: 1,
            corr,
            payload: b"request",
            ..CONTROL
        };
        named(format!("{name} {corr}"), frame)
    };
    frames.map(request).into()
}

/// Control frames of a client, and frames that belong to nothing.
pub(super) fn client_control() -> Vec<Named> {
    let other_app = Frame {
        flags: REQ,
        app: 2,
        corr: 1,
        payload: b"request",
        ..CONTROL
    };
    let ping = Frame {
        flags: EVENT | ACK_REQ,
        corr: 7,
        ..CONTROL
    };
    let goaway = Frame {
        flags: EVENT,
        code: 503,
        ..CONTROL
    };
    let error = Frame {
        flags: RESP | END,
        code: 400,
        ..CONTROL
    };
    let answer = Frame {
        flags: RESP,
        app: 1,
        corr: 1,
        ..CONTROL
    };
    vec![
        named("REQ 1 of another app", other_app),
        named("PING", ping),
        named("GOAWAY", goaway),
        named("connection error", error),
        named("RESP 1", answer),
        ack(1, 8_192, 12_288),
        ack(1, 999_999, 1_000_000),
    ]
}

/// What a server may do to a client, rules or not.
pub(super) fn server() -> Vec<Named> {
    let mut frames = Vec::new();
    for (name, flags) in [
        ("RESP", RESP),
        ("RESP|START", RESP | START),
        ("RESP|START with a window", RESP | START | ACK_REQ),
        ("RESP|END", RESP | END),
        ("EVENT", EVENT),
    ] {
        let frame = Frame {
            flags,
            code: 200,
            app: 1,
            corr: 1,
            payload: b"an answer",
        };
        frames.push(named(format!("{name} 1"), frame));
    }
    let stray = |name: &str, flags, code, app, corr| {
        let frame = Frame {
            flags,
            code,
            app,
            corr,
            payload: b"",
        };
        named(name, frame)
    };
    frames.extend([
        cancel(1),
        ack(1, 2_048, 6_144),
        ack(1, 0, 4_096),
        ack(1, 999_999, 1_000_000),
        stray("RESP 9", RESP, 200, 1, 9),
        stray("EVENT 9", EVENT, 0, 1, 9),
        stray("RESP 1 of another app", RESP, 200, 2, 1),
        stray("error 1", RESP | END, 404, 1, 1),
        stray("GOAWAY", EVENT, 503, 0, 0),
        stray("PING", EVENT | ACK_REQ, 0, 0, 7),
        stray("connection error", RESP | END, 400, 0, 0),
        named(
            "HELLO reply",
            Frame {
                flags: RESP | END,
                payload: br#"{"ack_window":8192,"features":["cancel"]}"#,
                ..CONTROL
            },
        ),
        named(
            "HELLO reply without CANCEL",
            Frame {
                flags: RESP | END,
                payload: b"{}",
                ..CONTROL
            },
        ),
        named(
            "HELLO refused",
            Frame {
                flags: RESP | END,
                code: 400,
                payload: br#"{"code":"bad_hello","message":"","retryable":false,"corr_id":"0"}"#,
                ..CONTROL
            },
        ),
    ]);
    frames
}

fn cancel(corr: u64) -> Named {
    let frame = Frame {
        flags: EVENT,
        code: 408,
        corr,
        ..CONTROL
    };
    named(format!("CANCEL {corr}"), frame)
}
