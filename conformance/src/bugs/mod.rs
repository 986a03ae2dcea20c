//! Servers that break one rule each, to prove that the live suite notices.
//!
//! The server is the real one with the test applications. A shim between it and its client repairs,
//! spoils, drops, doubles or delays frames, so that from outside one rule of the protocol is broken.
//! Nothing of this is in the product.

pub mod clients;
mod control;
mod exchanges;
mod frames;
mod hello;
mod limits;
mod payloads;
mod server;
mod shim;
mod state;

use std::time::Duration;

use oap_core::Config;

use crate::live::draft::Draft;

pub use server::InMemory;
pub use state::{Flow, State};

/// Looks at one frame and decides what goes on.
pub type Hook = fn(&mut State, Draft, &mut Flow);

/// One broken rule.
#[derive(Clone, Copy)]
pub struct Bug {
    /// Its name.
    pub name: &'static str,
    /// The clause that it breaks, whose cases must notice.
    pub clause: &'static str,
    /// What the server does wrong.
    pub what: &'static str,
    /// For each frame of the client, which is then whole.
    up: Option<Hook>,
    /// For each frame of the server.
    down: Option<Hook>,
    /// How often [`Flow`] is told to keep the server awake.
    tick: Option<Duration>,
    /// How the server is configured.
    config: fn(&mut Config),
    /// What the end of the client's stream does.
    end: End,
    /// Whether the client learns of the end of the server's stream.
    hides_end: bool,
}

/// What the end of the client's stream does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// The server learns of it, after whatever was cut off.
    Pass,
    /// A frame that was cut off is forgotten.
    WithoutRest,
    /// Both directions end at once.
    Close,
}

impl Bug {
    /// No bug yet.
    const fn new(name: &'static str, clause: &'static str, what: &'static str) -> Self {
        Self {
            name,
            clause,
            what,
            up: None,
            down: None,
            tick: None,
            config: |_| {},
            end: End::Pass,
            hides_end: false,
        }
    }

    const fn up(mut self, hook: Hook) -> Self {
        self.up = Some(hook);
        self
    }

    const fn down(mut self, hook: Hook) -> Self {
        self.down = Some(hook);
        self
    }

    const fn tick(mut self, every: Duration) -> Self {
        self.tick = Some(every);
        self
    }

    const fn config(mut self, set: fn(&mut Config)) -> Self {
        self.config = set;
        self
    }

    const fn end(mut self, end: End) -> Self {
        self.end = end;
        self
    }

    const fn hides_end(mut self) -> Self {
        self.hides_end = true;
        self
    }
}

/// All of them.
pub fn all() -> impl Iterator<Item = &'static Bug> {
    let groups = [
        frames::BUGS,
        exchanges::BUGS,
        control::BUGS,
        hello::BUGS,
        limits::BUGS,
        payloads::BUGS,
    ];
    groups.into_iter().flatten()
}
