//! The live suite passes a correct server and notices each of the bugs.

use std::collections::BTreeSet;
use std::sync::Arc;

use oap_conformance::bugs::clients::{self, ToJudge};
use oap_conformance::bugs::{self, Bug, InMemory};
use oap_conformance::live::drill;
use oap_conformance::live::facts::{Facts, Timers};
use oap_conformance::live::report::failure;
use oap_conformance::live::runner::{self, Plan};
use oap_conformance::live::serve;
use oap_conformance::live::verdict::{Only, Outcome, Verdict};

/// Runs something in virtual time: a timer of a minute takes no time.
fn in_virtual_time<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(work)
}

/// The outcomes of the cases of `only` at a server with such a bug.
fn outcomes(bug: Option<&'static Bug>, only: Only) -> Vec<Outcome> {
    in_virtual_time(async {
        let correct = InMemory::start(None);
        let asked = Facts::ask(&correct, Timers::default()).await;
        let plan = Plan {
            only,
            ..Plan::default()
        };
        let dial = Arc::new(InMemory::start(bug));
        let run = runner::run(dial, asked.expect("an answer"), &plan, |_| {}).await;
        run.expect("outcomes")
    })
}

/// The outcomes of the cases of `only` at a client with such a bug.
fn client_outcomes(bug: Option<&'static Bug>, only: Only) -> Vec<Outcome> {
    in_virtual_time(async {
        let (way, accepted) = ToJudge::new(bug);
        let plan = serve::Plan { only, quick: false };
        let drilled = tokio::spawn(async move { drill::run(&way).await });
        let run = serve::run(accepted, &plan, |_| {}).await;
        drilled.abort();
        run.expect("outcomes")
    })
}

fn failures(outcomes: &[Outcome]) -> Vec<&Outcome> {
    let failed = |outcome: &&Outcome| matches!(outcome.verdict, Verdict::Fail(_));
    outcomes.iter().filter(failed).collect()
}

#[test]
fn a_correct_server_passes_every_case() {
    let outcomes = outcomes(None, Only::default());
    let failed = failures(&outcomes);
    let shown: Vec<String> = failed.into_iter().map(failure).collect();
    assert!(shown.is_empty(), "{}", shown.join("\n"));
    let passed = |outcome: &&Outcome| matches!(outcome.verdict, Verdict::Pass);
    let passed = outcomes.iter().filter(passed).count();
    assert!(passed >= 120, "{passed} cases passed");
}

#[test]
fn each_bug_is_noticed_by_the_clause_that_it_breaks() {
    let mut names = BTreeSet::new();
    let mut missed = Vec::new();
    for bug in bugs::all() {
        assert!(names.insert(bug.name), "{} stands there twice", bug.name);
        let outcomes = outcomes(Some(bug), Only::new([bug.clause]));
        if failures(&outcomes).is_empty() {
            missed.push(format!("{} ({}): {}", bug.name, bug.clause, bug.what));
        }
    }
    assert!(missed.is_empty(), "not noticed:\n{}", missed.join("\n"));
    assert!(names.len() >= 40, "{} bugs", names.len());
}

#[test]
fn a_correct_client_passes_every_case() {
    let outcomes = client_outcomes(None, Only::default());
    let shown: Vec<String> = failures(&outcomes).into_iter().map(failure).collect();
    assert!(shown.is_empty(), "{}", shown.join("\n"));
    let passed = |outcome: &&Outcome| matches!(outcome.verdict, Verdict::Pass);
    let passed = outcomes.iter().filter(passed).count();
    assert!(passed >= 30, "{passed} cases passed");
}

#[test]
fn each_bug_of_a_client_is_noticed_by_the_clause_that_it_breaks() {
    let mut missed = Vec::new();
    for bug in clients::all() {
        let outcomes = client_outcomes(Some(bug), Only::new([bug.clause]));
        if failures(&outcomes).is_empty() {
            missed.push(format!("{} ({}): {}", bug.name, bug.clause, bug.what));
        }
    }
    assert!(missed.is_empty(), "not noticed:\n{}", missed.join("\n"));
    assert!(clients::all().count() >= 10);
}
