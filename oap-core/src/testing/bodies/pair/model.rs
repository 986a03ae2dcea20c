//! What was said on one exchange.

use bytes::Bytes;

use crate::{ExchangeId, Fin, Start};

/// No body is larger.
pub(super) const LARGEST: usize = 9_000;
/// After so many bytes a pattern begins anew.
const PERIOD: usize = 251;

static PATTERN: [u8; LARGEST + PERIOD] = {
    let mut pattern = [0; LARGEST + PERIOD];
    let mut at = 0;
    while at < pattern.len() {
        pattern[at] = (at % PERIOD) as u8;
        at += 1;
    }
    pattern
};

/// Which way something goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Direction {
    Up,
    Down,
    Push,
}

/// One exchange, as both applications know it.
#[derive(Debug)]
pub(super) struct Deal {
    pub(super) client: Option<ExchangeId>,
    pub(super) server: Option<ExchangeId>,
    pub(super) up: Flow,
    pub(super) down: Flow,
    pub(super) push: Flow,
    pub(super) is_judged: bool,
    pub(super) is_allowed: bool,
    /// One of the applications has cancelled it, failed it or denied it.
    pub(super) is_given_up: bool,
    /// The client knows its end.
    pub(super) is_over: bool,
    /// The client has given it up, and events from before that may wait.
    pub(super) has_trail: bool,
}

impl Deal {
    pub(super) fn new(number: usize) -> Self {
        Self {
            client: None,
            server: None,
            up: Flow::new(3 * number),
            down: Flow::new(3 * number + 1),
            push: Flow::new(3 * number + 2),
            is_judged: false,
            is_allowed: false,
            is_given_up: false,
            is_over: false,
            has_trail: false,
        }
    }

    pub(super) fn flow(&mut self, direction: Direction) -> &mut Flow {
        match direction {
            Direction::Up => &mut self.up,
            Direction::Down => &mut self.down,
            Direction::Push => &mut self.push,
        }
    }

    pub(super) fn comes_to_server(&mut self, id: ExchangeId, start: &Start) {
        assert!(self.client.is_some() && start.app_proto_id == 1);
        assert!(self.server.is_none(), "it comes a second time");
        self.server = Some(id);
    }

    /// The answer and all events have come.
    pub(super) fn is_whole(&self) {
        assert!(self.down.is_ended, "the answer has no end: {self:?}");
        assert_eq!(self.push.got, self.push.sent, "an event is missing");
    }
}

/// The bytes of one direction; where they begin in the pattern tells directions apart.
#[derive(Debug)]
pub(super) struct Flow {
    seed: usize,
    pub(super) sent: usize,
    pub(super) got: usize,
    /// Its END was sent.
    pub(super) is_finished: bool,
    /// Its END has arrived.
    pub(super) is_ended: bool,
}

impl Flow {
    fn new(seed: usize) -> Self {
        Self {
            seed: seed * 29,
            sent: 0,
            got: 0,
            is_finished: false,
            is_ended: false,
        }
    }

    /// The next bytes to send.
    pub(super) fn next(&self, size: usize) -> Bytes {
        Bytes::from_static(self.pattern(self.sent, size))
    }

    pub(super) fn was_sent(&mut self, size: usize, fin: Fin) {
        self.sent += size;
        self.is_finished |= fin.is_end();
    }

    pub(super) fn arrives(&mut self, payload: &[u8], fin: Fin) {
        assert!(!self.is_ended, "something comes after the end");
        let end = self.got + payload.len();
        assert!(end <= self.sent, "more than was sent");
        assert!(
            payload == self.pattern(self.got, payload.len()),
            "other bytes than were sent"
        );
        self.got = end;
        if fin.is_end() {
            assert!(self.is_finished && self.got == self.sent, "a false end");
            self.is_ended = true;
        }
    }

    fn pattern(&self, from: usize, size: usize) -> &'static [u8] {
        &PATTERN[(self.seed + from) % PERIOD..][..size]
    }
}
