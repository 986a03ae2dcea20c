//! The tests that tell a mutant from the core within seconds, in one program: linking and starting
//! one is quicker than twenty. `cargo test` leaves it out, as each of these is a program of its own.
#![allow(
    clippy::duplicate_mod,
    reason = "each brings the support that it names itself"
)]

#[path = "../clauses_10_budgets.rs"]
mod budgets;
#[path = "../clients_nobody_here_wrote.rs"]
mod clients;
#[path = "../clauses_8_comp.rs"]
mod comp;
#[path = "../clauses_4_control.rs"]
mod control;
#[path = "../edges_counters.rs"]
mod edges_counters;
#[path = "../edges_ends.rs"]
mod edges_ends;
#[path = "../edges_getters.rs"]
mod edges_getters;
#[path = "../edges_output.rs"]
mod edges_output;
#[path = "../edges_pauses.rs"]
mod edges_pauses;
#[path = "../edges_values.rs"]
mod edges_values;
#[path = "../edges_windows.rs"]
mod edges_windows;
#[path = "../clauses_9_errors.rs"]
mod errors;
#[path = "../clauses_7_events.rs"]
mod events;
#[path = "../clauses_3_exchanges.rs"]
mod exchanges;
#[path = "../faults.rs"]
mod faults;
#[path = "../clauses_2_flags.rs"]
mod flags;
#[path = "../clauses_1_frame.rs"]
mod frame;
#[path = "../clauses_5_hello.rs"]
mod hello;
#[path = "../clauses_11_lanes.rs"]
mod lanes;
#[path = "../sim_pair.rs"]
mod sim_pair;
#[path = "../prop_stream.rs"]
mod streams;
#[path = "../clauses_6_windows.rs"]
mod windows;
#[path = "../wire_examples.rs"]
mod wire_examples;
