//! Nothing of an exchange reaches its handler before it is allowed.

use bytes::Bytes;
use oap_core::driver::Incoming;
use oap_core::driver::test_apps::ECHO;
use oap_core::{Code, Config, Fin, Head, Start, Verdict};

use crate::suite::ctx::outcome;
use crate::suite::{Ctx, Gate, Plan, Probe, within};

/// Tells when it begins, and counts.
const TELLS: u16 = 0x0f10;

pub(super) async fn authorizer(ctx: &mut Ctx) {
    let (probe, gate) = (Probe::default(), Gate::default());
    let (seen, held) = (probe.clone(), gate.clone());
    let verdict = move |start: Start| {
        let (probe, gate) = (seen.clone(), held.clone());
        async move {
            match &start.capability[..] {
                b"good" => Verdict::Allow,
                b"slow" => {
                    probe.tell("the authorizer is asked");
                    gate.passed().await;
                    Verdict::Allow
                }
                _ => Verdict::Deny,
            }
        }
    };
    let told = probe.clone();
    let tells = move |mut incoming: Incoming| {
        let probe = told.clone();
        async move {
            probe.tell("the handler begins");
            let body = incoming.body(1 << 20).await.expect("a body");
            let answered = incoming.respond(Code::OK, body);
            answered.expect("an answer");
        }
    };
    let plan =
        Plan::new().with_service(move |service| service.authorize(verdict).handle(TELLS, tells));
    let (_running, session) = ctx.pair_with(plan, Config::default()).await;

    for capability in ["", "bad", "good"] {
        let head = Head::new(ECHO).with_capability(capability);
        let result = within("a verdict", session.request(head, "hello")).await;
        ctx.log(format!("capability {capability:?}: {}", outcome(&result)));
    }

    let head = Head::new(TELLS).with_capability("slow");
    let open = session.open(head, Bytes::from_static(b"parked"), Fin::More);
    let mut exchange = within("an exchange opens", open)
        .await
        .expect("an exchange");
    let more = within("room", exchange.send(Bytes::from(vec![7; 10_000]))).await;
    more.expect("more of the request");
    exchange
        .finish(Bytes::from_static(b"end"))
        .expect("the request's end");
    ctx.log(probe.next().await);
    let good = Head::new(ECHO).with_capability("good");
    let result = within("an echo", session.request(good, "meanwhile")).await;
    ctx.log(format!("another meanwhile: {}", outcome(&result)));
    assert!(
        probe.is_silent(),
        "the handler saw an exchange that was not allowed"
    );
    ctx.log("the handler has seen nothing");
    gate.open();
    ctx.log(probe.next().await);
    let result = within("the answer", exchange.response(1 << 20)).await;
    ctx.log(format!("it is answered: {}", outcome(&result)));
}
