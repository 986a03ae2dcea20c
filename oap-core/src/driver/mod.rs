//! The runtime-neutral driver: it moves bytes between a [`Connection`](crate::Connection) and any
//! stream, and turns events into futures.
//!
//! An adapter supplies a [`Runtime`], [`Transport`]s and [`Listener`]s. The rest is here and the same
//! for all of them: [`Session`] and [`Exchange`] for clients, [`Server`], [`Service`] and [`Incoming`]
//! for servers. Each connection is one task; its handlers run in it.

mod accept;
mod error;
mod exchange;
mod incoming;
mod info;
mod inputs;
mod lanes;
mod rates;
mod runtime;
mod seats;
mod server;
mod service;
mod session;
mod shared;
mod task;
#[cfg(feature = "telemetry")]
pub mod telemetry;
#[cfg(not(feature = "telemetry"))]
mod telemetry;
#[cfg(feature = "testing")]
pub mod test_apps;
mod turn;

pub use error::{CallError, ConnectError};
pub use exchange::{Exchange, Message, MessageKind};
pub use incoming::{Incoming, Request, Response};
pub use info::{ConnectionInfo, PeerKey, TlsInfo};
pub use rates::Rates;
pub use runtime::{
    Accepted, Clock, HandshakeError, LaneError, Lanes, Listener, Runtime, Transport, dial,
};
pub use server::{DrainReport, Server, ServerOptions, ServerStats};
pub use service::{Authorizer, Handler, Service};
pub use session::Session;
