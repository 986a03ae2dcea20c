//! HELLOs whose answers nobody reads.

use std::io;

use super::foe::Foe;
use super::{Attack, MIB, frames};

const HELLOS: usize = 20;

pub(super) const ATTACK: Attack = Attack {
    name: "hello-flood",
    what: "HELLO after HELLO, and no answer is read",
    unit: "HELLOs",
    memory: 4 * MIB,
    assault,
};

fn assault(foe: &mut Foe) -> io::Result<()> {
    let mut line = foe.connect_deaf()?;
    let hellos = frames::hello(131_072).repeat(HELLOS);
    loop {
        foe.send(&mut line, &hellos, HELLOS as u64)?;
    }
}
