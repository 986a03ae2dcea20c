//! What takes more of a machine: crowds, and peers that never read. One test at a time.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt};
use oap_conformance::suite::peer::{Crowd, Manner, ServerProcess, Size, descriptors};
use oap_conformance::suite::{Kind, Plan, Raw, Target, Wire, block_on, eventually, within};
use oap_core::driver::Session;
use oap_core::driver::test_apps::{ECHO, SOURCE};
use oap_core::wire::Flags;
use oap_core::{Config, Head, Timers};

const PEER: &str = env!("CARGO_BIN_EXE_oap-suite-peer");
const MIB: usize = 1024 * 1024;

/// One test for each transport of a stack.
macro_rules! servers {
    ($check:ident: $($stack:ident = $kind:ident over $($test:ident = $wire:ident),*;)*) => {
        mod $check {
            $(mod $stack {
                use oap_conformance::suite::{Kind, Wire};

                $(#[test]
                fn $test() {
                    super::super::$check(Kind::$kind, Wire::$wire);
                })*
            })*
        }
    };
}

servers! { two_hundred_connections_sixteen_deep:
    tokio = TokioMultiThread over tcp = Tcp, tls = Tls, quic = Quic, uds = Uds;
    tokio_current = TokioCurrentThread over tcp = Tcp, tls = Tls, quic = Quic, uds = Uds;
    smol = Smol over tcp = Tcp, tls = Tls, quic = Quic, uds = Uds;
    blocking = Blocking over tcp = Tcp, tls = Tls, uds = Uds;
}

servers! { a_peer_that_never_reads:
    tokio = TokioMultiThread over tcp = Tcp, tls = Tls, quic = Quic, uds = Uds;
    tokio_current = TokioCurrentThread over tcp = Tcp, tls = Tls, quic = Quic, uds = Uds;
    smol = Smol over tcp = Tcp, tls = Tls, quic = Quic, uds = Uds;
    blocking = Blocking over tcp = Tcp, tls = Tls, uds = Uds;
}

servers! { ten_thousand_idle_connections:
    tokio = TokioMultiThread over tcp = Tcp, uds = Uds;
    tokio_current = TokioCurrentThread over tcp = Tcp, uds = Uds;
    smol = Smol over tcp = Tcp, uds = Uds;
    blocking = Blocking over tcp = Tcp, uds = Uds;
}

/// Tests that measure run alone.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A client of another stack than the server's.
fn other_than(server: Kind) -> Kind {
    match server {
        Kind::TokioMultiThread => Kind::Smol,
        _ => Kind::TokioMultiThread,
    }
}

fn two_hundred_connections_sixteen_deep(kind: Kind, wire: Wire) {
    const CONNECTIONS: u32 = 200;
    const DEPTH: u32 = 16;
    let _alone = alone();
    let (server, client) = (kind.start(), other_than(kind).start());
    let echoed = block_on(async {
        // A machine with other work takes longer than the timers of a real one allow.
        let config = Config {
            timers: Timers::default().scaled(6),
            ..Config::default()
        };
        let plan = Plan::new().with_config(config.clone());
        let running = server.serve(wire, plan).await.expect("a server");
        let target = &running.target;
        let sessions: Vec<Session> = futures_util::stream::iter(0..CONNECTIONS)
            .map(|_| client.connect(target, config.clone()))
            .buffer_unordered(16)
            .map(|session| session.expect("a session"))
            .collect()
            .await;
        assert_eq!(running.server.stats().connections, sessions.len());
        let echoes: FuturesUnordered<_> = (0..CONNECTIONS * DEPTH)
            .map(|number| {
                let session = &sessions[(number % CONNECTIONS) as usize];
                let body = Bytes::from(number.to_le_bytes().repeat(1_024));
                async move {
                    let response = session.request(Head::new(ECHO), body.clone()).await;
                    assert_eq!(response.expect("an echo").body, body);
                }
            })
            .collect();
        within("all echoes come back", echoes.count()).await
    });
    assert_eq!(echoed as u32, CONNECTIONS * DEPTH);
}

/// Runs an echo on a session of its own.
fn others_are_served(target: &Target) {
    let stack = Kind::TokioMultiThread.start();
    block_on(within("others are served", async {
        let session = stack.connect(target, Config::default()).await;
        let session = session.expect("a session");
        for _ in 0..50 {
            let body = Bytes::from(vec![3; 16 * 1024]);
            let response = session.request(Head::new(ECHO), body.clone()).await;
            assert_eq!(response.expect("an echo").body, body);
        }
    }));
}

/// The allocator keeps some of what it has been given back, and how much is chance: what is held for
/// a peer shows in every attempt.
fn a_peer_that_never_reads(kind: Kind, wire: Wire) {
    const MOST: usize = 2 * MIB;
    const ATTEMPTS: usize = 3;
    let _alone = alone();
    // What an echo holds for a peer is bounded by the server's limits alone.
    for (what, demand) in [
        ("source data", demand_source as fn(&mut Raw)),
        ("echoes", demand_echoes),
        ("a streamed echo", demand_streamed_echo),
    ] {
        let fits = (0..ATTEMPTS).any(|_| {
            let rise = rise_for_each_peer(kind, wire, demand);
            println!(
                "{} over {}, {what} of 1 GiB to a peer that never reads: {} KiB",
                kind.name(),
                wire.name(),
                rise / 1024
            );
            rise <= MOST
        });
        assert!(
            fits,
            "{what}: above {MOST} bytes for each peer, {ATTEMPTS} times"
        );
    }
}

/// Bytes by which a server's memory rises for each peer that makes this demand and never reads.
fn rise_for_each_peer(kind: Kind, wire: Wire, demand: fn(&mut Raw)) -> usize {
    const PEERS: usize = 2;
    let server = ServerProcess::start(PEER, kind, wire, Size::Default);
    others_are_served(server.target());
    let demanding = || {
        let mut peer = Raw::connect(server.target()).expect("a connection");
        demand(&mut peer);
        peer
    };
    let warm = demanding();
    let before = settled(&server);
    let peers: Vec<Raw> = (0..PEERS).map(|_| demanding()).collect();
    others_are_served(server.target());
    let rise = settled(&server).saturating_sub(before) / PEERS;
    drop((peers, warm));
    rise
}

/// Bytes of memory once they change no more.
fn settled(server: &ServerProcess) -> usize {
    let mut last = (0, server.resident_bytes());
    block_on(eventually("the server's memory settles", || {
        let now = server.resident_bytes();
        last = if now == last.1 {
            (last.0 + 1, now)
        } else {
            (0, now)
        };
        last.0 == 50
    }));
    last.1
}

/// A request for 1 GiB.
fn demand_source(peer: &mut Raw) {
    let ask = (1_u64 << 30).to_le_bytes();
    let frame = Raw::frame(Raw::ONE_SHOT, SOURCE, 1, &ask);
    peer.send(&frame).expect("a request");
}

/// Requests of 30 KiB each, until the server stops reading or 1 GiB is sent.
fn demand_echoes(peer: &mut Raw) {
    let payload = vec![5; 30 * 1024];
    for corr_id in 1..=(1 << 15) {
        let frame = Raw::frame(Raw::ONE_SHOT, ECHO, corr_id, &payload);
        if peer.send(&frame).is_err() {
            return;
        }
    }
    panic!("the server has read 1 GiB of echoes that nobody takes");
}

/// The same in one exchange, without a window.
fn demand_streamed_echo(peer: &mut Raw) {
    let payload = vec![5; 30 * 1024];
    let first = Raw::frame(Flags::REQ | Flags::START, ECHO, 1, &payload);
    peer.send(&first).expect("a request");
    let more = Raw::frame(Flags::REQ, ECHO, 1, &payload);
    let taken = peer.send_until_stalled(&more, 1 << 15);
    assert!(
        taken < 1 << 15,
        "the server has read 1 GiB of echoes that nobody takes"
    );
}

fn ten_thousand_idle_connections(kind: Kind, wire: Wire) {
    let _alone = alone();
    let count = match kind {
        Kind::Blocking => {
            println!("blocking: 500 connections, because each has three threads");
            500
        }
        _ => fitting(10_000),
    };
    let mut server = ServerProcess::start(PEER, kind, wire, Size::Default);
    others_are_served(server.target());
    let before = server.resident_bytes();
    let mut crowd = Crowd::start(PEER, Manner::Idle, server.target(), count);
    assert!(
        server.connections() >= count,
        "{} connections",
        server.connections()
    );
    let each = server.resident_bytes().saturating_sub(before) / count;
    println!(
        "{} over {}: {count} idle connections, {each} bytes each",
        kind.name(),
        wire.name()
    );
    assert_eq!(crowd.echo_of_every(100), count.div_ceil(100));
    others_are_served(server.target());
    assert!(
        server.connections() >= count,
        "{} connections",
        server.connections()
    );
    drop(crowd);
    block_on(eventually("all are gone", || server.connections() == 0));
}

/// As many of `wanted` connections as descriptors allow a process, some of which it needs itself.
fn fitting(wanted: usize) -> usize {
    const OWN: usize = 100;
    let most = descriptors().saturating_sub(OWN);
    if most < wanted {
        println!("{most} connections instead of {wanted}: the limit of descriptors allows no more");
    }
    wanted.min(most)
}
