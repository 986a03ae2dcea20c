//! A server that knows what is due from a client.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use oap_core::driver::test_apps::{ECHO, SINK, SOURCE};
use oap_core::wire::{Flags, Frame};
use serde_json::{Value, json};

use crate::live::draft::Draft;
use crate::live::peer::ack_numbers;
use crate::live::verdict::{Step, ensure, fail, skip};
use crate::live::wire::{Came, Wire, show};

/// Hands out tasks and hears how they went.
pub const DRILL: u16 = 0x0f10;

/// One connection of the client under test, on which nothing was said yet.
pub struct Judge {
    wire: Wire,
    /// The client's HELLO.
    hello: Value,
    /// The greatest id that the client has given out.
    top: u64,
}

impl Deref for Judge {
    type Target = Wire;

    fn deref(&self) -> &Wire {
        &self.wire
    }
}

impl DerefMut for Judge {
    fn deref_mut(&mut self) -> &mut Wire {
        &mut self.wire
    }
}

/// The HELLO reply of a server that says nothing unusual.
pub(super) fn usual() -> Value {
    json!({
        "server_version": concat!("oap-conformance/", env!("CARGO_PKG_VERSION")),
        "max_frame": 1_048_576,
        "max_inflight": 64,
        "supported_flags": Flags::NAMES,
        "oap_versions": [1],
        "transports": ["tcp"],
        "features": ["cancel", "ping", "goaway"],
        "ack_window": 131_072,
    })
}

impl Judge {
    /// Talks over `wire`.
    pub fn new(wire: Wire) -> Self {
        Self {
            wire,
            hello: Value::Null,
            top: 0,
        }
    }

    /// The next frame of the client; ids of new exchanges have to grow.
    ///
    /// # Errors
    /// Anything else came: `due` was.
    pub async fn next(&mut self, due: &str) -> Step<Frame> {
        self.next_within(due, self.wire.patience).await
    }

    /// As [`Judge::next`], within a time.
    ///
    /// # Errors
    /// Anything else came: `due` was.
    pub async fn next_within(&mut self, due: &str, time: Duration) -> Step<Frame> {
        let frame = self.wire.next_within(due, time).await?;
        let (header, start) = (frame.header, Flags::REQ | Flags::START);
        if header.app_proto_id != 0 && header.flags.contains(start) {
            let due = "OAP-3-1: every corr_id is above those before it";
            ensure(header.corr_id > self.top, due, || show(&frame))?;
            self.top = header.corr_id;
        }
        Ok(frame)
    }

    /// The client's HELLO, which is not answered yet.
    ///
    /// # Errors
    /// Something else comes first.
    pub async fn hello(&mut self) -> Step<u64> {
        let due = "HELLO: REQ or no direction, code 0, app 0, a JSON object or nothing";
        let frame = self.next(due).await?;
        let header = frame.header;
        let direction = header.flags.directions();
        let body = frame.payload();
        let parsed = if body.is_empty() {
            Some(json!({}))
        } else {
            serde_json::from_slice::<Value>(body).ok()
        };
        let fits = header.app_proto_id == 0
            && header.code.get() == 0
            && (direction == Flags::REQ || direction == Flags::NONE)
            && body.len() <= 4_096;
        match parsed.filter(|body| fits && body.is_object()) {
            Some(hello) => self.hello = hello,
            None => return fail(due, show(&frame)),
        }
        Ok(header.corr_id)
    }

    /// Answers the HELLO with this id.
    pub async fn reply(&mut self, corr: u64, body: &Value) {
        let text = body.to_string();
        self.wire.rules.told(&text);
        let reply = Draft::control(Flags::RESP | Flags::END, 0, corr);
        self.wire.send(&reply.payload(text.as_bytes())).await;
    }

    /// Takes the client's HELLO and answers it as usual, but for these fields.
    ///
    /// # Errors
    /// Something else comes first.
    pub async fn welcome(&mut self, unusual: Value) -> Step {
        let corr = self.hello().await?;
        let mut body = usual();
        if let (Some(body), Value::Object(fields)) = (body.as_object_mut(), unusual) {
            body.extend(fields);
        }
        self.reply(corr, &body).await;
        Ok(())
    }

    /// Whether the client's HELLO lists this feature.
    pub fn lists(&self, feature: &str) -> bool {
        let features = self.hello["features"].as_array();
        features.is_some_and(|list| list.iter().any(|entry| entry == feature))
    }

    /// # Errors
    /// The case does not apply: the client's HELLO does not list this coding.
    pub fn needs_comp(&self) -> Step {
        let codings = self.hello["comp"].as_array();
        if codings.is_some_and(|list| list.iter().any(|entry| entry == "zlib")) {
            return Ok(());
        }
        skip("the client does not list `zlib` in `comp`")
    }

    /// The window of the client's answers: what its HELLO says.
    pub fn window(&self) -> u64 {
        self.hello["ack_window"].as_u64().unwrap_or(131_072)
    }

    /// The client asks for a task and gets this one.
    ///
    /// # Errors
    /// It does anything else.
    pub async fn task(&mut self, task: Value) -> Step {
        let (corr, _) = self.whole(DRILL).await?;
        let body = task.to_string();
        self.wire
            .send(&Draft::answer(DRILL, corr, body.as_bytes()))
            .await;
        Ok(())
    }

    /// The client tells how its task went.
    ///
    /// # Errors
    /// It does anything else.
    pub async fn outcome(&mut self) -> Step<Value> {
        let (corr, body) = self.whole(DRILL).await?;
        self.wire.send(&Draft::answer(DRILL, corr, b"")).await;
        match serde_json::from_slice(&body) {
            Ok(outcome) => Ok(outcome),
            Err(_) => fail(
                "an outcome as JSON",
                String::from_utf8_lossy(&body).into_owned(),
            ),
        }
    }

    /// The client tells that its task went well.
    ///
    /// # Errors
    /// It tells otherwise, or does anything else.
    pub async fn succeeds(&mut self) -> Step<Value> {
        let outcome = self.outcome().await?;
        ensure(outcome["outcome"] == "ok", "the outcome ok", || {
            outcome.to_string()
        })?;
        Ok(outcome)
    }

    /// The client tells that its task failed.
    ///
    /// # Errors
    /// It tells otherwise, or does anything else.
    pub async fn fails(&mut self) -> Step<Value> {
        let outcome = self.outcome().await?;
        ensure(outcome["outcome"] == "failed", "the outcome failed", || {
            outcome.to_string()
        })?;
        Ok(outcome)
    }

    /// The beginning of a request for this application.
    ///
    /// # Errors
    /// Something else comes.
    pub async fn start(&mut self, app: u16) -> Step<Frame> {
        let due = format!("REQ|START for app 0x{app:04x}");
        let frame = self.next(&due).await?;
        let start = frame.header.flags.contains(Flags::REQ | Flags::START);
        ensure(start && frame.header.app_proto_id == app, &due, || {
            show(&frame)
        })?;
        Ok(frame)
    }

    /// A whole request for this application: its id and its payload.
    ///
    /// # Errors
    /// Something else comes.
    pub async fn whole(&mut self, app: u16) -> Step<(u64, Vec<u8>)> {
        let (corr, frames) = self.frames(app).await?;
        Ok((
            corr,
            frames.iter().flat_map(Frame::payload).copied().collect(),
        ))
    }

    /// All frames of a request for this application, and its id.
    ///
    /// # Errors
    /// Something else comes.
    pub async fn frames(&mut self, app: u16) -> Step<(u64, Vec<Frame>)> {
        let first = self.start(app).await?;
        let corr = first.header.corr_id;
        let mut frames = vec![first];
        while !frames
            .last()
            .is_some_and(|frame| frame.header.flags.contains(Flags::END))
        {
            let due = format!("more of the request on corr {corr}");
            let frame = self.next(&due).await?;
            let header = frame.header;
            let fits = (header.app_proto_id, header.corr_id) == (app, corr);
            ensure(fits, &due, || show(&frame))?;
            frames.push(frame);
        }
        Ok((corr, frames))
    }

    /// A request of ECHO comes and is answered.
    ///
    /// # Errors
    /// Something else comes.
    pub async fn echo(&mut self) -> Step {
        let (corr, payload) = self.whole(ECHO).await?;
        self.wire.send(&Draft::answer(ECHO, corr, &payload)).await;
        Ok(())
    }

    /// The client is set to download and has asked: the id.
    ///
    /// # Errors
    /// Something else comes.
    pub async fn download(&mut self, bytes: u64) -> Step<u64> {
        self.task(json!({"task": "download", "bytes": bytes}))
            .await?;
        self.whole(SOURCE).await.map(|(corr, _)| corr)
    }

    /// The client is set to upload and has begun: its first frame.
    ///
    /// # Errors
    /// Something else comes.
    pub async fn upload(&mut self, bytes: u64) -> Step<Frame> {
        self.task(json!({"task": "upload", "bytes": bytes})).await?;
        self.start(SINK).await
    }

    /// CANCEL of this exchange, with this code if one is given, after ACKs at most.
    ///
    /// # Errors
    /// Something else comes.
    pub async fn cancelled(&mut self, corr: u64, code: Option<u16>) -> Step {
        let due = match code {
            Some(code) => format!("CANCEL {code} of corr {corr}"),
            None => format!("CANCEL of corr {corr} with a code from 400 to 599"),
        };
        loop {
            let frame = self.next(&due).await?;
            if ack_numbers(&frame).is_some() {
                continue;
            }
            let header = frame.header;
            let told = header.code.get();
            let fits = header.app_proto_id == 0
                && header.flags.directions() == Flags::EVENT
                && header.corr_id == corr
                && code.map_or((400..600).contains(&told), |code| code == told);
            return ensure(fits, &due, || show(&frame));
        }
    }

    /// An ACK of this exchange: consumed and limit.
    ///
    /// # Errors
    /// Something else comes.
    pub async fn ack(&mut self, corr: u64) -> Step<(u64, u64)> {
        let due = format!("an ACK on corr {corr}");
        let frame = self.next(&due).await?;
        match ack_numbers(&frame).filter(|_| frame.header.corr_id == corr) {
            Some(numbers) => Ok(numbers),
            None => fail(due, show(&frame)),
        }
    }

    /// Nothing comes for a short time.
    ///
    /// # Errors
    /// Something does.
    pub async fn quiet(&mut self, due: &str) -> Step {
        match self.came_within(Duration::from_millis(500)).await {
            Came::Nothing(_) => Ok(()),
            other => fail(due, other.describe()),
        }
    }
}
