//! QUIC on a UDP socket of async-io.

mod socket;

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::task::{Context, Poll};

use oap_core::driver::{Accepted, HandshakeError, Listener, dial};
use oap_host::quic::{QuicDialer, QuicEndpoint, QuicOptions, QuicTransport};
use oap_host::tls::{TlsClientConfig, TlsReloader, TlsServerConfig};
use smol::net::{AsyncToSocketAddrs, resolve};

use crate::SmolRuntime;

use socket::Socket;

/// A UDP socket that accepts QUIC connections.
///
/// Handshakes complete before a connection is accepted; those that fail are accepted as failures, so
/// that they are counted. Dropped, it refuses new connections and lets the accepted ones go on.
#[derive(Debug)]
pub struct QuicListener(oap_host::quic::QuicListener);

impl QuicListener {
    /// Listens on the first of the addresses behind `address` that can be bound; port 0 takes a free
    /// one. Tasks of smol's global executor serve the socket.
    ///
    /// ALPN is required whatever `config` says of it, as QUIC itself requires it.
    ///
    /// # Errors
    /// `InvalidInput` for an option that breaks a rule, else the failure of the last address tried.
    pub async fn bind(
        address: impl AsyncToSocketAddrs,
        config: TlsServerConfig,
        options: &QuicOptions,
    ) -> io::Result<Self> {
        Self::bind_on(&SmolRuntime::global(), address, config, options).await
    }

    /// The same with tasks of `runtime`.
    ///
    /// # Errors
    /// As [`QuicListener::bind`].
    pub async fn bind_on(
        runtime: &SmolRuntime,
        address: impl AsyncToSocketAddrs,
        config: TlsServerConfig,
        options: &QuicOptions,
    ) -> io::Result<Self> {
        let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in resolve(address).await? {
            match UdpSocket::bind(address) {
                Ok(socket) => return Self::from_std(runtime, socket, config, options),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// Listens on a socket that the caller made, which tasks of `runtime` serve.
    ///
    /// # Errors
    /// `InvalidInput` for an option that breaks a rule, else the socket's failure.
    pub fn from_std(
        runtime: &SmolRuntime,
        socket: UdpSocket,
        config: TlsServerConfig,
        options: &QuicOptions,
    ) -> io::Result<Self> {
        let socket = Socket::new(runtime, socket, options);
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

/// Connects with QUIC, from one socket for each family of addresses.
#[derive(Clone, Debug)]
pub struct QuicConnector(Arc<QuicDialer>);

impl QuicConnector {
    /// Connects as `config` and `options` say, with tasks of smol's global executor. Clones share the
    /// sockets and the sessions to resume.
    pub fn new(config: TlsClientConfig, options: QuicOptions) -> Self {
        Self::new_on(&SmolRuntime::global(), config, options)
    }

    /// The same with tasks of `runtime`.
    pub fn new_on(runtime: &SmolRuntime, config: TlsClientConfig, options: QuicOptions) -> Self {
        let runtime = runtime.clone();
        let start = move |local, config, options: &QuicOptions| {
            let socket = Socket::new(&runtime, UdpSocket::bind::<SocketAddr>(local)?, options);
            QuicEndpoint::start(socket, config, options)
        };
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
            let addresses = resolve(address).await?;
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
