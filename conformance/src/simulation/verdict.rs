//! Whether a connection had a reason to end as it did.

use oap_core::{CloseReason, Role, Timer};

use super::endpoint::Endpoint;
use super::model::Facts;

/// Both ends of a connection that is over.
#[derive(Debug)]
pub(super) struct Sides<'a> {
    pub(super) client: &'a Endpoint,
    pub(super) server: &'a Endpoint,
    pub(super) facts: &'a Facts,
    /// Nothing was ever written.
    pub(super) silent: bool,
    /// Both sides may PING.
    pub(super) keeps_alive: bool,
}

/// Ends the run if either side ended without a reason.
pub(super) fn judge_close(sides: &Sides<'_>) {
    for (own, other) in [(sides.client, sides.server), (sides.server, sides.client)] {
        let (Some(reason), Some(others)) = (&own.over, &other.over) else {
            panic!("a connection is over and has not told so: {sides:#?}");
        };
        let allowed = may_end(own.connection.role(), reason, others, sides);
        assert!(
            allowed,
            "{} ends with {reason}, the other side with {others}: {:?}",
            own.who(),
            sides.facts
        );
    }
}

fn may_end(role: Role, reason: &CloseReason, others: &CloseReason, sides: &Sides<'_>) -> bool {
    let facts = sides.facts;
    match reason {
        CloseReason::Local => facts.left,
        CloseReason::Drained => facts.drained,
        // The other side must have ended for a reason of its own.
        CloseReason::PeerClosed => facts.rough || !matches!(others, CloseReason::PeerClosed),
        CloseReason::TimedOut(Timer::Idle) => facts.rough || !sides.keeps_alive,
        CloseReason::TimedOut(Timer::FirstFrame) => {
            facts.rough || role == Role::Server && sides.silent
        }
        CloseReason::TimedOut(_) | CloseReason::Transport => facts.rough,
        // A stream that is cut may end inside a frame; the rest of the protocol's faults are none
        // that two correct endpoints can bring about.
        CloseReason::Violation(fault) => facts.rough && fault.clause == "OAP-1-10",
        CloseReason::PeerError { .. } => facts.rough && matches!(others, CloseReason::Violation(_)),
        _ => false,
    }
}
