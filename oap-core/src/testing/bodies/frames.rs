//! Frames, commands and times, mostly such as make sense.

use std::time::Duration;
use std::vec;
use std::vec::Vec;

use super::Heap;
use super::choices::Choices;
use super::command::command;
use super::frame::{BODIES, Says};
use super::probe::{Probe, any_config};
use crate::wire::Flags;
use crate::{Counters, Role};

/// [`any_frames`] of the role that the first byte says.
///
/// # Panics
/// If a bound is passed.
pub fn frames(data: &[u8], heap: Heap) {
    let mut choices = Choices::new(data);
    let role = choices.pick(&[Role::Server, Role::Client]);
    measured(role, choices.rest(), heap);
}

/// Arbitrary frames, commands and times, mostly such as make sense, on one lane or several. Returns
/// what was counted, so that a test can tell how far the input led.
///
/// # Panics
/// If a bound is passed.
pub fn any_frames(role: Role, data: &[u8]) -> Counters {
    measured(role, data, Heap::UNMEASURED)
}

fn measured(role: Role, data: &[u8], heap: Heap) -> Counters {
    let mut choices = Choices::new(data);
    let mut peer = Peer {
        probe: Probe::new(role, any_config(&mut choices), heap),
        opened: 0,
        granted: 131_072,
    };
    while !choices.is_empty() {
        peer.step(&mut choices);
        peer.probe.check();
    }
    let counters = peer.probe.connection.counters().clone();
    peer.probe.finish();
    counters
}

/// What the peer knows of the connection that it talks to.
struct Peer {
    probe: Probe,
    /// How many exchanges a client has opened.
    opened: u64,
    /// The highest limit in an ACK so far.
    granted: u64,
}

impl Peer {
    fn step(&mut self, choices: &mut Choices<'_>) {
        match choices.below(20) {
            0..=9 => {
                let lane = self.probe.any_lane(choices);
                let wire = self.frame(choices);
                let piece = choices.pick(&[usize::MAX, 1, 30, 38]);
                self.probe.input_in_pieces(lane, &wire, piece);
            }
            10 | 11 => self.probe.events(choices.below(20), |_| {}),
            12 | 13 => {
                let most = choices.pick(&[usize::MAX, 0, 1, 40, 5_000]);
                self.probe.transmit(most);
            }
            14 => {
                let long = choices.byte() < 12;
                let millis = match long {
                    true => choices.pick(&[1_100, 5_000, 10_000, 31_000, 61_000]),
                    false => choices.pick(&[0, 1, 20, 150]),
                };
                self.probe.pass(Duration::from_millis(millis));
            }
            19 if choices.byte() < 128 => self.rare(choices),
            _ => self.opened += u64::from(command(&mut self.probe, choices)),
        }
    }

    /// What a peer seldom does: the same frame over and over, or half a frame and no more.
    fn rare(&mut self, choices: &mut Choices<'_>) {
        let kind = choices.below(8);
        let lane = self.probe.any_lane(choices);
        let wire = self.frame(choices);
        match kind {
            0 => {
                self.probe.input(lane, &wire[..wire.len() / 2]);
                self.probe.eof(lane);
            }
            1 => self.probe.fork(),
            2 => {
                let times = 16 * usize::from(choices.byte());
                let looks = choices.byte() & 1 == 0;
                for at in 0..times {
                    self.probe.input(lane, &wire);
                    if looks && at % 16 == 15 {
                        self.probe.events(usize::MAX, |_| {});
                        self.probe.transmit(usize::MAX);
                    }
                    if !self.probe.connection.interest().read {
                        break;
                    }
                }
            }
            _ => {
                for _ in 0..choices.byte() {
                    self.probe.input(lane, &wire);
                }
            }
        }
    }

    /// One frame as a peer might send it; nearly all are such as do not end the connection.
    fn frame(&mut self, choices: &mut Choices<'_>) -> Vec<u8> {
        let control = choices.below(4) == 0;
        let (mut says, payload) = match control {
            true => self.control_frame(choices),
            false => self.app_frame(choices),
        };
        // One field in a few hundred frames is anything at all.
        match choices.word() % 400 {
            0 => says.flags ^= 1 << choices.below(16),
            1 => says.code = choices.word(),
            2 => says.corr = u64::from(choices.word()),
            3 => says.corr = u64::MAX,
            4 => says.app = choices.word(),
            5 => says.tenant = 1,
            6..=30 => says.cap_len = choices.below(20).min(payload.len()),
            _ => {}
        }
        if says.flags & Flags::START.bits() == 0 && choices.byte() != 0 {
            says.cap_len = 0;
        }
        says.with(&payload)
    }

    fn control_frame(&mut self, choices: &mut Choices<'_>) -> (Says, Vec<u8>) {
        let corr = 1 + choices.below(12) as u64;
        let role = self.probe.role();
        let known = match role {
            Role::Server => corr,
            Role::Client => self.opened.min(corr),
        };
        let says = Says::control;
        match choices.below(16) {
            // HELLO, or the answer to it.
            0 if choices.below(4) == 0 => {
                let body = choices.pick(BODIES).to_vec();
                match (role, choices.below(4)) {
                    (Role::Server, _) => (says(0x19, 0, 0), body),
                    (Role::Client, 0) => (says(0x12, 400, 0), BODIES[5].to_vec()),
                    (Role::Client, 1) => (says(0x12, 200, 0), body),
                    (Role::Client, _) => (says(0x12, 0, 0), BODIES[4].to_vec()),
                }
            }
            // PING, PONG, GOAWAY.
            1 | 2 => (says(0x24, 0, corr), Vec::new()),
            3 => (says(0x04, 202, corr), Vec::new()),
            4 if choices.below(8) == 0 => (says(0x04, 503, 0), BODIES[6].to_vec()),
            // CANCEL.
            5..=8 => (says(0x04, 408, corr), Vec::new()),
            // ACK: nothing consumed, but the limit grows.
            _ if known > 0 => {
                self.granted += u64::from(choices.word());
                let mut ack = [0; 8].to_vec();
                ack.extend(self.granted.to_le_bytes());
                (says(0x02, 202, known), ack)
            }
            _ => (says(0x04, 7, corr), Vec::new()),
        }
    }

    fn app_frame(&self, choices: &mut Choices<'_>) -> (Says, Vec<u8>) {
        let corr = 1 + choices.below(12) as u64;
        let size = match choices.byte() {
            0..=100 => 0,
            101..=220 => usize::from(choices.byte()),
            _ => usize::from(choices.word()) % 8_000,
        };
        let payload = vec![choices.byte(); size];
        if self.probe.role() == Role::Server {
            let flags = choices.pick(&[
                0x09, 0x01, 0x19, 0x01, 0x29, 0x21, 0x11, 0x01, 0x49, 0x59, 0xc1, 0x39, 0x31, 0x04,
            ]);
            return (Says::app(flags, 0, corr), payload);
        }
        let event = choices.below(4) == 0;
        if event || self.opened == 0 {
            let flags = choices.pick(&[0x04, 0x24]);
            return (Says::app(flags, 200, corr), payload);
        }
        // The newest exchanges are the ones that are open.
        let corr = self.opened - (corr - 1).min(self.opened - 1);
        let flags = choices.pick(&[0x02, 0x12, 0x0a, 0x2a, 0x22, 0x02, 0x42, 0x92, 0x1a, 0x32]);
        let code = choices.pick(&[200, 0, 206, 404, 429]);
        (Says::app(flags, code, corr), payload)
    }
}
