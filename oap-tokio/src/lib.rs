//! OAP/1 on tokio: the streams, listeners, timers and tasks that `oap_core::driver` runs on.

#[cfg(feature = "config")]
pub mod config;
mod io;
#[cfg(feature = "quic")]
mod quic;
mod runtime;
mod tcp;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "tower")]
pub mod tower;
#[cfg(unix)]
mod uds;

pub use oap_core::driver::{
    Authorizer, CallError, ConnectError, ConnectionInfo, DrainReport, Exchange, Handler,
    HandshakeError, Incoming, Message, MessageKind, PeerKey, Request, Response, Server,
    ServerOptions, ServerStats, Service, Session, TlsInfo,
};
pub use oap_core::wire::{Codings, ErrorBody, Features, Hello};
pub use oap_core::{
    Body, CloseReason, Code, Config, Counters, End, Fin, Head, Limits, Payload, Reason, SendError,
    Start, Timers, Verdict,
};

pub use io::StreamTransport;
#[cfg(feature = "quic")]
pub use oap_host::quic::{QuicOptions, QuicTransport};
pub use oap_host::readiness::{Condition, Readiness, ReadyState};
pub use oap_host::tcp::TcpOptions;
#[cfg(feature = "tls")]
pub use oap_host::tls::{
    AlpnPolicy, PqMode, TlsClientConfig, TlsClientConfigBuilder, TlsError, TlsReloader,
    TlsServerConfig, TlsServerConfigBuilder,
};
#[cfg(feature = "quic")]
pub use quic::{QuicConnector, QuicListener};
pub use runtime::{TokioClock, TokioRuntime, run};
pub use tcp::{TcpListener, TcpTransport, connect};
#[cfg(feature = "tls")]
pub use tls::{TlsConnector, TlsHandshake, TlsListener, TlsTransport};
#[cfg(unix)]
pub use {
    oap_host::uds::UdsOptions,
    uds::{UdsListener, UdsTransport, connect_uds},
};

/// This adapter's runtime, under the name that all adapters give theirs.
pub type Runtime = TokioRuntime;

/// The examples of the README, compiled and run as tests.
#[cfg(all(doctest, feature = "config"))]
#[doc = include_str!("../../README.md")]
struct Readme;
