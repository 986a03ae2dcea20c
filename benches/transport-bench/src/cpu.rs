//! Cores and CPU time.

use std::time::Duration;

/// How many cores this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// CPU time of this process so far, all threads, user and system; `None` where it cannot be told.
#[cfg(unix)]
pub fn process_time() -> Option<Duration> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).ok()
}

/// CPU time of this process so far, all threads, user and system; `None` where it cannot be told.
#[cfg(not(unix))]
pub fn process_time() -> Option<Duration> {
    None
}
