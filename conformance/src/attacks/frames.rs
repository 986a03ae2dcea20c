//! Frames as hostile clients send them.

use oap_core::Code;
use oap_core::wire::Flags;

use crate::suite::Raw;

/// REQ and START.
pub(super) fn start(app: u16, corr_id: u64) -> Vec<u8> {
    Raw::frame(Flags::REQ | Flags::START, app, corr_id, &[])
}

/// REQ, of an exchange that is open.
pub(super) fn more(app: u16, corr_id: u64, payload: &[u8]) -> Vec<u8> {
    Raw::frame(Flags::REQ, app, corr_id, payload)
}

/// REQ and END.
pub(super) fn end(app: u16, corr_id: u64) -> Vec<u8> {
    Raw::frame(Flags::REQ | Flags::END, app, corr_id, &[])
}

/// A HELLO that takes every control frame and windows of this size.
pub(super) fn hello(ack_window: u32) -> Vec<u8> {
    let body = format!(r#"{{"features":["cancel","ping","goaway"],"ack_window":{ack_window}}}"#);
    Raw::frame(Flags::REQ, 0, 0, body.as_bytes())
}

/// CANCEL.
pub(super) fn cancel(corr_id: u64) -> Vec<u8> {
    with_code(Raw::frame(Flags::EVENT, 0, corr_id, &[]), Code::TIMEOUT)
}

/// PING.
pub(super) fn ping(nonce: u64) -> Vec<u8> {
    Raw::frame(Flags::EVENT | Flags::ACK_REQ, 0, nonce, &[])
}

/// ACK.
pub(super) fn ack(corr_id: u64, consumed: u64, limit: u64) -> Vec<u8> {
    let payload = [consumed.to_le_bytes(), limit.to_le_bytes()].concat();
    with_code(Raw::frame(Flags::RESP, 0, corr_id, &payload), Code::ACK)
}

fn with_code(mut frame: Vec<u8>, code: Code) -> Vec<u8> {
    frame[7..9].copy_from_slice(&code.get().to_le_bytes());
    frame
}
