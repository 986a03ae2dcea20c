//! A rate that is kept by waiting.

use core::num::{NonZeroU64, NonZeroU128};
use core::time::Duration;

use crate::time::Timestamp;

/// Paces something whose size is known only afterwards, reads say: what has passed is paid for by
/// waiting before the next.
///
/// `burst` is how far ahead of its rate it may run.
///
/// ```
/// use core::time::Duration;
/// use oap_core::Timestamp;
/// use oap_core::policy::Pacer;
///
/// let mut pacer = Pacer::new(1_000, Duration::ZERO);
/// let now = Timestamp::from_micros(7);
/// assert_eq!(pacer.ready_at(now), None);
/// pacer.spend(now, 500);
/// assert_eq!(pacer.ready_at(now), Some(now + Duration::from_millis(500)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pacer {
    per_second: NonZeroU64,
    burst: Duration,
    /// Until when all that has passed would take at the rate.
    paid: Timestamp,
    /// Millionths of one that are not paid for yet, so that no rounding adds up.
    rest: u128,
}

impl Pacer {
    /// A pacer that lets `per_second` through in the long run; at least 1.
    pub const fn new(per_second: u64, burst: Duration) -> Self {
        Self {
            per_second: match NonZeroU64::new(per_second) {
                Some(rate) => rate,
                None => NonZeroU64::MIN,
            },
            burst,
            paid: Timestamp::ZERO,
            rest: 0,
        }
    }

    /// When the next may pass; `None`: now.
    pub fn ready_at(&self, now: Timestamp) -> Option<Timestamp> {
        let ahead = self.paid.saturating_since(now);
        (ahead > self.burst).then(|| now + ahead.saturating_sub(self.burst))
    }

    /// So much has passed.
    pub fn spend(&mut self, now: Timestamp, amount: u64) {
        let rate = NonZeroU128::from(self.per_second);
        let due = u128::from(amount) * 1_000_000 + self.rest;
        self.rest = due % rate;
        let time = Duration::from_micros(u64::try_from(due / rate).unwrap_or(u64::MAX));
        self.paid = self.paid.max(now) + time;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_holds_in_the_long_run_and_a_pause_saves_nothing_up() {
        let mut pacer = Pacer::new(1_000_000, Duration::from_millis(100));
        let mut now = Timestamp::from_micros(3_600_000_000);
        let begun = now;
        for _ in 0..1_000 {
            pacer.spend(now, 10_000);
            now = pacer.ready_at(now).unwrap_or(now);
        }
        let took = now.saturating_since(begun);
        let all = Duration::from_secs(10);
        assert!(
            took <= all && took + Duration::from_millis(100) >= all,
            "{took:?}"
        );
    }

    #[test]
    fn no_rounding_adds_up() {
        let mut pacer = Pacer::new(3_000_000, Duration::ZERO);
        let now = Timestamp::from_micros(1);
        for _ in 0..3_000 {
            pacer.spend(now, 1);
        }
        assert_eq!(pacer.ready_at(now), Some(now + Duration::from_millis(1)));
    }

    #[test]
    fn nothing_overflows() {
        let mut pacer = Pacer::new(0, Duration::ZERO);
        pacer.spend(Timestamp::MAX, u64::MAX);
        assert_eq!(pacer.ready_at(Timestamp::MAX), None);
        assert!(pacer.ready_at(Timestamp::ZERO).is_some());
    }
}
