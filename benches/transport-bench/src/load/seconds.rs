//! Times second by second, while a load runs.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Times;
use crate::report::Second;

/// The times of seconds that nobody has taken yet. A distribution needs 170 KB, so whoever watches
/// the load takes them as they pass.
#[derive(Clone, Debug, Default)]
pub struct Seconds {
    open: BTreeMap<u64, Times>,
    /// The first second that is not taken.
    from: u64,
}

impl Seconds {
    /// Adds a time that was known `at` so long after the beginning. What comes too late for its
    /// second counts in the next.
    pub(super) fn record(&mut self, at: Duration, time: Duration) {
        let second = at.as_secs().max(self.from);
        self.open.entry(second).or_default().record(time);
    }

    /// Takes all seconds before this one.
    fn take_before(&mut self, second: u64) -> BTreeMap<u64, Times> {
        self.from = self.from.max(second);
        let later = self.open.split_off(&second);
        std::mem::replace(&mut self.open, later)
    }
}

/// The seconds of all threads, in order.
#[derive(Debug, Default)]
pub(super) struct Timeline(Vec<Second>);

impl Timeline {
    /// Takes the seconds before `end` from all threads. A second without an answer is one, too.
    pub(super) fn take<'a>(&mut self, end: u64, threads: impl Iterator<Item = &'a mut Seconds>) {
        let mut sums = BTreeMap::<u64, Times>::new();
        for thread in threads {
            for (second, times) in thread.take_before(end) {
                sums.entry(second).or_default().merge(&times);
            }
        }
        let begin = self.0.len() as u64;
        // Those after the end of a run are told as far as there are any.
        let last = sums.last_key_value().map_or(begin, |(last, _)| last + 1);
        let end = if end == u64::MAX { last } else { end };
        self.0.extend((begin..end).map(|second| {
            let times = sums.remove(&second);
            Second::new(second, times.as_ref())
        }));
    }

    pub(super) fn into_seconds(self) -> Vec<Second> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_has_its_own_times_of_all_threads() {
        let millis = Duration::from_millis;
        let (mut one, mut other) = (Seconds::default(), Seconds::default());
        one.record(millis(100), millis(1));
        one.record(millis(3_200), millis(3));
        other.record(millis(900), millis(2));
        let mut timeline = Timeline::default();
        timeline.take(2, [&mut one, &mut other].into_iter());
        // It comes too late for its second.
        other.record(millis(1_500), millis(9));
        timeline.take(u64::MAX, [&mut one, &mut other].into_iter());
        let seconds = timeline.into_seconds();
        let counts: Vec<u64> = seconds.iter().map(|second| second.answered).collect();
        assert_eq!(counts, [2, 0, 1, 1]);
        let max = |second: usize| seconds[second].max.unwrap_or_default();
        assert!(max(0).abs_diff(2_000) < 3 && max(2).abs_diff(9_000) < 9);
        assert_eq!((seconds[1].p50, seconds[1].max), (None, None));
    }

    #[test]
    fn a_load_without_answers_has_no_seconds_but_those_that_passed() {
        let mut timeline = Timeline::default();
        timeline.take(2, [&mut Seconds::default()].into_iter());
        timeline.take(u64::MAX, [&mut Seconds::default()].into_iter());
        assert_eq!(timeline.into_seconds().len(), 2);
    }
}
