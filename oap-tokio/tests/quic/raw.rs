//! Peers that s2n-quic alone makes, which keep to other rules than ours.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use bytes::Bytes;
use futures_util::future::join;
use oap_core::driver::{HandshakeError, LaneError, Lanes};
use oap_core::{Lane, Reason};
use oap_host::quic::QuicOptions;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, ServerConfig, SignatureScheme};
use s2n_quic::client::Connect;
use s2n_quic::provider::tls::rustls::{Client as ClientTls, Server as ServerTls};
use s2n_quic::{Client, Connection, Server};

use super::adapter::run;
use super::suite::peer::{Came, Peer, accept, connector, listen};
use super::suite::pki::Identity;

const SECOND: Lane = Lane(1);

fn raw_client(config: ClientConfig) -> Client {
    Client::builder()
        .with_tls(ClientTls::from(config))
        .expect("a TLS configuration")
        .with_io("127.0.0.1:0")
        .expect("a port")
        .start()
        .expect("a client")
}

fn raw_server(config: ServerConfig) -> Server {
    Server::builder()
        .with_tls(ServerTls::from(config))
        .expect("a TLS configuration")
        .with_io("127.0.0.1:0")
        .expect("a port")
        .start()
        .expect("a server")
}

fn client_config(identity: &Identity) -> ClientConfig {
    let config = identity.client().build().expect("a TLS configuration");
    ClientConfig::clone(config.rustls_config())
}

fn server_config(identity: &Identity) -> ServerConfig {
    let config = identity.server().build().expect("a TLS configuration");
    ServerConfig::clone(config.rustls_config())
}

/// A client of s2n-quic alone at a server of ours.
async fn at_our_server(config: ClientConfig, identity: &Identity) -> (Connection, Peer) {
    let mut listener = listen(identity, &QuicOptions::default()).await;
    let address = listener.local_addr().expect("its address");
    let client = raw_client(config);
    let connect = client.connect(Connect::new(address).with_server_name("127.0.0.1"));
    let (raw, server) = join(connect, accept(&mut listener)).await;
    (
        raw.expect("a connection"),
        server.map_err(|error| error.to_string()).expect("ours"),
    )
}

fn refusal<T>(outcome: Result<T, HandshakeError>) -> (Reason, String) {
    match outcome {
        Err(HandshakeError::Refused { reason, message }) => (reason, message),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("a connection"),
    }
}

// OAP-11-2
#[test]
fn a_client_of_another_protocol_or_of_none_is_refused() {
    run(async {
        let identity = Identity::new();
        for protocols in [vec![b"h3".to_vec()], Vec::new()] {
            let mut listener = listen(&identity, &QuicOptions::default()).await;
            let address = listener.local_addr().expect("its address");
            let mut config = client_config(&identity);
            config.alpn_protocols = protocols;
            let client = raw_client(config);
            let connect = client.connect(Connect::new(address).with_server_name("127.0.0.1"));
            let (raw, server) = join(connect, accept(&mut listener)).await;
            let (reason, message) = refusal(server);
            assert_eq!(reason, Reason::Tls);
            assert!(message.contains("oap/1"), "{message}");
            let error = raw.expect_err("refused").to_string();
            assert!(error.contains("NO_APPLICATION_PROTOCOL"), "{error}");
        }
    });
}

// OAP-11-2
#[test]
fn a_server_of_another_protocol_is_refused() {
    run(async {
        let identity = Identity::new();
        for protocols in [vec![b"h3".to_vec()], Vec::new()] {
            let mut config = server_config(&identity);
            config.alpn_protocols = protocols;
            let server = raw_server(config);
            let address = server.local_addr().expect("its address").to_string();
            let connector = connector(&identity, &QuicOptions::default());
            // Such a server does not tell why it refuses.
            let (reason, message) = refusal(connector.connect(&address).await);
            assert_eq!(reason, Reason::Tls, "{message}");
        }
    });
}

// OAP-11-5
#[test]
fn a_client_can_open_no_unidirectional_stream() {
    run(async {
        let identity = Identity::new();
        let (mut raw, mut server) = at_our_server(client_config(&identity), &identity).await;
        let mut lane = raw.open_bidirectional_stream().await.expect("a stream");
        let refused = poll_fn(|cx| Poll::Ready(raw.poll_open_send_stream(cx).is_pending())).await;
        assert!(refused, "the server allows none");
        lane.send(Bytes::from_static(b"on")).await.expect("sent");
        assert_eq!(server.read(Lane::FIRST, 2).await, "on");
    });
}

// OAP-11-5
#[test]
fn a_server_can_open_no_stream() {
    run(async {
        let identity = Identity::new();
        let mut server = raw_server(server_config(&identity));
        let address = server.local_addr().expect("its address").to_string();
        let connector = connector(&identity, &QuicOptions::default());
        let (client, raw) = join(connector.connect(&address), server.accept()).await;
        let mut client = Peer(client.expect("a connection"));
        let mut raw = raw.expect("a connection");
        client.write(Lane::FIRST, "on").await;
        let stream = raw.accept_bidirectional_stream().await.expect("open");
        let mut stream = stream.expect("a stream");
        assert_eq!(stream.receive().await.expect("open").expect("data"), "on");

        let streams = poll_fn(|cx| {
            Poll::Ready(
                raw.poll_open_bidirectional_stream(cx).is_pending()
                    && raw.poll_open_send_stream(cx).is_pending(),
            )
        });
        assert!(streams.await, "the client allows none");
        stream
            .send(Bytes::from_static(b"back"))
            .await
            .expect("sent");
        assert_eq!(client.read(Lane::FIRST, 4).await, "back");
    });
}

#[test]
fn a_stream_that_is_reset_is_a_lane_that_is_given_up_and_the_others_go_on() {
    run(async {
        let identity = Identity::new();
        let (mut raw, mut server) = at_our_server(client_config(&identity), &identity).await;
        let mut first = raw.open_bidirectional_stream().await.expect("a stream");
        let mut second = raw.open_bidirectional_stream().await.expect("a stream");
        first.send(Bytes::from_static(b"1")).await.expect("sent");
        second.send(Bytes::from_static(b"2")).await.expect("sent");
        let mut begun = Vec::new();
        for _ in 0..2 {
            match server.next().await {
                Came::Data(lane, _) => begun.push(lane),
                other => panic!("{other:?}"),
            }
        }
        begun.sort_unstable();
        assert_eq!(begun, [Lane::FIRST, SECOND]);

        second.reset(9_u8.into()).expect("reset");
        match server.next().await {
            Came::Reset(lane) => assert_eq!(lane, SECOND),
            other => panic!("{other:?}"),
        }
        let write = server.try_write(SECOND, "late").await;
        assert!(matches!(write, Err(LaneError::Reset)));
        server.finish(SECOND);
        // Half an answer must not look like a whole one: ours is given up, too.
        assert!(second.receive().await.is_err());

        server.write(Lane::FIRST, "on").await;
        assert_eq!(first.receive().await.expect("open").expect("data"), "on");
        // The number serves the next stream.
        let mut third = raw.open_bidirectional_stream().await.expect("a stream");
        third.send(Bytes::from_static(b"3")).await.expect("sent");
        assert_eq!(server.read(SECOND, 1).await, "3");
    });
}

#[test]
fn a_lane_that_the_peer_reads_no_more_is_given_up_too() {
    run(async {
        let identity = Identity::new();
        let (mut raw, mut server) = at_our_server(client_config(&identity), &identity).await;
        let mut stream = raw.open_bidirectional_stream().await.expect("a stream");
        stream.send(Bytes::from_static(b"1")).await.expect("sent");
        server.read(Lane::FIRST, 1).await;
        stream.stop_sending(9_u8.into()).expect("told");
        // Until the peer's word is here, writes go on.
        let given_up = async {
            loop {
                if let Err(error) = server.try_write(Lane::FIRST, "x").await {
                    break error;
                }
                tokio::task::yield_now().await;
            }
        };
        assert!(matches!(given_up.await, LaneError::Reset));
        server.finish(Lane::FIRST);
        assert!(server.0.info().peer.is_some());
    });
}

/// Believes every certificate, and counts how often it is asked.
#[derive(Debug)]
struct Counting {
    asked: AtomicUsize,
    schemes: Vec<SignatureScheme>,
}

impl ServerCertVerifier for Counting {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}

// s2n-quic drops rustls' tickets. Where it passes them on one day, what is said of QUIC and
// resumption is to be corrected, and OAP-11-3 holds for QUIC, too.
#[test]
fn no_session_is_resumed() {
    run(async {
        let identity = Identity::new();
        let mut listener = listen(&identity, &QuicOptions::default()).await;
        let address = listener.local_addr().expect("its address");
        let mut config = client_config(&identity);
        let provider = config.crypto_provider().clone();
        let counting = Arc::new(Counting {
            asked: AtomicUsize::new(0),
            schemes: provider
                .signature_verification_algorithms
                .supported_schemes(),
        });
        config
            .dangerous()
            .set_certificate_verifier(counting.clone());
        let client = raw_client(config);
        for _ in 0..2 {
            let connect = client.connect(Connect::new(address).with_server_name("127.0.0.1"));
            let (raw, server) = join(connect, accept(&mut listener)).await;
            let (mut raw, mut server) = (raw.expect("a connection"), server.expect("ours"));
            let mut stream = raw.open_bidirectional_stream().await.expect("a stream");
            stream.send(Bytes::from_static(b"x")).await.expect("sent");
            server.read(Lane::FIRST, 1).await;
            // A ticket would come before the answer.
            server.write(Lane::FIRST, "y").await;
            assert_eq!(stream.receive().await.expect("open").expect("data"), "y");
        }
        assert_eq!(counting.asked.load(Ordering::SeqCst), 2);
    });
}
