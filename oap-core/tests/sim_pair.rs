//! Two connections in virtual time, over links with delay, small pieces, stalls and cuts, against a
//! model that knows every byte. Each run follows from its seed: `OAP_SEED=n` replays one,
//! `OAP_SEEDS=n` makes more of them.

mod sim;

use std::panic::{AssertUnwindSafe, catch_unwind};

use sim::Sim;

const SEEDS: u64 = 400;

#[test]
fn a_pair_in_any_weather_does_what_the_model_says() {
    let number = |name: &str| {
        let value = std::env::var(name).ok()?;
        Some(value.parse::<u64>().expect("a number"))
    };
    if let Some(seed) = number("OAP_SEED") {
        return Sim::new(seed).run();
    }
    for seed in 0..number("OAP_SEEDS").unwrap_or(SEEDS) {
        if catch_unwind(AssertUnwindSafe(|| Sim::new(seed).run())).is_err() {
            panic!("replay it with OAP_SEED={seed} cargo test -p oap-core --test sim_pair");
        }
    }
}
