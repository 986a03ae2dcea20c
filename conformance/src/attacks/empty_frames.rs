//! Frames that carry nothing, as many as an exchange may have, in one exchange after the other.

use std::io;

use super::apps::TAKE;
use super::foe::Foe;
use super::{Attack, MIB, frames};

/// What the budget of an exchange allows.
const EMPTIES: usize = 100;

pub(super) const ATTACK: Attack = Attack {
    name: "empty-frames",
    what: "100 empty frames in each exchange, the most that is allowed",
    unit: "frames",
    memory: 4 * MIB,
    assault,
};

fn assault(foe: &mut Foe) -> io::Result<()> {
    let mut line = foe.connect()?;
    foe.send(&mut line, &frames::hello(131_072), 0)?;
    for id in 1.. {
        let exchange = [
            frames::start(TAKE, id),
            frames::more(TAKE, id, &[]).repeat(EMPTIES),
            frames::end(TAKE, id),
        ];
        foe.send(&mut line, &exchange.concat(), EMPTIES as u64)?;
    }
    Ok(())
}
