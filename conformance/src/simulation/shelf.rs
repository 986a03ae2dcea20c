//! Payloads that an application has been handed and not given back.

use oap_core::{Charge, Connection, ExchangeId, Payload, Timestamp};

#[derive(Debug)]
struct Kept {
    /// When it is given back; `MAX` is when its call is over.
    until: Timestamp,
    id: ExchangeId,
    charge: Charge,
}

/// What one application keeps.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    kept: Vec<Kept>,
    cost: usize,
}

impl Shelf {
    /// What all of it costs of the buffer budget.
    pub(super) const fn cost(&self) -> usize {
        self.cost
    }

    pub(super) fn put(&mut self, until: Timestamp, id: ExchangeId, payload: &Payload) {
        let charge = payload.charge();
        self.cost += charge.cost();
        self.kept.push(Kept { until, id, charge });
    }

    /// The call is over: whatever is kept of it may go.
    pub(super) fn over(&mut self, id: ExchangeId, now: Timestamp) {
        for kept in self.kept.iter_mut().filter(|kept| kept.id == id) {
            kept.until = kept.until.min(now);
        }
    }

    /// Gives back what is due; returns whether anything was.
    pub(super) fn give_back(&mut self, connection: &mut Connection, now: Timestamp) -> bool {
        let before = self.kept.len();
        self.kept.retain(|kept| {
            let due = kept.until <= now;
            if due {
                self.cost -= kept.charge.cost();
                connection.consumed(kept.id, kept.charge);
            }
            !due
        });
        self.kept.len() < before
    }

    /// When the next is due.
    pub(super) fn next(&self) -> Option<Timestamp> {
        let times = self.kept.iter().map(|kept| kept.until);
        times.min().filter(|&at| at != Timestamp::MAX)
    }
}
