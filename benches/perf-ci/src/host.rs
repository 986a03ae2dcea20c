//! What is told of the machine.

use serde::{Deserialize, Serialize};

use crate::Fault;

/// The facts that decide which baseline figures are compared with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Made of the architecture, the processor, its cores and the memory.
    pub host_class: String,
    /// The kernel's release.
    pub kernel: String,
    /// The processor's name.
    pub cpu: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// Memory, rounded to GiB.
    pub memory_gib: u64,
}

impl Host {
    /// This machine.
    ///
    /// # Errors
    /// A system that does not tell them.
    #[cfg(target_os = "linux")]
    pub fn this() -> Result<Self, Fault> {
        use procfs::Current;
        let failed = |error: procfs::ProcError| Fault::Refused(format!("/proc: {error}"));
        let cpus = procfs::CpuInfo::current().map_err(failed)?;
        let memory = procfs::Meminfo::current().map_err(failed)?.mem_total;
        let path = "/proc/sys/kernel/osrelease";
        let kernel = std::fs::read_to_string(path)
            .map_err(|error| Fault::Refused(format!("{path}: {error}")))?;
        let cpu = cpus.model_name(0).unwrap_or(std::env::consts::ARCH);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let memory_gib = memory.div_ceil(1 << 30);
        Ok(Self {
            host_class: class(std::env::consts::ARCH, cpu, cores, memory_gib),
            kernel: kernel.trim().to_owned(),
            cpu: cpu.to_owned(),
            cores,
            memory_gib,
        })
    }

    /// This machine.
    ///
    /// # Errors
    /// Always: only Linux tells what is asked.
    #[cfg(not(target_os = "linux"))]
    pub fn this() -> Result<Self, Fault> {
        Err(Fault::Refused("this machine: must run Linux".to_owned()))
    }
}

/// `x86_64-amd_epyc-2c-24g`.
fn class(arch: &str, cpu: &str, cores: usize, memory_gib: u64) -> String {
    let words: Vec<String> = cpu
        .split(|char: char| !char.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    format!("{arch}-{}-{cores}c-{memory_gib}g", words.join("_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_tells_the_machine() {
        assert_eq!(
            class("x86_64", "Intel(R) Xeon(R) CPU @ 2.20GHz", 8, 16),
            "x86_64-intel_r_xeon_r_cpu_2_20ghz-8c-16g"
        );
    }
}
