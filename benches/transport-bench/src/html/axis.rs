//! Axes: what is drawn where, and where the marks are.

/// Marks that an axis has at most, about.
const MARKS: f64 = 8.0;
/// Decades above which not every mark of a decade has room.
const FEW_DECADES: f64 = 3.5;

/// What an axis is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// Even steps from 0.
    Linear,
    /// Even factors, of values from 1.
    Log,
    /// Even steps for each further nine of a percentile, of fractions below 1.
    Nines,
}

impl Scale {
    /// Where a value is drawn.
    pub(super) fn place(self, value: f64) -> f64 {
        match self {
            Self::Linear => value,
            Self::Log => value.max(1.0).log10(),
            Self::Nines => -(1.0 - value).max(1e-9).log10(),
        }
    }

    /// The value that is drawn there.
    pub(super) fn value(self, place: f64) -> f64 {
        match self {
            Self::Linear => place,
            Self::Log => 10_f64.powf(place),
            Self::Nines => 1.0 - 10_f64.powf(-place),
        }
    }

    /// Where the axis for these values begins and ends.
    pub(super) fn range(self, values: impl Iterator<Item = f64>) -> (f64, f64) {
        let places = values.map(|value| self.place(value));
        let (least, most) = places.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), at| {
            (least.min(at), most.max(at))
        });
        let most = if most.is_finite() { most } else { 1.0 };
        match self {
            Self::Linear => (0.0, if most > 0.0 { most * 1.05 } else { 1.0 }),
            Self::Nines => (0.0, most.max(1.0)),
            Self::Log => {
                let least = if least.is_finite() { least } else { 0.0 };
                // A third of a decade at least, from mark to mark.
                let (begin, end) = (mark_below(least), mark_above(most));
                (begin, end.max(begin + 1.0 / 3.0))
            }
        }
    }

    /// Where its marks are.
    pub(super) fn marks(self, (begin, end): (f64, f64)) -> Vec<f64> {
        match self {
            Self::Linear => {
                let step = step((end - begin) / MARKS);
                let count = ((end - begin) / step) as usize;
                (0..=count).map(|mark| begin + mark as f64 * step).collect()
            }
            Self::Nines => (0..=end as usize).map(|nines| nines as f64).collect(),
            Self::Log => {
                let all: &[f64] = match end - begin > FEW_DECADES {
                    true => &[1.0],
                    false => &[1.0, 2.0, 5.0],
                };
                let decades = begin.floor() as i32..=end.ceil() as i32;
                let marks = decades.flat_map(|decade| {
                    let places = all.iter().map(|mark| mark.log10());
                    places.map(move |place| place + f64::from(decade))
                });
                let inside = begin - 1e-9..=end + 1e-9;
                marks.filter(|mark| inside.contains(mark)).collect()
            }
        }
    }
}

/// Where the next lower 1, 2 or 5 of a decade is.
fn mark_below(place: f64) -> f64 {
    let marks = marks_of_decade(place).into_iter();
    let below = marks.rev().find(|mark| *mark <= place + 1e-9);
    below.unwrap_or(place)
}

/// Where the next higher one is.
fn mark_above(place: f64) -> f64 {
    let mut marks = marks_of_decade(place).into_iter();
    marks.find(|mark| *mark >= place - 1e-9).unwrap_or(place)
}

fn marks_of_decade(place: f64) -> [f64; 4] {
    [1.0_f64, 2.0, 5.0, 10.0].map(|mark| place.floor() + mark.log10())
}

/// The round number from `least` on.
fn step(least: f64) -> f64 {
    let decade = 10_f64.powf(least.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * decade);
    steps
        .into_iter()
        .find(|step| *step >= least)
        .unwrap_or(least)
}

/// Microseconds as people read them.
pub(super) fn time(micros: f64) -> String {
    match micros {
        ..1e3 => format!("{} µs", short(micros)),
        ..1e6 => format!("{} ms", short(micros / 1e3)),
        _ => format!("{} s", short(micros / 1e6)),
    }
}

/// A percentile, of a fraction.
pub(super) fn percentile(fraction: f64) -> String {
    let text = format!("{:.7}", fraction * 100.0);
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text} %")
}

/// A number in three digits or more, without noughts that say nothing.
pub(super) fn short(number: f64) -> String {
    let digits = match number.abs() {
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    let text = format!("{number:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(scale: Scale, values: &[f64]) -> Vec<String> {
        let range = scale.range(values.iter().copied());
        let marks = scale.marks(range);
        assert!(marks.len() >= 2, "{values:?}: {marks:?}");
        let values = marks.into_iter().map(|mark| scale.value(mark));
        values.map(short).collect()
    }

    #[test]
    fn marks_are_round_numbers_around_all_values() {
        assert_eq!(marks(Scale::Linear, &[3.0, 10.0])[..3], ["0", "2", "4"]);
        assert_eq!(marks(Scale::Linear, &[15_000.0])[1], "2000");
        assert_eq!(
            marks(Scale::Log, &[130.0, 4_100.0]),
            ["100", "200", "500", "1000", "2000", "5000"]
        );
        assert_eq!(marks(Scale::Log, &[100.0]), ["100", "200"]);
        let marks = marks(Scale::Log, &[3.0, 70_000.0]);
        assert_eq!(marks, ["10", "100", "1000", "10000", "100000"]);
    }

    #[test]
    fn nothing_has_an_axis_too() {
        for scale in [Scale::Linear, Scale::Log, Scale::Nines] {
            assert!(marks(scale, &[]).len() >= 2);
        }
        assert!(marks(Scale::Linear, &[0.0]).len() >= 2);
    }

    #[test]
    fn each_nine_is_a_step() {
        let marks = Scale::Nines.marks(Scale::Nines.range([0.5, 0.9995].into_iter()));
        let told: Vec<String> = marks
            .into_iter()
            .map(|mark| percentile(Scale::Nines.value(mark)))
            .collect();
        assert_eq!(told, ["0 %", "90 %", "99 %", "99.9 %"]);
    }

    #[test]
    fn times_have_their_unit() {
        let told = [7.0, 950.0, 1_250.0, 25_000.0, 3_000_000.0].map(time);
        assert_eq!(told, ["7 µs", "950 µs", "1.25 ms", "25 ms", "3 s"]);
    }
}
