//! Small frames that inflate to the 8 MiB that one frame may inflate to, back to back.

use std::io::{self, Write};
use std::sync::LazyLock;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use oap_core::wire::Flags;

use super::apps::TAKE;
use super::foe::Foe;
use super::{Attack, MIB, frames};
use crate::suite::Raw;

pub(super) const ATTACK: Attack = Attack {
    name: "bombs",
    what: "legal frames of 8 KiB that inflate to 8 MiB, back to back",
    unit: "bombs",
    memory: 24 * MIB,
    assault,
};

fn assault(foe: &mut Foe) -> io::Result<()> {
    let mut line = foe.connect()?;
    foe.send(&mut line, &frames::hello(131_072), 0)?;
    for id in 1.. {
        let frame = Raw::frame(Raw::ONE_SHOT | Flags::COMP, TAKE, id, &BOMB);
        foe.send(&mut line, &frame, 1)?;
    }
    Ok(())
}

static BOMB: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    let inflated = encoder.write_all(&vec![0; 8 * MIB]);
    let bomb = inflated.and_then(|()| encoder.finish());
    bomb.expect("memory takes what is written to it")
});
