//! What has been measured, for people.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use crate::rounds::{Middle, Standing};
use crate::scenario::Shape;

/// All scenarios of a run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Whom all are compared with.
    pub beside: String,
    pub rounds: usize,
    pub seconds: f64,
    pub scenarios: Vec<Section>,
}

/// One scenario.
#[derive(Debug, Serialize)]
pub struct Section {
    pub name: String,
    pub shape: Shape,
    pub standings: Vec<Standing>,
}

impl Display for Section {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let unit = if self.shape.is_stream() {
            "chunks/s"
        } else {
            "requests/s"
        };
        let beside = self.standings.first().map_or("", |first| first.contender);
        writeln!(f, "\n{}, ratios to {beside}", self.name)?;
        writeln!(
            f,
            "{:20} {unit:>10} {:>22} {:>9} {:>22} {:>9} {:>9} {:>6} {:>8} {:>6}",
            "", "ratio", "CPU us", "ratio", "p50 us", "p99 us", "ratio", "RSS MiB", "ratio"
        )?;
        for standing in &self.standings {
            writeln!(
                f,
                "{:20} {:>10.0} {:>22} {:>9.2} {:>22} {:>9} {:>9} {:>6} {:>8.1} {:>6.2}",
                standing.contender,
                standing.rate.median,
                spread(standing.rate_ratio),
                standing.cpu_us.median,
                spread(standing.cpu_ratio),
                optional(standing.p50_us, 0),
                optional(standing.p99_us, 0),
                optional(standing.p99_ratio, 2),
                standing.rss_mib.median,
                standing.rss_ratio.median,
            )?;
        }
        Ok(())
    }
}

fn spread(middle: Middle) -> String {
    format!(
        "{:.3} ({:.2} to {:.2})",
        middle.median, middle.least, middle.most
    )
}

fn optional(middle: Option<Middle>, digits: usize) -> String {
    middle.map_or_else(
        || "-".to_owned(),
        |middle| format!("{:.digits$}", middle.median),
    )
}
