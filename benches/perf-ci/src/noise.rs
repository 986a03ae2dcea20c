//! How quiet the machine is: equal pieces of work that should take equal times, and whose CPU time
//! is spent meanwhile.

use std::fmt;
use std::hint::black_box;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::Fault;

/// Pieces of work that are timed.
const PIECES: usize = 200;
/// Steps of one piece: some five milliseconds with optimisation.
const STEPS: u64 = 4_000_000;
/// What a machine that measures may have at most, each in percent.
const MOST_SPREAD: f64 = 5.0;
const MOST_STEAL: f64 = 1.0;
const MOST_OTHERS: f64 = 5.0;

/// What disturbs a measurement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Noise {
    /// By how many percent the slowest tenth of the pieces exceeds the median.
    pub spread_pct: f64,
    /// CPU time that the hypervisor gave to others, in percent of all.
    pub steal_pct: f64,
    /// CPU time of other processes, in percent of all.
    pub others_pct: f64,
    /// Load average of the last minute.
    pub load_1m: f64,
}

impl Noise {
    /// Works for about a second and looks at what that took.
    ///
    /// # Errors
    /// A system that does not tell what its processors do.
    pub fn measure() -> Result<Self, Fault> {
        let before = Processors::now()?;
        let own_before = cpu_time_of(std::process::id())?;
        let spread_pct = spread_pct((0..PIECES).map(|_| piece()).collect());
        let own = cpu_time_of(std::process::id())?.saturating_sub(own_before);
        let shares = Processors::now()?.since(before, own);
        Ok(Self {
            spread_pct: tenths(spread_pct),
            steal_pct: shares.steal_pct,
            others_pct: shares.others_pct,
            load_1m: tenths(load_1m()?),
        })
    }

    /// What is above the limits, each with its limit.
    pub fn complaints(&self) -> Vec<String> {
        let spread = (self.spread_pct > MOST_SPREAD).then(|| {
            let spread = self.spread_pct;
            format!("equal work takes {spread:.1} % longer at times, more than {MOST_SPREAD} %")
        });
        let shares = complaints(self.steal_pct, self.others_pct);
        spread.into_iter().chain(shares).collect()
    }
}

impl fmt::Display for Noise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "equal work {:.1} % longer at times, {:.1} % stolen, {:.1} % for other processes, load {:.1}",
            self.spread_pct, self.steal_pct, self.others_pct, self.load_1m
        )
    }
}

/// What is above the limits of the shares that others had.
pub fn complaints(steal_pct: f64, others_pct: f64) -> impl Iterator<Item = String> {
    let steal = (steal_pct > MOST_STEAL)
        .then(|| format!("{steal_pct:.1} % of the CPU time is stolen, more than {MOST_STEAL} %"));
    let others = (others_pct > MOST_OTHERS).then(|| {
        format!(
            "{others_pct:.1} % of the CPU time is for other processes, more than {MOST_OTHERS} %"
        )
    });
    steal.into_iter().chain(others)
}

/// What all processors have done so far, in seconds of CPU time.
#[derive(Clone, Copy, Debug)]
pub struct Processors {
    all: f64,
    busy: f64,
    steal: f64,
}

/// What others had of the CPU time, in percent of all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shares {
    /// Given to other virtual machines.
    pub steal_pct: f64,
    /// Used by other processes.
    pub others_pct: f64,
}

impl Processors {
    /// Until now.
    ///
    /// # Errors
    /// A system that does not tell.
    #[cfg(target_os = "linux")]
    pub fn now() -> Result<Self, Fault> {
        use procfs::CurrentSI;
        let total = procfs::KernelStats::current().map_err(unreadable)?.total;
        let ticks = |ticks: Option<u64>| ticks.unwrap_or(0) as f64;
        // Interrupts are the work of the loopback interface, and of no process.
        let busy = (total.user + total.nice + total.system) as f64;
        let rest =
            total.idle as f64 + ticks(total.iowait) + ticks(total.irq) + ticks(total.softirq);
        let steal = ticks(total.steal);
        let per_second = procfs::ticks_per_second() as f64;
        Ok(Self {
            all: (busy + steal + rest) / per_second,
            busy: busy / per_second,
            steal: steal / per_second,
        })
    }

    /// Until now.
    ///
    /// # Errors
    /// Always: only Linux tells.
    #[cfg(not(target_os = "linux"))]
    pub fn now() -> Result<Self, Fault> {
        Err(Fault::Refused("processors: must run Linux".to_owned()))
    }

    /// What others had since `before`, where `own` is the CPU time that was meant to be spent.
    pub fn since(self, before: Self, own: Duration) -> Shares {
        let all = (self.all - before.all).max(f64::MIN_POSITIVE);
        let share = |part: f64| tenths((part / all * 100.0).clamp(0.0, 100.0));
        Shares {
            steal_pct: share(self.steal - before.steal),
            others_pct: share(self.busy - before.busy - own.as_secs_f64()),
        }
    }
}

/// CPU time of a process and of its children that have been waited for.
///
/// # Errors
/// A process that is gone; a system that does not tell.
#[cfg(target_os = "linux")]
pub fn cpu_time_of(process: u32) -> Result<Duration, Fault> {
    let stat = process_of(process)?.stat().map_err(unreadable)?;
    let children = stat.cutime.saturating_add(stat.cstime).max(0) as u64;
    let ticks = stat.utime + stat.stime + children;
    let seconds = ticks as f64 / procfs::ticks_per_second() as f64;
    Ok(Duration::from_secs_f64(seconds))
}

/// The most memory that a process has had resident, in bytes.
///
/// # Errors
/// A process that is gone; a system that does not tell.
#[cfg(target_os = "linux")]
pub fn peak_memory_of(process: u32) -> Result<u64, Fault> {
    let status = process_of(process)?.status().map_err(unreadable)?;
    let kib = status
        .vmhwm
        .ok_or_else(|| Fault::Refused(format!("/proc/{process}/status: must tell VmHWM")))?;
    Ok(kib * 1024)
}

#[cfg(target_os = "linux")]
fn process_of(process: u32) -> Result<procfs::process::Process, Fault> {
    procfs::process::Process::new(process.cast_signed()).map_err(unreadable)
}

#[cfg(target_os = "linux")]
fn load_1m() -> Result<f64, Fault> {
    use procfs::Current;
    let load = procfs::LoadAverage::current().map_err(unreadable)?;
    Ok(f64::from(load.one))
}

#[cfg(target_os = "linux")]
fn unreadable(error: procfs::ProcError) -> Fault {
    Fault::Refused(format!("/proc: {error}"))
}

/// CPU time of a process.
///
/// # Errors
/// Always: only Linux tells.
#[cfg(not(target_os = "linux"))]
pub fn cpu_time_of(process: u32) -> Result<Duration, Fault> {
    Err(Fault::Refused(format!("process {process}: must run Linux")))
}

/// The most memory that a process has had resident, in bytes.
///
/// # Errors
/// Always: only Linux tells.
#[cfg(not(target_os = "linux"))]
pub fn peak_memory_of(process: u32) -> Result<u64, Fault> {
    Err(Fault::Refused(format!("process {process}: must run Linux")))
}

#[cfg(not(target_os = "linux"))]
fn load_1m() -> Result<f64, Fault> {
    Err(Fault::Refused("load: must run Linux".to_owned()))
}

fn piece() -> Duration {
    let began = Instant::now();
    let mut state = black_box(1_u64);
    for _ in 0..STEPS {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
    }
    black_box(state);
    began.elapsed()
}

fn spread_pct(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    let at = |share: f64| times[(times.len() as f64 * share) as usize].as_secs_f64();
    (at(0.9) / at(0.5) - 1.0) * 100.0
}

fn tenths(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_tenth_makes_the_spread() {
        let mut times = vec![Duration::from_millis(10); 9];
        times.push(Duration::from_millis(15));
        assert_eq!(spread_pct(times).round(), 50.0);
        assert_eq!(spread_pct(vec![Duration::from_millis(10); 10]), 0.0);
    }

    #[test]
    fn what_others_have_is_told_apart_from_what_was_meant() {
        let before = Processors {
            all: 0.0,
            busy: 0.0,
            steal: 0.0,
        };
        let after = Processors {
            all: 20.0,
            busy: 10.0,
            steal: 1.0,
        };
        let shares = after.since(before, Duration::from_secs(8));
        assert_eq!((shares.steal_pct, shares.others_pct), (5.0, 10.0));
        assert_eq!(complaints(5.0, 10.0).count(), 2);
        assert_eq!(complaints(1.0, 5.0).count(), 0);
    }
}
