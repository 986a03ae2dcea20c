//! Compressed payloads, inflated on demand and within their budgets (OAP-8).

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use crate::connection::Connection;
use crate::connection::budget::{INFLATE_BURST, INFLATE_COST};
use crate::inflate::{InflateError, deflate, inflate_counting};
use crate::limits::BUFFER_FRAMES;
use crate::wire::{Codings, Flags};
use crate::{Body, ExchangeId, Payload, Reason, Timestamp, Violation};

/// Inflated bytes of one connection that the application still holds.
#[derive(Clone, Debug, Default)]
pub(super) struct LiveBytes(Option<Arc<AtomicUsize>>);

impl LiveBytes {
    fn get(&self) -> usize {
        self.0
            .as_ref()
            .map_or(0, |live| live.load(Ordering::Relaxed))
    }

    /// A count of its own for a copy of the connection.
    ///
    /// # Panics
    /// If inflated bytes are held: they could be given back to one of the two only.
    #[cfg(feature = "testing")]
    pub(super) fn fork(&self) -> Self {
        assert_eq!(self.get(), 0, "inflated bytes are held");
        Self::default()
    }

    fn guard(&mut self, data: Vec<u8>) -> Bytes {
        let live = self.0.get_or_insert_with(Default::default).clone();
        live.fetch_add(data.len(), Ordering::Relaxed);
        Bytes::from_owner(Inflated { data, live })
    }
}

struct Inflated {
    data: Vec<u8>,
    live: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Inflated {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

impl Drop for Inflated {
    fn drop(&mut self) {
        self.live.fetch_sub(self.data.len(), Ordering::Relaxed);
    }
}

const TOO_FAST: Violation = Violation::exchange(
    Reason::RateLimited,
    "OAP-8-6",
    "the inflate budget is used up",
);
const TOO_MUCH: Violation = Violation::exchange(
    Reason::RateLimited,
    "OAP-8-7",
    "too many inflated bytes are held",
);
const BOMB: Violation = Violation::exchange(
    Reason::DecompressOverflow,
    "OAP-8-4",
    "the payload inflates past 8 x max_frame",
);
const BROKEN: Violation = Violation::exchange(
    Reason::BadCoding,
    "OAP-8-3",
    "the compressed payload is broken",
);

impl Connection {
    /// The payload's plain bytes: inflated if it is compressed, as they are otherwise.
    ///
    /// The bytes count as live until they are dropped (OAP-8-7).
    ///
    /// # Errors
    /// The peer's fault. The exchange has ended with it, and an event tells so, if it was still
    /// open.
    pub fn inflate(
        &mut self,
        now: Timestamp,
        id: ExchangeId,
        payload: &Payload,
    ) -> Result<Bytes, Violation> {
        if !payload.is_compressed() {
            return Ok(payload.wire_bytes().clone());
        }
        let result = self.inflate_within_budget(payload.wire_bytes());
        if let Err(fault) = &result {
            match self.exchanges.slot(id) {
                Some(slot) if self.is_live(slot) => self.fail_exchange(slot, now, *fault),
                _ => self.counters.refuse(fault.reason),
            }
        }
        result
    }

    /// Bytes that may still be inflated now.
    #[cfg(feature = "driver")]
    pub(crate) const fn inflatable(&self) -> usize {
        self.budgets.inflatable()
    }

    fn inflate_within_budget(&mut self, input: &[u8]) -> Result<Bytes, Violation> {
        if !self.config.codings.contains(Codings::ZLIB) {
            return Err(BROKEN);
        }
        let budget = self.budgets.inflatable();
        if budget < INFLATE_COST {
            return Err(TOO_FAST);
        }
        let bound = self.config.limits.buffer_bytes();
        let room = INFLATE_BURST.saturating_sub(self.live.get());
        let limit = bound.min(budget).min(room);
        let mut produced = 0;
        match inflate_counting(input, limit, &mut produced) {
            Ok(data) => {
                self.budgets.inflated(data.len());
                self.counters.inflated_bytes += data.len() as u64;
                Ok(self.live.guard(data))
            }
            Err(InflateError::Overflow) => {
                self.budgets.inflated(limit);
                Err(if limit == bound {
                    BOMB
                } else if limit == budget {
                    TOO_FAST
                } else {
                    TOO_MUCH
                })
            }
            Err(_) => {
                self.budgets.inflated(produced);
                Err(BROKEN)
            }
        }
    }

    /// How bodies may be compressed for this peer; apart from the connection, because deflating
    /// takes its time.
    pub fn compression(&self) -> Compression {
        let max_plain = self
            .config
            .limits
            .buffer_bytes()
            .min(self.peer.max_frame as usize * BUFFER_FRAMES);
        let taken = self.peer.codings.contains(Codings::ZLIB);
        Compression {
            max_plain: if taken { max_plain } else { 0 },
            max_wire: self.peer.max_payload().min(self.peer.window as usize),
        }
    }
}

/// What a peer takes of compressed bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compression {
    /// Largest body that the peer inflates; 0 if it takes none.
    max_plain: usize,
    /// Largest compressed body that can be sent: it is one frame, and within one window.
    max_wire: usize,
}

impl Compression {
    /// `bytes` as a body: compressed if the peer takes that, it makes them smaller and they fit one
    /// frame and window (OAP-8-1). Larger bodies compress in pieces of some 100 KiB.
    pub fn apply(self, bytes: Bytes) -> Body {
        if bytes.len() > self.max_plain {
            return bytes.into();
        }
        match deflate(&bytes) {
            Some(smaller) if smaller.len() <= self.max_wire => Body {
                bytes: smaller.into(),
                flags: Flags::COMP,
            },
            _ => bytes.into(),
        }
    }
}
