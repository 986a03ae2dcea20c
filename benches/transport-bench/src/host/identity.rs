//! Whom the server shows itself as: certificates of files, or one of its own.

use oap_tokio::config::{Backend, Settings};
use oap_tokio::{TlsError, TlsServerConfig};

use crate::{Failure, SelfSigned};

/// Where the certificate comes from.
pub(super) enum Identity {
    /// The backend has none.
    None,
    /// The files that the settings name.
    Files,
    /// Made at the start, in memory only.
    Own(SelfSigned),
}

impl Identity {
    /// What the settings ask for.
    ///
    /// # Errors
    /// An address that no certificate can be for.
    pub(super) fn of(settings: &Settings) -> Result<Self, Failure> {
        match settings.backend {
            Backend::Tls | Backend::Quic => {}
            _ => return Ok(Self::None),
        }
        if settings.tls.cert_path.is_some() {
            return Ok(Self::Files);
        }
        SelfSigned::new(&settings.bind_addr.ip().to_string()).map(Self::Own)
    }

    /// The TLS configuration that the settings make of it, files read anew; `None` where the
    /// backend needs none.
    ///
    /// # Errors
    /// What is wrong with the files, in one line.
    pub(super) fn server_config(
        &self,
        settings: &Settings,
    ) -> Result<Option<TlsServerConfig>, TlsError> {
        let builder = settings.tls_server_builder();
        match self {
            Self::None => Ok(None),
            Self::Files => builder.build().map(Some),
            // Files that a reload names win.
            Self::Own(_) if settings.tls.cert_path.is_some() => builder.build().map(Some),
            Self::Own(own) => builder.pem(own.certificate(), own.key()).build().map(Some),
        }
    }
}
