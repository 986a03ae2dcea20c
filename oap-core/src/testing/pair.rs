//! A client and a server in virtual time.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;

use super::{Cut, Link, Rng, Weather};
use crate::{Config, Connection, Lane, Timestamp};

/// How often a connection may ask for the same moment again without anything happening.
const PATIENCE: u32 = 8;

/// One end of a pair.
#[derive(Debug)]
pub struct Side {
    /// The connection.
    pub connection: Connection,
    buf: BytesMut,
    eof: bool,
    /// Everything was written, and its link ended.
    ended: bool,
    /// How often in a row its deadline was due and nothing else happened.
    due: u32,
}

impl Side {
    fn new(connection: Connection) -> Self {
        Self {
            connection,
            buf: BytesMut::new(),
            eof: false,
            ended: false,
            due: 0,
        }
    }

    /// Writes to one link and reads from the other, as a host does that heeds
    /// [`Connection::interest`] and nothing else. Returns whether anything happened.
    fn exchange(&mut self, now: Timestamp, out: &mut Link, into: &mut Link, read: usize) -> bool {
        let mut moved = false;
        if self.ended {
            return false;
        }
        if self.connection.interest().write {
            if let Some(mut transmit) = self.connection.poll_transmit(Lane::FIRST, now) {
                moved |= out.send(now, &mut transmit) > 0;
            }
        }
        if self.connection.interest().done {
            if !out.is_cut() {
                out.cut(Cut::End);
                moved = true;
            }
            self.ended = true;
        } else if out.is_broken() || (out.is_cut() && self.connection.interest().write) {
            self.connection.handle_transport_error();
            return true;
        }
        let interest = self.connection.interest();
        if interest.again {
            self.connection
                .handle_input(Lane::FIRST, now, &mut self.buf);
            moved = true;
        } else if interest.read {
            if into.receive(now, &mut self.buf, read) > 0 {
                self.connection
                    .handle_input(Lane::FIRST, now, &mut self.buf);
                moved = true;
            } else if !self.eof && into.take_end() {
                self.eof = true;
                self.connection.handle_eof(Lane::FIRST, now, &mut self.buf);
                moved = true;
            }
        }
        if moved {
            self.due = 0;
        }
        moved
    }

    fn next(&self, into: &Link) -> Option<Timestamp> {
        let interest = self.connection.interest();
        let arrival = into.next_arrival().filter(|_| interest.read);
        match (arrival, interest.deadline) {
            (Some(arrival), Some(deadline)) => Some(arrival.min(deadline)),
            (one, other) => one.or(other),
        }
    }

    /// Handles the timeout if it is due; returns whether it was.
    ///
    /// # Panics
    /// If the deadline stays due although its timeout was handled, again and again.
    fn time(&mut self, now: Timestamp) -> bool {
        let due = |connection: &Connection| {
            let deadline = connection.interest().deadline;
            deadline.is_some_and(|deadline| deadline <= now)
        };
        if !due(&self.connection) {
            return false;
        }
        self.connection.handle_timeout(now);
        if due(&self.connection) {
            self.due += 1;
            assert!(
                self.due < PATIENCE,
                "the deadline {:?} stays due at {now:?}",
                self.connection.interest().deadline
            );
        } else {
            self.due = 0;
        }
        true
    }
}

/// Two connections, the links between them, and the clock.
#[derive(Debug)]
pub struct Pair {
    /// The client's end.
    pub client: Side,
    /// The server's end.
    pub server: Side,
    up: Link,
    down: Link,
    now: Timestamp,
    rng: Rng,
    cut: bool,
}

impl Pair {
    /// A pair with the same weather both ways.
    pub fn new(client: Config, server: Config, weather: Weather, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let now = Timestamp::from_micros(rng.range(0, 1_000_000));
        Self {
            client: Side::new(Connection::client(Arc::new(client), now)),
            server: Side::new(Connection::server(Arc::new(server), now)),
            up: Link::new(weather, rng.next_u64()),
            down: Link::new(weather, rng.next_u64()),
            now,
            rng,
            cut: false,
        }
    }

    /// The virtual time.
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// Ends both directions.
    pub fn cut(&mut self, how: Cut) {
        self.cut = true;
        self.up.cut(how);
        self.down.cut(how);
    }

    /// Whether either direction was cut before its sender had ended it.
    pub const fn was_cut(&self) -> bool {
        self.cut
    }

    /// Moves bytes, or, where none can move, the clock, but not past `until`. Returns whether either
    /// happened; if not, nothing ever will before `until`.
    ///
    /// # Panics
    /// If a connection asks again and again for a moment that is there.
    pub fn step(&mut self, until: Timestamp) -> bool {
        let read = self
            .rng
            .pick(&[1, 40, 1_000, 65_536])
            .max(self.rng.size(4_096));
        let up = self
            .client
            .exchange(self.now, &mut self.up, &mut self.down, read);
        let down = self
            .server
            .exchange(self.now, &mut self.down, &mut self.up, read);
        if up || down {
            return true;
        }
        let next = [
            self.client.next(&self.down),
            self.server.next(&self.up),
            (until != Timestamp::MAX).then_some(until),
        ];
        let Some(next) = next.into_iter().flatten().min() else {
            return false;
        };
        let before = self.now;
        self.now = self.now.max(next.min(until));
        // A host wakes late, never early.
        if self.now < until && self.rng.one_in(4) {
            let late = Duration::from_micros(self.rng.range(0, 2_000));
            self.now = (self.now + late).min(until);
        }
        let client = self.client.time(self.now);
        let server = self.server.time(self.now);
        client || server || self.now > before
    }
}
