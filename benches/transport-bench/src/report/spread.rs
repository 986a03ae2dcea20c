//! Distributions of times, as reports have them.

use serde::Serialize;

use crate::load::Times;

/// Points of a distribution for each time that the rest above it is halved.
const POINTS_PER_HALVING: u32 = 5;

/// A distribution of times in microseconds, to three digits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Spread {
    /// Mean.
    pub mean: f64,
    /// Median.
    pub p50: u64,
    /// 90th percentile.
    pub p90: u64,
    /// 95th percentile.
    pub p95: u64,
    /// 99th percentile.
    pub p99: u64,
    /// 99.9th percentile.
    pub p99_9: u64,
    /// Largest.
    pub max: u64,
}

/// A point of a distribution: so large a part of all times is at most so long.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Point {
    /// The part, 0 to 1.
    pub quantile: f64,
    /// Microseconds.
    pub us: u64,
}

/// What was answered within one second, and how long that took, in microseconds; `null` if nothing
/// was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Second {
    /// Which, from 0.
    pub second: u64,
    /// How many answers.
    pub answered: u64,
    /// Median.
    pub p50: Option<u64>,
    /// 95th percentile.
    pub p95: Option<u64>,
    /// 99th percentile.
    pub p99: Option<u64>,
    /// Largest.
    pub max: Option<u64>,
}

impl Spread {
    /// `None` if nothing was recorded.
    pub fn new(times: &Times) -> Option<Self> {
        let histogram = times.histogram();
        let at = |quantile| histogram.value_at_quantile(quantile);
        (!histogram.is_empty()).then(|| Self {
            mean: histogram.mean(),
            p50: at(0.5),
            p90: at(0.9),
            p95: at(0.95),
            p99: at(0.99),
            p99_9: at(0.999),
            max: histogram.max(),
        })
    }
}

impl Point {
    /// The whole distribution, finer towards its end; nothing if nothing was recorded.
    pub fn all(times: &Times) -> Vec<Self> {
        let histogram = times.histogram();
        // Of so many samples one is above all that can be told.
        let finest = 1.0 - 1.0 / histogram.len().max(1) as f64;
        histogram
            .iter_quantiles(POINTS_PER_HALVING)
            .map(|point| Self {
                quantile: point.quantile_iterated_to().min(finest),
                us: point.value_iterated_to().min(histogram.max()),
            })
            .collect()
    }
}

impl Second {
    pub(crate) fn new(second: u64, times: Option<&Times>) -> Self {
        let spread = times.and_then(Spread::new);
        Self {
            second,
            answered: times.map_or(0, |times| times.histogram().len()),
            p50: spread.map(|spread| spread.p50),
            p95: spread.map(|spread| spread.p95),
            p99: spread.map(|spread| spread.p99),
            max: spread.map(|spread| spread.max),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_distribution_rises_from_its_least_to_its_largest() {
        let mut times = Times::default();
        for micros in 1..=1_000 {
            times.record(Duration::from_micros(micros));
        }
        let points = Point::all(&times);
        assert!(points.len() > 20, "{points:?}");
        assert!(points.is_sorted_by(|a, b| a.us <= b.us && a.quantile <= b.quantile));
        let last = points.last().unwrap();
        assert_eq!((last.quantile, last.us), (0.999, times.histogram().max()));
        let half = points.iter().find(|point| point.quantile >= 0.5).unwrap();
        assert!(half.us.abs_diff(500) < 20, "{half:?}");
        assert!(Point::all(&Times::default()).is_empty());
    }
}
