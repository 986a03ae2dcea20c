//! Byte rates that connections keep by waiting.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::vec::Vec;

use crate::Timestamp;
use crate::policy::Pacer;

/// How far ahead of its rate a connection may run: enough for a full read on a fast one, and a wait
/// that no timer of the protocol notices on a slow one.
const BURST: Duration = Duration::from_millis(100);

/// How much later than others a connection goes on that was the last to go, so that those who share a
/// rate take turns: more than the grain of timers.
const TURN: Duration = Duration::from_millis(2);

/// Slowest rate, in bytes per second: a second for a full read.
const LEAST: u64 = 64 * 1024;

/// Rates in bytes per second; 0 is off, which is the default of each. A rate below 64 KiB per second
/// counts as that: one read may bring as much, and the wait after it has to stay below the
/// protocol's timers.
///
/// A connection that is ahead of a rate is neither read from nor written to until it is not: the
/// transport's own flow control then slows the peer down. Nothing is dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rates {
    /// Of one connection, in each direction.
    pub per_connection: u64,
    /// Of all connections of one [`PeerKey`](super::PeerKey) together, in each direction.
    pub per_peer: u64,
    /// Received by the server.
    pub ingress: u64,
    /// Sent by the server.
    pub egress: u64,
}

impl Rates {
    /// As it is, with this rate for each connection.
    #[must_use]
    pub const fn with_per_connection(mut self, bytes_per_second: u64) -> Self {
        self.per_connection = bytes_per_second;
        self
    }

    /// As it is, with this rate for each peer.
    #[must_use]
    pub const fn with_per_peer(mut self, bytes_per_second: u64) -> Self {
        self.per_peer = bytes_per_second;
        self
    }

    /// As it is, with this rate for all that is received.
    #[must_use]
    pub const fn with_ingress(mut self, bytes_per_second: u64) -> Self {
        self.ingress = bytes_per_second;
        self
    }

    /// As it is, with this rate for all that is sent.
    #[must_use]
    pub const fn with_egress(mut self, bytes_per_second: u64) -> Self {
        self.egress = bytes_per_second;
        self
    }
}

/// A rate that connections share.
#[derive(Debug)]
pub(super) struct Meter {
    per_second: u64,
    pacer: Mutex<Pacer>,
}

impl Meter {
    /// `None` where the rate is off.
    pub(super) fn new(per_second: u64) -> Option<Arc<Self>> {
        (per_second > 0).then(|| {
            let per_second = per_second.max(LEAST);
            Arc::new(Self {
                per_second,
                pacer: Mutex::new(Pacer::new(per_second, BURST)),
            })
        })
    }

    /// Whether all that has passed is paid for.
    pub(super) fn is_settled(&self, now: Timestamp) -> bool {
        self.lock().ready_at(now).is_none()
    }

    fn lock(&self) -> MutexGuard<'_, Pacer> {
        self.pacer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The rates that one direction of a connection has to keep.
#[derive(Debug, Default)]
pub(super) struct Gate {
    meters: Vec<Arc<Meter>>,
    /// Not before this is it the connection's turn again.
    turn: Timestamp,
}

impl Gate {
    pub(super) fn new(meters: impl IntoIterator<Item = Option<Arc<Meter>>>) -> Self {
        Self {
            meters: meters.into_iter().flatten().collect(),
            turn: Timestamp::ZERO,
        }
    }

    /// Whether there is no rate to keep.
    #[inline]
    pub(super) fn is_free(&self) -> bool {
        self.meters.is_empty()
    }

    /// When the next bytes may pass; `None`: now.
    #[inline]
    pub(super) fn closed_until(&self, now: Timestamp) -> Option<Timestamp> {
        if self.is_free() {
            return None;
        }
        let turn = (self.turn > now).then_some(self.turn);
        let ready = self.meters.iter().map(|meter| meter.lock().ready_at(now));
        ready.flatten().chain(turn).max()
    }

    /// So many bytes have passed.
    #[inline]
    pub(super) fn spend(&mut self, now: Timestamp, bytes: usize) {
        for meter in &self.meters {
            meter.lock().spend(now, bytes as u64);
        }
        if let Some(ready) = self.closed_until(now) {
            self.turn = ready + TURN;
        }
    }

    /// Most bytes that should be written at once: what the slowest rate lets through in a tenth of a
    /// second, so that all who share it have their turn before the protocol's timers run out.
    #[inline]
    pub(super) fn portion(&self) -> usize {
        let slowest = self.meters.iter().map(|meter| meter.per_second).min();
        slowest.map_or(usize::MAX, |rate| {
            usize::try_from(rate / 10).unwrap_or(usize::MAX)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_rate_closes_the_gate() {
        let mut gate = Gate::new([Meter::new(1_000_000), None, Meter::new(100_000)]);
        let now = Timestamp::from_micros(1);
        assert_eq!(gate.closed_until(now), None);
        gate.spend(now, 1_000_000);
        assert_eq!(
            gate.closed_until(now),
            Some(now + Duration::from_millis(9_900) + TURN)
        );
        assert_eq!(gate.portion(), 10_000);
        assert_eq!(Gate::new([Meter::new(1)]).portion(), 6_553);
    }

    #[test]
    fn who_was_the_last_to_go_lets_others_go_first() {
        let shared = Meter::new(100_000);
        let mut one = Gate::new([shared.clone()]);
        let other = Gate::new([shared]);
        let now = Timestamp::from_micros(1);
        one.spend(now, 100_000);
        assert!(one.closed_until(now) > other.closed_until(now));
        let later = now + Duration::from_secs(1) + TURN;
        assert_eq!(one.closed_until(later), None);
    }

    #[test]
    fn without_rates_the_gate_is_open() {
        let mut gate = Gate::new([Meter::new(0)]);
        gate.spend(Timestamp::ZERO, usize::MAX);
        assert_eq!(gate.closed_until(Timestamp::ZERO), None);
        assert_eq!(gate.portion(), usize::MAX);
    }
}
