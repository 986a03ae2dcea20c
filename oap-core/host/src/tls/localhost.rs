//! A server and a client for tests, which trusts the server's certificate.

use rcgen::{CertificateParams, KeyPair};

use super::{TlsClientConfig, TlsServerConfig};

/// Both sides of connections to `localhost`.
pub(super) fn configs() -> (TlsServerConfig, TlsClientConfig) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let pem = certificate.self_signed(&key).unwrap().pem();
    let server = TlsServerConfig::builder().pem(pem.clone(), key.serialize_pem());
    let client = TlsClientConfig::builder().ca_pem(pem);
    (server.build().unwrap(), client.build().unwrap())
}
