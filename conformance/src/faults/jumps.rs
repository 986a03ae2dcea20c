//! Time that jumps.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use oap_core::driver::{Clock, Runtime, Server, ServerOptions, Session, test_apps};
use oap_core::testing::Rng;
use oap_core::{Config, Timestamp};

use super::{Ends, FaultyRuntime, Outcome, Plan, Tasks, all_calls};
use crate::suite::{eventually, pause, within};

/// How finely virtual time moves.
const TICK: Duration = Duration::from_millis(1);
/// Ticks after a jump back until time catches up.
const BEHIND: u32 = 20;

/// Where virtual time begins, so that it can go back.
const BEGIN: Timestamp = Timestamp::from_micros(1_000_000 * 3_600 * 24 * 365);

/// Any executor, with time that moves only when it is moved. Clones share the time.
#[derive(Clone)]
pub struct VirtualRuntime<R> {
    inner: R,
    time: Arc<Mutex<Time>>,
}

struct Time {
    now: Timestamp,
    next: u64,
    alarms: BTreeMap<u64, Alarm>,
}

struct Alarm {
    at: Timestamp,
    waker: Waker,
}

impl<R> VirtualRuntime<R> {
    /// Runs tasks on `inner`.
    pub fn new(inner: R) -> Self {
        let time = Time {
            now: BEGIN,
            next: 0,
            alarms: BTreeMap::new(),
        };
        Self {
            inner,
            time: Arc::new(Mutex::new(time)),
        }
    }

    /// Moves time forward.
    pub fn advance(&self, by: Duration) {
        let now = lock(&self.time).now;
        self.set(now + by);
    }

    /// Moves time back.
    pub fn go_back(&self, by: Duration) {
        let now = lock(&self.time).now.as_micros();
        let by = u64::try_from(by.as_micros()).unwrap_or(u64::MAX);
        self.set(Timestamp::from_micros(now.saturating_sub(by)));
    }

    fn set(&self, now: Timestamp) {
        let mut time = lock(&self.time);
        time.now = now;
        let due: Vec<u64> = time
            .alarms
            .iter()
            .filter(|(_, alarm)| alarm.at <= now)
            .map(|(id, _)| *id)
            .collect();
        let due: Vec<Alarm> = due.iter().filter_map(|id| time.alarms.remove(id)).collect();
        drop(time);
        due.into_iter().for_each(|alarm| alarm.waker.wake());
    }
}

fn lock(time: &Mutex<Time>) -> MutexGuard<'_, Time> {
    time.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<R: Runtime> Runtime for VirtualRuntime<R> {
    type Clock = VirtualClock;

    fn now(&self) -> Timestamp {
        lock(&self.time).now
    }

    fn clock(&self) -> VirtualClock {
        let mut time = lock(&self.time);
        time.next += 1;
        VirtualClock {
            id: time.next,
            time: self.time.clone(),
        }
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.inner.spawn(task);
    }
}

/// A clock of a [`VirtualRuntime`].
pub struct VirtualClock {
    id: u64,
    time: Arc<Mutex<Time>>,
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        lock(&self.time).now
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>, deadline: Timestamp) -> Poll<()> {
        let mut time = lock(&self.time);
        if time.now >= deadline {
            time.alarms.remove(&self.id);
            return Poll::Ready(());
        }
        let alarm = Alarm {
            at: deadline,
            waker: cx.waker().clone(),
        };
        time.alarms.insert(self.id, alarm);
        Poll::Pending
    }
}

impl Drop for VirtualClock {
    fn drop(&mut self) {
        lock(&self.time).alarms.remove(&self.id);
    }
}

/// What came of the calls across `jumps` jumps.
#[derive(Clone, Copy, Debug, Default)]
pub struct Jumped {
    /// Sessions that were needed.
    pub sessions: usize,
    /// Calls that were answered.
    pub answered: usize,
    /// Calls that failed with a reason.
    pub failed: usize,
}

/// Makes calls of every kind while time runs, and jumps `jumps` times meanwhile, forward or back, by
/// up to a day. After a jump back it stays behind for 20 ms and catches up then: an alarm cannot ring
/// before its time.
///
/// # Panics
/// If a call does not end, a task panics or is left, or no session can be had after a jump.
pub fn calls_across_jumps<E: Ends>(jumps: usize, seed: u64) -> Jumped {
    let ends = E::start();
    let tasks = Tasks::default();
    let time = VirtualRuntime::new(ends.runtime());
    let runtime = FaultyRuntime::new(time.clone(), Plan::recording(), tasks.clone());
    let mut sum = Jumped::default();
    ends.block_on(async {
        let listening = E::listen().await.expect("a listener");
        let server = Server::start(
            &runtime,
            listening.listener,
            test_apps::service(&runtime),
            Config::default(),
            ServerOptions::default(),
        );
        let mut rng = Rng::new(seed);
        for _ in 0..jumps {
            let connected = async {
                let transport = E::dial(&listening.address).await?;
                Session::connect(&runtime, transport, Config::default()).await
            };
            let session = within("a session", running(&time, connected, None)).await;
            let session = session.expect("a session after a jump");
            sum.sessions += 1;
            let jump = Jump::any(&mut rng);
            let calls = running(&time, all_calls(&session), Some(jump));
            for outcome in within("calls end", calls).await {
                match outcome {
                    Outcome::Answered => sum.answered += 1,
                    Outcome::Failed(_) => sum.failed += 1,
                }
            }
            drop(session);
            let gone = eventually("the connection is gone", || server.stats().connections == 0);
            running(&time, gone, None).await;
        }
        let ended = server.drain(&runtime, Duration::from_secs(1));
        within("a drain ends", running(&time, ended, None)).await;
        eventually("every task has ended", || tasks.live() == 0).await;
    });
    println!(
        "{} over {}, seed {seed}, {jumps} jumps: {sum:?}",
        E::KIND.name(),
        E::WIRE.name()
    );
    sum
}

struct Jump {
    after_polls: u64,
    by: Duration,
    back: bool,
}

impl Jump {
    fn any(rng: &mut Rng) -> Self {
        Self {
            after_polls: rng.range(1, 40),
            by: Duration::from_secs(rng.range(1, 24 * 3_600)),
            back: rng.one_in(2),
        }
    }
}

/// Runs `work` while virtual time keeps pace with real time, and jumps once.
async fn running<R, T>(
    time: &VirtualRuntime<R>,
    work: impl Future<Output = T>,
    mut jump: Option<Jump>,
) -> T {
    let mut work = pin!(work);
    let mut tick = Box::pin(pause(TICK));
    let mut polls = 0;
    let mut behind = None;
    poll_fn(|cx| {
        if let Poll::Ready(output) = work.as_mut().poll(cx) {
            return Poll::Ready(output);
        }
        polls += 1;
        if let Some(jump) = jump.take_if(|jump| polls >= jump.after_polls) {
            if jump.back {
                time.go_back(jump.by);
                behind = Some((BEHIND, jump.by));
            } else {
                time.advance(jump.by);
            }
        }
        while tick.as_mut().poll(cx).is_ready() {
            time.advance(TICK);
            tick = Box::pin(pause(TICK));
            if let Some((ticks, by)) = &mut behind {
                *ticks -= 1;
                if *ticks == 0 {
                    time.advance(*by);
                    behind = None;
                }
            }
        }
        Poll::Pending
    })
    .await
}
