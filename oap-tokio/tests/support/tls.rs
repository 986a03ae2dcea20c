//! Certificates, and both ends of a handshake: ours, and those of others.

use std::io;
use std::sync::Arc;

use oap_core::driver::HandshakeError;
use oap_tokio::*;
use rcgen::{CertifiedKey, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, duplex};

use super::streams::{MIB, read_some, write_all};

pub(crate) struct Pki(pub(crate) CertifiedKey<KeyPair>);

impl Pki {
    pub(crate) fn new() -> Self {
        Self(rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap())
    }

    pub(crate) fn cert_pem(&self) -> String {
        self.0.cert.pem()
    }

    pub(crate) fn cert_der(&self) -> Vec<u8> {
        self.0.cert.der().to_vec()
    }

    pub(crate) fn key_pem(&self) -> String {
        self.0.signing_key.serialize_pem()
    }

    pub(crate) fn server(&self) -> TlsServerConfigBuilder {
        TlsServerConfig::builder().pem(self.cert_pem(), self.key_pem())
    }

    pub(crate) fn client(&self) -> TlsClientConfigBuilder {
        TlsClientConfig::builder().ca_der(vec![self.cert_der()])
    }

    /// A client that is none of ours.
    pub(crate) fn foreign(
        &self,
        adapt: impl FnOnce(&mut rustls::ClientConfig),
    ) -> rustls::ClientConfig {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.0.cert.der().clone()).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        adapt(&mut config);
        config
    }

    /// A server that is none of ours.
    pub(crate) fn foreign_server(
        &self,
        adapt: impl FnOnce(&mut rustls::ServerConfig),
    ) -> rustls::ServerConfig {
        let key = PrivateKeyDer::try_from(self.0.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.0.cert.der().clone()], key)
            .unwrap();
        adapt(&mut config);
        config
    }
}

pub(crate) type Outcome<S> = Result<TlsTransport<S>, HandshakeError>;

pub(crate) async fn pair(
    client: TlsClientConfigBuilder,
    server: TlsServerConfigBuilder,
) -> (Outcome<DuplexStream>, Outcome<DuplexStream>) {
    let (near, far) = duplex(MIB);
    pair_over(client, server, near, far).await
}

pub(crate) async fn pair_over<A, B>(
    client: TlsClientConfigBuilder,
    server: TlsServerConfigBuilder,
    near: A,
    far: B,
) -> (Outcome<A>, Outcome<B>)
where
    A: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    B: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (client, server) = (client.build().unwrap(), server.build().unwrap());
    meet_over(&client, &server, near, far).await
}

pub(crate) async fn meet(
    client: &TlsClientConfig,
    server: &TlsServerConfig,
) -> (Outcome<DuplexStream>, Outcome<DuplexStream>) {
    let (near, far) = duplex(MIB);
    meet_over(client, server, near, far).await
}

async fn meet_over<A, B>(
    client: &TlsClientConfig,
    server: &TlsServerConfig,
    near: A,
    far: B,
) -> (Outcome<A>, Outcome<B>)
where
    A: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    B: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let info = ConnectionInfo::new("duplex");
    let connecting = TlsTransport::connect(client, near, "localhost", info.clone()).unwrap();
    tokio::join!(connecting, TlsTransport::accept(server, far, info))
}

/// A handshake after which the client has read its tickets; whether either end resumed.
pub(crate) async fn visit(client: &TlsClientConfig, server: &TlsServerConfig) -> (bool, bool) {
    let (client, server) = meet(client, server).await;
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    write_all(&mut server, &b"tickets came first"[..])
        .await
        .unwrap();
    read_some(&mut client).await.unwrap();
    let resumed = |info: &ConnectionInfo| info.tls.as_ref().unwrap().resumed;
    (resumed(client.info()), resumed(server.info()))
}

/// Our client at a server that is none of ours.
pub(crate) async fn at_foreign(
    client: TlsClientConfigBuilder,
    server: rustls::ServerConfig,
) -> Outcome<DuplexStream> {
    let (near, far) = duplex(MIB);
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(server));
    let info = ConnectionInfo::new("duplex");
    let client = client.build().unwrap();
    let connecting = TlsTransport::connect(&client, near, "localhost", info).unwrap();
    tokio::join!(connecting, acceptor.accept(far)).0
}

pub(crate) async fn foreign_pair(
    client: rustls::ClientConfig,
    server: TlsServerConfigBuilder,
) -> (
    io::Result<tokio_rustls::client::TlsStream<DuplexStream>>,
    Outcome<DuplexStream>,
) {
    let (near, far) = duplex(MIB);
    let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
    let server = server.build().unwrap();
    tokio::join!(
        connector.connect("localhost".try_into().unwrap(), near),
        TlsTransport::accept(&server, far, ConnectionInfo::new("duplex"))
    )
}

/// The reason and the message of a refusal, as they are shown.
pub(crate) fn refusal<S>(outcome: Outcome<S>) -> String {
    match outcome {
        Err(error @ HandshakeError::Refused { .. }) => error.to_string(),
        Err(other) => panic!("not a refusal: {other}"),
        Ok(_) => panic!("not refused"),
    }
}

/// The first flight of a client that knows TLS 1.2 at most.
pub(crate) fn tls12_client_hello() -> Vec<u8> {
    let extensions: &[u8] = &[
        0, 10, 0, 4, 0, 2, 0, 29, // supported_groups: x25519
        0, 11, 0, 2, 1, 0, // ec_point_formats: uncompressed
        0, 13, 0, 4, 0, 2, 4, 3, // signature_algorithms: ecdsa_secp256r1_sha256
    ];
    let mut body = vec![3, 3];
    body.extend([9; 32]); // random
    body.extend([0]); // no session
    body.extend([0, 2, 0xc0, 0x2b, 1, 0]); // ECDHE_ECDSA_AES_128_GCM, no compression
    body.extend([0, extensions.len() as u8]);
    body.extend(extensions);
    let mut record = vec![22, 3, 1, 0, body.len() as u8 + 4, 1, 0, 0, body.len() as u8];
    record.extend(body);
    record
}
