//! What runs have come to.

use std::fmt;
use std::ops::AddAssign;
use std::time::Duration;

const DAY: f64 = 86_400.0;
const YEAR: f64 = 365.25 * DAY;

/// Sums over lines or over runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Connections that were opened.
    pub connections: u64,
    /// How long they were up, all together.
    pub connected: Duration,
    /// Calls that were opened; each had one outcome.
    pub calls: u64,
    /// Those that were answered in full.
    pub answered: u64,
    /// Delivered bytes that were compared.
    pub bytes: u64,
    /// Frames that were checked on the wire.
    pub frames: u64,
    /// PINGs by a host's wish that were answered.
    pub pings: u64,
    /// Rounds of a line.
    pub steps: u64,
    /// Virtual time of the worlds.
    pub simulated: Duration,
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.connections += other.connections;
        self.connected += other.connected;
        self.calls += other.calls;
        self.answered += other.answered;
        self.bytes += other.bytes;
        self.frames += other.frames;
        self.pings += other.pings;
        self.steps += other.steps;
        self.simulated += other.simulated;
    }
}

impl Totals {
    /// Simulated years, counting the worlds' time once however many connections they have.
    pub fn years(&self) -> f64 {
        self.simulated.as_secs_f64() / YEAR
    }

    /// Simulated years that one core would do in a day, after this much of its time.
    pub fn years_per_core_day(&self, core: Duration) -> f64 {
        self.years() * DAY / core.as_secs_f64()
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.3} simulated years ({:.3} connection years), {} connections, {} calls, {} answered \
             in full, {} bytes compared, {} frames checked, {} PINGs answered",
            self.years(),
            self.connected.as_secs_f64() / YEAR,
            self.connections,
            self.calls,
            self.answered,
            self.bytes,
            self.frames,
            self.pings
        )
    }
}

/// What one run has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// The seed of the run.
    pub seed: u64,
    /// Of everything that happened, in order: the same for the same seed, everywhere.
    pub digest: u64,
    /// The sums.
    pub totals: Totals,
}

/// What the judge has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The seed that shows it again.
    pub seed: u64,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "seed {}: {}\nreplay: cargo run --release -p oap-conformance --bin simulate -- --seed {}",
            self.seed, self.message, self.seed
        )
    }
}

impl std::error::Error for Failure {}
