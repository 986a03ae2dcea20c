//! Counts instructions with callgrind: `IAI_CALLGRIND_SAVE_SUMMARY=json cargo bench -p oap-micro`.
//! The gate (`cargo run -p oap-micro --bin gate`) turns the summaries into figures per operation.
#![allow(missing_docs, reason = "the macros of iai-callgrind make public items")]

use iai_callgrind::{
    Callgrind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main,
};
use oap_micro::codec::{BytesClone, Copy, Decode, Encode, HeaderParse, Queue};
use oap_micro::connection::{Bytewise, SendChunk, ServerExchange, WindowedFrame};
use oap_micro::payload::{HelloParse, InflateMib};
use oap_micro::{Op, run};

const WHOLE: usize = usize::MAX;
const K16: usize = 16 * 1024;

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

benches! {
    oap_header_parse: HeaderParse;
    oap_frame_decode_64: Decode<64, WHOLE>;
    copy_64: Copy<64, WHOLE>;
    oap_frame_decode_16k: Decode<K16, WHOLE>;
    copy_16k: Copy<K16, WHOLE>;
    oap_frame_decode_16k_1500: Decode<K16, 1_500>;
    copy_16k_1500: Copy<K16, 1_500>;
    bytes_clone: BytesClone;
    oap_frame_encode_64: Encode<64>;
    oap_frame_encode_4k: Encode<4_096>;
    oap_frame_encode_16k: Encode<K16>;
    oap_frame_queue_64: Queue<64, 1>;
    oap_frame_queue_16k: Queue<K16, 1>;
    oap_encode_16_coalesced: Queue<64, 16>;
    oap_server_exchange_64: ServerExchange<0>;
    oap_server_exchange_64_open_1: ServerExchange<1>;
    oap_server_exchange_64_open_60000: ServerExchange<60_000>;
    oap_bytewise_1mib: Bytewise;
    write_coalesce_64k_chunks: SendChunk;
    oap_window_frame_4k: WindowedFrame;
    oap_hello_parse: HelloParse;
    bounded_inflate_guard_1mib: InflateMib;
}

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
