//! Addresses and targets as people write them.

use std::fmt;
use std::str::FromStr;

use oap_tokio::config::{self, Backend};

/// `HOST:PORT` or `[V6]:PORT`, the host not looked up yet.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Address {
    host: String,
    port: u16,
}

impl Address {
    /// The port.
    const fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rule = || format!("{text:?} must be HOST:PORT or [V6]:PORT with a port of 0 to 65535");
        let (host, port) = text.rsplit_once(':').ok_or_else(rule)?;
        let bracketed = host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        let allowed = |char: char| char.is_ascii_alphanumeric() || "-._".contains(char);
        let good = match bracketed {
            Some(host) => host.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !host.is_empty() && host.chars().all(allowed),
        };
        let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        match port.parse() {
            Ok(port) if good && digits => Ok(Self {
                host: bracketed.unwrap_or(host).to_owned(),
                port,
            }),
            _ => Err(rule()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// A server to load: `https://HOST:PORT` or `tls://HOST:PORT`, `http://HOST:PORT` or
/// `tcp://HOST:PORT`, `quic://HOST:PORT`, `uds:PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    text: String,
    target: config::Target,
}

impl Target {
    /// How it is reached.
    pub const fn backend(&self) -> Backend {
        self.target.backend()
    }

    /// As the adapters take it.
    pub fn to_library(&self) -> config::Target {
        self.target.clone()
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let made = |backend, place: &str| {
            let target = config::Target::new(backend, place).map_err(|error| error.to_string())?;
            let text = text.to_owned();
            Ok(Self { text, target })
        };
        if let Some(path) = text.strip_prefix("uds:") {
            return made(Backend::Uds, path);
        }
        let (scheme, rest) = text.split_once("://").ok_or_else(|| {
            format!("{text:?} must be https://, tls://, http://, tcp:// or quic:// and HOST:PORT, or uds:PATH")
        })?;
        let backend = match scheme {
            "https" | "tls" => Backend::Tls,
            "http" | "tcp" => Backend::Tcp,
            "quic" => Backend::Quic,
            other => {
                return Err(format!(
                    "scheme {other:?} is unknown: must be https, tls, http, tcp, quic or uds"
                ));
            }
        };
        let address: Address = rest.strip_suffix('/').unwrap_or(rest).parse()?;
        if address.port() == 0 {
            return Err(format!("{text:?} must have a port of 1 to 65535"));
        }
        made(backend, &address.to_string())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_name_scheme_and_place() {
        for (text, library) in [
            ("https://127.0.0.1:8443", "tls://127.0.0.1:8443"),
            ("https://localhost:1/", "tls://localhost:1"),
            ("tls://a:2", "tls://a:2"),
            ("http://a-b.example:80", "tcp://a-b.example:80"),
            ("tcp://[::1]:65535", "tcp://[::1]:65535"),
            ("quic://localhost:4433", "quic://localhost:4433"),
            ("uds:/run/oap/socket", "uds:/run/oap/socket"),
        ] {
            let target: Target = text.parse().expect(text);
            assert_eq!(target.to_library().to_string(), library);
            assert_eq!(target.to_string(), text);
        }
    }

    #[test]
    fn other_targets_are_refused_by_value_and_rule() {
        for text in [
            "",
            "127.0.0.1:1",
            "gopher://127.0.0.1:1",
            "https://",
            "https://host",
            "https://host:",
            "https://host:0",
            "https://host:+1",
            "quic://host:65536",
            "https://:1",
            "https://::1:1",
            "https://[::g]:1",
            "https://user@host:1",
            "https://host:1/path",
            "uds:",
        ] {
            let error = text.parse::<Target>().expect_err(text);
            assert!(error.contains("must"), "{error}");
        }
    }

    #[test]
    fn an_address_of_version_6_keeps_its_brackets() {
        let address: Address = "[::1]:0".parse().unwrap();
        assert_eq!((address.host.as_str(), address.port()), ("::1", 0));
        assert_eq!(address.to_string(), "[::1]:0");
    }
}
