use std::path::PathBuf;
use std::time::Duration;

use super::keys::Identity;
use super::{AlpnPolicy, PqMode, Rules};

/// Collects what a [`TlsServerConfig`](super::TlsServerConfig) or a
/// [`TlsClientConfig`](super::TlsClientConfig) needs; `build` reads the files.
///
/// The identity is what a server shows to every client, and a client to servers that ask.
#[must_use]
pub struct TlsConfigBuilder<Side> {
    pub(super) identity: Option<Identity>,
    pub(super) rules: Rules,
    pub(super) side: Side,
}

impl<Side> TlsConfigBuilder<Side> {
    pub(super) fn new(side: Side) -> Self {
        Self {
            identity: None,
            rules: Rules::default(),
            side,
        }
    }

    /// The identity in PEM files: the certificate chain, our own certificate first, and its private
    /// key. A key file that group or others have access to is refused.
    pub fn files(mut self, chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.identity = Some(Identity::files(chain.into(), key.into()));
        self
    }

    /// The identity as PEM in memory. The key's bytes are zeroized.
    pub fn pem(mut self, chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.identity = Some(Identity::pem(chain.into(), key.into()));
        self
    }

    /// The identity as DER in memory; the key in PKCS#8, PKCS#1 or SEC1. The key's bytes are
    /// zeroized.
    pub fn der(mut self, chain: Vec<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.identity = Some(Identity::der(chain, key.into()));
        self
    }

    /// What to do about peers that name no protocol. Default: refuse them. A client offers `oap/1`
    /// in any case.
    pub fn alpn(mut self, policy: AlpnPolicy) -> Self {
        self.rules.alpn = policy;
        self
    }

    /// Which key exchanges to offer and accept. Default: hybrid preferred.
    pub fn pq(mut self, mode: PqMode) -> Self {
        self.rules.pq = mode;
        self
    }

    /// Time for one handshake, connecting not included. Default 5 s.
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.rules.handshake_timeout = timeout;
        self
    }
}
