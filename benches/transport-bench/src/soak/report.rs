//! What a soak came to, for people and for programs.

use std::fmt;

use serde::Serialize;

use super::{Options, Sample, Trend};

/// Seconds in which a process may still grow: a page or two in them would be gigabytes in a day.
const SETTLED: f64 = 300.0;
/// How much of its start resident memory may grow by in 24 hours, in percent.
const MOST_GROWTH_PCT: f64 = 2.0;
const DAY: f64 = 86_400.0;
const MEBI: f64 = 1_048_576.0;

/// The report of a soak.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct SoakReport {
    /// Version of this program.
    pub version: &'static str,
    /// Over what.
    pub backend: &'static str,
    /// On which runtime.
    pub runtime: &'static str,
    /// Seconds that the rounds after the warm-up took.
    pub seconds: f64,
    /// Rounds to warm up, and after that.
    pub rounds: [usize; 2],
    /// Small requests per second; a sixteenth as many large ones go beside them.
    pub small_rps: f64,
    /// Requests answered after the warm-up.
    pub answered: u64,
    /// Requests of all rounds that were due and not answered with what they sent.
    pub unanswered: u64,
    /// CPU time, in percent of all cores: median of the rounds.
    pub cpu_pct: f64,
    /// Bytes allocated at rest, after the first and the last round that count.
    pub live_bytes: [i64; 2],
    /// Allocations, likewise.
    pub live_objects: [i64; 2],
    /// Bytes per million requests.
    pub live_bytes_per_million: Option<Trend>,
    /// Bytes of resident memory at rest, after the first and the last round that count.
    pub rss_bytes: [u64; 2],
    /// Percent of its start in 24 hours, if it goes on like this.
    pub rss_pct_per_day: Option<Trend>,
    /// Descriptors at rest, after the first and the last round that count.
    pub descriptors: [usize; 2],
    /// 99th percentile of small requests: median of the rounds, in microseconds.
    pub small_p99_us: f64,
    /// Its drift, in percent of that per hour.
    pub small_p99_pct_per_hour: Option<Trend>,
    /// 99th percentile of large requests: median of the rounds, in microseconds.
    pub large_p99_us: f64,
    /// Its drift, in percent of that per hour.
    pub large_p99_pct_per_hour: Option<Trend>,
    /// What each gate came to.
    pub gates: [(&'static str, SoakVerdict); 4],
    /// The worst of them.
    pub verdict: SoakVerdict,
}

/// What a gate came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SoakVerdict {
    /// It holds.
    Passed,
    /// The samples do not tell.
    Undecided,
    /// It does not hold.
    Failed,
}

impl SoakVerdict {
    pub(super) const fn status(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::Failed => 1,
            Self::Undecided => 3,
        }
    }

    const fn of(holds: bool) -> Self {
        if holds { Self::Passed } else { Self::Failed }
    }

    /// Passed if all of the interval is at most `limit`, failed if all of it is above.
    fn of_trend(trend: Option<Trend>, limit: f64) -> Self {
        match trend {
            Some(trend) if trend.high <= limit => Self::Passed,
            Some(trend) if trend.low > limit => Self::Failed,
            _ => Self::Undecided,
        }
    }
}

impl SoakReport {
    /// Of samples of which the first `warm_up` do not count; some are left.
    pub(super) fn new(options: &Options, rate: f64, warm_up: usize, samples: &[Sample]) -> Self {
        let counted = &samples[warm_up..];
        let (first, last) = (counted[0], counted[counted.len() - 1]);
        let trend = |x: fn(&Sample) -> f64, y: fn(&Sample) -> f64| {
            let points: Vec<_> = counted
                .iter()
                .map(|sample| (x(sample), y(sample)))
                .collect();
            Trend::of(&points)
        };
        let seconds = |sample: &Sample| sample.at.as_secs_f64();
        let live = trend(
            |sample| sample.answered as f64 / 1e6,
            |sample| sample.heap.bytes as f64,
        );
        let rss = trend(seconds, |sample| sample.resident.bytes as f64);
        let rss = rss.map(|rss| rss.times(DAY * 100.0 / first.resident.bytes as f64));
        let small = |sample: &Sample| sample.loaded.small_p99_us as f64;
        let large = |sample: &Sample| sample.loaded.large_p99_us as f64;
        let (small_p99_us, large_p99_us) = (middle(counted, small), middle(counted, large));
        let drift = |trend: Option<Trend>, of: f64| trend.map(|trend| trend.times(360_000.0 / of));
        let unanswered = samples.iter().map(|sample| sample.loaded.unanswered).sum();
        let descriptors = [first.resident.descriptors, last.resident.descriptors];
        let gates = [
            ("every request answered", SoakVerdict::of(unanswered == 0)),
            (
                "descriptors",
                SoakVerdict::of(descriptors[1] <= descriptors[0]),
            ),
            ("live bytes", SoakVerdict::of_trend(live, 0.0)),
            (
                "resident memory",
                match SoakVerdict::of_trend(rss, MOST_GROWTH_PCT) {
                    SoakVerdict::Failed if seconds(&last) - seconds(&first) < SETTLED => {
                        SoakVerdict::Undecided
                    }
                    verdict => verdict,
                },
            ),
        ];
        Self {
            version: env!("CARGO_PKG_VERSION"),
            backend: options.backend.as_str(),
            runtime: options.runtime.as_str(),
            seconds: last.at.saturating_sub(first.at).as_secs_f64(),
            rounds: [warm_up, counted.len()],
            small_rps: rate.round(),
            answered: last.answered - samples[warm_up - 1].answered,
            unanswered,
            cpu_pct: middle(counted, |sample| sample.loaded.cpu_pct),
            live_bytes: [first.heap.bytes, last.heap.bytes],
            live_objects: [first.heap.objects, last.heap.objects],
            live_bytes_per_million: live,
            rss_bytes: [first.resident.bytes, last.resident.bytes],
            rss_pct_per_day: rss,
            descriptors,
            small_p99_us,
            small_p99_pct_per_hour: drift(trend(seconds, small), small_p99_us),
            large_p99_us,
            large_p99_pct_per_hour: drift(trend(seconds, large), large_p99_us),
            verdict: gates
                .iter()
                .map(|gate| gate.1)
                .max()
                .unwrap_or(SoakVerdict::Undecided),
            gates,
        }
    }
}

/// The median of a figure over the samples, of which there is one at least.
fn middle(samples: &[Sample], of: fn(&Sample) -> f64) -> f64 {
    let mut values: Vec<f64> = samples.iter().map(of).collect();
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

impl fmt::Display for SoakReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [warm_up, counted] = self.rounds;
        writeln!(
            f,
            "soak         {} on {}: {counted} rounds in {:.0} s after {warm_up} to warm up",
            self.backend, self.runtime, self.seconds
        )?;
        writeln!(
            f,
            "load         {:.0} requests of 4 KiB and {:.0} of 64 KiB per second; CPU {:.0} % of all cores",
            self.small_rps,
            self.small_rps / 16.0,
            self.cpu_pct
        )?;
        writeln!(
            f,
            "requests     {} answered, {} not",
            self.answered, self.unanswered
        )?;
        writeln!(
            f,
            "live         {} -> {} bytes, {} -> {} allocations; per million requests {}",
            self.live_bytes[0],
            self.live_bytes[1],
            self.live_objects[0],
            self.live_objects[1],
            Slope(self.live_bytes_per_million, "bytes")
        )?;
        writeln!(
            f,
            "resident     {:.2} -> {:.2} MiB; in 24 hours {}",
            self.rss_bytes[0] as f64 / MEBI,
            self.rss_bytes[1] as f64 / MEBI,
            Slope(self.rss_pct_per_day, "%")
        )?;
        writeln!(
            f,
            "descriptors  {} -> {}",
            self.descriptors[0], self.descriptors[1]
        )?;
        for (name, p99, drift) in [
            ("4 KiB", self.small_p99_us, self.small_p99_pct_per_hour),
            ("64 KiB", self.large_p99_us, self.large_p99_pct_per_hour),
        ] {
            writeln!(
                f,
                "p99 {name:<9}{p99:.0} us; per hour {}",
                Slope(drift, "%")
            )?;
        }
        for (name, verdict) in self.gates {
            writeln!(f, "gate         {name}: {verdict}")?;
        }
        writeln!(f, "verdict      {}", self.verdict)
    }
}

impl fmt::Display for SoakVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passed => "passed",
            Self::Undecided => "undecided: the samples do not tell, a longer run may",
            Self::Failed => "FAILED",
        })
    }
}

struct Slope(Option<Trend>, &'static str);

impl fmt::Display for Slope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("unknown"),
            Some(Trend { slope, low, high }) => {
                write!(f, "{slope:+.2} {} (95 %: {low:+.2} to {high:+.2})", self.1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser;

    use super::super::{Heap, Loaded, Resident};
    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    /// The verdicts on rounds of 10 s after which `adapt` has changed what is left.
    fn verdicts(adapt: fn(u64, &mut Sample)) -> [SoakVerdict; 4] {
        let samples: Vec<Sample> = (0..60)
            .map(|round| {
                let mut sample = Sample {
                    at: Duration::from_secs(10 * (round + 1)),
                    heap: Heap {
                        bytes: 1_000_000,
                        objects: 5_000,
                    },
                    resident: Resident {
                        bytes: 50 << 20,
                        descriptors: 30,
                    },
                    loaded: Loaded {
                        answered: 100_000,
                        unanswered: 0,
                        cpu_pct: 65.0,
                        small_p99_us: 900,
                        large_p99_us: 1_900,
                    },
                    answered: 100_000 * (round + 1),
                };
                adapt(round, &mut sample);
                sample
            })
            .collect();
        let options = Line::parse_from(["soak", "--hours", "1"]).options;
        let report = SoakReport::new(&options, 10_000.0, 6, &samples);
        assert_eq!(
            Some(report.verdict),
            report.gates.iter().map(|gate| gate.1).max()
        );
        report.gates.map(|gate| gate.1)
    }

    #[test]
    fn what_grows_fails_its_gate_and_no_other() {
        use SoakVerdict::{Failed, Passed};
        assert_eq!(verdicts(|_, _| ()), [Passed; 4]);
        let lost = verdicts(|round, sample| sample.loaded.unanswered = u64::from(round == 3));
        assert_eq!(lost, [Failed, Passed, Passed, Passed]);
        let kept = verdicts(|round, sample| sample.resident.descriptors += round as usize / 30);
        assert_eq!(kept, [Passed, Failed, Passed, Passed]);
        // A byte for each thousand requests.
        let leaked = verdicts(|round, sample| sample.heap.bytes += 100 * round as i64);
        assert_eq!(leaked, [Passed, Passed, Failed, Passed]);
        // 32 KiB in every fourth round: 67 MiB in a day.
        let swollen = verdicts(|round, sample| sample.resident.bytes += round / 4 * 4_096 * 8);
        assert_eq!(swollen, [Passed, Passed, Passed, Failed]);
    }

    #[test]
    fn minutes_are_too_few_to_find_resident_memory_grown() {
        let brief = verdicts(|round, sample| {
            sample.at = Duration::from_secs(round + 1);
            sample.resident.bytes += round / 4 * 4_096 * 8;
        });
        assert_eq!(brief[3], SoakVerdict::Undecided);
    }

    #[test]
    fn what_only_moves_up_and_down_stays_undecided() {
        let moving = verdicts(|round, sample| {
            sample.resident.bytes += (round * 7_919 % 13) * 65_536;
            sample.heap.bytes += (round as i64 * 7_919 % 13) * 64;
        });
        let decided = [SoakVerdict::Passed; 2];
        assert_eq!(moving[..2], decided);
        assert_eq!(moving[2..], [SoakVerdict::Undecided; 2]);
    }

    #[test]
    fn a_gate_is_decided_where_all_of_the_interval_is_on_one_side() {
        let of = |low, high| {
            let slope = f64::midpoint(low, high);
            SoakVerdict::of_trend(Some(Trend { slope, low, high }), 2.0)
        };
        assert_eq!(of(-1.0, 1.9), SoakVerdict::Passed);
        assert_eq!(of(-100.0, 150.0), SoakVerdict::Undecided);
        assert_eq!(of(2.1, 3.0), SoakVerdict::Failed);
        assert_eq!(SoakVerdict::of_trend(None, 2.0), SoakVerdict::Undecided);
        assert!(SoakVerdict::Failed > SoakVerdict::Undecided);
    }
}
