//! Many lines and one clock.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use oap_core::Timestamp;
use oap_core::testing::Rng;

use super::Options;
use super::endpoint::LATE;
use super::line::Line;
use super::report::{Report, Totals};
use super::trace::Trace;

/// Lines of a world at most.
const MOST_LINES: u64 = 16;
/// Wakes after which a world does not end.
const MOST_WAKES: u64 = 2_000_000;

/// What befalls all lines at once.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// The server restarts: it drains every connection.
    Restart,
    /// The network is gone for a while.
    Partition(Duration),
}

/// The world of one seed.
#[derive(Debug)]
pub(super) struct World {
    seed: u64,
    now: Timestamp,
    begin: Timestamp,
    rng: Rng,
    trace: Trace,
    lines: Vec<Line>,
    /// Which line has something to do when.
    wakes: BinaryHeap<Reverse<(Timestamp, usize)>>,
    event: Option<(Timestamp, Event)>,
}

impl World {
    pub(super) fn new(seed: u64, options: Options) -> Self {
        let mut rng = Rng::new(seed);
        let begin = Timestamp::from_micros(rng.range(0, 1_000_000));
        let lines: Vec<_> = (0..rng.range(1, MOST_LINES) as usize)
            .map(|line| Line::new(line, begin, rng.next_u64(), options))
            .collect();
        let wakes = (0..lines.len())
            .map(|line| Reverse((begin, line)))
            .collect();
        let event = (rng.one_in(3) && !options.is_fair()).then(|| {
            let at = begin + Duration::from_micros(rng.range(0, 20_000_000));
            let event = match rng.one_in(2) {
                true => Event::Restart,
                false => Event::Partition(Duration::from_millis(rng.range(100, 90_000))),
            };
            (at, event)
        });
        Self {
            seed,
            now: begin,
            begin,
            rng,
            trace: Trace::new(options.trace),
            lines,
            wakes,
            event,
        }
    }

    /// Lets time pass until every line is done.
    pub(super) fn run(mut self) -> Report {
        for wake in 0.. {
            assert!(
                wake < MOST_WAKES,
                "the world does not end: {:#?}",
                self.lines
            );
            let Some(Reverse((at, line))) = self.wakes.pop() else {
                break;
            };
            if self.event.is_some_and(|(when, _)| when <= at) {
                self.befall();
            }
            self.now = self.now.max(at);
            if let Some(next) = self.lines[line].advance(self.now, &mut self.trace) {
                let at = self.wake_at(next);
                self.wakes.push(Reverse((at, line)));
            } else {
                assert!(self.lines[line].is_done(), "line {line} is forgotten");
            }
        }
        let mut totals = Totals {
            simulated: self.now.saturating_since(self.begin),
            ..Totals::default()
        };
        for line in self.lines {
            totals += line.finish();
        }
        Report {
            seed: self.seed,
            digest: self.trace.digest(),
            totals,
        }
    }

    /// A host wakes late, never early.
    fn wake_at(&mut self, next: Timestamp) -> Timestamp {
        let late = match self.rng.one_in(4) {
            true => self.rng.range(0, LATE.as_micros() as u64 - 1),
            false => 0,
        };
        next.max(self.now) + Duration::from_micros(late)
    }

    fn befall(&mut self) {
        let Some((when, event)) = self.event.take() else {
            return;
        };
        self.now = self.now.max(when);
        for (index, line) in self.lines.iter_mut().enumerate() {
            match event {
                Event::Restart => line.restart(),
                Event::Partition(how_long) => line.partition(self.now + how_long),
            }
            // Its line has something else to do now; an early wake does no harm.
            if !line.is_done() {
                self.wakes.push(Reverse((self.now, index)));
            }
        }
    }
}
