//! Who waits in vain is told, and what was waited for ends.

use std::time::Duration;

use oap_core::driver::Incoming;
use oap_core::{Body, Config, Fin, Head, Start, Timers};

use crate::suite::ctx::{outcome, received};
use crate::suite::probe::hold;
use crate::suite::{Ctx, Gate, Plan, Probe, within};

/// Holds its exchange for ever.
const HOLD: u16 = 0x0f10;

const SOON: Duration = Duration::from_millis(100);

pub(super) async fn timeouts(ctx: &mut Ctx) {
    request(ctx).await;
    verdict(ctx).await;
    silence(ctx).await;
}

async fn request(ctx: &mut Ctx) {
    let (probe, gate) = (Probe::default(), Gate::default());
    let told = probe.clone();
    let hold = move |incoming: Incoming| hold(incoming, told.clone(), gate.clone());
    let plan = Plan::new().with_service(move |service| service.handle(HOLD, hold));
    let timers = Timers {
        request: SOON,
        ..Timers::default()
    };
    let config = Config {
        timers,
        ..Config::default()
    };
    let (_running, session) = ctx.pair_with(plan, config).await;

    let result = within("a timeout", session.request(Head::new(HOLD), "")).await;
    ctx.log(format!(
        "the configured time for a request: {}",
        outcome(&result)
    ));
    ctx.log(format!("its code: {}", result.unwrap_err().code()));
    ctx.log(probe.next().await);
    ctx.log(probe.next().await);

    let head = Head::new(HOLD).with_timeout(SOON);
    let open = session.open(head, Body::empty(), Fin::More);
    let mut exchange = within("an exchange opens", open)
        .await
        .expect("an exchange");
    ctx.log(probe.next().await);
    let result = within("a timeout", exchange.recv()).await;
    ctx.log(format!(
        "a stream with a time of its own: {}",
        received(&result)
    ));
    ctx.log(probe.next().await);
    ctx.echo(&session, "the session goes on").await;
}

async fn verdict(ctx: &mut Ctx) {
    let timers = Timers {
        verdict: SOON,
        ..Timers::default()
    };
    let plan = Plan::new()
        .with_config(Config {
            timers,
            ..Config::default()
        })
        .with_service(|service| service.authorize(|_: Start| std::future::pending()));
    let (_running, session) = ctx.pair_with(plan, Config::default()).await;
    let result = within("a timeout", session.request(Head::new(HOLD), "")).await;
    ctx.log(format!(
        "an authorizer that never decides: {}",
        outcome(&result)
    ));
}

async fn silence(ctx: &mut Ctx) {
    let timers = Timers {
        first_frame: SOON,
        idle: 3 * SOON,
        ..Timers::default()
    };
    let plan = Plan::new().with_config(Config {
        timers,
        ..Config::default()
    });
    // Without HELLO there are no PINGs either.
    let config = Config {
        hello: false,
        ..Config::default()
    };
    let (running, session) = ctx.pair_with(plan, config.clone()).await;
    ctx.log("a client that says nothing");
    let reason = within("the connection is cut off", session.closed()).await;
    ctx.log(format!("its connection ends: {}", reason.reason()));
    let session = ctx.connect_with(&running.target, config).await;
    ctx.echo(&session, "a client that then is idle").await;
    let reason = within("the connection is cut off", session.closed()).await;
    ctx.log(format!("its connection ends: {}", reason.reason()));
}
