//! Figures that the servers promise. One test at a time; each prints what it has measured.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use oap_conformance::suite::peer::{Crowd, Manner, ServerProcess, Size, descriptors};
use oap_conformance::suite::{Kind, Target, Wire, block_on, eventually, within};
use oap_core::driver::test_apps::ECHO;
use oap_core::{Config, Head};

const PEER: &str = env!("CARGO_BIN_EXE_oap-suite-peer");
const KIB: usize = 1024;

fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn an_idle_tls_connection_is_small(kind: Kind) {
    const MOST: usize = 24 * KIB;
    const CONNECTIONS: usize = 2_000;
    let _alone = alone();
    let server = ServerProcess::start(PEER, kind, Wire::Tls, Size::Default);
    // What the first connections cost is not theirs: tables, threads' arenas.
    let warm = Crowd::start(PEER, Manner::Idle, server.target(), 50);
    let before = server.resident_bytes();
    let mut crowd = Crowd::start(PEER, Manner::Idle, server.target(), CONNECTIONS);
    let fresh = (server.resident_bytes() - before) / CONNECTIONS;
    crowd.echo_of_every(1);
    let used = (server.resident_bytes() - before) / CONNECTIONS;
    println!(
        "{}: an idle TLS connection has {fresh} bytes resident, {used} after its first echo",
        kind.name()
    );
    assert!(fresh <= MOST, "{fresh} bytes, at most {MOST} are allowed");
    assert!(used <= MOST, "{used} bytes, at most {MOST} are allowed");
    drop(warm);
}

#[test]
fn an_idle_tls_connection_is_small_on_tokio() {
    an_idle_tls_connection_is_small(Kind::TokioMultiThread);
}

#[test]
fn an_idle_tls_connection_is_small_on_tokio_current() {
    an_idle_tls_connection_is_small(Kind::TokioCurrentThread);
}

#[test]
fn an_idle_tls_connection_is_small_on_smol() {
    an_idle_tls_connection_is_small(Kind::Smol);
}

/// The time within which 99 of 100 echoes of 4 KiB come back.
fn p99(target: &Target) -> Duration {
    const ECHOES: usize = 3_000;
    let stack = Kind::TokioMultiThread.start();
    block_on(within("an honest client is served", async {
        let session = stack.connect(target, Config::default()).await;
        let session = session.expect("a session");
        let body = Bytes::from(vec![7; 4 * KIB]);
        let mut times = Vec::with_capacity(ECHOES);
        for _ in 0..ECHOES {
            let begun = Instant::now();
            let response = session.request(Head::new(ECHO), body.clone()).await;
            times.push(begun.elapsed());
            assert_eq!(response.expect("an echo").body, body);
        }
        times.sort_unstable();
        times[ECHOES * 99 / 100]
    }))
}

fn slow_loris_connections_hold_nobody_up(kind: Kind) {
    const WANTED: usize = 10_000;
    const OWN: usize = 100;
    const MOST: f64 = 2.0;
    const ATTEMPTS: usize = 3;
    let _alone = alone();
    let count = WANTED.min(descriptors() - OWN);
    if count < WANTED {
        println!("{count} connections: the limit of descriptors allows no more");
    }
    let mut server = ServerProcess::start(PEER, kind, Wire::Tcp, Size::Default);
    p99(server.target());
    let ratio = (0..ATTEMPTS).find_map(|_| {
        let before = p99(server.target());
        let crowd = Crowd::start(PEER, Manner::SlowLoris, server.target(), count);
        block_on(eventually("all of them are accepted", || {
            server.connections() >= count
        }));
        let among = p99(server.target());
        assert!(
            server.connections() >= count,
            "they have not been cut off meanwhile"
        );
        drop(crowd);
        let ratio = among.as_secs_f64() / before.as_secs_f64();
        println!(
            "{}: p99 {before:?} alone, {among:?} among {count} slow-loris connections: {ratio:.2}",
            kind.name()
        );
        (ratio <= MOST).then_some(ratio)
    });
    assert!(
        ratio.is_some(),
        "the p99 is above {MOST} times of before, {ATTEMPTS} times"
    );
}

#[test]
fn slow_loris_connections_hold_nobody_up_on_tokio() {
    slow_loris_connections_hold_nobody_up(Kind::TokioMultiThread);
}

#[test]
fn slow_loris_connections_hold_nobody_up_on_tokio_current() {
    slow_loris_connections_hold_nobody_up(Kind::TokioCurrentThread);
}

#[test]
fn slow_loris_connections_hold_nobody_up_on_smol() {
    slow_loris_connections_hold_nobody_up(Kind::Smol);
}
