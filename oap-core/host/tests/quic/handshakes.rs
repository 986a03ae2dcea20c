//! Which connections come about.

use std::time::Duration;

use futures_util::future::join;
use oap_core::Reason;
use oap_core::driver::HandshakeError;
use oap_host::quic::QuicOptions;
use oap_host::tls::{PqMode, TlsClientConfig, TlsServerConfig};

use super::peer::{Pair, Peer, accept, pair};
use super::pki::Identity;
use crate::adapter::{QuicConnector, QuicListener, run};

type Outcome = Result<Peer, HandshakeError>;

/// What both sides say of a handshake. The server says nothing of one that the client gave up first.
async fn meet(server: TlsServerConfig, client: TlsClientConfig) -> (Outcome, Outcome) {
    let options = QuicOptions::default();
    let mut listener = QuicListener::bind("127.0.0.1:0", server, &options)
        .await
        .expect("a port");
    let address = listener.local_addr().expect("its address").to_string();
    let connector = QuicConnector::new(client, options);
    let (client, server) = join(connector.connect(&address), accept(&mut listener)).await;
    (client.map(Peer), server)
}

fn refused(outcome: Outcome) -> (Reason, String) {
    match outcome {
        Err(HandshakeError::Refused { reason, message }) => (reason, message),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("a connection"),
    }
}

#[test]
fn a_connection_tells_what_it_negotiated() {
    run(async {
        let Pair { client, server, .. } = pair(&QuicOptions::default()).await;
        use oap_core::driver::Lanes;
        for (side, other) in [(&client, &server), (&server, &client)] {
            let (info, other) = (side.0.info(), other.0.info());
            assert_eq!(info.transport, "quic");
            assert_eq!(
                info.peer.map(|peer| peer.port()),
                other.local.map(|local| local.port())
            );
            let tls = info.tls.as_ref().expect("TLS");
            assert_eq!(tls.version, "TLSv1_3");
            assert_eq!(tls.group, "X25519MLKEM768");
            assert_eq!(tls.cipher, "TLS13_AES_256_GCM_SHA384");
            assert_eq!(tls.alpn.as_deref(), Some("oap/1"));
        }
        assert_eq!(client.0.peer_certificates().count(), 1);
        assert_eq!(server.0.peer_certificates().count(), 0);
    });
}

#[test]
fn a_server_that_the_client_does_not_trust_is_refused() {
    run(async {
        let server = Identity::new().server().build().expect("a configuration");
        let client = Identity::new().client().build().expect("a configuration");
        let (client, server) = meet(server, client).await;
        let (reason, message) = refused(client);
        assert_eq!(reason, Reason::Tls);
        assert!(message.contains("certificate"), "{message}");
        let (reason, message) = refused(server);
        assert_eq!(reason, Reason::Tls, "{message}");
    });
}

// OAP-11-4
#[test]
fn a_classical_peer_is_refused_where_the_hybrid_group_is_required() {
    run(async {
        let identity = Identity::new();
        let server = |mode| identity.server().pq(mode).build().expect("valid");
        let client = |mode| {
            let builder = identity.client().pq(mode);
            let patience = Duration::from_secs(1);
            builder.handshake_timeout(patience).build().expect("valid")
        };
        // s2n-quic does not answer a client whose first packet shows already that nothing can come
        // of it.
        let (told, refusal) = meet(server(PqMode::Require), client(PqMode::Off)).await;
        assert_eq!(refused(refusal).0, Reason::PqPolicy);
        assert!(told.is_err());

        let (refusal, told) = meet(server(PqMode::Off), client(PqMode::Require)).await;
        assert_eq!(refused(refusal).0, Reason::PqPolicy);
        assert_eq!(refused(told).0, Reason::Tls);

        let (client, server) = meet(server(PqMode::Require), client(PqMode::Require)).await;
        assert!(client.is_ok() && server.is_ok());
    });
}

#[test]
fn client_certificates_are_required_where_an_authority_is_named() {
    run(async {
        let (identity, member) = (Identity::new(), Identity::new());
        let server = || {
            let builder = identity.server().client_ca_pem(member.chain.clone());
            builder.build().expect("a configuration")
        };
        let shown = identity
            .client()
            .pem(member.chain.clone(), member.key.clone())
            .build();
        let (client, accepted) = meet(server(), shown.expect("valid")).await;
        assert!(client.is_ok());
        let accepted = accepted.expect("a member");
        assert_eq!(accepted.0.peer_certificates().count(), 1);

        let none = identity.client().build().expect("valid");
        let (_, refusal) = meet(server(), none).await;
        assert_eq!(refused(refusal).0, Reason::Tls);
    });
}

#[test]
fn nobody_at_the_address_is_a_timeout() {
    run(async {
        let silent = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
        let address = silent.local_addr().expect("its address").to_string();
        let client = Identity::new()
            .client()
            .handshake_timeout(Duration::from_millis(200))
            .build();
        let options = QuicOptions::default();
        let connector = QuicConnector::new(client.expect("valid"), options);
        let outcome = connector.connect(&address).await;
        assert!(matches!(outcome, Err(HandshakeError::TimedOut)));
    });
}

#[test]
fn a_name_with_addresses_of_both_families_is_reached_on_the_one_that_answers() {
    run(async {
        let identity = Identity::new();
        let options = QuicOptions::default();
        let config = identity.server().build().expect("a configuration");
        let mut listener = QuicListener::bind("127.0.0.1:0", config, &options)
            .await
            .expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let connector = super::peer::connector(&identity, &options);
        let address = format!("localhost:{port}");
        let (client, server) = join(connector.connect(&address), accept(&mut listener)).await;
        assert!(client.is_ok() && server.is_ok());
    });
}

#[test]
fn no_more_connections_wait_than_the_backlog_holds() {
    run(async {
        let identity = Identity::new();
        let options = QuicOptions {
            backlog: 2,
            ..QuicOptions::default()
        };
        let mut listener = super::peer::listen(&identity, &options).await;
        let address = listener.local_addr().expect("its address").to_string();
        let connector = super::peer::connector(&identity, &options);
        let first = connector.connect(&address).await.expect("one waits");
        let second = connector.connect(&address).await.expect("two wait");
        let third = connector.connect(&address).await.map(Peer);
        assert_eq!(refused(third).0, Reason::OverCapacity);
        let accepted = accept(&mut listener).await.expect("a connection");
        let fourth = connector.connect(&address).await;
        assert!(fourth.is_ok(), "there is a place again");
        drop((first, second, accepted));
    });
}

#[test]
fn a_new_configuration_serves_new_connections() {
    run(async {
        let (old, new) = (Identity::new(), Identity::new());
        let options = QuicOptions::default();
        let mut listener = super::peer::listen(&old, &options).await;
        let address = listener.local_addr().expect("its address").to_string();
        let before = super::peer::connector(&old, &options);
        let (client, server) = join(before.connect(&address), accept(&mut listener)).await;
        let kept = (client.expect("the old one"), server.expect("accepted"));
        listener
            .reloader()
            .replace(new.server().build().expect("a configuration"));
        let after = super::peer::connector(&new, &options);
        let (client, server) = join(after.connect(&address), accept(&mut listener)).await;
        assert!(client.is_ok() && server.is_ok());
        drop(kept);
    });
}
