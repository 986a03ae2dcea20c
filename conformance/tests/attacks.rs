//! No attack gets more than 64 handlers, unbounded memory or the honest clients' throughput. One at a
//! time; each prints what it has measured.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use oap_conformance::attacks::{Attack, Measure};
use oap_conformance::suite::Kind;

const PEER: &str = env!("CARGO_BIN_EXE_attack");
/// The most handlers of one connection: `max_inflight`.
const MOST_HANDLERS: usize = 64;
/// The least honest throughput, of that with the attack on another server: what a busy machine and
/// short parts can tell from starvation. The goal is 0.8, which the binary measures over more rounds.
const LEAST_SHARE: f64 = 0.5;
/// Measurements on a machine with other work to do.
const ATTEMPTS: usize = 3;

fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_withstood(name: &str, kind: Kind) {
    let _alone = alone();
    let attack = Attack::named(name).expect("an attack of the list");
    let measure = Measure {
        program: PEER,
        kind,
        count: 1_000,
        rounds: 5,
        part: Duration::from_millis(200),
    };
    let mut best = 0.0_f64;
    for _ in 0..ATTEMPTS {
        let row = measure.run(attack);
        println!("{}: {row}", kind.name());
        assert!(row.met.units > 0 && row.met.connections > 0, "no attack");
        assert!(row.handlers <= MOST_HANDLERS, "{row}");
        assert!(row.growth <= attack.memory, "{row}");
        best = best.max(row.share());
        if best >= LEAST_SHARE {
            return;
        }
    }
    panic!("honest clients keep {best:.2} at best");
}

macro_rules! withstood {
    ($($test:ident = $name:literal)*) => {
        mod on_tokio {
            use oap_conformance::suite::Kind;

            $(#[test]
            fn $test() {
                super::is_withstood($name, Kind::TokioMultiThread);
            })*
        }

        mod on_smol {
            use oap_conformance::suite::Kind;

            $(#[test]
            fn $test() {
                super::is_withstood($name, Kind::Smol);
            })*
        }
    };
}

withstood! {
    start_cancel_is_withstood = "start-cancel"
    stream_errors_are_withstood = "stream-errors"
    a_ping_flood_is_withstood = "ping-flood"
    a_hello_flood_is_withstood = "hello-flood"
    an_ack_flood_is_withstood = "ack-flood"
    empty_frames_are_withstood = "empty-frames"
    a_dribble_is_withstood = "dribble"
    an_endless_request_is_withstood = "endless-request"
    bombs_are_withstood = "bombs"
    optimistic_acks_are_withstood = "optimistic-acks"
}
