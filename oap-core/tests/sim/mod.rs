//! A simulated pair: the world of one seed.

mod client;
mod judge;
mod plan;
mod server;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use oap_core::testing::{Cut, Pair, Rng, Weather};
use oap_core::wire::MAX_FRAME;
use oap_core::{
    Charge, CloseReason, Connection, Consume, ExchangeId, Limits, Reason, Timestamp, Violation,
};

use plan::{Plan, config, plan};
use server::Handler;

/// Steps after which a run hangs.
const MAX_STEPS: usize = 400_000;
/// Everything is over by then, in virtual time.
const MAX_TIME: Duration = Duration::from_secs(900);

pub(crate) struct Sim {
    pair: Pair,
    rng: Rng,
    plans: Vec<Plan>,
    handlers: BTreeMap<ExchangeId, Handler>,
    /// Payloads that were delivered and not consumed yet.
    at_client: Vec<(Timestamp, ExchangeId, Charge)>,
    at_server: Vec<(Timestamp, ExchangeId, Charge)>,
    client_wakes: Timestamp,
    server_wakes: Timestamp,
    /// How long an application may look away.
    lazy: u64,
    cut_at: Option<(Timestamp, Cut)>,
    drain_at: Option<Timestamp>,
    drained: bool,
    /// No link stands still for so long that a timer may run out.
    fair: bool,
    client_over: Option<CloseReason>,
    server_over: Option<CloseReason>,
    explicit: bool,
    /// One of them consumes later than it takes.
    slow: bool,
    small_server: bool,
    /// The client may open exchanges.
    ready: bool,
}

impl Sim {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let (mut client, mut server) = (config(&mut rng), config(&mut rng));
        if !client.hello {
            // Without HELLO neither side learns of a smaller frame.
            client.limits = Limits::default();
            server.limits = Limits::default();
        }
        let slow = [&client, &server]
            .iter()
            .any(|config| config.consume == Consume::Manually);
        // A server holds to its own limit from the first byte, so the client has to know it.
        let ready = server.limits.max_frame() == MAX_FRAME;
        let fair = !rng.one_in(5);
        let stall = Duration::from_millis(if fair { 400 } else { 8_000 });
        let weather = match rng.one_in(6) {
            true => Weather::CALM,
            false => {
                let mut weather = Weather::random(&mut rng, stall);
                if fair {
                    // A link that lets a byte through now and then is too slow for the timers.
                    weather.room = weather.room.max(65_536);
                    weather.piece = weather.piece.max(400);
                    weather.stall_one_in = weather.stall_one_in.max(100);
                }
                weather
            }
        };
        let (explicit, small_server) = (server.explicit_release, server.limits.max_inflight() < 64);
        let pair = Pair::new(client, server, weather, rng.next_u64());
        let count = rng.range(1, 40);
        // Bytes that come a few at a time take their time here, too.
        let most = if weather.piece < 1_000 {
            3_000
        } else {
            100_000
        };
        let plans = (0..count)
            .map(|_| plan(&mut rng, pair.now(), most))
            .collect();
        let later = |rng: &mut Rng| pair.now() + Duration::from_micros(rng.range(0, 4_000_000));
        let cut_at = rng.one_in(5).then(|| {
            let how = rng.pick(&[Cut::End, Cut::Reset]);
            (later(&mut rng), how)
        });
        let drain_at = rng.one_in(5).then(|| later(&mut rng));
        let lazy = rng.pick(&[0, 1_000, 50_000]);
        Self {
            pair,
            rng,
            plans,
            handlers: BTreeMap::new(),
            at_client: Vec::new(),
            at_server: Vec::new(),
            client_wakes: Timestamp::ZERO,
            server_wakes: Timestamp::ZERO,
            lazy,
            cut_at,
            drain_at,
            drained: false,
            fair,
            client_over: None,
            server_over: None,
            explicit,
            slow,
            small_server,
            ready,
        }
    }

    pub(crate) fn run(mut self) {
        let begin = self.pair.now();
        for _ in 0..MAX_STEPS {
            let now = self.pair.now();
            assert!(
                now.saturating_since(begin) < MAX_TIME,
                "it is not over: {:#?}",
                self.plans
                    .iter()
                    .filter(|plan| plan.outcome.is_none())
                    .collect::<Vec<_>>()
            );
            self.faults(now);
            if now >= self.client_wakes {
                self.client_app(now);
                self.client_wakes = self.nap(now);
            }
            if now >= self.server_wakes {
                self.server_app(now);
                self.server_wakes = self.nap(now);
            }
            self.check();
            let until = self.next_of_the_apps();
            if !self.pair.step(until) && until == Timestamp::MAX {
                return self.end();
            }
        }
        let (client, server) = (&self.pair.client.connection, &self.pair.server.connection);
        panic!(
            "{MAX_STEPS} steps, {:?}, and not over: {:?} {:?} {:#?}",
            self.pair.now().saturating_since(begin),
            client.interest(),
            server.interest(),
            self.pair
        );
    }

    fn nap(&mut self, now: Timestamp) -> Timestamp {
        now + Duration::from_micros(self.rng.range(0, self.lazy))
    }

    fn faults(&mut self, now: Timestamp) {
        if let Some((_, how)) = self.cut_at.filter(|&(at, _)| now >= at) {
            self.cut_at = None;
            self.pair.cut(how);
        }
        if self.drain_at.is_some_and(|at| now >= at) {
            self.drain_at = None;
            self.drained = true;
            self.pair.server.connection.drain();
        }
        if !self.drained && self.plans.iter().all(|plan| plan.outcome.is_some()) {
            self.drained = true;
            self.pair.server.connection.drain();
        }
    }

    /// When one of the applications, or the fate of the link, has something to do.
    fn next_of_the_apps(&self) -> Timestamp {
        let mut next = Timestamp::MAX;
        let now = self.pair.now();
        if self.pair.client.connection.interest().event {
            next = next.min(self.client_wakes);
        }
        if self.pair.server.connection.interest().event {
            next = next.min(self.server_wakes);
        }
        for plan in &self.plans {
            if plan.outcome.is_none() {
                if plan.id.is_none() && self.ready {
                    next = next.min(plan.at.max(self.client_wakes));
                } else if plan.id.is_some() && !plan.finished && !plan.blocked {
                    next = next.min(self.client_wakes);
                }
                if plan.id.is_some() {
                    let cancel = plan.cancel_at.unwrap_or(Timestamp::MAX);
                    next = next.min(cancel.max(self.client_wakes));
                }
            }
        }
        for handler in self.handlers.values() {
            if handler.over {
                next = next.min(handler.work_until.max(self.server_wakes));
            } else if !handler.owes.is_empty() && !handler.blocked {
                next = next.min(self.server_wakes);
            }
            next = next.min(handler.gives_up.max(self.server_wakes));
        }
        for (at, ..) in &self.at_client {
            next = next.min((*at).max(self.client_wakes));
        }
        for (at, ..) in &self.at_server {
            next = next.min((*at).max(self.server_wakes));
        }
        if let Some((at, _)) = self.cut_at {
            next = next.min(at);
        }
        next = next.min(self.drain_at.unwrap_or(Timestamp::MAX));
        // What could not be done now is tried again a little later.
        match next == Timestamp::MAX {
            true => next,
            false => next.max(now + Duration::from_micros(100)),
        }
    }
}

/// What came of inflating; nothing where the budget for it was used up, which ends the exchange.
fn affordable(inflated: Result<Bytes, Violation>) -> Option<Bytes> {
    match inflated {
        Ok(bytes) => Some(bytes),
        Err(fault) => {
            assert_eq!(fault.reason, Reason::RateLimited, "{fault}");
            None
        }
    }
}

fn consume(
    connection: &mut Connection,
    held: &mut Vec<(Timestamp, ExchangeId, Charge)>,
    now: Timestamp,
) {
    for (at, id, charge) in held.split_off(0) {
        if at <= now {
            connection.consumed(id, charge);
        } else {
            held.push((at, id, charge));
        }
    }
}
