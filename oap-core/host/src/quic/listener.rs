//! Accepting.

use std::future::{Ready, ready};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use oap_core::driver::{Accepted, ConnectionInfo, HandshakeError, Listener};
use s2n_quic::provider::endpoint_limits::{self, ConnectionAttempt, Limiter, Outcome};
use s2n_quic::provider::io::Provider;
use s2n_quic::{Connection, Server};

use super::NAME;
use super::observer::{Failures, Observer};
use super::options::QuicOptions;
use super::tls::{ServerTls, TellAlerts};
use super::transport::{QuicTransport, Seat, Side};
use crate::tls::{TlsReloader, TlsServerConfig};

/// A UDP socket that accepts QUIC connections.
///
/// Handshakes complete before a connection is accepted; those that fail are accepted as failures, so
/// that they are counted. Dropped, it refuses new connections and lets the accepted ones go on.
#[derive(Debug)]
pub struct QuicListener {
    server: Server,
    config: TlsReloader,
    failures: Arc<Failures>,
    seats: Arc<AtomicUsize>,
    keep_alive: bool,
}

impl QuicListener {
    /// Starts on the socket behind `socket`.
    ///
    /// ALPN is required whatever `config` says of it, as QUIC itself requires it.
    ///
    /// # Errors
    /// `InvalidInput` for an option that breaks a rule, else the socket's failure.
    pub fn start(
        socket: impl Provider,
        config: TlsServerConfig,
        options: &QuicOptions,
    ) -> io::Result<Self> {
        let limits = options.server_limits(config.rules().handshake_timeout())?;
        let config = TlsReloader::new(config);
        let failures = Arc::<Failures>::default();
        let seats = Arc::<AtomicUsize>::default();
        let admission = Admission {
            ports: endpoint_limits::Default::builder()
                .with_inflight_handshake_limit(options.max_handshakes)
                .and_then(|builder| builder.build())
                .unwrap_or_else(|never| match never {}),
            backlog: options.backlog,
            seats: seats.clone(),
        };
        let observer = Observer {
            listener: Some((failures.clone(), config.clone())),
            ..Observer::default()
        };
        let server = Server::builder()
            .with_tls(ServerTls(config.clone()))
            .map_err(io::Error::other)?
            .with_limits(limits)
            .map_err(io::Error::other)?
            .with_endpoint_limits(admission)
            .map_err(io::Error::other)?
            .with_event(observer)
            .map_err(io::Error::other)?
            .with_connection_close_formatter(TellAlerts)
            .map_err(io::Error::other)?
            .with_io(socket)
            .map_err(io::Error::other)?
            .start()
            .map_err(io::Error::other)?;
        Ok(Self {
            server,
            config,
            failures,
            seats,
            keep_alive: options.keep_alive.is_some(),
        })
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.server.local_addr()
    }

    /// A handle that replaces the configuration while the listener is in use elsewhere.
    pub fn reloader(&self) -> TlsReloader {
        self.config.clone()
    }

    fn establish(&self, connection: Connection) -> Result<QuicTransport, HandshakeError> {
        let config = self.config.current();
        let transport = QuicTransport::new(
            connection,
            Side::Server,
            config.rules(),
            config.rustls_config().crypto_provider(),
            self.keep_alive,
            Some(Seat::take(&self.seats)),
        )?;
        Ok(transport)
    }
}

impl Listener for QuicListener {
    type Transport = QuicTransport;
    type Handshake = Ready<Result<QuicTransport, HandshakeError>>;

    fn backend(&self) -> &'static str {
        NAME
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted<Self::Handshake>>> {
        if let Poll::Ready((peer, error)) = self.failures.poll_next(cx) {
            return Poll::Ready(Ok(Accepted {
                peer,
                handshake: ready(Err(error)),
            }));
        }
        match self.server.poll_accept(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) => Poll::Ready(Err(io::Error::new(
                io::ErrorKind::BrokenPipe,
                "the QUIC endpoint has stopped",
            ))),
            Poll::Ready(Some(connection)) => {
                let mut info = ConnectionInfo::new(NAME);
                info.peer = connection.remote_addr().ok();
                Poll::Ready(Ok(Accepted {
                    peer: info.peer_key(),
                    handshake: ready(self.establish(connection)),
                }))
            }
        }
    }
}

/// Decides about new connections: s2n-quic's own rules, and a bound on those that nobody has accepted
/// yet.
struct Admission {
    ports: endpoint_limits::default::Limits,
    backlog: usize,
    seats: Arc<AtomicUsize>,
}

impl Limiter for Admission {
    fn on_connection_attempt(&mut self, attempt: &ConnectionAttempt<'_>) -> Outcome {
        let accepted = self.seats.load(Ordering::Relaxed);
        if attempt.connection_count >= accepted.saturating_add(self.backlog) {
            return Outcome::close();
        }
        self.ports.on_connection_attempt(attempt)
    }
}
