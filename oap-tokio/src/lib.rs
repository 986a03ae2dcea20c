//! OAP/1 on tokio: the streams, listeners, timers and tasks that `oap_core::driver` runs on.

mod io;
mod runtime;
mod tcp;
#[cfg(feature = "tls")]
mod tls;

pub use oap_core::driver::{
    Authorizer, CallError, ConnectError, DrainReport, Exchange, Handler, HandshakeError, Incoming,
    Message, MessageKind, Request, Response, Server, ServerOptions, ServerStats, Service, Session,
};
pub use oap_core::wire::{Codings, ErrorBody, Features, Hello};
pub use oap_core::{
    Body, CloseReason, Code, Config, Counters, End, Fin, Head, Limits, Payload, Reason, SendError,
    Start, Timers, Verdict,
};

pub use io::{ConnectionInfo, StreamTransport, TlsInfo};
pub use runtime::{TokioClock, TokioRuntime};
pub use tcp::{TcpListener, TcpOptions, TcpTransport, connect};
#[cfg(feature = "tls")]
pub use tls::{
    AlpnPolicy, PqMode, TlsClientConfig, TlsClientConfigBuilder, TlsConnector, TlsError,
    TlsHandshake, TlsListener, TlsReloader, TlsServerConfig, TlsServerConfigBuilder, TlsTransport,
};

/// The example of the README, compiled and run as a test.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
