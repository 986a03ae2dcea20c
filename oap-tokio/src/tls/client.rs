use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, DigitallySignedStruct, PeerIncompatible, RootCertStore, SignatureScheme,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::keys::{Certificates, Identity, resolver};
use super::{ALPN, AlpnPolicy, BUFFER_LIMIT, PqMode, Rules, TlsError, TlsHandshake};
use crate::io::{BufferedIo, ConnectionInfo};

/// Servers whose sessions a client keeps for resumption, in memory only.
const RESUMABLE_SERVERS: usize = 256;

/// A client's side of TLS: TLS 1.3 only, no early data, `oap/1`. Clones share the sessions to
/// resume.
#[derive(Clone)]
pub struct TlsClientConfig {
    connector: tokio_rustls::TlsConnector,
    server_name: Option<ServerName<'static>>,
    rules: Rules,
}

impl TlsClientConfig {
    /// Starts from the defaults: the system's trust store, ALPN required, hybrid key exchange, no
    /// client certificate, sessions resumed, handshakes within 5 s.
    pub fn builder() -> TlsClientConfigBuilder {
        TlsClientConfigBuilder {
            trust: Vec::new(),
            system_roots: false,
            verify: true,
            identity: None,
            server_name: None,
            resumption: true,
            rules: Rules::default(),
        }
    }

    /// Begins the handshake on a connected `stream` of which `info` is known, and expects a
    /// certificate for `host`, or for the configured server name where there is one.
    ///
    /// # Errors
    /// [`TlsError::ServerName`] when `host` is neither a DNS name nor an IP address.
    pub fn connect<S>(
        &self,
        stream: S,
        host: &str,
        info: ConnectionInfo,
    ) -> Result<TlsHandshake<S>, TlsError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        Ok(self.handshake(stream, self.name_for(host)?, info))
    }

    pub(super) fn name_for(&self, host: &str) -> Result<ServerName<'static>, TlsError> {
        match &self.server_name {
            Some(name) => Ok(name.clone()),
            None => parse_name(host),
        }
    }

    pub(super) fn handshake<S>(
        &self,
        stream: S,
        name: ServerName<'static>,
        info: ConnectionInfo,
    ) -> TlsHandshake<S>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let handshake = self
            .connector
            .connect_with(name, BufferedIo::new(stream), |session| {
                session.set_buffer_limit(Some(BUFFER_LIMIT));
            });
        TlsHandshake::new(
            handshake,
            info,
            self.rules,
            Instant::now() + self.rules.handshake_timeout,
        )
    }
}

impl fmt::Debug for TlsClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsClientConfig")
            .field("server_name", &self.server_name)
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

/// Collects what a [`TlsClientConfig`] needs; files are read by [`build`](Self::build).
///
/// Sources of trust add up. With none named, the system's trust store is used.
#[must_use]
pub struct TlsClientConfigBuilder {
    trust: Vec<Certificates>,
    system_roots: bool,
    verify: bool,
    identity: Option<Identity>,
    server_name: Option<String>,
    resumption: bool,
    rules: Rules,
}

impl TlsClientConfigBuilder {
    /// Trusts the authorities in this PEM file.
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.trust.push(Certificates::File(path.into()));
        self
    }

    /// Trusts the authorities in this PEM text.
    pub fn ca_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.trust.push(Certificates::Pem(pem.into()));
        self
    }

    /// Trusts these authorities, in DER.
    pub fn ca_der(mut self, certificates: Vec<Vec<u8>>) -> Self {
        self.trust.push(Certificates::Der(certificates));
        self
    }

    /// Trusts the authorities of the operating system, next to others that were named. Needs the
    /// feature `system-roots`.
    pub fn system_roots(mut self) -> Self {
        self.system_roots = true;
        self
    }

    /// Believes any server certificate. **Whoever is on the path can then pose as the server**:
    /// for tests only.
    pub fn insecure_no_verify(mut self) -> Self {
        self.verify = false;
        self
    }

    /// Shows a certificate to servers that ask: PEM files as for a server.
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

    /// The name to ask for and to check, whatever the address. Default: the address's host.
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// What to do about servers that choose no protocol. Default: refuse them. `oap/1` is offered
    /// in any case.
    pub fn alpn(mut self, policy: AlpnPolicy) -> Self {
        self.rules.alpn = policy;
        self
    }

    /// Which key exchanges to offer. Default: hybrid preferred.
    pub fn pq(mut self, mode: PqMode) -> Self {
        self.rules.pq = mode;
        self
    }

    /// Whether to resume earlier sessions, which spares the certificate exchange. Default on; up
    /// to 256 servers are remembered, in memory.
    pub fn resumption(mut self, on: bool) -> Self {
        self.resumption = on;
        self
    }

    /// Time for one handshake, connecting not included. Default 5 s.
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.rules.handshake_timeout = timeout;
        self
    }

    /// Reads the files and checks that all fits together.
    ///
    /// # Errors
    /// The first value that breaks a rule.
    pub fn build(self) -> Result<TlsClientConfig, TlsError> {
        let server_name = self.server_name.as_deref().map(parse_name).transpose()?;
        let provider = self.rules.pq.provider();
        let algorithms = provider.signature_verification_algorithms;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(TlsError::config)?;
        let builder = if self.verify {
            let mut roots = RootCertStore::empty();
            if self.system_roots || self.trust.is_empty() {
                add_system_roots(&mut roots)?;
            }
            for authorities in self.trust {
                authorities.load_roots(&mut roots)?;
            }
            builder.with_root_certificates(roots)
        } else {
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyServer(algorithms)))
        };
        let mut config = match self.identity {
            Some(identity) => builder.with_client_cert_resolver(resolver(identity.load()?)),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.resumption = if self.resumption {
            Resumption::in_memory_sessions(RESUMABLE_SERVERS)
        } else {
            Resumption::disabled()
        };
        Ok(TlsClientConfig {
            connector: tokio_rustls::TlsConnector::from(Arc::new(config)),
            server_name,
            rules: self.rules,
        })
    }
}

fn parse_name(name: &str) -> Result<ServerName<'static>, TlsError> {
    ServerName::try_from(name.to_owned()).map_err(|_| TlsError::ServerName(name.to_owned()))
}

#[cfg(feature = "system-roots")]
fn add_system_roots(roots: &mut RootCertStore) -> Result<(), TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added > 0 {
        return Ok(());
    }
    let reason = found.errors.first().map(ToString::to_string);
    Err(TlsError::TrustStore(
        reason.unwrap_or_else(|| "it is empty".to_owned()),
    ))
}

#[cfg(not(feature = "system-roots"))]
fn add_system_roots(_roots: &mut RootCertStore) -> Result<(), TlsError> {
    Err(TlsError::Missing(
        "a client needs a CA file: the feature system-roots is off",
    ))
}

/// Takes any certificate, but still checks that the peer has its key.
#[derive(Debug)]
struct AnyServer(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
