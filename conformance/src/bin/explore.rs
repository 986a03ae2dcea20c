//! Explores the model's scenarios and tells what it found.

use std::process::ExitCode;
use std::rc::Rc;

use clap::Parser;
use oap_conformance::model::{Matrix, all, explore};

/// Walks through every state of two real connections that bounded scenarios can reach.
#[derive(Debug, Parser)]
struct Options {
    /// Only the scenario of this name or, if there is none, those whose name begins like this.
    #[arg(long)]
    scenario: Option<String>,
    /// Known states at which a scenario is cut off.
    #[arg(long, default_value_t = 40_000_000)]
    max_states: u64,
    /// Lists the scenarios.
    #[arg(long)]
    list: bool,
    /// Prints how often a server met each kind of frame in each state.
    #[arg(long)]
    matrix: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let mut scenarios = all();
    if let Some(name) = options.scenario.as_deref() {
        let exact = scenarios.iter().any(|scenario| scenario.name == name);
        scenarios
            .retain(|scenario| scenario.name == name || !exact && scenario.name.starts_with(name));
    }
    if options.list {
        for scenario in scenarios {
            println!("{:<24} {}", scenario.name, scenario.about);
        }
        return ExitCode::SUCCESS;
    }
    if scenarios.is_empty() {
        eprintln!("there is no such scenario; --list names them");
        return ExitCode::FAILURE;
    }
    let mut matrix = Matrix::default();
    let (mut states, mut transitions, mut broken) = (0, 0, false);
    for scenario in scenarios.into_iter().map(Rc::new) {
        let report = explore(&scenario, options.max_states);
        println!("{:<24} {report}", scenario.name);
        if let Some(failure) = &report.failure {
            println!("{failure}");
        }
        states += report.states;
        transitions += report.transitions;
        broken |= report.failure.is_some();
        matrix.merge(&report.matrix);
    }
    println!("{states} states, {transitions} transitions");
    if options.matrix {
        println!("{matrix}");
        for cell in matrix.missing() {
            println!("never visited: {cell}");
        }
    }
    if broken {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
