//! Requests without a window and without an end, for handlers that read none of it.

use std::io;

use super::apps::SLOW;
use super::foe::Foe;
use super::{Attack, MIB, frames};

/// Frames of each request, so that 64 requests fill the buffer of their connection twice.
const FRAMES: u64 = 4;

pub(super) const ATTACK: Attack = Attack {
    name: "endless-request",
    what: "requests that never end, of frames of 64 KiB, for handlers that read nothing",
    unit: "frames",
    memory: 24 * MIB,
    assault,
};

fn assault(foe: &mut Foe) -> io::Result<()> {
    let mut line = foe.connect()?;
    let payload = vec![1; 64 * 1024];
    for id in 1.. {
        foe.send(&mut line, &frames::start(SLOW, id), 0)?;
        for _ in 0..FRAMES {
            foe.send(&mut line, &frames::more(SLOW, id, &payload), 1)?;
        }
    }
    Ok(())
}
