//! The report of a run, for people and for programs.

mod handshakes;
mod spread;
mod text;

use std::collections::BTreeMap;

use oap_core::wire::Hello;
use oap_tokio::ConnectionInfo;
use serde::Serialize;

use crate::Usage;
use crate::load::{LoadOptions, Measured, Recorder, Shape, Times};
pub use handshakes::{HandshakeCounts, HandshakeReport, HandshakesAsked};
pub use spread::{Point, Second, Spread};

/// What a run was asked for, met and measured.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// Version of this program.
    pub version: &'static str,
    /// What was asked for.
    pub config: Asked,
    /// What client and server agreed on.
    pub negotiated: Negotiated,
    /// From the beginning of a connect to the answer to HELLO, in microseconds.
    pub connect_us: Option<Spread>,
    /// What became of the requests.
    pub requests: Requests,
    /// Failed requests by reason of the protocol's list.
    pub errors: BTreeMap<&'static str, u64>,
    /// From the beginning to the last answer, at least the duration asked for, in seconds.
    pub elapsed_s: f64,
    /// Requests answered per second of `elapsed_s`.
    pub rate_per_s: f64,
    /// Payload bytes of answered requests per second, client to server.
    pub sent_bytes_per_s: f64,
    /// Payload bytes of answers per second, server to client.
    pub received_bytes_per_s: f64,
    /// From the intended start to the answer, in microseconds; of what goes one way, from its last
    /// chunk to the answer; `null` without answers.
    pub latency_us: Option<Spread>,
    /// The whole distribution of that latency.
    pub latency_distribution: Vec<Point>,
    /// The same latency second by second, since the beginning.
    pub seconds: Vec<Second>,
    /// From the intended start to the actual one, in microseconds: the part of the latency that is
    /// due to this client or to its depth; `null` without answers.
    pub start_delay_us: Option<Spread>,
    /// What this client used of the machine during the run; `null` where it cannot be told.
    pub client: Option<Usage>,
    /// The same of the server, where `--server-pid` says which process that is.
    pub server: Option<Usage>,
}

/// What was asked for.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Asked {
    /// The target as it was given.
    pub target: String,
    /// Connections.
    pub conns: u32,
    /// Requests per second in all; 0 is a closed loop.
    pub rps: u32,
    /// Bytes of each payload.
    pub payload: u32,
    /// Seconds.
    pub duration_s: f64,
    /// Requests in flight on one connection, at most.
    pub depth: u32,
    /// Whether each was a streaming exchange.
    pub streaming: bool,
    /// Whether payload went one way only: each request is then a stream as long as the run.
    pub one_way: bool,
    /// Runtime of the client.
    pub runtime: &'static str,
    /// Threads used.
    pub threads: usize,
}

/// What client and server agreed on; of several connections, what the first one did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Negotiated {
    /// `tls`, `tcp`, `quic` or `uds`.
    pub transport: &'static str,
    /// Protocol version of TLS; `null` without TLS.
    pub tls_version: Option<&'static str>,
    /// Key exchange group; `null` without TLS.
    pub tls_group: Option<&'static str>,
    /// Cipher suite; `null` without TLS.
    pub tls_cipher: Option<&'static str>,
    /// Application protocol; `null` without TLS.
    pub alpn: Option<String>,
    /// Connections established.
    pub connections: u64,
    /// How many of them resumed a TLS session.
    pub resumed: u64,
    /// What the server's HELLO said; `null` if it answered none.
    pub server: Option<Offer>,
}

/// What a server's HELLO said; `null` where it said nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Offer {
    /// Name and version.
    pub server_version: Option<String>,
    /// Largest `len` of a frame, in bytes.
    pub max_frame: Option<u32>,
    /// Exchanges in flight at most.
    pub max_inflight: Option<u16>,
    /// First window of an exchange, in bytes.
    pub ack_window: Option<u32>,
    /// Optional control frames that it understands.
    pub features: Vec<&'static str>,
    /// Codings that it can undo.
    pub comp: Vec<&'static str>,
}

/// What became of the requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Requests {
    /// Meant to start; in a closed loop, started.
    pub intended: u64,
    /// Answered with what was sent: the samples of the latency.
    pub answered: u64,
    /// Failed; see `errors`.
    pub failed: u64,
    /// Answered with something else than what was sent.
    pub mismatched: u64,
    /// In flight 2 s after the end of the duration.
    pub unfinished: u64,
    /// Meant to start but never sent.
    pub dropped: u64,
    /// Connections that ended before the run did.
    pub connections_lost: u64,
}

impl Report {
    /// Draws up the report of a run.
    pub fn new(
        options: &LoadOptions,
        negotiated: Negotiated,
        connects: &Times,
        measured: Measured<Recorder>,
    ) -> Self {
        let Measured {
            tally: sum,
            seconds,
            began,
            used,
        } = measured;
        let elapsed = sum.last.saturating_duration_since(began);
        let elapsed_s = elapsed.max(options.duration).as_secs_f64();
        let rate_per_s = sum.answered() as f64 / elapsed_s;
        let requests = Requests::new(&sum);
        let sent_bytes_per_s = sum.bytes as f64 / elapsed_s;
        let received_bytes_per_s = match options.shape {
            Shape::OneWay => 0.0,
            Shape::Unary | Shape::Stream => sent_bytes_per_s,
        };
        Self {
            version: env!("CARGO_PKG_VERSION"),
            config: Asked {
                target: options.target.to_string(),
                conns: options.conns,
                rps: options.rps,
                payload: options.payload,
                duration_s: options.duration.as_secs_f64(),
                depth: options.depth,
                streaming: options.shape != Shape::Unary,
                one_way: options.shape == Shape::OneWay,
                runtime: options.runtime.as_str(),
                threads: options.threads,
            },
            negotiated,
            connect_us: Spread::new(connects),
            requests,
            errors: sum.errors,
            elapsed_s,
            rate_per_s,
            sent_bytes_per_s,
            received_bytes_per_s,
            latency_us: Spread::new(&sum.latency),
            latency_distribution: Point::all(&sum.latency),
            seconds,
            start_delay_us: Spread::new(&sum.delay),
            client: used.client,
            server: used.server,
        }
    }

    /// Whether every request that was due was answered with what it sent, and there was one.
    pub fn is_clean(&self) -> bool {
        let requests = &self.requests;
        requests.answered > 0
            && requests.answered == requests.intended
            && requests.connections_lost == 0
    }

    /// What is wrong with a run that is not clean, in one line.
    pub fn fault(&self) -> Option<String> {
        let (answered, intended) = (self.requests.answered, self.requests.intended);
        (!self.is_clean())
            .then(|| format!("not every request was answered well: {answered} of {intended}"))
    }
}

impl Negotiated {
    /// What one connection agreed on.
    pub fn new(info: &ConnectionInfo, hello: Option<&Hello>) -> Self {
        let tls = info.tls.as_ref();
        Self {
            transport: info.transport,
            tls_version: tls.map(|tls| tls.version),
            tls_group: tls.map(|tls| tls.group),
            tls_cipher: tls.map(|tls| tls.cipher),
            alpn: tls.and_then(|tls| tls.alpn.clone()),
            connections: 1,
            resumed: tls.is_some_and(|tls| tls.resumed).into(),
            server: hello.map(|hello| Offer {
                server_version: hello.agent.as_deref().map(str::to_owned),
                max_frame: hello.max_frame,
                max_inflight: hello.max_inflight,
                ack_window: hello.ack_window,
                features: hello.features.names().collect(),
                comp: hello.codings.names().collect(),
            }),
        }
    }

    /// Counts further connections.
    pub fn merge(&mut self, other: &Self) {
        if self.connections == 0 {
            self.clone_from(other);
        } else {
            self.connections += other.connections;
            self.resumed += other.resumed;
        }
    }
}

impl Requests {
    fn new(sum: &Recorder) -> Self {
        let failed = sum.errors.values().sum();
        let answered = sum.answered();
        Self {
            intended: answered + failed + sum.mismatched + sum.unfinished + sum.dropped,
            answered,
            failed,
            mismatched: sum.mismatched,
            unfinished: sum.unfinished,
            dropped: sum.dropped,
            connections_lost: sum.connections_lost,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use oap_tokio::config::Loader;

    use super::*;
    use crate::RuntimeName;
    use crate::load::Machine;

    fn report(adapt: impl FnOnce(&mut Recorder)) -> Report {
        let options = LoadOptions {
            target: "tcp://[::1]:7".parse().unwrap(),
            runtime: RuntimeName::Tokio,
            settings: Loader::client().load().unwrap(),
            tls: None,
            conns: 2,
            rps: 10,
            payload: 100,
            duration: Duration::from_secs(2),
            depth: 16,
            shape: Shape::Unary,
            threads: 1,
            progress: false,
            server: None,
        };
        let began = Instant::now();
        let mut sum = Recorder::new(began);
        adapt(&mut sum);
        let connects = sum.delay.clone();
        let measured = Measured {
            tally: sum,
            seconds: Vec::new(),
            began,
            used: Machine::default(),
        };
        Report::new(&options, Negotiated::default(), &connects, measured)
    }

    fn answer(sum: &mut Recorder, millis: u64) {
        sum.latency.record(Duration::from_millis(millis));
        sum.delay.record(Duration::ZERO);
        sum.bytes += 100;
    }

    #[test]
    fn a_run_without_samples_is_not_clean() {
        let report = report(|_| {});
        assert!(!report.is_clean());
        assert_eq!(report.latency_us, None);
        assert!(report.to_string().contains("latency      no samples"));
    }

    #[test]
    fn a_run_is_clean_when_every_request_was_echoed() {
        let clean = report(|sum| (1..=20).for_each(|n| answer(sum, n)));
        assert!(clean.is_clean());
        assert_eq!((clean.elapsed_s, clean.rate_per_s), (2.0, 10.0));
        assert_eq!(clean.sent_bytes_per_s, 1_000.0);
        let latency = clean.latency_us.unwrap();
        assert!(latency.p50.abs_diff(10_000) < 10 && latency.max.abs_diff(20_000) < 20);

        let spoilers: [fn(&mut Recorder); 5] = [
            |sum| sum.mismatched = 1,
            |sum| sum.unfinished = 1,
            |sum| sum.dropped = 1,
            |sum| sum.connections_lost = 1,
            |sum| *sum.errors.entry("io").or_default() += 1,
        ];
        for spoil in spoilers {
            let report = report(|sum| {
                answer(sum, 1);
                spoil(sum);
            });
            assert!(!report.is_clean(), "{report}");
        }
    }

    #[test]
    fn a_late_last_answer_lengthens_the_run() {
        let report = report(|sum| {
            answer(sum, 3_000);
            sum.last += Duration::from_secs(4);
        });
        assert_eq!((report.elapsed_s, report.rate_per_s), (4.0, 0.25));
    }

    #[test]
    fn programs_read_json() {
        let report = report(|sum| {
            answer(sum, 1);
            sum.errors.insert("timeout", 3);
        });
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["config"]["target"], "tcp://[::1]:7");
        assert_eq!(json["requests"]["intended"], 4);
        assert_eq!(json["errors"]["timeout"], 3);
        assert!(json["latency_us"]["p99_9"].is_u64());
        assert!(json["client"].is_null() && json["server"].is_null());
    }
}
