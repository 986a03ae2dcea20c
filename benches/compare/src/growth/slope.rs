//! A straight line through points.

use serde::Serialize;

/// The line with the least squares of what is left.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Slope {
    /// By how much it rises for each.
    pub each: f64,
    /// Where it begins.
    pub base: f64,
    /// How much of the differences it explains: 1 is a straight line.
    pub r_squared: f64,
    /// The farthest that a point is from it.
    pub farthest: f64,
}

impl Slope {
    /// Through these points; `None` of fewer than two different ones.
    pub fn of(points: &[(f64, f64)]) -> Option<Self> {
        let count = points.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
        let (x, y) = (mean(|point| point.0), mean(|point| point.1));
        let sum = |of: &dyn Fn(f64, f64) -> f64| -> f64 {
            points
                .iter()
                .map(|point| of(point.0 - x, point.1 - y))
                .sum()
        };
        let across = sum(&|x, _| x * x);
        if across.is_nan() || across <= 0.0 {
            return None;
        }
        let each = sum(&|x, y| x * y) / across;
        let (all, left) = (sum(&|_, y| y * y), sum(&|x, y| (y - each * x).powi(2)));
        let off = points
            .iter()
            .map(|point| point.1 - y - each * (point.0 - x));
        Some(Self {
            each,
            base: y - each * x,
            r_squared: if all > 0.0 { 1.0 - left / all } else { 1.0 },
            farthest: off.map(f64::abs).fold(0.0, f64::max),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_straight_line_is_found() {
        let line = Slope::of(&[(1.0, 12.0), (2.0, 14.0), (5.0, 20.0)]).unwrap();
        assert!((line.each - 2.0).abs() < 1e-9 && (line.base - 10.0).abs() < 1e-9);
        assert!(line.r_squared > 0.999_999 && line.farthest < 1e-9);
    }

    #[test]
    fn a_bend_shows() {
        let line = Slope::of(&[(0.0, 0.0), (1.0, 0.0), (2.0, 8.0)]).unwrap();
        assert!((line.each - 4.0).abs() < 1e-9);
        assert!(line.r_squared < 0.8 && line.farthest > 2.0);
    }

    #[test]
    fn one_point_is_no_line() {
        assert_eq!(Slope::of(&[(1.0, 1.0)]), None);
        assert_eq!(Slope::of(&[(1.0, 1.0), (1.0, 2.0)]), None);
        assert_eq!(Slope::of(&[]), None);
    }
}
