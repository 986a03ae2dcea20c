//! Honest clients, whose throughput is what an attack may not take.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use oap_core::driver::Session;
use oap_core::driver::test_apps::ECHO;
use oap_core::{Config, Head};

use crate::suite::{Kind, Stack, Target, block_on};

const SESSIONS: usize = 8;
/// Calls at once on each session.
const DEPTH: usize = 4;
const BODY: usize = 1_024;

/// Clients that ask for echoes as fast as they come back.
pub(super) struct Honest {
    sessions: Vec<Session>,
    _stack: Arc<dyn Stack>,
}

impl Honest {
    pub(super) const SESSIONS: usize = SESSIONS;

    pub(super) fn connect(target: &Target) -> Self {
        let stack = Kind::TokioCurrentThread.start();
        let sessions = (0..SESSIONS)
            .map(|_| block_on(stack.connect(target, Config::default())).expect("a session"))
            .collect();
        Self {
            sessions,
            _stack: stack,
        }
    }

    /// Echoes in a second, over this time.
    ///
    /// # Panics
    /// If one of them fails: an attack must not cost an honest call.
    pub(super) fn rate(&self, time: Duration) -> f64 {
        let echoes = AtomicU64::new(0);
        let body = Bytes::from(vec![5; BODY]);
        let begun = Instant::now();
        let callers = self.sessions.iter().cycle().take(SESSIONS * DEPTH);
        let callers = callers.map(async |session| {
            while begun.elapsed() < time {
                let answer = session.request(Head::new(ECHO), body.clone()).await;
                assert_eq!(answer.expect("an honest echo").body, body);
                echoes.fetch_add(1, Ordering::Relaxed);
            }
        });
        block_on(futures_util::future::join_all(callers));
        echoes.into_inner() as f64 / begun.elapsed().as_secs_f64()
    }
}
