//! What is measured: one small type for each benchmark, whose [`Op::step`] is one operation.
//!
//! A figure is (instructions of the many iterations - those of the few) / the iterations between
//! them. Setup, the first allocations and what ends a run are the same in both and cancel out.

pub mod codec;
pub mod connection;
pub mod payload;
pub mod wire;

/// One benchmark.
pub trait Op {
    /// How many operations the shorter run makes.
    const FEW: u32 = 100;
    /// How many operations the longer run makes.
    const MANY: u32 = 1_100;

    /// Everything that is there before the first operation.
    fn new() -> Self;

    /// One operation.
    fn step(&mut self);
}

/// Makes `count` operations.
#[inline(always)]
pub fn run<O: Op>(op: &mut O, count: u32) {
    for _ in 0..count {
        op.step();
    }
}
