//! One direction of a transport, with its faults.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Buf, BytesMut};

use super::Rng;
use crate::Timestamp;

/// How a link treats bytes.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// How long a piece is under way: from the first to the second.
    pub delay: (Duration, Duration),
    /// The largest piece that arrives at once.
    pub piece: usize,
    /// Bytes that may be under way; more are not taken.
    pub room: usize,
    /// Once in so many pieces the link stands still; 0 is never.
    pub stall_one_in: u64,
    /// How long it then stands still, at most.
    pub stall: Duration,
}

impl Weather {
    /// No delay, and bytes arrive as they were sent.
    pub const CALM: Self = Self {
        delay: (Duration::ZERO, Duration::ZERO),
        piece: usize::MAX,
        room: 256 * 1024,
        stall_one_in: 0,
        stall: Duration::ZERO,
    };

    /// A weather of the seed's, with stalls of at most `stall`.
    pub fn random(rng: &mut Rng, stall: Duration) -> Self {
        let least = Duration::from_micros(rng.range(0, 50_000));
        Self {
            delay: (least, least + Duration::from_micros(rng.range(0, 50_000))),
            piece: rng.pick(&[1, 7, 37, 100, 1_460, 9_000, 65_536, usize::MAX]),
            room: rng.pick(&[1, 100, 4_096, 65_536, 256 * 1024]),
            stall_one_in: rng.pick(&[0, 3, 30, 300]),
            stall,
        }
    }
}

/// How a link ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// What was sent arrives; then the stream ends.
    End,
    /// Nothing arrives any more, and both sides learn of it.
    Reset,
}

/// One direction: bytes go in at one end and come out, later and in other pieces, at the other.
#[derive(Debug)]
pub struct Link {
    weather: Weather,
    rng: Rng,
    pieces: VecDeque<(Timestamp, Vec<u8>)>,
    under_way: usize,
    /// No piece arrives before this.
    last_arrival: Timestamp,
    cut: Option<Cut>,
    ended: bool,
}

impl Link {
    /// An empty link.
    pub fn new(weather: Weather, seed: u64) -> Self {
        Self {
            weather,
            rng: Rng::new(seed),
            pieces: VecDeque::new(),
            under_way: 0,
            last_arrival: Timestamp::ZERO,
            cut: None,
            ended: false,
        }
    }

    /// Takes bytes off the front of `from`, as many as there is room for; returns how many.
    pub fn send(&mut self, now: Timestamp, from: &mut impl Buf) -> usize {
        let mut taken = 0;
        while self.cut.is_none() && from.has_remaining() && self.under_way < self.weather.room {
            let room = self.weather.room - self.under_way;
            let most = self.weather.piece.min(room).min(from.chunk().len());
            let size = match self.rng.one_in(2) {
                true => most,
                false => self.rng.below(most) + 1,
            };
            let piece = from.chunk()[..size].to_vec();
            from.advance(size);
            taken += size;
            self.under_way += size;
            let arrival = self.arrival(now);
            self.pieces.push_back((arrival, piece));
        }
        taken
    }

    /// Appends to `to` what has arrived, at most `most` bytes; returns how many.
    pub fn receive(&mut self, now: Timestamp, to: &mut BytesMut, most: usize) -> usize {
        let mut got = 0;
        while let Some((arrival, piece)) = self.pieces.front_mut() {
            if *arrival > now || got == most {
                break;
            }
            let take = piece.len().min(most - got);
            to.extend_from_slice(&piece[..take]);
            got += take;
            if take == piece.len() {
                self.pieces.pop_front();
            } else {
                piece.drain(..take);
            }
        }
        self.under_way -= got;
        got
    }

    /// Ends the link.
    pub fn cut(&mut self, how: Cut) {
        self.cut.get_or_insert(how);
        if how == Cut::Reset {
            self.cut = Some(how);
            self.pieces.clear();
            self.under_way = 0;
        }
    }

    /// Whether it takes nothing more.
    pub const fn is_cut(&self) -> bool {
        self.cut.is_some()
    }

    /// Whether the sender learns that nothing arrives.
    pub fn is_broken(&self) -> bool {
        self.cut == Some(Cut::Reset)
    }

    /// True once: everything that will arrive has been received, and the link has ended.
    pub fn take_end(&mut self) -> bool {
        let ends = self.cut.is_some() && self.pieces.is_empty() && !self.ended;
        self.ended |= ends;
        ends
    }

    /// When the next piece arrives.
    pub fn next_arrival(&self) -> Option<Timestamp> {
        self.pieces.front().map(|(arrival, _)| *arrival)
    }

    fn arrival(&mut self, now: Timestamp) -> Timestamp {
        let (least, most) = self.weather.delay;
        let spread = (most - least).as_micros() as u64;
        let mut delay = least + Duration::from_micros(self.rng.range(0, spread));
        if self.weather.stall_one_in > 0 && self.rng.one_in(self.weather.stall_one_in) {
            let stall = self.weather.stall.as_micros() as u64;
            delay += Duration::from_micros(self.rng.range(0, stall));
        }
        self.last_arrival = self.last_arrival.max(now + delay);
        self.last_arrival
    }
}
