//! Whatever fails below a driver or beside it: calls end with an answer or a reason, and nothing is
//! left. One test at a time, because descriptors are counted.

use std::sync::{Mutex, MutexGuard, PoisonError};

use oap_conformance::faults::{
    Ends, Path, SmolTcp, SmolUds, Starved, TokioTcp, TokioUds, Victim, calls_across_jumps,
    dial_without_descriptors, every_operation_fails_once, killed_at_points, unique_calls,
};
use oap_conformance::suite::{Kind, Wire};

const PEER: &str = env!("CARGO_BIN_EXE_attack");
/// The points of the full run, set by this variable.
const KILLS: &str = "OAP_KILLS";
/// The calls of the full run over a bad path.
const CALLS: &str = "OAP_CALLS";

fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn number(variable: &str, default: usize) -> usize {
    match std::env::var(variable) {
        Ok(text) => text.parse().expect("a number"),
        Err(_) => default,
    }
}

fn every_operation<E: Ends>() {
    let _alone = alone();
    let summary = every_operation_fails_once::<E>();
    assert!(summary.recorded.iter().all(|count| *count > 0));
    assert!(summary.failed > 0 && summary.answered > summary.failed);
    assert!(
        summary.unreached * 20 <= summary.faults,
        "{} of {} operations were not reached",
        summary.unreached,
        summary.faults
    );
}

#[test]
fn every_operation_may_fail_on_tokio_over_tcp() {
    every_operation::<TokioTcp>();
}

#[test]
fn every_operation_may_fail_on_tokio_over_uds() {
    every_operation::<TokioUds>();
}

#[test]
fn every_operation_may_fail_on_smol_over_tcp() {
    every_operation::<SmolTcp>();
}

#[test]
fn every_operation_may_fail_on_smol_over_uds() {
    every_operation::<SmolUds>();
}

/// An eighth of all points; 500 in the full run.
fn sigkill<E: Ends>(seed: u64) {
    let _alone = alone();
    let points = number(KILLS, 56).div_ceil(8);
    for victim in [Victim::Server, Victim::Client] {
        let killed = killed_at_points::<E>(PEER, victim, points, seed);
        assert_eq!(killed.kills, points);
        if victim == Victim::Server {
            assert!(killed.failed >= points, "a killed server answers nothing");
        }
    }
}

#[test]
fn either_process_may_be_killed_on_tokio_over_tcp() {
    sigkill::<TokioTcp>(1);
}

#[test]
fn either_process_may_be_killed_on_tokio_over_uds() {
    sigkill::<TokioUds>(2);
}

#[test]
fn either_process_may_be_killed_on_smol_over_tcp() {
    sigkill::<SmolTcp>(3);
}

#[test]
fn either_process_may_be_killed_on_smol_over_uds() {
    sigkill::<SmolUds>(4);
}

fn starved(kind: Kind, wire: Wire) {
    let _alone = alone();
    let starved = Starved::server(PEER, kind, wire);
    println!("{} over {}: {starved:?}", kind.name(), wire.name());
    dial_without_descriptors(PEER, kind, wire);
}

#[test]
fn tokio_recovers_from_a_want_of_descriptors() {
    starved(Kind::TokioMultiThread, Wire::Tcp);
    starved(Kind::TokioMultiThread, Wire::Uds);
}

#[test]
fn smol_recovers_from_a_want_of_descriptors() {
    starved(Kind::Smol, Wire::Tcp);
    starved(Kind::Smol, Wire::Uds);
}

#[test]
fn time_may_jump_on_tokio() {
    let _alone = alone();
    let jumped = calls_across_jumps::<TokioTcp>(200, 5);
    assert!(jumped.failed > 0 && jumped.answered > jumped.failed);
}

#[test]
fn time_may_jump_on_smol() {
    let _alone = alone();
    let jumped = calls_across_jumps::<SmolTcp>(200, 6);
    assert!(jumped.failed > 0 && jumped.answered > jumped.failed);
}

fn over_a_bad_path(kind: Kind, wire: Wire, seed: u64) {
    let _alone = alone();
    let calls = number(CALLS, 2_000);
    let answers = unique_calls(kind, wire, Path::bad(seed), calls);
    println!(
        "{} over {}, seed {seed}: {answers:?}",
        kind.name(),
        wire.name()
    );
    assert_eq!(answers.right, calls, "{answers:?}");
    assert_eq!((answers.doubled, answers.unseen), (0, 0), "{answers:?}");
    assert!(answers.dropped.0 > 0, "the path has lost nothing");
}

#[test]
fn no_call_is_lost_doubled_or_misrouted_on_tokio_over_tls() {
    over_a_bad_path(Kind::TokioMultiThread, Wire::Tls, 7);
}

#[test]
fn no_call_is_lost_doubled_or_misrouted_on_tokio_over_quic() {
    over_a_bad_path(Kind::TokioMultiThread, Wire::Quic, 8);
}

#[test]
fn no_call_is_lost_doubled_or_misrouted_on_smol_over_tls() {
    over_a_bad_path(Kind::Smol, Wire::Tls, 9);
}

#[test]
fn no_call_is_lost_doubled_or_misrouted_on_smol_over_quic() {
    over_a_bad_path(Kind::Smol, Wire::Quic, 10);
}
