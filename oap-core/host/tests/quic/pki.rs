//! Certificates made for one test.

use oap_host::tls::{
    TlsClientConfig, TlsClientConfigBuilder, TlsServerConfig, TlsServerConfigBuilder,
};

/// A self-signed identity of this machine's loopback address.
pub(crate) struct Identity {
    pub(crate) chain: String,
    pub(crate) key: String,
}

impl Identity {
    pub(crate) fn new() -> Self {
        let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
        Self {
            chain: made.cert.pem(),
            key: made.signing_key.serialize_pem(),
        }
    }

    /// A server with this identity.
    pub(crate) fn server(&self) -> TlsServerConfigBuilder {
        TlsServerConfig::builder().pem(self.chain.clone(), self.key.clone())
    }

    /// A client that trusts this identity.
    pub(crate) fn client(&self) -> TlsClientConfigBuilder {
        TlsClientConfig::builder().ca_pem(self.chain.clone())
    }
}
