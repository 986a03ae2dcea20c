//! TLS 1.3, by rustls on aws-lc-rs: configurations, and what a handshake has to satisfy.
//!
//! An adapter supplies a [`ByteStream`], on which a [`TlsStream`] shakes hands and becomes a
//! transport. QUIC takes the same configurations.

mod builder;
mod client;
mod error;
mod keys;
#[cfg(test)]
mod localhost;
mod records;
mod server;
mod silent;
mod stream;

use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use oap_core::driver::{HandshakeError, TlsInfo};
use rustls::crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs};
use rustls::{CommonState, HandshakeKind};

pub use builder::TlsConfigBuilder;
pub use client::{ClientSide, TlsClientConfig, TlsClientConfigBuilder};
pub use error::TlsError;
pub use server::{ServerSide, TlsServerConfig, TlsServerConfigBuilder};
pub use silent::Silent;
pub use stream::{ByteStream, TlsStream};

/// The application protocol that OAP/1 negotiates (OAP-11-2).
pub const ALPN: &[u8] = b"oap/1";

/// Time for a handshake unless set otherwise.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// What to do about a peer that negotiates no application protocol. A peer that wants another one
/// than `oap/1` is always refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AlpnPolicy {
    /// Refuse it.
    #[default]
    Required,
    /// Go on with it.
    Optional,
}

/// Whether the key exchange resists an attacker who records now and has a quantum computer later
/// (OAP-11-4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PqMode {
    /// Classical groups only.
    Off,
    /// X25519MLKEM768 preferred, classical groups accepted.
    #[default]
    Hybrid,
    /// X25519MLKEM768 or nothing: classical peers are refused with `pq_policy`.
    Require,
}

impl PqMode {
    fn groups(self) -> Vec<&'static dyn SupportedKxGroup> {
        use aws_lc_rs::kx_group::{SECP256R1, SECP384R1, X25519, X25519MLKEM768};
        match self {
            Self::Off => vec![X25519, SECP256R1, SECP384R1],
            Self::Hybrid => vec![X25519MLKEM768, X25519, SECP256R1, SECP384R1],
            Self::Require => vec![X25519MLKEM768],
        }
    }

    // The provider is named, so that a process default cannot weaken it.
    fn provider(self) -> Arc<CryptoProvider> {
        use aws_lc_rs::cipher_suite::{
            TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
        };
        Arc::new(CryptoProvider {
            cipher_suites: vec![
                TLS13_AES_256_GCM_SHA384,
                TLS13_AES_128_GCM_SHA256,
                TLS13_CHACHA20_POLY1305_SHA256,
            ],
            kx_groups: self.groups(),
            ..aws_lc_rs::default_provider()
        })
    }
}

/// What a handshake has to satisfy beyond what rustls enforces.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    alpn: AlpnPolicy,
    pq: PqMode,
    handshake_timeout: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            alpn: AlpnPolicy::default(),
            pq: PqMode::default(),
            handshake_timeout: HANDSHAKE_TIMEOUT,
        }
    }
}

impl Rules {
    /// Time for one handshake.
    pub const fn handshake_timeout(&self) -> Duration {
        self.handshake_timeout
    }

    /// Judges a handshake that rustls has completed with this application protocol: rustls refuses a
    /// wrong one, but lets a peer pass that names none (OAP-11-2).
    ///
    /// # Errors
    /// [`TlsError::NoAlpn`].
    pub fn check(&self, alpn: Option<&[u8]>) -> Result<(), TlsError> {
        match alpn {
            None if self.alpn == AlpnPolicy::Required => Err(TlsError::NoAlpn),
            _ => Ok(()),
        }
    }

    /// Why a handshake failed, of rustls' error.
    pub fn refusal(&self, error: &rustls::Error) -> TlsError {
        TlsError::of_handshake(error, self.pq)
    }

    /// Why a handshake failed, of the stream's error, which wraps that of rustls.
    pub fn failure(&self, error: io::Error) -> HandshakeError {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
        match inner {
            Some(inner) => self.refusal(inner).into(),
            None => HandshakeError::Io(error),
        }
    }
}

/// What a completed handshake negotiated.
pub fn describe(session: &CommonState) -> TlsInfo {
    let group = session.negotiated_key_exchange_group();
    let cipher = session.negotiated_cipher_suite();
    let mut info = TlsInfo::new();
    if let Some(version) = session
        .protocol_version()
        .and_then(|version| version.as_str())
    {
        info.version = version;
    }
    if let Some(name) = group.and_then(|group| group.name().as_str()) {
        info.group = name;
    }
    if let Some(name) = cipher.and_then(|suite| suite.suite().as_str()) {
        info.cipher = name;
    }
    info.alpn = session
        .alpn_protocol()
        .map(|name| String::from_utf8_lossy(name).into_owned());
    info.resumed = session.handshake_kind() == Some(HandshakeKind::Resumed);
    info
}

/// Replaces the configuration of a listener that is in use elsewhere. Clones replace the same one.
#[derive(Clone, Debug)]
pub struct TlsReloader(Arc<RwLock<TlsServerConfig>>);

impl TlsReloader {
    /// The first configuration of a listener, which asks for the [`current`](Self::current) one at
    /// each handshake.
    pub fn new(config: TlsServerConfig) -> Self {
        Self(Arc::new(RwLock::new(config)))
    }

    /// The configuration that handshakes use which begin now.
    pub fn current(&self) -> TlsServerConfig {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Connections accepted from now on use `config`; established ones go on as they are. Its
    /// ticket keys are new, so sessions of the old configuration are not resumed.
    pub fn replace(&self, config: TlsServerConfig) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = config;
    }
}
