//! QUIC, by s2n-quic on rustls: each bidirectional stream that the client opens is a lane
//! (OAP-11-5).
//!
//! An adapter brings the socket, as a provider of s2n-quic, and starts a [`QuicListener`] or a
//! [`QuicEndpoint`] on it. The rest is here and the same for all of them.

mod client;
mod dialer;
mod error;
mod lane;
mod listener;
mod observer;
mod options;
mod ready;
mod table;
mod tls;
mod transport;

pub use client::QuicEndpoint;
pub use dialer::QuicDialer;
pub use listener::QuicListener;
pub use options::QuicOptions;
pub use transport::QuicTransport;

/// Name of the transport, as [`ConnectionInfo::transport`](oap_core::driver::ConnectionInfo) has it.
const NAME: &str = "quic";
