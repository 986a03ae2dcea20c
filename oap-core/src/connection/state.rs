//! Which frame may come when: the server's table (OAP-3). The documentation's diagram is made from it.

use crate::Reason;

/// What a server knows of a `corr_id` when a REQ frame with it arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Never opened, or forgotten.
    Unknown,
    /// Ended before its END, and remembered.
    Late,
    /// A START waits for its verdict.
    Parked,
    /// The request goes on.
    Open,
    /// The request is complete, the answer goes on.
    HalfClosed,
    /// The answer is complete but not yet encoded.
    Answered,
}

impl State {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 6] = [
        Self::Unknown,
        Self::Late,
        Self::Parked,
        Self::Open,
        Self::HalfClosed,
        Self::Answered,
    ];
}

/// A REQ frame by its START and END bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Neither.
    Chunk,
    /// START alone.
    Start,
    /// END alone.
    End,
    /// Both: a request in one frame.
    OneShot,
}

impl Kind {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 4] = [Self::Chunk, Self::Start, Self::End, Self::OneShot];

    #[inline]
    pub(crate) const fn new(start: bool, end: bool) -> Self {
        match (start, end) {
            (false, false) => Self::Chunk,
            (true, false) => Self::Start,
            (false, true) => Self::End,
            (true, true) => Self::OneShot,
        }
    }
}

/// What a server does with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Open an exchange, if a slot is free.
    Open,
    /// Hand it to the handler, or park it.
    Deliver,
    /// Drop it without a word.
    Discard,
    /// End the exchange with 400 `bad_sequence`.
    Fault(&'static str, &'static str),
}

const NO_START: Rule = Rule::Fault(
    "OAP-3-10",
    "REQ without START on an exchange that is not open",
);
const DUPLICATE: Rule = Rule::Fault("OAP-3-11", "START on an exchange that is open");
const AFTER_END: Rule = Rule::Fault("OAP-3-12", "REQ after END");

impl Rule {
    pub(crate) const REASON: Reason = Reason::BadSequence;
}

/// Rows: [`State`]; columns: [`Kind`].
const SERVER: [[Rule; 4]; 6] = {
    use Rule::{Deliver, Discard, Open};
    [
        [NO_START, Open, NO_START, Open],
        [Discard, Open, Discard, Open],
        [Deliver, DUPLICATE, Deliver, DUPLICATE],
        [Deliver, DUPLICATE, Deliver, DUPLICATE],
        [AFTER_END, DUPLICATE, AFTER_END, DUPLICATE],
        [Discard, DUPLICATE, Discard, DUPLICATE],
    ]
};

#[inline]
pub(crate) const fn server(state: State, kind: Kind) -> Rule {
    SERVER[state as usize][kind as usize]
}
