//! The lanes of a connection by number.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use oap_core::Lane;

/// Values by lane. A server's numbers are given here: the lowest that is free.
#[derive(Debug)]
pub(super) struct Table<T> {
    slots: Vec<Option<T>>,
    free: BinaryHeap<Reverse<u16>>,
    /// The lowest number that was never given.
    fresh: u16,
}

impl<T> Table<T> {
    pub(super) fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: BinaryHeap::new(),
            fresh: Lane::FIRST.0 + 1,
        }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, lane: Lane) -> Option<&mut T> {
        self.slots.get_mut(usize::from(lane.0))?.as_mut()
    }

    /// The lowest free number but the first lane's; `None` when all are taken.
    pub(super) fn number(&mut self) -> Option<Lane> {
        if let Some(Reverse(number)) = self.free.pop() {
            return Some(Lane(number));
        }
        let number = self.fresh;
        self.fresh = number.checked_add(1)?;
        Some(Lane(number))
    }

    pub(super) fn insert(&mut self, lane: Lane, value: T) -> &mut T {
        let at = usize::from(lane.0);
        if at >= self.slots.len() {
            self.slots.resize_with(at + 1, || None);
        }
        self.slots[at].insert(value)
    }

    /// Takes a lane out.
    pub(super) fn remove(&mut self, lane: Lane) -> Option<T> {
        self.slots.get_mut(usize::from(lane.0))?.take()
    }

    /// A number that was [given](Self::number) is free again.
    pub(super) fn release(&mut self, lane: Lane) {
        if lane != Lane::FIRST {
            self.free.push(Reverse(lane.0));
        }
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_free_number_is_given_and_never_the_first_lanes() {
        let mut table = Table::new();
        for expected in 1..=3 {
            let lane = table.number().expect("a number");
            assert_eq!(lane, Lane(expected));
            table.insert(lane, expected);
        }
        table.insert(Lane::FIRST, 0);
        for lane in [Lane(3), Lane::FIRST, Lane(1)] {
            assert_eq!(table.remove(lane), Some(lane.0));
            assert_eq!(table.remove(lane), None);
            table.release(lane);
        }
        assert_eq!(table.values().collect::<Vec<_>>(), [&2]);
        assert_eq!(table.number(), Some(Lane(1)));
        assert_eq!(table.number(), Some(Lane(3)));
        assert_eq!(table.number(), Some(Lane(4)));
    }

    #[test]
    fn there_are_no_more_numbers_than_lanes_can_have() {
        let mut table = Table::<()>::new();
        for _ in 1..u16::MAX {
            assert!(table.number().is_some());
        }
        assert_eq!(table.number(), None);
    }
}
