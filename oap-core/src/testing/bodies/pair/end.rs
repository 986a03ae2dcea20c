//! One end of the pair.

use std::sync::Arc;
use std::vec::Vec;

use bytes::{Buf, BytesMut};

use crate::testing::bodies::Heap;
use crate::testing::bodies::heap::Ledger;
use crate::testing::bodies::probe::cost_of;
use crate::{Charge, Config, Connection, Consume, Event, ExchangeId, Lane, Role, Timestamp};

/// What one command may add to the heap besides the bytes that it brings.
const COMMAND: usize = 512;

pub(super) struct End {
    pub(super) connection: Connection,
    ledger: Ledger,
    input: BytesMut,
    charges: Vec<(ExchangeId, Charge)>,
}

impl End {
    pub(super) fn new(role: Role, config: Config, heap: Heap) -> Self {
        let ledger = Ledger::of_connection(&config, heap);
        let config = Arc::new(config);
        Self {
            connection: match role {
                Role::Client => Connection::client(config, Timestamp::ZERO),
                Role::Server => Connection::server(config, Timestamp::ZERO),
            },
            ledger,
            input: BytesMut::new(),
            charges: Vec::new(),
        }
    }

    /// Something that the application does with so many bytes of its own.
    pub(super) fn command<T>(&mut self, bytes: usize, act: impl FnOnce(&mut Connection) -> T) -> T {
        self.ledger.allow(bytes + COMMAND);
        self.ledger.measure(|| act(&mut self.connection))
    }

    pub(super) fn release(&mut self, id: ExchangeId) {
        self.command(0, |connection| {
            if let Some(exchange) = connection.exchange(id) {
                exchange.release();
            }
        });
    }

    /// Writes at most so many bytes, and lets the other end read them. Returns whether anything
    /// happened.
    pub(super) fn carry_to(&mut self, to: &mut Self, now: Timestamp, most: usize) -> bool {
        let mut moved = to.go_on(now);
        let mut left = most;
        while left > 0 && to.connection.interest().read {
            let polled = self
                .ledger
                .measure(|| self.connection.poll_transmit(Lane::FIRST, now));
            let Some(mut out) = polled else { break };
            let take = out.chunk().len().min(left);
            to.ledger.allow(take);
            to.ledger
                .measure(|| to.input.extend_from_slice(&out.chunk()[..take]));
            self.ledger.measure(|| out.advance(take));
            to.decode(now);
            left -= take;
            moved = true;
        }
        moved
    }

    /// Decodes what is there, where that was put off and can be done now.
    fn go_on(&mut self, now: Timestamp) -> bool {
        let again = self.connection.interest().again;
        if again {
            self.decode(now);
        }
        again
    }

    fn decode(&mut self, now: Timestamp) {
        self.ledger.measure(|| {
            self.connection
                .handle_input(Lane::FIRST, now, &mut self.input);
        });
    }

    /// The bounds that hold at any moment, and the books.
    pub(super) fn check(&self) {
        let config = self.connection.config();
        assert!(self.connection.held_bytes() <= config.limits.buffer_bytes());
        if let Err(what) = self.connection.audit(cost_of(&self.charges, config)) {
            panic!("{what}");
        }
    }

    pub(super) fn time(&mut self, now: Timestamp) {
        self.ledger.measure(|| self.connection.handle_timeout(now));
    }

    pub(super) fn poll(&mut self) -> Option<Event> {
        let event = self.ledger.measure(|| self.connection.poll_event())?;
        if let Event::Opened { id, payload, .. }
        | Event::Data { id, payload, .. }
        | Event::Pushed { id, payload, .. } = &event
        {
            self.charges.push((*id, payload.charge()));
        }
        Some(event)
    }

    pub(super) fn forget(&mut self, event: Event) {
        self.ledger.measure(|| drop(event));
    }

    /// The application is done with the oldest payloads, at most so many.
    pub(super) fn consume(&mut self, most: usize) {
        let manually = self.connection.config().consume == Consume::Manually;
        for (id, charge) in self.charges.drain(..most.min(self.charges.len())) {
            if manually {
                self.ledger.measure(|| self.connection.consumed(id, charge));
            }
        }
    }
}
