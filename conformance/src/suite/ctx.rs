//! What a script has at hand.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use oap_core::driver::test_apps::ECHO;
use oap_core::driver::{
    CallError, ConnectError, DrainReport, Message, MessageKind, Response, Session,
};
use oap_core::{Config, Head};

use super::{Plan, Running, Stack, Target, Wire, eventually, within};

/// A cell of the matrix, and the log of one script in it.
pub struct Ctx {
    client: Arc<dyn Stack>,
    server: Arc<dyn Stack>,
    wire: Wire,
    log: String,
    running: Vec<Running>,
}

impl Ctx {
    /// An empty log between these two stacks.
    pub fn new(client: Arc<dyn Stack>, server: Arc<dyn Stack>, wire: Wire) -> Self {
        Self {
            client,
            server,
            wire,
            log: String::new(),
            running: Vec::new(),
        }
    }

    /// The transport.
    pub const fn wire(&self) -> Wire {
        self.wire
    }

    /// Logs one line.
    pub fn log(&mut self, line: impl AsRef<str>) {
        writeln!(self.log, "{}", line.as_ref()).expect("a string takes every line");
    }

    /// Starts a server. At the script's end it must have lost all its connections.
    pub async fn serve(&mut self, plan: Plan) -> Running {
        let started = within("a server starts", self.server.serve(self.wire, plan)).await;
        let running = started.expect("a server");
        self.running.push(running.clone());
        running
    }

    /// A session with every default.
    pub async fn connect(&self, target: &Target) -> Session {
        self.connect_with(target, Config::default()).await
    }

    /// A session.
    pub async fn connect_with(&self, target: &Target, config: Config) -> Session {
        let session = self.try_connect(target, config).await;
        session.unwrap_or_else(|error| panic!("no session with {target:?}: {error}"))
    }

    /// A session, or why there is none.
    pub async fn try_connect(
        &self,
        target: &Target,
        config: Config,
    ) -> Result<Session, ConnectError> {
        let connected = self.client.connect(target, config);
        within("a connection is there or refused", connected).await
    }

    /// A server of the test applications and a session with it.
    pub async fn pair(&mut self) -> (Running, Session) {
        self.pair_with(Plan::new(), Config::default()).await
    }

    /// A server as planned and a session with it.
    pub async fn pair_with(&mut self, plan: Plan, config: Config) -> (Running, Session) {
        let running = self.serve(plan).await;
        let session = self.connect_with(&running.target, config).await;
        (running, session)
    }

    /// Drains a server.
    pub async fn drain(&self, running: &Running, timeout: Duration) -> DrainReport {
        let report = self.server.drain(&running.server, timeout);
        within("a drain ends", report).await
    }

    /// One echo, that must come back right.
    pub async fn echo(&mut self, session: &Session, what: &str) {
        assert_echo(session, what).await;
        self.log(format!("{what}: an echo comes back"));
    }

    /// The script is over and its sessions are gone: no connection may be left.
    pub async fn nothing_is_left(&self) {
        for running in &self.running {
            eventually("the server has no connections left", || {
                running.server.stats().connections == 0
            })
            .await;
        }
    }

    /// The log.
    pub fn into_log(self) -> String {
        self.log
    }
}

pub(super) async fn assert_echo(session: &Session, what: &str) {
    let body = Bytes::copy_from_slice(what.as_bytes());
    let request = session.request(Head::new(ECHO), body.clone());
    let response = within("an echo", request).await;
    let response = response.unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(response.body, body, "{what}: an echo came back wrong");
}

/// An answer, or why there is none, in one line.
pub(super) fn outcome(result: &Result<Response, CallError>) -> String {
    match result {
        Ok(response) => match response.reason() {
            Some(reason) => format!("{} {reason}", response.code),
            None => format!("{}, {} bytes", response.code, response.body.len()),
        },
        Err(error) => error.to_string(),
    }
}

/// A message, or why there is none, in one line.
pub(super) fn received(result: &Result<Option<Message>, CallError>) -> String {
    match result {
        Ok(Some(message)) => {
            let kind = match message.kind {
                MessageKind::Data => "data",
                MessageKind::Event => "event",
            };
            let end = if message.fin.is_end() { ", end" } else { "" };
            format!("{kind}, {} bytes{end}", message.payload.wire_len())
        }
        Ok(None) => "nothing more".to_owned(),
        Err(error) => error.to_string(),
    }
}
