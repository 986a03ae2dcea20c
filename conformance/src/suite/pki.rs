//! Certificates of the suite.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::{env, ptr};

use oap_host::tls::{TlsClientConfig, TlsServerConfig};

/// A self-signed certificate for the local host, and its key.
#[derive(Clone, Copy)]
pub struct Identity(&'static Pem);

/// What is made once for each identity. Clones share it.
#[derive(Clone)]
pub(super) struct PerIdentity<T>(Arc<Mutex<Vec<(Identity, T)>>>);

impl<T> Default for PerIdentity<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Clone> PerIdentity<T> {
    pub(super) fn get(&self, identity: Identity, make: impl FnOnce() -> T) -> T {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = made.iter().find(|(known, _)| ptr::eq(known.0, identity.0));
        if let Some((_, thing)) = known {
            return thing.clone();
        }
        let thing = make();
        made.push((identity, thing.clone()));
        thing
    }
}

struct Pem {
    chain: String,
    key: String,
}

impl Identity {
    /// The environment variable by which another process is told the certificate.
    pub(crate) const CHAIN: &str = "OAP_SUITE_CHAIN";
    /// And its key.
    pub(crate) const KEY: &str = "OAP_SUITE_KEY";

    /// What servers have unless they are told otherwise.
    pub fn first() -> Self {
        static MADE: OnceLock<Pem> = OnceLock::new();
        Self(MADE.get_or_init(|| Pem::told().unwrap_or_else(Pem::make)))
    }

    /// Another one.
    pub fn second() -> Self {
        static MADE: OnceLock<Pem> = OnceLock::new();
        Self(MADE.get_or_init(Pem::make))
    }

    /// What a server with this certificate is given, by every stack.
    pub fn server_config(&self) -> TlsServerConfig {
        let builder = TlsServerConfig::builder().pem(self.chain(), self.key());
        builder.build().expect("a server's configuration")
    }

    /// What a client that trusts this certificate alone is given, by every stack.
    pub fn client_config(&self) -> TlsClientConfig {
        let builder = TlsClientConfig::builder().ca_pem(self.chain());
        builder.build().expect("a client's configuration")
    }

    /// The certificate as PEM.
    pub fn chain(&self) -> &'static str {
        &self.0.chain
    }

    /// The private key as PEM.
    pub fn key(&self) -> &'static str {
        &self.0.key
    }
}

impl Pem {
    fn told() -> Option<Self> {
        let (chain, key) = (env::var(Identity::CHAIN), env::var(Identity::KEY));
        Some(Self {
            chain: chain.ok()?,
            key: key.ok()?,
        })
    }

    fn make() -> Self {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
        Self {
            chain: made.cert.pem(),
            key: made.signing_key.serialize_pem(),
        }
    }
}
