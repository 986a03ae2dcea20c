//! What holds when there is too much, when something is not allowed, and when it ends.

use std::time::{Duration, Instant};

use bytes::Bytes;
use indicatif::HumanCount;
use oap_core::SendError;
use oap_core::driver::test_apps::{DELAY, ECHO, SINK};
use oap_core::inflate::deflate;
use oap_tokio::*;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::report::{Failure, Outcome, ensure, expect};
use crate::{CAPABILITY, GREETER};

const SLOTS: usize = 64;

pub(crate) async fn slots(session: &Session) -> Outcome {
    let mut open = Vec::new();
    for _ in 0..SLOTS {
        open.push(session.try_open(Head::new(DELAY), millis(50), Fin::End)?);
    }
    let full = session.try_open(Head::new(ECHO), Body::empty(), Fin::End);
    let limit = SLOTS as u32;
    let refusal = CallError::Send(SendError::OverCapacity { limit });
    expect("65th, not waiting", full.err(), Some(refusal))?;
    let waited = session.request(Head::new(ECHO), Body::empty()).await?;
    expect("65th, waiting", waited.code, Code::OK)?;
    for exchange in &mut open {
        let end = exchange.recv().await?.map(|message| message.code);
        expect("one of the 64", end, Some(Code::OK))?;
    }

    let begun = Instant::now();
    expect_all_ok(delayed(session, 2 * SLOTS, 50)).await?;
    let elapsed = begun.elapsed();
    let fits = (100..500).contains(&elapsed.as_millis());
    ensure(fits, &format!("128 calls took {elapsed:.0?}"))?;
    let seen = "64 at once, the 65th waited its turn".into();
    Ok((seen, format!("128 x 50 ms in {elapsed:.0?}")))
}

pub(crate) async fn capability(visitor: &Session) -> Outcome {
    let call = async |capability: &'static str| {
        let head = Head {
            capability: capability.into(),
            ..Head::new(GREETER)
        };
        visitor.request(head, Bytes::from("you")).await
    };
    let (none, wrong, right) = (
        call("").await?,
        call("sesame").await?,
        call(CAPABILITY).await?,
    );
    expect_refusal(&none, Code::UNAUTHORIZED, Reason::Unauthorized)?;
    expect_refusal(&wrong, Code::FORBIDDEN, Reason::Forbidden)?;
    expect("greeting", &right.body[..], b"Hello, you!")?;
    let seen = "none: 401 unauthorized, wrong: 403 forbidden".into();
    Ok((seen, "right: Hello, you!".into()))
}

pub(crate) async fn bomb(session: &Session) -> Outcome {
    let bomb = deflate(&vec![0; 64 << 20]).ok_or("zeros do not shrink")?;
    let figure = format!("64 MiB in {} bytes", HumanCount(bomb.len() as u64));
    let beside = begin_echo(session).await?;
    let bomb = Body::compressed(bomb.into());
    let answer = session.request(Head::new(SINK), bomb).await?;
    expect_refusal(&answer, Code::TOO_LARGE, Reason::DecompressOverflow)?;
    expect_echo(beside).await?;
    expect_echo(begin_echo(session).await?).await?;
    let seen = "413 decompress_overflow, a stream beside it goes on";
    Ok((seen.into(), figure))
}

pub(crate) async fn drops(session: &Session) -> Outcome {
    let beside = begin_echo(session).await?;
    let mut calls = delayed(session, SLOTS - 1, 60_000);
    sleep(Duration::from_millis(20)).await;
    let begun = Instant::now();
    calls.shutdown().await; // This drops the calls' futures, which cancels them.
    session.ping().await?; // By the PONG, the server has stopped their work.
    expect_all_ok(delayed(session, SLOTS - 1, 0)).await?;
    let elapsed = begun.elapsed();
    expect_echo(beside).await?;
    let seen = "63 calls of 60 s cancelled, a stream beside goes on";
    Ok((seen.into(), format!("63 new ones in {elapsed:.1?}")))
}

pub(crate) async fn drain(runtime: &TokioRuntime, server: &Server, session: &Session) -> Outcome {
    let head = Head::new(DELAY);
    let mut slow = session.open(head, millis(200), Fin::End).await?;
    session.ping().await?; // By the PONG, the server has begun with the slow call.
    let refused = async {
        sleep(Duration::from_millis(50)).await;
        session.request(Head::new(ECHO), Body::empty()).await
    };
    let draining = server.drain(runtime, Duration::from_secs(5));
    let (report, refused) = tokio::join!(draining, refused);
    let reason = refused.err().map(|error| error.reason());
    expect("new call", reason, Some(Reason::Draining))?;
    let end = slow.recv().await?.map(|message| message.code);
    expect("slow call", end, Some(Code::OK))?;
    let counts = (report.drained, report.aborted);
    expect("drained and aborted connections", counts, (1, 0))?;
    let seen = "the call under way was answered, a new one refused";
    Ok((seen.into(), "1 drained, 0 aborted".into()))
}

/// Calls that are answered after a while, each in a task of its own.
fn delayed(session: &Session, count: usize, ms: u32) -> JoinSet<Result<Response, CallError>> {
    let session = session.clone();
    let call = move |_| {
        let session = session.clone();
        async move { session.request(Head::new(DELAY), millis(ms)).await }
    };
    (0..count).map(call).collect()
}

fn millis(ms: u32) -> Vec<u8> {
    ms.to_le_bytes().to_vec()
}

async fn expect_all_ok(calls: JoinSet<Result<Response, CallError>>) -> Result<(), Failure> {
    for answer in calls.join_all().await {
        expect("code", answer?.code, Code::OK)?;
    }
    Ok(())
}

fn expect_refusal(answer: &Response, code: Code, reason: Reason) -> Result<(), Failure> {
    let seen = (answer.code, answer.reason());
    expect("refusal", seen, (code, Some(reason)))
}

async fn begin_echo(session: &Session) -> Result<Exchange, CallError> {
    let body = Bytes::from("before ");
    session.open(Head::new(ECHO), body, Fin::More).await
}

async fn expect_echo(mut exchange: Exchange) -> Result<(), Failure> {
    exchange.finish(Bytes::from("after"))?;
    let mut whole = Vec::new();
    while let Some(message) = exchange.recv().await? {
        whole.extend_from_slice(message.payload.wire_bytes());
    }
    expect("echo", &whole[..], b"before after")
}
