//! What a process has used, as the kernel counts it.

use anyhow::{Context, Result};
use procfs::process::Process;
use serde::{Deserialize, Serialize};

/// CPU time, memory and context switches of a process up to now.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Time that its threads ran, in nanoseconds.
    pub cpu_ns: u64,
    /// Times that its threads waited or were interrupted.
    pub switches: u64,
    /// Resident memory, in KiB.
    pub rss_kib: u64,
}

impl Usage {
    /// Of the process `pid`.
    pub fn of(pid: u32) -> Result<Self> {
        let process = Process::new(i32::try_from(pid)?).context("the server is gone")?;
        let mut usage = Self {
            rss_kib: process.status()?.vmrss.unwrap_or(0),
            ..Self::default()
        };
        for task in process.tasks()?.flatten() {
            let status = task.status()?;
            usage.cpu_ns += task.schedstat()?.sum_exec_runtime;
            usage.switches += status.voluntary_ctxt_switches.unwrap_or(0)
                + status.nonvoluntary_ctxt_switches.unwrap_or(0);
        }
        Ok(usage)
    }

    /// What has come since `earlier`; the memory is today's.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            cpu_ns: self.cpu_ns.saturating_sub(earlier.cpu_ns),
            switches: self.switches.saturating_sub(earlier.switches),
            rss_kib: self.rss_kib,
        }
    }
}
