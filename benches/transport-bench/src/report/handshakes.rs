//! The report of a load of handshakes.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Negotiated, Point, Second, Spread};
use crate::Usage;
use crate::load::{HandshakeOptions, HandshakeTally, Handshakes, Measured};

/// What handshakes were asked for, and what came of them.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct HandshakeReport {
    /// Version of this program.
    pub version: &'static str,
    /// What was asked for.
    pub config: HandshakesAsked,
    /// What client and server agreed on. The first connection of each place is not counted.
    pub negotiated: Negotiated,
    /// What became of the handshakes.
    pub handshakes: HandshakeCounts,
    /// Whether all completed ones were of the kind that was asked for, and there was one.
    pub as_asked: bool,
    /// Failed ones by reason of the protocol's list.
    pub errors: BTreeMap<&'static str, u64>,
    /// From the beginning to the last answer to HELLO, at least the duration asked for, in seconds.
    pub elapsed_s: f64,
    /// Handshakes completed per second of `elapsed_s`.
    pub rate_per_s: f64,
    /// From the intended start until TCP and TLS are there, in microseconds.
    pub tls_us: Option<Spread>,
    /// From the intended start to the answer to HELLO, in microseconds.
    pub hello_us: Option<Spread>,
    /// The whole distribution of that time.
    pub hello_distribution: Vec<Point>,
    /// The same time second by second, since the beginning.
    pub seconds: Vec<Second>,
    /// From the intended start to the actual one, in microseconds.
    pub start_delay_us: Option<Spread>,
    /// What this client used of the machine during the run; `null` where it cannot be told.
    pub client: Option<Usage>,
    /// The same of the server, where `--server-pid` says which process that is.
    pub server: Option<Usage>,
    /// CPU time of the client for each completed one, in microseconds.
    pub client_cpu_us_each: Option<f64>,
    /// The same of the server.
    pub server_cpu_us_each: Option<f64>,
}

/// What was asked for.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct HandshakesAsked {
    /// The target as it was given.
    pub target: String,
    /// Which handshakes.
    pub handshakes: Handshakes,
    /// Places at which one connection follows another.
    pub conns: usize,
    /// Handshakes per second in all; 0 is a closed loop.
    pub rps: u32,
    /// Seconds.
    pub duration_s: f64,
    /// Runtime of the client.
    pub runtime: &'static str,
    /// Threads used.
    pub threads: usize,
}

/// What became of the handshakes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HandshakeCounts {
    /// Meant to start; in a closed loop, started.
    pub intended: u64,
    /// HELLO was answered: the samples of the times.
    pub completed: u64,
    /// Completed by resuming a session, as the TLS session tells.
    pub resumed: u64,
    /// Completed by a full handshake.
    pub full: u64,
    /// Failed; see `errors`.
    pub failed: u64,
    /// Under way 2 s after the end of the duration.
    pub unfinished: u64,
    /// Meant to start but never begun.
    pub dropped: u64,
}

impl HandshakeReport {
    /// Draws up the report of a run.
    pub fn new(
        options: &HandshakeOptions,
        negotiated: Negotiated,
        measured: Measured<HandshakeTally>,
    ) -> Self {
        let Measured {
            tally,
            seconds,
            began,
            used,
        } = measured;
        let elapsed = tally.last.saturating_duration_since(began);
        let elapsed_s = elapsed.max(options.duration).as_secs_f64();
        let handshakes = HandshakeCounts::new(&tally);
        let each = |usage: Option<Usage>| {
            let usage = usage.filter(|_| handshakes.completed > 0)?;
            Some(usage.cpu_s * 1e6 / handshakes.completed as f64)
        };
        Self {
            version: env!("CARGO_PKG_VERSION"),
            config: HandshakesAsked {
                target: options.target.to_string(),
                handshakes: options.handshakes,
                conns: options.places.len(),
                rps: options.rps,
                duration_s: options.duration.as_secs_f64(),
                runtime: options.runtime.as_str(),
                threads: options.threads,
            },
            negotiated: Negotiated {
                connections: handshakes.completed,
                resumed: handshakes.resumed,
                ..negotiated
            },
            handshakes,
            as_asked: handshakes.completed > 0 && handshakes.of_other_kind(options.handshakes) == 0,
            errors: tally.errors,
            elapsed_s,
            rate_per_s: handshakes.completed as f64 / elapsed_s,
            tls_us: Spread::new(&tally.tls),
            hello_us: Spread::new(&tally.hello),
            hello_distribution: Point::all(&tally.hello),
            seconds,
            start_delay_us: Spread::new(&tally.delay),
            client: used.client,
            server: used.server,
            client_cpu_us_each: each(used.client),
            server_cpu_us_each: each(used.server),
        }
    }

    /// What is wrong with the run, in one line; nothing if every handshake that was due was
    /// completed, and was of the kind that was asked for.
    pub fn fault(&self) -> Option<String> {
        let counts = &self.handshakes;
        if counts.completed == 0 || counts.completed != counts.intended {
            return Some(format!(
                "not every handshake was completed: {} of {}",
                counts.completed, counts.intended
            ));
        }
        let kind = self.config.handshakes;
        let (other, all) = (counts.of_other_kind(kind), counts.completed);
        (other > 0).then(|| format!("{other} of {all} handshakes were not {}", kind.as_str()))
    }
}

impl HandshakeCounts {
    fn new(tally: &HandshakeTally) -> Self {
        let failed = tally.errors.values().sum();
        let completed = tally.completed();
        Self {
            intended: completed + failed + tally.unfinished + tally.dropped,
            completed,
            resumed: tally.resumed,
            full: completed - tally.resumed,
            failed,
            unfinished: tally.unfinished,
            dropped: tally.dropped,
        }
    }

    /// How many of the completed ones were not of this kind.
    pub const fn of_other_kind(&self, kind: Handshakes) -> u64 {
        match kind {
            Handshakes::Cold => self.resumed,
            Handshakes::Resumed => self.full,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use oap_tokio::TlsClientConfig;
    use oap_tokio::config::Loader;

    use super::*;
    use crate::RuntimeName;
    use crate::load::Machine;

    fn report(handshakes: Handshakes, adapt: impl FnOnce(&mut HandshakeTally)) -> HandshakeReport {
        let tls = TlsClientConfig::builder().insecure_no_verify().build();
        let options = HandshakeOptions {
            handshakes,
            target: "https://[::1]:7".parse().unwrap(),
            runtime: RuntimeName::Tokio,
            settings: Loader::client().load().unwrap(),
            places: vec![tls.unwrap(); 3],
            rps: 10,
            duration: Duration::from_secs(2),
            threads: 1,
            progress: false,
            server: None,
        };
        let began = Instant::now();
        let mut tally = HandshakeTally::new(began);
        adapt(&mut tally);
        let measured = Measured {
            tally,
            seconds: Vec::new(),
            began,
            used: Machine::default(),
        };
        HandshakeReport::new(&options, Negotiated::default(), measured)
    }

    fn complete(tally: &mut HandshakeTally, resumed: bool) {
        let times = [&mut tally.delay, &mut tally.tls, &mut tally.hello];
        for (time, millis) in times.into_iter().zip([0, 3, 5]) {
            time.record(Duration::from_millis(millis));
        }
        tally.resumed += u64::from(resumed);
    }

    #[test]
    fn a_run_without_samples_has_a_fault() {
        let report = report(Handshakes::Cold, |_| {});
        assert!(report.fault().unwrap().contains("0 of 0"));
        assert!(!report.as_asked);
        assert_eq!((report.hello_us, report.client_cpu_us_each), (None, None));
    }

    #[test]
    fn handshakes_of_the_other_kind_are_a_fault_and_are_told() {
        for (kind, resumed) in [(Handshakes::Resumed, true), (Handshakes::Cold, false)] {
            let right = report(kind, |tally| {
                (0..5).for_each(|_| complete(tally, resumed));
            });
            assert_eq!(right.fault(), None);
            assert!(right.as_asked);
            let wrong = report(kind, |tally| {
                complete(tally, resumed);
                complete(tally, !resumed);
            });
            let fault = wrong.fault().unwrap();
            assert_eq!(
                fault,
                format!("1 of 2 handshakes were not {}", kind.as_str())
            );
            assert!(!wrong.as_asked);
            let told = format!("1 resumed, 1 full: 1 are not {}", kind.as_str());
            assert!(wrong.to_string().contains(&told), "{wrong}");
        }
    }

    #[test]
    fn what_is_not_completed_is_a_fault_and_has_its_reason() {
        let spoilers: [fn(&mut HandshakeTally); 3] = [
            |tally| tally.unfinished = 1,
            |tally| tally.dropped = 1,
            |tally| *tally.errors.entry("tls").or_default() += 1,
        ];
        for spoil in spoilers {
            let report = report(Handshakes::Cold, |tally| {
                complete(tally, false);
                spoil(tally);
            });
            assert!(report.fault().unwrap().contains("1 of 2"), "{report}");
        }
        let failed = report(Handshakes::Cold, |tally| {
            tally.errors.insert("timeout", 4);
        });
        let json = serde_json::to_value(&failed).unwrap();
        assert_eq!(json["errors"]["timeout"], 4);
        assert_eq!(json["config"]["handshakes"], "cold");
        assert!(failed.to_string().contains("error        timeout 4"));
    }
}
