//! The exchanges of one connection: slots, and an index from `corr_id`.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use bytes::Bytes;

use super::events::Parked;
use super::index::Index;
use super::window::{RecvWindow, SendWindow};
use crate::wire::Flags;
use crate::{Code, ExchangeId, Lane, Timestamp};

/// Where an exchange stands. `state.rs` says which frame leads where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) enum Phase {
    /// The slot is free.
    #[default]
    Free,
    /// A START waits for its verdict.
    Parked,
    /// At least one direction goes on.
    Open,
    /// Over on the wire, but the handler's work is not: the slot stays taken (OAP-3).
    Ended,
    /// A client gave up towards a peer without CANCEL: frames are acknowledged and dropped.
    Discarding,
}

/// Facts about an exchange that are either so or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "testing", derive(Hash))]
pub(crate) struct Marks(u16);

impl Marks {
    /// The first frame of our direction is sent.
    pub(crate) const BEGUN: u16 = 1;
    /// Our END is queued or sent; nothing more may be sent.
    pub(crate) const FINISHED: u16 = 1 << 1;
    /// The peer keeps to our window.
    pub(crate) const PEER_WINDOWED: u16 = 1 << 2;
    /// We keep to the peer's window.
    pub(crate) const WINDOWED: u16 = 1 << 3;
    /// The peer's first frame came.
    pub(crate) const PEER_BEGUN: u16 = 1 << 4;
    /// Stands in its lane's queue of ACKs.
    pub(crate) const ACK_QUEUED: u16 = 1 << 5;
    /// Stands in its lane's queue of senders.
    pub(crate) const READY: u16 = 1 << 6;
    /// A send was refused for want of room.
    pub(crate) const WANTS_ROOM: u16 = 1 << 7;
    /// The peer's END came.
    pub(crate) const PEER_FINISHED: u16 = 1 << 8;
    /// The handler's work has ended, but not all of its answer is sent.
    pub(crate) const RELEASED: u16 = 1 << 9;
    /// The START carried a capability.
    pub(crate) const CAPABLE: u16 = 1 << 10;
    /// An ACK has reached or passed the first limit.
    pub(crate) const ACKED: u16 = 1 << 11;

    #[inline]
    pub(crate) const fn new(bits: u16) -> Self {
        Self(bits)
    }

    /// The mark, if the condition holds.
    #[inline]
    pub(crate) const fn when(condition: bool, mark: u16) -> u16 {
        if condition { mark } else { 0 }
    }

    #[inline]
    pub(crate) const fn has(self, mark: u16) -> bool {
        self.0 & mark != 0
    }

    #[inline]
    pub(crate) fn set(&mut self, mark: u16) {
        self.0 |= mark;
    }

    #[inline]
    pub(crate) fn clear(&mut self, mark: u16) {
        self.0 &= !mark;
    }
}

/// A body that waits for credit or for room.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "testing", derive(Hash))]
pub(crate) struct Queued {
    pub(crate) bytes: Bytes,
    /// Direction, END, COMP and APP_E2E.
    pub(crate) flags: Flags,
    pub(crate) code: Code,
    /// Credit is taken for it; an error body needs none (OAP-6).
    pub(crate) credited: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Exchange {
    pub(crate) generation: u32,
    pub(crate) phase: Phase,
    pub(crate) marks: Marks,
    pub(crate) empties: u8,
    pub(crate) lane: Lane,
    pub(crate) app: u16,
    pub(crate) tenant: u128,
    pub(crate) corr: u64,
    pub(crate) recv: RecvWindow,
    pub(crate) send: SendWindow,
    pub(crate) deadline: Timestamp,
    pub(crate) queue: VecDeque<Queued>,
    pub(crate) queued: usize,
    /// What waits for the verdict; there in [`Phase::Parked`] only.
    pub(crate) parked: Option<Box<Parked>>,
    /// The window that the peer was told for this exchange.
    pub(crate) window: u32,
}

impl Exchange {
    /// Fills a slot that was free.
    #[inline]
    pub(crate) fn begin(&mut self, lane: Lane, marks: u16, window: u32, credit: u32) {
        self.phase = Phase::Open;
        self.marks = Marks::new(marks);
        self.empties = 0;
        self.lane = lane;
        self.window = window;
        self.recv = RecvWindow::new(window);
        self.send = SendWindow::new(credit);
        self.deadline = Timestamp::MAX;
    }

    /// Whether the head of the send queue may go now: an empty body and an error body need no
    /// credit, a compressed one cannot be split.
    pub(crate) fn can_send(&self) -> bool {
        let Some(front) = self.queue.front() else {
            return false;
        };
        let needed = match (
            front.credited && self.marks.has(Marks::WINDOWED),
            front.bytes.len(),
        ) {
            (false, _) | (true, 0) => 0,
            (true, len) if front.flags.contains(Flags::COMP) => len,
            (true, _) => 1,
        };
        self.send.credit() >= needed
    }
}

/// A slab with an index. Nothing here is iterated in hash order.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "testing", derive(Hash))]
pub(crate) struct Exchanges {
    slots: Vec<Exchange>,
    free: Vec<u32>,
    index: Index,
    taken: usize,
    /// Where the generations of new slots begin; above those of all slots given back.
    first_generation: u32,
    /// Stands in for a slot that is not there.
    nowhere: Exchange,
}

impl Exchanges {
    pub(crate) fn new(key: u64) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            index: Index::new(key),
            taken: 0,
            first_generation: 0,
            nowhere: Exchange::default(),
        }
    }

    /// Slots that are not free, whether the wire still knows them or not.
    #[inline]
    pub(crate) const fn taken(&self) -> usize {
        self.taken
    }

    /// The slot of an exchange that is open on the wire.
    #[inline]
    pub(crate) fn find(&self, corr: u64) -> Option<u32> {
        self.index.find(corr, |slot| corr_of(&self.slots, slot))
    }

    /// Takes a slot for `corr`, which must not be open. The caller fills in everything but the id,
    /// the generation and what a free slot never holds.
    #[inline(always)]
    pub(crate) fn open(&mut self, corr: u64) -> (ExchangeId, &mut Exchange) {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => self.push_slot(),
        };
        self.taken += 1;
        self.index
            .insert(corr, slot, |slot| corr_of(&self.slots, slot));
        let exchange = self.get_mut(slot);
        exchange.corr = corr;
        (
            ExchangeId {
                slot,
                generation: exchange.generation,
            },
            exchange,
        )
    }

    #[cold]
    fn push_slot(&mut self) -> u32 {
        let generation = self.first_generation;
        self.slots.push(Exchange {
            generation,
            ..Exchange::default()
        });
        (self.slots.len() - 1) as u32
    }

    /// Forgets the exchange's `corr_id`; the slot stays taken.
    #[inline(always)]
    pub(crate) fn detach(&mut self, slot: u32) {
        let corr = corr_of(&self.slots, slot);
        self.index
            .remove(corr, slot, |slot| corr_of(&self.slots, slot));
    }

    /// Frees a slot; handles to it go stale.
    #[inline(always)]
    pub(crate) fn free(&mut self, slot: u32) {
        let exchange = self.get_mut(slot);
        if exchange.queue.capacity() > 0 || exchange.parked.is_some() {
            exchange.queue = VecDeque::new();
            exchange.parked = None;
        }
        exchange.queued = 0;
        exchange.generation = exchange.generation.wrapping_add(1);
        exchange.phase = Phase::Free;
        self.free.push(slot);
        self.taken -= 1;
    }

    #[inline]
    pub(crate) fn id(&self, slot: u32) -> ExchangeId {
        ExchangeId {
            slot,
            generation: self.get(slot).generation,
        }
    }

    /// The slot behind a handle, unless it is stale.
    #[inline]
    pub(crate) fn slot(&self, id: ExchangeId) -> Option<u32> {
        let exchange = self.slots.get(id.slot as usize)?;
        (exchange.generation == id.generation && exchange.phase != Phase::Free).then_some(id.slot)
    }

    /// A slot that is there. One that is not would be a mistake of ours, and no reason to panic: it
    /// gets an exchange that nobody else sees.
    #[inline]
    pub(crate) fn get(&self, slot: u32) -> &Exchange {
        debug_assert!(slot < self.len(), "slot {slot} is there");
        match self.slots.get(slot as usize) {
            Some(exchange) => exchange,
            None => &self.nowhere,
        }
    }

    /// As [`Exchanges::get`].
    #[inline]
    pub(crate) fn get_mut(&mut self, slot: u32) -> &mut Exchange {
        debug_assert!(slot < self.len(), "slot {slot} is there");
        match self.slots.get_mut(slot as usize) {
            Some(exchange) => exchange,
            None => &mut self.nowhere,
        }
    }

    /// How many slots there are, free ones included.
    pub(crate) fn len(&self) -> u32 {
        self.slots.len() as u32
    }

    /// Every taken slot, lowest first.
    pub(crate) fn slots(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.len()).filter(|&slot| self.get(slot).phase != Phase::Free)
    }

    /// Gives memory back while nothing is open. Handles given out before stay stale.
    pub(crate) fn trim(&mut self) {
        if self.taken == 0 {
            let highest = self.slots.iter().map(|exchange| exchange.generation).max();
            self.first_generation = highest.unwrap_or(self.first_generation).wrapping_add(1);
            self.slots = Vec::new();
            self.free = Vec::new();
            self.index.trim();
        }
    }
}

/// The id of a slot; 0, which no exchange has, if there is no such slot.
#[inline]
fn corr_of(slots: &[Exchange], slot: u32) -> u64 {
    slots.get(slot as usize).map_or(0, |exchange| exchange.corr)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bound of what a hostile peer can make us hold counts on it.
    #[test]
    fn an_exchange_is_small() {
        assert!(
            size_of::<Exchange>() <= 144,
            "{} bytes",
            size_of::<Exchange>()
        );
    }
}
