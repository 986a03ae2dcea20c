//! Whether what happened may happen.

use oap_core::{Code, End};

use super::Sim;
use super::plan::{EVENT, Kind, Outcome, Plan};

impl Sim {
    pub(crate) fn check(&self) {
        let (client, server) = (&self.pair.client.connection, &self.pair.server.connection);
        let inflight = usize::from(server.config().limits.max_inflight());
        assert!(server.exchanges() <= inflight, "too many exchanges");
        for connection in [client, server] {
            assert!(
                connection.held_bytes() <= connection.config().limits.buffer_bytes(),
                "{:?} holds {} bytes",
                connection.role(),
                connection.held_bytes()
            );
        }
    }

    /// Nothing will ever happen any more.
    pub(crate) fn end(self) {
        let (client, server) = (&self.pair.client.connection, &self.pair.server.connection);
        for (index, plan) in self.plans.iter().enumerate() {
            let outcome = plan.outcome.as_ref().unwrap_or_else(|| {
                panic!(
                    "no outcome of {index}: {plan:#?}\n{:?} {client:#?}",
                    client.interest()
                )
            });
            self.judge(index, plan, outcome);
        }
        for (connection, over) in [(client, &self.client_over), (server, &self.server_over)] {
            assert!(
                connection.is_closed(),
                "{:?} is still open with {} exchanges: {:?}\n{:#?}\n{connection:#?}",
                connection.role(),
                connection.exchanges(),
                connection.interest(),
                self.handlers
            );
            assert!(
                over.is_some(),
                "{:?} never told that it is over",
                connection.role()
            );
            assert!(connection.interest().done, "{over:?} {connection:#?}");
        }
    }

    /// Whether the outcome is one that this exchange may have.
    fn judge(&self, index: usize, plan: &Plan, outcome: &Outcome) {
        let cut = !self.fair || self.cut_was_planned();
        match outcome {
            Outcome::Answered(code) if code.is_error() => {
                let refusal = *code == Code::TOO_MANY
                    && (self.small_server || self.explicit || self.slow || plan.compress);
                let drained = *code == Code::UNAVAILABLE;
                let denied = plan.kind == Kind::Denied && *code == Code::UNAUTHORIZED;
                let failed = plan.kind == Kind::Fail && *code == Code::NOT_FOUND;
                let given_up = plan.server_cancels_after.is_some()
                    || matches!(plan.kind, Kind::Never | Kind::Denied);
                let cancelled = given_up && *code == Code::INTERNAL;
                assert!(
                    refusal || drained || denied || failed || cancelled || cut,
                    "{index} ended with {code}: {plan:#?}"
                );
            }
            Outcome::Answered(_) => {
                let whole = match plan.kind {
                    Kind::Echo => plan.answered == plan.sent && plan.finished,
                    Kind::Download(size) => plan.answered == size,
                    Kind::Subscribe(count) => plan.pushed == count * EVENT,
                    _ => false,
                };
                assert!(whole, "{index} was not answered in full: {plan:#?}");
            }
            Outcome::Cancelled => assert!(plan.cancel_at.is_some()),
            Outcome::ConnectionOver => {
                assert!(
                    cut || self.drained,
                    "the connection ended before {index} did: {:?}, {:?}",
                    self.client_over,
                    self.server_over
                );
            }
            Outcome::Ended(End::TimedOut) => assert!(cut, "{index} timed out: {plan:#?}"),
            Outcome::Ended(End::Cancelled { .. }) => {
                assert!(plan.server_cancels_after.is_some(), "{index}: {plan:#?}");
            }
            // A sender of small bodies to a receiver that keeps them can pass the buffer budget.
            Outcome::Ended(End::Violation(fault)) if fault.clause == "OAP-6-17" => {
                assert!(self.slow, "{index} ended with {fault}");
            }
            Outcome::Ended(end) => assert!(cut, "{index} ended with {end:?}: {plan:#?}"),
        }
    }

    fn cut_was_planned(&self) -> bool {
        self.cut_at.is_some() || self.pair.was_cut()
    }
}
