use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};

use super::keys::{Certificates, Ocsp, resolver};
use super::{ALPN, Rules, TlsConfigBuilder, TlsError};

/// A server's side of TLS: TLS 1.3 only, no early data, `oap/1`.
///
/// Session tickets are on. Each configuration has ticket keys of its own, which only its clones
/// share, and replaces them every six hours (OAP-11-3). What a listener asks of its clients is part
/// of the configuration, so listeners that ask different things share no keys.
#[derive(Clone)]
pub struct TlsServerConfig {
    inner: Arc<ServerConfig>,
    rules: Rules,
}

impl TlsServerConfig {
    /// Starts from the defaults: ALPN required, hybrid key exchange, no client certificates,
    /// handshakes within 5 s.
    pub fn builder() -> TlsServerConfigBuilder {
        TlsConfigBuilder::new(ServerSide::default())
    }

    /// What rustls is given.
    pub fn rustls_config(&self) -> &Arc<ServerConfig> {
        &self.inner
    }

    /// What a handshake has to satisfy beyond it.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }
}

impl fmt::Debug for TlsServerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsServerConfig")
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

/// Collects what a [`TlsServerConfig`] needs.
pub type TlsServerConfigBuilder = TlsConfigBuilder<ServerSide>;

/// What only a server has.
#[derive(Default)]
pub struct ServerSide {
    client_ca: Vec<Certificates>,
    ocsp: Option<Ocsp>,
}

impl TlsServerConfigBuilder {
    /// Requires client certificates of the authorities in this PEM file. Default: none are asked
    /// for. Several calls add up.
    pub fn client_ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.side.client_ca.push(Certificates::File(path.into()));
        self
    }

    /// The same, as PEM in memory.
    pub fn client_ca_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.side.client_ca.push(Certificates::Pem(pem.into()));
        self
    }

    /// The same, as DER in memory.
    pub fn client_ca_der(mut self, certificates: Vec<Vec<u8>>) -> Self {
        self.side.client_ca.push(Certificates::Der(certificates));
        self
    }

    /// Staples the OCSP response in this DER file. Default: none.
    pub fn ocsp_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.side.ocsp = Some(Ocsp::File(path.into()));
        self
    }

    /// The same, as DER in memory.
    pub fn ocsp_der(mut self, response: impl Into<Vec<u8>>) -> Self {
        self.side.ocsp = Some(Ocsp::Der(response.into()));
        self
    }

    /// Reads the files and checks that all fits together.
    ///
    /// # Errors
    /// The first value that breaks a rule.
    pub fn build(self) -> Result<TlsServerConfig, TlsError> {
        let identity = self.identity.ok_or(TlsError::Missing(
            "a server needs a certificate and its key",
        ))?;
        let mut identity = identity.load()?;
        identity.ocsp = self.side.ocsp.map(Ocsp::load).transpose()?;

        let provider = self.rules.pq.provider();
        let builder = ServerConfig::builder_with_provider(provider.clone())
            // Neither 1.2 nor early data, which rustls leaves off unless a size is set (OAP-11-1).
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(TlsError::config)?;
        let builder = if self.side.client_ca.is_empty() {
            builder.with_no_client_auth()
        } else {
            let mut roots = RootCertStore::empty();
            for authorities in self.side.client_ca {
                authorities.load_roots(&mut roots)?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(TlsError::config)?;
            builder.with_client_cert_verifier(verifier)
        };
        let mut config = builder.with_cert_resolver(resolver(identity));
        config.alpn_protocols = vec![ALPN.to_vec()];
        // Keys of its own, which rotate by themselves: never shared between listeners (OAP-11-3).
        config.ticketer = Ticketer::new().map_err(TlsError::config)?;
        // Tickets hold the sessions.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(TlsServerConfig {
            inner: Arc::new(config),
            rules: self.rules,
        })
    }
}
