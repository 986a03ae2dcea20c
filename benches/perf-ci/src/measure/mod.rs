//! Takes the figures: runs the echo programs and reads their reports.

mod echo;
mod programs;

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, value_parser};

use crate::command::commit;
use crate::host::Host;
use crate::noise::{Noise, Processors, cpu_time_of};
use crate::{Fault, Figure, Load, Report, Run, now};
use echo::{Loaded, small, stream};
use programs::Programs;

/// Payload of a chunk of a stream.
const STREAM_BYTES: u32 = 64 * 1024;

/// How to measure.
#[derive(Args, Clone, Debug)]
pub struct Measure {
    /// Runs of every load, 1 to 99
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = value_parser!(u32).range(1..=99))]
    pub runs: u32,
    /// Seconds of each load, 1 to 600
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// Small requests per second over all connections: the target load
    #[arg(long, value_name = "N", default_value_t = 5_000, value_parser = value_parser!(u32).range(1..=10_000_000))]
    rps: u32,
    /// Connections with small requests
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = value_parser!(u32).range(1..=16_384))]
    conns: u32,
    /// Payload of a small request in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 4_096, value_parser = value_parser!(u32).range(0..=1_048_543))]
    payload: u32,
    /// Connections that stream
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = value_parser!(u32).range(1..=16_384))]
    stream_conns: u32,
    /// Directory of the echo programs [default: that of this program]
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
}

impl Measure {
    const fn load(&self) -> Load {
        Load {
            small_conns: self.conns,
            small_rps: self.rps,
            small_bytes: self.payload,
            stream_conns: self.stream_conns,
            stream_bytes: STREAM_BYTES,
            seconds: self.seconds,
        }
    }

    /// Makes all runs and tells `progress` what it does.
    ///
    /// # Errors
    /// Programs that are not there; a system that does not tell its facts.
    pub fn measure(&self, krate: &str, mut progress: impl FnMut(&str)) -> Result<Report, Fault> {
        let programs = Programs::find(self.programs.as_deref())?;
        let (commit, dirty) = commit()?;
        let host = Host::this()?;
        let noise = Noise::measure()?;
        progress(&format!("{}: {noise}", host.host_class));
        let measured = now();
        let mut runs = Vec::new();
        for number in 1..=self.runs {
            progress(&format!("run {number} of {}", self.runs));
            runs.push(self.run(&programs)?);
        }
        Ok(Report {
            krate: krate.to_owned(),
            measured,
            commit,
            dirty,
            optimised: !cfg!(debug_assertions),
            host,
            load: self.load(),
            noise,
            runs,
        })
    }

    fn run(&self, programs: &Programs) -> Result<Run, Fault> {
        let (before, own_before) = (Processors::now()?, cpu_time_of(std::process::id())?);
        let load = self.load();
        let mut found = Found::default();
        let mut server = programs.serve("tls")?;
        found.loaded(
            small(programs, &server, &load),
            &[Figure::TlsSmallP95, Figure::TlsSmallP99, Figure::Cpu],
        );
        found.loaded(stream(programs, &server, &load), &[Figure::TlsStream]);
        let tls_memory = server.stop();
        let mut server = programs.serve("quic")?;
        found.loaded(stream(programs, &server, &load), &[Figure::QuicStream]);
        let memory = tls_memory.and_then(|tls| Ok(tls.max(server.stop()?)));
        let memory = memory.map(|bytes| vec![(Figure::Memory, bytes as f64 / f64::from(1 << 30))]);
        found.loaded(memory.map_err(|fault| fault.to_string()), &[Figure::Memory]);
        let own = cpu_time_of(std::process::id())?.saturating_sub(own_before);
        let shares = Processors::now()?.since(before, own);
        Ok(Run {
            figures: found.figures,
            missing: found.missing,
            steal_pct: shares.steal_pct,
            others_pct: shares.others_pct,
        })
    }
}

/// What a run has found, and what not.
#[derive(Default)]
struct Found {
    figures: BTreeMap<Figure, f64>,
    missing: BTreeMap<String, String>,
}

impl Found {
    /// Takes the figures of a load, or notes why `wanted` are missing.
    fn loaded(&mut self, loaded: Loaded, wanted: &[Figure]) {
        match loaded {
            Ok(figures) => self.figures.extend(figures),
            Err(reason) => {
                let missing = wanted
                    .iter()
                    .map(|figure| (figure.key().to_owned(), reason.clone()));
                self.missing.extend(missing);
            }
        }
    }
}
