//! What this process holds of the system.

use crate::Failure;

/// Memory and descriptors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resident {
    /// Bytes of memory that are resident.
    pub(super) bytes: u64,
    /// Descriptors that are open.
    pub(super) descriptors: usize,
}

impl Resident {
    /// What is held now.
    ///
    /// # Errors
    /// A system that does not tell.
    #[cfg(target_os = "linux")]
    pub(super) fn now() -> Result<Self, Failure> {
        let failed = |error| Failure::run(format!("/proc: {error}"));
        let own = procfs::process::Process::myself().map_err(failed)?;
        let pages = own.statm().map_err(failed)?.resident;
        Ok(Self {
            bytes: pages * procfs::page_size(),
            descriptors: own.fd_count().map_err(failed)?,
        })
    }

    /// What is held now.
    ///
    /// # Errors
    /// Always: only Linux tells.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn now() -> Result<Self, Failure> {
        Err(Failure::run("a soak must run on Linux"))
    }
}
