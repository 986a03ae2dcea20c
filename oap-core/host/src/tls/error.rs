use std::io;
use std::path::{Path, PathBuf};

use oap_core::Reason;
use oap_core::driver::HandshakeError;
use rustls::{AlertDescription, PeerIncompatible};

use super::PqMode;

/// Why a TLS configuration or a handshake was refused. Each message names the value and the rule.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file could not be read.
    #[error("{what} {}: cannot be read: {source}", path.display())]
    File {
        /// What the file is for.
        what: &'static str,
        /// Its path as given.
        path: PathBuf,
        /// Why it could not be read.
        source: io::Error,
    },
    /// Others than the owner have access to a private key.
    #[error(
        "key file {}: mode {mode:04o}: must not be group- or world-accessible (chmod 600)",
        path.display()
    )]
    KeyMode {
        /// The file's path as given.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A PEM or DER input does not hold what it must.
    #[error("{what} {origin}: {rule}")]
    Content {
        /// What the input is for.
        what: &'static str,
        /// The file's path, or `(in memory)`.
        origin: String,
        /// The rule that it breaks.
        rule: String,
    },
    /// A builder was not given what it cannot do without.
    #[error("{0}")]
    Missing(&'static str),
    /// The system's trust store has no certificate to use.
    #[error("system trust store: no usable certificate: {0}")]
    TrustStore(String),
    /// Certificate, key or authorities do not fit together.
    #[error("{0}")]
    Config(String),
    /// A server name that no certificate can be for.
    #[error("server name {0:?}: must be a DNS name or an IP address")]
    ServerName(String),
    /// The peer negotiated no application protocol.
    #[error("the peer negotiated no ALPN protocol: oap/1 is required")]
    NoAlpn,
    /// The peer and we share no application protocol.
    #[error("the peer's ALPN protocols do not include oap/1")]
    WrongAlpn,
    /// Only classical key exchange was possible.
    #[error("no key exchange in common: pq = require allows X25519MLKEM768 only")]
    PqPolicy,
    /// Any other handshake failure.
    #[error("{0}")]
    Handshake(String),
}

impl TlsError {
    /// The reason of the protocol's list, as metrics and closing frames name it.
    pub const fn reason(&self) -> Reason {
        match self {
            Self::PqPolicy => Reason::PqPolicy,
            _ => Reason::Tls,
        }
    }

    pub(super) fn file(what: &'static str, path: &Path, source: io::Error) -> Self {
        Self::File {
            what,
            path: path.to_owned(),
            source,
        }
    }

    pub(super) fn config(error: impl std::fmt::Display) -> Self {
        Self::Config(error.to_string())
    }

    pub(super) fn of_handshake(error: &rustls::Error, pq: PqMode) -> Self {
        match error {
            rustls::Error::PeerIncompatible(PeerIncompatible::NoKxGroupsInCommon)
                if pq == PqMode::Require =>
            {
                Self::PqPolicy
            }
            // What a classical server answers: we differ in nothing else.
            rustls::Error::AlertReceived(AlertDescription::HandshakeFailure)
                if pq == PqMode::Require =>
            {
                Self::PqPolicy
            }
            rustls::Error::NoApplicationProtocol
            | rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol) => {
                Self::WrongAlpn
            }
            other => Self::Handshake(other.to_string()),
        }
    }
}

impl From<TlsError> for HandshakeError {
    fn from(error: TlsError) -> Self {
        Self::Refused {
            reason: error.reason(),
            message: error.to_string(),
        }
    }
}
