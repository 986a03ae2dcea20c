//! The bytes that a call sends: known everywhere, and different for every call and direction.

use std::sync::LazyLock;

use oap_core::testing::Rng;

/// After so many bytes a pattern begins anew.
const PERIOD: usize = 524_287;

/// Which way bytes of a call go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Request,
    Answer,
}

/// `len` bytes of a direction of a call, from an offset on. Half of them repeat, so that compressing
/// some bodies pays.
pub(super) fn pattern(
    call: usize,
    direction: Direction,
    offset: usize,
    len: usize,
) -> &'static [u8] {
    static TABLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let mut rng = Rng::new(0);
        let once: Vec<u8> = (0..PERIOD)
            .map(|at| {
                let noise = rng.next_u64() as u8;
                if at / 300 % 2 == 0 { noise } else { b'-' }
            })
            .collect();
        [once.as_slice(), once.as_slice(), once.as_slice()].concat()
    });
    let lane = match direction {
        Direction::Request => 0,
        Direction::Answer => 12_347,
    };
    let start = (offset + call * 31_607 + lane) % PERIOD;
    &TABLE[start..start + len]
}
