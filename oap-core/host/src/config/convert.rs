//! What the other modules take, made of settings.

use oap_core::driver::{Rates, ServerOptions};
use oap_core::{Config, Limits, Timers};

use super::Settings;
use super::values::{Backend, Values};
use crate::tcp::TcpOptions;

impl Settings {
    /// The configuration of a connection, server's or client's. What is no setting has its default;
    /// a program that wants something else there changes it in what this returns.
    pub fn core_config(&self) -> Config {
        Config {
            limits: self.limits(),
            timers: self.timers(),
            transports: vec![self.backend.as_str().into()],
            pq: has_tls(self).then(|| self.pq.mode.as_str().into()),
            multi_lane: self.backend == Backend::Quic,
            ..Config::default()
        }
    }

    /// The limits of a connection.
    pub const fn limits(&self) -> Limits {
        self.core_limits
    }

    /// The timers of a connection: `read_timeout` is that of a frame that has begun,
    /// `handshake_timeout` those of the first frame and of HELLO. The others have no key.
    pub fn timers(&self) -> Timers {
        Timers {
            first_frame: self.handshake_timeout,
            frame: self.read_timeout,
            write: self.write_timeout,
            idle: self.idle_timeout,
            hello: self.handshake_timeout,
            ..Timers::default()
        }
    }

    /// What a server decides besides its connections' configuration.
    pub fn server_options(&self) -> ServerOptions {
        let rates = Rates::default()
            .with_per_connection(self.rates.per_conn_bytes_per_sec)
            .with_per_peer(self.rates.per_peer_bytes_per_sec)
            .with_ingress(self.rates.global_ingress_bytes_per_sec)
            .with_egress(self.rates.global_egress_bytes_per_sec);
        let options = ServerOptions::default()
            .with_max_connections(number(self.max_conns))
            .with_per_peer_connections(number(self.per_peer.max_conns))
            .with_rates(rates);
        match self.max_handshakes {
            0 => options,
            handshakes => options.with_handshakes(number(handshakes)),
        }
    }
}

fn has_tls(values: &Values) -> bool {
    matches!(values.backend, Backend::Tls | Backend::Quic)
}

fn number(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

impl Settings {
    /// Socket settings of TCP, below TLS, too.
    pub fn tcp_options(&self) -> TcpOptions {
        let size = |bytes| u32::try_from(bytes).ok().filter(|bytes| *bytes > 0);
        TcpOptions {
            nodelay: self.tcp.nodelay,
            send_buffer: size(self.tcp.send_buffer_bytes),
            recv_buffer: size(self.tcp.recv_buffer_bytes),
            connect_timeout: self.handshake_timeout,
            ..TcpOptions::default()
        }
    }
}

#[cfg(unix)]
impl Settings {
    /// How a Unix domain socket is made, and who may connect to it.
    pub fn uds_options(&self) -> crate::uds::UdsOptions {
        crate::uds::UdsOptions {
            allow_uids: self.uds.allow_uids.clone(),
            ..Default::default()
        }
    }
}

#[cfg(feature = "quic")]
impl Settings {
    /// Limits of QUIC below the protocol's. Its own idle timeout is never the shorter one, so that
    /// the protocol's timer decides.
    pub fn quic_options(&self) -> crate::quic::QuicOptions {
        let mut options = crate::quic::QuicOptions::default();
        options.idle_timeout = options.idle_timeout.max(self.idle_timeout);
        if self.quic.max_streams > 0 {
            options.max_streams = u16::try_from(self.quic.max_streams).unwrap_or(u16::MAX);
        }
        if self.max_handshakes > 0 {
            options.max_handshakes = number(self.max_handshakes);
        }
        options
    }
}

#[cfg(feature = "tls")]
mod tls {
    use super::Settings;
    use crate::config::{Alpn, Pq, TrustStore};
    use crate::tls::{
        AlpnPolicy, PqMode, TlsClientConfig, TlsClientConfigBuilder, TlsError, TlsServerConfig,
        TlsServerConfigBuilder,
    };

    impl Settings {
        /// A server's TLS configuration. It reads the files anew, and has ticket keys of its own.
        ///
        /// # Errors
        /// What breaks a rule that needs the files' contents.
        pub fn tls_server_config(&self) -> Result<TlsServerConfig, TlsError> {
            self.tls_server_builder().build()
        }

        /// The same before it is built, for a program that adds what no key sets.
        pub fn tls_server_builder(&self) -> TlsServerConfigBuilder {
            let mut builder = TlsServerConfig::builder()
                .alpn(self.alpn_policy())
                .pq(self.pq_mode())
                .handshake_timeout(self.handshake_timeout);
            if let (Some(cert), Some(key)) = (&self.tls.cert_path, &self.tls.key_path) {
                builder = builder.files(cert, key);
            }
            if let Some(path) = &self.tls.client_ca_path {
                builder = builder.client_ca_file(path);
            }
            if let Some(path) = &self.tls.ocsp_path {
                builder = builder.ocsp_file(path);
            }
            builder
        }

        /// A client's TLS configuration. It reads the files anew, and remembers no sessions.
        ///
        /// # Errors
        /// What breaks a rule that needs the files' contents.
        pub fn tls_client_config(&self) -> Result<TlsClientConfig, TlsError> {
            self.tls_client_builder().build()
        }

        /// The same before it is built, for a program that adds what no key sets.
        pub fn tls_client_builder(&self) -> TlsClientConfigBuilder {
            let client = &self.tls_client;
            let mut builder = TlsClientConfig::builder()
                .alpn(self.alpn_policy())
                .pq(self.pq_mode())
                .handshake_timeout(self.handshake_timeout);
            builder = match (client.trust_store, &client.ca_bundle_path) {
                (TrustStore::Path, Some(path)) => builder.ca_file(path),
                _ => builder.system_roots(),
            };
            if let Some(name) = &client.sni_override {
                builder = builder.server_name(name);
            }
            if let (Some(cert), Some(key)) = (&client.cert_path, &client.key_path) {
                builder = builder.files(cert, key);
            }
            builder
        }

        const fn alpn_policy(&self) -> AlpnPolicy {
            match self.values.tls.alpn {
                Alpn::Required => AlpnPolicy::Required,
                Alpn::Optional => AlpnPolicy::Optional,
            }
        }

        const fn pq_mode(&self) -> PqMode {
            match self.values.pq.mode {
                Pq::Off => PqMode::Off,
                Pq::Hybrid => PqMode::Hybrid,
                Pq::Require => PqMode::Require,
            }
        }
    }
}
