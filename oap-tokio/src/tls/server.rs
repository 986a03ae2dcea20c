use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use super::keys::{Certificates, Identity, Ocsp, resolver};
use super::{ALPN, AlpnPolicy, BUFFER_LIMIT, PqMode, Rules, TlsError, TlsHandshake};
use crate::io::{BufferedIo, ConnectionInfo};

/// A server's side of TLS: TLS 1.3 only, no early data, `oap/1`.
///
/// Session tickets are on. Each configuration has ticket keys of its own, kept by its clones only
/// and replaced every six hours: never share one between listeners that ask different things of
/// clients.
#[derive(Clone)]
pub struct TlsServerConfig {
    acceptor: TlsAcceptor,
    rules: Rules,
}

impl TlsServerConfig {
    /// Starts from the defaults: ALPN required, hybrid key exchange, no client certificates,
    /// handshakes within 5 s.
    pub fn builder() -> TlsServerConfigBuilder {
        TlsServerConfigBuilder {
            identity: None,
            client_ca: Vec::new(),
            ocsp: None,
            rules: Rules::default(),
        }
    }

    /// When the handshake of a connection that is accepted now has to be complete.
    pub(super) fn handshake_deadline(&self) -> Instant {
        Instant::now() + self.rules.handshake_timeout
    }

    /// Begins the handshake on a connected `stream` of which `info` is known.
    pub fn accept<S>(&self, stream: S, info: ConnectionInfo) -> TlsHandshake<S>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        self.accept_by(stream, info, self.handshake_deadline())
    }

    pub(super) fn accept_by<S>(
        &self,
        stream: S,
        info: ConnectionInfo,
        deadline: Instant,
    ) -> TlsHandshake<S>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let handshake = self
            .acceptor
            .accept_with(BufferedIo::new(stream), |session| {
                session.set_buffer_limit(Some(BUFFER_LIMIT));
            });
        TlsHandshake::new(handshake, info, self.rules, deadline)
    }
}

impl fmt::Debug for TlsServerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsServerConfig")
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

/// Collects what a [`TlsServerConfig`] needs; files are read by [`build`](Self::build).
#[must_use]
pub struct TlsServerConfigBuilder {
    identity: Option<Identity>,
    client_ca: Vec<Certificates>,
    ocsp: Option<Ocsp>,
    rules: Rules,
}

impl TlsServerConfigBuilder {
    /// PEM files: the certificate chain, our own certificate first, and its private key. A key
    /// file that group or others may read is refused.
    pub fn files(mut self, chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.identity = Some(Identity::files(chain.into(), key.into()));
        self
    }

    /// The same, as PEM in memory. The key's bytes are zeroized.
    pub fn pem(mut self, chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.identity = Some(Identity::pem(chain.into(), key.into()));
        self
    }

    /// The same, as DER in memory; the key in PKCS#8, PKCS#1 or SEC1. The key's bytes are zeroized.
    pub fn der(mut self, chain: Vec<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.identity = Some(Identity::der(chain, key.into()));
        self
    }

    /// Requires client certificates of the authorities in this PEM file. Default: none are asked
    /// for. Several calls add up.
    pub fn client_ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.client_ca.push(Certificates::File(path.into()));
        self
    }

    /// The same, as PEM in memory.
    pub fn client_ca_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.client_ca.push(Certificates::Pem(pem.into()));
        self
    }

    /// The same, as DER in memory.
    pub fn client_ca_der(mut self, certificates: Vec<Vec<u8>>) -> Self {
        self.client_ca.push(Certificates::Der(certificates));
        self
    }

    /// Staples the OCSP response in this DER file. Default: none.
    pub fn ocsp_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ocsp = Some(Ocsp::File(path.into()));
        self
    }

    /// The same, as DER in memory.
    pub fn ocsp_der(mut self, response: impl Into<Vec<u8>>) -> Self {
        self.ocsp = Some(Ocsp::Der(response.into()));
        self
    }

    /// What to do about clients that offer no protocol. Default: refuse them.
    pub fn alpn(mut self, policy: AlpnPolicy) -> Self {
        self.rules.alpn = policy;
        self
    }

    /// Which key exchanges to accept. Default: hybrid preferred.
    pub fn pq(mut self, mode: PqMode) -> Self {
        self.rules.pq = mode;
        self
    }

    /// Time for one handshake. Default 5 s.
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.rules.handshake_timeout = timeout;
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
        identity.ocsp = self.ocsp.map(Ocsp::load).transpose()?;

        let provider = self.rules.pq.provider();
        let builder = ServerConfig::builder_with_provider(provider.clone())
            // Neither 1.2 nor early data, which rustls leaves off unless a size is set (OAP-11-1).
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(TlsError::config)?;
        let builder = if self.client_ca.is_empty() {
            builder.with_no_client_auth()
        } else {
            let mut roots = RootCertStore::empty();
            for authorities in self.client_ca {
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
            acceptor: TlsAcceptor::from(Arc::new(config)),
            rules: self.rules,
        })
    }
}
