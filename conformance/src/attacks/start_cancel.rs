//! Exchanges that are opened and cancelled at once, so that their handlers work for nobody.

use std::io;

use super::apps::HOLD;
use super::foe::Foe;
use super::{Attack, MIB, frames};

const PAIRS: u64 = 50;

pub(super) const ATTACK: Attack = Attack {
    name: "start-cancel",
    what: "START and CANCEL of one exchange after the other",
    unit: "pairs",
    memory: 4 * MIB,
    assault,
};

fn assault(foe: &mut Foe) -> io::Result<()> {
    let mut line = foe.connect()?;
    foe.send(&mut line, &frames::hello(131_072), 0)?;
    for first in (1..).step_by(PAIRS as usize) {
        let pairs: Vec<u8> = (first..first + PAIRS)
            .flat_map(|id| [frames::start(HOLD, id), frames::cancel(id)].concat())
            .collect();
        foe.send(&mut line, &pairs, PAIRS)?;
    }
    Ok(())
}
