//! What the page shows of a report.

use std::collections::BTreeMap;

use crate::Usage;
use crate::report::{HandshakeReport, Point, Report, Second, Spread};

/// A run as the page shows it.
pub(crate) struct Run<'a> {
    /// The rate that it was asked for, in words.
    pub(super) name: String,
    pub(super) target: &'a str,
    /// What it counts.
    pub(super) unit: &'static str,
    /// Rate asked for, and reached.
    pub(super) asked: u32,
    pub(super) reached: f64,
    /// How many did not end as they should.
    pub(super) missed: u64,
    pub(super) fault: Option<String>,
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) counts: Vec<(&'static str, u64)>,
    pub(super) errors: &'a BTreeMap<&'static str, u64>,
    /// The first is the latency that charts show.
    pub(super) times: Vec<(&'static str, Option<Spread>)>,
    pub(super) seconds: &'a [Second],
    pub(super) distribution: &'a [Point],
    pub(super) client_cpu_us: Option<f64>,
    pub(super) server_cpu_us: Option<f64>,
}

impl Run<'_> {
    /// The latency that charts show.
    pub(super) fn latency(&self) -> Option<&Spread> {
        self.times.first().and_then(|(_, times)| times.as_ref())
    }
}

impl<'a> From<&'a Report> for Run<'a> {
    fn from(report: &'a Report) -> Self {
        let (config, requests) = (&report.config, &report.requests);
        let each = |usage| cpu_each(usage, requests.answered);
        let shape = match (config.one_way, config.streaming) {
            (true, _) => "one-way streams",
            (false, true) => "streams",
            (false, false) => "requests",
        };
        let load = format!(
            "{} connections, {} {shape} at a time on each, {} B, {} s, {} threads of {}",
            config.conns,
            config.depth,
            config.payload,
            config.duration_s,
            config.threads,
            config.runtime
        );
        let rate = format!(
            "{:.1} requests/s, {:.2} MB/s sent, {:.2} MB/s received, in {:.2} s",
            report.rate_per_s,
            report.sent_bytes_per_s / 1e6,
            report.received_bytes_per_s / 1e6,
            report.elapsed_s
        );
        let mut facts = vec![
            ("Negotiated", report.negotiated.to_string()),
            ("Load", load),
            ("Rate", rate),
        ];
        facts.extend(cpu_facts([
            ("Client", report.client, each(report.client)),
            ("Server", report.server, each(report.server)),
        ]));
        Self {
            name: name(config.rps, "requests"),
            target: &config.target,
            unit: "requests",
            asked: config.rps,
            reached: report.rate_per_s,
            missed: requests.intended - requests.answered,
            fault: report.fault(),
            facts,
            counts: vec![
                ("intended", requests.intended),
                ("answered", requests.answered),
                ("failed", requests.failed),
                ("mismatched", requests.mismatched),
                ("unfinished", requests.unfinished),
                ("dropped", requests.dropped),
                ("connections lost", requests.connections_lost),
            ],
            errors: &report.errors,
            times: vec![
                ("latency: intended start, answer", report.latency_us),
                ("intended start, actual start", report.start_delay_us),
                ("connect, answer to HELLO", report.connect_us),
            ],
            seconds: &report.seconds,
            distribution: &report.latency_distribution,
            client_cpu_us: each(report.client),
            server_cpu_us: each(report.server),
        }
    }
}

impl<'a> From<&'a HandshakeReport> for Run<'a> {
    fn from(report: &'a HandshakeReport) -> Self {
        let (config, counts) = (&report.config, &report.handshakes);
        let load = format!(
            "{} handshakes at {} places, {} s, {} threads of {}",
            config.handshakes.as_str(),
            config.conns,
            config.duration_s,
            config.threads,
            config.runtime
        );
        let rate = format!(
            "{:.1} handshakes/s, in {:.2} s",
            report.rate_per_s, report.elapsed_s
        );
        let mut facts = vec![
            ("Negotiated", report.negotiated.to_string()),
            ("Load", load),
            ("Rate", rate),
        ];
        facts.extend(cpu_facts([
            ("Client", report.client, report.client_cpu_us_each),
            ("Server", report.server, report.server_cpu_us_each),
        ]));
        Self {
            name: name(config.rps, "handshakes"),
            target: &config.target,
            unit: "handshakes",
            asked: config.rps,
            reached: report.rate_per_s,
            missed: counts.intended - counts.completed,
            fault: report.fault(),
            facts,
            counts: vec![
                ("intended", counts.intended),
                ("completed", counts.completed),
                ("resumed", counts.resumed),
                ("full", counts.full),
                ("failed", counts.failed),
                ("unfinished", counts.unfinished),
                ("dropped", counts.dropped),
            ],
            errors: &report.errors,
            times: vec![
                ("latency: intended start, answer to HELLO", report.hello_us),
                ("intended start, TCP and TLS", report.tls_us),
                ("intended start, actual start", report.start_delay_us),
            ],
            seconds: &report.seconds,
            distribution: &report.hello_distribution,
            client_cpu_us: report.client_cpu_us_each,
            server_cpu_us: report.server_cpu_us_each,
        }
    }
}

fn name(asked: u32, unit: &str) -> String {
    match asked {
        0 => "Closed loop".to_owned(),
        rate => format!("{rate} {unit}/s"),
    }
}

fn cpu_each(usage: Option<Usage>, count: u64) -> Option<f64> {
    let usage = usage.filter(|_| count > 0)?;
    Some(usage.cpu_s * 1e6 / count as f64)
}

fn cpu_facts(
    sides: [(&'static str, Option<Usage>, Option<f64>); 2],
) -> impl Iterator<Item = (&'static str, String)> {
    sides.into_iter().filter_map(|(name, usage, each)| {
        let usage = usage?;
        let each = each.map_or_else(String::new, |each| format!(", {each:.1} µs each"));
        let mebi = usage.peak_resident_bytes as f64 / 1_048_576.0;
        let text = format!("{:.2} s of CPU{each}; {mebi:.1} MiB at most", usage.cpu_s);
        Some((name, text))
    })
}
