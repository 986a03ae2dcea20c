//! How cost grows: with connections, with streams of one connection, and with connections that are
//! idle.

mod idle;
mod report;
mod slope;

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};

use crate::contender::{BASELINE, Contender, named};
use crate::identity::Identity;
use crate::rounds;
use crate::scenario::{Kind, Shape};
use crate::{known, progress};
use idle::Idle;
use report::{GrowthReport, Sized};

/// Connections with one request at a time each.
const CONNECTIONS: [usize; 6] = [1, 8, 32, 200, 1_000, 2_000];
/// Streams of one connection at a time, with a request each.
const STREAMS: [usize; 5] = [1, 8, 32, 128, 512];
/// Connections that are idle.
const IDLE: [usize; 6] = [100, 200, 500, 1_000, 1_500, 2_000];

/// What is compared on QUIC, the one that the others are compared with first.
const ON_QUIC: [&str; 2] = ["s2n-quic", "oap-tokio-quic"];

/// Part of what is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Cost of a request with 1 to 2000 connections over TLS, one request at a time on each
    Connections,
    /// Cost of a request with 1 to 512 streams at a time on one connection over QUIC
    Streams,
    /// Memory of the server for each of 100 to 2000 idle connections over TLS
    Idle,
}

/// What to measure, and how long.
#[derive(Args)]
pub struct Options {
    /// What to measure, several times if need be [default: all]
    #[arg(long, value_enum, value_name = "NAME")]
    part: Vec<Part>,
    /// Whom to measure beside the raw loop over TLS, several times if need be [default: oap-tokio
    /// and oap-smol]
    #[arg(long, value_name = "NAME", value_parser = known())]
    contender: Vec<String>,
    /// Leave out what has more connections or streams than this
    #[arg(long, default_value_t = 2_000, value_name = "N")]
    most: usize,
    /// Rounds
    #[arg(long, default_value_t = 3, value_name = "N")]
    rounds: usize,
    /// Seconds that each contender is measured in a round, after a third of that to warm up
    #[arg(long, default_value_t = 1.0, value_name = "S")]
    seconds: f64,
    /// Also write everything to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Measures what was asked for and prints tables.
pub fn run(options: &Options) -> Result<()> {
    ensure!(options.rounds > 0, "--rounds: must be above 0");
    let json = options.json.as_ref().map(File::create).transpose()?;
    let directory = tempfile::tempdir()?;
    Identity::create(directory.path())?;
    let identity = directory.path();
    let over_tls = options.over_tls()?;
    let has = |part| options.part.is_empty() || options.part.contains(&part);
    let mut report = GrowthReport {
        rounds: options.rounds,
        seconds: options.seconds,
        connections: Vec::new(),
        streams: Vec::new(),
        idle: Vec::new(),
    };
    if has(Part::Connections) {
        let shapes = CONNECTIONS.map(|conns| {
            (
                conns,
                Shape {
                    kind: Kind::Requests,
                    conns,
                    depth: 1,
                },
            )
        });
        report.connections = options.measure("connections", &over_tls, &shapes, identity)?;
        print!("{}", report.connections_table());
    }
    if has(Part::Streams) {
        let on_quic = named(&ON_QUIC)?;
        let shapes = STREAMS.map(|depth| {
            (
                depth,
                Shape {
                    kind: Kind::QuicRequests,
                    conns: 1,
                    depth,
                },
            )
        });
        report.streams = options.measure("streams", &on_quic, &shapes, identity)?;
        print!("{}", report.streams_table());
    }
    if has(Part::Idle) {
        report.idle = options.idle(&over_tls, identity)?;
        print!("{}", report.idle_table());
    }
    if let Some(file) = json {
        serde_json::to_writer_pretty(file, &report)?;
    }
    Ok(())
}

impl Options {
    /// The raw loop first.
    fn over_tls(&self) -> Result<Vec<&'static dyn Contender>> {
        let mut names = vec![BASELINE];
        match self.contender.is_empty() {
            true => names.extend(["oap-tokio", "oap-smol"]),
            false => {
                let others = self.contender.iter().map(String::as_str);
                names.extend(others.filter(|name| *name != BASELINE));
            }
        }
        let contenders = named(&names)?;
        let requests = Shape {
            kind: Kind::Requests,
            conns: 1,
            depth: 1,
        };
        for contender in &contenders {
            let name = contender.name();
            ensure!(
                contender.takes(requests),
                "--contender {name}: it does not go over TLS"
            );
        }
        Ok(contenders)
    }

    /// Measures requests in each shape.
    fn measure(
        &self,
        part: &str,
        contenders: &[&'static dyn Contender],
        shapes: &[(usize, Shape)],
        identity: &Path,
    ) -> Result<Vec<Sized>> {
        let shapes = shapes.iter().filter(|(size, _)| *size <= self.most);
        let shapes: Vec<_> = shapes.collect();
        let steps = shapes.len() * contenders.len() * self.rounds;
        let progress = progress(steps, part)?;
        let mut sizes = Vec::new();
        for (size, shape) in shapes {
            let standings = rounds::run(
                contenders,
                *shape,
                self.rounds,
                self.seconds,
                identity,
                &progress,
            );
            sizes.push(Sized {
                size: *size,
                standings: standings.with_context(|| format!("{size} {part}"))?,
            });
        }
        progress.finish_and_clear();
        Ok(sizes)
    }

    /// Measures the memory of idle connections.
    fn idle(&self, contenders: &[&'static dyn Contender], identity: &Path) -> Result<Vec<Idle>> {
        let sizes = IDLE.into_iter().filter(|size| *size <= self.most);
        let sizes: Vec<usize> = sizes.collect();
        let progress = progress(contenders.len() * sizes.len(), "idle")?;
        let measure = |contender: &&'static dyn Contender| {
            let name = contender.name();
            progress.set_message(name);
            let idle = Idle::measure(name, &sizes, identity, || progress.inc(1));
            idle.context(name)
        };
        let idle = contenders.iter().map(measure).collect();
        progress.finish_and_clear();
        idle
    }
}
