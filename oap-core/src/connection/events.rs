//! What waits for the application, and the requests that wait for a verdict before (OAP-3-22).

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use crate::{Code, Event, ExchangeId, Fin, Payload, Start};

/// Events in the order in which the application is told of them.
///
/// Of the requests that a verdict has let through, the frames come out as events one by one: an event
/// for each would take three times the room, and a peer may have sent tens of thousands.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "testing", derive(Hash))]
pub(super) struct Events {
    queue: VecDeque<Event>,
    /// Requests, each with the number of queued events between it and the one before.
    allowed: VecDeque<(usize, ExchangeId, Box<Parked>)>,
    /// The sum of these numbers.
    ahead: usize,
}

impl Events {
    pub(super) const fn new() -> Self {
        Self {
            queue: VecDeque::new(),
            allowed: VecDeque::new(),
            ahead: 0,
        }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.allowed.is_empty()
    }

    /// How many wait, where what was parked of an exchange counts as one.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.queue.len() + self.allowed.len()
    }

    #[inline]
    pub(super) fn push_back(&mut self, event: Event) {
        self.queue.push_back(event);
    }

    /// What was parked of an exchange, as its first events.
    pub(super) fn push_parked(&mut self, id: ExchangeId, parked: Box<Parked>) {
        let between = self.queue.len() - self.ahead;
        self.ahead += between;
        self.allowed.push_back((between, id, parked));
    }

    #[inline]
    pub(super) fn pop_front(&mut self) -> Option<Event> {
        if self.allowed.is_empty() {
            self.queue.pop_front()
        } else {
            self.pop_in_turn()
        }
    }

    #[cold]
    fn pop_in_turn(&mut self) -> Option<Event> {
        let (between, id, parked) = self.allowed.front_mut()?;
        if *between > 0 {
            *between -= 1;
            self.ahead -= 1;
            return self.queue.pop_front();
        }
        let event = parked.next(*id);
        if parked.is_empty() {
            self.allowed.pop_front();
        }
        event
    }

    pub(super) fn shrink_to_fit(&mut self) {
        self.queue.shrink_to_fit();
        self.allowed.shrink_to_fit();
    }

    /// How many exchanges are told to have ended.
    #[cfg(feature = "testing")]
    pub(super) fn ends(&self) -> usize {
        let ended = |event: &&Event| matches!(event, Event::Ended { .. });
        self.queue.iter().filter(ended).count()
    }

    /// Every payload that waits.
    #[cfg(feature = "testing")]
    pub(super) fn payloads(&self) -> impl Iterator<Item = &Payload> {
        let allowed = self
            .allowed
            .iter()
            .flat_map(|(_, _, parked)| parked.payloads());
        self.queue.iter().filter_map(Event::payload).chain(allowed)
    }
}

/// A request that waits: for its verdict, and then for the application to take it.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "testing", derive(Hash))]
pub(crate) struct Parked {
    /// What the first event says; taken with it.
    start: Option<Start>,
    first: Payload,
    rest: VecDeque<Payload>,
    /// Whether the request is complete with the last payload.
    fin: Fin,
    /// The peer's stream has ended, and nothing of that has been told.
    truncated: bool,
}

impl Parked {
    pub(super) const fn new(start: Start, first: Payload, fin: Fin) -> Self {
        Self {
            start: Some(start),
            first,
            rest: VecDeque::new(),
            fin,
            truncated: false,
        }
    }

    pub(super) fn push(&mut self, payload: Payload, fin: Fin) {
        if self.rest.len() == self.rest.capacity() {
            // A quarter more at a time: a short frame then takes less than twice what it took on
            // the wire.
            self.rest.reserve_exact(1 + self.rest.len() / 4);
        }
        self.rest.push_back(payload);
        self.fin = fin;
    }

    pub(super) fn truncate(&mut self) {
        self.truncated = true;
    }

    pub(super) fn payloads(&self) -> impl Iterator<Item = &Payload> {
        let first = self.start.is_some().then_some(&self.first);
        first.into_iter().chain(&self.rest)
    }

    fn is_empty(&self) -> bool {
        self.start.is_none() && self.rest.is_empty() && !self.truncated
    }

    fn next(&mut self, id: ExchangeId) -> Option<Event> {
        if let Some(start) = self.start.take() {
            return Some(Event::Opened {
                id,
                start,
                payload: core::mem::take(&mut self.first),
                fin: self.fin(),
            });
        }
        if let Some(payload) = self.rest.pop_front() {
            return Some(Event::Data {
                id,
                code: Code::OK,
                payload,
                fin: self.fin(),
            });
        }
        core::mem::take(&mut self.truncated).then_some(Event::Truncated { id })
    }

    /// Whether the payload just taken was the request's last.
    fn fin(&self) -> Fin {
        if self.rest.is_empty() {
            self.fin
        } else {
            Fin::More
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// A frame of one byte takes 38 on the wire.
    #[test]
    fn what_waits_is_small() {
        assert!(size_of::<Payload>() <= 40, "{} bytes", size_of::<Payload>());
        assert!(size_of::<Parked>() <= 160, "{} bytes", size_of::<Parked>());
    }

    #[test]
    fn what_was_parked_comes_in_its_turn() {
        let id_of = |slot| ExchangeId {
            slot,
            generation: 0,
        };
        let parked = |frames| {
            let mut parked = Parked::new(Start::default(), Payload::default(), Fin::More);
            (1..frames).for_each(|_| parked.push(Payload::default(), Fin::More));
            Box::new(parked)
        };
        let mut events = Events::new();
        events.push_back(Event::Truncated { id: id_of(0) });
        events.push_parked(id_of(1), parked(2));
        events.push_parked(id_of(2), parked(1));
        events.push_back(Event::Truncated { id: id_of(3) });
        assert_eq!(events.len(), 4);
        let mut told = Vec::new();
        while let Some(event) = events.pop_front() {
            let (Event::Opened { id, .. } | Event::Data { id, .. } | Event::Truncated { id }) =
                event
            else {
                panic!("{event:?}");
            };
            told.push(id.slot);
            if told.len() == 2 {
                events.push_parked(id_of(4), parked(1));
            }
        }
        assert_eq!(told, [0, 1, 1, 2, 3, 4]);
        assert!(events.is_empty());
    }
}
