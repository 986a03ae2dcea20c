//! Counts instructions with callgrind: `IAI_CALLGRIND_SAVE_SUMMARY=json cargo bench -p oap-micro`.
//! The gate (`cargo run -p oap-micro --bin gate`) turns the summaries into figures per operation.
#![allow(missing_docs, reason = "the macros of iai-callgrind make public items")]

use iai_callgrind::{
    Callgrind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main,
};
use oap_micro::codec::{BytesClone, Copy, Decode, Encode, HeaderParse, Queue};
use oap_micro::connection::{Bytewise, SendChunk, ServerExchange, WindowedFrame};
use oap_micro::payload::{Bomb, Deflate, HelloParse, InflateMib, OneShot};
use oap_micro::{K16, Op, WHOLE, for_each_op, run};

fn ready<O: Op>(count: u32) -> (O, u32) {
    (O::new(), count)
}

macro_rules! benches {
    ($($id:ident: $op:ty;)*) => {
        $(
            #[library_benchmark(setup = ready::<$op>)]
            #[bench::few(<$op as Op>::FEW)]
            #[bench::many(<$op as Op>::MANY)]
            fn $id((mut op, count): ($op, u32)) -> $op {
                run(&mut op, count);
                op
            }
        )*
        library_benchmark_group!(name = per_operation; benchmarks = $($id),*);
    };
}

for_each_op!(benches);

/// Callgrind counts a string instruction once for each byte, and glibc copies with one or with vectors
/// as the processor's model says. Pinned to vectors, a copy takes the same count on every machine
/// with AVX2.
const COPIES: &str = "glibc.cpu.hwcaps=-ERMS,-FSRM:glibc.cpu.x86_non_temporal_threshold=0x7fffffff";

main!(
    config = LibraryBenchmarkConfig::default()
        .env("GLIBC_TUNABLES", COPIES)
        .tool(Callgrind::with_args(["--cache-sim=no"]));
    library_benchmark_groups = per_operation
);
