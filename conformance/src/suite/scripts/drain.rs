//! A drain refuses what is new and lets finish what is open, for a time.

use std::time::Duration;

use oap_core::driver::test_apps::ECHO;
use oap_core::driver::{Incoming, Session};
use oap_core::{Body, Config, Fin, Head};

use crate::suite::ctx::outcome;
use crate::suite::probe::hold;
use crate::suite::wait::is_ready;
use crate::suite::{Ctx, Gate, Plan, Probe, within};

/// Holds its exchange until the gate opens.
const HOLD: u16 = 0x0f10;

pub(super) async fn drain(ctx: &mut Ctx) {
    in_time(ctx).await;
    out_of_time(ctx).await;
    by_the_client(ctx).await;
}

fn plan(probe: &Probe, gate: &Gate) -> Plan {
    let (probe, gate) = (probe.clone(), gate.clone());
    let hold = move |incoming: Incoming| hold(incoming, probe.clone(), gate.clone());
    Plan::new().with_service(move |service| service.handle(HOLD, hold))
}

async fn in_time(ctx: &mut Ctx) {
    let (probe, gate) = (Probe::default(), Gate::default());
    let (running, busy) = ctx.pair_with(plan(&probe, &gate), Config::default()).await;
    let idle = ctx.connect(&running.target).await;
    let open = busy.open(Head::new(HOLD), Body::empty(), Fin::End);
    let held = within("an exchange opens", open)
        .await
        .expect("an exchange");
    ctx.log(probe.next().await);

    let (refused, answered, ended, report) = {
        let mut draining = Box::pin(ctx.drain(&running, Duration::from_secs(20)));
        assert!(
            is_ready(&mut draining).await.is_none(),
            "drained with an exchange open"
        );
        within("GOAWAY", busy.going_away()).await;
        within("GOAWAY", idle.going_away()).await;
        let refused = within("a refusal", busy.request(Head::new(ECHO), "new")).await;
        assert!(
            is_ready(&mut draining).await.is_none(),
            "drained with an exchange open"
        );
        gate.open();
        let answered = within("the answer", held.response(64)).await;
        let ended = within("the end", busy.closed()).await;
        (refused, answered, ended, draining.await)
    };
    let refused = refused.expect_err("a new exchange on a connection that is drained");
    ctx.log(format!("GOAWAY; a new exchange: {}", refused.reason()));
    ctx.log(format!("the open exchange: {}", outcome(&answered)));
    ctx.log(probe.next().await);
    ctx.log(format!("the connection ends: {ended}"));
    ctx.log(format!(
        "drained {}, aborted {}",
        report.drained, report.aborted
    ));
    refused_after(ctx, &idle).await;
    let again = is_refused(ctx, &running).await;
    ctx.log(format!("a new connection is refused: {again}"));
}

async fn refused_after(ctx: &mut Ctx, session: &Session) {
    within("the end", session.closed()).await;
    let result = within("an error", session.request(Head::new(ECHO), "late")).await;
    ctx.log(format!("a request afterwards: {}", outcome(&result)));
}

/// Nobody accepts any more: the connection fails, or waits in vain until its time is over.
async fn is_refused(ctx: &Ctx, running: &crate::suite::Running) -> bool {
    let timers = oap_core::Timers {
        hello: Duration::from_millis(200),
        ..oap_core::Timers::default()
    };
    let config = Config {
        timers,
        ..Config::default()
    };
    ctx.try_connect(&running.target, config).await.is_err()
}

async fn out_of_time(ctx: &mut Ctx) {
    let (probe, gate) = (Probe::default(), Gate::default());
    let (running, session) = ctx.pair_with(plan(&probe, &gate), Config::default()).await;
    let open = session.open(Head::new(HOLD), Body::empty(), Fin::End);
    let mut held = within("an exchange opens", open)
        .await
        .expect("an exchange");
    ctx.log(probe.next().await);
    let report = ctx.drain(&running, Duration::from_millis(100)).await;
    ctx.log(format!(
        "drained {}, aborted {}",
        report.drained, report.aborted
    ));
    ctx.log(probe.next().await);
    let error = within("the end", held.recv()).await;
    ctx.log(format!("the open exchange fails: {}", error.is_err()));
    within("the end", session.closed()).await;
    ctx.log("the connection has ended");
}

async fn by_the_client(ctx: &mut Ctx) {
    let (probe, gate) = (Probe::default(), Gate::default());
    let (_running, session) = ctx.pair_with(plan(&probe, &gate), Config::default()).await;
    let open = session.open(Head::new(HOLD), Body::empty(), Fin::End);
    let held = within("an exchange opens", open)
        .await
        .expect("an exchange");
    ctx.log(probe.next().await);
    session.drain();
    let result = within("a refusal", session.request(Head::new(ECHO), "new")).await;
    ctx.log(format!(
        "the client drains; a new exchange: {}",
        outcome(&result)
    ));
    gate.open();
    let answered = within("the answer", held.response(64)).await;
    ctx.log(format!("the open exchange: {}", outcome(&answered)));
    ctx.log(probe.next().await);
    let ended = within("the end", session.closed()).await;
    ctx.log(format!("the connection ends: {ended}"));
}
