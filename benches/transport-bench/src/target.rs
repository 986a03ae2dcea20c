//! Addresses and targets as people write them.

use std::fmt;
use std::str::FromStr;

/// `HOST:PORT` or `[V6]:PORT`, the host not looked up yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    host: String,
    port: u16,
}

impl Address {
    /// The host, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub const fn port(&self) -> u16 {
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

/// How a target is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// TLS 1.3 over TCP: `https`.
    Tls,
    /// Plain TCP: `http` or `tcp`.
    Tcp,
}

/// A server to load: `https://HOST:PORT`, `http://HOST:PORT` or `tcp://HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    text: String,
    /// How it is reached.
    pub scheme: Scheme,
    /// Where it is.
    pub address: Address,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rule = || format!("{text:?} must be https://, http:// or tcp:// and HOST:PORT");
        let (scheme, rest) = text.split_once("://").ok_or_else(rule)?;
        let scheme = match scheme {
            "https" => Scheme::Tls,
            "http" | "tcp" => Scheme::Tcp,
            other => {
                return Err(format!(
                    "scheme {other:?} is unknown: must be https, http or tcp"
                ));
            }
        };
        let address: Address = rest.strip_suffix('/').unwrap_or(rest).parse()?;
        if address.port() == 0 {
            return Err(format!("{text:?} must have a port of 1 to 65535"));
        }
        Ok(Self {
            text: text.to_owned(),
            scheme,
            address,
        })
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
    fn targets_name_scheme_host_and_port() {
        for (text, scheme, host, port) in [
            ("https://127.0.0.1:8443", Scheme::Tls, "127.0.0.1", 8443),
            ("https://localhost:1/", Scheme::Tls, "localhost", 1),
            ("http://a-b.example:80", Scheme::Tcp, "a-b.example", 80),
            ("tcp://[::1]:65535", Scheme::Tcp, "::1", 65_535),
        ] {
            let target: Target = text.parse().expect(text);
            assert_eq!(
                (target.scheme, target.address.host(), target.address.port()),
                (scheme, host, port)
            );
            assert_eq!(target.to_string(), text);
        }
    }

    #[test]
    fn other_targets_are_refused_by_value_and_rule() {
        for text in [
            "",
            "127.0.0.1:1",
            "quic://127.0.0.1:1",
            "https://",
            "https://host",
            "https://host:",
            "https://host:0",
            "https://host:+1",
            "https://host:65536",
            "https://:1",
            "https://::1:1",
            "https://[::g]:1",
            "https://user@host:1",
            "https://host:1/path",
        ] {
            let error = text.parse::<Target>().expect_err(text);
            assert!(error.contains("must"), "{error}");
        }
    }

    #[test]
    fn an_address_of_version_6_keeps_its_brackets() {
        let address: Address = "[::1]:0".parse().unwrap();
        assert_eq!((address.host(), address.port()), ("::1", 0));
        assert_eq!(address.to_string(), "[::1]:0");
    }
}
