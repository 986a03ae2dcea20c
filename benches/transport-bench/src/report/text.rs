//! The report as text.

use std::fmt;

use super::{HandshakeReport, Negotiated, Report, Spread};
use crate::Usage;

/// The report as a person reads it.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (config, requests) = (&self.config, &self.requests);
        writeln!(f, "target       {}", config.target)?;
        writeln!(f, "negotiated   {}", self.negotiated)?;
        let pace = match config.rps {
            0 => "closed loop".to_owned(),
            rate => format!("{rate} requests/s"),
        };
        let shape = match (config.one_way, config.streaming) {
            (true, _) => "one-way streams",
            (false, true) => "streams",
            (false, false) => "depth",
        };
        writeln!(
            f,
            "load         {pace}, {} connections, {shape} {}, {} B, {} s, {} threads of {}",
            config.conns,
            config.depth,
            config.payload,
            config.duration_s,
            config.threads,
            config.runtime
        )?;
        writeln!(
            f,
            "requests     {} intended, {} answered, {} failed, {} mismatched, {} unfinished, \
             {} dropped",
            requests.intended,
            requests.answered,
            requests.failed,
            requests.mismatched,
            requests.unfinished,
            requests.dropped
        )?;
        for (reason, count) in &self.errors {
            writeln!(f, "error        {reason} {count}")?;
        }
        if requests.connections_lost > 0 {
            writeln!(f, "lost         {} connections", requests.connections_lost)?;
        }
        writeln!(
            f,
            "rate         {:.1} requests/s, {:.2} MB/s sent, {:.2} MB/s received, in {:.2} s",
            self.rate_per_s,
            self.sent_bytes_per_s / 1e6,
            self.received_bytes_per_s / 1e6,
            self.elapsed_s
        )?;
        write_spread(f, "connect", self.connect_us)?;
        write_spread(f, "start delay", self.start_delay_us)?;
        write_spread(f, "latency", self.latency_us)?;
        let answered = requests.answered;
        write_usage(f, "client", self.client, answered, "request")?;
        write_usage(f, "server", self.server, answered, "request")
    }
}

/// The report as a person reads it.
impl fmt::Display for HandshakeReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (config, counts) = (&self.config, &self.handshakes);
        writeln!(f, "target       {}", config.target)?;
        writeln!(f, "negotiated   {}", self.negotiated)?;
        let kind = config.handshakes.as_str();
        let pace = match config.rps {
            0 => "closed loop".to_owned(),
            rate => format!("{rate} handshakes/s"),
        };
        writeln!(
            f,
            "load         {kind} handshakes, {pace}, {} places, {} s, {} threads of {}",
            config.conns, config.duration_s, config.threads, config.runtime
        )?;
        writeln!(
            f,
            "handshakes   {} intended, {} completed, {} failed, {} unfinished, {} dropped",
            counts.intended, counts.completed, counts.failed, counts.unfinished, counts.dropped
        )?;
        writeln!(
            f,
            "kind         {} resumed, {} full{}",
            counts.resumed,
            counts.full,
            match counts.of_other_kind(config.handshakes) {
                0 => String::new(),
                other => format!(": {other} are not {kind}"),
            }
        )?;
        for (reason, count) in &self.errors {
            writeln!(f, "error        {reason} {count}")?;
        }
        writeln!(
            f,
            "rate         {:.1} handshakes/s, in {:.2} s",
            self.rate_per_s, self.elapsed_s
        )?;
        write_spread(f, "start delay", self.start_delay_us)?;
        write_spread(f, "TCP and TLS", self.tls_us)?;
        write_spread(f, "HELLO", self.hello_us)?;
        write_usage(f, "client", self.client, counts.completed, "handshake")?;
        write_usage(f, "server", self.server, counts.completed, "handshake")
    }
}

impl fmt::Display for Negotiated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.transport)?;
        for part in [self.tls_version, self.tls_group, self.tls_cipher] {
            part.map_or(Ok(()), |part| write!(f, " {part}"))?;
        }
        if let Some(alpn) = &self.alpn {
            write!(f, " {alpn:?}, {} resumed", self.resumed)?;
        }
        if let Some(name) = self.server.as_ref().and_then(|s| s.server_version.as_ref()) {
            write!(f, ", server {name:?}")?;
        }
        Ok(())
    }
}

fn write_usage(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    usage: Option<Usage>,
    count: u64,
    unit: &str,
) -> fmt::Result {
    let Some(usage) = usage else { return Ok(()) };
    let each = usage.cpu_s / count.max(1) as f64 * 1e6;
    writeln!(
        f,
        "{name:<12} {:.2} s of CPU, {each:.1} us a {unit}; {:.1} MiB at most; {} + {} switches",
        usage.cpu_s,
        usage.peak_resident_bytes as f64 / 1_048_576.0,
        usage.voluntary_switches,
        usage.involuntary_switches
    )
}

fn write_spread(f: &mut fmt::Formatter<'_>, name: &str, times: Option<Spread>) -> fmt::Result {
    let Some(times) = times else {
        return writeln!(f, "{name:<12} no samples");
    };
    writeln!(
        f,
        "{name:<12} p50 {}  p90 {}  p95 {}  p99 {}  p99.9 {}  max {} us",
        times.p50, times.p90, times.p95, times.p99, times.p99_9, times.max
    )
}
