//! Which lanes a client's exchanges get, where there are several (OAP-11-8).

use std::vec::Vec;

use crate::Lane;

/// Lanes that requests of one frame share, the first among them: a lost packet then stalls a quarter
/// of them.
const SHARED: u16 = 4;
/// Lanes at most; beyond it streaming exchanges share, too. A peer that allows fewer streams makes
/// the last ones wait.
const MOST: u16 = 512;

/// The lanes of one connection.
#[derive(Default)]
pub(super) struct LanePool {
    turn: u16,
    /// Shared lanes that nothing comes back on.
    lost: [bool; SHARED as usize],
    /// Whether lane `SHARED + n` belongs to an exchange.
    taken: Vec<bool>,
}

impl LanePool {
    /// A lane for a request of one frame.
    pub(super) fn shared(&mut self) -> Lane {
        for _ in 0..SHARED {
            self.turn = (self.turn + 1) % SHARED;
            if !self.lost[usize::from(self.turn)] {
                break;
            }
        }
        Lane(self.turn)
    }

    /// A lane that the exchange has for itself until it is [released](Self::release).
    pub(super) fn own(&mut self) -> Lane {
        let free = self.taken.iter().position(|taken| !taken);
        let at = match free {
            Some(at) => at,
            None if self.taken.len() >= usize::from(MOST - SHARED) => return self.shared(),
            None => {
                self.taken.push(false);
                self.taken.len() - 1
            }
        };
        self.taken[at] = true;
        Lane(SHARED + at as u16)
    }

    /// Whether a lane belongs to one exchange.
    pub(super) const fn is_own(lane: Lane) -> bool {
        lane.0 >= SHARED
    }

    /// The peer sends nothing more on the lane: no request is to share it until it is
    /// [released](Self::release).
    pub(super) fn lose(&mut self, lane: Lane) {
        if let Some(lost) = self.lost.get_mut(usize::from(lane.0)) {
            *lost = true;
        }
    }

    /// The lane has ended in both directions. All but the first may begin anew.
    pub(super) fn release(&mut self, lane: Lane) {
        if Self::is_own(lane) {
            if let Some(taken) = self.taken.get_mut(usize::from(lane.0 - SHARED)) {
                *taken = false;
            }
        } else if lane != Lane::FIRST {
            self.lost[usize::from(lane.0)] = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // OAP-11-8
    #[test]
    fn an_own_lane_is_nobody_elses_until_it_is_released() {
        let mut pool = LanePool::default();
        let (one, two) = (pool.own(), pool.own());
        assert_ne!(one, two);
        assert!(LanePool::is_own(one) && LanePool::is_own(two));
        for _ in 0..10 {
            assert!(!LanePool::is_own(pool.shared()));
        }
        pool.release(one);
        assert_eq!(pool.own(), one);
        let more: Vec<Lane> = (0..600).map(|_| pool.own()).collect();
        assert!(more.iter().all(|lane| *lane != one && lane.0 < MOST));
    }

    #[test]
    fn a_lost_lane_is_not_shared_until_it_is_released_and_the_first_never_again() {
        let mut pool = LanePool::default();
        for lane in [0, 2].map(Lane) {
            pool.lose(lane);
        }
        let lanes: Vec<u16> = (0..4).map(|_| pool.shared().0).collect();
        assert_eq!(lanes, [1, 3, 1, 3]);
        for lane in [0, 2].map(Lane) {
            pool.release(lane);
        }
        let lanes: Vec<u16> = (0..3).map(|_| pool.shared().0).collect();
        assert_eq!(lanes, [1, 2, 3]);
    }
}
