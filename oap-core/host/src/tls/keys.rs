//! Certificates and keys from files and memory.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, RootCertStore};
use zeroize::Zeroizing;

use super::TlsError;

/// Largest certificate, key or OCSP file, in bytes: far above any real one.
const MAX_FILE: u64 = 4 * 1024 * 1024;

const CERTIFICATE: &str = "certificate file";
const KEY: &str = "key file";
const AUTHORITIES: &str = "CA file";
const OCSP: &str = "OCSP file";

/// Where certificates come from.
pub(super) enum Certificates {
    File(PathBuf),
    Pem(Vec<u8>),
    Der(Vec<Vec<u8>>),
}

/// Where a private key comes from.
enum Key {
    File(PathBuf),
    Pem(Zeroizing<Vec<u8>>),
    Der(Zeroizing<Vec<u8>>),
}

/// A certificate chain, the end entity first, with its key.
pub(super) struct Identity {
    chain: Certificates,
    key: Key,
}

/// Where an OCSP response, in DER, comes from.
pub(super) enum Ocsp {
    File(PathBuf),
    Der(Vec<u8>),
}

impl Identity {
    pub(super) fn files(chain: PathBuf, key: PathBuf) -> Self {
        Self {
            chain: Certificates::File(chain),
            key: Key::File(key),
        }
    }

    pub(super) fn pem(chain: Vec<u8>, key: Vec<u8>) -> Self {
        Self {
            chain: Certificates::Pem(chain),
            key: Key::Pem(Zeroizing::new(key)),
        }
    }

    pub(super) fn der(chain: Vec<Vec<u8>>, key: Vec<u8>) -> Self {
        Self {
            chain: Certificates::Der(chain),
            key: Key::Der(Zeroizing::new(key)),
        }
    }

    pub(super) fn load(self) -> Result<CertifiedKey, TlsError> {
        let chain = self.chain.load(CERTIFICATE)?;
        let origin = self.key.origin();
        let der = self.key.load()?;
        let key = any_supported_type(&der)
            .map_err(|_| content(KEY, &origin, "must be an RSA, ECDSA or Ed25519 key"))?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => {
                Ok(certified)
            }
            Err(error) => Err(content(
                KEY,
                &origin,
                format!("must belong to the first certificate: {error}"),
            )),
        }
    }
}

impl Certificates {
    pub(super) fn load(self, what: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        match self {
            Self::File(path) => {
                let bytes = read(what, &path)?;
                from_pem(what, &path.display().to_string(), &bytes)
            }
            Self::Pem(bytes) => from_pem(what, IN_MEMORY, &bytes),
            Self::Der(chain) if chain.is_empty() => Err(content(what, IN_MEMORY, NO_CERTIFICATE)),
            Self::Der(chain) => Ok(chain.into_iter().map(CertificateDer::from).collect()),
        }
    }

    /// Adds every certificate to `roots` as an authority.
    pub(super) fn load_roots(self, roots: &mut RootCertStore) -> Result<(), TlsError> {
        let origin = match &self {
            Self::File(path) => path.display().to_string(),
            _ => IN_MEMORY.to_owned(),
        };
        for certificate in self.load(AUTHORITIES)? {
            roots
                .add(certificate)
                .map_err(|error| content(AUTHORITIES, &origin, error.to_string()))?;
        }
        Ok(())
    }
}

impl Key {
    fn origin(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            _ => IN_MEMORY.to_owned(),
        }
    }

    fn load(self) -> Result<Zeroizing<PrivateKeyDer<'static>>, TlsError> {
        let origin = self.origin();
        let bytes = match self {
            Self::File(path) => {
                let file = open(KEY, &path)?;
                check_mode(&file, &path)?;
                read_all(KEY, file, &path)?
            }
            Self::Pem(bytes) => bytes,
            Self::Der(bytes) => {
                let key = PrivateKeyDer::try_from(bytes.as_slice())
                    .map_err(|rule| content(KEY, &origin, rule))?;
                return Ok(Zeroizing::new(key.clone_key()));
            }
        };
        PrivateKeyDer::from_pem_slice(&bytes)
            .map(Zeroizing::new)
            .map_err(|error| match error {
                pem::Error::NoItemsFound => {
                    content(KEY, &origin, "holds no unencrypted PEM private key")
                }
                other => content(KEY, &origin, other.to_string()),
            })
    }
}

impl Ocsp {
    pub(super) fn load(self) -> Result<Vec<u8>, TlsError> {
        match self {
            Self::File(path) => Ok(read(OCSP, &path)?.to_vec()),
            Self::Der(bytes) => Ok(bytes),
        }
    }
}

pub(super) fn resolver(identity: CertifiedKey) -> Arc<rustls::sign::SingleCertAndKey> {
    Arc::new(rustls::sign::SingleCertAndKey::from(identity))
}

const IN_MEMORY: &str = "(in memory)";
const NO_CERTIFICATE: &str = "holds no certificate";

fn from_pem(
    what: &'static str,
    origin: &str,
    bytes: &[u8],
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain = CertificateDer::pem_slice_iter(bytes)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| content(what, origin, error.to_string()))?;
    if chain.is_empty() {
        return Err(content(what, origin, NO_CERTIFICATE));
    }
    Ok(chain)
}

fn read(what: &'static str, path: &Path) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    read_all(what, open(what, path)?, path)
}

fn open(what: &'static str, path: &Path) -> Result<File, TlsError> {
    File::open(path).map_err(|source| TlsError::file(what, path, source))
}

// The block is as large as the file from the start: growing it would leave key bytes behind.
fn read_all(what: &'static str, file: File, path: &Path) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    let failed = |source| TlsError::file(what, path, source);
    let length = file.metadata().map_err(failed)?.len();
    if length > MAX_FILE {
        let rule = format!("{length} bytes: must not exceed {MAX_FILE}");
        return Err(content(what, &path.display().to_string(), rule));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(
        usize::try_from(length).unwrap_or(0) + 64,
    ));
    file.take(MAX_FILE)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    Ok(bytes)
}

#[cfg(unix)]
fn check_mode(file: &File, path: &Path) -> Result<(), TlsError> {
    use std::os::unix::fs::PermissionsExt;

    const OTHERS: u32 = 0o077;
    let metadata = file
        .metadata()
        .map_err(|source| TlsError::file(KEY, path, source))?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Err(TlsError::KeyMode {
            path: path.to_owned(),
            mode,
        });
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_mode(_file: &File, _path: &Path) -> Result<(), TlsError> {
    Ok(())
}

fn content(what: &'static str, origin: &str, rule: impl Into<String>) -> TlsError {
    TlsError::Content {
        what,
        origin: origin.to_owned(),
        rule: rule.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file_of(length: usize) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), vec![b'k'; length]).unwrap();
        file
    }

    #[test]
    fn a_file_is_read_into_one_block_that_is_wiped() {
        for length in [0, 1, 4_000, 100_000] {
            let file = file_of(length);
            let bytes: Zeroizing<Vec<u8>> = read(KEY, file.path()).unwrap();
            assert_eq!(bytes.len(), length);
            assert_eq!(bytes.capacity(), length + 64, "the block has grown");
        }
    }

    #[test]
    fn a_file_beyond_the_limit_is_refused() {
        let file = file_of(MAX_FILE as usize + 1);
        let error = read(KEY, file.path()).unwrap_err().to_string();
        assert!(
            error.ends_with("4194305 bytes: must not exceed 4194304"),
            "{error}"
        );
    }

    #[test]
    fn a_key_is_wiped_wherever_it_came_from() {
        let pair = rcgen::KeyPair::generate().unwrap();
        let der = pair.serialize_der();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), pair.serialize_pem()).unwrap();
        for key in [
            Key::File(file.path().to_owned()),
            Key::Pem(Zeroizing::new(pair.serialize_pem().into_bytes())),
            Key::Der(Zeroizing::new(der.clone())),
        ] {
            let loaded: Zeroizing<PrivateKeyDer<'static>> = key.load().unwrap();
            assert_eq!(loaded.secret_der(), der);
        }
    }
}
