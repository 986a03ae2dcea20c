//! What is measured, in which unit, and which way is worse.

use serde::{Deserialize, Serialize};

/// A figure by its key in reports and baselines, which ends with its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// 95th percentile of small requests over TLS at the target rate, in milliseconds.
    #[serde(rename = "tls_small_p95_ms")]
    TlsSmallP95,
    /// Their 99th percentile.
    #[serde(rename = "tls_small_p99_ms")]
    TlsSmallP99,
    /// Payload streamed one way over TLS in chunks of 64 KiB, in gigabits per second.
    #[serde(rename = "tls_stream_64k_gbps")]
    TlsStream,
    /// The same over QUIC.
    #[serde(rename = "quic_stream_64k_gbps")]
    QuicStream,
    /// CPU time of the server at the target rate, in percent of all cores.
    #[serde(rename = "cpu_pct_at_target")]
    Cpu,
    /// Memory that a server had resident at most, in GiB.
    #[serde(rename = "mem_gib")]
    Memory,
}

/// Which way a figure becomes worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worse {
    /// Larger is worse.
    Up,
    /// Smaller is worse.
    Down,
}

impl Figure {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::TlsSmallP95,
        Self::TlsSmallP99,
        Self::TlsStream,
        Self::QuicStream,
        Self::Cpu,
        Self::Memory,
    ];

    /// Its key.
    pub const fn key(self) -> &'static str {
        match self {
            Self::TlsSmallP95 => "tls_small_p95_ms",
            Self::TlsSmallP99 => "tls_small_p99_ms",
            Self::TlsStream => "tls_stream_64k_gbps",
            Self::QuicStream => "quic_stream_64k_gbps",
            Self::Cpu => "cpu_pct_at_target",
            Self::Memory => "mem_gib",
        }
    }

    /// The figure of this key.
    pub fn of_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|figure| figure.key() == key)
    }

    /// The gate that holds it.
    pub const fn gate(self) -> &'static str {
        match self {
            Self::TlsSmallP95 => "p95",
            Self::TlsSmallP99 => "p99",
            Self::TlsStream | Self::QuicStream => "throughput",
            Self::Cpu => "cpu",
            Self::Memory => "mem",
        }
    }

    /// Which way it becomes worse.
    pub const fn worse(self) -> Worse {
        match self {
            Self::TlsStream | Self::QuicStream => Worse::Down,
            _ => Worse::Up,
        }
    }

    /// By how many percent `measured` is worse than `baseline`; below zero it is better.
    pub fn worsening_pct(self, baseline: f64, measured: f64) -> f64 {
        let change = (measured - baseline) / baseline * 100.0;
        match self.worse() {
            Worse::Up => change,
            Worse::Down => -change,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_the_files() {
        for figure in Figure::ALL {
            let text = serde_json::to_string(&figure).unwrap();
            assert_eq!(text, format!("{:?}", figure.key()));
            assert_eq!(Figure::of_key(figure.key()), Some(figure));
        }
    }

    #[test]
    fn worse_is_above_zero_either_way() {
        assert_eq!(Figure::Cpu.worsening_pct(50.0, 60.0), 20.0);
        assert_eq!(Figure::TlsStream.worsening_pct(2.0, 1.5), 25.0);
        assert_eq!(Figure::TlsStream.worsening_pct(2.0, 3.0), -50.0);
    }
}
