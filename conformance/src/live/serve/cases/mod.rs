//! What is due from a client: a file for each group of clauses.

mod control;
mod exchanges;
mod frames;
mod hello;
mod windows;

use super::judge::Judge;
use crate::live::verdict::Case;

/// All cases, in the order in which they are run.
pub(super) fn all() -> impl Iterator<Item = &'static Case<Judge>> {
    let groups = [
        frames::CASES,
        exchanges::CASES,
        control::CASES,
        hello::CASES,
        windows::CASES,
    ];
    groups.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_case_has_a_name_of_its_own_and_a_clause_of_the_specification() {
        let spec = include_str!("../../../../../docs/spec/oap-1.md");
        let mut names = BTreeSet::new();
        for case in all() {
            assert!(names.insert(case.name), "{} stands there twice", case.name);
            let clause = format!("**{}**:", case.clause);
            assert!(spec.contains(&clause), "no clause {}", case.clause);
        }
        assert!(names.len() >= 30, "{} cases", names.len());
    }
}
