//! Frames as bytes: the examples of the specification and of its design, and what is no frame.

mod support;

use bytes::{Buf, Bytes, BytesMut};
use oap_core::Code;
use oap_core::wire::{Decoder, Flags, Frame, FrameFault, FrameQueue, Header, MAX_FRAME};

use self::support::{ACK_REQ, APP, APP_E2E, COMP, END, EVENT, NONE, REQ, RESP, START, TENANT};

/// What a valid row decodes to.
struct Whole {
    flags: Flags,
    code: u16,
    app: u16,
    tenant: u128,
    corr: u64,
    cap: &'static [u8],
    payload: &'static [u8],
}

const WHOLE: Whole = Whole {
    flags: NONE,
    code: 0,
    app: APP,
    tenant: 0,
    corr: 0,
    cap: b"",
    payload: b"",
};

enum Expected {
    Frame(Whole),
    /// The fault, and after how many bytes it is seen.
    Fault(FrameFault, usize),
}

use Expected::{Fault, Frame as Ok_};

struct Row {
    name: &'static str,
    hex: &'static str,
    expected: Expected,
}

const ZEROS_16: &str = "00000000000000000000000000000000";

const REPLY: &[u8] = br#"{"server_version":"demo/1","max_frame":1048576,"max_inflight":64,"supported_flags":["REQ","RESP","EVENT","START","END","ACK_REQ","COMP","APP_E2E"],"oap_versions":[1],"transports":["tcp"],"comp":["zlib"],"features":["cancel","ping","goaway"],"ack_window":131072,"idle_timeout_ms":60000}"#;
const PING_ECHO: &[u8] = br#"{"msg":"ping","op":"echo"}"#;

/// `T` in the hex of a row stands for sixteen zero bytes of tenant.
const ROWS: &[Row] = &[
    Row {
        name: "A.1 HELLO, the smallest frame",
        hex: "21000000 01 0000 0000 0000 T 0000 0000000000000000",
        expected: Ok_(Whole { app: 0, ..WHOLE }),
    },
    Row {
        name: "A.1 HELLO reply",
        hex: "3e010000 01 1200 0000 0000 T 0000 0000000000000000
            7b227365727665725f76657273696f6e223a2264656d6f2f31222c226d61785f
            6672616d65223a313034383537362c226d61785f696e666c69676874223a3634
            2c22737570706f727465645f666c616773223a5b22524551222c225245535022
            2c224556454e54222c225354415254222c22454e44222c2241434b5f52455122
            2c22434f4d50222c224150505f453245225d2c226f61705f76657273696f6e73
            223a5b315d2c227472616e73706f727473223a5b22746370225d2c22636f6d70
            223a5b227a6c6962225d2c226665617475726573223a5b2263616e63656c222c
            2270696e67222c22676f61776179225d2c2261636b5f77696e646f77223a3133
            313037322c2269646c655f74696d656f75745f6d73223a36303030307d",
        expected: Ok_(Whole {
            flags: RESP.with(END),
            app: 0,
            payload: REPLY,
            ..WHOLE
        }),
    },
    Row {
        name: "A.2 one-shot request",
        hex: "3b000000 01 1900 0000 010f T 0000 0100000000000000
            7b226d7367223a2270696e67222c226f70223a226563686f227d",
        expected: Ok_(Whole {
            flags: REQ.with(START).with(END),
            corr: 1,
            payload: PING_ECHO,
            ..WHOLE
        }),
    },
    Row {
        name: "A.2 its echo",
        hex: "3b000000 01 1a00 c800 010f T 0000 0100000000000000
            7b226d7367223a2270696e67222c226f70223a226563686f227d",
        expected: Ok_(Whole {
            flags: RESP.with(START).with(END),
            code: 200,
            corr: 1,
            payload: PING_ECHO,
            ..WHOLE
        }),
    },
    Row {
        name: "A.3 START with a window, a tenant and a capability",
        hex: "28000000 01 2900 0000 010f 1032547698badcfeefcdab8967452301 0400 0200000000000000
            63617021 6f6e65",
        expected: Ok_(Whole {
            flags: REQ.with(START).with(ACK_REQ),
            tenant: TENANT,
            corr: 2,
            cap: b"cap!",
            payload: b"one",
            ..WHOLE
        }),
    },
    Row {
        name: "A.3 asks for an ACK",
        hex: "26000000 01 2100 0000 010f 1032547698badcfeefcdab8967452301 0000 0200000000000000
            74776f2d2d",
        expected: Ok_(Whole {
            flags: REQ.with(ACK_REQ),
            tenant: TENANT,
            corr: 2,
            payload: b"two--",
            ..WHOLE
        }),
    },
    Row {
        name: "A.3 ACK",
        hex: "31000000 01 0200 ca00 0000 T 0000 0200000000000000
            08000000000000000800020000000000",
        expected: Ok_(Whole {
            flags: RESP,
            code: 202,
            app: 0,
            corr: 2,
            payload: &[8, 0, 0, 0, 0, 0, 0, 0, 8, 0, 2, 0, 0, 0, 0, 0],
            ..WHOLE
        }),
    },
    Row {
        name: "A.3 END of the request half",
        hex: "21000000 01 1100 0000 010f 1032547698badcfeefcdab8967452301 0000 0200000000000000",
        expected: Ok_(Whole {
            flags: REQ.with(END),
            tenant: TENANT,
            corr: 2,
            ..WHOLE
        }),
    },
    Row {
        name: "A.3 first chunk of the answer",
        hex: "26000000 01 2a00 c800 010f 1032547698badcfeefcdab8967452301 0000 0200000000000000
            7468726565",
        expected: Ok_(Whole {
            flags: RESP.with(START).with(ACK_REQ),
            code: 200,
            tenant: TENANT,
            corr: 2,
            payload: b"three",
            ..WHOLE
        }),
    },
    Row {
        name: "A.3 END of the answer",
        hex: "21000000 01 1200 c800 010f 1032547698badcfeefcdab8967452301 0000 0200000000000000",
        expected: Ok_(Whole {
            flags: RESP.with(END),
            code: 200,
            tenant: TENANT,
            corr: 2,
            ..WHOLE
        }),
    },
    Row {
        name: "A.4 CANCEL",
        hex: "21000000 01 0400 9801 0000 T 0000 0300000000000000",
        expected: Ok_(Whole {
            flags: EVENT,
            code: 408,
            app: 0,
            corr: 3,
            ..WHOLE
        }),
    },
    Row {
        name: "A.5 PING",
        hex: "21000000 01 2400 0000 0000 T 0000 0700000000000000",
        expected: Ok_(Whole {
            flags: EVENT.with(ACK_REQ),
            app: 0,
            corr: 7,
            ..WHOLE
        }),
    },
    Row {
        name: "A.5 PONG",
        hex: "21000000 01 0400 ca00 0000 T 0000 0700000000000000",
        expected: Ok_(Whole {
            flags: EVENT,
            code: 202,
            app: 0,
            corr: 7,
            ..WHOLE
        }),
    },
    Row {
        name: "A.6 GOAWAY",
        hex: "88000000 01 0400 f701 0000 T 0000 0000000000000000
            7b22636f6465223a22647261696e696e67222c226d657373616765223a227365
            7276657220697320647261696e696e67222c22726574727961626c65223a7472
            75652c22636f72725f6964223a2230222c2272657472795f61667465725f6d73
            223a313030307d",
        expected: Ok_(Whole {
            flags: EVENT,
            code: 503,
            app: 0,
            payload: br#"{"code":"draining","message":"server is draining","retryable":true,"corr_id":"0","retry_after_ms":1000}"#,
            ..WHOLE
        }),
    },
    Row {
        name: "A.7 connection error frame",
        hex: "78000000 01 1200 9d01 0000 T 0000 0000000000000000
            7b22636f6465223a22746f6f5f6c61726765222c226d657373616765223a226c
            656e2069732061626f7665206d61785f6672616d65222c22726574727961626c
            65223a66616c73652c22636f72725f6964223a2230227d",
        expected: Ok_(Whole {
            flags: RESP.with(END),
            code: 413,
            app: 0,
            payload: br#"{"code":"too_large","message":"len is above max_frame","retryable":false,"corr_id":"0"}"#,
            ..WHOLE
        }),
    },
    Row {
        name: "A.7 refusal",
        hex: "97000000 01 1200 ad01 010f T 0000 4100000000000000
            7b22636f6465223a226f7665725f6361706163697479222c226d657373616765
            223a22746f6f206d616e792065786368616e67657320696e20666c6967687422
            2c22726574727961626c65223a747275652c22636f72725f6964223a22363522
            2c2272657472795f61667465725f6d73223a3130307d",
        expected: Ok_(Whole {
            flags: RESP.with(END),
            code: 429,
            corr: 65,
            payload: br#"{"code":"over_capacity","message":"too many exchanges in flight","retryable":true,"corr_id":"65","retry_after_ms":100}"#,
            ..WHOLE
        }),
    },
    Row {
        name: "A.7 HELLO error",
        hex: "7b000000 01 1200 9001 0000 T 0000 0000000000000000
            7b22636f6465223a226261645f68656c6c6f222c226d657373616765223a226d
            61785f6672616d65206973206f7574206f662072616e6765222c227265747279
            61626c65223a66616c73652c22636f72725f6964223a2230227d",
        expected: Ok_(Whole {
            flags: RESP.with(END),
            code: 400,
            app: 0,
            payload: br#"{"code":"bad_hello","message":"max_frame is out of range","retryable":false,"corr_id":"0"}"#,
            ..WHOLE
        }),
    },
    Row {
        name: "A.8 COMP",
        hex: "34000000 01 5900 0000 010f T 0000 0400000000000000
            78dacb2f4b2dca49ac54c81f201a00b3a43221",
        expected: Ok_(Whole {
            flags: REQ.with(START).with(END).with(COMP),
            corr: 4,
            payload: b"\x78\xda\xcb\x2f\x4b\x2d\xca\x49\xac\x54\xc8\x1f\x20\x1a\x00\xb3\xa4\x32\x21",
            ..WHOLE
        }),
    },
    Row {
        name: "A.9 EVENT",
        hex: "25000000 01 0400 0000 010f T 0000 0500000000000000 7469636b",
        expected: Ok_(Whole {
            flags: EVENT,
            corr: 5,
            payload: b"tick",
            ..WHOLE
        }),
    },
    Row {
        name: "every bit set that may be",
        hex: "24000000 01 ffff ffff ffff ffffffffffffffffffffffffffffffff 0100 ffffffffffffffff
            aa bbcc",
        expected: Ok_(Whole {
            flags: Flags::from_bits(0xffff),
            code: 65_535,
            app: 65_535,
            tenant: u128::MAX,
            corr: u64::MAX,
            cap: b"\xaa",
            payload: b"\xbb\xcc",
        }),
    },
    Row {
        name: "a capability that fills the frame, and opaque bytes",
        hex: "23000000 01 8900 0000 010f T 0200 0900000000000000 6162",
        expected: Ok_(Whole {
            flags: REQ.with(START).with(APP_E2E),
            corr: 9,
            cap: b"ab",
            ..WHOLE
        }),
    },
    Row {
        name: "len 0",
        hex: "00000000 01 0000 0000 0000 T 0000 0000000000000000",
        expected: Fault(FrameFault::TooShort { len: 0 }, 4),
    },
    Row {
        name: "len 32, and everything else wrong, too",
        hex: "20000000 02 0000 0000 0000 T ffff 0000000000000000",
        expected: Fault(FrameFault::TooShort { len: 32 }, 4),
    },
    Row {
        name: "len 1,048,577, and everything else wrong, too",
        hex: "01001000 02 0000 0000 0000 T ffff 0000000000000000",
        expected: Fault(
            FrameFault::TooLarge {
                len: MAX_FRAME + 1,
                max_frame: MAX_FRAME,
            },
            4,
        ),
    },
    Row {
        name: "the greatest len",
        hex: "ffffffff 01 0000 0000 0000 T 0000 0000000000000000",
        expected: Fault(
            FrameFault::TooLarge {
                len: u32::MAX,
                max_frame: MAX_FRAME,
            },
            4,
        ),
    },
    Row {
        name: "ver 0",
        hex: "21000000 00 0000 0000 0000 T 0000 0000000000000000",
        expected: Fault(FrameFault::Version { ver: 0 }, 5),
    },
    Row {
        name: "ver 2 and a capability that does not fit",
        hex: "21000000 02 0800 0000 0000 T 0100 0000000000000000",
        expected: Fault(FrameFault::Version { ver: 2 }, 5),
    },
    Row {
        name: "a capability one byte too long",
        hex: "23000000 01 0900 0000 010f T 0300 0100000000000000 6162",
        expected: Fault(
            FrameFault::CapabilityTooLong {
                cap_len: 3,
                len: 35,
            },
            29,
        ),
    },
    Row {
        name: "the longest capability in the shortest frame, without START",
        hex: "21000000 01 0100 0000 010f T ffff 0100000000000000",
        expected: Fault(
            FrameFault::CapabilityTooLong {
                cap_len: 65_535,
                len: 33,
            },
            29,
        ),
    },
    Row {
        name: "a capability without START",
        hex: "22000000 01 1100 0000 010f T 0100 0100000000000000 61",
        expected: Fault(FrameFault::CapabilityWithoutStart { cap_len: 1 }, 29),
    },
];

/// What follows a row on its stream: PING with nonce 0x22.
const NEXT: &str = "21000000 01 2400 0000 0000 T 0000 2200000000000000";

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .replace('T', ZEROS_16)
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .map(|digit| char::from(digit).to_digit(16).expect("a hex digit") as u8)
        .collect();
    assert_eq!(digits.len() % 2, 0);
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

fn header_of(whole: &Whole) -> Header {
    Header {
        len: 33 + (whole.cap.len() + whole.payload.len()) as u32,
        flags: whole.flags,
        code: Code::new(whole.code),
        app_proto_id: whole.app,
        tenant_id: whole.tenant,
        cap_len: whole.cap.len() as u16,
        corr_id: whole.corr,
    }
}

fn is(frame: &Frame, whole: &Whole) -> bool {
    frame.header == header_of(whole)
        && frame.capability() == whole.cap
        && frame.payload() == whole.payload
}

/// Hands `bytes` to a decoder in pieces; what came out, and after how many bytes the last of it or
/// the fault.
fn decode(bytes: &[u8], piece: usize) -> (Vec<Frame>, Option<FrameFault>, usize) {
    let mut decoder = Decoder::new(MAX_FRAME);
    let mut buffer = BytesMut::new();
    let (mut frames, mut given, mut last) = (Vec::new(), 0, 0);
    for part in bytes.chunks(piece) {
        buffer.extend_from_slice(part);
        given += part.len();
        loop {
            match decoder.decode(&mut buffer) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(fault) => return (frames, Some(fault), given),
            }
            last = given;
        }
    }
    assert_eq!(decoder.finish(buffer.len()).is_ok(), buffer.is_empty());
    (frames, None, last)
}

// OAP-1-1
#[test]
fn valid_rows_are_encoded_to_their_bytes() {
    for row in ROWS {
        let Ok_(whole) = &row.expected else { continue };
        let mut queue = FrameQueue::new();
        let (cap, payload) = (whole.cap, whole.payload);
        queue.push(
            &header_of(whole),
            Bytes::from_static(cap),
            Bytes::from_static(payload),
        );
        let mut out = Vec::new();
        while queue.has_remaining() {
            let chunk = queue.chunk().len();
            out.extend_from_slice(queue.chunk());
            queue.advance(chunk);
        }
        assert_eq!(out, unhex(row.hex), "{}", row.name);
    }
}

// OAP-1-1 OAP-1-2 OAP-1-3 OAP-1-4 OAP-1-5 OAP-1-6
#[test]
fn rows_are_decoded_whole_in_pieces_and_with_what_follows() {
    for row in ROWS {
        let whole = unhex(row.hex);
        let followed = [whole.clone(), unhex(NEXT)].concat();
        for piece in [usize::MAX, 1, 7, 37, 41] {
            let piece = piece.min(followed.len());
            let (frames, fault, last) = decode(&whole, piece);
            let (more, fault_too, _) = decode(&followed, piece);
            match &row.expected {
                Ok_(expected) => {
                    assert_eq!(frames.len(), 1, "{} by {piece}", row.name);
                    assert!(is(&frames[0], expected), "{}: {:?}", row.name, frames[0]);
                    assert_eq!(frames[0].clone().into_payload(), expected.payload);
                    assert_eq!(frames[0].clone().into_bytes(), whole);
                    assert_eq!((fault, fault_too, last), (None, None, whole.len()));
                    assert_eq!(more.len(), 2, "{} by {piece}", row.name);
                    assert_eq!(more[0], frames[0]);
                    assert_eq!(more[1].header.corr_id, 0x22);
                }
                Fault(expected, at) => {
                    assert!(frames.is_empty() && more.is_empty());
                    assert_eq!(fault, Some(*expected), "{} by {piece}", row.name);
                    assert_eq!(fault_too, Some(*expected), "{} by {piece}", row.name);
                    if piece == 1 {
                        assert_eq!(last, *at, "{}: not as early as it can be", row.name);
                    }
                }
            }
        }
    }
}

// OAP-1-7
#[test]
fn a_fault_is_seen_at_its_byte_and_not_before() {
    for row in ROWS {
        let bytes = unhex(row.hex);
        let (expected, at) = match &row.expected {
            Ok_(_) => (None, usize::MAX),
            Fault(fault, at) => (Some(*fault), *at),
        };
        for given in 0..=bytes.len().min(37) {
            let judged = Header::check_prefix(&bytes[..given], MAX_FRAME).err();
            assert_eq!(
                judged,
                expected.filter(|_| given >= at),
                "{} after {given} bytes",
                row.name
            );
        }
    }
}

// OAP-1-1
#[test]
fn every_example_of_the_specification_is_a_row() {
    let spec = include_str!("../../docs/spec/oap-1.md");
    let appendix = spec
        .split("\n## ")
        .find(|part| part.starts_with("Appendix A"))
        .expect("there is an Appendix A");
    let rows: Vec<Vec<u8>> = ROWS.iter().map(|row| unhex(row.hex)).collect();
    let mut examples = 0;
    for block in appendix.split("```text\n").skip(1) {
        let block = block.split("```").next().unwrap_or_default();
        let hex: String = block
            .lines()
            .map(|line| line.split("   ").next().unwrap_or_default())
            .collect();
        let bytes = unhex(&hex);
        assert!(rows.contains(&bytes), "no row has the bytes of\n{block}");
        examples += 1;
    }
    assert_eq!(examples, 19, "the table of rows knows as many");
}
