//! Connecting.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use oap_core::driver::HandshakeError;
use s2n_quic::Client;
use s2n_quic::client::Connect;
use s2n_quic::provider::io::Provider;
use s2n_quic::provider::tls::rustls;

use super::error::refusal;
use super::observer::{Living, Observer};
use super::options::QuicOptions;
use super::tls::TellAlerts;
use super::transport::{QuicTransport, Side};
use crate::tls::TlsClientConfig;

/// A UDP socket that opens QUIC connections, any number of them. Clones share the socket.
#[derive(Clone, Debug)]
pub struct QuicEndpoint {
    client: Client,
    config: TlsClientConfig,
    keep_alive: bool,
    living: Arc<Living>,
}

impl QuicEndpoint {
    /// Starts on the socket behind `socket`.
    ///
    /// # Errors
    /// `InvalidInput` for an option that breaks a rule, else the socket's failure.
    pub fn start(
        socket: impl Provider,
        config: TlsClientConfig,
        options: &QuicOptions,
    ) -> io::Result<Self> {
        let limits = options.client_limits(config.rules().handshake_timeout())?;
        let observer = Observer::default();
        let living = observer.living.clone();
        let client = Client::builder()
            .with_tls(rustls::Client::from(config.rustls_config().clone()))
            .map_err(io::Error::other)?
            .with_limits(limits)
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
            client,
            config,
            keep_alive: options.keep_alive.is_some(),
            living,
        })
    }

    /// The address that it sends from.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.client.local_addr()
    }

    /// Connects to `address`, and expects a certificate for `host`, or for the configured server name
    /// where there is one.
    ///
    /// # Errors
    /// [`HandshakeError::TimedOut`] when nobody answers within the handshake's time, else
    /// [`HandshakeError::Refused`]: `tls` and `pq_policy` as on TCP, `over_capacity` when the server
    /// takes no more connections, `quic_path` for any other failure.
    pub async fn connect(
        &self,
        address: SocketAddr,
        host: &str,
    ) -> Result<QuicTransport, HandshakeError> {
        let name = self.config.name_for(host)?;
        let connect = Connect::new(address).with_server_name(&*name.to_str());
        let connection = self
            .client
            .connect(connect)
            .await
            .map_err(|error| refusal(&error, self.config.rules()))?;
        let transport = QuicTransport::new(
            connection,
            Side::Client,
            self.config.rules(),
            self.config.rustls_config().crypto_provider(),
            self.keep_alive,
            None,
        )?;
        Ok(transport)
    }

    /// Waits until no connection is left, the messages that close them included: a program that ends
    /// earlier may leave its servers waiting for their idle timeout.
    pub async fn wait_idle(&self) {
        poll_fn(|cx| self.living.poll_idle(cx)).await;
    }
}
