//! Every clause has a vector, or a reason why it has none.

use std::collections::{BTreeMap, BTreeSet};

const SPECIFICATION: &str = include_str!("../../../docs/spec/oap-1.md");
const WITHOUT: &str = include_str!("../../vectors/without.txt");

/// The clauses of the specification.
fn clauses() -> BTreeSet<&'static str> {
    let bold = SPECIFICATION
        .lines()
        .filter_map(|line| line.strip_prefix("**OAP-"));
    bold.map(|line| &line[..line.find("**").expect("a clause's name ends")])
        .collect()
}

/// Those without a vector, and why.
fn without() -> BTreeMap<&'static str, &'static str> {
    let lines = WITHOUT.lines().filter_map(|line| line.strip_prefix("OAP-"));
    lines
        .map(|line| {
            let (clause, reason) = line.split_once(' ').expect("a clause and a reason");
            (clause, reason.trim())
        })
        .collect()
}

#[test]
fn every_clause_has_a_vector_or_a_reason_why_it_has_none() {
    let vectors = super::vectors();
    let cited: BTreeSet<&str> = vectors
        .iter()
        .flat_map(|vector| &vector.clauses)
        .map(|clause| clause.strip_prefix("OAP-").expect("a clause's name"))
        .collect();
    let (clauses, without) = (clauses(), without());
    assert!(clauses.len() > 100, "the specification is read");
    for clause in &cited {
        assert!(clauses.contains(clause), "there is no clause OAP-{clause}");
    }
    for (clause, reason) in &without {
        assert!(clauses.contains(clause), "there is no clause OAP-{clause}");
        assert!(!reason.is_empty(), "OAP-{clause} has no reason");
        assert!(!cited.contains(clause), "OAP-{clause} has a vector");
    }
    for clause in &clauses {
        let told = cited.contains(clause) || without.contains_key(clause);
        assert!(told, "OAP-{clause} has neither a vector nor a reason");
    }
    println!(
        "{} clauses, {} without a vector",
        clauses.len(),
        without.len()
    );
}
