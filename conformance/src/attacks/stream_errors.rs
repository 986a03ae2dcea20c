//! Frames of exchanges that were never opened, each of which the server has to refuse.

use std::io;

use super::apps::HOLD;
use super::foe::Foe;
use super::{Attack, MIB, frames};

const FRAMES: u64 = 50;

pub(super) const ATTACK: Attack = Attack {
    name: "stream-errors",
    what: "REQ and END of exchanges that were never opened",
    unit: "faults",
    memory: 4 * MIB,
    assault,
};

fn assault(foe: &mut Foe) -> io::Result<()> {
    let mut line = foe.connect()?;
    foe.send(&mut line, &frames::hello(131_072), 0)?;
    for first in (1..).step_by(FRAMES as usize) {
        let faults: Vec<u8> = (first..first + FRAMES)
            .flat_map(|id| frames::end(HOLD, id))
            .collect();
        foe.send(&mut line, &faults, FRAMES)?;
    }
    Ok(())
}
