//! Settings, and the listeners and transports that they name.
//!
//! A program that uses [`bind`] and [`connect`] changes its transport by one word of its settings.
//! All else is of `oap_host::config`: [`Loader`] reads settings, [`Live`] reloads them.

use oap_core::driver::HandshakeError;
pub use oap_host::config::*;

#[cfg(all(unix, feature = "quic"))]
use crate::{QuicConnector, QuicListener};
use crate::{TcpListener, TcpOptions};
#[cfg(feature = "tls")]
use crate::{TlsClientConfig, TlsConnector, TlsListener};

/// Listens as `settings` say. It reads certificates and makes sockets. QUIC's own task runs on
/// smol's global executor; for another one, see `QuicListener::bind_on`.
///
/// # Errors
/// One line that says what could not be had.
pub async fn bind(settings: &Settings) -> Result<AnyListener, SetupError> {
    match settings.backend {
        Backend::Tcp => {
            let (tcp, local) = bind_tcp(settings).await?;
            Ok(AnyListener::new(tcp, local))
        }
        #[cfg(feature = "tls")]
        Backend::Tls => {
            let config = settings.tls_server_config()?;
            let (tcp, local) = bind_tcp(settings).await?;
            let listener = TlsListener::new(tcp, config);
            let reloader = listener.reloader();
            Ok(AnyListener::new(listener, local).with_tls(reloader))
        }
        #[cfg(all(unix, feature = "quic"))]
        Backend::Quic => {
            let address = settings.bind_addr;
            let failed = |error| SetupError::listen(address, error);
            let config = settings.tls_server_config()?;
            let listener = QuicListener::bind(address, config, &settings.quic_options())
                .await
                .map_err(failed)?;
            let local = Local::Address(listener.local_addr().map_err(failed)?);
            let reloader = listener.reloader();
            Ok(AnyListener::new(listener, local).with_tls(reloader))
        }
        #[cfg(unix)]
        Backend::Uds => {
            let path = settings.uds.path.as_deref().unwrap_or("".as_ref());
            let listener = crate::UdsListener::bind(path, settings.uds_options())
                .map_err(SetupError::Socket)?;
            let local = Local::Path(listener.path().to_owned());
            Ok(AnyListener::new(listener, local))
        }
        other => Err(SetupError::NotBuilt(other)),
    }
}

async fn bind_tcp(settings: &Settings) -> Result<(TcpListener, Local), SetupError> {
    let address = settings.bind_addr;
    let failed = |error| SetupError::listen(address, error);
    let tcp = TcpListener::bind(address, &settings.tcp_options())
        .await
        .map_err(failed)?;
    let local = Local::Address(tcp.local_addr().map_err(failed)?);
    Ok((tcp, local))
}

/// Connects to `target` once. A client that connects again keeps a [`Connector`], which resumes
/// TLS sessions.
///
/// # Errors
/// [`HandshakeError`]; what is wrong with certificates is one of the reason `tls`.
pub async fn connect(settings: &Settings, target: &Target) -> Result<AnyTransport, HandshakeError> {
    let connector = Connector::new(settings, target.clone())?;
    connector.connect().await
}

/// Connects to one target as settings say. Clones share the TLS sessions to resume.
#[derive(Clone, Debug)]
pub struct Connector {
    target: Target,
    dial: Dial,
}

#[derive(Clone, Debug)]
enum Dial {
    Tcp(TcpOptions),
    #[cfg(feature = "tls")]
    Tls(TlsConnector),
    #[cfg(all(unix, feature = "quic"))]
    Quic(QuicConnector),
    #[cfg(unix)]
    Uds,
}

impl Connector {
    /// Prepares to connect to `target`, whatever `settings.backend` says. It reads authorities and
    /// certificates where the target needs them.
    ///
    /// # Errors
    /// One line that says what could not be had.
    pub fn new(settings: &Settings, target: Target) -> Result<Self, SetupError> {
        let dial = match target.backend() {
            Backend::Tcp => Dial::Tcp(settings.tcp_options()),
            #[cfg(feature = "tls")]
            Backend::Tls | Backend::Quic => {
                return Self::with_tls(settings, target, settings.tls_client_config()?);
            }
            #[cfg(unix)]
            Backend::Uds => Dial::Uds,
            other => return Err(SetupError::NotBuilt(other)),
        };
        Ok(Self { target, dial })
    }

    /// The same with a TLS configuration that the program made, where the target needs one.
    ///
    /// # Errors
    /// One line that says what could not be had.
    #[cfg(feature = "tls")]
    pub fn with_tls(
        settings: &Settings,
        target: Target,
        config: TlsClientConfig,
    ) -> Result<Self, SetupError> {
        let dial = match target.backend() {
            Backend::Tls => Dial::Tls(TlsConnector::new(config, settings.tcp_options())),
            #[cfg(all(unix, feature = "quic"))]
            Backend::Quic => Dial::Quic(QuicConnector::new(config, settings.quic_options())),
            #[cfg(not(all(unix, feature = "quic")))]
            Backend::Quic => return Err(SetupError::NotBuilt(Backend::Quic)),
            _ => return Self::new(settings, target),
        };
        Ok(Self { target, dial })
    }

    /// Where it connects to.
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// A new connection.
    ///
    /// # Errors
    /// As the transport's own connect.
    pub async fn connect(&self) -> Result<AnyTransport, HandshakeError> {
        let address = self.target.address().unwrap_or_default();
        match &self.dial {
            Dial::Tcp(options) => crate::connect(address, options)
                .await
                .map(AnyTransport::new),
            #[cfg(feature = "tls")]
            Dial::Tls(connector) => connector.connect(address).await.map(AnyTransport::new),
            #[cfg(all(unix, feature = "quic"))]
            Dial::Quic(connector) => connector.connect(address).await.map(AnyTransport::new),
            #[cfg(unix)]
            Dial::Uds => {
                let path = self.target.path().unwrap_or("".as_ref());
                crate::connect_uds(path).await.map(AnyTransport::new)
            }
        }
    }

    /// Waits until its connections are gone, the messages that close them included: on QUIC a program
    /// that ends earlier may leave its servers waiting. Elsewhere it is ready at once.
    pub async fn wait_idle(&self) {
        #[cfg(all(unix, feature = "quic"))]
        if let Dial::Quic(connector) = &self.dial {
            connector.wait_idle().await;
        }
    }
}
