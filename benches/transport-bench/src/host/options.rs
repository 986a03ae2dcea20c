//! The servers' command line: a few options of their own, and every key of the settings.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{CommandFactory, FromArgMatches, Parser};
use oap_tokio::config::{Backend, Loader, Settings, flags, from_matches};

use super::identity::Identity;
use crate::failure::{matches, refused};
use crate::loops::RuntimeName;
use crate::ops::Console;
use crate::{Failure, cores};

/// Serves the OAP/1 test applications.
///
/// It prints `listening on ADDR` once it is ready. Settings come from flags, from environment
/// variables such as OAP_MAX_CONNS, and from the file of --config, in this order. SIGHUP reads them
/// and the certificates again. SIGTERM or SIGINT drains: clients get GOAWAY and requests in flight
/// may finish within drain_timeout; a second one ends the program at once. Exit status: 0 after a
/// signal, 1 if it cannot run, 2 if a value breaks a rule.
#[derive(Parser)]
#[command(version)]
pub(super) struct Options {
    /// The runtime that serves
    #[arg(long, value_name = "NAME", value_enum, default_value_t)]
    pub(super) runtime: RuntimeName,
    /// TOML file with settings
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Serve /metrics, /healthz and /readyz over HTTP at this address, for operators only
    #[arg(long, value_name = "ADDR")]
    pub(super) metrics: Option<SocketAddr>,
    /// Threads that serve connections, 1 to 1024 [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Plain TCP: short for --backend tcp
    #[arg(long, conflicts_with_all = ["backend", "tls.cert_path", "tls.key_path", "tls.alpn"])]
    plain: bool,
    /// Where no certificate is set, a self-signed one is made, for localhost, 127.0.0.1, ::1 and
    /// the address that is listened on; write it to this file, for a client's --ca
    #[arg(long, value_name = "FILE", conflicts_with_all = ["plain", "tls.cert_path"])]
    self_signed_out: Option<PathBuf>,
    /// Let tokio-console connect here, in builds of the feature `console`
    #[arg(long, value_name = "ADDR")]
    console: Option<SocketAddr>,
    #[arg(skip)]
    set: Vec<(&'static str, String)>,
    #[arg(skip = Backend::Tcp)]
    backend: Backend,
}

impl Options {
    /// The command line of this process.
    pub(super) fn parse(program: &'static str, backend: Backend) -> Result<Self, Failure> {
        let matches = matches(command(program, backend))?;
        let mut options = Self::from_arg_matches(&matches).map_err(refused)?;
        options.set = from_matches(&matches);
        options.backend = backend;
        if options.plain {
            options.set.push(("backend", "tcp".to_owned()));
        }
        Ok(options)
    }

    /// Where settings come from, for the start and for reloads.
    pub(super) fn loader(&self) -> Loader {
        let loader = Loader::server()
            .brings_certificate()
            .preset("backend", self.backend.as_str())
            .env(std::env::vars_os())
            .flags(self.set.iter().map(|(key, value)| (*key, value.as_str())));
        match &self.config {
            Some(path) => loader.file(path),
            None => loader,
        }
    }

    pub(super) fn settings(&self) -> Result<Settings, Failure> {
        self.loader().load().map_err(Failure::faults)
    }

    /// What does not go together, and the self-signed certificate's file.
    pub(super) fn check(&self, settings: &Settings, identity: &Identity) -> Result<(), Failure> {
        if let (Some(address), RuntimeName::Smol) = (self.console, self.runtime) {
            return Err(Failure::usage(format!(
                "--console {address}: must come with --runtime tokio"
            )));
        }
        let Some(path) = &self.self_signed_out else {
            return Ok(());
        };
        let shown = path.display();
        match identity {
            Identity::Own(_) if settings.amnesia => Err(Failure::usage(format!(
                "--self-signed-out {shown}: must not be given with amnesia = true, which writes \
                 nothing to disk"
            ))),
            Identity::Own(own) => own.write(path),
            Identity::Files => Err(Failure::usage(format!(
                "--self-signed-out {shown}: must not be given together with tls.cert_path"
            ))),
            Identity::None => Err(Failure::usage(format!(
                "--self-signed-out {shown}: backend {} has no certificates",
                settings.backend.as_str()
            ))),
        }
    }

    pub(super) fn threads(&self) -> usize {
        self.threads.map_or_else(cores, usize::from)
    }

    pub(super) fn console(&self) -> Console {
        Console(self.console)
    }
}

/// Keys that have a shorter flag as well.
const SHORT: [(&str, &str); 4] = [
    ("bind_addr", "listen"),
    ("tls.cert_path", "cert"),
    ("tls.key_path", "key"),
    ("tls.alpn", "alpn"),
];

fn command(program: &'static str, backend: Backend) -> clap::Command {
    let about = format!(
        "Serves the OAP/1 test applications, over {} unless --backend says otherwise.",
        backend.as_str()
    );
    let command = flags(Options::command().name(program).about(about));
    SHORT.into_iter().fold(command, |command, (key, short)| {
        command.mut_arg(key, |arg| arg.visible_alias(short))
    })
}
