//! The load on one connection.

use std::pin::pin;
use std::sync::Arc;

use futures_util::stream::{FuturesUnordered, StreamExt};

use super::connect::Line;
use super::engine::Engine;
use super::exchange::request;
use super::pace::{Pace, Starts};
use super::recorder::{Outcome, Recorder};
use super::threads::{Shared, lock};
use super::{CLOSE_TIME, GRACE, Plan};

/// Loads all connections of a thread until each is done, then closes them.
pub(super) async fn drive_all<E: Engine>(
    engine: &E,
    plan: &Arc<Plan>,
    pace: Pace,
    lines: Vec<Line>,
    recorder: Shared<Recorder>,
) {
    let drive = |line: Line, starts| {
        let drive = Drive {
            engine: engine.clone(),
            plan: plan.clone(),
            line,
            starts,
            recorder: recorder.clone(),
        };
        drive.run()
    };
    let panicked = pace.drive_all(engine, lines, drive).await;
    // A request that panicked must not pass for a clean run.
    lock(&recorder).connections_lost += panicked;
}

/// A connection under load.
struct Drive<E> {
    engine: E,
    plan: Arc<Plan>,
    line: Line,
    starts: Starts,
    recorder: Shared<Recorder>,
}

impl<E: Engine> Drive<E> {
    async fn run(self) {
        let Self {
            engine,
            plan,
            line: Line { session, number },
            mut starts,
            recorder,
        } = self;
        let (depth, shape) = (plan.options.depth as usize, plan.options.shape);
        let end = starts.end();
        let mut time_up = pin!(engine.sleep_until(end + GRACE));
        starts.begun(&engine).await;

        let mut flying = FuturesUnordered::new();
        let mut lost = false;
        loop {
            while flying.len() < depth && !lost {
                let Some(intended) = starts.take() else {
                    break;
                };
                let body = plan.payloads.get(number, starts.taken() - 1);
                flying.push(request(&session, shape, body, intended, end));
            }
            if flying.is_empty() && (lost || starts.is_over()) {
                break;
            }
            tokio::select! {
                biased;
                Some(done) = flying.next(), if !flying.is_empty() => {
                    lost |= matches!(done.outcome, Outcome::Lost(_));
                    lock(&recorder).record(&done);
                }
                () = starts.due(), if flying.len() < depth && !lost => {}
                () = &mut time_up => break,
            }
        }
        {
            let mut recorder = lock(&recorder);
            recorder.unfinished += flying.len() as u64;
            recorder.dropped += starts.left();
            recorder.connections_lost += u64::from(lost);
        }
        drop(flying);
        session.drain();
        // A server that does not close is cut off with the thread.
        engine.timeout(CLOSE_TIME, session.closed()).await;
    }
}
