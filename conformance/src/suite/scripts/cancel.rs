//! Every future may be dropped at every point where it waits.

use bytes::Bytes;
use oap_core::driver::test_apps::{ECHO, SINK, SOURCE};
use oap_core::driver::{Exchange, Incoming, Session};
use oap_core::{Body, Config, Fin, Head, Limits};

use crate::suite::ctx::assert_echo;
use crate::suite::probe::hold;
use crate::suite::wait::cut_after;
use crate::suite::{Ctx, Gate, Plan, Probe, within};

/// Holds its exchange until it is cancelled.
const HOLD: u16 = 0x0f10;

/// Exchanges that the client has at once.
const SLOTS: u16 = 4;
/// Few enough that a slot that is not given back is soon missed; twice the client's, because a slot
/// is free only when the handler is gone, which is after the client has forgotten it (OAP-3-17).
const SERVER_SLOTS: u16 = 2 * SLOTS;
/// More polls than any of the futures takes here.
const MOST_POLLS: usize = 10_000;

pub(super) async fn cancel(ctx: &mut Ctx) {
    let (probe, gate) = (Probe::default(), Gate::default());
    let told = probe.clone();
    let hold = move |incoming: Incoming| hold(incoming, told.clone(), gate.clone());
    let plan = Plan::new()
        .with_config(config(SERVER_SLOTS))
        .with_service(move |service| service.handle(HOLD, hold));
    let (_running, session) = ctx.pair_with(plan, config(SLOTS)).await;
    let session = &session;

    at_every_poll(session, "request", |polls| async move {
        cut_after(polls, session.request(Head::new(ECHO), "body")).await
    })
    .await;
    ctx.log("request: cut at every poll");

    at_every_poll(session, "request of 40,000 bytes", |polls| async move {
        let ask = Bytes::copy_from_slice(&40_000_u64.to_le_bytes());
        cut_after(polls, session.request(Head::new(SOURCE), ask)).await
    })
    .await;
    ctx.log("request of 40,000 bytes: cut at every poll");

    at_every_poll(session, "open", |polls| async move {
        cut_after(polls, session.open(Head::new(ECHO), "body", Fin::More)).await
    })
    .await;
    ctx.log("open: cut at every poll");

    at_every_poll(session, "open without a slot", |polls| async move {
        let mut held = Vec::new();
        for _ in 0..SLOTS - 1 {
            held.push(open(session, HOLD).await);
        }
        let last = open(session, HOLD).await;
        let waiting = session.open(Head::new(ECHO), "body", Fin::End);
        let mut waiting = std::pin::pin!(cut_after(polls, waiting));
        let early = crate::suite::wait::is_ready(waiting.as_mut()).await;
        drop(last);
        match early {
            Some(cut) => cut,
            None => waiting.await,
        }
    })
    .await;
    ctx.log("open without a slot: cut at every poll");

    at_every_poll(session, "send", |polls| async move {
        let mut exchange = open(session, SINK).await;
        let sends = async {
            for _ in 0..8 {
                exchange
                    .send(Bytes::from(vec![1; 4_096]))
                    .await
                    .expect("room");
            }
        };
        cut_after(polls, sends).await
    })
    .await;
    ctx.log("send: cut at every poll");

    at_every_poll(session, "recv", |polls| async move {
        let ask = Bytes::copy_from_slice(&20_000_u64.to_le_bytes());
        let opened = session.open(Head::new(SOURCE), ask, Fin::End).await;
        let mut exchange = opened.expect("an exchange");
        let receives = async { while exchange.recv().await.expect("more").is_some() {} };
        cut_after(polls, receives).await
    })
    .await;
    ctx.log("recv: cut at every poll");

    at_every_poll(session, "response", |polls| async move {
        let ask = Bytes::copy_from_slice(&20_000_u64.to_le_bytes());
        let opened = session.open(Head::new(SOURCE), ask, Fin::End).await;
        cut_after(polls, opened.expect("an exchange").response(1 << 20)).await
    })
    .await;
    ctx.log("response: cut at every poll");

    at_every_poll(session, "ping", |polls| async move {
        cut_after(polls, session.ping()).await
    })
    .await;
    ctx.log("ping: cut at every poll");

    // What the holds of before have told is of no interest.
    while !probe.is_silent() {
        probe.next().await;
    }
    recv_loses_nothing(ctx, session).await;
    a_cancel_reaches_the_handler(ctx, session, &probe).await;
}

fn config(slots: u16) -> Config {
    let limits = Limits::builder()
        .max_inflight(slots)
        .ack_window(4_096)
        .send_buffer(8_192);
    Config {
        limits: limits.build().expect("limits"),
        ..Config::default()
    }
}

/// Runs something with 0, 1, 2, ... polls until it gets through. After each the session is usable.
async fn at_every_poll<T, F>(session: &Session, what: &str, run: impl Fn(usize) -> F)
where
    F: Future<Output = Option<T>>,
{
    for polls in 0..MOST_POLLS {
        let done = within(what, run(polls)).await.is_some();
        assert_echo(session, what).await;
        if done {
            return;
        }
    }
    panic!("{what} takes more than {MOST_POLLS} polls");
}

async fn open(session: &Session, app: u16) -> Exchange {
    let opened = session.open(Head::new(app), Body::empty(), Fin::More);
    within("an exchange opens", opened)
        .await
        .expect("an exchange")
}

async fn recv_loses_nothing(ctx: &mut Ctx, session: &Session) {
    let ask = Bytes::copy_from_slice(&100_000_u64.to_le_bytes());
    let opened = session.open(Head::new(SOURCE), ask, Fin::End);
    let mut exchange = within("an exchange opens", opened)
        .await
        .expect("an exchange");
    let mut total = 0;
    loop {
        let received = match cut_after(1, exchange.recv()).await {
            Some(received) => received,
            None => within("more", exchange.recv()).await,
        };
        match received.expect("more") {
            Some(message) => total += message.payload.wire_len(),
            None => break,
        }
    }
    ctx.log(format!(
        "{total} of 100000 bytes arrive although every other recv is dropped"
    ));
}

async fn a_cancel_reaches_the_handler(ctx: &mut Ctx, session: &Session, probe: &Probe) {
    let mut holds = Vec::new();
    for _ in 0..SLOTS {
        holds.push(open(session, HOLD).await);
        assert_eq!(probe.next().await, "handler begins");
    }
    let full = session.try_open(Head::new(ECHO), Body::empty(), Fin::End);
    let Err(refusal) = full else {
        panic!("more exchanges than slots");
    };
    ctx.log(format!("all slots taken: {refusal}"));
    for hold in holds {
        drop(hold);
        ctx.log(format!("an exchange is dropped: {}", probe.next().await));
    }
    ctx.echo(session, "after that").await;
}
