//! Frames as a peer would send them.

use bytes::Bytes;
use oap_core::Code;
use oap_core::wire::{Flags, HEADER_LEN, Header, MIN_LEN};

/// The application that all benchmarks use.
pub const APP: u16 = 0x0f01;
/// Where `corr_id` stands in a header.
const CORR_AT: usize = 29;

/// A header for `payload` bytes.
pub fn header(flags: Flags, corr_id: u64, payload: usize) -> Header {
    Header {
        len: MIN_LEN + payload as u32,
        flags,
        code: Code::OK,
        app_proto_id: APP,
        tenant_id: 0,
        cap_len: 0,
        corr_id,
    }
}

/// A whole frame whose payload is that many bytes.
pub fn frame(flags: Flags, corr_id: u64, payload: usize) -> Vec<u8> {
    let mut wire = header(flags, corr_id, payload).encode().to_vec();
    wire.resize(HEADER_LEN + payload, 0x5a);
    wire
}

/// A HELLO request that takes every feature.
pub fn hello() -> Vec<u8> {
    let body = HELLO.as_bytes();
    let mut header = header(Flags::REQ | Flags::START | Flags::END, 0, body.len());
    header.app_proto_id = 0;
    let mut wire = header.encode().to_vec();
    wire.extend_from_slice(body);
    wire
}

/// The body of that HELLO.
pub const HELLO: &str = r#"{"ua":"bench/1","max_frame":1048576,"max_inflight":64,"comp":["zlib"],"features":["cancel","ping","goaway"],"ack_window":131072}"#;

/// Writes another `corr_id` into a frame.
#[inline]
pub fn set_corr(wire: &mut [u8], corr_id: u64) {
    wire[CORR_AT..CORR_AT + 8].copy_from_slice(&corr_id.to_le_bytes());
}

/// That many bytes behind a reference count, as an application hands them over.
pub fn shared(len: usize) -> Bytes {
    let bytes = Bytes::from(vec![0x5a; len]);
    // The first clone of a Bytes made from a Vec allocates its count; it does so here.
    drop(bytes.clone());
    bytes
}
