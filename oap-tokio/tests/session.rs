//! Sessions against servers over real sockets, once over TCP and once over TLS.

mod support;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use oap_core::driver::test_apps::{self, DELAY, ECHO, EVENTS, SINK, SOURCE, STATUS};
use oap_tokio::*;

use support::{Over, start_over};

macro_rules! over_each {
    ($($name:ident)*) => {
        mod tcp {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::Over::Tcp).await;
            })*
        }
        mod tls {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::Over::Tls).await;
            })*
        }
        mod tls_on_many_threads {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name(super::Over::Tls).await;
            })*
        }
    };
}

over_each! {
    a_request_is_answered
    streams_of_both_directions_arrive_whole
    events_come_in_order
    a_dropped_request_cancels_only_itself
    an_answer_that_ends_early_ends_a_sender_that_waits
    more_callers_than_slots_take_turns
    a_drain_lets_open_exchanges_finish
}

async fn pair(over: Over) -> (Server, Session, TokioRuntime) {
    let started = start_over(over, Config::default()).await;
    let session = started.connect().await;
    (started.server, session, started.runtime)
}

async fn a_request_is_answered(over: Over) {
    let (_server, session, _) = pair(over).await;
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

async fn streams_of_both_directions_arrive_whole(over: Over) {
    let (_server, session, _) = pair(over).await;
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

async fn events_come_in_order(over: Over) {
    let (_server, session, _) = pair(over).await;
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

async fn a_dropped_request_cancels_only_itself(over: Over) {
    let (server, session, runtime) = pair(over).await;
    let long = Bytes::copy_from_slice(&60_000_u32.to_le_bytes());
    for _ in 0..200 {
        let request = session.request(Head::new(DELAY), long.clone());
        let _ = tokio::time::timeout(Duration::from_millis(1), request).await;
    }
    let response = session
        .request(Head::new(ECHO), Bytes::from_static(b"on"))
        .await
        .unwrap();
    assert_eq!(&response.body[..], b"on");
    let report = server.drain(&runtime, Duration::from_secs(5)).await;
    assert_eq!((report.drained, report.aborted), (1, 0));
}

async fn an_answer_that_ends_early_ends_a_sender_that_waits(over: Over) {
    let (_server, session, _) = pair(over).await;
    let soon = Bytes::copy_from_slice(&100_u32.to_le_bytes());
    let mut exchange = session
        .open(Head::new(DELAY), soon, Fin::More)
        .await
        .unwrap();
    // The handler reads no further, so the window closes and the sender waits.
    let sending = async {
        loop {
            if let Err(error) = exchange.send(Bytes::from(vec![0; 65_536])).await {
                return error;
            }
        }
    };
    let refused = tokio::time::timeout(Duration::from_secs(30), sending).await;
    let refused = refused.expect("the sender is told");
    assert!(
        matches!(refused, CallError::Send(SendError::Ended)),
        "{refused}"
    );
}

async fn more_callers_than_slots_take_turns(over: Over) {
    let (_server, session, _) = pair(over).await;
    let tasks: Vec<_> = (0..500_u32)
        .map(|n| {
            let session = session.clone();
            tokio::spawn(async move {
                let body = Bytes::copy_from_slice(&n.to_le_bytes());
                let response = session
                    .request(Head::new(ECHO), body.clone())
                    .await
                    .unwrap();
                assert_eq!(response.body, body);
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert!(session.ping().await.unwrap() < Duration::from_secs(5));
}

async fn a_drain_lets_open_exchanges_finish(over: Over) {
    let (server, session, runtime) = pair(over).await;
    let soon = Bytes::copy_from_slice(&200_u32.to_le_bytes());
    let request = session.request(Head::new(DELAY), soon);
    let drain = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        server.drain(&runtime, Duration::from_secs(5)).await
    };
    let (response, report) = tokio::join!(request, drain);
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

#[tokio::test]
async fn who_no_longer_waits_for_the_end_leaves_nothing_behind() {
    struct Idle;
    impl Wake for Idle {
        fn wake(self: Arc<Self>) {}
    }

    let server = start_over(Over::Tcp, Config::default()).await;
    let session = server.connect().await;
    let idle = Arc::new(Idle);
    let waker = Waker::from(idle.clone());
    for _ in 0..3 {
        let mut closed = pin!(session.closed());
        let polled = closed.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
    }
    drop(waker);
    assert_eq!(Arc::strong_count(&idle), 1);
}
