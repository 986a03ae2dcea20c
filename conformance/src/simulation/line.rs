//! One client and one server, and the connections between them, one after the other.

use std::sync::Arc;
use std::time::Duration;

use oap_core::testing::Rng;
use oap_core::wire::MAX_FRAME;
use oap_core::{Connection, Consume, Lane, Limits, Role, Timestamp};

use super::Options;
use super::client::Client;
use super::endpoint::{Endpoint, LATE, Surroundings};
use super::lanes::Lanes;
use super::model::{Facts, Model};
use super::plan::{CallPlan, Farewell, LinePlan, weather};
use super::report::Totals;
use super::sabotage::{Sabotage, Saboteur};
use super::server::Server;
use super::trace::Trace;
use super::verdict::{Sides, judge_close};
use super::wire::Wire;

/// Rounds at one moment after which a line spins.
const MOST_ROUNDS: u32 = 100_000;
/// How long a farewell may take.
const DRAIN_TIME: Duration = Duration::from_secs(60);
/// Calls of a burst at most.
const MOST_CALLS: u64 = 16;

/// A connection and everything around it.
#[derive(Debug)]
struct Up {
    client: Endpoint,
    server: Endpoint,
    client_app: Client,
    server_app: Server,
    lanes: Lanes,
    wire: Wire,
    facts: Facts,
    since: Timestamp,
    /// Most exchanges that the client may have open, as far as it knows.
    client_inflight: usize,
    /// And the server at work.
    server_inflight: usize,
    fate: Option<(Timestamp, Fate)>,
    /// When the burst was found to be over.
    leaves_at: Option<Timestamp>,
}

/// What befalls a connection on a rough line.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// Both streams end, wherever they are.
    End,
    Reset,
    /// One direction is dead, for a while or for ever.
    HalfOpen(Role, Option<Duration>),
    ResetLane,
}

/// A client and its server.
#[derive(Debug)]
pub(super) struct Line {
    index: usize,
    plan: LinePlan,
    client: Arc<oap_core::Config>,
    server: Arc<oap_core::Config>,
    rng: Rng,
    model: Model,
    saboteur: Saboteur,
    up: Option<Box<Up>>,
    /// Calls that a lost connection left unopened.
    left: Vec<(Timestamp, usize)>,
    bursts: u32,
    next_burst: Timestamp,
    /// No connection before this.
    down_until: Timestamp,
    totals: Totals,
}

impl Line {
    pub(super) fn new(index: usize, now: Timestamp, seed: u64, options: Options) -> Self {
        let mut rng = Rng::new(seed);
        let mut plan = LinePlan::new(&mut rng);
        plan.rough &= !options.is_fair();
        let patience = rng.range(0, 8);
        Self {
            index,
            client: Arc::new(plan.client.clone()),
            server: Arc::new(plan.server.clone()),
            model: Model::new(index),
            saboteur: Saboteur::new(options.sabotage, patience),
            up: None,
            left: Vec::new(),
            bursts: plan.bursts,
            next_burst: now + Duration::from_micros(rng.range(0, 3_000_000)),
            down_until: now,
            totals: Totals::default(),
            plan,
            rng,
        }
    }

    /// Whether nothing will happen any more.
    pub(super) fn is_done(&self) -> bool {
        self.up.is_none() && self.bursts == 0 && self.left.is_empty()
    }

    /// What this line has come to, once it is done.
    pub(super) fn finish(self) -> Totals {
        self.model.finish();
        let (calls, answered, bytes) = self.model.totals();
        Totals {
            calls,
            answered,
            bytes,
            ..self.totals
        }
    }

    /// The server is to be restarted: it drains what is open.
    pub(super) fn restart(&mut self) {
        if let Some(up) = &mut self.up {
            up.facts.drained = true;
            up.server.connection.drain();
        }
    }

    /// Nothing arrives in either direction before `until`.
    pub(super) fn partition(&mut self, until: Timestamp) {
        if let Some(up) = &mut self.up {
            up.facts.rough = true;
            up.lanes.silence(Role::Client, until);
            up.lanes.silence(Role::Server, until);
        }
    }

    /// Does everything that can be done now; returns when there is something to do again.
    pub(super) fn advance(&mut self, now: Timestamp, trace: &mut Trace) -> Option<Timestamp> {
        if self.bursts > 0 && self.next_burst <= now {
            self.begin_burst(now);
        }
        if self.up.is_none() && !self.left.is_empty() && self.down_until <= now {
            self.connect(now);
        }
        if let Some(up) = &mut self.up {
            for round in 0.. {
                assert!(round < MOST_ROUNDS, "line {} spins at {now:?}", self.index);
                self.totals.steps += 1;
                let moved = up.round(
                    now,
                    trace,
                    &mut self.rng,
                    &mut self.model,
                    &mut self.saboteur,
                ) | up.meets_fate(now)
                    | up.leaves(now, &self.plan, self.bursts);
                if !moved {
                    break;
                }
            }
            up.check(now, &self.model);
            if up.client.is_gone() && up.server.is_gone() {
                self.hang_up(now);
            }
        }
        self.next(now)
    }

    fn begin_burst(&mut self, now: Timestamp) {
        self.bursts -= 1;
        let pause = self.plan.pause.as_micros() as u64;
        self.next_burst = now + Duration::from_micros(self.rng.range(pause / 2, pause * 3 / 2));
        for _ in 0..self.rng.range(1, MOST_CALLS) {
            let plan = CallPlan::new(&mut self.rng, &self.plan);
            let at = now + plan.after;
            let call = self.model.add(plan);
            match &mut self.up {
                Some(up) => {
                    up.leaves_at = up.leaves_at.filter(|_| up.facts.left);
                    up.client_app.plan(at, call);
                }
                None => self.left.push((at, call)),
            }
        }
    }

    fn connect(&mut self, now: Timestamp) {
        let rng = &mut self.rng;
        let eager = self.server.limits.max_frame() == MAX_FRAME && rng.one_in(2);
        let mut up = Up::new(self, eager, now);
        for (at, call) in std::mem::take(&mut self.left) {
            up.client_app.plan(at, call);
        }
        self.totals.connections += 1;
        self.up = Some(Box::new(up));
    }

    fn hang_up(&mut self, now: Timestamp) {
        let Some(mut up) = self.up.take() else { return };
        judge_close(&Sides {
            client: &up.client,
            server: &up.server,
            facts: &up.facts,
            silent: up.wire.is_silent(),
            keeps_alive: self.plan.stays_up(),
        });
        self.left = up.client_app.take_waiting();
        self.totals.frames += up.wire.frames();
        self.totals.pings += up.client.pongs() + up.server.pongs();
        self.totals.connected += now.saturating_since(up.since);
        self.down_until = now + Duration::from_micros(self.rng.range(0, 2_000_000));
    }

    fn next(&self, now: Timestamp) -> Option<Timestamp> {
        let burst = (self.bursts > 0).then_some(self.next_burst);
        let own = match &self.up {
            Some(up) => up.next(),
            None => (!self.left.is_empty()).then_some(self.down_until),
        };
        assert!(
            self.up.is_none() || own.is_some(),
            "line {} hangs at {now:?}: {:#?}",
            self.index,
            self.up
        );
        let next = [burst, own].into_iter().flatten().min();
        assert!(
            next.is_none_or(|next| next > now),
            "line {} leaves undone what is due at {next:?}: {:#?}",
            self.index,
            self.up
        );
        next
    }
}

impl Up {
    fn new(line: &mut Line, eager: bool, now: Timestamp) -> Self {
        let (plan, rng) = (&line.plan, &mut line.rng);
        let hello = plan.client.hello;
        let mut lanes = Lanes::new(weather(rng, plan.rough), rng.next_u64());
        let mut told_server = plan.server.clone();
        if line.saboteur.strikes(Sabotage::LowerFrameLimit) {
            told_server.limits = Limits::builder().max_frame(4_096).build_unreserved();
        }
        let mut wire = Wire::new(&plan.client, &told_server);
        lanes.open(Lane::FIRST, now);
        wire.open(0);
        let told = usize::from(plan.server.limits.max_inflight());
        let server_inflight = match line.saboteur.strikes(Sabotage::LowerInflightLimit) {
            true => 1,
            false => told,
        };
        let known = match hello && !eager {
            true => told,
            false => told.max(64),
        };
        let manual = [&plan.client, &plan.server].map(|config| config.consume == Consume::Manually);
        let facts = Facts {
            rough: plan.rough,
            crowded: told < 64,
            keeps: manual != [false; 2],
            verifies: plan.server.authorize,
            ..Facts::default()
        };
        let fate = (plan.rough && rng.one_in(2)).then(|| {
            let at = now + Duration::from_micros(rng.range(0, 6_000_000));
            (at, Fate::new(rng))
        });
        let connection = |config: &Arc<_>, role| match role {
            Role::Client => Connection::client(Arc::clone(config), now),
            Role::Server => Connection::server(Arc::clone(config), now),
        };
        let client = connection(&line.client, Role::Client);
        let server = connection(&line.server, Role::Server);
        Self {
            client: Endpoint::new(client, line.index, now),
            server: Endpoint::new(server, line.index, now),
            client_app: Client::new(hello, eager, plan.client_nap, plan.keeps),
            server_app: Server::new(plan.server_nap, plan.keeps),
            lanes,
            wire,
            facts,
            since: now,
            server_inflight,
            client_inflight: known.min(usize::from(plan.client.limits.max_inflight())),
            fate,
            leaves_at: None,
        }
    }

    /// Gives everybody one turn; returns whether anything happened.
    fn round(
        &mut self,
        now: Timestamp,
        trace: &mut Trace,
        rng: &mut Rng,
        model: &mut Model,
        saboteur: &mut Saboteur,
    ) -> bool {
        let server_first = rng.one_in(2);
        let mut at = Surroundings {
            now,
            lanes: &mut self.lanes,
            wire: &mut self.wire,
            trace,
            rng,
            saboteur,
        };
        let facts = &self.facts;
        let mut moved = self.client_app.act(&mut self.client, &mut at, model, facts);
        moved |= self.server_app.act(&mut self.server, &mut at, model, facts);
        for server in [server_first, !server_first] {
            moved |= match server {
                true => self.server.turn(&mut at),
                false => self.client.turn(&mut at),
            };
        }
        // Writing makes room, of which the applications are told.
        moved |= self.client_app.is_due(&self.client.connection, now)
            | self.server_app.is_due(&self.server.connection, now);
        self.facts.closed |= self.client.is_closed() || self.server.is_closed();
        if saboteur.strikes(Sabotage::SilenceLink) {
            self.lanes.silence(Role::Client, Timestamp::MAX);
        }
        if saboteur.strikes(Sabotage::FlipOnTheWire) {
            self.lanes.corrupt();
        }
        moved
    }

    fn meets_fate(&mut self, now: Timestamp) -> bool {
        let Some((_, fate)) = self.fate.take_if(|(at, _)| *at <= now) else {
            return false;
        };
        match fate {
            Fate::End => self.lanes.cut(now, false),
            Fate::Reset => {
                self.lanes.cut(now, true);
                self.facts.lane_reset = true;
            }
            Fate::HalfOpen(sender, how_long) => {
                let until = how_long.map_or(Timestamp::MAX, |how_long| now + how_long);
                self.lanes.silence(sender, until);
            }
            Fate::ResetLane => self.facts.lane_reset |= self.lanes.reset_one(now),
        }
        true
    }

    /// When the burst is over, one of the sides may leave; after the last burst one has to.
    fn leaves(&mut self, now: Timestamp, plan: &LinePlan, bursts: u32) -> bool {
        let starved = self.client_app.is_starved(&self.client.connection);
        let idle = self.client_app.is_idle() || starved || self.facts.left;
        if !idle || self.client.over.is_some() {
            self.leaves_at = None;
            return false;
        }
        let stays = bursts > 0 && plan.farewell == Farewell::Stay && !starved;
        match self.leaves_at {
            None if stays => return false,
            None => {
                self.leaves_at = Some(now + Duration::from_millis(500));
                return true;
            }
            Some(at) if at > now => return false,
            Some(_) if self.facts.left => {
                // What is still drained now waits for something that does not come.
                self.leaves_at = Some(Timestamp::MAX);
                self.client.connection.close();
                return true;
            }
            Some(_) => {}
        }
        self.facts.left = true;
        self.facts.drained = true;
        self.leaves_at = Some(now + DRAIN_TIME);
        match plan.farewell {
            Farewell::Stay | Farewell::ClientCloses => self.client.connection.close(),
            Farewell::ClientDrains => {
                self.client_app.stop();
                self.client.connection.drain();
            }
            Farewell::ServerDrains => self.server.connection.drain(),
            Farewell::ServerCloses => self.server.connection.close(),
        }
        true
    }

    fn check(&mut self, now: Timestamp, model: &Model) {
        let inflight = self.server_inflight;
        let load = self.server_app.load();
        assert!(load <= inflight, "{load} handlers of {inflight}");
        let client_kept = Some(self.client_app.kept());
        self.client.check(now, self.client_inflight, client_kept);
        self.server.check(now, inflight, self.server_app.kept());
        if !self.facts.rough {
            self.client.check_pings(now);
            self.server.check_pings(now);
        }
        let slack = LATE + Duration::from_millis(100);
        self.client_app.check(model, now, slack);
    }

    fn next(&self) -> Option<Timestamp> {
        let connections = [
            self.client.next(&self.lanes),
            self.server.next(&self.lanes),
            self.client_app.next(&self.client.connection),
            self.server_app.next(&self.server.connection),
            self.fate.map(|(at, _)| at),
            self.leaves_at
                .filter(|&at| at < Timestamp::MAX && self.client.over.is_none()),
        ];
        connections.into_iter().flatten().min()
    }
}

impl Fate {
    fn new(rng: &mut Rng) -> Self {
        match rng.range(0, 4) {
            0 => Self::End,
            1 => Self::Reset,
            2 => Self::ResetLane,
            _ => {
                let side = rng.pick(&[Role::Client, Role::Server]);
                let how_long = Duration::from_millis(rng.range(100, 120_000));
                Self::HalfOpen(side, rng.one_in(2).then_some(how_long))
            }
        }
    }
}
