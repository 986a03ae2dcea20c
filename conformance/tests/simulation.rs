//! Whole worlds in virtual time: a quick number of seeds, that a seed replays bit for bit, and that
//! the judge notices what is put in on purpose. `simulate --seeds N` runs more of them.

use oap_conformance::simulation::{Options, Report, Sabotage, simulate};

/// Seeds that are run here; the program runs more.
const SEEDS: u64 = 40;
/// Seeds among which each fault must be noticed.
const SABOTAGED: u64 = 40;

fn run(seed: u64) -> Report {
    simulate(seed, Options::default()).unwrap_or_else(|failure| panic!("{failure}"))
}

/// What is said of a fault in the first world in which it is noticed.
fn noticed(fault: Sabotage) -> Option<String> {
    let options = Options {
        sabotage: Some(fault),
        ..Options::default()
    };
    let failures = (0..SABOTAGED).filter_map(|seed| simulate(seed, options).err());
    failures.map(|failure| failure.message).next()
}

#[test]
fn worlds_do_what_the_model_says() {
    for seed in 0..SEEDS {
        let report = run(seed);
        assert!(report.totals.connections > 0, "seed {seed} did nothing");
    }
}

#[test]
fn a_seed_replays_bit_for_bit() {
    for seed in [1, 7, 23, 4_711] {
        assert_eq!(run(seed), run(seed));
    }
    assert_ne!(run(1).digest, run(2).digest);
}

#[test]
fn the_same_worlds_without_a_fault_pass() {
    let options = Options {
        fair: true,
        ..Options::default()
    };
    for seed in 0..SABOTAGED {
        let outcome = simulate(seed, options);
        assert!(outcome.is_ok(), "{outcome:?}");
    }
}

#[test]
fn every_fault_that_is_put_in_is_noticed() {
    for fault in Sabotage::ALL {
        let said = noticed(fault);
        let said = said.unwrap_or_else(|| panic!("nobody noticed {fault:?}"));
        println!("{fault:?}: {}", said.lines().next().unwrap_or_default());
    }
}
