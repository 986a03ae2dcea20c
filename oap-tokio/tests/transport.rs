//! The transports against each other and against foreign TLS peers.

#[path = "transport/support.rs"]
mod support;

use std::future::poll_fn;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use oap_core::Timestamp;
use oap_core::driver::{Clock, HandshakeError, Listener, Runtime, Transport};
use oap_tokio::{
    AlpnPolicy, ConnectionInfo, PqMode, TcpListener, TcpOptions, TlsClientConfig, TlsConnector,
    TlsError, TlsListener, TlsServerConfig, TokioRuntime,
};
use support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

// ---- what a handshake negotiates and refuses

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
    let accepting = tokio::spawn(server.accept(far, ConnectionInfo::new("duplex")));
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
        assert_eq!(refusal(server), TlsError::WrongAlpn.to_string());
    }
}

// OAP-11-2
#[tokio::test]
async fn no_protocol_is_refused_when_required() {
    let pki = Pki::new();
    let (client, server) = foreign_pair(pki.foreign(|_| {}), pki.server()).await;
    assert_eq!(refusal(server), TlsError::NoAlpn.to_string());
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

// OAP-11-4
#[tokio::test]
async fn a_classical_client_is_refused_when_pq_is_required() {
    let pki = Pki::new();
    let client = pki.client().pq(PqMode::Off);
    let (client, server) = pair(client, pki.server().pq(PqMode::Require)).await;
    assert_eq!(refusal(server), TlsError::PqPolicy.to_string());
    assert!(refusal(client).contains("HandshakeFailure"));
}

#[tokio::test]
async fn a_classical_server_is_refused_when_pq_is_required() {
    let pki = Pki::new();
    let client = pki.client().pq(PqMode::Require);
    let (client, server) = pair(client, pki.server().pq(PqMode::Off)).await;
    assert_eq!(refusal(client), TlsError::PqPolicy.to_string());
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

#[tokio::test]
async fn client_certificates_are_required_where_an_authority_is_set() {
    let pki = Pki::new();
    let server = || pki.server().client_ca_pem(pki.cert_pem());
    let client = pki.client().pem(pki.cert_pem(), pki.key_pem());
    let (client, accepted) = pair(client, server()).await;
    client.unwrap();
    let accepted = accepted.unwrap();
    let certificates: Vec<&[u8]> = accepted.peer_certificates().collect();
    assert_eq!(certificates, [&pki.cert_der()[..]]);

    let (client, refused) = pair(pki.client(), server()).await;
    assert!(refusal(refused).contains("sent no certificates"));
    // A TLS 1.3 client is done first; it learns of it when it reads.
    let error = read_some(&mut client.unwrap()).await.unwrap_err();
    assert!(error.to_string().contains("CertificateRequired"), "{error}");
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

#[tokio::test(start_paused = true)]
async fn a_stalled_handshake_times_out() {
    let pki = Pki::new();
    let (_near, far) = duplex(MIB);
    let start = tokio::time::Instant::now();
    let stalled = pki.server().build().unwrap();
    let result = stalled.accept(far, ConnectionInfo::new("duplex")).await;
    assert!(matches!(result, Err(HandshakeError::TimedOut)));
    assert_eq!(start.elapsed().as_secs(), 5);

    let (near, _far) = duplex(MIB);
    let stalled = pki
        .client()
        .handshake_timeout(Duration::from_secs(2))
        .build()
        .unwrap();
    let handshake = stalled.connect(near, "localhost", ConnectionInfo::new("duplex"));
    assert!(matches!(
        handshake.unwrap().await,
        Err(HandshakeError::TimedOut)
    ));
    assert_eq!(start.elapsed().as_secs(), 7);
}

// ---- over real sockets

// OAP-11-3
#[tokio::test]
async fn the_second_connection_is_resumed_until_the_configuration_is_replaced() {
    let pki = Pki::new();
    let tcp = TcpListener::bind("127.0.0.1:0", &TcpOptions::default())
        .await
        .unwrap();
    let mut listener = TlsListener::new(tcp, pki.server().build().unwrap());
    let address = format!("localhost:{}", listener.local_addr().unwrap().port());
    let reloader = listener.reloader();
    tokio::spawn(async move {
        loop {
            let handshake = poll_fn(|cx| listener.poll_accept(cx)).await.unwrap();
            tokio::spawn(async move {
                let mut transport = handshake.await.unwrap();
                write_all(&mut transport, Bytes::from_static(b"hello"))
                    .await
                    .unwrap();
                assert_eq!(read_some(&mut transport).await.unwrap(), b"");
            });
        }
    });
    let connector = TlsConnector::new(pki.client().build().unwrap(), TcpOptions::default());
    for resumed in [false, true, true] {
        let mut transport = connector.connect(&address).await.unwrap();
        let tls = transport.info().tls.clone().unwrap();
        assert_eq!(tls.resumed, resumed);
        assert_eq!(tls.group, "X25519MLKEM768");
        assert_eq!(read_some(&mut transport).await.unwrap(), b"hello");
        poll_fn(|cx| transport.poll_close(cx)).await.unwrap();
    }
    reloader.replace(pki.server().build().unwrap());
    let transport = connector.connect(&address).await.unwrap();
    assert!(!transport.info().tls.as_ref().unwrap().resumed);
}

#[tokio::test]
async fn a_mebibyte_crosses_tcp_in_both_directions_at_once() {
    let mut listener = TcpListener::bind("127.0.0.1:0", &TcpOptions::default())
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    let options = TcpOptions::default();
    let (client, server) = tokio::join!(oap_tokio::connect(address, &options), async {
        poll_fn(|cx| listener.poll_accept(cx)).await.unwrap().await
    });
    let (client, server) = (client.unwrap(), server.unwrap());
    assert_eq!(client.info().peer, server.info().local);
    assert!(client.get_ref().nodelay().unwrap() && server.get_ref().nodelay().unwrap());
    crossing(client, server).await;
}

#[tokio::test]
async fn a_mebibyte_crosses_tls_in_both_directions_at_once() {
    let pki = Pki::new();
    let (near, far) = tcp_pair().await;
    let (client, server) = pair_over(pki.client(), pki.server(), near, far).await;
    crossing(client.unwrap(), server.unwrap()).await;
}

#[tokio::test]
async fn a_mebibyte_crosses_tls_over_a_stream_of_a_few_bytes() {
    let pki = Pki::new();
    let (near, far) = duplex(1_000);
    let (client, server) = pair_over(pki.client(), pki.server(), near, far).await;
    crossing(client.unwrap(), server.unwrap()).await;
}

#[tokio::test]
async fn an_end_without_close_notify_is_an_end() {
    let pki = Pki::new();
    let (near, far) = tcp_pair().await;
    let (client, server) = pair_over(pki.client(), pki.server(), near, far).await;
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    write_all(&mut server, Bytes::from_static(b"last words"))
        .await
        .unwrap();
    drop(server);
    assert_eq!(read_some(&mut client).await.unwrap(), b"last words");
    for _ in 0..2 {
        assert_eq!(read_some(&mut client).await.unwrap(), b"");
    }
}

// ---- how often the stream below is called

#[tokio::test]
async fn sixty_four_small_frames_leave_in_two_writes() {
    let pki = Pki::new();
    let (near, far) = tcp_pair().await;
    let (near, counts) = Counting::new(near);
    let (client, server) = pair_over(pki.client(), pki.server(), near, far).await;
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    counts.reset();
    let written = write_all(&mut client, Frames::new(64, 101)).await.unwrap();
    assert_eq!(written, 64 * 101);
    assert!(counts.writes() <= 2, "{} writes", counts.writes());
    assert_eq!(
        read_exactly(&mut server, written).await,
        Frames::new(64, 101).flatten()
    );
}

#[tokio::test]
async fn a_chunk_with_its_header_leaves_in_one_write() {
    let pki = Pki::new();
    let (near, far) = tcp_pair().await;
    let (near, counts) = Counting::new(near);
    let (client, server) = pair_over(pki.client(), pki.server(), near, far).await;
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    counts.reset();
    let chunk = Frames::new(1, 65_536 + 37);
    let reading = tokio::spawn(async move { read_exactly(&mut server, 65_536 + 37).await });
    write_all(&mut client, chunk).await.unwrap();
    assert_eq!(counts.writes(), 1);
    reading.await.unwrap();
}

#[tokio::test]
async fn what_one_segment_brought_is_read_at_once() {
    let pki = Pki::new();
    let (near, far) = duplex(MIB);
    let (near, counts) = Counting::new(near);
    let (client, server) = pair_over(pki.client(), pki.server(), near, far).await;
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    // Tickets first.
    assert!(
        poll_once(|cx| client.poll_read(cx, &mut BytesMut::new()))
            .await
            .is_none()
    );
    write_all(&mut server, Frames::new(8, 5_000)).await.unwrap();
    counts.reset();
    let mut buf = BytesMut::new();
    let count = poll_fn(|cx| client.poll_read(cx, &mut buf)).await.unwrap();
    assert_eq!(count, 40_000);
    assert_eq!(counts.reads(), 1);
    buf.clear();
    assert!(
        poll_once(|cx| client.poll_read(cx, &mut buf))
            .await
            .is_none()
    );
    assert_eq!(buf.capacity(), 0, "an idle connection keeps no buffer");
}

#[tokio::test]
async fn a_socket_that_takes_nothing_is_felt() {
    let pki = Pki::new();
    let (near, far) = duplex(4_096);
    let (client, server) = pair_over(pki.client(), pki.server(), near, far).await;
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    let mut data = Bytes::from(vec![7; MIB]);
    let taken = poll_fn(|cx| client.poll_write(cx, &mut data))
        .await
        .unwrap();
    assert_eq!(taken, 256 * 1024);
    assert_eq!(data.remaining(), MIB - taken);
    assert!(
        poll_once(|cx| client.poll_write(cx, &mut data))
            .await
            .is_none()
    );
    assert_eq!(data.remaining(), MIB - taken, "pending takes nothing");
    let (read, flushed) = tokio::join!(
        read_exactly(&mut server, taken),
        poll_fn(|cx| client.poll_flush(cx))
    );
    flushed.unwrap();
    assert_eq!(read.len(), taken);
}

// ---- files

#[cfg(unix)]
#[test]
fn a_key_that_others_may_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;

    let pki = Pki::new();
    let directory = std::env::temp_dir().join(format!("oap-tokio-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let (cert, key) = (directory.join("cert.pem"), directory.join("key.pem"));
    std::fs::write(&cert, pki.cert_pem()).unwrap();
    std::fs::write(&key, pki.key_pem()).unwrap();
    let build = |mode| {
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
        TlsServerConfig::builder().files(&cert, &key).build()
    };
    for mode in [0o640, 0o604] {
        assert_eq!(
            build(mode).unwrap_err().to_string(),
            format!(
                "key file {}: mode {mode:04o}: must not be group- or world-readable (chmod 600)",
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
    std::fs::remove_dir_all(&directory).unwrap();
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

// ---- the clock

#[tokio::test(start_paused = true)]
async fn an_alarm_that_moves_rings_when_last_told() {
    let runtime = TokioRuntime::current();
    let mut clock = runtime.clock();
    let at = |ms: u64| Timestamp::from_micros(ms * 1000);
    for deadline in [at(50), at(70), at(60), at(10), at(30)] {
        assert!(
            poll_once(|cx| clock.poll_deadline(cx, deadline))
                .await
                .is_none()
        );
    }
    poll_fn(|cx| clock.poll_deadline(cx, at(30))).await;
    assert!(
        clock.now() >= at(30) && clock.now() < at(33),
        "{:?}",
        clock.now()
    );
    assert!(
        poll_once(|cx| clock.poll_deadline(cx, Timestamp::MAX))
            .await
            .is_none()
    );
    poll_fn(|cx| clock.poll_deadline(cx, at(20))).await;
    assert_eq!(
        runtime.clock().now(),
        runtime.now(),
        "clocks share an origin"
    );
    assert_eq!(clock.now(), runtime.now());
}
