//! ACKs for bytes that the client has not read, so that the server goes on sending.

use std::io;

use oap_core::wire::Flags;

use super::apps::GIVE;
use super::foe::Foe;
use super::{Attack, MIB, frames};
use crate::suite::Raw;

const EXCHANGES: u64 = 64;
const WINDOW: u32 = 8 * 1024 * 1024;

pub(super) const ATTACK: Attack = Attack {
    name: "optimistic-acks",
    what: "64 endless downloads in windows of 8 MiB, acknowledged and not read",
    unit: "ACKs",
    memory: 32 * MIB,
    assault,
};

fn assault(foe: &mut Foe) -> io::Result<()> {
    let mut line = foe.connect_deaf()?;
    foe.send(&mut line, &frames::hello(WINDOW), 0)?;
    for id in 1..=EXCHANGES {
        let start = Raw::frame(Raw::ONE_SHOT | Flags::ACK_REQ, GIVE, id, &[]);
        foe.send(&mut line, &start, 0)?;
    }
    // The first chunk of each is sent at once; what is acknowledged beyond that is a guess.
    for guess in (16_384..).step_by(16_384) {
        for id in 1..=EXCHANGES {
            let ack = frames::ack(id, guess, guess + u64::from(WINDOW));
            foe.send(&mut line, &ack, 1)?;
        }
    }
    Ok(())
}
