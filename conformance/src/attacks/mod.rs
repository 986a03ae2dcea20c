//! Attacks of the flood family, each against a server in a process of its own, with honest clients
//! measured beside it.
//!
//! `attack --list` names them; `attack --attack NAME --count N` runs one and prints what it came to.

mod ack_flood;
mod apps;
mod bombs;
mod dribble;
mod empty_frames;
mod endless_request;
mod foe;
mod frames;
mod hello_flood;
mod honest;
mod measure;
mod optimistic_acks;
mod ping_flood;
mod start_cancel;
mod stream_errors;

pub use apps::Gauge;
pub use foe::{Met, enemy};
pub use measure::{Measure, Row};

use foe::Foe;
use std::io;

/// What one hostile client does.
#[derive(Clone, Copy)]
pub struct Attack {
    /// For command lines.
    pub name: &'static str,
    /// In one line.
    pub what: &'static str,
    /// What is counted of it.
    pub unit: &'static str,
    /// Bytes by which the server's memory may grow, with the reason in `docs/security.md`.
    pub memory: usize,
    /// Attacks over one connection, until that has ended or the time is over.
    assault: fn(&mut Foe) -> io::Result<()>,
}

impl Attack {
    /// All of them.
    pub const ALL: [Self; 10] = [
        start_cancel::ATTACK,
        stream_errors::ATTACK,
        ping_flood::ATTACK,
        hello_flood::ATTACK,
        ack_flood::ATTACK,
        empty_frames::ATTACK,
        dribble::ATTACK,
        endless_request::ATTACK,
        bombs::ATTACK,
        optimistic_acks::ATTACK,
    ];

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|attack| attack.name == name)
    }
}

const MIB: usize = 1024 * 1024;
