//! The slope of what is measured, with the confidence that the samples allow.

use serde::Serialize;

/// Samples that a slope is taken from at most; more are put together, as their medians.
const MOST_SAMPLES: usize = 400;
/// Of the normal distribution: 95 % lie within.
const CONFIDENCE: f64 = 1.96;

/// A slope and its confidence interval of 95 %, after Theil and Sen: the median of the slopes of all
/// pairs, which single outliers and steps do not move. Samples that depend on their neighbours make
/// the interval too narrow; it is a judgement of the samples, not of what happens more rarely than
/// they are taken.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Trend {
    /// The slope.
    pub slope: f64,
    /// With 97.5 % confidence it is no lower.
    pub low: f64,
    /// With 97.5 % confidence it is no higher.
    pub high: f64,
}

impl Trend {
    /// The trend of points in ascending order of x; `None` with fewer than four.
    pub fn of(points: &[(f64, f64)]) -> Option<Self> {
        let points = thinned(points);
        let count = points.len();
        if count < 4 {
            return None;
        }
        let pairs = (0..count).flat_map(|one| (one + 1..count).map(move |other| (one, other)));
        let mut slopes: Vec<f64> = pairs
            .map(|(one, other)| {
                let ((x1, y1), (x2, y2)) = (points[one], points[other]);
                (y2 - y1) / (x2 - x1)
            })
            .filter(|slope| slope.is_finite())
            .collect();
        if slopes.is_empty() {
            return None;
        }
        slopes.sort_unstable_by(f64::total_cmp);
        let (n, all) = (count as f64, slopes.len() as f64);
        let deviation = (n * (n - 1.0) * (2.0 * n + 5.0) / 18.0).sqrt();
        let at = |rank: f64| slopes[(rank.max(0.0) as usize).min(slopes.len() - 1)];
        Some(Self {
            slope: median(&slopes),
            low: at(((all - CONFIDENCE * deviation) / 2.0).floor()),
            high: at(((all + CONFIDENCE * deviation) / 2.0).ceil()),
        })
    }

    /// The same in other units.
    #[must_use]
    pub fn times(self, factor: f64) -> Self {
        Self {
            slope: self.slope * factor,
            low: self.low * factor,
            high: self.high * factor,
        }
    }
}

/// Medians of neighbours, so that pairs stay countable.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let size = points.len().div_ceil(MOST_SAMPLES).max(1);
    let middle = |part: &[(f64, f64)], of: fn(&(f64, f64)) -> f64| {
        let mut values: Vec<f64> = part.iter().map(of).collect();
        values.sort_unstable_by(f64::total_cmp);
        median(&values)
    };
    points
        .chunks(size)
        .map(|part| (middle(part, |point| point.0), middle(part, |point| point.1)))
        .collect()
}

/// Of values in order, at least one.
fn median(values: &[f64]) -> f64 {
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        f64::midpoint(values[middle - 1], values[middle])
    }
}

#[cfg(test)]
mod tests {
    use oap_core::testing::Rng;

    use super::*;

    fn noisy(count: u64, slope: f64, noise: u64) -> Vec<(f64, f64)> {
        let mut rng = Rng::new(7);
        let point = |x: u64| (x as f64, x as f64 * slope + rng.range(0, noise) as f64);
        (0..count).map(point).collect()
    }

    #[test]
    fn what_stands_still_has_no_slope_and_no_doubt() {
        let trend = Trend::of(&noisy(10, 0.0, 0)).unwrap();
        assert_eq!((trend.low, trend.slope, trend.high), (0.0, 0.0, 0.0));
        assert_eq!(Trend::of(&noisy(3, 0.0, 0)), None);
    }

    #[test]
    fn a_slope_is_found_in_noise_and_noise_is_no_slope() {
        for count in [20, 400, 2_000] {
            let grows = Trend::of(&noisy(count, 50.0, 100)).unwrap();
            assert!(
                grows.low > 0.0 && grows.low <= 50.0 && grows.high >= 50.0 - 1.0,
                "{grows:?}"
            );
            let still = Trend::of(&noisy(count, 0.0, 100)).unwrap();
            assert!(still.low <= 0.0 && still.high >= 0.0, "{still:?}");
        }
    }

    #[test]
    fn one_outlier_moves_nothing() {
        let mut points = noisy(50, 0.0, 0);
        points[49].1 = 1e9;
        let trend = Trend::of(&points).unwrap();
        assert_eq!((trend.low, trend.slope, trend.high), (0.0, 0.0, 0.0));
    }
}
