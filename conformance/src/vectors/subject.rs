//! `oap-core` as an implementation under test.

mod begin;
mod tell;

use std::collections::{HashMap, VecDeque};

use ::bytes::{Buf, Bytes as Shared, BytesMut};
use oap_core::{
    Body, Charge, Code, Connection, Event as CoreEvent, Exchange, ExchangeId, Fin, Head, Lane,
    Payload, Reason, SendError, Timestamp, Verdict as CoreVerdict,
};

use super::{Action, Bytes, Event, Output, Report, Subject, SubjectError, Vector, Verdict};

/// Lanes on which a client may write before anything was read from them.
const MORE_LANES: u16 = 8;

/// A connection of `oap-core`, its clock and its application.
#[derive(Debug, Default)]
pub struct CoreSubject {
    state: Option<State>,
}

#[derive(Debug)]
struct State {
    conn: Connection,
    now: Timestamp,
    /// What has arrived on each lane and is not decoded yet.
    input: Vec<BytesMut>,
    /// The transport takes no bytes.
    blocked: bool,
    /// A handler works on until it is told to stop.
    releases: bool,
    exchanges: HashMap<u64, Told>,
    /// What was inflated and is still held.
    inflated: Vec<Shared>,
}

/// What the application knows of the newest exchange with an id.
#[derive(Debug)]
struct Told {
    id: ExchangeId,
    /// The code of the first frame of the answer (OAP-9-2).
    code: Option<u16>,
    newest: Payload,
    charges: VecDeque<Charge>,
}

impl Subject for CoreSubject {
    fn begin(&mut self, vector: &Vector) -> Result<Report, SubjectError> {
        self.state = begin::begin(vector.role, &vector.config);
        Ok(match &mut self.state {
            Some(state) => state.settle(Report::default()),
            None => Report {
                refused: true,
                ..Report::default()
            },
        })
    }

    fn act(&mut self, action: &Action) -> Result<Report, SubjectError> {
        match &mut self.state {
            Some(state) => Ok(state.act(action)),
            None => Err(SubjectError::Broken("there is no connection".into())),
        }
    }
}

/// A command could not be carried out.
struct Refused;

impl From<SendError> for Refused {
    fn from(_: SendError) -> Self {
        Self
    }
}

impl State {
    fn act(&mut self, action: &Action) -> Report {
        let mut report = Report::default();
        if let Action::Advance { us } = action {
            self.advance(*us, &mut report);
        } else if let Action::Inflate { corr } = action {
            report.refused = self.inflate(*corr, &mut report.events).is_err();
        } else {
            report.refused = self.command(action).is_err();
        }
        self.settle(report)
    }

    fn command(&mut self, action: &Action) -> Result<(), Refused> {
        match action {
            Action::Input { lane, bytes } => {
                let buf = self.buffer(*lane);
                buf.extend_from_slice(&bytes.expand());
                self.decode(*lane);
            }
            Action::Eof { lane } => {
                self.buffer(*lane);
                let buf = &mut self.input[usize::from(*lane)];
                self.conn.handle_eof(Lane(*lane), self.now, buf);
            }
            Action::Reset { lane } => self.conn.handle_reset(Lane(*lane), self.now),
            Action::Block => self.blocked = true,
            Action::Unblock => self.blocked = false,
            Action::Request { .. } => return self.request(action),
            Action::Send {
                corr,
                code,
                payload,
                end,
                comp,
                e2e,
            } => {
                let body = body(payload, *comp, *e2e);
                self.exchange(*corr)?
                    .send(Code::new(*code), body, fin(*end))?;
            }
            Action::Push { corr, payload } => {
                let body = body(payload, false, false);
                self.exchange(*corr)?.push(Code::OK, body)?;
            }
            Action::Fail {
                corr,
                code,
                reason,
                message,
            } => {
                let code = Code::new(*code);
                let named = reason.as_deref().and_then(Reason::from_name);
                let message = message.as_ref().map_or(Vec::new(), Bytes::expand);
                let message = String::from_utf8_lossy(&message).into_owned();
                let reason = named.unwrap_or_else(|| code.into());
                self.exchange(*corr)?.fail(code, reason, &message)?;
            }
            Action::Cancel { corr, code } => {
                let code = Code::new(*code);
                self.exchange(*corr)?.cancel(code, Reason::Cancelled);
            }
            Action::Release { corr } => self.exchange(*corr)?.release(),
            Action::Authorize { corr, verdict } => {
                let (now, verdict) = (self.now, verdict_of(verdict));
                self.exchange(*corr)?.authorize(now, verdict);
            }
            Action::Consume { corr, payloads } => self.consume(*corr, *payloads)?,
            Action::Deflated => self.inflated.clear(),
            Action::Ping => drop(self.conn.ping(self.now)?),
            Action::Drain => self.conn.drain(),
            Action::Close => self.conn.close(),
            Action::Pong | Action::Advance { .. } | Action::Inflate { .. } => return Err(Refused),
        }
        Ok(())
    }

    fn request(&mut self, action: &Action) -> Result<(), Refused> {
        let Action::Request {
            app,
            tenant,
            cap,
            payload,
            lane,
            end,
            comp,
            e2e,
        } = action
        else {
            return Err(Refused);
        };
        let mut head = Head::new(*app)
            .with_tenant(*tenant)
            .with_capability(cap.expand());
        head.lane = Lane(*lane);
        let body = body(payload, *comp, *e2e);
        let id = self.conn.request(self.now, head, body, fin(*end))?;
        let corr = self.conn.exchange(id).ok_or(Refused)?.corr_id();
        self.exchanges.insert(corr, Told::new(id));
        Ok(())
    }

    fn exchange(&mut self, corr: u64) -> Result<Exchange<'_>, Refused> {
        let told = self.exchanges.get(&corr).ok_or(Refused)?;
        self.conn.exchange(told.id).ok_or(Refused)
    }

    fn consume(&mut self, corr: u64, payloads: usize) -> Result<(), Refused> {
        let told = self.exchanges.get_mut(&corr).ok_or(Refused)?;
        for _ in 0..payloads {
            let charge = told.charges.pop_front().ok_or(Refused)?;
            self.conn.consumed(told.id, charge);
        }
        Ok(())
    }

    fn inflate(&mut self, corr: u64, events: &mut Vec<Event>) -> Result<(), Refused> {
        let told = self.exchanges.get(&corr).ok_or(Refused)?;
        if let Ok(plain) = self.conn.inflate(self.now, told.id, &told.newest) {
            events.push(Event::Inflated {
                corr,
                payload: Bytes::compact(&plain),
            });
            self.inflated.push(plain);
        }
        Ok(())
    }

    fn buffer(&mut self, lane: u16) -> &mut BytesMut {
        let at = usize::from(lane);
        if self.input.len() <= at {
            self.input.resize_with(at + 1, BytesMut::new);
        }
        &mut self.input[at]
    }

    fn decode(&mut self, lane: u16) {
        let buf = &mut self.input[usize::from(lane)];
        self.conn.handle_input(Lane(lane), self.now, buf);
    }

    /// Lets time pass the way a host does that sleeps until each deadline.
    fn advance(&mut self, us: u64, report: &mut Report) {
        let target = Timestamp::from_micros(self.now.as_micros() + us);
        if self.blocked {
            self.try_to_write();
        }
        while let Some(due) = self.conn.interest().deadline.filter(|due| *due <= target) {
            self.now = self.now.max(due);
            self.conn.handle_timeout(self.now);
            *report = self.settle(std::mem::take(report));
        }
        self.now = target;
        self.conn.handle_timeout(self.now);
    }

    /// Goes on until there is nothing left to do.
    fn settle(&mut self, mut report: Report) -> Report {
        loop {
            let before = self.progress(&report);
            while let Some(event) = self.conn.poll_event() {
                report.events.extend(self.tell(event));
            }
            if !self.blocked {
                self.write(&mut report.output);
            }
            if self.conn.interest().again {
                for lane in 0..self.input.len() {
                    self.decode(lane as u16);
                }
            }
            if self.progress(&report) == before {
                break;
            }
        }
        let interest = self.conn.interest();
        report.paused = !interest.read && !interest.done;
        report
    }

    /// What changes as long as something is left to do.
    fn progress(&self, report: &Report) -> (usize, usize, usize, bool) {
        let undecoded = self.input.iter().map(BytesMut::len).sum();
        let waits = self.conn.interest().event;
        (report.events.len(), report.output.len(), undecoded, waits)
    }

    /// A transport that is not ready is offered the bytes that wait, and takes none.
    fn try_to_write(&mut self) {
        for lane in self.lanes() {
            let _offered = self.conn.poll_transmit(Lane(lane), self.now);
        }
    }

    fn lanes(&self) -> std::ops::Range<u16> {
        0..self.input.len() as u16 + MORE_LANES
    }

    fn write(&mut self, output: &mut Vec<Output>) {
        for lane in self.lanes() {
            let mut bytes = Vec::new();
            while let Some(mut transmit) = self.conn.poll_transmit(Lane(lane), self.now) {
                let taken = transmit.chunk().len();
                bytes.extend_from_slice(transmit.chunk());
                transmit.advance(taken);
            }
            if !bytes.is_empty() {
                let bytes = Bytes::plain(&bytes);
                output.push(Output { lane, bytes });
            }
        }
    }

    /// The application hears of an event. A handler whose exchange has ended stops at once, unless
    /// the vector says otherwise.
    fn tell(&mut self, event: CoreEvent) -> Option<Event> {
        if let CoreEvent::Opened { id, start, .. } | CoreEvent::Authorize { id, start } = &event {
            let known = self.exchanges.get(&start.corr_id);
            if known.is_none_or(|told| told.id != *id) {
                self.exchanges.insert(start.corr_id, Told::new(*id));
            }
        }
        let told = tell::tell(&event, &mut self.exchanges);
        if let CoreEvent::Ended { id, .. } = &event
            && !self.releases
            && let Some(exchange) = self.conn.exchange(*id)
        {
            exchange.release();
        }
        told
    }
}

impl Told {
    fn new(id: ExchangeId) -> Self {
        Self {
            id,
            code: None,
            newest: Payload::default(),
            charges: VecDeque::new(),
        }
    }

    fn hand_out(&mut self, payload: &Payload) {
        self.newest = payload.clone();
        self.charges.push_back(payload.charge());
    }
}

fn body(payload: &Bytes, comp: bool, e2e: bool) -> Body {
    let bytes = Shared::from(payload.expand());
    let body = if comp {
        Body::compressed(bytes)
    } else {
        bytes.into()
    };
    if e2e { body.opaque() } else { body }
}

const fn fin(end: bool) -> Fin {
    if end { Fin::End } else { Fin::More }
}

fn verdict_of(verdict: &Verdict) -> CoreVerdict {
    match verdict {
        Verdict::Allow => CoreVerdict::Allow,
        Verdict::Deny => CoreVerdict::Deny,
        Verdict::Refuse { code, reason } => {
            let code = Code::new(*code);
            let named = Reason::from_name(reason);
            CoreVerdict::Refuse(code, named.unwrap_or_else(|| code.into()))
        }
    }
}
