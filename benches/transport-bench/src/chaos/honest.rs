//! Clients that do nothing wrong.

use std::net::SocketAddr;
use std::time::Duration;

use oap_tokio::config::{Loader, Settings};

use super::peer::Server;
use super::report::Seen;
use super::{Options, PAYLOAD};
use crate::load::{self, LoadOptions, Shape};
use crate::{Failure, RuntimeName};

/// Clients whose requests start at even intervals.
pub(super) struct Honest {
    address: SocketAddr,
    settings: Settings,
    conns: u32,
    rps: u32,
    part: Duration,
}

impl Honest {
    /// Those that are measured beside the trouble.
    pub(super) fn of(server: &Server, options: &Options) -> Result<Self, Failure> {
        Self::at(server.address, options.conns, options.rps, options.part())
    }

    pub(super) fn at(
        address: SocketAddr,
        conns: u32,
        rps: u32,
        part: Duration,
    ) -> Result<Self, Failure> {
        let settings = Loader::client().load().map_err(Failure::faults)?;
        Ok(Self {
            address,
            settings,
            conns,
            rps,
            part,
        })
    }

    /// Connects, asks for as long as a part takes, and tells what came of it.
    pub(super) fn measure(&self) -> Result<Seen, Failure> {
        let report = load::run(&LoadOptions {
            target: format!("tcp://{}", self.address)
                .parse()
                .map_err(Failure::run)?,
            runtime: RuntimeName::Tokio,
            settings: self.settings.clone(),
            tls: None,
            conns: self.conns,
            rps: self.rps,
            payload: PAYLOAD,
            duration: self.part,
            depth: 16,
            shape: Shape::Unary,
            threads: 1,
            progress: false,
            server: None,
        })?;
        Ok(Seen::of(&report))
    }
}
