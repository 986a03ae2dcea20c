//! What is due from a server: one file for each section of the specification.

mod budgets;
mod comp;
mod control;
mod errors;
mod events;
mod exchanges;
mod flags;
mod frame;
mod hello;
mod lanes;
mod late;
mod timers;
mod tls;
mod windows;

use super::peer::Peer;
use super::verdict::Case;

/// All cases, in the order of the specification.
pub(crate) fn all() -> impl Iterator<Item = &'static Case<Peer>> {
    let sections = [
        frame::CASES,
        flags::CASES,
        exchanges::CASES,
        late::CASES,
        control::CASES,
        hello::CASES,
        windows::CASES,
        events::CASES,
        comp::CASES,
        errors::CASES,
        budgets::CASES,
        timers::CASES,
        tls::CASES,
        lanes::CASES,
    ];
    sections.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_case_has_a_name_of_its_own_and_a_clause_of_the_specification() {
        let spec = include_str!("../../../../docs/spec/oap-1.md");
        let mut names = BTreeSet::new();
        for case in all() {
            assert!(names.insert(case.name), "{} stands there twice", case.name);
            let clause = format!("**{}**:", case.clause);
            assert!(spec.contains(&clause), "no clause {}", case.clause);
        }
        assert!(names.len() >= 120, "{} cases", names.len());
    }
}
