//! A rate with a burst, in exact integers.

use core::time::Duration;

use crate::time::Timestamp;

/// Lets `capacity` tokens through at once and `per_second` tokens per second in the long run.
///
/// It starts full. Between calls it keeps millionths of a token, so that no rounding adds up
/// however often it is asked. A time before that of the last
/// tokens taken counts as that one, so a clock that goes back gives nothing away.
///
/// ```
/// use core::time::Duration;
/// use oap_core::Timestamp;
/// use oap_core::policy::TokenBucket;
///
/// let mut cancels = TokenBucket::new(1_000, 33);
/// let now = Timestamp::from_micros(5_000_000);
/// assert_eq!(cancels.try_take(now, 1_000), Ok(()));
/// let wait = Duration::from_micros(30_304);
/// assert_eq!(cancels.try_take(now, 1), Err(wait));
/// assert_eq!(cancels.try_take(now + wait, 1), Ok(()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "testing", derive(Hash))]
pub struct TokenBucket {
    capacity: u64,
    per_second: u64,
    /// When `tokens` and `millionths` were true.
    at: Timestamp,
    tokens: u64,
    millionths: u32,
}

impl TokenBucket {
    /// A full bucket of `capacity` tokens that gains `per_second` tokens each second.
    pub const fn new(capacity: u64, per_second: u64) -> Self {
        Self {
            capacity,
            per_second,
            at: Timestamp::ZERO,
            tokens: capacity,
            millionths: 0,
        }
    }

    /// The whole tokens that are there at `now`.
    pub const fn level(&self, now: Timestamp) -> u64 {
        // At most the capacity, which is a u64.
        (self.millionths_at(now) / MILLION) as u64
    }

    /// Takes `n` tokens, all or none.
    ///
    /// # Errors
    ///
    /// The least wait from `now` after which the same call would succeed; [`Duration::MAX`] if it
    /// never would, or not within the reach of a [`Timestamp`]. Nothing was taken.
    pub fn try_take(&mut self, now: Timestamp, n: u64) -> Result<(), Duration> {
        let there = self.millionths_at(now);
        let wanted = n as u128 * MILLION;
        match there.checked_sub(wanted) {
            Some(left) => {
                self.tokens = (left / MILLION) as u64;
                self.millionths = (left % MILLION) as u32;
                self.at = self.at.max(now);
                Ok(())
            }
            None if n > self.capacity || self.per_second == 0 => Err(Duration::MAX),
            None => {
                let refill = (wanted - there).div_ceil(u128::from(self.per_second));
                let behind = self.at.saturating_since(now).as_micros();
                Err(u64::try_from(refill + behind).map_or(Duration::MAX, Duration::from_micros))
            }
        }
    }

    const fn millionths_at(&self, now: Timestamp) -> u128 {
        let micros = now.as_micros().saturating_sub(self.at.as_micros());
        // A token per second is a millionth per microsecond.
        let gained = micros as u128 * self.per_second as u128;
        let kept = self.tokens as u128 * MILLION + self.millionths as u128;
        let sum = kept.saturating_add(gained);
        let full = self.capacity as u128 * MILLION;
        if sum < full { sum } else { full }
    }
}

const MILLION: u128 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn at(micros: u64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    #[test]
    fn it_is_small() {
        assert!(size_of::<TokenBucket>() <= 40);
    }

    #[test]
    fn no_rounding_adds_up() {
        // 3,000 per second, asked every microsecond: in ten milliseconds that is thirty, no more, no
        // less.
        let mut bucket = TokenBucket::new(10, 3_000);
        bucket.try_take(at(0), 10).unwrap();
        let granted = (1..=10_000).filter(|micros| bucket.try_take(at(*micros), 1).is_ok());
        assert_eq!(granted.count(), 30);
    }

    #[test]
    fn time_that_goes_back_gives_nothing() {
        let mut bucket = TokenBucket::new(5, 1);
        bucket.try_take(at(10_000_000), 5).unwrap();
        for _ in 0..3 {
            assert_eq!(bucket.try_take(at(0), 1), Err(Duration::from_secs(11)));
            assert_eq!(
                bucket.try_take(at(10_000_000), 1),
                Err(Duration::from_secs(1))
            );
        }
        assert_eq!((bucket.level(at(0)), bucket.level(at(11_500_000))), (0, 1));
    }

    #[test]
    fn what_never_succeeds_says_so() {
        assert_eq!(
            TokenBucket::new(5, 1).try_take(at(0), 6),
            Err(Duration::MAX)
        );
        let mut still = TokenBucket::new(5, 0);
        assert_eq!(still.try_take(at(0), 5), Ok(()));
        assert_eq!(still.try_take(at(u64::MAX), 1), Err(Duration::MAX));
        assert_eq!(still.try_take(at(0), 0), Ok(()));
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let mut bucket = TokenBucket::new(u64::MAX, u64::MAX);
        assert_eq!(bucket.try_take(at(0), u64::MAX), Ok(()));
        assert_eq!(
            bucket.try_take(at(0), u64::MAX),
            Err(Duration::from_secs(1))
        );
        assert_eq!(bucket.try_take(at(u64::MAX), u64::MAX), Ok(()));
        let mut slow = TokenBucket::new(u64::MAX, 1);
        slow.try_take(at(0), u64::MAX).unwrap();
        assert_eq!(slow.try_take(at(0), u64::MAX), Err(Duration::MAX));
    }

    /// The same bucket, kept as one number.
    struct Model {
        full: u128,
        rate: u128,
        level: u128,
        at: u64,
    }

    impl Model {
        fn level_at(&self, now: u64) -> u128 {
            let gained = u128::from(now.saturating_sub(self.at)) * self.rate;
            self.level.saturating_add(gained).min(self.full)
        }
    }

    proptest! {
        #[test]
        fn it_follows_the_model(
            capacity in prop_oneof![0..100_u64, any::<u64>()],
            per_second in prop_oneof![0..100_u64, any::<u64>()],
            steps in prop::collection::vec(
                (
                    prop_oneof![0..10_000_000_u64, any::<u64>()],
                    prop_oneof![0..100_u64, any::<u64>()],
                ),
                1..40,
            ),
        ) {
            let full = u128::from(capacity) * MILLION;
            let mut model = Model { full, rate: per_second.into(), level: full, at: 0 };
            let mut bucket = TokenBucket::new(capacity, per_second);
            for (now, n) in steps {
                let there = model.level_at(now);
                prop_assert_eq!(u128::from(bucket.level(at(now))), there / MILLION);
                match bucket.try_take(at(now), n) {
                    Ok(()) => {
                        model.level = there.checked_sub(u128::from(n) * MILLION).unwrap();
                        model.at = model.at.max(now);
                    }
                    Err(wait) => {
                        prop_assert!(there < u128::from(n) * MILLION);
                        let due = u128::from(now) + wait.as_micros();
                        if let Ok(due) = u64::try_from(due) {
                            let early = bucket.clone().try_take(at(due - 1), n);
                            let due = bucket.clone().try_take(at(due), n);
                            prop_assert!(early.is_err() && due.is_ok());
                        }
                    }
                }
            }
        }

        #[test]
        fn many_small_steps_gain_as_much_as_one(
            per_second in 0..1_000_000_u64,
            steps in prop::collection::vec(0..1_000_000_u64, 1..50),
        ) {
            let mut bucket = TokenBucket::new(u64::MAX, per_second);
            bucket.try_take(at(0), u64::MAX).unwrap();
            let mut whole = bucket.clone();
            let mut end = 0;
            for step in steps {
                end += step;
                bucket.try_take(at(end), 0).unwrap();
            }
            whole.try_take(at(end), 0).unwrap();
            prop_assert_eq!(bucket, whole);
        }
    }
}
