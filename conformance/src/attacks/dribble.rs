//! Requests that arrive in pieces of one byte.

use std::io;

use super::apps::TAKE;
use super::foe::Foe;
use super::{Attack, MIB};
use crate::suite::Raw;

pub(super) const ATTACK: Attack = Attack {
    name: "dribble",
    what: "requests of 1 KiB, each byte in a segment of its own",
    unit: "bytes",
    memory: 4 * MIB,
    assault,
};

fn assault(foe: &mut Foe) -> io::Result<()> {
    let mut line = foe.connect()?;
    for id in 1.. {
        for byte in Raw::frame(Raw::ONE_SHOT, TAKE, id, &[1; 1024]) {
            foe.send(&mut line, &[byte], 1)?;
        }
    }
    Ok(())
}
