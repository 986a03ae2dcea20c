use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, DigitallySignedStruct, PeerIncompatible, RootCertStore, SignatureScheme,
};

use super::keys::{Certificates, resolver};
use super::{ALPN, Rules, TlsConfigBuilder, TlsError};

/// Servers whose sessions a client keeps for resumption, in memory only.
const RESUMABLE_SERVERS: usize = 256;

/// A client's side of TLS: TLS 1.3 only, no early data, `oap/1`. Clones share the sessions to
/// resume.
#[derive(Clone)]
pub struct TlsClientConfig {
    inner: Arc<ClientConfig>,
    server_name: Option<ServerName<'static>>,
    rules: Rules,
}

impl TlsClientConfig {
    /// Starts from the defaults: the system's trust store, ALPN required, hybrid key exchange, no
    /// client certificate, sessions resumed, handshakes within 5 s.
    pub fn builder() -> TlsClientConfigBuilder {
        TlsConfigBuilder::new(ClientSide {
            trust: Vec::new(),
            system_roots: false,
            verify: true,
            server_name: None,
            resumption: true,
        })
    }

    /// What rustls is given.
    pub fn rustls_config(&self) -> &Arc<ClientConfig> {
        &self.inner
    }

    /// What a handshake has to satisfy beyond it.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The name to expect in the certificate of `host`, or the configured server name where there
    /// is one.
    ///
    /// # Errors
    /// [`TlsError::ServerName`] when `host` is neither a DNS name nor an IP address.
    pub fn name_for(&self, host: &str) -> Result<ServerName<'static>, TlsError> {
        match &self.server_name {
            Some(name) => Ok(name.clone()),
            None => parse_name(host),
        }
    }

    /// As [`name_for`](Self::name_for) the host of `address`, `"host:port"` or `"[::1]:port"`.
    ///
    /// # Errors
    /// [`TlsError::ServerName`] when the host is neither a DNS name nor an IP address.
    pub fn name_for_address(&self, address: &str) -> Result<ServerName<'static>, TlsError> {
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        self.name_for(host.trim_start_matches('[').trim_end_matches(']'))
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

/// Collects what a [`TlsClientConfig`] needs.
///
/// Sources of trust add up. With none named, the system's trust store is used.
pub type TlsClientConfigBuilder = TlsConfigBuilder<ClientSide>;

/// What only a client has.
pub struct ClientSide {
    trust: Vec<Certificates>,
    system_roots: bool,
    verify: bool,
    server_name: Option<String>,
    resumption: bool,
}

impl TlsClientConfigBuilder {
    /// Trusts the authorities in this PEM file.
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.side.trust.push(Certificates::File(path.into()));
        self
    }

    /// Trusts the authorities in this PEM text.
    pub fn ca_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.side.trust.push(Certificates::Pem(pem.into()));
        self
    }

    /// Trusts these authorities, in DER.
    pub fn ca_der(mut self, certificates: Vec<Vec<u8>>) -> Self {
        self.side.trust.push(Certificates::Der(certificates));
        self
    }

    /// Trusts the authorities of the operating system, next to others that were named. Needs the
    /// feature `system-roots`.
    pub fn system_roots(mut self) -> Self {
        self.side.system_roots = true;
        self
    }

    /// Believes any server certificate. **Whoever is on the path can then pose as the server**:
    /// for tests only.
    pub fn insecure_no_verify(mut self) -> Self {
        self.side.verify = false;
        self
    }

    /// The name to ask for and to check, whatever the address. Default: the address's host.
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.side.server_name = Some(name.into());
        self
    }

    /// Whether to resume earlier sessions, which spares the certificate exchange. Default on; up
    /// to 256 servers are remembered, in memory.
    pub fn resumption(mut self, on: bool) -> Self {
        self.side.resumption = on;
        self
    }

    /// Reads the files and checks that all fits together.
    ///
    /// # Errors
    /// The first value that breaks a rule.
    pub fn build(self) -> Result<TlsClientConfig, TlsError> {
        let server_name = self
            .side
            .server_name
            .as_deref()
            .map(parse_name)
            .transpose()?;
        let provider = self.rules.pq.provider();
        let algorithms = provider.signature_verification_algorithms;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(TlsError::config)?;
        let builder = if self.side.verify {
            let mut roots = RootCertStore::empty();
            if self.side.system_roots || self.side.trust.is_empty() {
                add_system_roots(&mut roots)?;
            }
            for authorities in self.side.trust {
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
        config.resumption = if self.side.resumption {
            Resumption::in_memory_sessions(RESUMABLE_SERVERS)
        } else {
            Resumption::disabled()
        };
        Ok(TlsClientConfig {
            inner: Arc::new(config),
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
