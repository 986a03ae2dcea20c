//! A connection that is cut ends for both sides, and nothing hangs.

use std::time::Duration;

use bytes::Bytes;
use oap_core::driver::test_apps::SOURCE;
use oap_core::driver::{CallError, Exchange, Incoming, Session};
use oap_core::{Body, Config, Fin, Head, Reason, Timers};

use crate::suite::{Ctx, Plan, Probe, Relay, eventually, within};

/// Reads a request that never ends.
const READS: u16 = 0x0f10;

pub(super) async fn reset(ctx: &mut Ctx) {
    let probe = Probe::default();
    let told = probe.clone();
    let reads = move |mut incoming: Incoming| {
        let probe = told.clone();
        async move {
            probe.tell("handler begins");
            // A stream that ends without a reset truncates the request, and the handler learns of it.
            let _guard = probe.at_drop("handler is over");
            while let Ok(Some(_)) = incoming.next().await {}
        }
    };
    // Where nothing tells that the peer is gone, the idle timer does.
    let timers = Timers {
        idle: Duration::from_secs(1),
        ..Timers::default()
    };
    let config = Config {
        timers,
        ..Config::default()
    };
    let plan = Plan::new()
        .with_config(config.clone())
        .with_service(move |service| service.handle(READS, reads));
    let running = ctx.serve(plan).await;
    let relay = Relay::to(&running.target);

    let quiet = ctx.connect_with(relay.target(), config.clone()).await;
    let open = quiet.open(Head::new(READS), Body::empty(), Fin::More);
    let held = within("an exchange opens", open)
        .await
        .expect("an exchange");
    ctx.log(probe.next().await);

    let busy = ctx.connect_with(relay.target(), config).await;
    let ask = Bytes::copy_from_slice(&(1_u64 << 40).to_le_bytes());
    let open = busy.open(Head::new(SOURCE), ask, Fin::End);
    let mut streaming = within("an exchange opens", open)
        .await
        .expect("an exchange");
    for _ in 0..10 {
        let chunk = within("a chunk", streaming.recv()).await;
        chunk.expect("a chunk").expect("a chunk");
    }
    ctx.log("one exchange waits, another streams; the cable is cut");
    relay.cut();

    ctx.log(format!("the server's side: {}", probe.next().await));
    ends(&quiet, held).await;
    ctx.log("the client that waits: a typed end");
    ends(&busy, streaming).await;
    ctx.log("the client that streams: a typed end");
    eventually("the server has lost both", || {
        running.server.stats().connections == 0
    })
    .await;
    ctx.log("the server has lost both connections");
    let session = ctx.connect(&running.target).await;
    ctx.echo(&session, "another client").await;
}

/// The exchange ends with its connection, for one of the reasons that a cut may have.
async fn ends(session: &Session, mut exchange: Exchange) {
    let error = loop {
        match within("the end", exchange.recv()).await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("an answer that never came is complete"),
            Err(error) => break error,
        }
    };
    let CallError::Closed(reason) = &error else {
        panic!("not the connection's end: {error}");
    };
    // The end of a stream inside a frame is a malformed frame.
    let cuts = [
        Reason::Io,
        Reason::Timeout,
        Reason::BadFrame,
        Reason::QuicPath,
    ];
    assert!(cuts.contains(&reason.reason()), "{reason}");
    assert_eq!(within("the end", session.closed()).await, *reason);
}
