//! Packets that do not arrive.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join;
use oap_core::Lane;
use oap_core::driver::test_apps::{self, ECHO};
use oap_core::driver::{Exchange, Message, Server, ServerOptions, Session};
use oap_core::{Config, Fin, Head};
use oap_host::quic::QuicOptions;

use super::peer::{Came, Peer, accept, connector, listen};
use super::pki::Identity;
use super::relay::Relay;
use crate::adapter::{run, runtime, sleep};

/// More than one packet holds, so that no packet of it has room for other lanes' bytes.
const CHUNK: usize = 1_300;

async fn eventually(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..2_000 {
        if holds() {
            return;
        }
        sleep(Duration::from_millis(5)).await;
    }
    panic!("not within 10 s: {what}");
}

#[test]
fn a_lost_packet_stalls_its_lane_only() {
    run(async {
        let identity = Identity::new();
        let options = QuicOptions::default();
        let mut listener = listen(&identity, &options).await;
        let relay = Relay::new(listener.local_addr().expect("its address"));
        let connector = connector(&identity, &options);
        let address = relay.address().to_string();
        let (client, server) = join(connector.connect(&address), accept(&mut listener)).await;
        let mut client = Peer(client.expect("a connection"));
        let mut server = server.expect("a connection");
        let (one, other) = (Lane(1), Lane(2));
        for lane in [Lane::FIRST, one, other] {
            client.write(lane, "begin").await;
            server.read(lane, 5).await;
        }

        relay.hold();
        client.write(one, vec![1; CHUNK]).await;
        eventually("a packet is held back", || relay.held() > 0).await;
        for turn in 0..20_u8 {
            client.write(other, vec![turn; 40]).await;
            assert_eq!(server.read(other, 40).await, vec![turn; 40]);
            server.write(other, vec![turn; 40]).await;
            assert_eq!(client.read(other, 40).await, vec![turn; 40]);
        }
        relay.release();
        assert_eq!(server.read(one, CHUNK).await, vec![1; CHUNK]);
    });
}

// OAP-11-5 OAP-11-8
#[test]
fn a_lost_packet_stalls_one_streaming_exchange_only() {
    run(async {
        let identity = Identity::new();
        let runtime = runtime();
        let options = QuicOptions::default();
        let listener = listen(&identity, &options).await;
        let relay = Relay::new(listener.local_addr().expect("its address"));
        let _server = Server::start(
            &runtime,
            listener,
            test_apps::service(&runtime),
            Config::default(),
            ServerOptions::default(),
        );
        let connector = connector(&identity, &options);
        let transport = connector.connect(&relay.address().to_string()).await;
        let transport = transport.expect("a connection");
        let session = Session::connect(&runtime, transport, Config::default()).await;
        let session = session.expect("a HELLO");

        let mut stalled = stream(&session).await;
        let mut other = stream(&session).await;
        relay.hold();
        stalled.send(vec![1; CHUNK]).await.expect("room");
        eventually("a packet is held back", || relay.held() > 0).await;

        for turn in 0..20_u8 {
            other.send(vec![turn; 40]).await.expect("room");
            assert_eq!(next(&mut other).await.payload.wire_bytes()[..], [turn; 40]);
        }
        other.finish(Bytes::new()).expect("open");
        assert_eq!(next(&mut other).await.fin, Fin::End);
        assert!(other.recv().await.expect("no error").is_none());
        let request = session.request(Head::new(ECHO), Bytes::from_static(b"whole"));
        assert_eq!(request.await.expect("an answer").body, "whole");
        assert!(is_waiting(&mut stalled).await, "its packet is held back");

        relay.release();
        let came = next(&mut stalled).await;
        assert_eq!(came.payload.wire_bytes()[..], [1; CHUNK]);
    });
}

/// An exchange that has had its first answer.
async fn stream(session: &Session) -> Exchange {
    let begin = Bytes::from_static(b"begin");
    let mut exchange = session
        .open(Head::new(ECHO), begin.clone(), Fin::More)
        .await
        .expect("an exchange");
    assert_eq!(next(&mut exchange).await.payload.wire_bytes(), &begin);
    exchange
}

async fn next(exchange: &mut Exchange) -> Message {
    exchange.recv().await.expect("no error").expect("a message")
}

async fn is_waiting(exchange: &mut Exchange) -> bool {
    poll_fn(|cx| Poll::Ready(exchange.poll_recv(cx).is_pending())).await
}

#[test]
fn a_peer_that_vanishes_is_found_out() {
    run(async {
        let identity = Identity::new();
        let options = QuicOptions {
            idle_timeout: Duration::from_secs(1),
            keep_alive: None,
            ..QuicOptions::default()
        };
        let mut listener = listen(&identity, &options).await;
        let relay = Relay::new(listener.local_addr().expect("its address"));
        let connector = connector(&identity, &options);
        let address = relay.address().to_string();
        let (client, server) = join(connector.connect(&address), accept(&mut listener)).await;
        let mut client = Peer(client.expect("a connection"));
        let mut server = server.expect("a connection");
        client.write(Lane::FIRST, "there").await;
        server.read(Lane::FIRST, 5).await;
        relay.cut();
        for side in [&mut client, &mut server] {
            match side.next().await {
                Came::Failed(error) => assert_eq!(error.kind(), std::io::ErrorKind::TimedOut),
                other => panic!("{other:?}"),
            }
        }
    });
}

#[test]
fn a_silent_peer_that_is_there_is_kept() {
    run(async {
        let options = QuicOptions {
            idle_timeout: Duration::from_secs(1),
            keep_alive: Some(Duration::from_millis(300)),
            ..QuicOptions::default()
        };
        let mut pair = super::peer::pair(&options).await;
        pair.client.write(Lane::FIRST, "there").await;
        pair.server.read(Lane::FIRST, 5).await;
        // Longer than the idle timeout, and that is what is tested.
        sleep(Duration::from_millis(2_500)).await;
        pair.client.write(Lane::FIRST, "still").await;
        pair.server.read(Lane::FIRST, 5).await;
    });
}
