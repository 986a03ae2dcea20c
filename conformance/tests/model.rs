//! The small form of the model checker: scenarios that are exhausted in seconds, a part of each of
//! the others, every cell of the server's table, and proof that broken wrappers are found.

use std::rc::Rc;

use oap_conformance::model::{Failure, Matrix, Sabotage, Scenario, all, explore, replay};

/// States of each scenario that are explored here; the program `explore` exhausts them.
const MOST: u64 = 6_000;
/// And of those that visit every cell of the table.
const MOST_OF_TABLE: u64 = 1_000_000;

fn scenario(name: &str) -> Scenario {
    let found = all().into_iter().find(|scenario| scenario.name == name);
    found.unwrap_or_else(|| panic!("no scenario {name}"))
}

#[test]
fn no_state_of_any_scenario_breaks_a_property_and_every_cell_is_visited() {
    let mut matrix = Matrix::default();
    let mut states = 0;
    for scenario in all().into_iter().map(Rc::new) {
        let table = scenario.name.starts_with("table");
        let report = explore(&scenario, if table { MOST_OF_TABLE } else { MOST });
        println!("{:<24} {report}", scenario.name);
        if let Some(failure) = report.failure {
            panic!("{}: {failure}", scenario.name);
        }
        states += report.states;
        matrix.merge(&report.matrix);
    }
    assert!(states >= 350_000, "only {states} states");
    let missing = matrix.missing();
    assert!(missing.is_empty(), "never visited: {missing:?}\n{matrix}");
}

#[test]
fn exploring_twice_finds_the_same_states() {
    let scenario = Rc::new(scenario("hostile-server"));
    let (one, other) = (explore(&scenario, MOST), explore(&scenario, MOST));
    assert_eq!(one.states, other.states);
    assert_eq!(one.transitions, other.transitions);
    assert_eq!(one.matrix, other.matrix);
}

/// What the checker says of a broken wrapper around both connections.
fn found(name: &str, sabotage: Sabotage) -> Failure {
    let scenario = Rc::new(Scenario {
        sabotage: Some(sabotage),
        ..scenario(name)
    });
    let report = explore(&scenario, 1_000_000);
    let failure = report.failure;
    let failure = failure.unwrap_or_else(|| panic!("{sabotage:?} is not found in {name}"));
    let again = replay(&scenario, &failure.trace).map(|world| world.is_some());
    assert_eq!(again, Err(failure.what.clone()), "{failure}");
    println!("{sabotage:?}: {failure}\n");
    failure
}

#[test]
fn a_wrapper_that_drops_an_ack_is_found_as_a_deadlock() {
    let failure = found("windows", Sabotage::DropAck);
    assert!(failure.what.starts_with("at rest"), "{failure}");
}

#[test]
fn a_wrapper_that_forgets_end_is_found_as_an_exchange_that_never_ends() {
    let failure = found("two-exchanges", Sabotage::ForgetEnd);
    assert!(failure.what.starts_with("at rest"), "{failure}");
}

#[test]
fn wrappers_that_double_lose_or_swap_bytes_are_found() {
    for sabotage in [
        Sabotage::DoubleByte,
        Sabotage::LoseByte,
        Sabotage::SwapBytes,
        Sabotage::RepeatFrame,
    ] {
        found("two-exchanges", sabotage);
    }
}

#[test]
fn a_wrapper_that_drops_cancel_is_found_as_a_handler_that_nobody_tells() {
    found("cancel-and-ask-again", Sabotage::DropCancel);
}

#[test]
fn a_wrapper_that_acknowledges_too_much_is_found() {
    found("windows", Sabotage::FalseAck);
}
