//! An attack and honest clients at one server, in interleaved rounds.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::Attack;
use super::foe::Met;
use super::honest::Honest;
use crate::suite::peer::{Process, resident_bytes};
use crate::suite::{Address, Identity, Kind, Target, Wire, block_on, eventually};

/// How often the server's memory is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Rounds after which an attack has had its chance, however few units it has brought.
const MOST_ROUNDS: usize = 200;

/// How to measure.
#[derive(Clone, Copy, Debug)]
pub struct Measure<'a> {
    /// The binary `attack`.
    pub program: &'a str,
    /// The server's stack.
    pub kind: Kind,
    /// Units of the attack at least.
    pub count: u64,
    /// Rounds at least, each of three parts.
    pub rounds: usize,
    /// How long each part takes.
    pub part: Duration,
}

/// What an attack came to.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its name and what its units are.
    pub attack: (&'static str, &'static str),
    /// What the hostile client has done and met.
    pub met: Met,
    /// The most handlers that one connection of it had.
    pub handlers: usize,
    /// The most handlers that all its connections had together.
    pub handlers_in_all: usize,
    /// Bytes by which the server's memory grew at most.
    pub growth: usize,
    /// Honest echoes in a second: without an attack.
    pub quiet: f64,
    /// While another server on the same processors is attacked.
    pub elsewhere: f64,
    /// While the server itself is attacked.
    pub here: f64,
}

impl Row {
    /// Honest throughput under attack, of that with the same attack on another server: what sharing
    /// a server costs above sharing the processors.
    pub fn share(&self) -> f64 {
        self.here / self.elsewhere
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, unit) = self.attack;
        write!(
            f,
            "{name}: {} {unit} on {} connections; {} stalls, {} refusals, {} floods; \
             handlers {} ({} in all); memory +{} KiB; \
             honest {:.0}/s quiet, {:.0}/s attack elsewhere, {:.0}/s here: {:.2} (of quiet {:.2})",
            self.met.units,
            self.met.connections,
            self.met.stalls,
            self.met.refusals,
            self.met.floods,
            self.handlers,
            self.handlers_in_all,
            self.growth / 1024,
            self.quiet,
            self.elsewhere,
            self.here,
            self.share(),
            self.here / self.quiet,
        )
    }
}

impl Measure<'_> {
    /// Runs rounds of three parts until there were as many rounds and units as asked for: no attack,
    /// the attack on another server, the attack on this one. In all three the processors are shared
    /// by the same programs.
    ///
    /// # Panics
    /// If an honest call fails, or the server keeps a connection or a handler of the attack.
    pub fn run(&self, attack: Attack) -> Row {
        let mut server = Server::start(self);
        let other = Server::start(self);
        let mut enemy = Process::start(
            self.program,
            &["peer", "enemy", attack.name],
            Identity::first(),
        );
        enemy.hear("ready");
        let honest = Honest::connect(&server.target);
        honest.rate(self.part);
        let before = server.resident_bytes();

        let (mut quiet, mut elsewhere, mut here) = (Vec::new(), Vec::new(), Vec::new());
        let mut met = Met::default();
        let mut most = before;
        while here.len() < self.rounds || (met.units < self.count && here.len() < MOST_ROUNDS) {
            quiet.push(honest.rate(self.part));
            elsewhere.push(self.part_under_attack(&mut enemy, &other, &honest).rate);
            let part = self.part_under_attack(&mut enemy, &server, &honest);
            here.push(part.rate);
            most = most.max(part.memory);
            met.add(part.met);
        }
        server.is_rid_of_it();
        let (handlers, handlers_in_all, _) = server.handlers();
        Row {
            attack: (attack.name, attack.unit),
            met,
            handlers,
            handlers_in_all,
            growth: most - before,
            quiet: median(quiet),
            elsewhere: median(elsewhere),
            here: median(here),
        }
    }

    fn part_under_attack(&self, enemy: &mut Process, server: &Server, honest: &Honest) -> Part {
        let millis = self.part.as_millis();
        enemy.tell(&format!("{} {millis}", server.target.address));
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let watch = scope.spawn(|| server.most_resident_until(&over));
            let rate = honest.rate(self.part);
            let met = enemy.hear("met").parse().expect("what it met");
            over.store(true, Ordering::Relaxed);
            Part {
                rate,
                met,
                memory: watch.join().expect("a watcher"),
            }
        })
    }
}

struct Part {
    rate: f64,
    met: Met,
    memory: usize,
}

/// A server that is attacked, in its own process.
struct Server {
    process: Process,
    target: Target,
}

impl Server {
    fn start(measure: &Measure<'_>) -> Self {
        let arguments = ["peer", "serve", measure.kind.id(), Wire::Tcp.name()];
        let mut process = Process::start(measure.program, &arguments, Identity::first());
        let address = Address::of(Wire::Tcp, &process.hear("listening"));
        Self {
            target: Target {
                wire: Wire::Tcp,
                address,
                trust: Identity::first(),
            },
            process,
        }
    }

    fn resident_bytes(&self) -> usize {
        resident_bytes(self.process.id())
    }

    fn most_resident_until(&self, over: &AtomicBool) -> usize {
        let mut most = 0;
        while !over.load(Ordering::Relaxed) {
            most = most.max(self.resident_bytes());
            thread::sleep(LOOK_EVERY);
        }
        most
    }

    /// The most handlers of one connection, of all, and those that run now.
    fn handlers(&mut self) -> (usize, usize, usize) {
        let answer = self.process.ask("handlers", "handlers");
        let numbers: Vec<usize> = answer.split(' ').flat_map(str::parse).collect();
        let [of_one, of_all, now] = numbers[..] else {
            panic!("{answer:?}: must be three numbers");
        };
        (of_one, of_all, now)
    }

    fn connections(&mut self) -> usize {
        let answer = self.process.ask("connections", "connections");
        answer.parse().expect("a number")
    }

    fn is_rid_of_it(&mut self) {
        block_on(eventually("the connections of the attack are gone", || {
            self.connections() <= Honest::SESSIONS
        }));
        block_on(eventually("the handlers of the attack are gone", || {
            self.handlers().2 == 0
        }));
    }
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}
