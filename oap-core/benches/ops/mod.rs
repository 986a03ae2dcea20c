//! What is measured: one small type for each benchmark, whose [`Op::step`] is one operation. The
//! instruction counts of `oap-micro` and the times of `cargo bench -p oap-core` are of the same
//! operations, under the same ids.
//!
//! A count is (instructions of the many iterations - those of the few) / the iterations between
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

/// All bytes at a time.
pub const WHOLE: usize = usize::MAX;
/// The largest payload of a codec's benchmark.
pub const K16: usize = 16 * 1024;

/// Hands every benchmark to a macro, as `id: Type;`.
#[macro_export]
macro_rules! for_each_op {
    ($each:ident) => {
        $each! {
            oap_header_parse: HeaderParse;
            oap_frame_decode_64: Decode<64, WHOLE>;
            copy_64: Copy<64, WHOLE>;
            oap_frame_decode_4k: Decode<4_096, WHOLE>;
            copy_4k: Copy<4_096, WHOLE>;
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
            inflate_one_shot_1mib: OneShot<1>;
            inflate_one_shot_64mib: OneShot<64>;
            oap_bomb_refused_64mib: Bomb<8>;
            oap_bomb_refused_64mib_at_4: Bomb<4>;
            oap_deflate_16k: Deflate;
        }
    };
}
