//! TLS: what a handshake negotiates and refuses, tickets, certificates, key files.

mod support;

use std::io::{Read, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use oap_core::driver::HandshakeError;
use oap_core::driver::test_apps::{self, ECHO};
use oap_tokio::*;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConnection, DigitallySignedStruct, ServerConnection, SignatureScheme};
use support::streams::*;
use support::tls::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

const PQ_POLICY: &str =
    "pq_policy: no key exchange in common: pq = require allows X25519MLKEM768 only";

fn shown(error: TlsError) -> String {
    HandshakeError::from(error).to_string()
}

// ---- what a handshake negotiates and refuses

// OAP-11-1, OAP-11-2, OAP-11-4
#[tokio::test]
async fn negotiates_tls13_hybrid_and_oap() {
    let pki = Pki::new();
    let (client, server) = pair(pki.client(), pki.server()).await;
    for info in [
        client.unwrap().info().clone(),
        server.unwrap().info().clone(),
    ] {
        let tls = info.tls.unwrap();
        assert_eq!(info.transport, "tls");
        assert_eq!(tls.version, "TLSv1_3");
        assert_eq!(tls.group, "X25519MLKEM768");
        assert_eq!(tls.cipher, "TLS13_AES_256_GCM_SHA384");
        assert_eq!(tls.alpn.as_deref(), Some("oap/1"));
        assert!(!tls.resumed);
    }
}

// OAP-11-1
#[tokio::test]
async fn a_tls12_client_is_refused() {
    let pki = Pki::new();
    let server = pki.server().build().unwrap();
    let (mut near, far) = duplex(MIB);
    let accepting = tokio::spawn(TlsTransport::accept(
        &server,
        far,
        ConnectionInfo::new("duplex"),
    ));
    near.write_all(&tls12_client_hello()).await.unwrap();
    let mut alert = [0; 7];
    near.read_exact(&mut alert).await.unwrap();
    // A fatal protocol_version alert.
    assert_eq!(alert, [21, 3, 3, 0, 2, 2, 70]);
    let error = accepting.await.unwrap().unwrap_err();
    assert!(matches!(error, HandshakeError::Refused { .. }), "{error}");
}

// OAP-11-2
#[tokio::test]
async fn a_wrong_protocol_is_refused_under_either_policy() {
    for policy in [AlpnPolicy::Required, AlpnPolicy::Optional] {
        let pki = Pki::new();
        let foreign = pki.foreign(|config| config.alpn_protocols = vec![b"h2".to_vec()]);
        let (client, server) = foreign_pair(foreign, pki.server().alpn(policy)).await;
        assert!(
            client
                .unwrap_err()
                .to_string()
                .contains("NoApplicationProtocol")
        );
        assert_eq!(refusal(server), shown(TlsError::WrongAlpn));
    }
}

// OAP-11-2
#[tokio::test]
async fn no_protocol_is_refused_when_required() {
    let pki = Pki::new();
    let (client, server) = foreign_pair(pki.foreign(|_| {}), pki.server()).await;
    assert_eq!(refusal(server), shown(TlsError::NoAlpn));
    // The handshake is over for the client; what it reads is an orderly end.
    assert_eq!(client.unwrap().read(&mut [0; 16]).await.unwrap(), 0);
}

#[tokio::test]
async fn no_protocol_passes_when_optional() {
    let pki = Pki::new();
    let server = pki.server().alpn(AlpnPolicy::Optional);
    let (client, server) = foreign_pair(pki.foreign(|_| {}), server).await;
    let tls = server.unwrap().info().tls.clone().unwrap();
    assert_eq!(tls.alpn, None);
    client.unwrap();
}

// OAP-11-2
#[tokio::test]
async fn a_server_of_another_protocol_or_none_is_refused() {
    let pki = Pki::new();
    let other = pki.foreign_server(|config| config.alpn_protocols = vec![b"h2".to_vec()]);
    let outcome = at_foreign(pki.client().alpn(AlpnPolicy::Optional), other).await;
    assert_eq!(refusal(outcome), shown(TlsError::WrongAlpn));
    let outcome = at_foreign(pki.client(), pki.foreign_server(|_| {})).await;
    assert_eq!(refusal(outcome), shown(TlsError::NoAlpn));
    let optional = pki.client().alpn(AlpnPolicy::Optional);
    let outcome = at_foreign(optional, pki.foreign_server(|_| {})).await;
    assert_eq!(outcome.unwrap().info().tls.as_ref().unwrap().alpn, None);
}

// OAP-11-4
#[tokio::test]
async fn a_classical_client_is_refused_when_pq_is_required() {
    let pki = Pki::new();
    let client = pki.client().pq(PqMode::Off);
    let (client, server) = pair(client, pki.server().pq(PqMode::Require)).await;
    assert_eq!(refusal(server), PQ_POLICY);
    assert!(refusal(client).contains("HandshakeFailure"));
}

// OAP-11-4
#[tokio::test]
async fn a_classical_server_is_refused_when_pq_is_required() {
    let pki = Pki::new();
    let client = pki.client().pq(PqMode::Require);
    let (client, server) = pair(client, pki.server().pq(PqMode::Off)).await;
    assert_eq!(refusal(client), PQ_POLICY);
    server.unwrap_err();
}

#[tokio::test]
async fn hybrid_meets_classical_and_required() {
    for (client, server, group) in [
        (PqMode::Hybrid, PqMode::Off, "X25519"),
        (PqMode::Off, PqMode::Hybrid, "X25519"),
        (PqMode::Hybrid, PqMode::Require, "X25519MLKEM768"),
        (PqMode::Require, PqMode::Hybrid, "X25519MLKEM768"),
    ] {
        let pki = Pki::new();
        let (client, _server) = pair(pki.client().pq(client), pki.server().pq(server)).await;
        assert_eq!(client.unwrap().info().tls.as_ref().unwrap().group, group);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stalled_handshake_times_out() {
    let pki = Pki::new();
    let (_near, far) = duplex(MIB);
    let start = tokio::time::Instant::now();
    let stalled = pki.server().build().unwrap();
    let result = TlsTransport::accept(&stalled, far, ConnectionInfo::new("duplex")).await;
    assert!(matches!(result, Err(HandshakeError::TimedOut)));
    assert_eq!(start.elapsed().as_secs(), 5);

    let (near, _far) = duplex(MIB);
    let stalled = pki
        .client()
        .handshake_timeout(Duration::from_secs(2))
        .build()
        .unwrap();
    let handshake =
        TlsTransport::connect(&stalled, near, "localhost", ConnectionInfo::new("duplex"));
    assert!(matches!(
        handshake.unwrap().await,
        Err(HandshakeError::TimedOut)
    ));
    assert_eq!(start.elapsed().as_secs(), 7);
}

// ---- early data

/// Moves what either end has to say to the other until both are silent.
fn talk(client: &mut ClientConnection, server: &mut ServerConnection) {
    while client.wants_write() || server.wants_write() {
        let mut flight = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut flight).unwrap();
        }
        let mut flight = &flight[..];
        while !flight.is_empty() {
            server.read_tls(&mut flight).unwrap();
            server.process_new_packets().unwrap();
        }
        let mut flight = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut flight).unwrap();
        }
        let mut flight = &flight[..];
        while !flight.is_empty() {
            client.read_tls(&mut flight).unwrap();
            client.process_new_packets().unwrap();
        }
    }
}

fn eager(pki: &Pki) -> impl Fn() -> ClientConnection + use<> {
    let config = Arc::new(pki.foreign(|config| {
        config.alpn_protocols = vec![b"oap/1".to_vec()];
        config.enable_early_data = true;
    }));
    move || ClientConnection::new(config.clone(), "localhost".try_into().unwrap()).unwrap()
}

// OAP-11-1
#[test]
fn a_ticket_of_ours_allows_no_early_data() {
    let pki = Pki::new();
    let config = pki.server().build().unwrap();
    let connect = eager(&pki);
    for resumed in [rustls::HandshakeKind::Full, rustls::HandshakeKind::Resumed] {
        let mut client = connect();
        let mut server = ServerConnection::new(config.rustls_config().clone()).unwrap();
        assert!(
            client.early_data().is_none(),
            "it has nothing that allows it"
        );
        talk(&mut client, &mut server);
        assert_eq!(client.handshake_kind(), Some(resumed));
    }
}

// OAP-11-1
#[test]
fn early_data_that_is_sent_all_the_same_is_not_read() {
    let pki = Pki::new();
    let generous = pki.foreign_server(|config| {
        config.alpn_protocols = vec![b"oap/1".to_vec()];
        config.max_early_data_size = 1_000;
    });
    let connect = eager(&pki);
    let (mut client, mut server) = (
        connect(),
        ServerConnection::new(Arc::new(generous)).unwrap(),
    );
    talk(&mut client, &mut server);

    let config = pki.server().build().unwrap();
    let mut client = connect();
    let mut server = ServerConnection::new(config.rustls_config().clone()).unwrap();
    let mut early = client.early_data().expect("the other server allowed it");
    early.write_all(b"early").unwrap();
    talk(&mut client, &mut server);
    assert!(!client.is_handshaking() && !server.is_handshaking());
    assert!(!client.is_early_data_accepted());
    assert!(server.early_data().is_none());
    client.writer().write_all(b"late").unwrap();
    talk(&mut client, &mut server);
    let mut read = [0; 16];
    assert_eq!(server.reader().read(&mut read).unwrap(), 4);
    assert_eq!(&read[..4], b"late");
}

// ---- tickets

// OAP-11-3
#[tokio::test]
async fn the_second_connection_is_resumed() {
    let pki = Pki::new();
    let (client, server) = (pki.client().build().unwrap(), pki.server().build().unwrap());
    assert_eq!(visit(&client, &server).await, (false, false));
    for _ in 0..3 {
        assert_eq!(visit(&client, &server).await, (true, true));
    }
    // The group is agreed on anew, so that a ticket key that leaks opens nothing recorded.
    let (client, _server) = meet(&client, &server).await;
    let tls = client.unwrap().info().tls.clone().unwrap();
    assert_eq!((tls.resumed, tls.group), (true, "X25519MLKEM768"));
}

#[tokio::test]
async fn a_client_that_does_not_resume_shakes_hands_in_full() {
    let pki = Pki::new();
    let client = pki.client().resumption(false).build().unwrap();
    let server = pki.server().build().unwrap();
    for _ in 0..2 {
        assert_eq!(visit(&client, &server).await, (false, false));
    }
}

// OAP-11-3
#[tokio::test]
async fn a_ticket_is_good_at_no_listener_of_another_client_authentication() {
    let (pki, user) = (Pki::new(), Pki::new());
    let open = pki.server().build().unwrap();
    let closed = pki.server().client_ca_pem(user.cert_pem()).build().unwrap();

    let nobody = pki.client().build().unwrap();
    visit(&nobody, &open).await;
    let (_client, outcome) = meet(&nobody, &closed).await;
    assert!(refusal(outcome).contains("sent no certificates"));

    for (first, second) in [(&open, &closed), (&closed, &open)] {
        let somebody = pki.client().pem(user.cert_pem(), user.key_pem());
        let somebody = somebody.build().unwrap();
        assert_eq!(visit(&somebody, first).await, (false, false));
        assert_eq!(visit(&somebody, first).await, (true, true));
        assert_eq!(visit(&somebody, second).await, (false, false));
    }
}

#[tokio::test]
async fn the_client_of_a_resumed_session_is_still_known() {
    let (pki, user) = (Pki::new(), Pki::new());
    let server = pki.server().client_ca_pem(user.cert_pem()).build().unwrap();
    let client = pki.client().pem(user.cert_pem(), user.key_pem());
    let client = client.build().unwrap();
    visit(&client, &server).await;
    let (_client, accepted) = meet(&client, &server).await;
    let accepted = accepted.unwrap();
    assert!(accepted.info().tls.as_ref().unwrap().resumed);
    assert!(accepted.peer_certificates().eq([&user.cert_der()[..]]));
}

// ---- a listener whose configuration is replaced

// OAP-11-3
#[tokio::test]
async fn a_reload_swaps_certificates_and_drops_nobody() {
    let (old, new) = (Pki::new(), Pki::new());
    let tcp = TcpListener::bind("127.0.0.1:0", &TcpOptions::default())
        .await
        .unwrap();
    let listener = TlsListener::new(tcp, old.server().build().unwrap());
    let address = format!("localhost:{}", listener.local_addr().unwrap().port());
    let reloader = listener.reloader();
    let runtime = TokioRuntime::current();
    let _server = Server::start(
        &runtime,
        listener,
        test_apps::service(&runtime),
        Config::default(),
        ServerOptions::default(),
    );
    let client = TlsClientConfig::builder().ca_der(vec![old.cert_der(), new.cert_der()]);
    let connector = TlsConnector::new(client.build().unwrap(), TcpOptions::default());
    let connect = async || {
        let transport = connector.connect(&address).await.unwrap();
        let resumed = transport.info().tls.as_ref().unwrap().resumed;
        let certificate = transport.peer_certificates().next().unwrap().to_vec();
        let session = Session::connect(&runtime, transport, Config::default()).await;
        (session.unwrap(), certificate, resumed)
    };
    let echo = async |session: &Session| {
        let body = Bytes::from_static(b"still here");
        let response = session.request(Head::new(ECHO), body.clone()).await;
        assert_eq!(response.unwrap().body, body);
    };

    let (established, certificate, resumed) = connect().await;
    assert!(certificate == old.cert_der() && !resumed);
    echo(&established).await;
    let (_, certificate, resumed) = connect().await;
    assert!(certificate == old.cert_der() && resumed);

    reloader.replace(new.server().build().unwrap());
    let (later, certificate, resumed) = connect().await;
    assert!(certificate == new.cert_der() && !resumed);
    echo(&later).await;
    echo(&established).await;
    let (_, certificate, resumed) = connect().await;
    assert!(certificate == new.cert_der() && resumed);
}

// ---- certificates

#[tokio::test]
async fn client_certificates_are_required_where_an_authority_is_set() {
    let (pki, user, stranger) = (Pki::new(), Pki::new(), Pki::new());
    let server = || pki.server().client_ca_pem(user.cert_pem());
    let client = pki.client().pem(user.cert_pem(), user.key_pem());
    let (client, accepted) = pair(client, server()).await;
    client.unwrap();
    assert!(
        accepted
            .unwrap()
            .peer_certificates()
            .eq([&user.cert_der()[..]])
    );

    let (client, refused) = pair(pki.client(), server()).await;
    assert!(refusal(refused).contains("sent no certificates"));
    // A TLS 1.3 client is done first; it learns of it when it reads.
    let error = read_some(&mut client.unwrap()).await.unwrap_err();
    assert!(error.to_string().contains("CertificateRequired"), "{error}");

    let client = pki.client().pem(stranger.cert_pem(), stranger.key_pem());
    let (client, refused) = pair(client, server()).await;
    assert!(refusal(refused).starts_with("tls: invalid peer certificate"));
    read_some(&mut client.unwrap()).await.unwrap_err();
}

#[tokio::test]
async fn a_client_certificate_is_not_asked_for_without_an_authority() {
    let (pki, user) = (Pki::new(), Pki::new());
    let client = pki.client().pem(user.cert_pem(), user.key_pem());
    let (client, accepted) = pair(client, pki.server()).await;
    client.unwrap();
    assert_eq!(accepted.unwrap().peer_certificates().count(), 0);
}

#[tokio::test]
async fn an_unknown_certificate_is_refused_unless_not_verified() {
    let (pki, other) = (Pki::new(), Pki::new());
    let (client, _server) = pair(other.client(), pki.server()).await;
    assert!(refusal(client).contains("invalid peer certificate"));
    let (client, _server) = pair(
        TlsClientConfig::builder().insecure_no_verify(),
        pki.server(),
    )
    .await;
    client.unwrap();
}

/// Keeps the OCSP response that it is shown, and believes anything.
#[derive(Debug, Default)]
struct Witness(Mutex<Option<Vec<u8>>>);

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.0.lock().unwrap() = Some(ocsp_response.to_vec());
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        unreachable!("TLS 1.3 only")
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

// OAP-11-3
#[tokio::test]
async fn an_ocsp_response_is_stapled_if_there_is_one() {
    let pki = Pki::new();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ocsp.der");
    std::fs::write(&path, b"from a file").unwrap();
    for (server, stapled) in [
        (pki.server(), &b""[..]),
        (pki.server().ocsp_der(*b"from memory"), b"from memory"),
        (pki.server().ocsp_file(path), b"from a file"),
    ] {
        let witness = Arc::new(Witness::default());
        let client = pki.foreign(|config| {
            config.alpn_protocols = vec![b"oap/1".to_vec()];
            config.dangerous().set_certificate_verifier(witness.clone());
        });
        let (client, server) = foreign_pair(client, server).await;
        client.unwrap();
        server.unwrap();
        let seen = witness.0.lock().unwrap().take();
        assert_eq!(seen.as_deref(), Some(stapled));
    }
}

// ---- files

#[cfg(unix)]
#[test]
fn a_key_that_others_have_access_to_is_refused() {
    use std::os::unix::fs::PermissionsExt;

    let pki = Pki::new();
    let directory = tempfile::tempdir().unwrap();
    let (cert, key) = (
        directory.path().join("cert.pem"),
        directory.path().join("key.pem"),
    );
    std::fs::write(&cert, pki.cert_pem()).unwrap();
    std::fs::write(&key, pki.key_pem()).unwrap();
    let build = |mode| {
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
        TlsServerConfig::builder().files(&cert, &key).build()
    };
    for mode in [0o640, 0o604, 0o620, 0o602] {
        assert_eq!(
            build(mode).unwrap_err().to_string(),
            format!(
                "key file {}: mode {mode:04o}: must not be group- or world-accessible (chmod 600)",
                key.display()
            )
        );
    }
    build(0o600).unwrap();
    let swapped = TlsServerConfig::builder().files(&key, &key).build();
    assert_eq!(
        swapped.unwrap_err().to_string(),
        format!("certificate file {}: holds no certificate", key.display())
    );
    let missing = TlsServerConfig::builder()
        .files(&cert, "/nowhere/key.pem")
        .build();
    assert!(
        missing
            .unwrap_err()
            .to_string()
            .starts_with("key file /nowhere/key.pem: cannot be read")
    );
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let (pki, other) = (Pki::new(), Pki::new());
    let mixed = TlsServerConfig::builder()
        .pem(pki.cert_pem(), other.key_pem())
        .build();
    assert!(
        mixed
            .unwrap_err()
            .to_string()
            .contains("must belong to the first certificate")
    );
    assert!(TlsServerConfig::builder().build().is_err());
    let der =
        TlsServerConfig::builder().der(vec![pki.cert_der()], pki.0.signing_key.serialize_der());
    der.build().unwrap();
    let name = pki.client().server_name("not a name").build();
    assert_eq!(
        name.unwrap_err().to_string(),
        "server name \"not a name\": must be a DNS name or an IP address"
    );
}
