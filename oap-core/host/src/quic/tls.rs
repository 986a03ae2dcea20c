//! TLS inside QUIC: the same configurations as on TCP.

use oap_core::driver::TlsInfo;
use rustls::crypto::CryptoProvider;
use s2n_quic::provider::connection_close_formatter::{Context, Formatter, Production};
use s2n_quic::provider::event::events::CipherSuite;
use s2n_quic::provider::tls::rustls::{Client, Server};
use s2n_quic::provider::tls::{ConnectionInfo, Provider};
use s2n_quic_core::crypto::tls::Endpoint;
use s2n_quic_core::frame::ConnectionClose;
use s2n_quic_core::havoc::EncoderValue;
use s2n_quic_core::{application, transport};

use crate::tls::TlsReloader;

/// Begins each handshake with the configuration that is current then.
pub(super) struct ServerTls(pub(super) TlsReloader);

impl Provider for ServerTls {
    type Server = Self;
    type Client = Client;
    type Error = &'static str;

    fn start_server(self) -> Result<Self, Self::Error> {
        Ok(self)
    }

    fn start_client(self) -> Result<Client, Self::Error> {
        Err("a server's TLS configuration begins no client")
    }
}

impl ServerTls {
    fn current(&self) -> Server {
        Server::from(self.0.current().rustls_config().clone())
    }
}

impl Endpoint for ServerTls {
    type Session = <Server as Endpoint>::Session;

    fn new_server_session<Params: EncoderValue>(
        &mut self,
        parameters: &Params,
        info: ConnectionInfo,
    ) -> Self::Session {
        self.current().new_server_session(parameters, info)
    }

    fn new_client_session<Params: EncoderValue>(
        &mut self,
        parameters: &Params,
        name: application::ServerName,
    ) -> Self::Session {
        self.current().new_client_session(parameters, name)
    }

    fn max_tag_length(&self) -> usize {
        self.current().max_tag_length()
    }
}

/// Tells the peer which TLS alert ended a handshake, as TLS on TCP does, so that it can name the
/// reason; the default hides it.
pub(super) struct TellAlerts;

impl Formatter for TellAlerts {
    fn format_transport_error(
        &self,
        context: &Context<'_>,
        error: transport::Error,
    ) -> ConnectionClose<'_> {
        if error.try_into_tls_error().is_some() {
            return transport::Error::new(error.code.as_varint()).into();
        }
        Production.format_transport_error(context, error)
    }

    fn format_application_error(
        &self,
        context: &Context<'_>,
        error: application::Error,
    ) -> ConnectionClose<'_> {
        Production.format_application_error(context, error)
    }

    fn format_early_transport_error(
        &self,
        context: &Context<'_>,
        error: transport::Error,
    ) -> ConnectionClose<'_> {
        self.format_transport_error(context, error)
    }

    fn format_early_application_error(
        &self,
        context: &Context<'_>,
        error: application::Error,
    ) -> ConnectionClose<'_> {
        Production.format_early_application_error(context, error)
    }
}

/// What a handshake negotiated, as far as s2n-quic tells: not whether a session was resumed.
pub(super) fn describe(
    group: Option<&str>,
    cipher: Option<&CipherSuite>,
    provider: &CryptoProvider,
) -> TlsInfo {
    let mut info = TlsInfo::new();
    let offered = provider.kx_groups.iter();
    if let Some(name) = offered
        .filter_map(|offered| offered.name().as_str())
        .find(|name| Some(*name) == group)
    {
        info.group = name;
    }
    match cipher {
        Some(CipherSuite::TLS_AES_128_GCM_SHA256 { .. }) => {
            info.cipher = "TLS13_AES_128_GCM_SHA256";
        }
        Some(CipherSuite::TLS_AES_256_GCM_SHA384 { .. }) => {
            info.cipher = "TLS13_AES_256_GCM_SHA384";
        }
        Some(CipherSuite::TLS_CHACHA20_POLY1305_SHA256 { .. }) => {
            info.cipher = "TLS13_CHACHA20_POLY1305_SHA256";
        }
        _ => {}
    }
    info
}
