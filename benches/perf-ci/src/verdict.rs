//! Measured runs against a baseline.

use std::fmt;

use ::time::Date;
use clap::ValueEnum;
use serde::Serialize;

use crate::baseline::Baseline;
use crate::noise::complaints;
use crate::report::median;
use crate::waiver::Waivers;
use crate::{Figure, Gates, Report, Worse};

/// What stands for the runs of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Statistic {
    /// The median.
    Median,
    /// The worst run.
    Worst,
}

/// What a check has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every gated figure is within its gate, or waived.
    Passed,
    /// A figure is worse than it may be, or missing, or a waiver has expired.
    Failed,
    /// The runs or the machine were too noisy to tell.
    TooNoisy,
}

/// What has become of one figure.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// Within its gate.
    Within,
    /// Worse than its gate allows.
    Beyond,
    /// Worse than its gate, and accepted for now.
    Waived {
        /// Why.
        reason: String,
        /// The last day.
        expires: String,
    },
    /// Runs lie on both sides of the gate, and further apart than it is wide.
    Unsteady,
    /// Not measured in every run.
    Missing {
        /// Why.
        reason: String,
    },
}

/// One gated figure.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Which.
    pub figure: Figure,
    /// What it was.
    pub baseline: f64,
    /// What it is; `null` where it is missing.
    pub measured: Option<f64>,
    /// By how many percent it is worse; below zero it is better.
    pub worse_pct: Option<f64>,
    /// By how many percent it may be worse.
    pub gate_pct: f64,
    /// What has become of it.
    #[serde(flatten)]
    pub state: State,
}

/// The whole verdict.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// What it has come to.
    pub outcome: Outcome,
    /// The gated figures.
    pub rows: Vec<Row>,
    /// Waivers whose end has passed.
    pub expired: Vec<String>,
    /// What made the machine noisy.
    pub noise: Vec<String>,
}

/// What a report is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// What figures are compared with.
    pub baseline: &'a Baseline,
    /// How much worse they may be.
    pub gates: &'a Gates,
    /// What is accepted for now.
    pub waivers: &'a Waivers,
    /// What stands for the runs.
    pub statistic: Statistic,
    /// The day on which waivers have to hold.
    pub today: Date,
}

impl Outcome {
    /// Its exit status.
    pub const fn status(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::Failed => 1,
            Self::TooNoisy => 4,
        }
    }
}

impl Rules<'_> {
    /// Judges a report.
    pub fn judge(&self, report: &Report) -> Verdict {
        let gated = self.gates.figures();
        let rows: Vec<Row> = gated
            .map(|(figure, gate)| self.row(report, figure, gate))
            .collect();
        let expired: Vec<String> = self
            .waivers
            .expired(self.today)
            .map(|waiver| format!("{} until {}", waiver.figure.key(), waiver.expires))
            .collect();
        let noise: Vec<String> = noise(report).collect();
        let failed = |row: &Row| matches!(row.state, State::Missing { .. });
        let outcome = if rows.iter().any(failed) || !expired.is_empty() {
            Outcome::Failed
        } else if !noise.is_empty() {
            Outcome::TooNoisy
        } else if rows.iter().any(|row| row.state == State::Beyond) {
            Outcome::Failed
        } else if rows.iter().any(|row| row.state == State::Unsteady) {
            Outcome::TooNoisy
        } else {
            Outcome::Passed
        };
        Verdict {
            outcome,
            rows,
            expired,
            noise,
        }
    }

    fn row(&self, report: &Report, figure: Figure, gate_pct: f64) -> Row {
        let baseline = self
            .baseline
            .figures
            .get(&figure)
            .copied()
            .unwrap_or(f64::NAN);
        let values = report.values(figure);
        let measured = self
            .statistic
            .of(figure, &values)
            .filter(|_| values.len() == report.runs.len());
        let worse_pct = measured.map(|measured| figure.worsening_pct(baseline, measured));
        let state = match worse_pct {
            None => {
                let reason = report.reason(figure).unwrap_or("a run does not have it");
                State::Missing {
                    reason: reason.to_owned(),
                }
            }
            Some(_) if is_unsteady(figure, baseline, &values, gate_pct) => State::Unsteady,
            Some(worse) if worse <= gate_pct => State::Within,
            Some(worse) => self.beyond(figure, worse),
        };
        Row {
            figure,
            baseline,
            measured,
            worse_pct,
            gate_pct,
            state,
        }
    }

    fn beyond(&self, figure: Figure, worse_pct: f64) -> State {
        let class = &self.baseline.host_class;
        match self.waivers.find(figure, class, self.today) {
            Some(waiver) if worse_pct <= waiver.at_most_pct => State::Waived {
                reason: waiver.reason.clone(),
                expires: waiver.expires.to_string(),
            },
            _ => State::Beyond,
        }
    }
}

impl Statistic {
    fn of(self, figure: Figure, values: &[f64]) -> Option<f64> {
        let worst = match figure.worse() {
            Worse::Up => f64::max,
            Worse::Down => f64::min,
        };
        match self {
            Self::Median => median(values),
            Self::Worst => values.iter().copied().reduce(worst),
        }
    }
}

/// Whether runs lie on both sides of the gate, and further apart than it is wide.
fn is_unsteady(figure: Figure, baseline: f64, values: &[f64], gate_pct: f64) -> bool {
    let worse = values
        .iter()
        .map(|value| figure.worsening_pct(baseline, *value));
    let best = worse.clone().fold(f64::INFINITY, f64::min);
    let worst = worse.fold(f64::NEG_INFINITY, f64::max);
    best <= gate_pct && worst > gate_pct && worst - best > gate_pct
}

fn noise(report: &Report) -> impl Iterator<Item = String> {
    let before = report.noise.complaints().into_iter();
    let during = report.runs.iter().enumerate().flat_map(|(index, run)| {
        complaints(run.steal_pct, run.others_pct)
            .map(move |complaint| format!("run {}: {complaint}", index + 1))
    });
    before
        .map(|complaint| format!("before the runs: {complaint}"))
        .chain(during)
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<22}{:>10}{:>10}{:>11}{:>8}",
            "figure", "baseline", "measured", "worse by", "gate"
        )?;
        for row in &self.rows {
            let measured = row
                .measured
                .map_or("-".into(), |value| format!("{value:.3}"));
            let worse = row
                .worse_pct
                .map_or("-".into(), |worse| format!("{worse:+.1} %"));
            writeln!(
                f,
                "{:<22}{:>10.3}{measured:>10}{worse:>11}{:>6} %  {}",
                row.figure.key(),
                row.baseline,
                row.gate_pct,
                row.state
            )?;
        }
        for waiver in &self.expired {
            writeln!(f, "expired waiver: {waiver}")?;
        }
        for complaint in &self.noise {
            writeln!(f, "noise: {complaint}")?;
        }
        let outcome = match self.outcome {
            Outcome::Passed => "passed",
            Outcome::Failed => "failed",
            Outcome::TooNoisy => "no verdict: too noisy",
        };
        writeln!(f, "{outcome}")
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Within => f.write_str("ok"),
            Self::Beyond => f.write_str("WORSE"),
            Self::Waived { reason, expires } => write!(f, "waived until {expires}: {reason}"),
            Self::Unsteady => f.write_str("the runs contradict each other"),
            Self::Missing { reason } => write!(f, "MISSING: {reason}"),
        }
    }
}
