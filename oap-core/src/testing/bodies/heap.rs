//! What a peer's bytes may make this side hold.

use crate::Config;

/// Reads a counting allocator, where the program has one.
#[derive(Clone, Copy, Debug)]
pub struct Heap {
    /// Bytes that this thread holds.
    pub live: fn() -> usize,
    /// The most that it has held since the last call.
    pub take_peak: fn() -> usize,
}

impl Heap {
    /// Nothing is counted, so no bound is ever passed.
    pub const UNMEASURED: Self = Self {
        live: || 0,
        take_peak: || 0,
    };
}

/// Bytes of heap for each byte of a peer's.
const PER_BYTE: usize = 2;
/// Bytes of heap that a connection may hold besides.
const BASE: usize = 16 * 1024;
/// What one exchange may take that waits for its verdict, where a verifier is set.
const PER_PARKED: usize = 160;

/// What the core holds of the heap, against what it may hold.
///
/// Only what happens inside [`Ledger::measure`] counts: so the heap of the body itself does not.
pub(super) struct Ledger {
    heap: Heap,
    held: isize,
    allowed: usize,
}

impl Ledger {
    /// The bound of one connection so configured.
    pub(super) fn of_connection(config: &Config, heap: Heap) -> Self {
        let parked = if config.authorize {
            PER_PARKED * usize::from(config.limits.max_inflight())
        } else {
            0
        };
        Self::with_base(heap, BASE + parked)
    }

    /// The bound of what reads one body.
    pub(super) const fn of_body(heap: Heap) -> Self {
        Self::with_base(heap, BASE)
    }

    /// The bound of what keeps nothing: `base` bytes while it works.
    pub(super) const fn with_base(heap: Heap, base: usize) -> Self {
        Self {
            heap,
            held: 0,
            allowed: base,
        }
    }

    /// So many bytes came from the peer.
    pub(super) fn allow(&mut self, bytes: usize) {
        self.allowed += PER_BYTE * bytes;
    }

    /// Does something on behalf of the core.
    ///
    /// # Panics
    /// If at any moment of it more is held than may be.
    pub(super) fn measure<T>(&mut self, act: impl FnOnce() -> T) -> T {
        self.measure_beside(0, act)
    }

    /// The same, where the one who asks for it takes up to `own` bytes for itself meanwhile.
    ///
    /// # Panics
    /// If at any moment of it more is held than may be.
    pub(super) fn measure_beside<T>(&mut self, own: usize, act: impl FnOnce() -> T) -> T {
        let before = (self.heap.live)();
        (self.heap.take_peak)();
        let result = act();
        let most = (self.heap.take_peak)().wrapping_sub(before) as isize + self.held;
        self.held += (self.heap.live)().wrapping_sub(before) as isize;
        let allowed = self.allowed + own;
        assert!(
            most <= allowed as isize,
            "{most} bytes of heap held, {allowed} allowed"
        );
        result
    }
}
