//! A server and clients of one adapter with a plan for each side, and what must not be left of them.

use std::any::Any;
use std::time::Duration;

use oap_core::driver::{ConnectError, Server, ServerOptions, Session, test_apps};
use oap_core::{Config, Timers};

use super::{Ends, FaultyListener, FaultyRuntime, FaultyTransport, Outcome, Plan, Tasks};
use super::{all_calls, open_descriptors};
use crate::suite::{Address, eventually, within};

/// How long a drained server waits for its connections.
const DRAIN: Duration = Duration::from_secs(5);

/// Timers that end within a second or two what is stuck, so that a test may wait for them.
pub(super) fn impatient() -> Config {
    let second = Duration::from_secs(1);
    Config {
        timers: Timers {
            first_frame: second,
            frame: second,
            write: second,
            idle: 2 * second,
            hello: second,
            request: second,
            verdict: second,
            linger: Duration::ZERO,
            standstill: Duration::ZERO,
        },
        ..Config::default()
    }
}

/// A server of the test applications whose operations go by a plan.
pub(super) struct Served<E: Ends> {
    pub(super) server: Server,
    pub(super) address: Address,
    runtime: FaultyRuntime<E::Runtime>,
    tasks: Tasks,
    _kept: Box<dyn Any>,
}

impl<E: Ends> Served<E> {
    pub(super) async fn start(ends: &E, plan: &Plan, tasks: &Tasks) -> Self {
        let runtime = FaultyRuntime::new(ends.runtime(), plan.clone(), tasks.clone());
        let listening = E::listen().await.expect("a listener");
        let server = Server::start(
            &runtime,
            FaultyListener::new(listening.listener, plan.clone()),
            test_apps::service(&runtime),
            impatient(),
            ServerOptions::default(),
        );
        Self {
            server,
            address: listening.address,
            runtime,
            tasks: tasks.clone(),
            _kept: listening.kept,
        }
    }

    /// It still accepts and answers, has lost every connection, and drains.
    pub(super) async fn serves_on_and_ends(self, ends: &E) {
        let unharmed = calls(ends, &self.address, &Plan::recording(), &self.tasks).await;
        assert!(
            unharmed.iter().all(|outcome| *outcome == Outcome::Answered),
            "the server is harmed: {unharmed:?}"
        );
        eventually("the server has lost its connections", || {
            self.server.stats().connections == 0
        })
        .await;
        let report = self.server.drain(&self.runtime, DRAIN);
        let report = within("a drain ends", report).await;
        assert_eq!(report.aborted, 0);
    }
}

/// Connects by `plan` and makes one call of every kind. Without a session there is one outcome.
pub(super) async fn calls<E: Ends>(
    ends: &E,
    address: &Address,
    plan: &Plan,
    tasks: &Tasks,
) -> Vec<Outcome> {
    let runtime = FaultyRuntime::new(ends.runtime(), plan.clone(), tasks.clone());
    let connected = within("a session is there or refused", async {
        let transport = E::dial(address).await?;
        let transport = FaultyTransport::new(transport, plan.clone());
        Session::connect(&runtime, transport, impatient()).await
    });
    match connected.await {
        Ok(session) => all_calls(&session).await,
        Err(ConnectError::Handshake(error)) => vec![Outcome::Failed(error.reason())],
        Err(ConnectError::Closed(reason)) => vec![Outcome::Failed(reason.reason())],
        Err(error) => panic!("no reason of the list: {error}"),
    }
}

/// No task is left, and no descriptor above `descriptors`.
pub(super) async fn nothing_is_left(tasks: &Tasks, descriptors: usize) {
    eventually("every task has ended", || tasks.live() == 0).await;
    eventually("every descriptor is closed", || {
        open_descriptors() <= descriptors
    })
    .await;
}
