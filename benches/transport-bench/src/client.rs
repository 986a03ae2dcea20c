//! The load generators' command line.

mod told;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, FromArgMatches, Parser, value_parser};
use oap_tokio::TlsClientConfig;
use oap_tokio::config::{Backend, Loader, Settings, flags, from_matches};

use crate::failure::{matches, refused};
use crate::load::{self, HandshakeOptions, Handshakes, LoadOptions, Shape};
use crate::loops::RuntimeName;
use crate::{Failure, HandshakeReport, MAX_CONNECTIONS, MAX_PAYLOAD, Report, Target, cores, exit};
pub(crate) use told::OutputFile;
use told::{Outputs, measure};

/// Bytes that the windows of all exchanges of a connection may have together.
const WINDOWS: u32 = 8 * 1024 * 1024;
/// The window of an exchange unless there are too many of them.
const WINDOW: u32 = 128 * 1024;

/// Puts a load on an OAP/1 echo server and measures it.
///
/// With a rate it is an open loop: requests are meant to start at even intervals whether or not
/// earlier ones have been answered, and latency counts from the intended start. Exit status: 0 if
/// every request was answered with what it sent, 1 if not or if there is no connection, 2 if an
/// option breaks a rule.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// The server: https://HOST:PORT for TLS, tcp://HOST:PORT or http://HOST:PORT for plain TCP,
    /// quic://HOST:PORT, uds:PATH
    #[arg(long, value_name = "URL")]
    target: Target,
    /// The runtime of the load's threads
    #[arg(long, value_name = "NAME", value_enum, default_value_t)]
    runtime: RuntimeName,
    /// PEM file with the authorities to trust [default: the system's trust store]
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["tls_client.trust_store", "tls_client.ca_bundle_path"]
    )]
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
    /// allows. Several rates, with commas between them, are run one after the other
    #[arg(
        long,
        value_name = "N,..",
        value_delimiter = ',',
        default_value = "0",
        value_parser = value_parser!(u32).range(0..=10_000_000)
    )]
    rps: Vec<u32>,
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
    /// Instead of --depth: streaming exchanges in flight on one connection, 1 to 1024; on QUIC each
    /// has a lane to itself. The server's limits.max_inflight is the most that are open at once
    #[arg(
        long,
        value_name = "N",
        conflicts_with = "depth",
        value_parser = value_parser!(u32).range(1..=1024)
    )]
    streams: Option<u32>,
    /// One-way streams of --payload at a time instead of requests, one on each connection unless
    /// --streams is given, as fast as the server takes them
    #[arg(long, conflicts_with_all = ["rps", "depth"])]
    stream: bool,
    /// Instead of requests: connections that are made, say HELLO and are closed, one after another
    /// at each of --conns places, --rps of them per second or as fast as it goes. Resumed ones
    /// resume the TLS session of the one before. For https:// only
    #[arg(
        long,
        value_name = "KIND",
        value_enum,
        conflicts_with_all = ["payload", "depth", "streams", "stream"]
    )]
    handshakes: Option<Handshakes>,
    /// Threads, 1 to 1024; never more than --conns [default: one per core]
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// The server's process, if it runs on this machine: its CPU time, memory and context switches
    /// are then in the report, too
    #[arg(long, value_name = "PID", value_parser = value_parser!(u32).range(1..))]
    server_pid: Option<u32>,
    /// Also write the report to this file, as JSON: an array of reports if there are several rates
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Also write tables and charts to this file, as a page for a browser
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    #[arg(skip)]
    set: Vec<(&'static str, String)>,
}

/// The whole program of a load generator.
pub fn client_main(program: &'static str) -> ExitCode {
    exit(program, run(program))
}

fn run(program: &'static str) -> Result<(), Failure> {
    let options = Options::parse_from_process(program)?;
    options.check()?;
    let settings = options.loader().load().map_err(Failure::faults)?;
    let outputs = Outputs::create(options.json.as_deref(), options.html.as_deref())?;
    match options.handshakes {
        Some(handshakes) => measure(&options.rps, outputs, |rps| {
            options.run_handshakes(handshakes, &settings, rps)
        }),
        None => measure(&options.rps, outputs, |rps| {
            options.run_requests(&settings, rps)
        }),
    }
}

impl Options {
    fn parse_from_process(program: &'static str) -> Result<Self, Failure> {
        let matches = matches(flags(Self::command().name(program)))?;
        let mut options = Self::from_arg_matches(&matches).map_err(refused)?;
        options.set = from_matches(&matches);
        Ok(options)
    }

    fn loader(&self) -> Loader {
        let flags = self.set.iter().map(|(key, value)| (*key, value.as_str()));
        let mut loader = Loader::client().env(std::env::vars_os()).flags(flags);
        if let Some(path) = &self.ca {
            let path = path.display().to_string();
            loader = loader
                .flag("tls_client.trust_store", "path")
                .flag("tls_client.ca_bundle_path", path);
        }
        // What a uds server needs, a client has in its target.
        if self.target.backend() != Backend::Uds {
            loader = loader.preset("backend", self.target.backend().as_str());
        }
        match self.streams {
            None => loader,
            Some(streams) => loader
                .preset("limits.max_inflight", streams.to_string())
                .preset("limits.ack_window_bytes", window(streams).to_string()),
        }
    }

    fn run_requests(&self, settings: &Settings, rps: u32) -> Result<Report, Failure> {
        let tls = self.tls(settings, true)?;
        load::run(&LoadOptions {
            target: self.target.clone(),
            runtime: self.runtime,
            settings: settings.clone(),
            tls,
            conns: self.conns,
            rps,
            payload: self.payload,
            duration: Duration::from_secs(self.duration.into()),
            depth: self.depth(),
            shape: self.shape(),
            threads: self.threads(),
            progress: true,
            server: self.server_pid,
        })
    }

    fn run_handshakes(
        &self,
        handshakes: Handshakes,
        settings: &Settings,
        rps: u32,
    ) -> Result<HandshakeReport, Failure> {
        let resumed = handshakes == Handshakes::Resumed;
        let places = (0..self.conns)
            .filter_map(|_| self.tls(settings, resumed).transpose())
            .collect::<Result<Vec<_>, _>>()?;
        load::run_handshakes(&HandshakeOptions {
            handshakes,
            target: self.target.clone(),
            runtime: self.runtime,
            settings: settings.clone(),
            places,
            rps,
            duration: Duration::from_secs(self.duration.into()),
            threads: self.threads(),
            progress: true,
            server: self.server_pid,
        })
    }

    fn check(&self) -> Result<(), Failure> {
        if self.handshakes.is_some() && self.target.backend() != Backend::Tls {
            return Err(Failure::usage(format!(
                "--target {}: must be https:// for --handshakes",
                self.target
            )));
        }
        if self.rps.len() > 1 && self.rps.contains(&0) {
            return Err(Failure::usage(
                "--rps: 0, a closed loop, must not be one of several rates",
            ));
        }
        if self.ca.is_some() && self.insecure_no_verify {
            return Err(Failure::usage(
                "--ca: must not be given together with --insecure-no-verify",
            ));
        }
        if !self.has_tls() && (self.ca.is_some() || self.insecure_no_verify) {
            return Err(Failure::usage(format!(
                "--target {}: must be https:// or quic:// for --ca and --insecure-no-verify",
                self.target
            )));
        }
        Ok(())
    }

    fn depth(&self) -> u32 {
        let default = if self.stream { 1 } else { self.depth };
        self.streams.unwrap_or(default)
    }

    const fn shape(&self) -> Shape {
        match (self.stream, self.streams.is_some()) {
            (true, _) => Shape::OneWay,
            (false, true) => Shape::Stream,
            (false, false) => Shape::Unary,
        }
    }

    fn threads(&self) -> usize {
        self.threads.map_or_else(cores, usize::from)
    }

    const fn has_tls(&self) -> bool {
        matches!(self.target.backend(), Backend::Tls | Backend::Quic)
    }

    /// TLS for this target, where it has any, with sessions of its own if it is to resume them.
    fn tls(&self, settings: &Settings, resume: bool) -> Result<Option<TlsClientConfig>, Failure> {
        if !self.has_tls() {
            return Ok(None);
        }
        let builder = settings.tls_client_builder().resumption(resume);
        let builder = match self.insecure_no_verify {
            true => builder.insecure_no_verify(),
            false => builder,
        };
        builder.build().map(Some).map_err(Failure::usage)
    }
}

/// The window of each of so many exchanges, in bytes.
fn window(exchanges: u32) -> u32 {
    WINDOW.min(WINDOWS / exchanges)
}
