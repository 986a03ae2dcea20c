//! What the troubles came to, for people and for programs.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::{Options, PAYLOAD};
use crate::Report;

/// The report of all troubles.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ChaosReport {
    /// Version of this program.
    pub version: &'static str,
    /// Seconds of each measurement.
    pub part_s: u32,
    /// Honest requests per second.
    pub rps: u32,
    /// Honest connections.
    pub conns: u32,
    /// Payload of honest requests.
    pub payload: u32,
    /// Of the random choices.
    pub seed: u64,
    /// Each kind of trouble.
    pub rows: Vec<ChaosRow>,
    /// Whether every row holds.
    pub holds: bool,
}

/// One kind of trouble.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ChaosRow {
    /// Its name.
    pub name: &'static str,
    /// In one line.
    pub what: &'static str,
    /// What it did and met.
    pub trouble: BTreeMap<&'static str, u64>,
    /// What honest clients saw without it.
    pub alone: Seen,
    /// What honest clients saw beside it.
    pub beside: Seen,
    /// Bytes by which the server's memory grew at most.
    pub memory_growth_bytes: u64,
    /// Bytes by which it may grow.
    pub memory_bound_bytes: u64,
    /// Connections that the server still had half a minute later.
    pub connections_left: usize,
    /// Whether nobody honest was harmed, and the server not either.
    pub holds: bool,
}

/// What honest clients saw.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Seen {
    /// Requests that were due.
    pub intended: u64,
    /// Answered with what they sent.
    pub answered: u64,
    /// Failed with a reason.
    pub failed: u64,
    /// How many, by reason.
    pub reasons: BTreeMap<&'static str, u64>,
    /// Answered with something else.
    pub mismatched: u64,
    /// Neither answered nor failed in time.
    pub unfinished: u64,
    /// Never sent.
    pub dropped: u64,
    /// Connections that ended.
    pub connections_lost: u64,
    /// From the intended start to the answer, in microseconds: median.
    pub p50_us: u64,
    /// 99th percentile.
    pub p99_us: u64,
    /// Longest.
    pub max_us: u64,
}

impl Seen {
    pub(super) fn of(report: &Report) -> Self {
        let requests = &report.requests;
        let time = |of: fn(&crate::Spread) -> u64| report.latency_us.as_ref().map_or(0, of);
        Self {
            intended: requests.intended,
            answered: requests.answered,
            failed: requests.failed,
            reasons: report.errors.clone(),
            mismatched: requests.mismatched,
            unfinished: requests.unfinished,
            dropped: requests.dropped,
            connections_lost: requests.connections_lost,
            p50_us: time(|latency| latency.p50),
            p99_us: time(|latency| latency.p99),
            max_us: time(|latency| latency.max),
        }
    }
}

impl ChaosReport {
    pub(super) fn new(options: &Options, rows: Vec<ChaosRow>) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            part_s: options.part,
            rps: options.rps,
            conns: options.conns,
            payload: PAYLOAD,
            seed: options.seed,
            holds: rows.iter().all(|row| row.holds),
            rows,
        }
    }
}

impl fmt::Display for ChaosReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "honest: {} requests of {} bytes per second on {} connections, {} s alone and {} s beside each trouble; seed {}",
            self.rps, self.payload, self.conns, self.part_s, self.part_s, self.seed
        )?;
        writeln!(
            f,
            "{:<16}{:>16}{:>10}{:>10}{:>10}{:>10}{:>10}",
            "trouble", "answered", "p50 us", "p99 us", "p99 alone", "memory", "left"
        )?;
        for row in &self.rows {
            let beside = &row.beside;
            writeln!(
                f,
                "{:<16}{:>16}{:>10}{:>10}{:>10}{:>6} KiB{:>10}  {}",
                row.name,
                format!("{} of {}", beside.answered, beside.intended),
                beside.p50_us,
                beside.p99_us,
                row.alone.p99_us,
                row.memory_growth_bytes / 1_024,
                row.connections_left,
                if row.holds { "holds" } else { "DOES NOT HOLD" }
            )?;
        }
        for row in &self.rows {
            write!(f, "{}: {};", row.name, row.what)?;
            for (name, number) in &row.trouble {
                write!(f, " {} {number}", name.replace('_', " "))?;
            }
            for (reason, count) in &row.beside.reasons {
                write!(f, "; honest: {reason} {count}")?;
            }
            writeln!(f)?;
        }
        writeln!(
            f,
            "{}",
            if self.holds {
                "every row holds"
            } else {
                "FAILED"
            }
        )
    }
}
