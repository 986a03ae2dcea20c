//! The settings' values, as a program reads them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// One of a few words.
pub(super) trait Word {
    /// All of them, in the order of the rule.
    fn words(&self) -> &'static [&'static str];
    /// The word itself.
    fn word(&self) -> &'static str;
    /// Takes another word; false if there is no such one.
    fn take(&mut self, word: &str) -> bool;
}

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$doc])* $variant,)+
        }

        impl $name {
            /// The word that selects it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl Word for $name {
            fn words(&self) -> &'static [&'static str] {
                &[$($word,)+]
            }

            fn word(&self) -> &'static str {
                self.as_str()
            }

            fn take(&mut self, word: &str) -> bool {
                *self = match word {
                    $($word => Self::$variant,)+
                    _ => return false,
                };
                true
            }
        }
    };
}

words! {
    /// A transport.
    Backend {
        /// Plain TCP.
        Tcp = "tcp",
        /// TLS 1.3 over TCP.
        Tls = "tls",
        /// QUIC.
        Quic = "quic",
        /// A Tor v3 onion service.
        Tor = "tor",
        /// A Unix domain socket.
        Uds = "uds",
    }
}

words! {
    /// What to do about peers that negotiate no application protocol.
    Alpn {
        /// They are refused.
        Required = "required",
        /// They may pass; a wrong protocol is refused all the same.
        Optional = "optional",
    }
}

words! {
    /// Whom a TLS client trusts.
    TrustStore {
        /// The authorities of the operating system.
        System = "system",
        /// Those of the file `tls_client.ca_bundle_path`, and no others.
        Path = "path",
    }
}

words! {
    /// Which TLS key exchanges are allowed.
    Pq {
        /// Classical ones only.
        Off = "off",
        /// The post-quantum hybrid is preferred.
        Hybrid = "hybrid",
        /// Nothing else than the hybrid.
        Require = "require",
    }
}

words! {
    /// How log events are written.
    LogFormat {
        /// One JSON object per line.
        Json = "json",
        /// One line for people.
        Text = "text",
    }
}

words! {
    /// The least important event that is logged.
    LogLevel {
        /// Nothing is logged.
        Off = "off",
        /// What needs a person.
        Error = "error",
        /// What may come to that.
        Warn = "warn",
        /// What an operator wants to see.
        Info = "info",
        /// What helps to find a fault.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
}

macro_rules! group {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $field:ident: $kind:ty,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $name {
            $($(#[$doc])* pub $field: $kind,)+
        }
    };
}

group! {
    /// Every setting. A field has the name of its key, and its meaning stands with the key: see
    /// [`keys`](super::keys).
    Values {
        /// `backend`.
        backend: Backend,
        /// `bind_addr`.
        bind_addr: SocketAddr,
        /// `max_conns`.
        max_conns: u32,
        /// `max_handshakes`; 0 means twice the number of cores.
        max_handshakes: u32,
        /// `read_timeout`.
        read_timeout: Duration,
        /// `write_timeout`.
        write_timeout: Duration,
        /// `idle_timeout`.
        idle_timeout: Duration,
        /// `handshake_timeout`.
        handshake_timeout: Duration,
        /// `drain_timeout`.
        drain_timeout: Duration,
        /// `limits.*`.
        limits: LimitValues,
        /// `rates.*`.
        rates: RateValues,
        /// `per_peer.*`.
        per_peer: PerPeerValues,
        /// `tcp.*`.
        tcp: TcpValues,
        /// `quic.*`.
        quic: QuicValues,
        /// `tls.*`.
        tls: TlsValues,
        /// `tls_client.*`.
        tls_client: TlsClientValues,
        /// `uds.*`.
        uds: UdsValues,
        /// `auth.*`.
        auth: AuthValues,
        /// `amnesia`.
        amnesia: bool,
        /// `pq.*`.
        pq: PqValues,
        /// `tor.*`.
        tor: TorValues,
        /// `log.*`.
        log: LogValues,
    }
}

group! {
    /// `limits.*`, in bytes where not said otherwise.
    LimitValues {
        /// `limits.max_frame_bytes`.
        max_frame_bytes: u64,
        /// `limits.chunk_bytes`.
        chunk_bytes: u64,
        /// `limits.max_inflight`, in exchanges.
        max_inflight: u32,
        /// `limits.ack_window_bytes`.
        ack_window_bytes: u64,
    }
}

group! {
    /// `rates.*`, in bytes per second; 0 is off.
    RateValues {
        /// `rates.per_conn_bytes_per_sec`.
        per_conn_bytes_per_sec: u64,
        /// `rates.per_peer_bytes_per_sec`.
        per_peer_bytes_per_sec: u64,
        /// `rates.global_ingress_bytes_per_sec`.
        global_ingress_bytes_per_sec: u64,
        /// `rates.global_egress_bytes_per_sec`.
        global_egress_bytes_per_sec: u64,
    }
}

group! {
    /// `per_peer.*`.
    PerPeerValues {
        /// `per_peer.max_conns`; 0 is off.
        max_conns: u32,
    }
}

group! {
    /// `tcp.*`.
    TcpValues {
        /// `tcp.nodelay`.
        nodelay: bool,
        /// `tcp.send_buffer_bytes`; 0 leaves it to the kernel.
        send_buffer_bytes: u64,
        /// `tcp.recv_buffer_bytes`; 0 leaves it to the kernel.
        recv_buffer_bytes: u64,
    }
}

group! {
    /// `quic.*`.
    QuicValues {
        /// `quic.max_streams`; 0 is the default of the machine's size.
        max_streams: u32,
    }
}

group! {
    /// `tls.*`: a server's side.
    TlsValues {
        /// `tls.cert_path`.
        cert_path: Option<PathBuf>,
        /// `tls.key_path`.
        key_path: Option<PathBuf>,
        /// `tls.client_ca_path`.
        client_ca_path: Option<PathBuf>,
        /// `tls.ocsp_path`.
        ocsp_path: Option<PathBuf>,
        /// `tls.alpn`, which a client heeds, too.
        alpn: Alpn,
    }
}

group! {
    /// `tls_client.*`: a client's side.
    TlsClientValues {
        /// `tls_client.trust_store`.
        trust_store: TrustStore,
        /// `tls_client.ca_bundle_path`.
        ca_bundle_path: Option<PathBuf>,
        /// `tls_client.sni_override`.
        sni_override: Option<String>,
        /// `tls_client.cert_path`.
        cert_path: Option<PathBuf>,
        /// `tls_client.key_path`.
        key_path: Option<PathBuf>,
    }
}

group! {
    /// `uds.*`.
    UdsValues {
        /// `uds.path`.
        path: Option<PathBuf>,
        /// `uds.allow_uids`.
        allow_uids: Vec<u32>,
    }
}

group! {
    /// `auth.*`.
    AuthValues {
        /// `auth.macaroon_path`. What the file holds is never part of the settings.
        macaroon_path: Option<PathBuf>,
    }
}

group! {
    /// `pq.*`.
    PqValues {
        /// `pq.mode`.
        mode: Pq,
    }
}

group! {
    /// `tor.*`.
    TorValues {
        /// `tor.bootstrap_timeout`.
        bootstrap_timeout: Duration,
        /// `tor.pre_dial_delay`.
        pre_dial_delay: Duration,
        /// `tor.state_dir`.
        state_dir: Option<PathBuf>,
        /// `tor.config_path`.
        config_path: Option<PathBuf>,
    }
}

group! {
    /// `log.*`.
    LogValues {
        /// `log.format`.
        format: LogFormat,
        /// `log.level`.
        level: LogLevel,
    }
}

impl Values {
    /// Values to be overwritten by every key's default.
    pub(super) fn blank() -> Self {
        Self {
            backend: Backend::Tcp,
            bind_addr: SocketAddr::from(([127, 0, 0, 1], 0)),
            max_conns: 0,
            max_handshakes: 0,
            read_timeout: Duration::ZERO,
            write_timeout: Duration::ZERO,
            idle_timeout: Duration::ZERO,
            handshake_timeout: Duration::ZERO,
            drain_timeout: Duration::ZERO,
            limits: LimitValues {
                max_frame_bytes: 0,
                chunk_bytes: 0,
                max_inflight: 0,
                ack_window_bytes: 0,
            },
            rates: RateValues {
                per_conn_bytes_per_sec: 0,
                per_peer_bytes_per_sec: 0,
                global_ingress_bytes_per_sec: 0,
                global_egress_bytes_per_sec: 0,
            },
            per_peer: PerPeerValues { max_conns: 0 },
            tcp: TcpValues {
                nodelay: false,
                send_buffer_bytes: 0,
                recv_buffer_bytes: 0,
            },
            quic: QuicValues { max_streams: 0 },
            tls: TlsValues {
                cert_path: None,
                key_path: None,
                client_ca_path: None,
                ocsp_path: None,
                alpn: Alpn::Required,
            },
            tls_client: TlsClientValues {
                trust_store: TrustStore::System,
                ca_bundle_path: None,
                sni_override: None,
                cert_path: None,
                key_path: None,
            },
            uds: UdsValues {
                path: None,
                allow_uids: Vec::new(),
            },
            auth: AuthValues {
                macaroon_path: None,
            },
            amnesia: false,
            pq: PqValues { mode: Pq::Hybrid },
            tor: TorValues {
                bootstrap_timeout: Duration::ZERO,
                pre_dial_delay: Duration::ZERO,
                state_dir: None,
                config_path: None,
            },
            log: LogValues {
                format: LogFormat::Json,
                level: LogLevel::Info,
            },
        }
    }
}
