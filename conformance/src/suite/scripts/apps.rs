//! The test applications, in one piece and in streams.

use bytes::Bytes;
use oap_core::driver::test_apps::{DELAY, ECHO, EVENTS, SINK, SOURCE, STATUS, source_bytes};
use oap_core::driver::{Incoming, MessageKind};
use oap_core::{Body, Fin, Head};

use crate::suite::ctx::{outcome, received};
use crate::suite::{Ctx, Plan, within};

/// Nobody serves this.
const NOBODY: u16 = 0x0fff;
/// Panics.
const PANICS: u16 = 0x0f10;

pub(super) async fn unary(ctx: &mut Ctx) {
    let panics = |incoming: Incoming| async move {
        let _incoming = incoming;
        std::panic::panic_any("a handler of the suite panics, as it should");
    };
    let plan = Plan::new().with_service(move |service| service.handle(PANICS, panics));
    let (_running, session) = ctx.pair_with(plan, oap_core::Config::default()).await;
    let count = |count: u64| Bytes::copy_from_slice(&count.to_le_bytes());
    for (what, app, body) in [
        ("echo of nothing", ECHO, Bytes::new()),
        (
            "echo of 26 bytes",
            ECHO,
            Bytes::from_static(b"{\"msg\":\"ping\",\"op\":\"echo\"}"),
        ),
        (
            "echo of 300,000 bytes",
            ECHO,
            source_bytes(0, 300_000).into(),
        ),
        (
            "sink of 300,000 bytes",
            SINK,
            source_bytes(0, 300_000).into(),
        ),
        ("source of 1 byte", SOURCE, count(1)),
        ("source of 1,000,000 bytes", SOURCE, count(1_000_000)),
        ("source without a number", SOURCE, Bytes::new()),
        (
            "delay of 5 ms",
            DELAY,
            Bytes::copy_from_slice(&5_u32.to_le_bytes()),
        ),
        (
            "status 304",
            STATUS,
            Bytes::copy_from_slice(&304_u16.to_le_bytes()),
        ),
        (
            "status 409",
            STATUS,
            Bytes::copy_from_slice(&409_u16.to_le_bytes()),
        ),
        (
            "status 503",
            STATUS,
            Bytes::copy_from_slice(&503_u16.to_le_bytes()),
        ),
        ("an app that nobody serves", NOBODY, Bytes::new()),
        ("a handler that panics", PANICS, Bytes::new()),
    ] {
        let result = within(what, session.request(Head::new(app), body.clone())).await;
        ctx.log(format!("{what}: {}", outcome(&result)));
        let answer = result.expect("an answer").body;
        match app {
            ECHO => assert_eq!(answer, body, "{what}"),
            SINK => assert_eq!(answer, count(body.len() as u64), "{what}"),
            SOURCE if body.len() == 8 => {
                assert_eq!(answer, source_bytes(0, answer.len()), "{what}");
            }
            _ => {}
        }
    }
    ctx.echo(&session, "after all that").await;
}

pub(super) async fn streams(ctx: &mut Ctx) {
    let (_running, session) = ctx.pair().await;

    let open = session.open(Head::new(ECHO), Bytes::from_static(b"0"), Fin::More);
    let mut exchange = within("an exchange opens", open)
        .await
        .expect("an exchange");
    ctx.log(format!(
        "echo: {}",
        received(&within("a chunk", exchange.recv()).await)
    ));
    for length in [1, 10, 100, 1_000, 10_000] {
        let chunk = Bytes::from(source_bytes(length, length as usize));
        let sent = within("room", exchange.send(chunk.clone())).await;
        sent.expect("a chunk goes out");
        let back = within("a chunk", exchange.recv()).await;
        ctx.log(format!("echo: {}", received(&back)));
        let back = back.expect("a chunk").expect("a chunk");
        assert_eq!(*back.payload.wire_bytes(), chunk);
    }
    exchange
        .finish(Bytes::from_static(b"end"))
        .expect("END goes out");
    ctx.log(format!(
        "echo: {}",
        received(&within("END", exchange.recv()).await)
    ));
    ctx.log(format!(
        "echo: {}",
        received(&within("END", exchange.recv()).await)
    ));

    let hundred = Bytes::copy_from_slice(&100_u32.to_le_bytes());
    let open = session.open(Head::new(EVENTS), hundred, Fin::End);
    let mut exchange = within("an exchange opens", open)
        .await
        .expect("an exchange");
    for index in 0..100_u32 {
        let event = within("an event", exchange.recv()).await;
        let event = event.expect("an event").expect("an event");
        assert_eq!(event.kind, MessageKind::Event);
        assert_eq!(event.payload.wire_bytes()[..], index.to_le_bytes());
    }
    ctx.log("events: 100 in order");
    ctx.log(format!(
        "events: {}",
        received(&within("END", exchange.recv()).await)
    ));

    let open = session.open(Head::new(SINK), Body::empty(), Fin::More);
    let mut exchange = within("an exchange opens", open)
        .await
        .expect("an exchange");
    for _ in 0..40 {
        let sent = within("room", exchange.send(Bytes::from(vec![1; 25_000]))).await;
        sent.expect("a chunk goes out");
    }
    exchange.finish(Body::empty()).expect("END goes out");
    let answer = within("the count", exchange.recv()).await;
    let answer = answer.expect("the count").expect("the count");
    assert_eq!(answer.payload.wire_bytes()[..], 1_000_000_u64.to_le_bytes());
    ctx.log("sink: 1,000,000 bytes counted");
}
