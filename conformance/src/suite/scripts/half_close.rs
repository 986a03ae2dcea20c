//! Each half of an exchange ends on its own; the server's END ends both.

use bytes::{Bytes, BytesMut};
use oap_core::driver::Incoming;
use oap_core::driver::test_apps::source_bytes;
use oap_core::{Body, Code, Config, Fin, Head};

use crate::suite::ctx::{outcome, received};
use crate::suite::{Ctx, Gate, Plan, Probe, within};

/// Reads all of the request, then answers at length.
const ANSWERS_LONG: u16 = 0x0f10;
/// Answers when it has seen the first chunk.
const ANSWERS_EARLY: u16 = 0x0f11;

const LONG: usize = 500_000;

pub(super) async fn half_close(ctx: &mut Ctx) {
    let (probe, gate) = (Probe::default(), Gate::default());
    let (told, held) = (probe.clone(), gate.clone());
    let answers_long = move |mut incoming: Incoming| {
        let (probe, gate) = (told.clone(), held.clone());
        async move {
            let body = incoming.body(1 << 20).await.expect("a request");
            probe.tell(format!(
                "the server has read {} bytes to their end",
                body.len()
            ));
            gate.passed().await;
            let answer = Bytes::from(source_bytes(0, LONG));
            for at in (0..LONG).step_by(50_000) {
                let sent = incoming.send(Code::OK, answer.slice(at..at + 50_000)).await;
                sent.expect("room");
            }
            incoming.respond(Code::OK, Body::empty()).expect("the end");
        }
    };
    let answers_early = |incoming: Incoming| async move {
        incoming.respond(Code::OK, "enough").expect("an answer");
    };
    let plan = Plan::new().with_service(move |service| {
        service
            .handle(ANSWERS_LONG, answers_long)
            .handle(ANSWERS_EARLY, answers_early)
    });
    let (_running, session) = ctx.pair_with(plan, Config::default()).await;

    let open = session.open(Head::new(ANSWERS_LONG), "first", Fin::More);
    let mut exchange = within("an exchange opens", open)
        .await
        .expect("an exchange");
    exchange.finish("last").expect("the end");
    let again = exchange.send("too late");
    ctx.log(format!(
        "sending after the end: {}",
        within("an error", again).await.unwrap_err()
    ));
    ctx.log(probe.next().await);
    ctx.echo(&session, "the client's half is closed").await;
    gate.open();
    let mut answer = BytesMut::new();
    while let Some(message) = within("more", exchange.recv()).await.expect("more") {
        answer.extend_from_slice(message.payload.wire_bytes());
    }
    assert_eq!(answer, source_bytes(0, LONG));
    ctx.log(format!("{LONG} bytes of answer follow"));

    let open = session.open(Head::new(ANSWERS_EARLY), "first", Fin::More);
    let mut exchange = within("an exchange opens", open)
        .await
        .expect("an exchange");
    ctx.log(format!(
        "early answer: {}",
        received(&within("END", exchange.recv()).await)
    ));
    let more = within("an error", exchange.send("more")).await;
    ctx.log(format!("sending after the answer: {}", more.unwrap_err()));
    ctx.log(format!(
        "what is left: {}",
        received(&within("END", exchange.recv()).await)
    ));
    drop(exchange);

    let open = session.open(Head::new(ANSWERS_EARLY), "first", Fin::More);
    let exchange = within("an exchange opens", open)
        .await
        .expect("an exchange");
    let result = within("the answer", exchange.response(64)).await;
    ctx.log(format!("early answer, whole: {}", outcome(&result)));
    ctx.echo(&session, "after both").await;
}
