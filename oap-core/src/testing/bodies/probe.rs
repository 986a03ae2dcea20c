//! A connection, and every bound that can be seen from outside.

use std::hash::{DefaultHasher, Hasher};
use std::io::IoSlice;
use std::string::ToString;
use std::sync::Arc;
use std::time::Duration;
use std::vec::Vec;

use bytes::{Buf, BytesMut};

use super::Heap;
use super::choices::Choices;
use super::heap::Ledger;
use super::output::Output;
use crate::wire::{Codings, MAX_FRAME};
use crate::{
    Charge, Config, Connection, Consume, Event, ExchangeId, Lane, Limits, Payload, Reason, Role,
    Timers, Timestamp,
};

/// Ids that the commands may still know.
const MAX_IDS: usize = 64;
/// Charges that wait to be returned; the oldest are returned beyond it.
const MAX_CHARGES: usize = 256;
/// Lanes that are used where the connection takes several.
pub(super) const LANES: usize = 4;
/// Pieces that one frame comes in.
const MAX_PIECES: usize = 64;
/// What one command may add to the heap besides the bytes that it brings.
const COMMAND: usize = 512;

/// A connection of that role, its limits, and what is known of it from outside.
pub(super) struct Probe {
    pub(super) connection: Connection,
    pub(super) now: Timestamp,
    pub(super) ids: Vec<ExchangeId>,
    pub(super) charges: Vec<(ExchangeId, Charge)>,
    pub(super) ledger: Ledger,
    streams: [Stream; LANES],
    lanes: usize,
    limits: Limits,
    closed: bool,
    /// A GOAWAY was told.
    gone_away: bool,
}

/// Both directions of a lane.
#[derive(Default)]
struct Stream {
    input: BytesMut,
    output: Output,
    /// Its output was dropped: nothing more may be written.
    is_mute: bool,
}

impl Probe {
    pub(super) fn new(role: Role, config: Config, heap: Heap) -> Self {
        let (now, limits) = (Timestamp::ZERO, config.limits);
        let lanes = if config.multi_lane { LANES } else { 1 };
        let config = Arc::new(config);
        let mut ledger = Ledger::of_connection(&config, heap);
        let connection = ledger.measure(|| match role {
            Role::Client => Connection::client(config, now),
            Role::Server => Connection::server(config, now),
        });
        assert!(!connection.is_strained(now), "nothing was wrong yet");
        Self {
            connection,
            now,
            ids: Vec::with_capacity(MAX_IDS),
            charges: Vec::with_capacity(MAX_CHARGES),
            ledger,
            streams: Default::default(),
            lanes,
            limits,
            closed: false,
            gone_away: false,
        }
    }

    pub(super) fn role(&self) -> Role {
        self.connection.role()
    }

    pub(super) fn any_lane(&self, choices: &mut Choices<'_>) -> Lane {
        match self.lanes {
            1 => Lane::FIRST,
            lanes => Lane(choices.below(lanes) as u16),
        }
    }

    /// Bytes of the peer's, unless the connection reads nothing now; returns whether it did.
    pub(super) fn input(&mut self, lane: Lane, bytes: &[u8]) -> bool {
        let reads = self.connection.interest().read;
        if reads {
            self.ledger.allow(bytes.len());
            let input = &mut self.streams[usize::from(lane.0)].input;
            self.ledger.measure(|| {
                input.extend_from_slice(bytes);
                self.connection.handle_input(lane, self.now, input);
            });
        }
        self.go_on();
        reads
    }

    /// The same in pieces of this size. After some of them the rest comes at once: what matters is
    /// where the first ones end.
    pub(super) fn input_in_pieces(&mut self, lane: Lane, bytes: &[u8], size: usize) {
        let (start, rest) = bytes.split_at(size.saturating_mul(MAX_PIECES).min(bytes.len()));
        for piece in start.chunks(size) {
            self.input(lane, piece);
        }
        if !rest.is_empty() {
            self.input(lane, rest);
        }
    }

    /// The peer ends the lane.
    pub(super) fn eof(&mut self, lane: Lane) {
        let input = &mut self.streams[usize::from(lane.0)].input;
        self.ledger.measure(|| {
            self.connection.handle_eof(lane, self.now, input);
        });
        self.go_on();
    }

    /// The lane breaks; its number stands for a new one from now on.
    pub(super) fn reset(&mut self, lane: Lane) {
        let stream = &mut self.streams[usize::from(lane.0)];
        self.ledger.measure(|| {
            self.connection.handle_reset(lane, self.now);
            stream.input = BytesMut::new();
        });
        stream.output = Output::default();
        stream.is_mute = false;
        self.go_on();
    }

    /// The peer wants no more of the lane's output.
    pub(super) fn mute(&mut self, lane: Lane) {
        self.streams[usize::from(lane.0)].is_mute = true;
        self.command(0, |connection| connection.drop_output(lane));
    }

    /// Whether some lane's output was dropped.
    pub(super) fn is_mute(&self) -> bool {
        self.streams.iter().any(|stream| stream.is_mute)
    }

    /// Decodes on while the connection asks for it.
    pub(super) fn go_on(&mut self) {
        for _ in 0..10_000 {
            if !self.connection.interest().again {
                return;
            }
            let before = self.buffered();
            for (lane, stream) in (0..).map(Lane).zip(&mut self.streams[..self.lanes]) {
                if self.connection.is_lane_stalled(lane) {
                    let input = &mut stream.input;
                    self.ledger
                        .measure(|| self.connection.handle_input(lane, self.now, input));
                }
            }
            assert!(
                self.buffered() < before || !self.connection.interest().again,
                "it asks to be called again, and nothing moves"
            );
        }
    }

    fn buffered(&self) -> usize {
        self.streams.iter().map(|stream| stream.input.len()).sum()
    }

    /// Takes at most so many events, looks at each, and forgets it.
    pub(super) fn events(&mut self, most: usize, mut look: impl FnMut(&Event)) {
        for _ in 0..most {
            let is_told = self.connection.interest().event;
            let event = self.ledger.measure(|| self.connection.poll_event());
            assert_eq!(is_told, event.is_some(), "interest() tells of events");
            let Some(event) = event else { return };
            assert!(!self.closed, "an event after the last one: {event:?}");
            look(&event);
            match &event {
                Event::Opened { id, payload, .. }
                | Event::Data { id, payload, .. }
                | Event::Pushed { id, payload, .. } => self.keep(*id, payload),
                Event::Authorize { id, .. } => self.remember(*id),
                Event::GoAway { .. } => self.gone_away = true,
                Event::Ended { end, .. } => assert!(!std::format!("{end:?}").is_empty()),
                Event::Closed(reason) => {
                    self.closed = true;
                    assert!(reason.reason().code().is_error() && !reason.to_string().is_empty());
                }
                _ => {}
            }
            self.ledger.measure(|| drop(event));
        }
    }

    pub(super) fn remember(&mut self, id: ExchangeId) {
        if !self.ids.contains(&id) {
            if self.ids.len() >= MAX_IDS {
                self.ids.remove(0);
            }
            self.ids.push(id);
        }
    }

    fn keep(&mut self, id: ExchangeId, payload: &Payload) {
        assert_eq!(payload.is_empty(), payload.wire_bytes().is_empty());
        let charge = payload.charge();
        self.remember(id);
        if self.charges.len() >= MAX_CHARGES {
            self.consume(1);
        }
        self.charges.push((id, charge));
    }

    /// Returns the oldest charges, at most so many.
    pub(super) fn consume(&mut self, most: usize) {
        let manually = self.connection.config().consume == Consume::Manually;
        for (id, charge) in self.charges.drain(..most.min(self.charges.len())) {
            if manually {
                self.ledger.measure(|| self.connection.consumed(id, charge));
            }
        }
    }

    /// Something that the application does with so many bytes of its own.
    pub(super) fn command<T>(&mut self, bytes: usize, act: impl FnOnce(&mut Connection) -> T) -> T {
        self.ledger.allow(bytes + COMMAND);
        let connection = &mut self.connection;
        let result = self.ledger.measure(|| act(connection));
        self.go_on();
        result
    }

    /// Takes at most so much of what waits to be written, and checks that it is frames. An even
    /// amount is taken as bytes of their own, an odd one as it is lent.
    pub(super) fn transmit(&mut self, most: usize) {
        let is_mute = self.is_mute();
        let lane = match self.lanes {
            1 => Some(Lane::FIRST).filter(|_| !is_mute),
            _ => {
                let streams = &self.streams;
                self.connection
                    .poll_writable_lane(|lane| !streams[usize::from(lane.0)].is_mute)
            }
        };
        let Some(lane) = lane else {
            let writes = self.connection.interest().write;
            return assert!(!writes || is_mute, "it wants to write, and no lane does");
        };
        let output = &mut self.streams[usize::from(lane.0)].output;
        let polled = self
            .ledger
            .measure(|| self.connection.poll_transmit(lane, self.now));
        let Some(mut out) = polled else {
            // Another lane may have something.
            let writes = self.lanes == 1 && self.connection.interest().write;
            return assert!(!writes || is_mute, "it wants to write, and has nothing");
        };
        if most % 2 == 0 {
            let size = out.remaining().min(most);
            let taken = self.ledger.measure_beside(size, || out.copy_to_bytes(size));
            assert_eq!(taken.len(), size);
            output.take(&taken);
            return self.ledger.measure_beside(size, || drop(taken));
        }
        let mut lent = [IoSlice::new(&[]); 4];
        let slices = out.chunks_vectored(&mut lent);
        let lent: usize = lent[..slices].iter().map(|slice| slice.len()).sum();
        assert!(slices > 0 && lent <= out.remaining());
        let mut left = most;
        while left > 0 && out.has_remaining() {
            let chunk = out.chunk();
            assert!(!chunk.is_empty(), "bytes are left, an empty chunk is lent");
            let take = chunk.len().min(left);
            output.take(&chunk[..take]);
            self.ledger.measure(|| out.advance(take));
            left -= take;
        }
    }

    /// Lets time pass.
    pub(super) fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        self.ledger.measure(|| {
            self.connection.handle_timeout(self.now);
        });
        if let Some(deadline) = self.connection.interest().deadline {
            assert!(
                deadline > self.now,
                "the deadline {deadline:?} stays due at {:?}",
                self.now
            );
        }
        self.go_on();
    }

    /// The bounds that hold at any moment.
    pub(super) fn check(&self) {
        let interest = self.connection.interest();
        let most = match self.role() {
            Role::Server => self.limits.max_inflight(),
            Role::Client => u16::MAX,
        };
        let (exchanges, held) = (self.connection.exchanges(), self.connection.held_bytes());
        assert!(exchanges <= most.into(), "{exchanges} exchanges of {most}");
        let bound = self.limits.buffer_bytes();
        assert!(held <= bound, "{held} bytes held of {bound}");
        for Stream { input, .. } in &self.streams {
            assert!(
                !interest.read || input.len() <= MAX_FRAME as usize + 4,
                "an incomplete frame of {} bytes",
                input.len()
            );
        }
        if self.connection.is_closed() {
            assert!(!interest.read && !interest.again);
        }
        assert!(!self.connection.wants_to_go_on(0), "it is full of nothing");
        for lane in (0..self.lanes as u16).map(Lane) {
            let is_idle = self.connection.is_lane_idle(lane);
            assert!(!is_idle || !self.connection.is_lane_stalled(lane));
        }
        if let Err(what) = self.connection.audit(self.outside()) {
            // Who waited to write on a lane whose output was dropped waits for nothing.
            assert!(self.is_mute(), "{what}");
        }
    }

    /// What the application holds and has not told to be consumed, as the buffer budget counts it.
    fn outside(&self) -> usize {
        cost_of(&self.charges, self.connection.config())
    }

    /// Takes everything that is left, and checks that it is an end.
    pub(super) fn finish(&mut self) {
        let mut calm = 0;
        for _ in 0..100_000 {
            self.events(usize::MAX, |_| {});
            self.consume(usize::MAX);
            self.transmit(usize::MAX);
            self.go_on();
            self.check();
            let interest = self.connection.interest();
            if interest.event || interest.again || (interest.write && !self.is_mute()) {
                continue;
            }
            calm += 1;
            if calm > 20 || interest.done {
                return self.count();
            }
            let Some(deadline) = interest.deadline else {
                return self.count();
            };
            self.pass(deadline.saturating_since(self.now));
        }
        panic!("it never comes to rest");
    }

    /// What the counters say fits together, and nothing is written on a lane that never was.
    fn count(&mut self) {
        let counters = self.connection.counters();
        let refused = Reason::all().map(|reason| u64::from(counters.refused(reason)));
        assert_eq!(refused.sum::<u64>(), counters.refused_total());
        assert!(counters.control_received <= counters.frames_received);
        assert!(counters.control_sent <= counters.frames_sent);
        assert!(self.connection.request_state(1) < Connection::REQUEST_STATES.len());
        assert!(self.gone_away || !self.connection.is_going_away());
        let never = Lane(u16::MAX);
        assert!(self.connection.poll_transmit(never, self.now).is_none());
    }

    /// Goes on with a copy of the connection, which is in the same state.
    pub(super) fn fork(&mut self) {
        let connection = &mut self.connection;
        let original = self.ledger.measure_beside(usize::MAX / 4, || {
            let copy = connection.fork();
            core::mem::replace(connection, copy)
        });
        assert_eq!(digest(&self.connection), digest(&original));
        self.ledger
            .measure_beside(usize::MAX / 4, || drop(original));
    }

    /// What has been written on the first lane.
    pub(super) fn output(&mut self) -> &mut Output {
        &mut self.streams[0].output
    }
}

/// What charges that were not given back cost of the buffer budget (OAP-6-16).
pub(super) fn cost_of(charges: &[(ExchangeId, Charge)], config: &Config) -> usize {
    match config.consume {
        Consume::OnDelivery => 0,
        Consume::Manually => charges.iter().map(|(_, charge)| charge.cost()).sum(),
    }
}

fn digest(connection: &Connection) -> u64 {
    let mut hasher = DefaultHasher::new();
    connection.digest(&mut hasher);
    hasher.finish()
}

/// A configuration out of a few bytes.
pub(super) fn any_config(choices: &mut Choices<'_>) -> Config {
    let max_frame = choices.pick(&[1_048_576, 4_096, 8_192, 65_536]);
    let max_inflight = choices.pick(&[64, 1, 2, 8]);
    let most = max_frame * 8 / u32::from(max_inflight);
    let limits = Limits::builder()
        .max_frame(max_frame)
        .max_inflight(max_inflight)
        .ack_window(choices.pick(&[4_096, 131_072, most]).min(most).max(4_096))
        .chunk(choices.pick(&[65_536, 4_096, 1_048_543]))
        .send_buffer(choices.pick(&[262_144, 1, 5_000]))
        .build()
        .unwrap_or_default();
    let bits = choices.byte();
    Config {
        limits,
        hello: bits & 1 == 0,
        windows: bits & 2 == 0,
        authorize: bits & 4 != 0,
        explicit_release: bits & 8 != 0,
        consume: match bits & 16 {
            0 => Consume::OnDelivery,
            _ => Consume::Manually,
        },
        multi_lane: bits & 32 != 0,
        timers: Timers {
            linger: Duration::from_secs(u64::from(bits >> 6 & 1)),
            standstill: Duration::from_secs(300 * u64::from(bits >> 3 & 1)),
            ..Timers::default()
        },
        codings: match bits & 128 {
            0 => Config::default().codings,
            _ => Codings::NONE,
        },
        hash_key: 7,
        ..Config::default()
    }
}
