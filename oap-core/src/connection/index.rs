//! From `corr_id` to slot: a small open-addressing table.
//!
//! Peers choose the ids, so positions depend on a key that the host may draw at random. Only slots
//! are stored; their ids stand in the slab. Nothing iterates the table.

use alloc::vec::Vec;

/// An unused place; there are at most 65,535 slots, so their numbers end below it.
const EMPTY: u16 = u16::MAX;
const FIRST_CAPACITY: usize = 4;

#[derive(Clone, Debug)]
#[cfg_attr(feature = "testing", derive(Hash))]
pub(crate) struct Index {
    /// A power of two of places, at most a third of them taken, so that a search seldom meets
    /// another id; or none at all.
    places: Vec<u16>,
    taken: usize,
    key: u64,
}

impl Index {
    pub(crate) const fn new(key: u64) -> Self {
        Self {
            places: Vec::new(),
            taken: 0,
            key,
        }
    }

    /// The slot of `corr`; `corr_of` tells the id of a slot.
    #[inline(always)]
    pub(crate) fn find(&self, corr: u64, corr_of: impl Fn(u32) -> u64) -> Option<u32> {
        let mask = self.places.len().wrapping_sub(1);
        let mut at = self.position(corr);
        loop {
            let place = *self.places.get(at & mask)?;
            if place == EMPTY {
                return None;
            }
            let slot = u32::from(place);
            if corr_of(slot) == corr {
                return Some(slot);
            }
            at = at.wrapping_add(1);
        }
    }

    /// Adds an id that is not there.
    #[inline(always)]
    pub(crate) fn insert(&mut self, corr: u64, slot: u32, corr_of: impl Fn(u32) -> u64) {
        if self.taken * 3 >= self.places.len() {
            self.grow(&corr_of);
        }
        self.taken += 1;
        self.place(corr, slot);
    }

    /// Removes an id, if it stands there with this slot. What was pushed behind it moves up, so that
    /// no searches pass over gaps.
    #[inline(always)]
    pub(crate) fn remove(&mut self, corr: u64, slot: u32, corr_of: impl Fn(u32) -> u64) {
        let mask = self.places.len().wrapping_sub(1);
        let mut gap = self.position(corr) & mask;
        loop {
            match self.places.get(gap) {
                Some(&found) if u32::from(found) == slot => break,
                Some(&found) if found != EMPTY => gap = (gap + 1) & mask,
                _ => return,
            }
        }
        self.taken -= 1;
        let mut at = gap;
        loop {
            at = (at + 1) & mask;
            let next = match self.places.get(at) {
                Some(&next) if next != EMPTY => next,
                _ => break,
            };
            let home = self.position(corr_of(u32::from(next))) & mask;
            // It may move if its home does not lie between the gap and where it stands.
            if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(gap) & mask) {
                self.set(gap, next);
                gap = at;
            }
        }
        self.set(gap, EMPTY);
    }

    /// Gives the memory of an empty table back.
    pub(crate) fn trim(&mut self) {
        if self.taken == 0 {
            self.places = Vec::new();
        }
    }

    #[cold]
    fn grow(&mut self, corr_of: &impl Fn(u32) -> u64) {
        let capacity = (self.places.len() * 2).max(FIRST_CAPACITY);
        let old = core::mem::replace(&mut self.places, alloc::vec![EMPTY; capacity]);
        for slot in old
            .into_iter()
            .filter(|&place| place != EMPTY)
            .map(u32::from)
        {
            self.place(corr_of(slot), slot);
        }
    }

    #[inline]
    fn place(&mut self, corr: u64, slot: u32) {
        debug_assert!(slot < u32::from(EMPTY));
        let mask = self.places.len().wrapping_sub(1);
        let mut at = self.position(corr);
        while let Some(place) = self.places.get_mut(at & mask) {
            if *place == EMPTY {
                *place = slot as u16;
                break;
            }
            at += 1;
        }
    }

    #[inline]
    fn set(&mut self, at: usize, value: u16) {
        if let Some(place) = self.places.get_mut(at) {
            *place = value;
        }
    }

    /// Where the search for an id begins: a folded multiplication, spread over all bits.
    #[inline]
    fn position(&self, corr: u64) -> usize {
        let product = u128::from(corr ^ self.key) * 0x9e37_79b9_7f4a_7c15;
        ((product as u64) ^ ((product >> 64) as u64)) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;

    /// Random inserts and removals against a map; ids collide often.
    #[test]
    fn it_agrees_with_a_map() {
        let mut state = 0x5eed_u64;
        let mut random = move |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) % below
        };
        for key in 0..8 {
            let (mut index, mut model) = (Index::new(key), BTreeMap::new());
            let mut corrs = alloc::vec![0_u64; 300];
            let mut free: Vec<u32> = (0..300).collect();
            for _ in 0..20_000 {
                let corr = random(400);
                let known = model.get(&corr).copied();
                assert_eq!(index.find(corr, |slot| corrs[slot as usize]), known);
                match (known, free.is_empty() || random(2) == 0) {
                    (Some(slot), true) => {
                        index.remove(corr, slot, |slot| corrs[slot as usize]);
                        model.remove(&corr);
                        free.push(slot);
                    }
                    (None, false) => {
                        let slot = free.swap_remove(random(free.len() as u64) as usize);
                        corrs[slot as usize] = corr;
                        index.insert(corr, slot, |slot| corrs[slot as usize]);
                        model.insert(corr, slot);
                    }
                    _ => {}
                }
            }
            for (corr, slot) in model {
                index.remove(corr, slot, |slot| corrs[slot as usize]);
            }
            assert_eq!(index.taken, 0);
            assert!(index.places.iter().all(|&place| place == EMPTY));
        }
    }

    /// With the default key, the search for the largest id begins at the largest number.
    #[test]
    fn the_search_goes_on_past_the_largest_position() {
        let mut index = Index::new(0);
        assert_eq!(index.position(u64::MAX), usize::MAX);
        for corr in 0..100 {
            index.insert(corr, corr as u32, u64::from);
            assert_eq!(index.find(u64::MAX, u64::from), None);
        }
    }

    #[test]
    fn removing_what_is_not_there_changes_nothing() {
        let mut index = Index::new(0);
        index.remove(1, 0, |_| 1);
        index.insert(1, 0, |_| 1);
        index.remove(1, 7, |_| 1);
        assert_eq!(index.find(1, |_| 1), Some(0));
    }
}
