//! Sessions over QUIC.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use oap_core::driver::test_apps::{self, DELAY, ECHO, EVENTS, SINK, SOURCE};
use oap_core::driver::{Server, ServerOptions, Session};
use oap_core::{Body, Code, Config, Fin, Head, Reason};
use oap_host::quic::QuicOptions;

use super::peer::{connector, listen};
use super::pki::Identity;
use crate::adapter::{QuicConnector, run, runtime};

struct Started {
    server: Server,
    address: String,
    connector: QuicConnector,
}

async fn start() -> Started {
    let identity = Identity::new();
    let runtime = runtime();
    let options = QuicOptions::default();
    let listener = listen(&identity, &options).await;
    let address = listener.local_addr().expect("its address").to_string();
    let service = test_apps::service(&runtime);
    let server = Server::start(
        &runtime,
        listener,
        service,
        Config::default(),
        ServerOptions::default(),
    );
    Started {
        server,
        address,
        connector: connector(&identity, &options),
    }
}

impl Started {
    async fn connect(&self) -> Session {
        let transport = self.connector.connect(&self.address).await;
        let transport = transport.expect("a connection");
        Session::connect(&runtime(), transport, Config::default())
            .await
            .expect("a HELLO")
    }
}

#[test]
fn a_request_is_answered() {
    run(async {
        let started = start().await;
        let session = started.connect().await;
        assert_eq!(session.info().transport, "quic");
        for size in [0, 1, 1_000, 100_000, 900_000] {
            let body = Bytes::from(test_apps::source_bytes(0, size));
            let response = session.request(Head::new(ECHO), body.clone()).await;
            let response = response.expect("an answer");
            assert_eq!((response.code, response.body), (Code::OK, body));
        }
        let response = session.request(Head::new(7), Bytes::new()).await;
        let response = response.expect("an answer");
        assert_eq!(response.reason(), Some(Reason::NotFound));
        session.close();
        session.closed().await;
    });
}

#[test]
fn streams_of_both_directions_arrive_whole() {
    run(async {
        let started = start().await;
        let session = started.connect().await;
        let count = 3_000_000_u64;
        let request = Bytes::copy_from_slice(&count.to_le_bytes());
        let response = session.request(Head::new(SOURCE), request).await;
        let expected = test_apps::source_bytes(0, count as usize);
        assert_eq!(response.expect("an answer").body, expected);

        let mut exchange = session
            .open(Head::new(SINK), Body::empty(), Fin::More)
            .await
            .expect("an exchange");
        for _ in 0..60 {
            exchange.send(vec![1; 50_000]).await.expect("room");
        }
        exchange.finish(Body::empty()).expect("open");
        let message = exchange.recv().await.expect("no error").expect("an answer");
        assert_eq!(message.payload.wire_bytes()[..], count.to_le_bytes());
    });
}

#[test]
fn sixty_four_streaming_exchanges_run_at_once() {
    run(async {
        let started = start().await;
        let session = started.connect().await;
        let one = |n: u8| {
            let session = session.clone();
            async move {
                let mut exchange = session
                    .open(Head::new(ECHO), vec![n; 10], Fin::More)
                    .await
                    .expect("an exchange");
                for turn in 1..=20 {
                    let message = exchange.recv().await.expect("no error").expect("an echo");
                    assert_eq!(message.payload.wire_bytes()[..], vec![n; 10 * turn]);
                    exchange.send(vec![n; 10 * (turn + 1)]).await.expect("room");
                }
                exchange.finish(Body::empty()).expect("open");
                while exchange.recv().await.expect("no error").is_some() {}
            }
        };
        join_all((0..64).map(one)).await;
        // And again, on lanes that have been used before.
        join_all((0..64).map(one)).await;
        let report = started
            .server
            .drain(&runtime(), Duration::from_secs(10))
            .await;
        assert_eq!((report.drained, report.aborted), (1, 0));
    });
}

#[test]
fn five_hundred_requests_take_turns() {
    run(async {
        let started = start().await;
        let session = started.connect().await;
        let ask = |n: u32| {
            let session = session.clone();
            async move {
                let body = Bytes::copy_from_slice(&n.to_le_bytes());
                let response = session.request(Head::new(ECHO), body.clone()).await;
                assert_eq!(response.expect("an answer").body, body);
            }
        };
        join_all((0..500).map(ask)).await;
    });
}

#[test]
fn events_come_in_order_and_a_dropped_exchange_hurts_no_other() {
    run(async {
        let started = start().await;
        let session = started.connect().await;
        let long = Bytes::copy_from_slice(&60_000_u32.to_le_bytes());
        for _ in 0..100 {
            let dropped = session
                .open(Head::new(DELAY), long.clone(), Fin::End)
                .await
                .expect("an exchange");
            drop(dropped);
        }
        let request = Bytes::copy_from_slice(&500_u32.to_le_bytes());
        let mut exchange = session
            .open(Head::new(EVENTS), request, Fin::End)
            .await
            .expect("an exchange");
        for index in 0..500_u32 {
            let message = exchange.recv().await.expect("no error").expect("an event");
            assert_eq!(message.payload.wire_bytes()[..], index.to_le_bytes());
        }
    });
}

#[test]
fn a_drain_lets_open_exchanges_finish() {
    run(async {
        let started = start().await;
        let session = started.connect().await;
        let mut open = session
            .open(Head::new(ECHO), Bytes::from_static(b"begun"), Fin::More)
            .await
            .expect("an exchange");
        open.recv().await.expect("no error").expect("an echo");
        let runtime = runtime();
        let drain = started.server.drain(&runtime, Duration::from_secs(10));
        let finish = async {
            session.going_away().await;
            open.finish(Bytes::from_static(b"done")).expect("open");
            let last = open.recv().await.expect("no error").expect("the end");
            assert_eq!(last.payload.wire_bytes(), &Bytes::from_static(b"done"));
            drop((open, session));
        };
        let (report, ()) = futures_util::future::join(drain, finish).await;
        assert_eq!((report.drained, report.aborted), (1, 0));
    });
}
