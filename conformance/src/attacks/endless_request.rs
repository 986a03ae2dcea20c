//! Requests without a window and without an end, for handlers that read none of it.

use std::io;

use super::apps::SLOW;
use super::foe::Foe;
use super::{Attack, MIB, frames};

/// Frames of each request, so that 64 requests fill the buffer of their connection twice.
const FRAMES: u64 = 4;

/// A connection holds 8 MiB, in blocks of at most twice that; what the one before it held may not be
/// given back to the system yet.
const MEMORY: usize = 32 * MIB;

pub(super) const ATTACK: Attack = Attack {
    name: "endless-request",
    what: "requests that never end, of frames of 64 KiB, for handlers that read nothing",
    unit: "frames",
    memory: MEMORY,
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
