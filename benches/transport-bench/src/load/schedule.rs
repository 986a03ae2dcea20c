//! When requests are meant to start.

use std::time::Duration;

/// The intended starts of an open loop: the n-th request at n / rate seconds, on connection
/// n modulo connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    rate: u32,
    connections: u32,
    total: u64,
}

impl Schedule {
    /// `rate` requests per second over `connections` for `duration`; a rate of 0 has no starts.
    pub fn new(rate: u32, connections: u32, duration: Duration) -> Self {
        let total = u128::from(rate) * duration.as_nanos() / 1_000_000_000;
        Self {
            rate,
            connections,
            total: u64::try_from(total).unwrap_or(u64::MAX),
        }
    }

    /// Whether there are no intended starts: a closed loop.
    pub const fn is_closed_loop(&self) -> bool {
        self.rate == 0
    }

    /// How many requests are meant to start.
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// How many of them on one connection.
    pub const fn total_of(&self, connection: u32) -> u64 {
        let connections = self.connections as u64;
        (self.total + connections - 1 - connection as u64) / connections
    }

    /// When the n-th request of a connection is meant to start, from the beginning.
    pub fn start(&self, connection: u32, n: u64) -> Duration {
        let number = n * u64::from(self.connections) + u64::from(connection);
        let rate = u64::from(self.rate.max(1));
        let nanos = (number % rate) * 1_000_000_000 / rate;
        Duration::from_secs(number / rate) + Duration::from_nanos(nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_start_falls_on_one_connection_in_turn() {
        for (rate, connections, secs) in [(15_000, 200, 2), (7, 3, 5), (1, 4, 2), (3, 7, 10)] {
            let duration = Duration::from_secs(secs);
            let schedule = Schedule::new(rate, connections, duration);
            let mut starts = Vec::new();
            for connection in 0..connections {
                let own = schedule.total_of(connection);
                starts.extend((0..own).map(|n| schedule.start(connection, n)));
            }
            starts.sort_unstable();
            assert_eq!(starts.len() as u64, schedule.total());
            assert_eq!(schedule.total(), u64::from(rate) * secs);
            for (n, start) in starts.iter().enumerate() {
                let nanos = n as u128 * 1_000_000_000 / u128::from(rate);
                assert_eq!(start.as_nanos(), nanos);
            }
            assert!(starts.iter().all(|start| *start < duration));
        }
    }

    #[test]
    fn a_long_run_at_a_high_rate_does_not_overflow() {
        let day = Duration::from_secs(86_400);
        let schedule = Schedule::new(10_000_000, 1, day);
        let last = schedule.start(0, schedule.total() - 1);
        assert_eq!(last, day - Duration::from_nanos(100));
    }

    #[test]
    fn a_closed_loop_has_no_starts() {
        let schedule = Schedule::new(0, 5, Duration::from_secs(9));
        assert!(schedule.is_closed_loop());
        assert_eq!((schedule.total(), schedule.total_of(0)), (0, 0));
    }
}
