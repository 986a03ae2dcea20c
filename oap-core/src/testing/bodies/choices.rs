//! Decisions out of arbitrary bytes.

/// Takes choices off the front of arbitrary bytes; zeros once these are used up.
pub(super) struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    pub(super) const fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes that are left.
    pub(super) const fn rest(self) -> &'a [u8] {
        self.0
    }

    pub(super) fn byte(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    pub(super) fn word(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }

    pub(super) fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }

    pub(super) fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }

    /// The next bytes, at most `most` of them.
    pub(super) fn slice(&mut self, most: usize) -> &'a [u8] {
        let (slice, rest) = self.0.split_at(most.min(self.0.len()));
        self.0 = rest;
        slice
    }

    /// A number below `end`, which is at most 256.
    pub(super) fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end
    }

    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let slice = self.slice(N);
        let mut array = [0; N];
        array[..slice.len()].copy_from_slice(slice);
        array
    }
}
