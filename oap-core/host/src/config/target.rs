//! What a client connects to, in one string.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::kind::may_be_host;
use super::values::Backend;

/// A server's place: `tcp://host:port`, `tls://host:port`, `quic://host:port` or `uds:PATH`;
/// `https://host` is `tls://host:443`.
///
/// ```
/// use oap_host::config::{Backend, Target};
///
/// let target: Target = "tls://example.org:9443".parse()?;
/// assert_eq!(target.backend(), Backend::Tls);
/// assert_eq!(target.address(), Some("example.org:9443"));
/// # Ok::<(), oap_host::config::TargetError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    backend: Backend,
    place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Address(String),
    Path(PathBuf),
}

/// A string that is no target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "target {0:?}: must be tcp://host:port, tls://host:port, https://host, quic://host:port or \
     uds:PATH"
)]
pub struct TargetError(String);

impl Target {
    /// `place` over `backend`: `host:port`, or the path of a socket.
    ///
    /// # Errors
    /// A [`TargetError`].
    pub fn new(backend: Backend, place: &str) -> Result<Self, TargetError> {
        let slashes = if backend == Backend::Uds { "" } else { "//" };
        format!("{}:{slashes}{place}", backend.as_str()).parse()
    }

    /// The transport.
    pub const fn backend(&self) -> Backend {
        self.backend
    }

    /// `host:port`, where the transport has addresses.
    pub fn address(&self) -> Option<&str> {
        match &self.place {
            Place::Address(address) => Some(address),
            Place::Path(_) => None,
        }
    }

    /// The socket's path, where it is one.
    pub fn path(&self) -> Option<&Path> {
        match &self.place {
            Place::Address(_) => None,
            Place::Path(path) => Some(path),
        }
    }

    fn at(backend: Backend, address: &str, port: Option<u16>) -> Option<Self> {
        let address = address.strip_suffix('/').unwrap_or(address);
        let (host, named) = split(address)?;
        let port = named.or(port)?;
        (may_be_host(host.trim_matches(['[', ']'])) && !host.is_empty()).then(|| Self {
            backend,
            place: Place::Address(format!("{host}:{port}")),
        })
    }
}

/// The host, in brackets where it is an IPv6 address, and the port, if there is one.
fn split(address: &str) -> Option<(&str, Option<u16>)> {
    let host_ends = match address.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => address.find(':').unwrap_or(address.len()),
    };
    let (host, port) = address.split_at(host_ends);
    let is_v6 = host
        .trim_matches(['[', ']'])
        .parse::<std::net::Ipv6Addr>()
        .is_ok();
    (is_v6 == host.starts_with('[')).then_some(())?;
    match port.strip_prefix(':') {
        Some(port) if port.starts_with('+') => None,
        Some(port) => Some((host, Some(port.parse().ok().filter(|port| *port > 0)?))),
        None => port.is_empty().then_some((host, None)),
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let target = match text.split_once(':') {
            Some(("uds", path)) if !path.is_empty() && !path.contains('\0') => Some(Self {
                backend: Backend::Uds,
                place: Place::Path(path.into()),
            }),
            Some((scheme, rest)) => rest.strip_prefix("//").and_then(|address| match scheme {
                "tcp" => Self::at(Backend::Tcp, address, None),
                "tls" => Self::at(Backend::Tls, address, None),
                "https" => Self::at(Backend::Tls, address, Some(443)),
                "quic" => Self::at(Backend::Quic, address, None),
                _ => None,
            }),
            None => None,
        };
        target.ok_or_else(|| TargetError(text.chars().take(120).collect()))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let backend = self.backend.as_str();
        match &self.place {
            Place::Address(address) => write!(f, "{backend}://{address}"),
            Place::Path(path) => write!(f, "{backend}:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_name_a_transport_and_a_place() {
        for (text, shown) in [
            ("tcp://127.0.0.1:9000", "tcp://127.0.0.1:9000"),
            ("tls://example.org:1/", "tls://example.org:1"),
            ("https://example.org", "tls://example.org:443"),
            ("https://[::1]:9443/", "tls://[::1]:9443"),
            ("https://[::1]", "tls://[::1]:443"),
            ("quic://localhost:4433", "quic://localhost:4433"),
            ("uds:/run/oap/socket", "uds:/run/oap/socket"),
            ("uds:relative", "uds:relative"),
        ] {
            let target: Target = text.parse().unwrap();
            assert_eq!(target.to_string(), shown);
        }
    }

    #[test]
    fn anything_else_is_refused_in_one_line() {
        for text in [
            "",
            "tls",
            "tls:",
            "tls://",
            "tls://host",
            "tls://:1",
            "tls://host:0",
            "tls://host:65536",
            "tls://host:+1",
            "tls://user@host:1",
            "tls://host:1/path",
            "tls://::1:1",
            "tls://[host]:1",
            "tls://[::1",
            "tls://[::1]1",
            "tls://h ost:1",
            "http://host:1",
            "tor://host:1",
            "uds:",
            "uds:a\0b",
            "TLS://host:1",
            "tls://[::1]]:1",
        ] {
            let error = text.parse::<Target>().unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("target {text:?}: must be ")),
                "{error}"
            );
            assert_eq!(error.lines().count(), 1);
        }
    }
}
