//! What requests carry.

use bytes::Bytes;

/// How many different payloads there are, unless they are too short to differ.
const VARIETY: usize = 4_096;

/// Payloads of one size, cut from one block without a copy. Neighbours differ, so that an answer
/// that belongs to another request is noticed.
#[derive(Clone, Debug)]
pub(super) struct Payloads {
    block: Bytes,
    size: usize,
}

impl Payloads {
    pub(super) fn new(size: usize) -> Self {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let noise = std::iter::repeat_with(|| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        });
        Self {
            block: noise.take(size + VARIETY).collect(),
            size,
        }
    }

    /// The payload of a connection's n-th request.
    pub(super) fn get(&self, connection: u32, n: u64) -> Bytes {
        let offset = (u64::from(connection) * 61 + n) % VARIETY as u64;
        let offset = offset as usize;
        self.block.slice(offset..offset + self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_have_their_size_and_differ() {
        let payloads = Payloads::new(32);
        let all: std::collections::BTreeSet<Bytes> =
            (0..VARIETY as u64).map(|n| payloads.get(3, n)).collect();
        assert_eq!(all.len(), VARIETY);
        assert!(all.iter().all(|payload| payload.len() == 32));
        assert_ne!(payloads.get(0, 0), payloads.get(1, 0));
        assert!(Payloads::new(0).get(9, 9).is_empty());
    }
}
