//! A certificate for a server that was given none.

use std::path::Path;

use rcgen::{CertificateParams, KeyPair};

use crate::Failure;

/// A self-signed certificate and its key, in memory only: the key is never written anywhere.
pub struct SelfSigned {
    certificate: String,
    key: String,
}

impl SelfSigned {
    /// For `localhost`, `127.0.0.1`, `::1` and `host`.
    ///
    /// # Errors
    /// A host that no certificate can be for.
    pub fn new(host: &str) -> Result<Self, Failure> {
        let refused = |error| Failure::usage(format!("no certificate for {host:?}: {error}"));
        let mut names = vec!["localhost", "127.0.0.1", "::1"];
        if !names.contains(&host) {
            names.push(host);
        }
        let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        let key = KeyPair::generate().map_err(refused)?;
        let certificate = CertificateParams::new(names)
            .and_then(|params| params.self_signed(&key))
            .map_err(refused)?;
        Ok(Self {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }

    /// The certificate in PEM, which a client can take as its authority.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// The key in PEM.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Writes the certificate, not the key, to a file.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), Failure> {
        std::fs::write(path, &self.certificate).map_err(|error| {
            let path = path.display();
            Failure::usage(format!(
                "--self-signed-out {path}: must be writable: {error}"
            ))
        })
    }
}
