//! What the adapters of OAP/1 share, whatever their runtime: TLS, QUIC, Unix domain sockets and
//! configuration. Programs use it through `oap-tokio` or `oap-smol`.

#[cfg(feature = "config")]
pub mod config;
#[cfg(feature = "quic")]
pub mod quic;
pub mod readiness;
pub mod room;
pub mod tcp;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(unix)]
pub mod uds;
