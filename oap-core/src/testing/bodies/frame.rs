//! Frames of a peer's.

use std::vec::Vec;

use crate::Code;
use crate::wire::{Flags, Header, MIN_LEN};

/// What a peer's frame says besides its length.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Says {
    pub(super) flags: u16,
    pub(super) code: u16,
    pub(super) app: u16,
    pub(super) tenant: u128,
    pub(super) corr: u64,
    pub(super) cap_len: usize,
}

impl Says {
    /// A control frame.
    pub(super) const fn control(flags: u16, code: u16, corr: u64) -> Self {
        Self {
            flags,
            code,
            app: 0,
            tenant: 0,
            corr,
            cap_len: 0,
        }
    }

    /// A frame of an application's.
    pub(super) const fn app(flags: u16, code: u16, corr: u64) -> Self {
        Self {
            app: 1,
            ..Self::control(flags, code, corr)
        }
    }

    /// Whether it asks for a PONG.
    pub(super) const fn is_ping(&self) -> bool {
        self.app == 0 && self.flags & 0x27 == 0x24 && self.code == 0 && self.corr != 0
    }

    /// Its bytes; the capability is the payload's first `cap_len` bytes.
    pub(super) fn with(self, payload: &[u8]) -> Vec<u8> {
        let header = Header {
            len: MIN_LEN + payload.len() as u32,
            flags: Flags::from_bits(self.flags),
            code: Code::new(self.code),
            app_proto_id: self.app,
            tenant_id: self.tenant,
            cap_len: self.cap_len as u16,
            corr_id: self.corr,
        };
        let mut wire = header.encode().to_vec();
        wire.extend_from_slice(payload);
        wire
    }
}

/// Bodies of HELLOs, errors and refusals.
pub(super) const BODIES: &[&[u8]] = &[
    b"",
    b"{}",
    GREETING,
    br#"{"max_frame":4096,"max_inflight":2,"ack_window":4096,"comp":["zlib"]}"#,
    ANSWER,
    br#"{"code":"bad_hello","message":"","retryable":false,"corr_id":"0"}"#,
    br#"{"code":"flood","message":"","retryable":true,"corr_id":"0","retry_after_ms":5}"#,
    b"{\"max_frame\":1}",
];

/// What a client says that knows all there is.
pub(super) const GREETING: &[u8] =
    br#"{"features":["cancel","ping","goaway"],"ack_window":131072,"comp":["zlib"]}"#;
/// What a server answers that knows all there is.
pub(super) const ANSWER: &[u8] = br#"{"server_version":"x","max_frame":65536,"max_inflight":3,"supported_flags":[],"oap_versions":[1],"transports":[],"features":["cancel","ping","goaway"],"ack_window":4096,"idle_timeout_ms":1000}"#;
