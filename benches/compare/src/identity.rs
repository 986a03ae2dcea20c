//! One certificate for all contenders, and rustls as most of them use it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use rcgen::{CertificateParams, KeyPair};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// The name that the certificate is for.
pub const HOST: &str = "localhost";

/// A self-signed certificate and its key, in a directory that both processes read.
pub struct Identity(PathBuf);

impl Identity {
    /// Makes one.
    pub fn create(directory: &Path) -> Result<Self> {
        let key = KeyPair::generate()?;
        let names = vec![HOST.to_owned(), "127.0.0.1".to_owned()];
        let certificate = CertificateParams::new(names)?.self_signed(&key)?;
        fs::write(directory.join("certificate.pem"), certificate.pem())?;
        fs::write(directory.join("key.pem"), key.serialize_pem())?;
        Ok(Self(directory.to_owned()))
    }

    /// The one that is there.
    pub fn open(directory: &Path) -> Self {
        Self(directory.to_owned())
    }

    /// The certificate in PEM.
    pub fn certificate(&self) -> Result<Vec<u8>> {
        Ok(fs::read(self.0.join("certificate.pem"))?)
    }

    /// The key in PEM.
    pub fn key(&self) -> Result<Vec<u8>> {
        Ok(fs::read(self.0.join("key.pem"))?)
    }

    /// A server of TLS 1.3 with rustls' defaults, for this application protocol.
    pub fn server(&self, alpn: Option<&str>) -> Result<Arc<ServerConfig>> {
        let chain = vec![CertificateDer::from_pem_slice(&self.certificate()?)?];
        let key = PrivateKeyDer::from_pem_slice(&self.key()?)?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = alpn.into_iter().map(|name| name.into()).collect();
        Ok(Arc::new(config))
    }

    /// Its client.
    pub fn client(&self, alpn: Option<&str>) -> Result<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&self.certificate()?)?)?;
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.into_iter().map(|name| name.into()).collect();
        Ok(Arc::new(config))
    }

    /// Whom a client expects.
    pub fn name() -> Result<ServerName<'static>> {
        Ok(ServerName::try_from(HOST)?)
    }
}
