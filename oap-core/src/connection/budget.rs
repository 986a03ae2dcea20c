//! What a peer may make us do (OAP-8, OAP-10).

use core::time::Duration;

use crate::Timestamp;
use crate::policy::TokenBucket;

/// Replies the protocol obliges us to send that may wait; then reading pauses.
pub(crate) const MAX_OBLIGATIONS: usize = 64;
/// Frames without payload, START and END that one exchange may carry.
pub(crate) const MAX_EMPTIES: u8 = 100;
/// Least that inflating one frame costs, in bytes.
#[cfg(feature = "comp")]
pub(crate) const INFLATE_COST: usize = 4_096;
/// What may be inflated at once, and what may be held of it at a time (OAP-8-6, OAP-8-7).
pub(crate) const INFLATE_BURST: usize = 8 * 1024 * 1024;
/// Inflated bytes earned by each byte received.
const INFLATE_PER_WIRE_BYTE: usize = 32;

const FAULTS: (u64, u64) = (1_000, 33);
const HELLOS_PER_MINUTE: u64 = 10;

#[derive(Clone, Debug)]
#[cfg_attr(feature = "testing", derive(Hash))]
pub(crate) struct Budgets {
    faults: TokenBucket,
    hellos: TokenBucket,
    /// Bytes that may be inflated now.
    inflate: usize,
}

impl Budgets {
    pub(crate) const fn new() -> Self {
        Self {
            faults: TokenBucket::new(FAULTS.0, FAULTS.1),
            // Minutes pass as seconds here: see `hello`.
            hellos: TokenBucket::new(HELLOS_PER_MINUTE, HELLOS_PER_MINUTE),
            inflate: INFLATE_BURST,
        }
    }

    /// Charges a cancel, a fault or a refusal of one exchange; false over budget.
    pub(crate) fn fault(&mut self, now: Timestamp) -> bool {
        self.faults.try_take(now, 1).is_ok()
    }

    /// Whether a quarter of the budget of faults is used up.
    pub(crate) const fn is_strained(&self, now: Timestamp) -> bool {
        self.faults.level(now) < FAULTS.0 - FAULTS.0 / 4
    }

    /// Charges a HELLO request; false over budget. The bucket refills per minute: a second of it is
    /// a minute of the connection.
    pub(crate) fn hello(&mut self, now: Timestamp) -> bool {
        let minutes = Timestamp::from_micros(now.as_micros() / 60);
        self.hellos.try_take(minutes, 1).is_ok()
    }

    /// Credits received bytes.
    #[inline]
    pub(crate) fn earn(&mut self, wire: usize) {
        let earned = wire.saturating_mul(INFLATE_PER_WIRE_BYTE);
        self.inflate = self.inflate.saturating_add(earned).min(INFLATE_BURST);
    }

    #[cfg(feature = "comp")]
    pub(crate) const fn inflatable(&self) -> usize {
        self.inflate
    }

    #[cfg(feature = "comp")]
    pub(crate) fn inflated(&mut self, bytes: usize) {
        self.inflate = self.inflate.saturating_sub(bytes.max(INFLATE_COST));
    }
}

/// How long a frame may take from its first byte on: a base, and a fifth of it (1 s of the default
/// 5 s, twice that over Tor) per full 64 KiB of its length (OAP-10-2).
pub(crate) fn frame_time(base: Duration, len: u32) -> Duration {
    base.saturating_add((base / 5).saturating_mul(len / 65_536))
}
