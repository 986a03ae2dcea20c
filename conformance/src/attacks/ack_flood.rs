//! Frames of one byte, each of which obliges the server to an ACK that nobody reads.

use std::io;

use oap_core::wire::Flags;

use super::apps::TAKE;
use super::foe::Foe;
use super::{Attack, MIB, frames};
use crate::suite::Raw;

const FRAMES: usize = 200;
/// As many as the window of an exchange has bytes.
const BATCHES: usize = 131_072 / FRAMES;

pub(super) const ATTACK: Attack = Attack {
    name: "ack-flood",
    what: "frames of one byte that ask for an ACK, and none is read",
    unit: "frames",
    memory: 4 * MIB,
    assault,
};

fn assault(foe: &mut Foe) -> io::Result<()> {
    let mut line = foe.connect_deaf()?;
    foe.send(&mut line, &frames::hello(131_072), 0)?;
    for id in 1.. {
        let start = Raw::frame(Flags::REQ | Flags::START | Flags::ACK_REQ, TAKE, id, &[]);
        foe.send(&mut line, &start, 0)?;
        let asking = Raw::frame(Flags::REQ | Flags::ACK_REQ, TAKE, id, &[1]).repeat(FRAMES);
        for _ in 0..BATCHES {
            foe.send(&mut line, &asking, FRAMES as u64)?;
        }
        foe.send(&mut line, &frames::end(TAKE, id), 0)?;
    }
    Ok(())
}
