//! What is known of an established connection.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::string::String;

/// What is known of an established connection.
///
/// Peer addresses are for the host's decisions (limits, allow-lists); where they may not be logged,
/// as on Tor, they are `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// Name of the transport: `tcp`, `tls`, `quic`, `uds`, `tor`.
    pub transport: &'static str,
    /// The peer's address, where the transport has addresses.
    pub peer: Option<SocketAddr>,
    /// Our address, where the transport has addresses.
    pub local: Option<SocketAddr>,
    /// The user that the peer runs as, where the transport tells: on a Unix domain socket.
    pub uid: Option<u32>,
    /// What TLS negotiated; `None` without TLS.
    pub tls: Option<TlsInfo>,
}

impl ConnectionInfo {
    /// A connection of `transport` of which nothing else is known.
    pub const fn new(transport: &'static str) -> Self {
        Self {
            transport,
            peer: None,
            local: None,
            uid: None,
            tls: None,
        }
    }

    /// Whom limits per peer count it to; `None` where nothing tells peers apart.
    pub fn peer_key(&self) -> Option<PeerKey> {
        match (self.peer, self.uid) {
            (Some(address), _) => Some(PeerKey::of_address(address.ip())),
            (None, Some(uid)) => Some(PeerKey::User(uid)),
            (None, None) => None,
        }
    }
}

/// What a TLS handshake negotiated, in the IANA registry's names as rustls spells them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsInfo {
    /// Protocol version, such as `TLSv1_3`.
    pub version: &'static str,
    /// Key exchange group, such as `X25519MLKEM768`; `unknown` where the transport does not tell.
    pub group: &'static str,
    /// Cipher suite, such as `TLS13_AES_256_GCM_SHA384`; `unknown` where the transport does not
    /// tell.
    pub cipher: &'static str,
    /// Application protocol, `oap/1`; `None` when a policy of `Optional` let it pass.
    pub alpn: Option<String>,
    /// Whether an earlier session was resumed.
    pub resumed: bool,
}

impl TlsInfo {
    /// A session of TLS 1.3 of which nothing else is known.
    pub const fn new() -> Self {
        Self {
            version: "TLSv1_3",
            group: "unknown",
            cipher: "unknown",
            alpn: None,
            resumed: false,
        }
    }
}

impl Default for TlsInfo {
    fn default() -> Self {
        Self::new()
    }
}

/// One peer, as limits per peer tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeerKey {
    /// An IPv4 address, or the /64 network of an IPv6 address: hosts get whole networks.
    Address(IpAddr),
    /// A user of this machine.
    User(u32),
}

impl PeerKey {
    fn of_address(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V6(address) => {
                let network = u128::from(address) & !u128::from(u64::MAX);
                Ipv6Addr::from(network).into()
            }
            address => address,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(address: &str) -> Option<PeerKey> {
        let mut info = ConnectionInfo::new("tcp");
        info.peer = Some(address.parse().unwrap());
        info.peer_key()
    }

    #[test]
    fn peers_are_told_apart_by_address_network_or_user() {
        assert_eq!(key("192.0.2.1:1"), key("192.0.2.1:2"));
        assert_ne!(key("192.0.2.1:1"), key("192.0.2.2:1"));
        assert_eq!(key("[::ffff:192.0.2.1]:1"), key("192.0.2.1:1"));
        assert_eq!(key("[2001:db8::1]:1"), key("[2001:db8::ff]:1"));
        assert_ne!(key("[2001:db8::1]:1"), key("[2001:db8:0:1::1]:1"));

        let mut info = ConnectionInfo::new("uds");
        assert_eq!(info.peer_key(), None);
        info.uid = Some(1_000);
        assert_eq!(info.peer_key(), Some(PeerKey::User(1_000)));
    }
}
