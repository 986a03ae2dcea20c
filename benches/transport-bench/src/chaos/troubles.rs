//! The kinds of trouble.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use oap_conformance::attacks::Met;
use oap_core::testing::Rng;

use super::loris::Loris;
use super::peer::{Peer, Server};
use super::{Options, relays};
use crate::Failure;

const MIB: u64 = 1024 * 1024;
/// Connections of a slow loris.
const LORIS: usize = 200;
/// Between two bytes of each.
const LORIS_STEP: Duration = Duration::from_millis(500);
/// A client's life until it is killed, in milliseconds: connecting takes a part of it.
const LIVES: (u64, u64) = (5, 150);

/// One kind of trouble.
#[derive(Clone, Copy)]
pub(super) struct Trouble {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    /// Bytes by which the server's memory may grow.
    pub(super) memory: u64,
    /// Makes it for a part, and tells what came of it.
    pub(super) make: fn(&mut Server, &Options) -> Result<Came, Failure>,
}

/// What came of a trouble.
pub(super) struct Came {
    pub(super) numbers: BTreeMap<&'static str, u64>,
    /// Whether the server itself was killed.
    pub(super) server_is_gone: bool,
}

impl Came {
    pub(super) fn of(numbers: impl IntoIterator<Item = (&'static str, u64)>) -> Self {
        Self {
            numbers: numbers.into_iter().collect(),
            server_is_gone: false,
        }
    }
}

impl Trouble {
    /// All of them.
    pub(super) fn all() -> Vec<Self> {
        let calm = 8 * MIB;
        vec![
            Self {
                name: "some-loss",
                what: "other clients over 50 ms, 1 of 100 segments late by two round trips",
                memory: calm,
                make: relays::some_loss,
            },
            Self {
                name: "much-loss",
                what: "other clients over 150 ms and up to 30 ms more, 5 of 100 segments late",
                memory: calm,
                make: relays::much_loss,
            },
            Self {
                name: "little-rate",
                what: "other clients over 50 ms and 64 KiB per second",
                memory: calm,
                make: relays::little_rate,
            },
            Self {
                name: "resets",
                what: "other clients over 50 ms, connections reset after 1 of 100 segments",
                memory: calm,
                make: relays::resets,
            },
            Self {
                name: "slow-loris",
                what: "200 connections, half silent, half a byte of a frame every 500 ms",
                memory: calm,
                make: slow_loris,
            },
            Self {
                name: "bombs",
                what: "legal frames of 8 KiB that inflate to 8 MiB, back to back",
                memory: 24 * MIB,
                make: |server, options| attack("bombs", server, options),
            },
            Self {
                name: "never-reading",
                what: "64 endless downloads acknowledged and not read",
                memory: 32 * MIB,
                make: |server, options| attack("optimistic-acks", server, options),
            },
            Self {
                name: "killed-clients",
                what: "other clients killed (SIGKILL) in the middle of their calls",
                memory: calm,
                make: killed_clients,
            },
            Self {
                name: "killed-server",
                what: "the server itself killed (SIGKILL) half-way through",
                memory: 0,
                make: killed_server,
            },
        ]
    }
}

fn slow_loris(server: &mut Server, options: &Options) -> Result<Came, Failure> {
    let loris = Loris::connect(server.address, LORIS);
    let mut loris = loris.map_err(|error| Failure::run(format!("slow-loris: {error}")))?;
    let bytes = loris.trickle(options.part(), LORIS_STEP);
    Ok(Came::of([
        ("connections", LORIS as u64),
        ("bytes", bytes),
        ("ended_by_server", loris.ended()),
    ]))
}

/// One of the attacks of `oap-conformance`, from a process of its own.
fn attack(name: &str, server: &mut Server, options: &Options) -> Result<Came, Failure> {
    let mut enemy = Peer::start(&["enemy", name])?;
    enemy.hear("ready")?;
    enemy.tell(&format!(
        "{} {}",
        server.address,
        options.part().as_millis()
    ))?;
    let met: Met = enemy.hear("met")?.parse().map_err(Failure::run)?;
    Ok(Came::of([
        ("units", met.units),
        ("connections", met.connections),
        ("stalls", met.stalls),
        ("refusals", met.refusals),
        ("floods", met.floods),
    ]))
}

fn killed_clients(server: &mut Server, options: &Options) -> Result<Came, Failure> {
    let mut rng = Rng::new(options.seed);
    let until = Instant::now() + options.part();
    let address = server.address.to_string();
    let (mut killed, mut ended) = (0, 0);
    while Instant::now() < until {
        let mut client = Peer::start(&["call", "tokio", "tcp", &address])?;
        let life = Duration::from_millis(rng.range(LIVES.0, LIVES.1));
        thread::sleep(life.min(until.saturating_duration_since(Instant::now())));
        if client.has_ended() {
            ended += 1;
        } else {
            killed += 1;
        }
        client.kill();
    }
    Ok(Came::of([("killed", killed), ("ended_before", ended)]))
}

fn killed_server(server: &mut Server, options: &Options) -> Result<Came, Failure> {
    thread::sleep(options.part() / 2);
    server.kill();
    Ok(Came {
        numbers: BTreeMap::from([("killed", 1)]),
        server_is_gone: true,
    })
}
