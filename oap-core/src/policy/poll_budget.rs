//! How much one call may do before it lets others run.

/// Frames and bytes that may still be handled before control goes back to the caller.
///
/// The item that uses the budget up is still handled, so progress is made however large it is.
///
/// ```
/// use oap_core::policy::PollBudget;
///
/// let mut budget = PollBudget::new(2, 1_000);
/// assert!(budget.spend(1, 999));
/// assert!(!budget.spend(1, 64));
/// budget.refill();
/// assert!(!budget.is_spent());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PollBudget {
    frames: u32,
    bytes: usize,
    frames_left: u32,
    bytes_left: usize,
}

impl PollBudget {
    /// A full budget of `frames` frames and `bytes` bytes, whichever is used up first.
    pub const fn new(frames: u32, bytes: usize) -> Self {
        Self {
            frames,
            bytes,
            frames_left: frames,
            bytes_left: bytes,
        }
    }

    /// Whether nothing is left.
    pub const fn is_spent(&self) -> bool {
        self.frames_left == 0 || self.bytes_left == 0
    }

    /// Takes what was handled, and says whether anything is left.
    pub fn spend(&mut self, frames: u32, bytes: usize) -> bool {
        self.frames_left = self.frames_left.saturating_sub(frames);
        self.bytes_left = self.bytes_left.saturating_sub(bytes);
        !self.is_spent()
    }

    /// Makes the budget full again.
    pub fn refill(&mut self) {
        self.frames_left = self.frames;
        self.bytes_left = self.bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn either_kind_uses_it_up() {
        let mut budget = PollBudget::new(2, 10);
        assert!(budget.spend(0, 9) && !budget.spend(0, 1));
        budget.refill();
        assert!(budget.spend(1, 0) && !budget.spend(1, 0) && budget.is_spent());
        assert!(PollBudget::new(0, 10).is_spent() && PollBudget::new(10, 0).is_spent());
    }

    proptest! {
        #[test]
        fn it_is_spent_when_the_sums_say_so(
            frames: u32,
            bytes: usize,
            items in prop::collection::vec((any::<u32>(), any::<usize>()), 0..8),
        ) {
            let mut budget = PollBudget::new(frames, bytes);
            let (mut all_frames, mut all_bytes) = (0_u128, 0_u128);
            for (some_frames, some_bytes) in items {
                all_frames += u128::from(some_frames);
                all_bytes += some_bytes as u128;
                let left = all_frames < u128::from(frames) && all_bytes < bytes as u128;
                prop_assert_eq!(budget.spend(some_frames, some_bytes), left);
                prop_assert_eq!(budget.is_spent(), !left);
            }
            budget.refill();
            prop_assert_eq!(budget, PollBudget::new(frames, bytes));
        }
    }
}
