//! What a load has measured.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::Seconds;
use super::exchange::Done;
use super::threads::Tally;

/// Longest time that is told apart, in microseconds; longer ones count as this.
const LONGEST: u64 = 600_000_000;

/// Times in microseconds, to three digits.
#[derive(Clone, Debug)]
pub struct Times(Histogram<u64>);

impl Default for Times {
    fn default() -> Self {
        // The bounds are constants that the histogram takes.
        let histogram = Histogram::new_with_bounds(1, LONGEST, 3);
        Self(histogram.unwrap_or_else(|_| unreachable!("bounds of a histogram")))
    }
}

impl Times {
    /// Adds one.
    pub fn record(&mut self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(LONGEST);
        self.0.saturating_record(micros.max(1));
    }

    /// Adds all of another one.
    pub fn merge(&mut self, other: &Self) {
        // Equal bounds: nothing is out of range.
        let _ = self.0.add(&other.0);
    }

    /// The histogram itself.
    pub fn histogram(&self) -> &Histogram<u64> {
        &self.0
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The answer is what was sent.
    Echoed,
    /// The answer is something else.
    Mismatched,
    /// It failed, for this reason of the protocol's list.
    Failed(&'static str),
    /// It failed because the connection is over or takes no more.
    Lost(&'static str),
}

/// Counts and times of a run, or of one thread's share of it.
#[derive(Clone, Debug)]
pub struct Recorder {
    /// From the intended start to the answer, of requests that were echoed.
    pub latency: Times,
    /// The same second by second, as far as nobody has taken them.
    pub seconds: Seconds,
    /// From the intended start to the actual one, of the same.
    pub delay: Times,
    /// Payload bytes sent in them.
    pub bytes: u64,
    /// Failed requests by reason.
    pub errors: BTreeMap<&'static str, u64>,
    /// Answers other than what was sent.
    pub mismatched: u64,
    /// Requests in flight when time was up.
    pub unfinished: u64,
    /// Requests that were due but never sent.
    pub dropped: u64,
    /// Connections that ended before the run.
    pub connections_lost: u64,
    /// When the load began.
    pub began: Instant,
    /// When the last answer came.
    pub last: Instant,
}

impl Recorder {
    /// Nothing yet, of a load that begins at `began`.
    pub fn new(began: Instant) -> Self {
        Self {
            latency: Times::default(),
            seconds: Seconds::default(),
            delay: Times::default(),
            bytes: 0,
            errors: BTreeMap::new(),
            mismatched: 0,
            unfinished: 0,
            dropped: 0,
            connections_lost: 0,
            began,
            last: began,
        }
    }

    /// Requests that were echoed.
    pub fn answered(&self) -> u64 {
        self.latency.0.len()
    }

    pub(super) fn record(&mut self, done: &Done) {
        match done.outcome {
            Outcome::Echoed => {
                let since_intended = |at: Instant| at.saturating_duration_since(done.intended);
                self.latency.record(since_intended(done.answered));
                let at = done.answered.saturating_duration_since(self.began);
                self.seconds.record(at, since_intended(done.answered));
                self.delay.record(since_intended(done.sent));
                self.bytes += done.bytes;
                self.last = self.last.max(done.answered);
            }
            Outcome::Mismatched => self.mismatched += 1,
            Outcome::Failed(reason) | Outcome::Lost(reason) => {
                *self.errors.entry(reason).or_default() += 1;
            }
        }
    }

    /// Adds all of another one.
    pub fn merge(&mut self, other: &Self) {
        self.latency.merge(&other.latency);
        self.delay.merge(&other.delay);
        self.bytes += other.bytes;
        for (reason, count) in &other.errors {
            *self.errors.entry(reason).or_default() += count;
        }
        self.mismatched += other.mismatched;
        self.unfinished += other.unfinished;
        self.dropped += other.dropped;
        self.connections_lost += other.connections_lost;
        self.last = self.last.max(other.last);
    }
}

impl Tally for Recorder {
    fn new(began: Instant) -> Self {
        Self::new(began)
    }

    fn answered(&self) -> u64 {
        self.answered()
    }

    fn seconds(&mut self) -> &mut Seconds {
        &mut self.seconds
    }

    fn merge(&mut self, other: &Self) {
        self.merge(other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latency_counts_from_the_intended_start() {
        let began = Instant::now();
        let at = |millis| began + Duration::from_millis(millis);
        let done = |sent, answered, outcome| Done {
            intended: at(10),
            sent: at(sent),
            answered: at(answered),
            bytes: 100,
            outcome,
        };
        let mut recorder = Recorder::new(began);
        recorder.record(&done(40, 50, Outcome::Echoed));
        recorder.record(&done(10, 99, Outcome::Mismatched));
        recorder.record(&done(10, 99, Outcome::Failed("timeout")));
        recorder.record(&done(10, 99, Outcome::Lost("io")));
        let mut sum = Recorder::new(began);
        sum.merge(&recorder);
        sum.merge(&recorder);
        assert_eq!((sum.answered(), sum.bytes, sum.mismatched), (2, 200, 2));
        assert_eq!(sum.errors, BTreeMap::from([("timeout", 2), ("io", 2)]));
        let near = |time: &Times| time.histogram().max();
        assert!((40_000..40_100).contains(&near(&sum.latency)));
        assert!((30_000..30_100).contains(&near(&sum.delay)));
        assert_eq!(sum.last, at(50));
    }

    #[test]
    fn times_beyond_the_bounds_count_as_the_bounds() {
        let mut times = Times::default();
        times.record(Duration::ZERO);
        times.record(Duration::from_secs(100_000));
        assert_eq!(times.histogram().min(), 1);
        assert!(times.histogram().max() >= LONGEST);
    }
}
