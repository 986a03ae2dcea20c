//! Puts a load on an OAP/1 echo server over TLS 1.3 or plain TCP and measures it.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, value_parser};
use oap_tokio::TlsClientConfig;
use transport_bench::load::{self, LoadOptions};
use transport_bench::{
    Failure, MAX_CONNECTIONS, MAX_PAYLOAD, Report, Scheme, Target, cores, exit, parse,
};

const PROGRAM: &str = "tls_echo_client";

/// Puts a load on an OAP/1 echo server over TLS 1.3 or plain TCP and measures it.
///
/// With a rate it is an open loop: requests are meant to start at even intervals whether or not
/// earlier ones have been answered, and latency counts from the intended start. Exit status: 0 if
/// every request was answered with what it sent, 1 if not or if there is no connection, 2 if an
/// option breaks a rule.
#[derive(Parser)]
#[command(name = PROGRAM, version)]
struct Options {
    /// The server: https://HOST:PORT for TLS, http://HOST:PORT or tcp://HOST:PORT for plain TCP
    #[arg(long, value_name = "URL")]
    target: Target,
    /// PEM file with the authorities to trust [default: the system's trust store]
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Believe any certificate: whoever is on the path can then pose as the server
    #[arg(long)]
    insecure_no_verify: bool,
    /// Connections, 1 to 16384
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        value_parser = value_parser!(u32).range(1..=i64::from(MAX_CONNECTIONS))
    )]
    conns: u32,
    /// Requests per second over all connections, 0 to 10000000; 0: closed loop, as fast as --depth
    /// allows
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        value_parser = value_parser!(u32).range(0..=10_000_000)
    )]
    rps: u32,
    /// Payload of each request in bytes, 0 to 1048543
    #[arg(
        long,
        value_name = "BYTES",
        default_value_t = 4096,
        value_parser = value_parser!(u32).range(0..=i64::from(MAX_PAYLOAD))
    )]
    payload: u32,
    /// How long requests are sent, in seconds, 1 to 86400
    #[arg(
        long,
        value_name = "S",
        default_value_t = 10,
        value_parser = value_parser!(u32).range(1..=86_400)
    )]
    duration: u32,
    /// Requests in flight on one connection, 1 to 64; later ones wait, and their wait counts
    #[arg(
        long,
        value_name = "N",
        default_value_t = 16,
        value_parser = value_parser!(u32).range(1..=64)
    )]
    depth: u32,
    /// Threads, 1 to 1024; never more than --conns [default: one per core]
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Also write the report to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn main() -> ExitCode {
    exit(PROGRAM, run())
}

fn run() -> Result<(), Failure> {
    let options: Options = parse()?;
    let tls = options.tls()?;
    // Before the run: its figures must not be lost to a bad path.
    let json = options.json.as_deref().map(create).transpose()?;
    let report = load::run(&LoadOptions {
        tls,
        conns: options.conns,
        rps: options.rps,
        payload: options.payload,
        duration: Duration::from_secs(options.duration.into()),
        depth: options.depth,
        threads: options.threads.map_or_else(cores, usize::from),
        target: options.target,
    })?;
    write!(io::stdout(), "{report}")
        .map_err(|error| Failure::run(format!("stdout: cannot be written: {error}")))?;
    if let Some((path, file)) = json {
        write_json(file, &report)
            .map_err(|error| Failure::run(format!("--json {}: {error}", path.display())))?;
    }
    if report.is_clean() {
        Ok(())
    } else {
        let (answered, intended) = (report.requests.answered, report.requests.intended);
        Err(Failure::run(format!(
            "not every request was answered well: {answered} of {intended}"
        )))
    }
}

fn create(path: &Path) -> Result<(&Path, File), Failure> {
    match File::create(path) {
        Ok(file) => Ok((path, file)),
        Err(error) => {
            let path = path.display();
            Err(Failure::usage(format!(
                "--json {path}: must be writable: {error}"
            )))
        }
    }
}

fn write_json(mut file: File, report: &Report) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut file, report)?;
    writeln!(file)
}

impl Options {
    fn tls(&self) -> Result<Option<TlsClientConfig>, Failure> {
        if self.ca.is_some() && self.insecure_no_verify {
            return Err(Failure::usage(
                "--ca: must not be given together with --insecure-no-verify",
            ));
        }
        if self.target.scheme == Scheme::Tcp {
            if self.ca.is_some() || self.insecure_no_verify {
                return Err(Failure::usage(format!(
                    "--target {}: must be https:// for --ca and --insecure-no-verify",
                    self.target
                )));
            }
            return Ok(None);
        }
        let builder = TlsClientConfig::builder();
        let builder = match &self.ca {
            Some(path) => builder.ca_file(path),
            None if self.insecure_no_verify => builder.insecure_no_verify(),
            None => builder,
        };
        builder.build().map(Some).map_err(Failure::usage)
    }
}
