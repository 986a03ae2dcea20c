//! One direction of a transport: delay, jitter, rate, rechunking, stalls, silence and cuts.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use oap_core::Timestamp;
use oap_core::testing::Rng;

/// How a link treats bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weather {
    /// How long a piece is under way at least.
    pub(super) delay: Duration,
    /// And how much longer at most.
    pub(super) jitter: Duration,
    /// Bytes per second; 0 is any number.
    pub(super) rate: u64,
    /// The largest piece that arrives at once.
    pub(super) piece: usize,
    /// Bytes that may be under way; more are not taken.
    pub(super) room: usize,
    /// Once in so many pieces the link stands still; 0 is never.
    pub(super) stall_one_in: u64,
    /// How long it then stands still at most.
    pub(super) stall: Duration,
}

/// How a link has ended, and when the far end may learn of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Not,
    /// What was sent arrives, then the stream ends.
    After(Timestamp),
    /// Nothing arrives any more.
    Reset(Timestamp),
    /// The far end knows.
    Told,
}

/// Bytes go in at one end and come out, later and in other pieces, at the other.
#[derive(Debug)]
pub(super) struct Link {
    weather: Weather,
    rng: Rng,
    bytes: BytesMut,
    pieces: VecDeque<(Timestamp, usize)>,
    /// The rate lets nothing begin before this.
    free_at: Timestamp,
    last_arrival: Timestamp,
    end: End,
    /// Nothing arrives before this: the direction is dead, for a while or for ever.
    silent_until: Timestamp,
    /// The far end takes everything and looks at nothing.
    sink: bool,
    /// The next long piece gets its last byte wrong.
    corrupts: bool,
}

impl Link {
    pub(super) fn new(weather: Weather, seed: u64) -> Self {
        Self {
            weather,
            rng: Rng::new(seed),
            bytes: BytesMut::new(),
            pieces: VecDeque::new(),
            free_at: Timestamp::ZERO,
            last_arrival: Timestamp::ZERO,
            end: End::Not,
            silent_until: Timestamp::ZERO,
            sink: false,
            corrupts: false,
        }
    }

    /// Whether it takes nothing more.
    pub(super) fn is_cut(&self) -> bool {
        self.end != End::Not
    }

    /// Whether it was reset and that is known by now.
    pub(super) fn is_reset(&self, now: Timestamp) -> bool {
        matches!(self.end, End::Reset(at) if at <= now)
    }

    /// When that is known.
    pub(super) fn reset_at(&self) -> Option<Timestamp> {
        match self.end {
            End::Reset(at) if !self.sink => Some(at),
            _ => None,
        }
    }

    /// When the far end can learn something new.
    pub(super) fn next_arrival(&self) -> Option<Timestamp> {
        if self.sink {
            return None;
        }
        let at = match (self.pieces.front(), self.end) {
            (_, End::Reset(at)) => return Some(at),
            (Some(&(at, _)), _) | (None, End::After(at)) => at,
            (None, End::Not | End::Told) => return None,
        };
        Some(at.max(self.silent_until)).filter(|&at| at != Timestamp::MAX)
    }

    /// Takes bytes off the front of `from`, as many as there is room for, and shows them to `tap`.
    pub(super) fn send(
        &mut self,
        now: Timestamp,
        from: &mut impl Buf,
        mut tap: impl FnMut(&[u8]),
    ) -> usize {
        let mut taken = 0;
        while !self.is_cut() && from.has_remaining() {
            let room = match self.sink {
                true => usize::MAX,
                false => self.weather.room.saturating_sub(self.bytes.len()),
            };
            let most = self.weather.piece.min(room).min(from.chunk().len());
            if most == 0 {
                break;
            }
            let size = match self.rng.one_in(2) {
                true => most,
                false => self.rng.below(most) + 1,
            };
            let piece = &from.chunk()[..size];
            tap(piece);
            if !self.sink {
                self.bytes.extend_from_slice(piece);
                if self.corrupts && size > 37 {
                    self.corrupts = false;
                    *self.bytes.last_mut().expect("it is not empty") ^= 0x10;
                }
                let arrival = self.arrival(now, size);
                self.pieces.push_back((arrival, size));
            }
            from.advance(size);
            taken += size;
        }
        taken
    }

    /// Appends to `to` what has arrived, at most `most` bytes.
    pub(super) fn receive(&mut self, now: Timestamp, to: &mut BytesMut, most: usize) -> usize {
        let mut got = 0;
        while let Some((arrival, left)) = self.pieces.front_mut() {
            if (*arrival).max(self.silent_until) > now || got == most {
                break;
            }
            let take = (*left).min(most - got);
            to.extend_from_slice(&self.bytes[..take]);
            self.bytes.advance(take);
            got += take;
            *left -= take;
            if *left == 0 {
                self.pieces.pop_front();
            }
        }
        got
    }

    /// True once: everything has been received, and the stream has ended.
    pub(super) fn take_end(&mut self, now: Timestamp) -> bool {
        let ends = self.pieces.is_empty()
            && self.silent_until <= now
            && matches!(self.end, End::After(at) if at <= now);
        if ends {
            self.end = End::Told;
        }
        ends
    }

    /// Whether the far end has been told of the end.
    pub(super) fn is_over(&self) -> bool {
        self.end == End::Told
    }

    /// The near end sends no more.
    pub(super) fn finish(&mut self, now: Timestamp) {
        if self.end == End::Not {
            self.end = End::After(self.arrival(now, 0));
        }
    }

    /// What is under way is lost, and both ends learn so.
    pub(super) fn reset(&mut self, now: Timestamp) {
        if self.end != End::Told {
            self.pieces.clear();
            self.bytes.clear();
            self.end = End::Reset(now + self.weather.delay);
        }
    }

    /// Nothing arrives before `until`; nobody is told.
    pub(super) fn silence(&mut self, until: Timestamp) {
        self.silent_until = self.silent_until.max(until);
    }

    /// Changes one byte of what will be sent.
    pub(super) fn corrupt(&mut self) {
        self.corrupts = true;
    }

    /// The far end is closed: it takes what comes and looks at nothing.
    pub(super) fn drain(&mut self) {
        self.sink = true;
        self.pieces.clear();
        self.bytes.clear();
    }

    fn arrival(&mut self, now: Timestamp, size: usize) -> Timestamp {
        let weather = self.weather;
        let mut at = now.max(self.free_at);
        if let Some(micros) = (size as u64 * 1_000_000).checked_div(weather.rate) {
            at = at + Duration::from_micros(micros);
            self.free_at = at;
        }
        at = at + weather.delay + self.up_to(weather.jitter);
        if weather.stall_one_in > 0 && self.rng.one_in(weather.stall_one_in) {
            at = at + self.up_to(weather.stall);
        }
        self.last_arrival = self.last_arrival.max(at);
        self.last_arrival
    }

    fn up_to(&mut self, most: Duration) -> Duration {
        Duration::from_micros(self.rng.range(0, most.as_micros() as u64))
    }
}
