//! A client that knows what is due from a server.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use oap_core::Reason;
use oap_core::driver::test_apps::ECHO;
use oap_core::wire::{ErrorBody, Flags, Frame};
use serde_json::Value;

use super::dial::Dial;
use super::draft::Draft;
use super::facts::Facts;
use super::rules::on_lane;
use super::verdict::{Step, ensure, fail, skip};
use super::wire::{Wire, show};

/// Ids of the echoes that tell whether a connection goes on.
const ALIVE: u64 = 1 << 40;

/// All that a client can say of itself.
pub const EVERYTHING: &str = r#"{"features":["cancel","ping","goaway"],"comp":["zlib"]}"#;

/// One connection to the server under test, on which nothing was sent yet.
pub struct Peer {
    wire: Wire,
    /// What is known of the server.
    pub facts: Arc<Facts>,
    /// The way to it.
    pub dial: Arc<dyn Dial>,
    echoes: u64,
}

/// The whole answer to a request.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Its RESP and EVENT frames.
    pub frames: Vec<Frame>,
    /// Consumed and limit of the ACKs that came meanwhile.
    pub acks: Vec<(u64, u64)>,
}

impl Answer {
    /// The code of the first RESP frame.
    pub fn code(&self) -> u16 {
        let mut responses = self.responses();
        responses.next().map_or(0, |frame| frame.header.code.get())
    }

    /// The payloads of its RESP frames.
    pub fn body(&self) -> Vec<u8> {
        self.responses().flat_map(Frame::payload).copied().collect()
    }

    /// Its RESP frames.
    pub fn responses(&self) -> impl Iterator<Item = &Frame> {
        let response = |frame: &&Frame| frame.header.flags.contains(Flags::RESP);
        self.frames.iter().filter(response)
    }

    /// Its EVENT frames.
    pub fn events(&self) -> impl Iterator<Item = &Frame> {
        let event = |frame: &&Frame| frame.header.flags.contains(Flags::EVENT);
        self.frames.iter().filter(event)
    }

    /// Payload bytes of all its frames.
    pub fn payload_bytes(&self) -> usize {
        self.frames.iter().map(|frame| frame.payload().len()).sum()
    }
}

impl Deref for Peer {
    type Target = Wire;

    fn deref(&self) -> &Wire {
        &self.wire
    }
}

impl DerefMut for Peer {
    fn deref_mut(&mut self) -> &mut Wire {
        &mut self.wire
    }
}

impl Peer {
    /// Talks over `wire`.
    pub fn new(wire: Wire, facts: Arc<Facts>, dial: Arc<dyn Dial>) -> Self {
        Self {
            wire,
            facts,
            dial,
            echoes: ALIVE,
        }
    }

    /// # Errors
    /// The case does not apply: the server lacks this application.
    pub fn needs(&self, app: u16) -> Step {
        if self.facts.apps.contains(&app) {
            return Ok(());
        }
        skip(format!("the server has no test application 0x{app:04x}"))
    }

    /// # Errors
    /// The case does not apply: the server's HELLO does not list this feature.
    pub fn needs_feature(&self, feature: &str) -> Step {
        if self.facts.features.contains(feature) {
            return Ok(());
        }
        skip(format!("the server does not list `{feature}`"))
    }

    /// # Errors
    /// The case does not apply: the server's HELLO does not list zlib.
    pub fn needs_comp(&self) -> Step {
        if self.facts.comp {
            return Ok(());
        }
        skip("the server does not list `zlib` in `comp`")
    }

    /// # Errors
    /// The case does not apply: the transport has one lane.
    pub fn needs_lanes(&self) -> Step {
        if self.is_multi() {
            return Ok(());
        }
        skip(format!("{} has one lane", self.facts.transport))
    }

    /// # Errors
    /// The case does not apply: the transport has several lanes, and its end is no end of a stream.
    pub fn needs_one_stream(&self) -> Step {
        if !self.is_multi() {
            return Ok(());
        }
        skip(format!(
            "{} ends lanes, see section 11",
            self.facts.transport
        ))
    }
}

impl Peer {
    /// Says HELLO and takes the reply.
    ///
    /// # Errors
    /// It is refused, or something else comes.
    pub async fn hello(&mut self, body: &str) -> Step<Value> {
        self.wire.send(&Draft::hello(body)).await;
        self.wire.rules.told(body);
        self.hello_reply(0).await
    }

    /// The reply to a HELLO with this id.
    ///
    /// # Errors
    /// Something else comes.
    pub async fn hello_reply(&mut self, corr: u64) -> Step<Value> {
        let due = format!("a HELLO reply: RESP|END code 0 app 0 corr {corr}, a JSON object");
        let frame = self.wire.next(&due).await?;
        let header = frame.header;
        let flags = header.flags.without(Flags::START);
        let fits = flags == (Flags::RESP | Flags::END)
            && (header.app_proto_id, header.corr_id) == (0, corr)
            && header.code.get() == 0;
        let body = serde_json::from_slice::<Value>(frame.payload()).ok();
        match body.filter(|body| fits && body.is_object()) {
            Some(body) => Ok(body),
            None => fail(due, show(&frame)),
        }
    }

    /// The error that answers a bad HELLO with this id (OAP-5-6).
    ///
    /// # Errors
    /// Something else comes.
    pub async fn bad_hello(&mut self, corr: u64, body: &str) -> Step {
        let due = format!("a HELLO error 400 bad_hello on corr {corr}, after the body {body:.80}");
        let frame = self.wire.next(&due).await?;
        is_error(&frame, (0, 0, corr), 400, Reason::BadHello, &due)
    }

    /// The whole answer to the request with this id.
    ///
    /// # Errors
    /// A frame of something else comes, or none.
    pub async fn answer(&mut self, corr: u64) -> Step<Answer> {
        let mut answer = Answer::default();
        while !self.more(corr, &mut answer).await? {}
        Ok(answer)
    }

    /// One more frame of an answer; returns whether it was the last.
    ///
    /// # Errors
    /// A frame of something else comes, or none.
    pub async fn more(&mut self, corr: u64, answer: &mut Answer) -> Step<bool> {
        let due = format!("a frame of the answer on corr {corr}");
        let frame = self.wire.next(&due).await?;
        let header = frame.header;
        if header.corr_id != corr {
            return fail(due, show(&frame));
        }
        if header.app_proto_id == 0 {
            let ack = ack_numbers(&frame);
            let Some(numbers) = ack else {
                return fail(due, show(&frame));
            };
            answer.acks.push(numbers);
            return Ok(false);
        }
        let last = header.flags.contains(Flags::RESP | Flags::END);
        answer.frames.push(frame);
        Ok(last)
    }

    /// Echoes a payload.
    ///
    /// # Errors
    /// Anything but the same bytes comes back.
    pub async fn echo(&mut self, corr: u64, payload: &[u8]) -> Step<Answer> {
        self.wire.send(&Draft::request(ECHO, corr, payload)).await;
        self.echoed(corr, payload).await
    }

    /// The answer of an echo that was asked for.
    ///
    /// # Errors
    /// Anything but the same bytes comes back.
    pub async fn echoed(&mut self, corr: u64, payload: &[u8]) -> Step<Answer> {
        let answer = self.answer(corr).await?;
        let due = format!("the {} bytes of the echo on corr {corr}", payload.len());
        ensure(
            answer.body() == payload && answer.code() < 300,
            &due,
            || format!("code {}, {} bytes", answer.code(), answer.body().len()),
        )?;
        Ok(answer)
    }

    /// The connection goes on, and nothing has come before this.
    ///
    /// # Errors
    /// Something has come, or nothing does.
    pub async fn alive(&mut self) -> Step {
        self.needs(ECHO)?;
        self.echoes += 1;
        self.echo(self.echoes, b"still there?").await.map(drop)
    }

    /// RESP|END with this code and reason, on the exchange that `frame` belongs to.
    ///
    /// # Errors
    /// Something else comes.
    pub async fn refused(&mut self, frame: &Draft, code: u16, reason: Reason) -> Step<ErrorBody> {
        let (app, corr) = (frame.app, frame.corr);
        let due = format!("RESP|END {code} {reason} app 0x{app:04x} corr {corr}");
        let (lane, error) = self.wire.next_on(&due).await?;
        on_lane(lane, frame.lane, &error)?;
        is_error(&error, (app, frame.tenant, corr), code, reason, &due)?;
        match ErrorBody::parse(error.payload()) {
            Some(body) => Ok(body),
            None => fail(due, show(&error)),
        }
    }

    /// An ACK of this exchange: consumed and limit.
    ///
    /// # Errors
    /// Something else comes.
    pub async fn ack(&mut self, corr: u64) -> Step<(u64, u64)> {
        let due = format!("an ACK on corr {corr}");
        let frame = self.wire.next(&due).await?;
        match ack_numbers(&frame).filter(|_| frame.header.corr_id == corr) {
            Some(numbers) => Ok(numbers),
            None => fail(due, show(&frame)),
        }
    }

    /// PONG with this nonce.
    ///
    /// # Errors
    /// Something else comes.
    pub async fn pong(&mut self, nonce: u64) -> Step {
        let due = format!("PONG: EVENT code 202 app 0 corr {nonce}");
        let frame = self.wire.next(&due).await?;
        let header = frame.header;
        let is = header.flags == Flags::EVENT
            && (header.code.get(), header.app_proto_id) == (202, 0)
            && header.corr_id == nonce;
        if is { Ok(()) } else { fail(due, show(&frame)) }
    }
}

/// RESP|END with this code and reason, of this app, tenant and id.
fn is_error(frame: &Frame, place: (u16, u128, u64), code: u16, reason: Reason, due: &str) -> Step {
    let header = frame.header;
    let told = ErrorBody::parse(frame.payload()).map(|body| body.reason);
    let is = header.flags.contains(Flags::RESP | Flags::END)
        && (header.app_proto_id, header.tenant_id, header.corr_id) == place
        && header.code.get() == code
        && told == Some(reason.into());
    if is { Ok(()) } else { fail(due, show(frame)) }
}

/// Consumed and limit, if the frame is an ACK.
pub(crate) fn ack_numbers(frame: &Frame) -> Option<(u64, u64)> {
    let header = frame.header;
    let is = header.app_proto_id == 0
        && header.flags == Flags::RESP
        && header.code.get() == 202
        && header.corr_id != 0;
    let bytes: &[u8; 16] = frame.payload().try_into().ok().filter(|_| is)?;
    let number = |at: usize| {
        let mut eight = [0; 8];
        eight.copy_from_slice(&bytes[at..at + 8]);
        u64::from_le_bytes(eight)
    };
    Some((number(0), number(8)))
}
