//! One end of a connection, with a host that heeds its interest and nothing else.

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};

use bytes::{Buf, Bytes, BytesMut};
use oap_core::wire::LEN_FIELD;
use oap_core::{Charge, Connection, Event, ExchangeId, Interest, Lane, Timestamp};

use super::pipe::Pipe;

/// A payload that the application holds.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) struct Held {
    /// Its exchange.
    pub(super) id: ExchangeId,
    /// Its plan's number.
    pub(super) plan: usize,
    /// Its size.
    pub(super) len: usize,
    charge: Charge,
}

/// A connection, its host, and what its application holds.
#[derive(Debug)]
pub(super) struct Side {
    /// The connection itself, as hosts use it.
    pub(super) connection: Connection,
    buf: BytesMut,
    /// The host has read the end of the stream.
    at_end: bool,
    /// The host has closed the transport, or knows that it is lost.
    pub(super) gone: bool,
    /// The application was told that the connection is over.
    pub(super) told_closed: bool,
    /// Payloads not consumed yet, where the application says when they are.
    pub(super) held: VecDeque<Held>,
}

impl Side {
    /// A side that has done nothing yet.
    pub(super) fn new(connection: Connection) -> Self {
        Self {
            connection,
            buf: BytesMut::new(),
            at_end: false,
            gone: false,
            told_closed: false,
            held: VecDeque::new(),
        }
    }

    /// A second one in the same state.
    #[must_use]
    pub(super) fn fork(&self) -> Self {
        Self {
            connection: self.connection.fork(),
            buf: self.buf.clone(),
            at_end: self.at_end,
            gone: self.gone,
            told_closed: self.told_closed,
            held: self.held.clone(),
        }
    }

    /// Feeds the whole state to a hasher.
    pub(super) fn digest(&self, into: &mut impl Hasher) {
        self.connection.digest(into);
        into.write(&self.buf);
        (self.buf.len(), self.at_end, self.gone, self.told_closed).hash(into);
        self.held.hash(into);
    }

    /// What the connection asks of its host; nothing once the host has gone.
    pub(super) fn interest(&self) -> Option<Interest> {
        (!self.gone).then(|| self.connection.interest())
    }

    /// Whether there is something to read and the connection wants it.
    pub(super) fn can_read(&self, from: &Pipe) -> bool {
        self.interest().is_some_and(|interest| interest.read) && !from.is_empty() && !from.lost
    }

    /// Whether the end of the stream is there and the connection wants it.
    pub(super) fn can_read_end(&self, from: &Pipe) -> bool {
        let reads = self.interest().is_some_and(|interest| interest.read);
        reads && !self.at_end && from.is_at_end()
    }

    /// The next whole frame that the connection has to write. `None` if it has none after all.
    pub(super) fn next_frame(&mut self, now: Timestamp) -> Option<Bytes> {
        let mut transmit = self.connection.poll_transmit(Lane::FIRST, now)?;
        let len = transmit.chunk().first_chunk::<LEN_FIELD>();
        let len = u32::from_le_bytes(*len.expect("a frame begins with its header"));
        Some(transmit.copy_to_bytes(LEN_FIELD + len as usize))
    }

    /// The host has tried to write in vain until the write timer ran out.
    pub(super) fn time_out(&mut self, now: Timestamp) -> Result<(), String> {
        let _lent = self.connection.poll_transmit(Lane::FIRST, now);
        let deadline = self.connection.interest().deadline;
        let deadline = deadline.ok_or("bytes wait, and no timer runs")?;
        self.connection.handle_timeout(deadline);
        Ok(())
    }

    /// Hands in one frame, or nothing new.
    pub(super) fn read(&mut self, now: Timestamp, frame: Option<Bytes>) {
        if let Some(frame) = frame {
            self.buf.extend_from_slice(&frame);
        }
        self.connection
            .handle_input(Lane::FIRST, now, &mut self.buf);
    }

    /// Hands in the end of the stream.
    pub(super) fn read_end(&mut self, now: Timestamp) {
        self.at_end = true;
        self.connection.handle_eof(Lane::FIRST, now, &mut self.buf);
    }

    /// The bytes that are not decoded.
    pub(super) fn undecoded(&self) -> &[u8] {
        &self.buf
    }

    /// Takes an event; `None` if there was none.
    pub(super) fn take_event(&mut self) -> Option<Event> {
        self.connection.poll_event()
    }

    /// The application keeps a payload.
    pub(super) fn hold(&mut self, id: ExchangeId, plan: usize, len: usize, charge: Charge) {
        self.held.push_back(Held {
            id,
            plan,
            len,
            charge,
        });
    }

    /// The application is done with the oldest payload.
    pub(super) fn consume(&mut self) -> Option<Held> {
        let held = self.held.pop_front()?;
        self.connection.consumed(held.id, held.charge);
        Some(held)
    }

    /// What the held payloads cost of the buffer budget.
    pub(super) fn held_cost(&self) -> usize {
        self.held.iter().map(|held| held.charge.cost()).sum()
    }
}
