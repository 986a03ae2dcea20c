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
mod runtime;
mod server;
mod service;
mod session;
mod shared;
mod task;
#[cfg(feature = "testing")]
pub mod test_apps;

pub use error::{CallError, ConnectError};
pub use exchange::{Exchange, Message, MessageKind};
pub use incoming::{Incoming, Request, Response};
pub use runtime::{Clock, HandshakeError, Listener, Runtime, Transport};
pub use server::{DrainReport, Server, ServerOptions, ServerStats};
pub use service::{Authorizer, Handler, Service};
pub use session::Session;
