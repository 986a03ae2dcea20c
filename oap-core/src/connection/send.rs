//! What the application sends (OAP-3, OAP-6, OAP-7).

use bytes::Bytes;

use super::exchange::{Marks, Phase, Queued};
use super::{Connection, Life, Role};
use crate::wire::{Codings, Flags, Header, MIN_LEN};
use crate::{Body, Code, ExchangeId, Fin, Head, Lane, SendError, Timestamp};

/// Largest body of an answer that ends with an error: it fits the smallest frame a peer may ask for
/// (OAP-9-4).
const MAX_ERROR_BODY: usize = 4_063;

impl Connection {
    /// Opens an exchange with the beginning of its request, or all of it.
    ///
    /// A body that is whole goes without window if one frame takes it; a longer or a streaming one
    /// keeps to the server's window where [`Config::windows`](crate::Config::windows) says so.
    ///
    /// # Errors
    /// A [`SendError`]: nothing changed.
    pub fn request(
        &mut self,
        now: Timestamp,
        head: Head,
        body: Body,
        fin: Fin,
    ) -> Result<ExchangeId, SendError> {
        self.check_request(&head, &body)?;
        let chunk = self.first_chunk(&head, body.len(), fin);
        let one_frame = fin.is_end() && chunk == body.len();
        let windowed = self.config.windows && !one_frame;
        let corr = self.next_corr;
        self.next_corr += 1;
        let timeout = head
            .timeout
            .or(fin.is_end().then_some(self.config.timers.request));
        let marks = Marks::BEGUN
            | Marks::when(windowed, Marks::WINDOWED)
            | Marks::when(fin.is_end(), Marks::FINISHED);
        let window = self.receive_window();
        let config = &self.config;
        self.lanes
            .open(head.lane, config.multi_lane, &config.limits);
        let (id, exchange) = self.exchanges.open(corr);
        exchange.begin(head.lane, marks, window, self.peer.window);
        exchange.app = head.app_proto_id;
        exchange.tenant = head.tenant_id;
        if let Some(timeout) = timeout {
            exchange.deadline = self.times.arm(now + timeout);
        }
        self.counters.exchanges_opened += 1;
        self.encode_start(id.slot, head, body, fin, chunk);
        Ok(id)
    }

    fn check_request(&self, head: &Head, body: &Body) -> Result<(), SendError> {
        if self.role != Role::Client {
            return Err(SendError::Role);
        }
        if self.is_closed() {
            return Err(SendError::Closed);
        }
        if self.life == Life::Draining || self.peer.going_away {
            return Err(SendError::Draining);
        }
        if head.app_proto_id == 0 {
            return Err(SendError::ControlId);
        }
        // No second lane before the HELLO is answered (OAP-11-6).
        let early = head.lane != Lane::FIRST && self.times.hello_sent.is_some();
        let usable = if head.lane == Lane::FIRST {
            self.lanes.exists(head.lane)
        } else {
            self.config.multi_lane
        };
        // Nothing would be answered on a lane that its peer has ended (OAP-1-12).
        if early || !usable || self.lanes.has_ended(head.lane) {
            return Err(SendError::NoLane);
        }
        let capacity = self.capacity();
        if self.exchanges.taken() >= capacity {
            return Err(SendError::OverCapacity {
                limit: capacity as u32,
            });
        }
        let limit = self.peer.max_payload();
        let cap_len = head.capability.len();
        if cap_len > limit.min(usize::from(u16::MAX)) {
            return Err(SendError::TooLarge {
                size: cap_len,
                limit: limit.min(usize::from(u16::MAX)),
            });
        }
        self.check_body(
            body,
            limit - cap_len,
            self.config.windows.then_some(self.peer.window),
        )
    }

    /// A compressed body cannot be split: it must fit one frame, and the window where there is one.
    fn check_body(&self, body: &Body, limit: usize, window: Option<u32>) -> Result<(), SendError> {
        if !body.is_compressed() {
            return Ok(());
        }
        if !self.peer.codings.contains(Codings::ZLIB) {
            return Err(SendError::Unsupported);
        }
        let limit = window.map_or(limit, |window| limit.min(window as usize));
        if body.len() > limit {
            return Err(SendError::TooLarge {
                size: body.len(),
                limit,
            });
        }
        Ok(())
    }

    /// How many bytes of the body the START frame takes.
    fn first_chunk(&self, head: &Head, len: usize, fin: Fin) -> usize {
        let room = self
            .max_chunk
            .min(self.peer.max_payload() - head.capability.len());
        let whole = len <= room && fin.is_end();
        let credit = self.peer.window as usize;
        let limit = if self.config.windows && !whole {
            room.min(credit)
        } else {
            room
        };
        len.min(limit)
    }

    /// Encodes the START, the one frame that may carry a capability (OAP-1-13).
    fn encode_start(&mut self, slot: u32, head: Head, mut body: Body, fin: Fin, chunk: usize) {
        let exchange = self.exchanges.get_mut(slot);
        let windowed = exchange.marks.has(Marks::WINDOWED);
        let whole = chunk == body.bytes.len() || body.is_compressed();
        let payload = if whole {
            core::mem::take(&mut body.bytes)
        } else {
            body.bytes.split_to(chunk)
        };
        let mut flags = Flags::REQ | Flags::START | body.flags;
        if whole && fin.is_end() {
            flags |= Flags::END;
        }
        if windowed {
            flags |= Flags::ACK_REQ;
            exchange.send.send(payload.len());
        }
        let header = Header {
            len: MIN_LEN + (head.capability.len() + payload.len()) as u32,
            flags,
            code: Code::OK,
            app_proto_id: head.app_proto_id,
            tenant_id: head.tenant_id,
            cap_len: head.capability.len() as u16,
            corr_id: exchange.corr,
        };
        if !whole {
            let end = if fin.is_end() {
                Flags::END
            } else {
                Flags::NONE
            };
            let flags = Flags::REQ | body.flags | end;
            exchange.queued = body.bytes.len();
            exchange.queue.push_back(Queued {
                bytes: body.bytes,
                flags,
                code: Code::OK,
                credited: true,
            });
        }
        self.lanes
            .get_mut(head.lane)
            .out
            .push(&header, head.capability, payload);
        self.lanes.touch(head.lane);
        self.counters.sent(header.frame_len());
        self.make_ready(slot);
    }

    /// Sends more on an exchange; see [`Exchange`](super::Exchange) for the commands made of it.
    #[inline]
    pub(super) fn send_on(
        &mut self,
        slot: u32,
        direction: Flags,
        code: Code,
        body: Body,
        fin: Fin,
    ) -> Result<(), SendError> {
        self.check_send(slot, direction)?;
        let error = direction == Flags::RESP && fin.is_end() && code.is_error();
        if error && (body.is_compressed() || body.len() > MAX_ERROR_BODY) {
            return Err(SendError::TooLarge {
                size: body.len(),
                limit: MAX_ERROR_BODY,
            });
        }
        let end = if fin.is_end() {
            Flags::END
        } else {
            Flags::NONE
        };
        let flags = direction | body.flags | end;
        if self.goes_out_whole(slot, &body, flags) {
            self.encode_frame(slot, flags, code, body.bytes);
            return Ok(());
        }
        self.send_later(slot, flags, code, body)
    }

    /// Whether a body needs neither to wait nor to be split or counted. What ends an answer and fits
    /// its credit need not be: nothing follows it.
    #[inline]
    fn goes_out_whole(&mut self, slot: u32, body: &Body, flags: Flags) -> bool {
        let exchange = self.exchanges.get(slot);
        let (len, lane) = (body.bytes.len(), exchange.lane);
        let counted = exchange.marks.has(Marks::WINDOWED);
        len <= self.max_chunk
            && !body.is_compressed()
            && (!counted
                || flags.contains(Flags::RESP | Flags::END) && len <= exchange.send.credit())
            && exchange.queue.is_empty()
            && self.lanes.get_mut(lane).takes_bodies()
    }

    /// A body that is split, counted against a window, or waits.
    #[cold]
    fn send_later(
        &mut self,
        slot: u32,
        flags: Flags,
        code: Code,
        body: Body,
    ) -> Result<(), SendError> {
        if body.is_compressed() {
            let windowed = self.exchanges.get(slot).marks.has(Marks::WINDOWED);
            let window = windowed.then_some(self.peer.window);
            self.check_body(&body, self.peer.max_payload(), window)?;
        }
        let room = self.config.limits.send_buffer() as usize;
        let ends = flags.contains(Flags::END);
        let exchange = self.exchanges.get_mut(slot);
        if exchange.queued >= room && !ends {
            exchange.marks.set(Marks::WANTS_ROOM);
            return Err(SendError::Full);
        }
        if ends {
            exchange.marks.set(Marks::FINISHED);
        }
        // The error body that ends an answer needs no credit (OAP-6-7).
        let credited = !(code.is_error() && flags.contains(Flags::RESP | Flags::END));
        self.times.used();
        self.queue_body(
            slot,
            Queued {
                bytes: body.bytes,
                flags,
                code,
                credited,
            },
        );
        Ok(())
    }

    fn check_send(&self, slot: u32, direction: Flags) -> Result<(), SendError> {
        let exchange = self.exchanges.get(slot);
        if self.is_closed() {
            return Err(SendError::Closed);
        }
        match exchange.phase {
            Phase::Open => {}
            Phase::Parked => return Err(SendError::Unauthorized),
            Phase::Free | Phase::Ended | Phase::Discarding => return Err(SendError::Ended),
        }
        if (direction == Flags::REQ) != (self.role == Role::Client) {
            return Err(SendError::Role);
        }
        if exchange.marks.has(Marks::FINISHED) {
            Err(SendError::Finished)
        } else {
            Ok(())
        }
    }

    #[inline]
    fn queue_body(&mut self, slot: u32, queued: Queued) {
        let lane = self.exchanges.get(slot).lane;
        let clear =
            self.exchanges.get(slot).queue.is_empty() && self.lanes.get_mut(lane).takes_bodies();
        let rest = if clear {
            self.encode_chunk(slot, queued)
        } else {
            Some(queued)
        };
        if let Some(rest) = rest {
            let exchange = self.exchanges.get_mut(slot);
            exchange.queued += rest.bytes.len();
            exchange.queue.push_back(rest);
            self.make_ready(slot);
        }
    }

    /// This side's END is encoded; a server's closes both halves (OAP-3-3).
    #[inline]
    pub(super) fn sent_end(&mut self, slot: u32) {
        let exchange = self.exchanges.get_mut(slot);
        exchange.marks.set(Marks::FINISHED);
        if self.role == Role::Client {
            return;
        }
        let done = !self.config.explicit_release || exchange.marks.has(Marks::RELEASED);
        if done && exchange.marks.has(Marks::PEER_FINISHED) {
            self.forget(slot);
        } else {
            self.finish_at_server(slot, done);
        }
    }

    /// Ends an exchange with an error body, which needs neither room nor credit.
    pub(super) fn send_error_body(&mut self, slot: u32, code: Code, body: Bytes) {
        let exchange = self.exchanges.get_mut(slot);
        exchange.queue.clear();
        exchange.queued = 0;
        exchange.marks.set(Marks::FINISHED);
        let flags = Flags::RESP | Flags::END;
        self.queue_body(
            slot,
            Queued {
                bytes: body,
                flags,
                code,
                credited: false,
            },
        );
    }
}
