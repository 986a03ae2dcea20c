//! PINGs whose PONGs nobody reads.

use std::io;

use super::foe::Foe;
use super::{Attack, MIB, frames};

const PINGS: u64 = 200;

pub(super) const ATTACK: Attack = Attack {
    name: "ping-flood",
    what: "PING after PING, and no PONG is read",
    unit: "PINGs",
    memory: 4 * MIB,
    assault,
};

fn assault(foe: &mut Foe) -> io::Result<()> {
    let mut line = foe.connect_deaf()?;
    foe.send(&mut line, &frames::hello(131_072), 0)?;
    let pings: Vec<u8> = (1..=PINGS).flat_map(frames::ping).collect();
    loop {
        foe.send(&mut line, &pings, PINGS)?;
    }
}
