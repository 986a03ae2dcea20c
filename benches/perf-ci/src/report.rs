//! The measured runs, as `measure` writes and `check` reads them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Figure;
use crate::host::Host;
use crate::noise::Noise;

/// Runs of one build on one machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The crate whose figures they are.
    #[serde(rename = "crate")]
    pub krate: String,
    /// When the first run began.
    pub measured: String,
    /// The commit that was built.
    pub commit: String,
    /// Whether files differed from it.
    pub dirty: bool,
    /// Whether the programs were built with optimisation.
    pub optimised: bool,
    /// The machine.
    pub host: Host,
    /// What was asked of the programs.
    pub load: Load,
    /// The machine's noise before the first run.
    pub noise: Noise,
    /// The runs.
    pub runs: Vec<Run>,
}

/// What was asked of the programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    /// Connections with small requests.
    pub small_conns: u32,
    /// Small requests per second, over all connections.
    pub small_rps: u32,
    /// Payload of a small request.
    pub small_bytes: u32,
    /// Connections that stream.
    pub stream_conns: u32,
    /// Payload of one chunk of a stream.
    pub stream_bytes: u32,
    /// Length of each load.
    pub seconds: u32,
}

/// One run of every load.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// What was measured.
    pub figures: BTreeMap<Figure, f64>,
    /// What was not, and why.
    pub missing: BTreeMap<String, String>,
    /// CPU time that the hypervisor gave to others, in percent of all.
    pub steal_pct: f64,
    /// CPU time of other processes, in percent of all.
    pub others_pct: f64,
}

impl Report {
    /// A figure of every run that has it, in the order of the runs.
    pub fn values(&self, figure: Figure) -> Vec<f64> {
        let values = self.runs.iter();
        values
            .filter_map(|run| run.figures.get(&figure).copied())
            .collect()
    }

    /// Why a figure is missing, where a run says so.
    pub fn reason(&self, figure: Figure) -> Option<&str> {
        let mut reasons = self
            .runs
            .iter()
            .filter_map(|run| run.missing.get(figure.key()));
        reasons.next().map(String::as_str)
    }
}

/// The middle value; of an even number the mean of the middle two.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        count if count % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_in_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }
}
