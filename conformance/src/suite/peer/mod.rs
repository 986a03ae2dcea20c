//! Servers and crowds of clients in processes of their own: their memory is measured from outside,
//! and each has a process' descriptors to itself.
//!
//! They are told what to do by lines on their standard input and answer in lines; at the input's end
//! they exit.

mod process;
mod roles;

pub(crate) use process::Process;
pub use process::{Crowd, Manner, ServerProcess, Size};
pub use roles::run;
pub(crate) use roles::{orders, say};

use std::fs;

/// Descriptors that this process, or another as large, may have; the soft limit is raised first.
pub fn descriptors() -> usize {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Where it may not be raised, it stays what it is.
    let _ = setrlimit(Resource::Nofile, limit);
    let current = getrlimit(Resource::Nofile).current;
    current.map_or(usize::MAX, |most| {
        usize::try_from(most).unwrap_or(usize::MAX)
    })
}

/// Bytes of memory that a process has resident.
///
/// # Panics
/// If the process is gone.
pub fn resident_bytes(process: u32) -> usize {
    let path = format!("/proc/{process}/statm");
    let statm = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    let pages: usize = pages.expect("the second number of statm");
    pages * rustix::param::page_size()
}
