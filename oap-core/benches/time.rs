//! Time per operation. Machines differ and drift: compare figures of one run with each other, and
//! see `benches/micro` for the instruction counts of the same operations, which are exact.

#[macro_use]
#[allow(dead_code, unreachable_pub, reason = "a library has it, too")]
mod ops;

use std::time::Duration;

use criterion::Criterion;

use ops::codec::{BytesClone, Copy, Decode, Encode, HeaderParse, Queue};
use ops::connection::{Bytewise, SendChunk, ServerExchange, WindowedFrame};
use ops::payload::{Bomb, Deflate, HelloParse, InflateMib, OneShot};
use ops::{K16, Op, WHOLE};

macro_rules! benches {
    ($($id:ident: $op:ty;)*) => {
        fn all(criterion: &mut Criterion) {
            $(
                criterion.bench_function(stringify!($id), |bencher| {
                    let mut op = <$op>::new();
                    bencher.iter(|| op.step());
                });
            )*
        }
    };
}

for_each_op!(benches);

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(20)
        .configure_from_args();
    all(&mut criterion);
    criterion.final_summary();
}
