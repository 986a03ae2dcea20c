//! Whether a connection's own bookkeeping agrees with itself (feature `testing`).

use alloc::format;
use alloc::string::String;

use super::exchange::{Exchange, Marks, Phase};
use super::{Connection, Role};
use crate::Payload;

impl Connection {
    /// Checks every sum, mark and window against what it stands for. `outside` is what the
    /// application holds and has not told to be consumed, as the buffer budget counts it.
    ///
    /// # Errors
    /// What does not agree.
    pub fn audit(&self, outside: usize) -> Result<(), String> {
        self.audit_sums(outside)?;
        (0..self.exchanges.len()).try_for_each(|slot| self.audit_slot(slot))
    }

    fn audit_sums(&self, outside: usize) -> Result<(), String> {
        let parked = self.exchanges.slots().filter_map(|slot| {
            let parked = self.exchanges.get(slot).parked.as_deref();
            parked.map(|parked| parked.payloads().map(charge).sum::<usize>())
        });
        let waiting = self.events.payloads().map(charge).sum::<usize>();
        let held = waiting + parked.sum::<usize>() + outside;
        let obligations = self.lanes.replies().filter(|reply| reply.is_obligatory());
        let taken = self.exchanges.slots().count();
        for (what, told, counted) in [
            ("held bytes", self.held, held),
            ("untold ends", self.ends_untold, self.events.ends()),
            ("obligations", self.obligations, obligations.count()),
            ("slots taken", self.exchanges.taken(), taken),
        ] {
            agree(told == counted, || {
                format!("{what}: {told} on the books, {counted} there")
            })?;
        }
        let budget = self.config.limits.buffer_bytes();
        agree(self.held <= budget, || {
            format!("{} bytes are held, {budget} may be", self.held)
        })?;
        let most = self.config.limits.windowed_frames();
        agree(self.windowed_frames <= most, || {
            format!(
                "{} windowed frames are held, {most} may be",
                self.windowed_frames
            )
        })
    }

    fn audit_slot(&self, slot: u32) -> Result<(), String> {
        let exchange = self.exchanges.get(slot);
        let about = |what: &str| format!("exchange {}: {what}", exchange.corr);
        if exchange.phase == Phase::Free {
            let empty = exchange.queue.is_empty() && exchange.parked.is_none();
            return agree(empty, || about("its slot is free and not empty"));
        }
        agree(exchange.send.is_sound(), || {
            about("credit is below nothing")
        })?;
        let recv = exchange.recv.is_sound(self.is_limited(exchange));
        agree(recv, || about("more was taken than it may have sent"))?;
        let queued = exchange.queue.iter().map(|queued| queued.bytes.len());
        agree(exchange.queued == queued.sum::<usize>(), || {
            about("its queue is of another size")
        })?;
        let known = self.exchanges.find(exchange.corr) == Some(slot);
        let ended = exchange.phase == Phase::Ended;
        agree(known != ended, || about("the index does not know it"))?;
        if ended || self.is_closed() {
            return Ok(());
        }
        let id = self.exchanges.id(slot);
        let lane = self.lanes.queues(exchange.lane);
        let (ready, acks) = lane.map_or((false, false), |(ready, acks)| {
            (ready.contains(&id), acks.contains(&id))
        });
        agree(exchange.marks.has(Marks::READY) == ready, || {
            about("its mark and the queue of senders differ")
        })?;
        agree(exchange.marks.has(Marks::ACK_QUEUED) == acks, || {
            about("its mark and the queue of ACKs differ")
        })?;
        agree(ready || !exchange.can_send(), || {
            about("it could send, and nobody asks it to")
        })
    }

    /// Whether the peer has to keep to the window: nothing that is only discarded counts.
    fn is_limited(&self, exchange: &Exchange) -> bool {
        let taken = match self.role {
            Role::Client => exchange.phase == Phase::Open,
            Role::Server => exchange.phase != Phase::Ended && !exchange.marks.has(Marks::FINISHED),
        };
        taken && exchange.marks.has(Marks::PEER_WINDOWED)
    }
}

fn agree(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

/// What a payload that waits costs of the buffer budget.
fn charge(payload: &Payload) -> usize {
    payload.charge().cost()
}
