//! What a process uses of the machine while it is measured.

use serde::Serialize;

use crate::Failure;

/// What a process has used during a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Usage {
    /// CPU time of all threads, user and system, in seconds.
    pub cpu_s: f64,
    /// The most memory that it has had resident since it started, in bytes.
    pub peak_resident_bytes: u64,
    /// How often a thread has given its processor up, to wait.
    pub voluntary_switches: u64,
    /// How often a thread was taken off its processor.
    pub involuntary_switches: u64,
}

impl Usage {
    /// This process, since it started; `None` where the system does not tell.
    #[cfg(unix)]
    pub(crate) fn own() -> Option<Self> {
        use nix::sys::resource::{UsageWho, getrusage};
        use nix::sys::time::TimeVal;

        let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
        let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
        let count = |number| u64::try_from(number).unwrap_or_default();
        Some(Self {
            cpu_s: seconds(usage.user_time()) + seconds(usage.system_time()),
            // In KiB on Linux and the BSDs.
            peak_resident_bytes: count(usage.max_rss()) * 1_024,
            voluntary_switches: count(usage.voluntary_context_switches()),
            involuntary_switches: count(usage.involuntary_context_switches()),
        })
    }

    /// This process, since it started; `None` where the system does not tell.
    #[cfg(not(unix))]
    pub(crate) fn own() -> Option<Self> {
        None
    }

    /// Another process of this machine, since it started. Switches are those of its present threads.
    ///
    /// # Errors
    /// There is no such process, or the system does not tell.
    #[cfg(target_os = "linux")]
    pub(crate) fn of(process: u32) -> Result<Self, Failure> {
        let failed = |error| Failure::usage(format!("--server-pid {process}: {error}"));
        let process = procfs::process::Process::new(process.cast_signed()).map_err(failed)?;
        let stat = process.stat().map_err(failed)?;
        let status = process.status().map_err(failed)?;
        let mut usage = Self {
            cpu_s: (stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64,
            peak_resident_bytes: status.vmhwm.unwrap_or_default() * 1_024,
            voluntary_switches: 0,
            involuntary_switches: 0,
        };
        // A thread may end meanwhile.
        let threads = process.tasks().map_err(failed)?.flatten();
        for status in threads.filter_map(|thread| thread.status().ok()) {
            usage.voluntary_switches += status.voluntary_ctxt_switches.unwrap_or_default();
            usage.involuntary_switches += status.nonvoluntary_ctxt_switches.unwrap_or_default();
        }
        Ok(usage)
    }

    /// Another process of this machine, since it started.
    ///
    /// # Errors
    /// Always: only Linux tells.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn of(process: u32) -> Result<Self, Failure> {
        Err(Failure::usage(format!(
            "--server-pid {process}: must be on Linux"
        )))
    }

    /// What came between an earlier look and this one.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            cpu_s: (self.cpu_s - earlier.cpu_s).max(0.0),
            peak_resident_bytes: self.peak_resident_bytes,
            voluntary_switches: self
                .voluntary_switches
                .saturating_sub(earlier.voluntary_switches),
            involuntary_switches: self
                .involuntary_switches
                .saturating_sub(earlier.involuntary_switches),
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_asking_agree() {
        let begin = Usage::own().unwrap();
        let mut sum = 0_u64;
        while Usage::own().unwrap().since(begin).cpu_s < 0.05 {
            sum = (0..100_000).fold(sum, |sum, n| std::hint::black_box(sum.wrapping_add(n)));
        }
        let own = Usage::own().unwrap();
        let other = Usage::of(std::process::id()).unwrap();
        // One counts in ticks of 10 ms; other tests run meanwhile.
        assert!(other.cpu_s >= own.cpu_s - 0.05, "{own:?} {other:?}");
        assert!(own.peak_resident_bytes > 1 << 20 && other.peak_resident_bytes > 1 << 20);
    }

    #[test]
    fn a_process_that_is_not_there_is_named() {
        let failure = Usage::of(u32::MAX >> 1).unwrap_err();
        assert!(failure.to_string().contains("--server-pid 2147483647"));
    }
}
