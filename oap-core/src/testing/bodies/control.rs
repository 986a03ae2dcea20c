//! Control frames, in any order and with anything in them.

use std::time::Duration;
use std::vec::Vec;

use super::Heap;
use super::choices::Choices;
use super::command::command;
use super::frame::{ANSWER, BODIES, GREETING, Says};
use super::probe::Probe;
use crate::{Config, Fin, Head, Lane, Role};

/// Exchanges that are open when the control frames come.
const OPEN: u64 = 4;

/// Frames on app 0 for either role, with or without a HELLO before them and with some exchanges
/// open: no bound is passed, and each PING has its PONG, in its turn.
///
/// # Panics
/// If that does not hold.
pub fn control(data: &[u8], heap: Heap) {
    let mut choices = Choices::new(data);
    let mut probe = begin(&mut choices, heap);
    let mut is_open = true;
    while !choices.is_empty() {
        match choices.below(12) {
            8 => probe.transmit(choices.pick(&[usize::MAX, 40])),
            9 => probe.pass(Duration::from_millis(choices.word().into())),
            10 => drop(command(&mut probe, &mut choices)),
            kind => {
                let (says, payload) = control_frame(kind, probe.role(), &mut choices);
                let wire = says.with(&payload);
                if probe.input(Lane::FIRST, &wire) && says.is_ping() && is_open {
                    probe.output().expect_pong(says.corr);
                }
            }
        }
        probe.events(2, |_| {});
        probe.check();
        is_open &= !probe.connection.is_closed();
        let interest = probe.connection.interest();
        if is_open && interest.read && !interest.write && !probe.is_mute() {
            assert_eq!(probe.output().pongs_owed(), 0, "a PING has no PONG");
        }
    }
    probe.finish();
}

/// A connection with exchanges of either kind, windowed or not.
fn begin(choices: &mut Choices<'_>, heap: Heap) -> Probe {
    let role = choices.pick(&[Role::Server, Role::Client]);
    let bits = choices.byte();
    let config = Config {
        hello: bits & 1 == 0,
        windows: bits & 2 == 0,
        authorize: bits & 4 != 0,
        explicit_release: bits & 8 != 0,
        ..Config::default()
    };
    let mut probe = Probe::new(role, config, heap);
    let greets = bits & 16 == 0;
    match role {
        Role::Server => {
            if greets {
                probe.input(Lane::FIRST, &Says::control(0x19, 0, 0).with(GREETING));
            }
            for corr in 1..=OPEN {
                let flags = if corr % 2 == 0 { 0x29 } else { 0x09 };
                probe.input(Lane::FIRST, &Says::app(flags, 0, corr).with(b"request"));
            }
        }
        Role::Client => {
            if greets {
                probe.input(Lane::FIRST, &Says::control(0x12, 0, 0).with(ANSWER));
            }
            for corr in 1..=OPEN {
                let (now, fin) = (probe.now, choices.pick(&[Fin::More, Fin::End]));
                let body = if corr % 2 == 0 { "request" } else { "" };
                let _ = probe.command(body.len(), |connection| {
                    connection.request(now, Head::new(1), body.into(), fin)
                });
            }
        }
    }
    probe.events(usize::MAX, |_| {});
    probe.transmit(usize::MAX);
    probe
}

/// A frame of each kind with the numbers that the data says, or anything on app 0.
fn control_frame(kind: usize, role: Role, choices: &mut Choices<'_>) -> (Says, Vec<u8>) {
    let corr = any_corr(choices);
    let says = Says::control;
    let code = choices.pick(&[
        408, 400, 429, 503, 500, 0, 200, 202, 599, 999, 401, 402, 404, 413, 502, 504,
    ]);
    match kind {
        0 => (says(0x24, 0, corr), Vec::new()),
        1 => (says(0x04, 202, corr), Vec::new()),
        2 => (says(0x04, code, corr), choices.pick(BODIES).to_vec()),
        3 => (says(0x02, 202, corr), ack(choices)),
        4 => (says(0x04, code, 0), choices.pick(BODIES).to_vec()),
        5 => {
            let flags = match role {
                Role::Server => choices.pick(&[0, 0x01, 0x19]),
                Role::Client => 0x12,
            };
            (says(flags, 0, 0), any_body(choices))
        }
        6 => (says(0x12, code, 0), any_body(choices)),
        _ => {
            let frame = Says {
                tenant: choices.byte().into(),
                ..says(choices.word(), choices.word(), corr)
            };
            (frame, any_body(choices))
        }
    }
}

fn any_corr(choices: &mut Choices<'_>) -> u64 {
    match choices.below(16) {
        15 => choices.u64(),
        small => small as u64,
    }
}

/// Two numbers, near to those that make sense or anything.
fn ack(choices: &mut Choices<'_>) -> Vec<u8> {
    let consumed = match choices.below(4) {
        0 => 0,
        1 => 7,
        _ => choices.u64() >> choices.below(64),
    };
    let limit = match choices.below(4) {
        0 => 131_072,
        1 => consumed,
        _ => choices.u64() >> choices.below(64),
    };
    let mut payload = consumed.to_le_bytes().to_vec();
    payload.extend(limit.to_le_bytes());
    payload.truncate(16 - choices.byte().saturating_sub(240) as usize);
    payload
}

fn any_body(choices: &mut Choices<'_>) -> Vec<u8> {
    match choices.below(12) {
        at @ 0..=7 => BODIES[at].to_vec(),
        _ => {
            let size = choices.byte().into();
            choices.slice(size).to_vec()
        }
    }
}
