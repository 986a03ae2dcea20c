//! The table of keys, from which parsing, flags, names of environment variables, the default file
//! and the documentation's table are made.

use std::time::Duration;

use super::kind::{Kind, PathOf};
use super::values::Values;

const KIB: u64 = bytesize::KIB;
const MIB: u64 = bytesize::MIB;
const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
// Above any sensible setting, and far below what a timer can count.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// One key of the settings.
#[derive(Clone, Copy)]
pub struct Key {
    name: &'static str,
    pub(super) kind: Kind,
    default: &'static str,
    /// What the value must satisfy besides its kind's rule.
    also: &'static str,
    change: Change,
    doc: &'static str,
}

/// When a key of a running program may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// At a reload, for new connections.
    Reload,
    /// At a reload, for new connections, to a smaller value.
    Downwards,
    /// At the next start only.
    Restart,
}

impl Key {
    /// Its name, as in the file and on the command line: `limits.max_frame_bytes`.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Its environment variable: `OAP_LIMITS_MAX_FRAME_BYTES`.
    pub fn env(&self) -> String {
        format!("{ENV_PREFIX}{}", self.name.replace('.', "_").to_uppercase())
    }

    /// The type of its value in one word, for help texts.
    pub const fn kind(&self) -> &'static str {
        self.kind.name()
    }

    /// Its default, as it would be written; empty where none is set.
    pub const fn default_text(&self) -> &'static str {
        self.default
    }

    /// What a value must be.
    pub fn rule(&self) -> String {
        let mut rule = self.kind.rule();
        if !self.also.is_empty() {
            rule.push_str("; ");
            rule.push_str(self.also);
        }
        rule
    }

    /// When it may change.
    pub const fn change(&self) -> Change {
        self.change
    }

    /// What it is for.
    pub const fn doc(&self) -> &'static str {
        self.doc
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Key").field(&self.name).finish()
    }
}

/// What the names of the environment variables begin with.
pub(super) const ENV_PREFIX: &str = "OAP_";

/// All keys, in the order of the documentation.
pub fn keys() -> &'static [Key] {
    KEYS
}

pub(super) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// Every key at its default.
pub(super) fn defaults() -> Values {
    let mut values = Values::blank();
    for key in KEYS {
        let taken = key.kind.read(key.default, &mut values);
        debug_assert!(taken, "{}: its default breaks its own rule", key.name);
    }
    values
}

/// `> 0`, and at most a day.
const fn timeout(place: super::kind::Place<Duration>) -> Kind {
    Kind::Time {
        least: MS,
        most: DAY,
        place,
    }
}

const fn rate(place: super::kind::Place<u64>) -> Kind {
    Kind::Size {
        least: 0,
        most: u64::MAX,
        place,
    }
}

static KEYS: &[Key] = &[
    Key {
        name: "backend",
        kind: Kind::Word(|values| &mut values.backend),
        default: "tcp",
        also: "this build must have it",
        change: Change::Restart,
        doc: "The transport.",
    },
    Key {
        name: "bind_addr",
        kind: Kind::Address(|values| &mut values.bind_addr),
        default: "127.0.0.1:0",
        also: "not together with uds.path",
        change: Change::Restart,
        doc: "Where a server listens; port 0 takes a free one.",
    },
    Key {
        name: "max_conns",
        kind: Kind::Count {
            least: 1,
            most: u32::MAX,
            place: |values| &mut values.max_conns,
        },
        default: "1024",
        also: "",
        change: Change::Downwards,
        doc: "Connections at once, handshakes among them; further ones wait in the kernel's backlog.",
    },
    Key {
        name: "max_handshakes",
        kind: Kind::Count {
            least: 0,
            most: u32::MAX,
            place: |values| &mut values.max_handshakes,
        },
        default: "0",
        also: "",
        change: Change::Restart,
        doc: "Handshakes at once at a server; 0 is two per core.",
    },
    Key {
        name: "read_timeout",
        kind: timeout(|values| &mut values.read_timeout),
        default: "5s",
        also: "",
        change: Change::Reload,
        doc: "Until a frame that has begun is whole, plus a fifth of it per 64 KiB of the frame.",
    },
    Key {
        name: "write_timeout",
        kind: timeout(|values| &mut values.write_timeout),
        default: "5s",
        also: "",
        change: Change::Reload,
        doc: "How long bytes may wait to be written without any progress.",
    },
    Key {
        name: "idle_timeout",
        kind: Kind::Time {
            least: SECOND,
            most: DAY,
            place: |values| &mut values.idle_timeout,
        },
        default: "60s",
        also: "",
        change: Change::Reload,
        doc: "How long a connection may bring no frame; peers are pinged at half of it.",
    },
    Key {
        name: "handshake_timeout",
        kind: timeout(|values| &mut values.handshake_timeout),
        default: "5s",
        also: "",
        change: Change::Reload,
        doc: "For connecting, for the handshake of TLS or QUIC, for the first frame after it, and \
              for the answer to HELLO: for each of them.",
    },
    Key {
        name: "drain_timeout",
        kind: Kind::Time {
            least: Duration::ZERO,
            most: DAY,
            place: |values| &mut values.drain_timeout,
        },
        default: "30s",
        also: "",
        change: Change::Reload,
        doc: "How long a server that stops lets open exchanges finish.",
    },
    Key {
        name: "amnesia",
        kind: Kind::Switch(|values| &mut values.amnesia),
        default: "false",
        also: "not together with tor.state_dir",
        change: Change::Restart,
        doc: "Nothing is written to disk, Tor's state included. Only the socket of backend uds \
              stands in the file system, as it must.",
    },
    Key {
        name: "limits.max_frame_bytes",
        kind: Kind::Size {
            least: 64 * KIB,
            most: MIB,
            place: |values| &mut values.limits.max_frame_bytes,
        },
        default: "1MiB",
        also: "",
        change: Change::Downwards,
        doc: "The largest frame accepted. Inflated data is bounded by eight times this.",
    },
    Key {
        name: "limits.chunk_bytes",
        kind: Kind::Size {
            least: 4 * KIB,
            most: 256 * KIB,
            place: |values| &mut values.limits.chunk_bytes,
        },
        default: "64KiB",
        also: "at most limits.max_frame_bytes",
        change: Change::Downwards,
        doc: "The frames' size that a longer body is split into.",
    },
    Key {
        name: "limits.max_inflight",
        kind: Kind::Count {
            least: 1,
            most: 65_535,
            place: |values| &mut values.limits.max_inflight,
        },
        default: "64",
        also: "",
        change: Change::Downwards,
        doc: "Exchanges at once, per connection.",
    },
    Key {
        name: "limits.ack_window_bytes",
        kind: Kind::Size {
            least: 4 * KIB,
            most: 8 * MIB,
            place: |values| &mut values.limits.ack_window_bytes,
        },
        default: "128KiB",
        also: "times limits.max_inflight at most 8 x limits.max_frame_bytes",
        change: Change::Downwards,
        doc: "What a peer may send ahead of acknowledgement, per exchange.",
    },
    Key {
        name: "rates.per_conn_bytes_per_sec",
        kind: rate(|values| &mut values.rates.per_conn_bytes_per_sec),
        default: "0",
        also: "",
        change: Change::Reload,
        doc: "What one connection may bring, and be sent, per second; 0 is off, and less than 64KiB \
              counts as 64KiB.",
    },
    Key {
        name: "rates.per_peer_bytes_per_sec",
        kind: rate(|values| &mut values.rates.per_peer_bytes_per_sec),
        default: "0",
        also: "",
        change: Change::Reload,
        doc: "What all connections of one peer may bring, and be sent, per second; as above.",
    },
    Key {
        name: "rates.global_ingress_bytes_per_sec",
        kind: rate(|values| &mut values.rates.global_ingress_bytes_per_sec),
        default: "0",
        also: "",
        change: Change::Reload,
        doc: "What all connections together may bring per second; as above.",
    },
    Key {
        name: "rates.global_egress_bytes_per_sec",
        kind: rate(|values| &mut values.rates.global_egress_bytes_per_sec),
        default: "0",
        also: "",
        change: Change::Reload,
        doc: "What all connections together are sent per second; as above.",
    },
    Key {
        name: "per_peer.max_conns",
        kind: Kind::Count {
            least: 0,
            most: u32::MAX,
            place: |values| &mut values.per_peer.max_conns,
        },
        default: "0",
        also: "",
        change: Change::Downwards,
        doc: "Connections at once of one peer (an address, an IPv6 /64 network, a user), further ones \
              are closed; 0 is off.",
    },
    Key {
        name: "tcp.nodelay",
        kind: Kind::Switch(|values| &mut values.tcp.nodelay),
        default: "true",
        also: "",
        change: Change::Restart,
        doc: "TCP_NODELAY: small segments are sent at once.",
    },
    Key {
        name: "tcp.send_buffer_bytes",
        kind: Kind::Size {
            least: 0,
            most: 64 * MIB,
            place: |values| &mut values.tcp.send_buffer_bytes,
        },
        default: "0",
        also: "",
        change: Change::Restart,
        doc: "SO_SNDBUF; 0 leaves it to the kernel's tuning.",
    },
    Key {
        name: "tcp.recv_buffer_bytes",
        kind: Kind::Size {
            least: 0,
            most: 64 * MIB,
            place: |values| &mut values.tcp.recv_buffer_bytes,
        },
        default: "0",
        also: "",
        change: Change::Restart,
        doc: "SO_RCVBUF; 0 leaves it to the kernel's tuning.",
    },
    Key {
        name: "quic.max_streams",
        kind: Kind::Count {
            least: 0,
            most: 65_535,
            place: |values| &mut values.quic.max_streams,
        },
        default: "0",
        also: "",
        change: Change::Restart,
        doc: "Streams at once that a QUIC client may open; 0 is 512, or 1024 on 16 cores and more.",
    },
    Key {
        name: "tls.cert_path",
        kind: Kind::Path {
            of: PathOf::File,
            place: |values| &mut values.tls.cert_path,
        },
        default: "",
        also: "a server's backends tls and quic need it; together with tls.key_path",
        change: Change::Reload,
        doc: "The server's certificate chain in PEM, its own certificate first.",
    },
    Key {
        name: "tls.key_path",
        kind: Kind::Path {
            of: PathOf::Secret,
            place: |values| &mut values.tls.key_path,
        },
        default: "",
        also: "a server's backends tls and quic need it; together with tls.cert_path",
        change: Change::Reload,
        doc: "The private key of that certificate in PEM; zeroized after it was read.",
    },
    Key {
        name: "tls.client_ca_path",
        kind: Kind::Path {
            of: PathOf::File,
            place: |values| &mut values.tls.client_ca_path,
        },
        default: "",
        also: "",
        change: Change::Reload,
        doc: "Authorities in PEM; where set, clients must show a certificate of one of them.",
    },
    Key {
        name: "tls.ocsp_path",
        kind: Kind::Path {
            of: PathOf::File,
            place: |values| &mut values.tls.ocsp_path,
        },
        default: "",
        also: "",
        change: Change::Reload,
        doc: "An OCSP response in DER to staple.",
    },
    Key {
        name: "tls.alpn",
        kind: Kind::Word(|values| &mut values.tls.alpn),
        default: "required",
        also: "",
        change: Change::Restart,
        doc: "Whether peers must negotiate oap/1; another protocol is refused in any case.",
    },
    Key {
        name: "tls_client.trust_store",
        kind: Kind::Word(|values| &mut values.tls_client.trust_store),
        default: "system",
        also: "path needs tls_client.ca_bundle_path",
        change: Change::Restart,
        doc: "Whom a client trusts: the operating system's authorities, or those of a file.",
    },
    Key {
        name: "tls_client.ca_bundle_path",
        kind: Kind::Path {
            of: PathOf::File,
            place: |values| &mut values.tls_client.ca_bundle_path,
        },
        default: "",
        also: "needs tls_client.trust_store = path",
        change: Change::Reload,
        doc: "Those authorities in PEM.",
    },
    Key {
        name: "tls_client.sni_override",
        kind: Kind::HostName(|values| &mut values.tls_client.sni_override),
        default: "",
        also: "",
        change: Change::Restart,
        doc: "The server name to ask for and to check, instead of the address's host.",
    },
    Key {
        name: "tls_client.cert_path",
        kind: Kind::Path {
            of: PathOf::File,
            place: |values| &mut values.tls_client.cert_path,
        },
        default: "",
        also: "together with tls_client.key_path",
        change: Change::Reload,
        doc: "A certificate chain in PEM to show to servers that ask for one.",
    },
    Key {
        name: "tls_client.key_path",
        kind: Kind::Path {
            of: PathOf::Secret,
            place: |values| &mut values.tls_client.key_path,
        },
        default: "",
        also: "together with tls_client.cert_path",
        change: Change::Reload,
        doc: "The private key of that certificate in PEM; zeroized after it was read.",
    },
    Key {
        name: "uds.path",
        kind: Kind::Path {
            of: PathOf::Socket,
            place: |values| &mut values.uds.path,
        },
        default: "",
        also: "backend uds needs it",
        change: Change::Restart,
        doc: "The Unix domain socket, made with mode 0600 in a directory of mode 0700.",
    },
    Key {
        name: "uds.allow_uids",
        kind: Kind::UserIds(|values| &mut values.uds.allow_uids),
        default: "",
        also: "",
        change: Change::Restart,
        doc: "Users that may connect to the socket; empty: whom its mode lets through.",
    },
    Key {
        name: "auth.macaroon_path",
        kind: Kind::Path {
            of: PathOf::Secret,
            place: |values| &mut values.auth.macaroon_path,
        },
        default: "",
        also: "",
        change: Change::Restart,
        doc: "The capability that a program presents; what the file holds is never logged.",
    },
    Key {
        name: "pq.mode",
        kind: Kind::Word(|values| &mut values.pq.mode),
        default: "hybrid",
        also: "",
        change: Change::Restart,
        doc: "Post-quantum key exchange: never, preferred, or nothing else.",
    },
    Key {
        name: "tor.bootstrap_timeout",
        kind: timeout(|values| &mut values.tor.bootstrap_timeout),
        default: "60s",
        also: "",
        change: Change::Restart,
        doc: "For Tor to come up.",
    },
    Key {
        name: "tor.pre_dial_delay",
        kind: Kind::Time {
            least: Duration::ZERO,
            most: DAY,
            place: |values| &mut values.tor.pre_dial_delay,
        },
        default: "0s",
        also: "",
        change: Change::Restart,
        doc: "A pause before each connection over Tor.",
    },
    Key {
        name: "tor.state_dir",
        kind: Kind::Path {
            of: PathOf::Directory,
            place: |values| &mut values.tor.state_dir,
        },
        default: "",
        also: "not together with amnesia",
        change: Change::Restart,
        doc: "Where Tor keeps its state.",
    },
    Key {
        name: "tor.config_path",
        kind: Kind::Path {
            of: PathOf::File,
            place: |values| &mut values.tor.config_path,
        },
        default: "",
        also: "",
        change: Change::Restart,
        doc: "Tor's own settings.",
    },
    Key {
        name: "log.format",
        kind: Kind::Word(|values| &mut values.log.format),
        default: "json",
        also: "",
        change: Change::Restart,
        doc: "How log events are written.",
    },
    Key {
        name: "log.level",
        kind: Kind::Word(|values| &mut values.log.level),
        default: "info",
        also: "",
        change: Change::Reload,
        doc: "The least important event that is logged.",
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_in_every_spelling() {
        let names: BTreeSet<&str> = keys().iter().map(Key::name).collect();
        let variables: BTreeSet<String> = keys().iter().map(Key::env).collect();
        assert_eq!(names.len(), keys().len());
        assert_eq!(variables.len(), keys().len());
        assert!(variables.contains("OAP_LIMITS_MAX_FRAME_BYTES"));
    }

    #[test]
    fn every_key_has_a_place_of_its_own() {
        let defaults = defaults();
        for key in keys() {
            let other = match key.kind {
                Kind::Word(place) => place(&mut Values::blank())
                    .words()
                    .iter()
                    .find(|word| **word != key.default)
                    .expect("a choice of at least two")
                    .to_string(),
                Kind::Switch(_) => (key.default == "false").to_string(),
                Kind::Count { .. } => "7".to_owned(),
                Kind::Size { .. } => "68KiB".to_owned(),
                Kind::Time { .. } => "7s".to_owned(),
                Kind::Address(_) => "[::1]:7".to_owned(),
                Kind::Path { .. } => "/some/path".to_owned(),
                Kind::HostName(_) => "some.name".to_owned(),
                Kind::UserIds(_) => "0,7".to_owned(),
            };
            let mut changed = defaults.clone();
            assert!(key.kind.read(&other, &mut changed), "{}", key.name);
            for reader in keys() {
                let text = reader.kind.write(&changed);
                if reader.name == key.name {
                    assert_eq!(text, other);
                } else {
                    assert_eq!(text, reader.kind.write(&defaults), "{}", reader.name);
                }
            }
        }
    }
}
