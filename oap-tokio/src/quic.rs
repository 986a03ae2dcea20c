//! QUIC on a UDP socket of tokio.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::task::{Context, Poll};

use oap_core::driver::{Accepted, HandshakeError, Listener, dial};
use oap_host::quic::{QuicDialer, QuicEndpoint, QuicOptions, QuicTransport};
use oap_host::tls::{TlsClientConfig, TlsReloader, TlsServerConfig};
use s2n_quic::provider::io::tokio::Provider;
use tokio::net::{ToSocketAddrs, lookup_host};

/// A UDP socket that accepts QUIC connections.
///
/// Handshakes complete before a connection is accepted; those that fail are accepted as failures, so
/// that they are counted. Dropped, it refuses new connections and lets the accepted ones go on.
#[derive(Debug)]
pub struct QuicListener(oap_host::quic::QuicListener);

impl QuicListener {
    /// Listens on the first of the addresses behind `address` that can be bound; port 0 takes a free
    /// one. Tasks of the present runtime serve the socket.
    ///
    /// ALPN is required whatever `config` says of it, as QUIC itself requires it.
    ///
    /// # Errors
    /// `InvalidInput` for an option that breaks a rule, else the failure of the last address tried.
    pub async fn bind(
        address: impl ToSocketAddrs,
        config: TlsServerConfig,
        options: &QuicOptions,
    ) -> io::Result<Self> {
        let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in lookup_host(address).await? {
            match UdpSocket::bind(address) {
                Ok(socket) => return Self::from_std(socket, config, options),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// Listens on a socket that the caller made.
    ///
    /// # Errors
    /// `InvalidInput` for an option that breaks a rule, else the socket's failure.
    pub fn from_std(
        socket: UdpSocket,
        config: TlsServerConfig,
        options: &QuicOptions,
    ) -> io::Result<Self> {
        let socket = provider(socket, options)?;
        oap_host::quic::QuicListener::start(socket, config, options).map(Self)
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// A handle that replaces the configuration while the listener is in use elsewhere.
    pub fn reloader(&self) -> TlsReloader {
        self.0.reloader()
    }
}

impl Listener for QuicListener {
    type Transport = QuicTransport;
    type Handshake = <oap_host::quic::QuicListener as Listener>::Handshake;

    fn backend(&self) -> &'static str {
        self.0.backend()
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted<Self::Handshake>>> {
        self.0.poll_accept(cx)
    }
}

/// Connects with QUIC, from one socket for each family of addresses. It belongs to the runtime that
/// it first connects in.
#[derive(Clone, Debug)]
pub struct QuicConnector(Arc<QuicDialer>);

impl QuicConnector {
    /// Connects as `config` and `options` say. Clones share the sockets and the sessions to resume.
    pub fn new(config: TlsClientConfig, options: QuicOptions) -> Self {
        Self(Arc::new(QuicDialer::new(config, options, start)))
    }

    /// Connects to `address`, `"host:port"` or `"[::1]:port"`, and expects a certificate for the host,
    /// or for the configured server name where there is one.
    ///
    /// # Errors
    /// [`HandshakeError::TimedOut`] when nobody answers within the handshake's time, else
    /// [`HandshakeError::Refused`]: `tls` and `pq_policy` as on TCP, `over_capacity` when the server
    /// takes no more connections, `quic_path` for any other failure.
    pub async fn connect(&self, address: &str) -> Result<QuicTransport, HandshakeError> {
        dial("quic", async {
            let addresses = lookup_host(address).await?;
            self.0.connect(addresses, address).await
        })
        .await
    }

    /// Waits until no connection is left, the messages that close them included: a program that ends
    /// earlier may leave its servers waiting for their idle timeout.
    pub async fn wait_idle(&self) {
        self.0.wait_idle().await;
    }
}

fn start(
    local: SocketAddr,
    config: TlsClientConfig,
    options: &QuicOptions,
) -> io::Result<QuicEndpoint> {
    let socket = provider(UdpSocket::bind(local)?, options)?;
    QuicEndpoint::start(socket, config, options)
}

fn provider(socket: UdpSocket, options: &QuicOptions) -> io::Result<Provider> {
    let mut builder = Provider::builder().with_rx_socket(socket)?;
    if let Some(bytes) = options.socket_send_buffer {
        builder = builder.with_send_buffer_size(bytes)?;
    }
    if let Some(bytes) = options.socket_recv_buffer {
        builder = builder.with_recv_buffer_size(bytes)?;
    }
    builder.build()
}
