//! What was measured of growth, for people and for programs.

use std::fmt::Write;

use serde::Serialize;

use super::idle::Idle;
use crate::rounds::{Middle, Standing};

/// All parts of a run; empty what was not asked for.
#[derive(Debug, Serialize)]
pub struct GrowthReport {
    pub rounds: usize,
    pub seconds: f64,
    /// Over TLS, by connections with one request at a time.
    pub connections: Vec<Sized>,
    /// Over QUIC, by requests at a time on one connection, each on a stream of its own.
    pub streams: Vec<Sized>,
    /// Over TLS, by connections that do nothing.
    pub idle: Vec<Idle>,
}

/// What contenders have reached with so many connections or streams.
#[derive(Debug, Serialize)]
pub struct Sized {
    pub size: usize,
    pub standings: Vec<Standing>,
}

impl GrowthReport {
    pub fn connections_table(&self) -> String {
        let title = "connections over TLS, one request at a time on each";
        table(title, "connections", "x loop", &self.connections)
    }

    pub fn streams_table(&self) -> String {
        let title = "requests at a time on one connection over QUIC, each on a stream of its own";
        table(title, "streams", "x bare", &self.streams)
    }

    pub fn idle_table(&self) -> String {
        let mut text = "\nidle connections over TLS, each after one request\n".to_owned();
        let sizes = self.idle.first().map_or(&[][..], |idle| &idle.sizes);
        // Writing to a string does not fail, here and below.
        let _ = write!(text, "{:16}", "RSS MiB with");
        for size in sizes {
            let _ = write!(text, " {:>8}", size.connections);
        }
        let _ = writeln!(
            text,
            " {:>12} {:>10} {:>6} {:>12}",
            "bytes each", "base MiB", "R2", "farthest KiB"
        );
        for idle in &self.idle {
            let _ = write!(text, "{:16}", idle.contender);
            for size in &idle.sizes {
                let _ = write!(text, " {:>8.1}", size.rss_bytes as f64 / 1_048_576.0);
            }
            let Some(line) = idle.bytes else {
                let _ = writeln!(text, " {:>12}", "-");
                continue;
            };
            // Two points are always on a line.
            let straight = match idle.sizes.len() {
                ..=2 => "-".to_owned(),
                _ => format!("{:.4}", line.r_squared),
            };
            let _ = writeln!(
                text,
                " {:>12.0} {:>10.1} {straight:>6} {:>12.0}",
                line.each,
                line.base / 1_048_576.0,
                line.farthest / 1_024.0
            );
        }
        text
    }
}

/// A row for each contender and size. Cost is also told as a multiple of the same contender's at the
/// smallest size, and of the baseline's at the same.
fn table(title: &str, sizes: &str, base: &str, rows: &[Sized]) -> String {
    let mut text = format!("\n{title}\n");
    let _ = writeln!(
        text,
        "{:16} {sizes:>11} {:>11} {:>8} {:>8} {:>8} {:>9} {:>9} {:>9} {:>8}",
        "", "requests/s", "CPU us", "x first", base, "server us", "p50 us", "p99 us", "RSS MiB"
    );
    let contenders = rows.first().map_or(0, |row| row.standings.len());
    for at in 0..contenders {
        let first = rows[0].standings[at].cpu_us.median;
        for row in rows {
            let standing = &row.standings[at];
            let _ = writeln!(
                text,
                "{:16} {:>11} {:>11.0} {:>8.2} {:>8.2} {:>8.2} {:>9.2} {:>9} {:>9} {:>8.1}",
                standing.contender,
                row.size,
                standing.rate.median,
                standing.cpu_us.median,
                standing.cpu_us.median / first,
                standing.cpu_ratio.median,
                standing.server_cpu_us.median,
                whole(standing.p50_us),
                whole(standing.p99_us),
                standing.rss_mib.median,
            );
        }
    }
    text
}

fn whole(middle: Option<Middle>) -> String {
    middle.map_or_else(|| "-".to_owned(), |middle| format!("{:.0}", middle.median))
}
