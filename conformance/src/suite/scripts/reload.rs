//! A new certificate is for new connections.

use oap_core::Config;
use oap_core::driver::ConnectError;

use crate::suite::{Ctx, Identity, Plan};

pub(super) async fn reload(ctx: &mut Ctx) {
    let (running, old) = ctx.pair_with(Plan::new(), Config::default()).await;
    let reload = running.reload.clone().expect("a certificate to replace");
    let renewed = running.target.trusting(Identity::second());

    refused(
        ctx,
        &renewed,
        "before, a client that trusts the new certificate",
    )
    .await;
    reload(&Identity::second());
    ctx.echo(&old, "the old session goes on").await;
    let new = ctx.connect(&renewed).await;
    ctx.echo(&new, "a new client sees the new certificate")
        .await;
    let target = running.target.clone();
    refused(ctx, &target, "a new client that trusts the old one").await;
    ctx.echo(&old, "the old session still goes on").await;
    reload(&Identity::first());
    let again = ctx.connect(&running.target).await;
    ctx.echo(&again, "and back").await;
}

async fn refused(ctx: &mut Ctx, target: &crate::suite::Target, what: &str) {
    match ctx.try_connect(target, Config::default()).await {
        Ok(_) => panic!("{what} is connected"),
        Err(ConnectError::Handshake(_)) => ctx.log(format!("{what} is refused")),
        Err(error) => panic!("{what}: {error}"),
    }
}
