//! The reference model: what may come of each call, kept beside the real thing and knowing nothing
//! of frames. Whatever it does not allow ends the run.

use oap_core::{Code, End, Reason, Start, Timestamp};

use super::pattern::{Direction, pattern};
use super::plan::{CallPlan, Kind};

/// How a call ended at its client.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    /// With RESP|END and this code.
    Answered(Code),
    /// By the connection's decision.
    Ended(End),
    /// The client gave it up.
    Cancelled,
    /// Its connection ended first.
    ConnectionOver,
}

impl Outcome {
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Answered(_) => "answered",
            Self::Ended(_) => "ended",
            Self::Cancelled => "cancelled",
            Self::ConnectionOver => "lost",
        }
    }
}

/// What has happened on a line that explains what would be a fault otherwise.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Facts {
    /// The weather or an application may break connections.
    pub(super) rough: bool,
    /// One of the sides takes no new exchanges.
    pub(super) drained: bool,
    /// The server may have fewer slots than the client knows of.
    pub(super) crowded: bool,
    /// An application keeps payloads for a while.
    pub(super) keeps: bool,
    /// The server has a verifier.
    pub(super) verifies: bool,
    /// A lane was reset.
    pub(super) lane_reset: bool,
    /// The transport of one of the sides is closed.
    pub(super) closed: bool,
    /// One of the sides has left.
    pub(super) left: bool,
}

/// One direction of a call.
#[derive(Clone, Copy, Debug, Default)]
struct Flow {
    /// Bytes that the sender's connection took.
    sent: usize,
    /// It took the END as well.
    ended: bool,
    /// Bytes that the receiver was handed.
    got: usize,
    got_end: bool,
}

/// How far the server has come with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Serving {
    Unknown,
    Asked,
    Denied,
    Allowed,
    Handling,
    Over,
}

#[derive(Debug)]
struct Call {
    plan: CallPlan,
    opened: Option<Timestamp>,
    request: Flow,
    answer: Flow,
    serving: Serving,
    /// The server was told that the client gave it up.
    cancelled: bool,
    /// The handler ended it with this code.
    answered: Option<Code>,
    /// The client wants no more of it; what was delivered to it before may still be handed out.
    outcome: Option<Outcome>,
}

/// All calls of a line, over all of its connections.
#[derive(Debug)]
pub(super) struct Model {
    line: usize,
    calls: Vec<Call>,
    settled: u64,
    answered: u64,
    bytes: u64,
}

impl Model {
    pub(super) const fn new(line: usize) -> Self {
        Self {
            line,
            calls: Vec::new(),
            settled: 0,
            answered: 0,
            bytes: 0,
        }
    }

    /// Calls with an outcome, those answered in full, and bytes compared.
    pub(super) const fn totals(&self) -> (u64, u64, u64) {
        (self.settled, self.answered, self.bytes)
    }

    pub(super) fn plan(&self, call: usize) -> &CallPlan {
        &self.calls[call].plan
    }

    pub(super) fn is_settled(&self, call: usize) -> bool {
        self.calls[call].outcome.is_some()
    }

    /// What the client puts into the START, so that the server knows the call again.
    pub(super) fn tenant(&self, call: usize) -> u128 {
        (self.line as u128) << 64 | call as u128
    }

    pub(super) fn add(&mut self, plan: CallPlan) -> usize {
        self.calls.push(Call {
            plan,
            opened: None,
            request: Flow::default(),
            answer: Flow::default(),
            serving: Serving::Unknown,
            cancelled: false,
            answered: None,
            outcome: None,
        });
        self.calls.len() - 1
    }

    /// The client's connection took the START.
    pub(super) fn opened(&mut self, call: usize, now: Timestamp) {
        let opened = self.calls[call].opened.replace(now);
        assert!(opened.is_none(), "{call} is opened twice");
    }

    /// A connection took bytes of a call.
    pub(super) fn sent(&mut self, call: usize, direction: Direction, len: usize, end: bool) {
        let flow = self.flow(call, direction);
        assert!(!flow.ended, "{call}: more was taken after the END");
        flow.sent += len;
        flow.ended = end;
    }

    /// The server's verifier, or without one its handler, is shown a START.
    pub(super) fn shown(&mut self, start: &Start, asks: bool) -> usize {
        let call = start.tenant_id as u64 as usize;
        assert!(call < self.calls.len(), "a START nobody sent: {start:?}");
        assert_eq!(start.tenant_id, self.tenant(call), "a call of another line");
        let known = &mut self.calls[call];
        let from = match (asks, known.serving) {
            (true, Serving::Unknown) => Serving::Asked,
            (false, Serving::Unknown | Serving::Allowed) => Serving::Handling,
            (_, other) => panic!("{call} begins at the server, which has it as {other:?}"),
        };
        known.serving = from;
        assert!(known.opened.is_some(), "{call} was never opened");
        assert_eq!(start.app_proto_id, known.plan.app, "{call}: another app");
        assert_eq!(
            start.capability,
            pattern(call, Direction::Request, 0, known.plan.capability),
            "{call}: another capability"
        );
        call
    }

    /// The verifier's word.
    pub(super) fn verdict(&mut self, call: usize, allowed: bool) {
        let known = &mut self.calls[call];
        assert_eq!(known.serving, Serving::Asked, "{call}: nobody asked");
        known.serving = match allowed {
            true => Serving::Allowed,
            false => Serving::Denied,
        };
    }

    /// Bytes of a call were delivered.
    pub(super) fn got(&mut self, call: usize, direction: Direction, bytes: &[u8], end: bool) {
        self.bytes += bytes.len() as u64;
        if direction == Direction::Request {
            let serving = self.calls[call].serving;
            let begun = matches!(serving, Serving::Handling | Serving::Over);
            assert!(
                begun,
                "{call} is delivered to a handler while it is {serving:?}"
            );
        }
        let flow = self.flow(call, direction);
        assert!(
            !flow.got_end,
            "{call} {direction:?}: bytes or an END after the END"
        );
        let expected = pattern(call, direction, flow.got, bytes.len());
        assert!(
            bytes == expected,
            "{call} {direction:?}: wrong bytes at {}",
            flow.got
        );
        flow.got += bytes.len();
        flow.got_end = end;
        assert!(
            flow.got <= flow.sent,
            "{call} {direction:?}: more came than was sent"
        );
        if end {
            let whole = flow.ended && flow.got == flow.sent;
            assert!(
                whole,
                "{call} {direction:?}: ended after {} of {} bytes",
                flow.got, flow.sent
            );
        }
    }

    /// The handler ended the call with this code.
    pub(super) fn handler_ended(&mut self, call: usize, code: Code) {
        let known = &mut self.calls[call];
        known.serving = Serving::Over;
        let before = known.answered.replace(code);
        assert_eq!(before, None, "{call} is answered twice");
    }

    /// The handler is gone; if it had not answered, the client is told 500.
    pub(super) fn handler_released(&mut self, call: usize) {
        let known = &mut self.calls[call];
        known.serving = Serving::Over;
        known.answered.get_or_insert(Code::INTERNAL);
    }

    /// The server was told that a call ended before its end.
    pub(super) fn ended_at_server(&mut self, call: usize, end: &End, facts: &Facts) {
        let known = &mut self.calls[call];
        assert_ne!(
            known.serving,
            Serving::Unknown,
            "{call} ends before it began"
        );
        known.serving = Serving::Over;
        let allowed = match end {
            End::Cancelled { .. } => {
                known.cancelled = !facts.lane_reset;
                known.agrees_with_cancel()
            }
            End::TimedOut => facts.verifies,
            End::Violation(fault) => {
                is_own_fault(fault.clause, fault.reason, &known.plan, facts)
                    || fault.clause == "OAP-1-11" && (facts.rough || facts.closed)
            }
            _ => false,
        };
        assert!(
            allowed,
            "{call} ended at the server with {end:?}: {known:#?}"
        );
    }

    /// The call is over for its client, for the first and only time.
    pub(super) fn settle(&mut self, call: usize, outcome: Outcome, now: Timestamp, facts: &Facts) {
        let known = &self.calls[call];
        assert!(
            known.outcome.is_none(),
            "{call} has a second outcome: {outcome:?} after {:?}",
            known.outcome
        );
        let opened = known
            .opened
            .unwrap_or_else(|| panic!("{call} was never opened"));
        let allowed = match &outcome {
            Outcome::Answered(code) if code.is_error() => known.may_fail_with(*code, facts),
            Outcome::Answered(code) => {
                known.answered == Some(*code) && known.answer.ended && known.answer.got_end
            }
            Outcome::Cancelled => known.plan.cancel_after.is_some(),
            Outcome::Ended(End::TimedOut) => {
                let waits = facts.rough || known.plan.impatient || known.plan.kind == Kind::Never;
                now >= opened + known.plan.timeout && waits
            }
            Outcome::Ended(End::Cancelled { .. }) => facts.lane_reset,
            Outcome::Ended(End::Violation(fault)) => {
                is_own_fault(fault.clause, fault.reason, &known.plan, facts)
                    || fault.clause == "OAP-1-12" && (facts.rough || facts.closed)
            }
            Outcome::Ended(_) => false,
            // Whether the connection had a reason to end is judged where it ends.
            Outcome::ConnectionOver => true,
        };
        assert!(
            allowed,
            "{call} must not end with {outcome:?} at {now:?}: {known:#?} {facts:?}"
        );
        self.settled += 1;
        self.answered += u64::from(matches!(&outcome, Outcome::Answered(code) if !code.is_error()));
        let known = &mut self.calls[call];
        known.outcome = Some(outcome);
        let agrees = known.agrees_with_cancel();
        assert!(agrees, "{call} was cancelled by nobody: {known:#?}");
    }

    /// Nobody waits past the call's own timeout, however many naps and late wakes there were.
    pub(super) fn check_patience(&self, call: usize, now: Timestamp, slack: std::time::Duration) {
        let known = &self.calls[call];
        if let (Some(opened), None) = (known.opened, &known.outcome) {
            let latest = opened + known.plan.timeout + slack;
            assert!(
                now <= latest,
                "{call} has no outcome at {now:?}: {known:#?}"
            );
        }
    }

    /// The world has ended: every call that was opened has its outcome.
    pub(super) fn finish(&self) {
        for (call, known) in self.calls.iter().enumerate() {
            let done = known.opened.is_none() || known.outcome.is_some();
            assert!(done, "{call} never ended: {known:#?}");
        }
    }

    fn flow(&mut self, call: usize, direction: Direction) -> &mut Flow {
        match direction {
            Direction::Request => &mut self.calls[call].request,
            Direction::Answer => &mut self.calls[call].answer,
        }
    }
}

impl Call {
    /// What the server takes for a cancel must be one, as soon as the client's outcome is known.
    fn agrees_with_cancel(&self) -> bool {
        !self.cancelled || !matches!(self.outcome, Some(Outcome::Answered(_)))
    }

    /// Whether the server had a reason to answer with this error.
    fn may_fail_with(&self, code: Code, facts: &Facts) -> bool {
        if self.answered == Some(code) {
            return true;
        }
        match code {
            Code::TOO_MANY => facts.crowded || facts.keeps || self.plan.compress,
            Code::UNAVAILABLE => facts.drained,
            Code::UNAUTHORIZED => self.serving == Serving::Denied && self.plan.capability == 0,
            Code::FORBIDDEN => self.serving == Serving::Denied && self.plan.capability > 0,
            Code::GATEWAY_TIMEOUT => facts.verifies && self.request.got == 0,
            _ => false,
        }
    }
}

/// Faults that two correct endpoints can bring about: an application that keeps many small frames
/// passes the buffer budget, one that compresses well passes the inflate budget.
fn is_own_fault(clause: &str, reason: Reason, plan: &CallPlan, facts: &Facts) -> bool {
    clause == "OAP-6-17" && facts.keeps || reason == Reason::RateLimited && plan.compress
}
