//! The commands of one exchange.

use alloc::vec::Vec;

use super::exchange::{Marks, Phase};
use super::lanes::Reply;
use super::{Connection, Role};
use crate::wire::{Flags, write_error_body};
use crate::{Body, Code, ExchangeId, Fin, Lane, Reason, SendError, Timestamp};

/// What a verifier says of a START.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The exchange goes to its handler.
    Allow,
    /// 401 `unauthorized` without a capability, 403 `forbidden` with one (OAP-3-23).
    Deny,
    /// The verifier's own code and reason.
    Refuse(Code, Reason),
}

/// One exchange of a connection, borrowed for a command.
#[derive(Debug)]
pub struct Exchange<'a> {
    connection: &'a mut Connection,
    slot: u32,
}

impl<'a> Exchange<'a> {
    pub(super) fn new(connection: &'a mut Connection, slot: u32) -> Self {
        Self { connection, slot }
    }

    /// Its handle.
    pub fn id(&self) -> ExchangeId {
        self.connection.exchanges.id(self.slot)
    }

    /// Its id on the wire.
    pub fn corr_id(&self) -> u64 {
        self.connection.exchanges.get(self.slot).corr
    }

    /// The lane it runs on.
    pub fn lane(&self) -> Lane {
        self.connection.exchanges.get(self.slot).lane
    }

    /// Whether the wire is done with it, while its slot is still taken.
    pub fn is_ended(&self) -> bool {
        self.connection.exchanges.get(self.slot).phase == Phase::Ended
    }

    /// Body bytes that wait for credit or for room.
    pub fn queued_bytes(&self) -> usize {
        self.connection.exchanges.get(self.slot).queued
    }

    /// Whether a further body would be taken. If not,
    /// [`Event::Writable`](crate::Event::Writable) tells when.
    pub fn has_room(&mut self) -> bool {
        let room = self.connection.config.limits.send_buffer() as usize;
        let exchange = self.connection.exchanges.get_mut(self.slot);
        let full = exchange.queued >= room;
        if full {
            exchange.marks.set(Marks::WANTS_ROOM);
        }
        !full
    }

    /// Sends one body of the request (client) or of the answer (server). A request has no code
    /// (OAP-3-7).
    ///
    /// # Errors
    /// A [`SendError`]: nothing changed. After [`SendError::Full`],
    /// [`Event::Writable`](crate::Event::Writable) tells when there is room.
    #[inline]
    pub fn send(self, code: Code, body: Body, fin: Fin) -> Result<(), SendError> {
        let direction = match self.connection.role {
            Role::Client => Flags::REQ,
            Role::Server => Flags::RESP,
        };
        let code = if direction == Flags::REQ {
            Code::OK
        } else {
            code
        };
        self.connection
            .send_on(self.slot, direction, code, body, fin)
    }

    /// Server: the whole answer, or its last part.
    ///
    /// # Errors
    /// As [`Exchange::send`].
    #[inline]
    pub fn respond(self, code: Code, body: Body) -> Result<(), SendError> {
        self.send(code, body, Fin::End)
    }

    /// Server: pushes an event to the client (OAP-7-1). A body above one frame, or above the credit
    /// at hand, goes out as several events, which nothing on the wire ties together.
    ///
    /// # Errors
    /// As [`Exchange::send`].
    pub fn push(self, code: Code, body: Body) -> Result<(), SendError> {
        self.connection
            .send_on(self.slot, Flags::EVENT, code, body, Fin::More)
    }

    /// Server: ends the exchange with an error body. What was queued and not begun is dropped.
    ///
    /// # Errors
    /// As [`Exchange::send`], but never for want of room.
    ///
    /// A code below 400 is sent as 500.
    pub fn fail(self, code: Code, reason: Reason, message: &str) -> Result<(), SendError> {
        let Self { connection, slot } = self;
        let code = if code.is_error() {
            code
        } else {
            Code::INTERNAL
        };
        if connection.role != Role::Server {
            return Err(SendError::Role);
        }
        let exchange = connection.exchanges.get(slot);
        match exchange.phase {
            _ if connection.is_closed() => return Err(SendError::Closed),
            Phase::Open => {}
            Phase::Parked => return Err(SendError::Unauthorized),
            _ => return Err(SendError::Ended),
        }
        if exchange.marks.has(Marks::FINISHED) {
            return Err(SendError::Finished);
        }
        let retry = (code == Code::TOO_MANY || code == Code::UNAVAILABLE)
            .then_some(u64::from(connection.config.retry_after_ms));
        let mut body = Vec::new();
        write_error_body(&mut body, reason, message, exchange.corr, retry);
        connection.send_error_body(slot, code, body.into());
        Ok(())
    }

    /// Gives the exchange up: CANCEL to a peer that takes it, nothing more is sent, and what still
    /// arrives is discarded (OAP-4-7). Events of what had arrived before still come out. A client's
    /// handle goes stale; a server's slot stays taken until [`Exchange::release`].
    ///
    /// A code below 400 is sent as 408.
    pub fn cancel(self, code: Code, reason: Reason) {
        let Self { connection, slot } = self;
        let exchange = connection.exchanges.get(slot);
        if connection.is_closed() || !matches!(exchange.phase, Phase::Open | Phase::Parked) {
            return;
        }
        let code = if (400..600).contains(&code.get()) {
            code
        } else {
            Code::TIMEOUT
        };
        match connection.role {
            Role::Server => connection.end_with_error(slot, code, reason, "given up"),
            Role::Client => {
                let reply = Reply::error(exchange.corr, code, reason, "given up")
                    .retry_after(connection.config.retry_after_ms);
                let lane = exchange.lane;
                connection.send_cancel(lane, reply);
            }
        }
        connection.drop_parked(slot);
        match connection.role {
            Role::Server => connection.finish_at_server(slot, false),
            Role::Client => connection.abandon(slot),
        }
    }

    /// Server: the handler's work has ended; the slot is free once the wire is done with the
    /// exchange, too (OAP-3-17). An exchange that was not answered is cancelled with 500 `internal`.
    pub fn release(self) {
        let Self { connection, slot } = self;
        let exchange = connection.exchanges.get_mut(slot);
        match exchange.phase {
            Phase::Ended => {
                connection.exchanges.free(slot);
                connection.close_if_finished();
            }
            Phase::Open if exchange.marks.has(Marks::FINISHED) => {
                exchange.marks.set(Marks::RELEASED);
            }
            Phase::Open | Phase::Parked => {
                if !connection.is_closed() {
                    let message = "the handler ended without an answer";
                    connection.end_with_error(slot, Code::INTERNAL, Reason::Internal, message);
                }
                connection.drop_parked(slot);
                connection.finish_at_server(slot, true);
            }
            Phase::Free | Phase::Discarding => {}
        }
    }

    /// Server: the verdict on a START that [`Event::Authorize`](crate::Event::Authorize) told of.
    /// Nothing happens if it came too late.
    pub fn authorize(self, now: Timestamp, verdict: Verdict) {
        let Self { connection, slot } = self;
        let exchange = connection.exchanges.get(slot);
        if exchange.phase != Phase::Parked || connection.is_closed() {
            return;
        }
        let (code, reason) = match verdict {
            Verdict::Allow => return connection.unpark(slot),
            Verdict::Deny if exchange.marks.has(Marks::CAPABLE) => {
                (Code::FORBIDDEN, Reason::Forbidden)
            }
            Verdict::Deny => (Code::UNAUTHORIZED, Reason::Unauthorized),
            Verdict::Refuse(code, reason) => (code, reason),
        };
        connection.counters.refuse(reason);
        let lane = connection.exchanges.get(slot).lane;
        connection.end_with_error(slot, code, reason, "the capability does not suffice");
        connection.drop_parked(slot);
        connection.finish_at_server(slot, true);
        // Other codes are the verifier's own matter (OAP-10-8).
        if matches!(code.get(), 400 | 401 | 403 | 413 | 429) {
            connection.charge_fault(lane, now);
        }
    }
}

impl Connection {
    /// The verdict let an exchange through: what was parked reaches the handler.
    fn unpark(&mut self, slot: u32) {
        let exchange = self.exchanges.get_mut(slot);
        exchange.phase = Phase::Open;
        exchange.deadline = Timestamp::MAX;
        if let Some(parked) = exchange.parked.take() {
            let id = self.exchanges.id(slot);
            self.events.push_parked(id, parked);
        }
    }
}
