//! Long and hostile runs. Its allocator counts, so that a soak can tell what stays behind.

use std::alloc::System;
use std::process::ExitCode;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use transport_bench::{Heap, bench_main};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> ExitCode {
    bench_main(|| {
        let stats = ALLOCATOR.stats();
        Heap {
            bytes: stats.bytes_allocated.wrapping_sub(stats.bytes_deallocated) as i64,
            objects: stats.allocations.wrapping_sub(stats.deallocations) as i64,
        }
    })
}
