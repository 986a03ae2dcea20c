//! Calls that cannot be confused: each is counted where it is served and checked where it is
//! answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{StreamExt, iter};
use oap_core::driver::{Request, Response, Service, Session};
use oap_core::testing::Rng;
use oap_core::{Config, Head, Timers};

use super::{LossyRelay, Path};
use crate::suite::{Kind, Plan, Wire, block_on};

/// Answers with the call's number and its payload turned round.
const UNIQUE: u16 = 0x0f80;
/// Connections that share the calls.
const SESSIONS: usize = 8;
/// Calls at once on each.
const DEPTH: usize = 32;

/// What came of the calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// Calls with their own, right answer.
    pub right: usize,
    /// Calls with another answer: another's, or a wrong one.
    pub misrouted: usize,
    /// Calls without an answer.
    pub lost: usize,
    /// Calls that a handler has seen more than once.
    pub doubled: usize,
    /// Calls that no handler has seen.
    pub unseen: usize,
    /// Datagrams or segments that the path has lost, of how many.
    pub dropped: (u64, u64),
}

/// Makes `calls` calls over a path, each of a payload of its own, and counts.
///
/// # Panics
/// If there is no connection to be had over the path.
pub fn unique_calls(kind: Kind, wire: Wire, path: Path, calls: usize) -> Answers {
    let seen: Arc<Vec<AtomicU32>> = Arc::new((0..calls).map(|_| AtomicU32::new(0)).collect());
    let counting = seen.clone();
    let plan = Plan::new()
        .with_config(patient())
        .with_service(move |service: Service| {
            service.unary(UNIQUE, move |request| {
                let answer = count_and_turn(&request, &counting);
                async move { answer }
            })
        });
    let (server, client) = (kind.start(), kind.start());
    let running = block_on(server.serve(wire, plan)).expect("a server");
    let relay = LossyRelay::to(&running.target, path);
    let (right, misrouted, lost) = (
        AtomicUsize::new(0),
        AtomicUsize::new(0),
        AtomicUsize::new(0),
    );
    block_on(async {
        let sessions: Vec<Session> = iter(0..SESSIONS)
            .then(|_| client.connect(relay.target(), patient()))
            .map(|session| session.expect("a session over a bad path"))
            .collect()
            .await;
        let each = sessions.iter().enumerate().map(|(at, session)| {
            let own = iter((at..calls).step_by(SESSIONS));
            let (right, misrouted, lost) = (&right, &misrouted, &lost);
            own.for_each_concurrent(DEPTH, move |number| async move {
                let body = payload(number as u64);
                let counter = match session.request(Head::new(UNIQUE), body.clone()).await {
                    Ok(response) if response.body == turned(&body) => right,
                    Ok(_) => misrouted,
                    Err(_) => lost,
                };
                counter.fetch_add(1, Ordering::Relaxed);
            })
        });
        futures_util::future::join_all(each).await;
    });
    let times = |count: &AtomicU32| count.load(Ordering::Relaxed);
    Answers {
        right: right.into_inner(),
        misrouted: misrouted.into_inner(),
        lost: lost.into_inner(),
        doubled: seen.iter().filter(|count| times(count) > 1).count(),
        unseen: seen.iter().filter(|count| times(count) == 0).count(),
        dropped: relay.lost_of(),
    }
}

/// Timers that a path of repeated losses does not run out.
fn patient() -> Config {
    let timers = Timers {
        request: Duration::from_secs(60),
        ..Timers::default().scaled(6)
    };
    Config {
        timers,
        ..Config::default()
    }
}

fn count_and_turn(request: &Request, seen: &[AtomicU32]) -> Response {
    let number = request.body.first_chunk::<8>().copied();
    let number = number.map_or(u64::MAX, u64::from_le_bytes);
    if let Some(count) = usize::try_from(number).ok().and_then(|at| seen.get(at)) {
        count.fetch_add(1, Ordering::Relaxed);
    }
    Response::ok(turned(&request.body))
}

/// The number and up to 500 bytes that only this call has.
fn payload(number: u64) -> Bytes {
    let mut rng = Rng::new(number);
    let mut bytes = number.to_le_bytes().to_vec();
    for _ in 0..rng.range(1, 60) {
        bytes.extend_from_slice(&rng.next_u64().to_le_bytes());
    }
    bytes.into()
}

/// The number, and every byte after it inverted: no echo of a relay passes for an answer.
fn turned(body: &[u8]) -> Bytes {
    let inverted = body.iter().enumerate();
    inverted
        .map(|(at, byte)| if at < 8 { *byte } else { !byte })
        .collect()
}
