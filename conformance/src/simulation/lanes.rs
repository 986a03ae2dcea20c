//! The lanes of a connection: pairs of links with the same weather.

use oap_core::testing::Rng;
use oap_core::{Lane, Role, Timestamp};

use super::link::{Link, Weather};

/// Lanes that a client opens at most, the first one included.
const MOST: usize = 6;

/// Both directions of a lane.
#[derive(Debug)]
pub(super) struct Pair {
    /// By sender.
    links: [Link; 2],
    /// Which sides have forgotten the lane.
    released: [bool; 2],
    /// The client has no call on it any more.
    pub(super) retired: bool,
}

impl Pair {
    /// What `side` writes to.
    pub(super) fn out(&mut self, side: Role) -> &mut Link {
        &mut self.links[side as usize]
    }

    /// What `side` reads from.
    pub(super) fn input(&mut self, side: Role) -> &mut Link {
        &mut self.links[1 - side as usize]
    }

    pub(super) const fn is_released(&self, side: Role) -> bool {
        self.released[side as usize]
    }
}

/// All lanes of one connection.
#[derive(Debug)]
pub(super) struct Lanes {
    pairs: Vec<Option<Pair>>,
    weather: Weather,
    rng: Rng,
    /// Sides that have closed the connection.
    closed: [bool; 2],
    silent_until: [Timestamp; 2],
}

impl Lanes {
    pub(super) fn new(weather: Weather, seed: u64) -> Self {
        Self {
            pairs: Vec::new(),
            weather,
            rng: Rng::new(seed),
            closed: [false; 2],
            silent_until: [Timestamp::ZERO; 2],
        }
    }

    pub(super) fn len(&self) -> usize {
        self.pairs.len()
    }

    /// A lane that `side` has not forgotten.
    pub(super) fn get(&mut self, lane: usize, side: Role) -> Option<&mut Pair> {
        let pair = self.pairs.get_mut(lane)?.as_mut()?;
        (!pair.is_released(side)).then_some(pair)
    }

    /// The number of a lane that nobody uses, apart from the first.
    pub(super) fn free(&self) -> Option<Lane> {
        let free = (1..MOST).find(|&lane| self.pairs.get(lane).is_none_or(Option::is_none))?;
        Some(Lane(free as u16))
    }

    pub(super) fn open(&mut self, lane: Lane, now: Timestamp) {
        let at = usize::from(lane.0);
        if at >= self.pairs.len() {
            self.pairs.resize_with(at + 1, || None);
        }
        let mut links = [(); 2].map(|()| Link::new(self.weather, self.rng.next_u64()));
        for side in [0, 1] {
            links[side].silence(self.silent_until[side]);
            if self.closed[side] {
                links[side].finish(now);
                links[1 - side].drain();
            }
        }
        self.pairs[at] = Some(Pair {
            links,
            released: [false; 2],
            retired: false,
        });
    }

    /// The client has no call on a lane any more.
    pub(super) fn retire(&mut self, lane: Lane) {
        if let Some(Some(pair)) = self.pairs.get_mut(usize::from(lane.0)) {
            pair.retired = true;
        }
    }

    /// `side` has forgotten a lane; when both have, its number is free.
    pub(super) fn release(&mut self, lane: usize, side: Role) {
        if let Some(pair) = &mut self.pairs[lane] {
            pair.released[side as usize] = true;
            if pair.released == [true; 2] {
                self.pairs[lane] = None;
            }
        }
    }

    /// `side` closes: what it has written still arrives, what comes is swallowed.
    pub(super) fn close(&mut self, side: Role, now: Timestamp) {
        self.closed[side as usize] = true;
        for pair in self.pairs.iter_mut().flatten() {
            pair.out(side).finish(now);
            pair.input(side).drain();
        }
    }

    /// Whether the other side has closed and all that it wrote has been read.
    pub(super) fn peer_has_closed(&self, side: Role) -> bool {
        let peer = 1 - side as usize;
        let read = |pair: &Pair| pair.released[side as usize] || pair.links[peer].is_over();
        self.closed[peer] && self.pairs.iter().flatten().all(read)
    }

    /// When `side` can read something new.
    pub(super) fn next_arrival(&self, side: Role) -> Option<Timestamp> {
        self.inputs(side).filter_map(Link::next_arrival).min()
    }

    /// When `side` learns that a lane was reset, reading or not.
    pub(super) fn next_reset(&self, side: Role) -> Option<Timestamp> {
        self.inputs(side).filter_map(Link::reset_at).min()
    }

    fn inputs(&self, side: Role) -> impl Iterator<Item = &Link> {
        let pairs = self.pairs.iter().flatten();
        let own = pairs.filter(move |pair| !pair.is_released(side));
        own.map(move |pair| &pair.links[1 - side as usize])
    }

    /// What `sender` writes does not arrive before `until`.
    pub(super) fn silence(&mut self, sender: Role, until: Timestamp) {
        self.silent_until[sender as usize] = until;
        for pair in self.pairs.iter_mut().flatten() {
            pair.out(sender).silence(until);
        }
    }

    /// Every link ends, or loses what is under way as well.
    pub(super) fn cut(&mut self, now: Timestamp, reset: bool) {
        for link in self
            .pairs
            .iter_mut()
            .flatten()
            .flat_map(|pair| &mut pair.links)
        {
            match reset {
                true => link.reset(now),
                false => link.finish(now),
            }
        }
    }

    /// Resets one lane, not the first; returns whether there was one.
    pub(super) fn reset_one(&mut self, now: Timestamp) -> bool {
        let others = self.pairs.iter_mut().skip(1).flatten();
        let pair = others.last();
        let found = pair.is_some();
        for link in pair.into_iter().flat_map(|pair| &mut pair.links) {
            link.reset(now);
        }
        found
    }

    pub(super) fn corrupt(&mut self) {
        for pair in self.pairs.iter_mut().flatten() {
            pair.links.iter_mut().for_each(Link::corrupt);
        }
    }
}
