//! What is too large or too much is refused, and nothing else suffers.

use bytes::Bytes;
use oap_core::driver::test_apps::{ECHO, SOURCE};
use oap_core::driver::{Incoming, Request, Response, ServerOptions};
use oap_core::wire::ErrorBody;
use oap_core::{Body, Config, Fin, Head, Limits};

use crate::suite::ctx::{assert_echo, outcome};
use crate::suite::probe::hold;
use crate::suite::wait::is_ready;
use crate::suite::{Ctx, Gate, Plan, Probe, Raw, within};

/// Takes bodies of 8 MiB at most, as every unary handler.
const UNARY: u16 = 0x0f10;
/// Holds its exchange until the gate opens.
const HOLD: u16 = 0x0f11;

const MIB: usize = 1024 * 1024;

pub(super) async fn limits(ctx: &mut Ctx) {
    bodies(ctx).await;
    exchanges(ctx).await;
    connections(ctx).await;
}

async fn bodies(ctx: &mut Ctx) {
    let length = |request: Request| async move {
        Response::ok(Bytes::copy_from_slice(
            &(request.body.len() as u64).to_le_bytes(),
        ))
    };
    let plan = Plan::new().with_service(move |service| service.unary(UNARY, length));
    let (_running, session) = ctx.pair_with(plan, Config::default()).await;
    for (what, size) in [("8 MiB", 8 * MIB), ("8 MiB and a byte", 8 * MIB + 1)] {
        let body = Bytes::from(vec![0; size]);
        let result = within(what, session.request(Head::new(UNARY), body)).await;
        ctx.log(format!("a unary request of {what}: {}", outcome(&result)));
    }
    let ask = Bytes::copy_from_slice(&100_000_u64.to_le_bytes());
    let open = session.open(Head::new(SOURCE), ask, Fin::End);
    let exchange = within("an exchange opens", open)
        .await
        .expect("an exchange");
    let result = within("an answer", exchange.response(65_536)).await;
    ctx.log(format!("an answer of 100,000 bytes: {}", outcome(&result)));
    ctx.echo(&session, "after all that").await;
}

async fn exchanges(ctx: &mut Ctx) {
    let (probe, gate) = (Probe::default(), Gate::default());
    let (told, held) = (probe.clone(), gate.clone());
    let hold = move |incoming: Incoming| hold(incoming, told.clone(), held.clone());
    let limits = Limits::builder().max_inflight(2).build().expect("limits");
    let plan = Plan::new()
        .with_config(Config {
            limits,
            ..Config::default()
        })
        .with_service(move |service| service.handle(HOLD, hold));
    // A client that has not said HELLO takes 64 for granted.
    let config = Config {
        hello: false,
        ..Config::default()
    };
    let (_running, session) = ctx.pair_with(plan, config).await;
    let mut holds = Vec::new();
    for _ in 0..2 {
        let open = session.open(Head::new(HOLD), Body::empty(), Fin::More);
        holds.push(
            within("an exchange opens", open)
                .await
                .expect("an exchange"),
        );
        ctx.log(probe.next().await);
    }
    let result = within("a refusal", session.request(Head::new(ECHO), "third")).await;
    ctx.log(format!(
        "a third exchange where two are allowed: {}",
        outcome(&result)
    ));
    let retry = result.expect("an answer").error().expect("an error body");
    ctx.log(format!("retry_after_ms: {:?}", retry.retry_after_ms));
    gate.open();
    for hold in holds {
        ctx.log(probe.next().await);
        let result = within("the answer", hold.response(64)).await;
        ctx.log(format!("a held exchange: {}", outcome(&result)));
    }
    ctx.echo(&session, "slots are free").await;
}

async fn connections(ctx: &mut Ctx) {
    let options = ServerOptions::default().with_max_connections(1);
    let plan = Plan::new().with_options(options);
    let (running, first) = ctx.pair_with(plan, Config::default()).await;
    ctx.echo(&first, "the first connection").await;
    let mut second = Box::pin(ctx.connect(&running.target));
    for _ in 0..20 {
        assert!(
            is_ready(&mut second).await.is_none(),
            "two connections where one is allowed"
        );
        assert_echo(&first, "the first connection").await;
    }
    first.close();
    within("the first connection ends", first.closed()).await;
    let second = second.await;
    ctx.log("a second connection waits until the first has ended");
    ctx.echo(&second, "the second connection").await;
}

pub(super) async fn frame_too_large(ctx: &mut Ctx) {
    let limits = Limits::builder().max_frame(65_536).max_inflight(4).build();
    let plan = Plan::new().with_config(Config {
        limits: limits.expect("limits"),
        ..Config::default()
    });
    let (running, other) = ctx.pair_with(plan, Config::default()).await;
    let mut raw = Raw::connect(&running.target).expect("a connection");
    raw.send(&Raw::frame(Raw::ONE_SHOT, ECHO, 1, &[0; 65_536 - 33]))
        .expect("a frame is sent");
    let answer = raw.receive().expect("a frame").expect("an answer");
    ctx.log(format!("the largest frame: code {}", answer.header.code));
    raw.send(&Raw::frame(Raw::ONE_SHOT, ECHO, 2, &[0; 65_536 - 32])[..100])
        .expect("a frame is sent");
    let mut last = None;
    while let Ok(Some(frame)) = raw.receive() {
        last = Some(frame);
    }
    let last = last.expect("a connection error frame");
    let body = ErrorBody::parse(last.payload()).expect("an error body");
    ctx.log(format!(
        "one byte more: connection error {} {:?}, corr_id {}, then the end",
        last.header.code,
        body.reason.known(),
        last.header.corr_id
    ));
    ctx.echo(&other, "another connection").await;
}
