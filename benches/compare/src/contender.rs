//! What is compared.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};

use crate::contenders::{h2, oap, quic, raw, tonic, websocket};
use crate::identity::Identity;
use crate::meter::Meter;
use crate::scenario::Shape;

/// One way to send a request over TLS: a server and a client, each on the only thread of its
/// process.
pub trait Contender: Sync {
    /// Its name on the command line and in reports.
    fn name(&self) -> &'static str;

    /// Whether it can do this.
    fn takes(&self, shape: Shape) -> bool {
        !shape.is_quic()
    }

    /// Serves on a free port of 127.0.0.1, which it tells `announce`, until its process is killed.
    fn serve(&self, identity: &Identity, shape: Shape, announce: Announce) -> Result<()>;

    /// Puts a load on a server until the meter has had enough.
    fn load(&self, load: Load) -> Result<()>;
}

/// Tells where a server listens.
pub type Announce = fn(SocketAddr);

/// What a client needs to know.
pub struct Load {
    /// The server.
    pub address: SocketAddr,
    /// Whom to trust.
    pub identity: Identity,
    /// What to do.
    pub shape: Shape,
    /// What counts it.
    pub meter: Arc<Meter>,
}

/// The one that all others are compared with.
pub const BASELINE: &str = "tokio-rustls";

/// All of them, the baseline first.
pub const ALL: [&dyn Contender; 10] = [
    &raw::TokioLoop::Gathered,
    &raw::TokioLoop::Plain,
    &oap::OnTokio,
    &oap::OnSmol,
    &raw::SmolLoop,
    &tonic::Tonic,
    &h2::H2,
    &websocket::WebSocket,
    &quic::Bare,
    &quic::Oap,
];

/// The one of this name.
pub fn by_name(name: &str) -> Option<&'static dyn Contender> {
    ALL.into_iter().find(|contender| contender.name() == name)
}

/// Those of these names, in this order.
pub fn named(names: &[impl AsRef<str>]) -> Result<Vec<&'static dyn Contender>> {
    let find = |name: &str| by_name(name).with_context(|| format!("{name}: nobody has that name"));
    names.iter().map(|name| find(name.as_ref())).collect()
}
