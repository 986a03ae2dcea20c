//! The client's application: it plays the plans, and knows what every answer has to be.

use oap_core::wire::Features;
use oap_core::{Code, Event, ExchangeId, Fin, Head, Payload, Reason, Role, SendError};

use super::plan::{Cancels, Finish, Half, bytes_of};
use super::world::{Step, World, unexpected};

/// How an exchange ended at the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// With the END of its answer.
    Answered,
    /// With an error, the server's or its own.
    Failed,
    /// The client gave up.
    Cancelled,
    /// With the connection.
    Lost,
    /// It was never opened: the connection takes none.
    NotOpened,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    Waiting,
    Running(ExchangeId),
    Over(Outcome),
}

/// One exchange as the client sees it.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) struct Call {
    pub(super) stage: Stage,
    pub(super) corr: u64,
    /// Bodies of the request that are sent.
    step: usize,
    sent: usize,
    /// Bytes of the answer that came, and those of them that are consumed.
    got: usize,
    pub(super) consumed: usize,
    blocked: bool,
}

impl Call {
    pub(super) const NEW: Self = Self {
        stage: Stage::Waiting,
        corr: 0,
        step: 0,
        sent: 0,
        got: 0,
        consumed: 0,
        blocked: false,
    };

    pub(super) const fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over(_))
    }
}

impl World {
    /// Whether the next exchange is this plan's, and it may be opened.
    pub(super) fn can_open(&self, plan: usize) -> bool {
        let Some(side) = &self.client else {
            return false;
        };
        let connection = &side.connection;
        let next = self
            .calls
            .iter()
            .position(|call| call.stage == Stage::Waiting);
        next == Some(plan) && !side.told_closed && connection.exchanges() < connection.capacity()
    }

    pub(super) fn can_send(&self, plan: usize) -> bool {
        let call = &self.calls[plan];
        matches!(call.stage, Stage::Running(_))
            && !call.blocked
            && call.step < self.scenario.plans[plan].request.len()
    }

    /// Whether the client may give the exchange up, and whether that is left to it.
    ///
    /// Without CANCEL the server is told nothing (OAP-3-18), and nobody but its handler can end the
    /// exchange: so one that waits for the client is given up only if the server is known to take
    /// CANCEL, or is going to be.
    pub(super) fn can_cancel(&self, index: usize) -> Option<Cancels> {
        let plan = &self.scenario.plans[index];
        let running = matches!(self.calls[index].stage, Stage::Running(_));
        let asked = self.hello_told || self.scenario.client.hello;
        let told = asked && self.scenario.server.features.contains(Features::CANCEL);
        let ends_anyway = plan.early && plan.finish != Finish::Never;
        let may = told || ends_anyway || !self.scenario.is_honest();
        (running && may).then_some(plan.cancels)
    }

    pub(super) fn open(&mut self, index: usize) -> Step {
        let plan = self.scenario.plans[index];
        let (len, fin) = self.next_body(index);
        let body = bytes_of(index, Half::Request, 0, len);
        let mut head = Head::new(1).with_tenant(index as u128);
        if plan.capability {
            head = head.with_capability(&b"capability"[..]);
        }
        let now = self.now;
        let connection = &mut self.side_mut(Role::Client).connection;
        let opened = connection.request(now, head, body.into(), fin);
        let corr = opened.ok().and_then(|id| connection.exchange(id));
        let corr = corr.map_or(0, |exchange| exchange.corr_id());
        let call = &mut self.calls[index];
        match opened {
            Ok(id) => {
                call.stage = Stage::Running(id);
                call.corr = corr;
                call.step = 1;
                call.sent = len;
                Ok(())
            }
            Err(SendError::Draining | SendError::Closed) => {
                call.stage = Stage::Over(Outcome::NotOpened);
                Ok(())
            }
            Err(error) => Err(format!("the request was not taken: {error}")),
        }
    }

    pub(super) fn send(&mut self, index: usize) -> Step {
        let (len, fin) = self.next_body(index);
        let call = self.calls[index];
        let Stage::Running(id) = call.stage else {
            return Err("it is not running".into());
        };
        let body = bytes_of(index, Half::Request, call.sent, len);
        let exchange = self.side_mut(Role::Client).connection.exchange(id);
        let sent = exchange.map(|exchange| exchange.send(Code::OK, body.into(), fin));
        let call = &mut self.calls[index];
        match sent {
            Some(Ok(())) => {
                call.step += 1;
                call.sent += len;
                Ok(())
            }
            // Nothing more can be sent, and an event will tell why.
            None | Some(Err(SendError::Full | SendError::Ended | SendError::Closed)) => {
                call.blocked = true;
                Ok(())
            }
            Some(Err(error)) => Err(format!("the body was not taken: {error}")),
        }
    }

    pub(super) fn cancel(&mut self, index: usize) -> Step {
        let Stage::Running(id) = self.calls[index].stage else {
            return Err("it is not running".into());
        };
        if let Some(exchange) = self.side_mut(Role::Client).connection.exchange(id) {
            exchange.cancel(Code::TIMEOUT, Reason::Cancelled);
        }
        self.calls[index].stage = Stage::Over(Outcome::Cancelled);
        Ok(())
    }

    pub(super) fn client_event(&mut self, event: Event) -> Step {
        match event {
            Event::Data {
                id,
                code,
                payload,
                fin,
            } => self.answer_came(id, code, &payload, fin),
            Event::Pushed { id, code, payload } => self.answer_came(id, code, &payload, Fin::More),
            Event::Ended { id, .. } => {
                if let Some(plan) = self.call_of(id) {
                    self.calls[plan].stage = Stage::Over(Outcome::Failed);
                }
                Ok(())
            }
            Event::Writable { id } => {
                if let Some(plan) = self.call_of(id) {
                    self.calls[plan].blocked = false;
                }
                Ok(())
            }
            Event::Closed(_) => {
                for call in &mut self.calls {
                    call.stage = match call.stage {
                        Stage::Waiting => Stage::Over(Outcome::NotOpened),
                        Stage::Running(_) => Stage::Over(Outcome::Lost),
                        over => over,
                    };
                }
                Ok(())
            }
            Event::Hello(_) => {
                self.hello_told = true;
                Ok(())
            }
            Event::NoHello | Event::GoAway { .. } | Event::Pong { .. } => Ok(()),
            other => Err(unexpected(Role::Client, &other)),
        }
    }

    fn answer_came(&mut self, id: ExchangeId, code: Code, payload: &Payload, fin: Fin) -> Step {
        let Some(plan) = self.call_of(id) else {
            // It was given up; its payload is not kept.
            return self.consume_at_once(Role::Client, id, payload);
        };
        self.payload_came(Role::Client, id, plan, payload);
        let call = &mut self.calls[plan];
        if fin.is_end() && code.is_error() {
            call.stage = Stage::Over(Outcome::Failed);
            return Ok(());
        }
        let from = call.got;
        call.got += payload.wire_len();
        if fin.is_end() {
            call.stage = Stage::Over(Outcome::Answered);
        }
        if self.scenario.is_honest() {
            self.judge_answer(plan, from, payload, fin)?;
        }
        Ok(())
    }

    /// No byte lost, doubled or out of place.
    fn judge_answer(&self, index: usize, from: usize, payload: &Payload, fin: Fin) -> Step {
        let plan = &self.scenario.plans[index];
        let len = payload.wire_len();
        if from + len > plan.answer_len() {
            return Err(format!("more bytes than answer {index} has"));
        }
        if *payload.wire_bytes() != bytes_of(index, Half::Answer, from, len) {
            return Err(format!("wrong bytes at {from} of answer {index}"));
        }
        let whole = from + len == plan.answer_len() && plan.finish == Finish::End;
        if fin.is_end() && !whole {
            return Err(format!("answer {index} ended after {} bytes", from + len));
        }
        Ok(())
    }

    fn call_of(&self, id: ExchangeId) -> Option<usize> {
        let running = Stage::Running(id);
        self.calls.iter().position(|call| call.stage == running)
    }

    /// Size of the next body of a request, and whether it is the last.
    fn next_body(&self, index: usize) -> (usize, Fin) {
        let plan = &self.scenario.plans[index];
        let step = self.calls[index].step;
        let last = step + 1 == plan.request.len();
        let fin = if last && plan.ends {
            Fin::End
        } else {
            Fin::More
        };
        (plan.request[step], fin)
    }
}
