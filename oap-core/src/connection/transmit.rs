//! From what is queued to bytes for the transport.

use alloc::vec::Vec;
#[cfg(feature = "std")]
use std::io::IoSlice;

use bytes::{Buf, Bytes};

use super::Connection;
use super::exchange::{Marks, Phase, Queued};
use super::lanes::encode_reply;
use crate::event::End;
use crate::wire::{Flags, FrameQueue, Header, MIN_LEN};
use crate::{Code, Event, ExchangeId, Lane, Reason, Violation};

/// Encoded bytes that may wait on one lane; beyond it bodies stay with their exchanges, so that a
/// slow transport does not pile them up here.
pub(super) const HIGH_WATER: usize = 256 * 1024;

/// Encoded bytes beyond which replies and ACKs stay queued, too: a peer that makes us answer and
/// does not read is paused by the bound of what is queued, and costs little until then.
const REPLY_MARK: usize = 1024;

/// Bytes lent to the transport's writer.
///
/// As a [`Buf`] it knows `chunks_vectored`: all frames that wait can leave in one write. Its
/// `copy_to_bytes` hands a large payload out without a copy. What the writer does not advance over is
/// lent again.
#[derive(Debug)]
pub struct Transmit<'a>(&'a mut FrameQueue);

impl<'a> Transmit<'a> {
    pub(super) fn new(queue: &'a mut FrameQueue) -> Self {
        Self(queue)
    }
}

impl Buf for Transmit<'_> {
    #[inline]
    fn remaining(&self) -> usize {
        self.0.remaining()
    }

    #[inline]
    fn chunk(&self) -> &[u8] {
        self.0.chunk()
    }

    #[cfg(feature = "std")]
    #[inline]
    fn chunks_vectored<'a>(&'a self, dst: &mut [IoSlice<'a>]) -> usize {
        self.0.chunks_vectored(dst)
    }

    #[inline]
    fn advance(&mut self, count: usize) {
        self.0.advance(count);
    }

    fn copy_to_bytes(&mut self, len: usize) -> Bytes {
        self.0.copy_to_bytes(len)
    }
}

impl Connection {
    /// Encodes what may go now on `lane`: replies first, then ACKs, then bodies in turn.
    #[inline]
    pub(super) fn fill(&mut self, lane: Lane) {
        let Some(state) = self.lanes.try_get_mut(lane) else {
            return;
        };
        if !state.has_queued() {
            return;
        }
        self.encode_replies(lane, REPLY_MARK);
        self.encode_acks(lane);
        while let Some(id) = self.next_ready(lane) {
            self.send_chunk(lane, id);
        }
    }

    fn encode_replies(&mut self, lane: Lane, mark: usize) {
        let state = self.lanes.get_mut(lane);
        while state.out.remaining() < mark {
            let Some(reply) = state.replies.pop_front() else {
                break;
            };
            self.obligations -= usize::from(reply.is_obligatory());
            self.peer.told |= reply.is_good_hello();
            let bytes = encode_reply(&reply, &mut state.out, &self.config);
            self.counters.sent(bytes);
            self.counters.control_sent += 1;
        }
    }

    fn encode_acks(&mut self, lane: Lane) {
        let state = self.lanes.get_mut(lane);
        while state.out.remaining() < REPLY_MARK {
            let Some(id) = state.acks.pop_front() else {
                break;
            };
            let Some(slot) = self.exchanges.slot(id) else {
                continue;
            };
            let exchange = self.exchanges.get_mut(slot);
            exchange.marks.clear(Marks::ACK_QUEUED);
            if exchange.marks.has(Marks::PEER_FINISHED) || exchange.phase == Phase::Ended {
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
            self.counters.sent(header.frame_len());
            self.counters.control_sent += 1;
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
        if exchange.marks.has(Marks::WANTS_ROOM) && exchange.queued < room {
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
        let lane = exchange.lane;
        if exchange.marks.has(Marks::READY) || exchange.queue.is_empty() {
            return;
        }
        if exchange.can_send() {
            exchange.marks.set(Marks::READY);
            self.lanes.push_ready(lane, id);
        } else if self.lanes.get_mut(lane).peer_ended {
            self.give_up(slot);
        }
    }

    /// An answer waits for credit, and the client that would give it has ended its stream: it can
    /// never be completed (OAP-1-11).
    fn give_up(&mut self, slot: u32) {
        let message = "the client ended its stream and its answer needs more credit";
        let fault = Violation::exchange(Reason::Io, "OAP-1-11", message);
        self.counters.refuse(fault.reason);
        self.end_exchange(slot, End::Violation(fault));
        self.close_if_finished();
    }

    /// Encodes as much of a body as one frame and the credit allow; what is left comes back (OAP-3-5).
    pub(super) fn encode_chunk(&mut self, slot: u32, mut queued: Queued) -> Option<Queued> {
        let exchange = self.exchanges.get_mut(slot);
        let whole = queued.flags.contains(Flags::COMP);
        let mut take = queued.bytes.len();
        if !whole {
            take = take.min(self.max_chunk);
        }
        let windowed = exchange.marks.has(Marks::WINDOWED) && queued.credited;
        if windowed && take > exchange.send.credit() {
            if whole || exchange.send.credit() == 0 {
                return Some(queued);
            }
            take = exchange.send.credit();
        }
        let last = take == queued.bytes.len();
        let mut flags = queued.flags;
        if !last {
            flags = flags.without(Flags::END);
        }
        // An answer in one frame has nothing to acknowledge (OAP-6-3).
        if exchange.marks.has(Marks::WINDOWED)
            && !exchange.marks.has(Marks::BEGUN)
            && !flags.contains(Flags::END)
        {
            flags |= Flags::ACK_REQ;
        }
        if windowed {
            exchange.send.send(take);
        }
        let payload = queued.bytes.split_to(take);
        self.encode_frame(slot, flags, queued.code, payload);
        (!last).then_some(queued)
    }

    /// Encodes one frame of an exchange, with its `app_proto_id` and `tenant_id` (OAP-3-6).
    #[inline]
    pub(super) fn encode_frame(&mut self, slot: u32, flags: Flags, code: Code, payload: Bytes) {
        let exchange = self.exchanges.get_mut(slot);
        exchange.marks.set(Marks::BEGUN);
        let header = Header {
            len: MIN_LEN + payload.len() as u32,
            flags,
            code,
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
        self.counters.sent(header.frame_len());
        if flags.contains(Flags::END) {
            self.sent_end(slot);
        } else if flags.contains(Flags::EVENT) {
            self.counters.events_sent += 1;
        }
    }

    /// Encodes the replies of every lane, whatever is encoded already: the connection ends with them.
    pub(super) fn encode_all_replies(&mut self) {
        let lanes: Vec<Lane> = self.lanes.with_replies().collect();
        for lane in lanes {
            self.encode_replies(lane, usize::MAX);
        }
    }
}
