//! A sender stops at its credit, and resumes with more of it.

use bytes::Bytes;
use oap_core::driver::test_apps::{SOURCE, source_bytes};
use oap_core::driver::{Incoming, Session};
use oap_core::{Body, Code, Config, Fin, Head, Limits};

use crate::suite::wait::is_ready;
use crate::suite::{Ctx, Gate, Plan, eventually, within};

/// Begins to read when it is let.
const READS_LATER: u16 = 0x0f10;

const WINDOW: u32 = 8_192;
const BUFFER: u32 = 16_384;
const CHUNK: usize = 4_096;
const HEADER: u64 = 37;

pub(super) async fn windows(ctx: &mut Ctx) {
    upwards(ctx).await;
    downwards(ctx).await;
}

fn config(send_buffer: u32) -> Config {
    let limits = Limits::builder()
        .ack_window(WINDOW)
        .send_buffer(send_buffer)
        .build()
        .expect("limits");
    Config {
        limits,
        ..Config::default()
    }
}

/// Payload bytes received and sent, of which there are none in control frames but HELLO and ACK.
fn payload(session: &Session) -> (u64, u64) {
    let counters = session.counters();
    (
        counters.bytes_received - HEADER * counters.frames_received,
        counters.bytes_sent - HEADER * counters.frames_sent,
    )
}

/// A PONG has come back: what the other side had to say before it was asked has been said.
async fn turn(session: &Session) {
    let pong = within("a PONG", session.ping()).await;
    pong.expect("a PONG");
}

async fn upwards(ctx: &mut Ctx) {
    let gate = Gate::default();
    let held = gate.clone();
    let reads_later = move |mut incoming: Incoming| {
        let gate = held.clone();
        async move {
            gate.passed().await;
            let Ok(body) = incoming.body(1 << 20).await else {
                return;
            };
            let total = (body.len() as u64).to_le_bytes();
            let _ = incoming.respond(Code::OK, Bytes::copy_from_slice(&total));
        }
    };
    let plan = Plan::new()
        .with_config(config(BUFFER))
        .with_service(move |service| service.handle(READS_LATER, reads_later));
    let (_running, session) = ctx.pair_with(plan, config(BUFFER)).await;
    let (_, before) = payload(&session);

    let open = session.open(Head::new(READS_LATER), Body::empty(), Fin::More);
    let mut exchange = within("an exchange opens", open)
        .await
        .expect("an exchange");
    let chunk = Bytes::from(vec![9; CHUNK]);
    let fits = (WINDOW + BUFFER) as usize / CHUNK;
    for _ in 0..fits {
        let sent = within("room", exchange.send(chunk.clone())).await;
        sent.expect("a chunk is taken");
    }
    ctx.log(format!(
        "the window and the buffer take {} bytes",
        fits * CHUNK
    ));
    eventually("the window is used up", || {
        payload(&session).1 - before == u64::from(WINDOW)
    })
    .await;
    let mut more = Box::pin(exchange.send(chunk.clone()));
    for _ in 0..3 {
        turn(&session).await;
        assert!(
            is_ready(&mut more).await.is_none(),
            "a full buffer takes more"
        );
        assert_eq!(payload(&session).1 - before, u64::from(WINDOW));
    }
    ctx.log(format!("{WINDOW} bytes are sent, then the sender waits"));
    gate.open();
    within("credit", more)
        .await
        .expect("the next chunk is taken");
    ctx.log("the receiver reads: the sender resumes");
    for _ in 0..50 {
        let sent = within("room", exchange.send(chunk.clone())).await;
        sent.expect("a chunk is taken");
    }
    exchange.finish(Body::empty()).expect("the end");
    let answer = within("the count", exchange.response(64))
        .await
        .expect("the count");
    let total = (fits + 51) * CHUNK;
    assert_eq!(answer.body[..], (total as u64).to_le_bytes());
    ctx.log(format!("all {total} bytes have arrived"));
}

async fn downwards(ctx: &mut Ctx) {
    let (_running, session) = ctx.pair_with(Plan::new(), config(BUFFER)).await;
    let (before, _) = payload(&session);
    let total = 200_000_u64;
    let mut ask = total.to_le_bytes().to_vec();
    ask.extend_from_slice(&1_000_u32.to_le_bytes());
    let open = session.open(Head::new(SOURCE), Bytes::from(ask), Fin::End);
    let mut exchange = within("an exchange opens", open)
        .await
        .expect("an exchange");
    eventually("the window is used up", || {
        payload(&session).0 - before == u64::from(WINDOW)
    })
    .await;
    for _ in 0..3 {
        turn(&session).await;
        assert_eq!(payload(&session).0 - before, u64::from(WINDOW));
    }
    ctx.log(format!("{WINDOW} bytes come, then the server waits"));
    let mut taken = 0;
    while let Some(message) = within("more", exchange.recv()).await.expect("more") {
        let bytes = message.payload.wire_bytes();
        assert_eq!(*bytes, source_bytes(taken, bytes.len()));
        taken += bytes.len() as u64;
        let ahead = payload(&session).0 - before - taken;
        assert!(
            ahead <= u64::from(WINDOW),
            "{ahead} bytes ahead of the reader"
        );
    }
    assert_eq!(taken, total);
    ctx.log(format!(
        "all {total} bytes come as they are read, never more than {WINDOW} ahead"
    ));
}
