//! Paths through a relay that are worse than the loopback interface.

use std::time::Duration;

use oap_conformance::faults::{LossyRelay, Path};
use oap_conformance::suite::{Address, Identity, Target, Wire};

use super::Options;
use super::honest::Honest;
use super::peer::Server;
use super::troubles::Came;
use crate::Failure;

/// Clients behind the relay.
const CONNS: u32 = 4;
/// Their requests per second.
const RPS: u32 = 40;

/// 50 ms there and back, 1 of 100 segments late by two round trips.
pub(super) fn some_loss(server: &mut Server, options: &Options) -> Result<Came, Failure> {
    behind(
        server,
        options,
        Path {
            round_trip: Duration::from_millis(50),
            loss_percent: 1,
            ..Path::good(options.seed)
        },
    )
}

/// 150 ms there and back, 5 of 100 segments late, up to 30 ms of jitter.
pub(super) fn much_loss(server: &mut Server, options: &Options) -> Result<Came, Failure> {
    behind(
        server,
        options,
        Path {
            jitter: Duration::from_millis(30),
            ..Path::bad(options.seed)
        },
    )
}

/// 64 KiB per second and direction.
pub(super) fn little_rate(server: &mut Server, options: &Options) -> Result<Came, Failure> {
    behind(
        server,
        options,
        Path {
            round_trip: Duration::from_millis(50),
            bytes_per_second: 64 * 1024,
            ..Path::good(options.seed)
        },
    )
}

/// A reset after 1 of 100 segments.
pub(super) fn resets(server: &mut Server, options: &Options) -> Result<Came, Failure> {
    behind(
        server,
        options,
        Path {
            round_trip: Duration::from_millis(50),
            resets_per_thousand: 10,
            ..Path::good(options.seed)
        },
    )
}

fn behind(server: &mut Server, options: &Options, path: Path) -> Result<Came, Failure> {
    let target = Target {
        wire: Wire::Tcp,
        address: Address::Socket(server.address),
        trust: Identity::first(),
    };
    let relay = LossyRelay::to(&target, path);
    let address = relay.target().socket();
    let behind = Honest::at(address, CONNS, RPS, options.part())?.measure()?;
    let (late, segments) = relay.lost_of();
    Ok(Came::of([
        ("segments", segments),
        ("late_segments", late),
        ("resets", relay.resets()),
        ("answered", behind.answered),
        ("failed", behind.failed),
        ("unanswered", behind.unfinished + behind.dropped),
        ("mismatched", behind.mismatched),
        ("p50_us", behind.p50_us),
        ("p99_us", behind.p99_us),
    ]))
}
