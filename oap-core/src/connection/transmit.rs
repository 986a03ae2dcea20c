//! From what is queued to bytes for the transport.

use alloc::vec::Vec;
#[cfg(feature = "std")]
use std::io::IoSlice;

use bytes::{Buf, Bytes};

use super::Connection;
use super::exchange::{Marks, Queued};
use super::lanes::encode_reply;
use crate::wire::{Flags, FrameQueue, HEADER_LEN, Header, MIN_LEN};
use crate::{Code, Event, ExchangeId, Lane};

/// Encoded bytes that may wait on one lane; beyond it bodies stay with their exchanges, so that a
/// slow transport does not pile them up here.
const HIGH_WATER: usize = 256 * 1024;

/// Bytes lent to the transport's writer.
///
/// As a [`Buf`] it knows `chunks_vectored`: all frames that wait can leave in one write. What the
/// writer does not advance over is lent again.
#[derive(Debug)]
pub struct Transmit<'a>(&'a mut FrameQueue);

impl<'a> Transmit<'a> {
    pub(super) fn new(queue: &'a mut FrameQueue) -> Self {
        Self(queue)
    }
}

impl Buf for Transmit<'_> {
    fn remaining(&self) -> usize {
        self.0.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.0.chunk()
    }

    #[cfg(feature = "std")]
    fn chunks_vectored<'a>(&'a self, dst: &mut [IoSlice<'a>]) -> usize {
        self.0.chunks_vectored(dst)
    }

    fn advance(&mut self, count: usize) {
        self.0.advance(count);
    }
}

impl Connection {
    /// Encodes what may go now on `lane`: replies first, then ACKs, then bodies in turn.
    #[inline]
    pub(super) fn fill(&mut self, lane: Lane) {
        let Some(state) = self.lanes.try_get_mut(lane) else {
            return;
        };
        if !state.replies.is_empty() {
            self.encode_replies(lane);
        }
        let state = self.lanes.get_mut(lane);
        if !state.acks.is_empty() {
            self.encode_acks(lane);
        }
        while let Some(id) = self.next_ready(lane) {
            self.send_chunk(lane, id);
        }
    }

    pub(super) fn encode_replies(&mut self, lane: Lane) {
        let state = self.lanes.get_mut(lane);
        while let Some(reply) = state.replies.pop_front() {
            self.obligations -= usize::from(reply.is_obligatory());
            self.peer.replied |= reply.is_good_hello();
            self.counters.frames_sent += 1;
            encode_reply(&reply, &mut state.out, &self.config);
        }
    }

    fn encode_acks(&mut self, lane: Lane) {
        let state = self.lanes.get_mut(lane);
        while let Some(id) = state.acks.pop_front() {
            let Some(slot) = self.exchanges.slot(id) else {
                continue;
            };
            let exchange = self.exchanges.get_mut(slot);
            exchange.marks.clear(Marks::ACK_QUEUED);
            if exchange.marks.has(Marks::PEER_FINISHED) {
                continue;
            }
            let (consumed, limit) = exchange.recv.acknowledge(exchange.window);
            let mut body = [0; 16];
            body[..8].copy_from_slice(&consumed.to_le_bytes());
            body[8..].copy_from_slice(&limit.to_le_bytes());
            let header = Header {
                len: MIN_LEN + 16,
                flags: Flags::RESP,
                code: Code::ACK,
                app_proto_id: 0,
                tenant_id: 0,
                cap_len: 0,
                corr_id: exchange.corr,
            };
            self.counters.frames_sent += 1;
            state.out.push_copied(&header, &body);
        }
    }

    #[inline]
    fn next_ready(&mut self, lane: Lane) -> Option<ExchangeId> {
        let state = self.lanes.get_mut(lane);
        if state.ready.is_empty() || state.out.remaining() >= HIGH_WATER {
            return None;
        }
        state.ready.pop_front()
    }

    /// Encodes one chunk of an exchange's queue; the exchange then stands behind the others.
    fn send_chunk(&mut self, lane: Lane, id: ExchangeId) {
        let Some(slot) = self.exchanges.slot(id) else {
            return;
        };
        let exchange = self.exchanges.get_mut(slot);
        exchange.marks.clear(Marks::READY);
        if !exchange.can_send() {
            return;
        }
        let Some(queued) = exchange.queue.pop_front() else {
            return;
        };
        let before = exchange.queued;
        exchange.queued -= queued.bytes.len();
        if let Some(rest) = self.encode_chunk(slot, queued) {
            let exchange = self.exchanges.get_mut(slot);
            exchange.queued += rest.bytes.len();
            exchange.queue.push_front(rest);
        }
        if self.exchanges.slot(id).is_none() {
            return;
        }
        let room = self.config.limits.send_buffer() as usize;
        let exchange = self.exchanges.get_mut(slot);
        if exchange.marks.has(Marks::WANTS_ROOM)
            && exchange.queued < room
            && exchange.queued < before
        {
            exchange.marks.clear(Marks::WANTS_ROOM);
            self.events.push_back(Event::Writable { id });
        }
        debug_assert_eq!(self.exchanges.get(slot).lane, lane);
        self.make_ready(slot);
    }

    /// Puts an exchange into its lane's queue of senders, if it has something to send.
    #[inline]
    pub(super) fn make_ready(&mut self, slot: u32) {
        let id = self.exchanges.id(slot);
        let exchange = self.exchanges.get_mut(slot);
        if !exchange.marks.has(Marks::READY) && exchange.can_send() {
            exchange.marks.set(Marks::READY);
            let lane = exchange.lane;
            self.lanes.push_ready(lane, id);
        }
    }

    /// Whether a body may be encoded at once, ahead of nothing.
    #[inline]
    pub(super) fn may_send_now(&mut self, slot: u32) -> bool {
        let exchange = self.exchanges.get(slot);
        exchange.queue.is_empty() && self.lanes.get_mut(exchange.lane).out.remaining() < HIGH_WATER
    }

    /// Encodes as much of a body as one frame and the credit allow; what is left comes back.
    #[inline]
    pub(super) fn encode_chunk(&mut self, slot: u32, mut queued: Queued) -> Option<Queued> {
        let chunk = (self.config.limits.chunk() as usize - HEADER_LEN).min(self.peer.max_payload());
        let exchange = self.exchanges.get_mut(slot);
        let whole = queued.flags.contains(Flags::COMP);
        let windowed = exchange.marks.has(Marks::WINDOWED) && queued.credited;
        let mut take = queued.bytes.len();
        if !whole && take > chunk {
            take = chunk;
        }
        if windowed && take > exchange.send.credit() {
            if whole || exchange.send.credit() == 0 {
                return Some(queued);
            }
            take = exchange.send.credit();
        }
        let last = take == queued.bytes.len();
        let mut flags = queued.flags;
        if !last {
            flags = Flags::from_bits(flags.bits() & !Flags::END.bits());
        }
        let ends = flags.contains(Flags::END);
        if !exchange.marks.has(Marks::BEGUN) {
            exchange.marks.set(Marks::BEGUN);
            // An answer in one frame has nothing to acknowledge (OAP-6-3).
            if exchange.marks.has(Marks::WINDOWED) && !ends {
                flags |= Flags::ACK_REQ;
            }
        }
        if windowed {
            exchange.send.send(take);
        }
        let payload = if last {
            core::mem::take(&mut queued.bytes)
        } else {
            queued.bytes.split_to(take)
        };
        let header = Header {
            len: MIN_LEN + take as u32,
            flags,
            code: queued.code,
            app_proto_id: exchange.app,
            tenant_id: exchange.tenant,
            cap_len: 0,
            corr_id: exchange.corr,
        };
        let lane = exchange.lane;
        self.lanes
            .get_mut(lane)
            .out
            .push(&header, Bytes::new(), payload);
        self.lanes.touch(lane);
        self.counters.frames_sent += 1;
        if ends {
            self.sent_end(slot);
        }
        (!last).then_some(queued)
    }

    pub(super) fn encode_all_replies(&mut self) {
        let lanes: Vec<Lane> = self.lanes.with_replies().collect();
        for lane in lanes {
            self.encode_replies(lane);
        }
    }
}
