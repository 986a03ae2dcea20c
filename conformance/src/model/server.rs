//! The server's application: a handler for each exchange, and a verifier.

use oap_core::{Code, Event, ExchangeId, Fin, Payload, Reason, Role, SendError, Verdict};

use super::action::Ruling;
use super::plan::{Finish, Half, Part, bytes_of};
use super::world::{Step, World, unexpected};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Work {
    /// The verifier has not spoken.
    Asked,
    /// It has allowed the exchange.
    Allowed,
    Going,
    /// Nothing is left to do but to say so.
    Over,
}

/// One exchange as its handler sees it.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) struct Handler {
    pub(super) plan: usize,
    id: ExchangeId,
    pub(super) corr: u64,
    pub(super) work: Work,
    /// Bytes of the request that came, and those of them that are consumed.
    got: usize,
    pub(super) consumed: usize,
    request_over: bool,
    /// Bodies of the answer that are sent.
    step: usize,
    sent: usize,
    blocked: bool,
}

impl World {
    pub(super) fn can_answer(&self, at: usize) -> bool {
        let handler = &self.handlers[at];
        let plan = &self.scenario.plans[handler.plan];
        let wants = handler.step < plan.answer.len() || plan.finish != Finish::Never;
        handler.work == Work::Going
            && !handler.blocked
            && (plan.early || handler.request_over)
            && wants
    }

    pub(super) fn can_abort(&self, at: usize) -> bool {
        let handler = &self.handlers[at];
        handler.work == Work::Going && self.scenario.plans[handler.plan].aborts
    }

    /// The handler's next body, or how it ends its work.
    pub(super) fn answer(&mut self, at: usize) -> Step {
        let handler = self.handlers[at];
        let plan = self.scenario.plans[handler.plan];
        let connection = &mut self.side_mut(Role::Server).connection;
        let Some(exchange) = connection.exchange(handler.id) else {
            self.handlers[at].blocked = true;
            return Ok(());
        };
        let last = handler.step + 1 >= plan.answer.len();
        let body = |len| bytes_of(handler.plan, Half::Answer, handler.sent, len).into();
        let (done, len, over) = match plan.answer.get(handler.step) {
            Some(Part::Data(len)) if last && plan.finish == Finish::End => {
                (exchange.respond(Code::ACCEPTED_OK, body(*len)), *len, true)
            }
            Some(Part::Data(len)) => {
                let sent = exchange.send(Code::ACCEPTED_OK, body(*len), Fin::More);
                (sent, *len, false)
            }
            Some(Part::Event(len)) => (exchange.push(Code::OK, body(*len)), *len, false),
            None => {
                let done = match plan.finish {
                    Finish::End => exchange.respond(Code::ACCEPTED_OK, body(0)),
                    Finish::Fail => exchange.fail(Code::NOT_FOUND, Reason::NotFound, "not here"),
                    Finish::Cancel => {
                        exchange.cancel(Code::INTERNAL, Reason::Internal);
                        self.handlers[at].work = Work::Over;
                        return Ok(());
                    }
                    Finish::Leave => return self.release(at),
                    Finish::Never => return Err("it never answers".into()),
                };
                (done, 0, true)
            }
        };
        let explicit = connection.config().explicit_release;
        let handler = &mut self.handlers[at];
        match done {
            Ok(()) => {
                handler.step += 1;
                handler.sent += len;
                match (over, explicit) {
                    (true, true) => handler.work = Work::Over,
                    (true, false) => {
                        self.handlers.remove(at);
                    }
                    (false, _) => {}
                }
                Ok(())
            }
            // Room, or the end of the exchange, is what an event will tell of.
            Err(SendError::Full | SendError::Ended | SendError::Closed) => {
                handler.blocked = true;
                Ok(())
            }
            Err(error) => Err(format!("the answer was not taken: {error}")),
        }
    }

    pub(super) fn abort(&mut self, at: usize) -> Step {
        let id = self.handlers[at].id;
        if let Some(exchange) = self.side_mut(Role::Server).connection.exchange(id) {
            exchange.cancel(Code::INTERNAL, Reason::Internal);
        }
        self.handlers[at].work = Work::Over;
        Ok(())
    }

    pub(super) fn release(&mut self, at: usize) -> Step {
        let handler = self.handlers.remove(at);
        if let Some(exchange) = self.side_mut(Role::Server).connection.exchange(handler.id) {
            exchange.release();
        }
        Ok(())
    }

    pub(super) fn rule(&mut self, at: usize, ruling: Ruling) -> Step {
        let (id, now) = (self.handlers[at].id, self.now);
        let verdict = match ruling {
            Ruling::Allow => Verdict::Allow,
            Ruling::Deny => Verdict::Deny,
            Ruling::Refuse => Verdict::Refuse(Code::UNAVAILABLE, Reason::NotReady),
        };
        if let Some(exchange) = self.side_mut(Role::Server).connection.exchange(id) {
            exchange.authorize(now, verdict);
        }
        self.handlers[at].work = Work::Allowed;
        let connection = &mut self.side_mut(Role::Server).connection;
        if verdict != Verdict::Allow && connection.exchange(id).is_none() {
            self.handlers.remove(at);
        }
        Ok(())
    }

    pub(super) fn server_event(&mut self, event: Event) -> Step {
        match event {
            Event::Authorize { id, start } => {
                let plan = self.plan_of(start.tenant_id)?;
                self.handlers
                    .push(Handler::new(plan, id, start.corr_id, Work::Asked));
                Ok(())
            }
            Event::Opened {
                id,
                start,
                payload,
                fin,
            } => {
                let plan = self.plan_of(start.tenant_id)?;
                let capable = self.scenario.plans[plan].capability;
                if self.scenario.is_honest() && capable == start.capability.is_empty() {
                    return Err("the capability is not the START's".into());
                }
                let asked = self.scenario.server.authorize;
                match (self.handler_of(id), asked) {
                    (Some(at), true) if self.handlers[at].work == Work::Allowed => {
                        self.handlers[at].work = Work::Going;
                    }
                    (None, false) => {
                        let handler = Handler::new(plan, id, start.corr_id, Work::Going);
                        self.handlers.push(handler);
                    }
                    _ => return Err("opened without a verdict, or twice".into()),
                }
                self.request_came(id, &payload, fin)
            }
            Event::Data {
                id, payload, fin, ..
            } => self.request_came(id, &payload, fin),
            Event::Truncated { id } => {
                if let Some(at) = self.handler_of(id) {
                    self.handlers[at].request_over = true;
                }
                Ok(())
            }
            Event::Ended { id, .. } => {
                match self.handler_of(id) {
                    Some(at) => self.handlers[at].work = Work::Over,
                    // It had answered, but not all of that had left: the slot has to be released.
                    None => self.handlers.push(Handler::new(0, id, 0, Work::Over)),
                }
                Ok(())
            }
            Event::Writable { id } => {
                if let Some(at) = self.handler_of(id) {
                    self.handlers[at].blocked = false;
                }
                Ok(())
            }
            Event::Closed(_) => {
                self.handlers.clear();
                Ok(())
            }
            Event::Hello(_) | Event::GoAway { .. } | Event::Pong { .. } => Ok(()),
            other => Err(unexpected(Role::Server, &other)),
        }
    }

    fn request_came(&mut self, id: ExchangeId, payload: &Payload, fin: Fin) -> Step {
        let Some(at) = self.handler_of(id) else {
            // It has answered, and does not wait for more.
            return self.consume_at_once(Role::Server, id, payload);
        };
        let plan = self.handlers[at].plan;
        self.payload_came(Role::Server, id, plan, payload);
        let handler = &mut self.handlers[at];
        if handler.request_over {
            return Err("more of a request that was over".into());
        }
        let from = handler.got;
        handler.got += payload.wire_len();
        handler.request_over = fin.is_end();
        if self.scenario.is_honest() {
            self.judge_request(plan, from, payload, fin)?;
        }
        Ok(())
    }

    /// No byte lost, doubled or out of place.
    fn judge_request(&self, index: usize, from: usize, payload: &Payload, fin: Fin) -> Step {
        let plan = &self.scenario.plans[index];
        let len = payload.wire_len();
        if from + len > plan.request_len() {
            return Err(format!("more bytes than request {index} has"));
        }
        if *payload.wire_bytes() != bytes_of(index, Half::Request, from, len) {
            return Err(format!("wrong bytes at {from} of request {index}"));
        }
        if fin.is_end() && (from + len != plan.request_len() || !plan.ends) {
            return Err(format!("request {index} ended after {} bytes", from + len));
        }
        Ok(())
    }

    fn handler_of(&self, id: ExchangeId) -> Option<usize> {
        self.handlers.iter().position(|handler| handler.is(id))
    }

    /// The plan that a START names by its tenant.
    fn plan_of(&self, tenant: u128) -> Result<usize, String> {
        let plan = usize::try_from(tenant).unwrap_or(usize::MAX);
        let known = plan < self.scenario.plans.len();
        known
            .then_some(plan)
            .ok_or_else(|| format!("no plan {tenant}"))
    }
}

impl Handler {
    pub(super) fn is(&self, id: ExchangeId) -> bool {
        self.id == id
    }

    const fn new(plan: usize, id: ExchangeId, corr: u64, work: Work) -> Self {
        Self {
            plan,
            id,
            corr,
            work,
            got: 0,
            consumed: 0,
            request_over: false,
            step: 0,
            sent: 0,
            blocked: false,
        }
    }
}
