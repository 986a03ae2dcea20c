//! How the server under test is reached.

use std::io;
use std::path::Path;

use oap_tokio::TlsClientConfig;
use oap_tokio::config::{AnyTransport, Backend, Connector, Loader, Settings, Target};

use super::verdict::BoxFuture;

/// Something that can be connected to again and again.
pub trait Dial: Send + Sync {
    /// A new connection.
    fn dial(&self) -> BoxFuture<'_, io::Result<AnyTransport>>;

    /// The transport's name: `tcp`, `tls`, `quic`, `uds`, or another one.
    fn transport(&self) -> &'static str;

    /// `host:port` and the TLS settings, where handshakes can be made by hand: on TLS.
    fn tls(&self) -> Option<(&str, &TlsClientConfig)> {
        None
    }
}

/// A server at an address.
pub struct Remote {
    connector: Connector,
    tls: Option<TlsClientConfig>,
}

/// Whose certificates are believed.
#[derive(Clone, Copy, Debug)]
pub enum Trust<'a> {
    /// The authorities of the operating system.
    System,
    /// The authorities in this PEM file.
    File(&'a Path),
    /// Everybody's.
    Anybody,
}

impl Remote {
    /// The server at `target`.
    ///
    /// # Errors
    /// What is wrong with the target or with the authorities, in one line.
    pub fn new(target: &str, trust: Trust<'_>) -> Result<Self, String> {
        let target: Target = target.parse().map_err(|error| format!("{error}"))?;
        let settings = Loader::client()
            .load()
            .map_err(|faults| faults.to_string())?;
        match target.backend() {
            Backend::Tls | Backend::Quic => Self::with_tls(&settings, target, trust),
            _ => Ok(Self {
                connector: Connector::new(&settings, target).map_err(|error| error.to_string())?,
                tls: None,
            }),
        }
    }

    fn with_tls(settings: &Settings, target: Target, trust: Trust<'_>) -> Result<Self, String> {
        let builder = TlsClientConfig::builder();
        let builder = match trust {
            Trust::System => builder.system_roots(),
            Trust::File(path) => builder.ca_file(path),
            Trust::Anybody => builder.insecure_no_verify(),
        };
        let tls = builder.build().map_err(|error| error.to_string())?;
        let connector = Connector::with_tls(settings, target, tls.clone());
        Ok(Self {
            connector: connector.map_err(|error| error.to_string())?,
            tls: Some(tls),
        })
    }

    /// Waits until its connections are gone, those of QUIC with their closing messages.
    pub async fn wait_idle(&self) {
        self.connector.wait_idle().await;
    }
}

impl Dial for Remote {
    fn dial(&self) -> BoxFuture<'_, io::Result<AnyTransport>> {
        Box::pin(async {
            let connected = self.connector.connect().await;
            connected.map_err(io::Error::other)
        })
    }

    fn transport(&self) -> &'static str {
        self.connector.target().backend().as_str()
    }

    fn tls(&self) -> Option<(&str, &TlsClientConfig)> {
        let target = self.connector.target();
        let tls = self
            .tls
            .as_ref()
            .filter(|_| target.backend() == Backend::Tls)?;
        Some((target.address()?, tls))
    }
}
