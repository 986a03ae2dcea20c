//! Sessions against servers over real sockets: TCP, TLS, Unix domain sockets.

mod support;

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{join, join_all};
use oap_core::driver::test_apps::{self, DELAY, ECHO, EVENTS, SINK, SOURCE, STATUS};
use oap_smol::*;

use support::{Over, run, run_on_global, start_over, timeout};

macro_rules! over_each {
    ($($name:ident)*) => {
        over_each! { tcp, run, Tcp, $($name)* }
        over_each! { tls, run, Tls, $($name)* }
        over_each! { uds, run, Uds, $($name)* }
        over_each! { tls_on_the_global_executor, run_on_global, Tls, $($name)* }
    };
    ($module:ident, $run:ident, $over:ident, $($name:ident)*) => {
        mod $module {
            $(#[test]
            fn $name() {
                super::$run(|runtime| super::$name(runtime, super::Over::$over));
            })*
        }
    };
}

over_each! {
    a_request_is_answered
    streams_of_both_directions_arrive_whole
    events_come_in_order
    a_dropped_request_cancels_only_itself
    more_callers_than_slots_take_turns
    a_drain_lets_open_exchanges_finish
    what_is_known_of_a_connection_is_told
}

async fn pair(runtime: SmolRuntime, over: Over) -> (Server, Session) {
    let started = start_over(runtime, over, Config::default()).await;
    let session = started.connect().await;
    (started.server, session)
}

async fn a_request_is_answered(runtime: SmolRuntime, over: Over) {
    let (_server, session) = pair(runtime, over).await;
    let response = session
        .request(Head::new(ECHO), Bytes::from_static(b"ping"))
        .await
        .unwrap();
    assert_eq!(
        (response.code, &response.body[..]),
        (Code::OK, &b"ping"[..])
    );
    let response = session.request(Head::new(7), Bytes::new()).await.unwrap();
    assert_eq!(
        (response.code, response.reason()),
        (Code::NOT_FOUND, Some(Reason::NotFound))
    );
    let code = Bytes::copy_from_slice(&409_u16.to_le_bytes());
    let response = session.request(Head::new(STATUS), code).await.unwrap();
    assert_eq!(response.code, Code::CONFLICT);
}

async fn streams_of_both_directions_arrive_whole(runtime: SmolRuntime, over: Over) {
    let (_server, session) = pair(runtime, over).await;
    let count = 5_000_000_u64;
    let request = Bytes::copy_from_slice(&count.to_le_bytes());
    let response = session.request(Head::new(SOURCE), request).await.unwrap();
    assert_eq!(response.body.len() as u64, count);
    assert_eq!(response.body, test_apps::source_bytes(0, count as usize));

    let mut exchange = session
        .open(Head::new(SINK), Body::empty(), Fin::More)
        .await
        .unwrap();
    for _ in 0..100 {
        exchange.send(Bytes::from(vec![1; 50_000])).await.unwrap();
    }
    exchange.finish(Body::empty()).unwrap();
    let message = exchange.recv().await.unwrap().expect("an answer");
    assert_eq!(message.payload.wire_bytes()[..], count.to_le_bytes());
}

async fn events_come_in_order(runtime: SmolRuntime, over: Over) {
    let (_server, session) = pair(runtime, over).await;
    let request = Bytes::copy_from_slice(&1_000_u32.to_le_bytes());
    let mut exchange = session
        .open(Head::new(EVENTS), request, Fin::End)
        .await
        .unwrap();
    for index in 0..1_000_u32 {
        let message = exchange.recv().await.unwrap().expect("an event");
        assert_eq!(message.kind, MessageKind::Event);
        assert_eq!(message.payload.wire_bytes()[..], index.to_le_bytes());
    }
    assert_eq!(
        exchange.recv().await.unwrap().expect("the end").fin,
        Fin::End
    );
    assert!(exchange.recv().await.unwrap().is_none());
}

async fn a_dropped_request_cancels_only_itself(runtime: SmolRuntime, over: Over) {
    let (server, session) = pair(runtime.clone(), over).await;
    let long = Bytes::copy_from_slice(&60_000_u32.to_le_bytes());
    for _ in 0..200 {
        let request = session.request(Head::new(DELAY), long.clone());
        assert!(timeout(Duration::from_millis(1), request).await.is_none());
    }
    let response = session
        .request(Head::new(ECHO), Bytes::from_static(b"on"))
        .await
        .unwrap();
    assert_eq!(&response.body[..], b"on");
    let report = server.drain(&runtime, Duration::from_secs(5)).await;
    assert_eq!((report.drained, report.aborted), (1, 0));
}

async fn more_callers_than_slots_take_turns(runtime: SmolRuntime, over: Over) {
    let (_server, session) = pair(runtime, over).await;
    let callers = (0..500_u32).map(async |n| {
        let body = Bytes::copy_from_slice(&n.to_le_bytes());
        let response = session.request(Head::new(ECHO), body.clone()).await;
        assert_eq!(response.unwrap().body, body);
    });
    join_all(callers).await;
    assert!(session.ping().await.unwrap() < Duration::from_secs(5));
}

async fn a_drain_lets_open_exchanges_finish(runtime: SmolRuntime, over: Over) {
    let (server, session) = pair(runtime.clone(), over).await;
    let soon = Bytes::copy_from_slice(&200_u32.to_le_bytes());
    let request = session.request(Head::new(DELAY), soon);
    let drain = async {
        // Frames come in order: once the PING is answered, the request has arrived.
        session.ping().await.expect("a PONG");
        server.drain(&runtime, Duration::from_secs(5)).await
    };
    let (response, report) = join(request, drain).await;
    assert_eq!(response.unwrap().code, Code::OK);
    assert_eq!((report.drained, report.aborted), (1, 0));
    let refused = session
        .request(Head::new(ECHO), Bytes::new())
        .await
        .unwrap_err();
    assert!(
        matches!(refused, CallError::Closed(_) | CallError::Send(_)),
        "{refused}"
    );
}

async fn what_is_known_of_a_connection_is_told(runtime: SmolRuntime, over: Over) {
    let (_server, session) = pair(runtime, over).await;
    let info = session.info();
    match over {
        Over::Tcp => assert_eq!(info.transport, "tcp"),
        Over::Tls => {
            assert_eq!(info.transport, "tls");
            let tls = info.tls.as_ref().expect("what TLS negotiated");
            assert_eq!(tls.group, "X25519MLKEM768");
            assert_eq!(tls.alpn.as_deref(), Some("oap/1"));
        }
        Over::Uds => {
            assert_eq!(info.transport, "uds");
            assert!(info.uid.is_some(), "the server's user");
        }
    }
    assert_eq!(info.peer.is_some(), over != Over::Uds);
    assert_eq!(info.local.is_some(), over != Over::Uds);
}
