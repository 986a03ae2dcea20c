//! Two connections, the transport between them, both applications and a judge: one state of it all,
//! and what leads from it to others.

use std::hash::{BuildHasher, Hash, Hasher};
use std::rc::Rc;
use std::sync::Arc;

use foldhash::quality::FixedState;
use oap_core::wire::{HEADER_LEN, Header, MAX_FRAME};
use oap_core::{
    CloseReason, Connection, Consume, End, Event, ExchangeId, Payload, Reason, Role, Timestamp,
};

use super::action::{Action, Ruling};
use super::client::{Call, Stage};
use super::matrix::{self, Cell};
use super::pipe::Pipe;
use super::plan::Cancels;
use super::scenario::{Cast, Chances, Scenario};
use super::server::{Handler, Work};
use super::side::Side;
use super::wire::{Terms, Wire};

/// What came of a step: a broken property is told in words.
pub(super) type Step = Result<(), String>;

/// Where every clock begins. Not zero, so that a difference to zero would show.
const START: Timestamp = Timestamp::from_micros(1_000_000);
const ROLES: [Role; 2] = [Role::Client, Role::Server];

/// One state of everything.
#[derive(Debug)]
pub struct World {
    pub(super) scenario: Rc<Scenario>,
    pub(super) now: Timestamp,
    pub(super) client: Option<Side>,
    pub(super) server: Option<Side>,
    pub(super) up: Pipe,
    pub(super) down: Pipe,
    pub(super) calls: Vec<Call>,
    pub(super) handlers: Vec<Handler>,
    /// The client's application knows what the server takes.
    pub(super) hello_told: bool,
    wire: Wire,
    left: Chances,
}

impl World {
    /// The beginning of a scenario.
    pub fn new(scenario: Rc<Scenario>) -> Self {
        let client = (scenario.cast != Cast::Server)
            .then(|| Side::new(Connection::client(Arc::new(scenario.client.clone()), START)));
        let server = (scenario.cast != Cast::Client)
            .then(|| Side::new(Connection::server(Arc::new(scenario.server.clone()), START)));
        let calls = client.is_some().then_some(scenario.plans.len());
        let (up, down) = (Pipe::default(), Pipe::default());
        let mut world = Self {
            now: START,
            client,
            server,
            up,
            down,
            calls: vec![Call::NEW; calls.unwrap_or(0)],
            handlers: Vec::new(),
            hello_told: false,
            wire: Wire::default(),
            left: scenario.chances,
            scenario,
        };
        match world.scenario.cast {
            Cast::Both => {}
            Cast::Server => world.down.go_deaf(),
            Cast::Client => world.up.go_deaf(),
        }
        world
    }

    /// A second one in the same state.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self {
            scenario: Rc::clone(&self.scenario),
            now: self.now,
            client: self.client.as_ref().map(Side::fork),
            server: self.server.as_ref().map(Side::fork),
            up: self.up.clone(),
            down: self.down.clone(),
            calls: self.calls.clone(),
            handlers: self.handlers.clone(),
            hello_told: self.hello_told,
            wire: self.wire.clone(),
            left: self.left,
        }
    }

    /// 64 bits that stand for the state.
    pub fn digest(&self) -> u64 {
        let mut hasher = FixedState::with_seed(0x0a91).build_hasher();
        for side in [&self.client, &self.server].into_iter().flatten() {
            side.digest(&mut hasher);
        }
        (self.now, &self.up, &self.down, &self.wire, self.left).hash(&mut hasher);
        (&self.calls, &self.handlers, self.hello_told).hash(&mut hasher);
        hasher.finish()
    }

    /// Everything that can happen now.
    pub fn actions(&self) -> Vec<Action> {
        let mut actions = Vec::with_capacity(12);
        for role in ROLES {
            if let Some(side) = self.side(role) {
                self.host_actions(role, side, &mut actions);
                self.chances(role, side, &mut actions);
            }
        }
        self.client_actions(&mut actions);
        self.server_actions(&mut actions);
        self.accidents(&mut actions);
        actions
    }

    /// Whether nothing happens any more unless something optional does.
    pub fn is_at_rest(&self, actions: &[Action]) -> bool {
        actions.iter().all(|action| match *action {
            Action::Cancel(plan) => self.scenario.plans[usize::from(plan)].cancels != Cancels::Must,
            Action::Shut(Role::Client) => !self.leaves_now(),
            action => action.is_optional(),
        })
    }

    /// Lets one thing happen, which must be among [`World::actions`]. Returns the cell of the tables
    /// that a frame was taken in, if one was.
    ///
    /// # Errors
    /// The property that is broken.
    pub fn apply(&mut self, action: Action) -> Result<Option<Cell>, String> {
        let now = self.now;
        match action {
            Action::Write(role) => self.write(role)?,
            Action::Read(role) => return self.read(role),
            Action::Again(role) => return self.decode(role, None),
            Action::ReadEnd(role) => self.side_mut(role).read_end(now),
            Action::LearnLoss(role) => {
                let side = self.side_mut(role);
                side.connection.handle_transport_error();
                side.gone = true;
            }
            Action::Close(role) => {
                self.side_mut(role).gone = true;
                self.outlet(role).ended = true;
                self.inlet(role).go_deaf();
            }
            Action::Timeout(role) => self.side_mut(role).time_out(now)?,
            Action::Event(role) => self.take_event(role)?,
            Action::Consume(role) => self.consume(role)?,
            Action::Open(plan) => self.open(plan.into())?,
            Action::Send(plan) => self.send(plan.into())?,
            Action::Cancel(plan) => self.cancel(plan.into())?,
            Action::Answer(at) => self.answer(at.into())?,
            Action::Abort(at) => self.abort(at.into())?,
            Action::Release(at) => self.release(at.into())?,
            Action::Verdict(at, ruling) => self.rule(at.into(), ruling)?,
            Action::Ping(role) => {
                self.left.ping[role as usize] -= 1;
                // A peer that has told of nothing takes none.
                let _unsupported = self.side_mut(role).connection.ping(now);
            }
            Action::Drain(role) => {
                self.left.drain[role as usize] -= 1;
                self.side_mut(role).connection.drain();
            }
            Action::Shut(role) => {
                let left = &mut self.left.shut[role as usize];
                *left = left.saturating_sub(1);
                self.side_mut(role).connection.close();
            }
            Action::HalfClose => {
                self.left.half_close -= 1;
                self.outlet(self.scenario.cast.outsider()).ended = true;
            }
            Action::Break => {
                self.left.lose -= 1;
                self.up.lose();
                self.down.lose();
            }
            Action::Truncate(role) => {
                self.left.lose -= 1;
                self.outlet(role).truncate();
                self.inlet(role).lose();
            }
            Action::Forge(role, frame) => {
                self.left.forge -= 1;
                let (_, frame) = self.scenario.forged[usize::from(frame)].clone();
                self.outlet(role).write(frame);
            }
            Action::Tick => {
                self.left.tick -= 1;
                let micros = self.now.as_micros() + self.scenario.tick;
                self.now = Timestamp::from_micros(micros);
                for side in [&mut self.client, &mut self.server].into_iter().flatten() {
                    side.connection.handle_timeout(self.now);
                }
            }
        }
        Ok(None)
    }

    pub(super) fn side(&self, role: Role) -> Option<&Side> {
        match role {
            Role::Client => self.client.as_ref(),
            Role::Server => self.server.as_ref(),
        }
    }

    pub(super) fn side_mut(&mut self, role: Role) -> &mut Side {
        match role {
            Role::Client => self.client.as_mut(),
            Role::Server => self.server.as_mut(),
        }
        .expect("only who is real does anything")
    }

    /// A payload has reached an application that waits for it.
    pub(super) fn payload_came(
        &mut self,
        role: Role,
        id: ExchangeId,
        plan: usize,
        payload: &Payload,
    ) {
        let side = self.side_mut(role);
        if side.connection.config().consume == Consume::Manually {
            side.hold(id, plan, payload.wire_len(), payload.charge());
        } else {
            self.count_consumed(role, id, payload.wire_len());
        }
    }

    /// A payload has reached an application that does not care.
    pub(super) fn consume_at_once(
        &mut self,
        role: Role,
        id: ExchangeId,
        payload: &Payload,
    ) -> Step {
        let connection = &mut self.side_mut(role).connection;
        if connection.config().consume == Consume::Manually {
            connection.consumed(id, payload.charge());
        }
        Ok(())
    }
}

// What can happen.
impl World {
    fn host_actions(&self, role: Role, side: &Side, actions: &mut Vec<Action>) {
        let (out, into) = match role {
            Role::Client => (&self.up, &self.down),
            Role::Server => (&self.down, &self.up),
        };
        if let Some(interest) = side.interest() {
            if out.lost || into.lost {
                actions.push(Action::LearnLoss(role));
            }
            if interest.write && out.takes(self.scenario.room) {
                actions.push(Action::Write(role));
            }
            let stuck = interest.write && !out.lost && !out.takes(self.scenario.room);
            if stuck && side.connection.is_closed() {
                actions.push(Action::Timeout(role));
            }
            if interest.again {
                actions.push(Action::Again(role));
            }
            if interest.done {
                actions.push(Action::Close(role));
            }
        }
        if side.can_read(into) {
            actions.push(Action::Read(role));
        }
        if side.can_read_end(into) {
            actions.push(Action::ReadEnd(role));
        }
        if side.connection.interest().event {
            actions.push(Action::Event(role));
        }
        if !side.held.is_empty() {
            actions.push(Action::Consume(role));
        }
    }

    fn chances(&self, role: Role, side: &Side, actions: &mut Vec<Action>) {
        if side.connection.is_closed() || side.gone {
            return;
        }
        let (left, at) = (&self.left, role as usize);
        if left.drain[at] > 0 {
            actions.push(Action::Drain(role));
        }
        if left.shut[at] > 0 || role == Role::Client && self.leaves_now() {
            actions.push(Action::Shut(role));
        }
        if left.ping[at] > 0 {
            actions.push(Action::Ping(role));
        }
    }

    /// Whether the client has been told to go away and has nothing left to do here.
    fn leaves_now(&self) -> bool {
        let away = |side: &Side| side.connection.is_going_away() && !side.connection.is_closed();
        let idle = self.calls.iter().all(Call::is_over);
        self.scenario.leaves && idle && self.client.as_ref().is_some_and(away)
    }

    fn client_actions(&self, actions: &mut Vec<Action>) {
        for plan in 0..self.calls.len() {
            let number = plan as u8;
            if self.can_open(plan) {
                actions.push(Action::Open(number));
            }
            if self.can_send(plan) {
                actions.push(Action::Send(number));
            }
            if self
                .can_cancel(plan)
                .is_some_and(|cancels| cancels != Cancels::Never)
            {
                actions.push(Action::Cancel(number));
            }
        }
    }

    fn server_actions(&self, actions: &mut Vec<Action>) {
        for (at, handler) in self.handlers.iter().enumerate() {
            let number = at as u8;
            match handler.work {
                Work::Asked => {
                    for ruling in [Ruling::Allow, Ruling::Deny, Ruling::Refuse] {
                        actions.push(Action::Verdict(number, ruling));
                    }
                }
                Work::Over => actions.push(Action::Release(number)),
                Work::Allowed | Work::Going => {}
            }
            if self.can_answer(at) {
                actions.push(Action::Answer(number));
            }
            if self.can_abort(at) {
                actions.push(Action::Abort(number));
            }
        }
    }

    fn accidents(&self, actions: &mut Vec<Action>) {
        let (left, intact) = (&self.left, !self.up.lost && !self.down.lost);
        let outsider = self.scenario.cast.outsider();
        let from_outside = match outsider {
            Role::Client => &self.up,
            Role::Server => &self.down,
        };
        if left.half_close > 0 && !from_outside.ended && intact {
            actions.push(Action::HalfClose);
        }
        if left.lose > 0 && intact {
            actions.push(Action::Break);
            for (role, pipe) in [(Role::Client, &self.up), (Role::Server, &self.down)] {
                if !pipe.is_empty() && !pipe.ended {
                    actions.push(Action::Truncate(role));
                }
            }
        }
        let takes = from_outside.takes(self.scenario.room) && !from_outside.ended;
        // The HELLO that counts is the client's own, where it sends one.
        let early = self.scenario.is_honest() && self.scenario.client.hello && !self.hello_told;
        if left.forge > 0 && takes && !early {
            for frame in 0..self.scenario.forged.len() {
                actions.push(Action::Forge(outsider, frame as u8));
            }
        }
        if left.tick > 0 {
            actions.push(Action::Tick);
        }
    }
}

// What the hosts do.
impl World {
    fn write(&mut self, role: Role) -> Step {
        let now = self.now;
        let Some(frame) = self.side_mut(role).next_frame(now) else {
            return Ok(());
        };
        if self.scenario.is_honest() {
            let header = header_of(&frame)?;
            let payload = &frame[HEADER_LEN + usize::from(header.cap_len)..];
            let consumed = self.consumed_of(role, header.corr_id);
            let scenario = Rc::clone(&self.scenario);
            self.wire
                .written(role, &header, payload, terms(&scenario), consumed)?;
        }
        let frames = match self.scenario.sabotage {
            Some(sabotage) => sabotage.apply(frame),
            None => vec![frame],
        };
        for frame in frames {
            self.outlet(role).write(frame);
        }
        Ok(())
    }

    fn read(&mut self, role: Role) -> Result<Option<Cell>, String> {
        let frame = self.inlet(role).read().ok_or("nothing to read")?;
        let header = header_of(&frame).ok();
        // The half of a frame says nothing yet.
        let whole = header.filter(|header| header.frame_len() == frame.len());
        if let (true, Some(header)) = (self.scenario.is_honest(), whole) {
            let payload = &frame[HEADER_LEN + usize::from(header.cap_len)..];
            let scenario = Rc::clone(&self.scenario);
            self.wire.read(role, &header, payload, terms(&scenario));
        }
        self.decode(role, Some(frame))
    }

    /// Lets a connection decode, and checks the frame that it takes against the tables.
    fn decode(&mut self, role: Role, frame: Option<bytes::Bytes>) -> Result<Option<Cell>, String> {
        let now = self.now;
        let side = self.side_mut(role);
        let first = match &frame {
            Some(frame) if side.undecoded().is_empty() => &frame[..],
            _ => side.undecoded(),
        };
        let before = matrix::look(&side.connection, first);
        side.read(now, frame);
        let taken = side.undecoded().is_empty();
        match before {
            Some(before) if taken => before.judge(&side.connection).map(Some),
            _ => Ok(None),
        }
    }

    fn take_event(&mut self, role: Role) -> Step {
        let side = self.side_mut(role);
        let event = side.take_event().ok_or("an event was promised")?;
        if side.told_closed {
            return Err(format!("an event after the last: {event:?}"));
        }
        side.told_closed = matches!(event, Event::Closed(_));
        self.judge_blame(&event)?;
        match role {
            Role::Client => self.client_event(event),
            Role::Server => self.server_event(event),
        }
    }

    /// Nobody who keeps to the rules is found at fault. A stream that ends may leave half a frame, or
    /// an answer without the credit it needs.
    fn judge_blame(&self, event: &Event) -> Step {
        let (Event::Closed(CloseReason::Violation(fault))
        | Event::Ended {
            end: End::Violation(fault),
            ..
        }) = event
        else {
            return Ok(());
        };
        let lost = self.scenario.chances.lose > 0 && fault.reason == Reason::BadFrame;
        if !self.scenario.is_honest() || lost || fault.reason == Reason::Io {
            Ok(())
        } else {
            Err(format!("a peer that keeps to the rules is blamed: {fault}"))
        }
    }

    fn consume(&mut self, role: Role) -> Step {
        let held = self.side_mut(role).consume().ok_or("nothing is held")?;
        self.count_consumed(role, held.id, held.len);
        Ok(())
    }

    fn count_consumed(&mut self, role: Role, id: ExchangeId, len: usize) {
        match role {
            Role::Client => {
                let running = Stage::Running(id);
                if let Some(call) = self.calls.iter_mut().find(|call| call.stage == running) {
                    call.consumed += len;
                }
            }
            Role::Server => {
                if let Some(handler) = self.handlers.iter_mut().find(|handler| handler.is(id)) {
                    handler.consumed += len;
                }
            }
        }
    }

    /// What an application has consumed of an exchange, while it works on it.
    fn consumed_of(&self, role: Role, corr: u64) -> Option<usize> {
        match role {
            Role::Client => {
                let running = |call: &&Call| matches!(call.stage, Stage::Running(_));
                let mut calls = self.calls.iter().filter(running);
                calls
                    .find(|call| call.corr == corr)
                    .map(|call| call.consumed)
            }
            Role::Server => {
                let works = |handler: &&Handler| handler.corr == corr && handler.work != Work::Over;
                self.handlers
                    .iter()
                    .find(works)
                    .map(|handler| handler.consumed)
            }
        }
    }

    fn outlet(&mut self, role: Role) -> &mut Pipe {
        match role {
            Role::Client => &mut self.up,
            Role::Server => &mut self.down,
        }
    }

    fn inlet(&mut self, role: Role) -> &mut Pipe {
        match role {
            Role::Client => &mut self.down,
            Role::Server => &mut self.up,
        }
    }
}

pub(super) fn unexpected(role: Role, event: &Event) -> String {
    format!("at a {role:?}: {event:?}")
}

fn terms(scenario: &Scenario) -> Terms<'_> {
    Terms {
        client: &scenario.client,
        server: &scenario.server,
    }
}

fn header_of(frame: &[u8]) -> Result<Header, String> {
    let header = frame.first_chunk().ok_or("less than a header is lent")?;
    Header::parse(header, MAX_FRAME).map_err(|fault| format!("a malformed frame is lent: {fault}"))
}
