//! Bodies that are longer than any frame, and events.

use std::time::{Duration, Instant};

use bytes::Bytes;
use indicatif::HumanCount;
use oap_core::driver::test_apps::{EVENTS, SINK, SOURCE};
use oap_tokio::{Body, Fin, Head, MessageKind, Session};

use crate::report::{Outcome, ensure, expect, progress};

const TOTAL: u64 = 64 << 20;
const BLOCK: u64 = 256 << 10;
/// The bytes of the source repeat: byte i is i % 251.
const PERIOD: usize = 251;

pub(crate) async fn upload(session: &Session) -> Outcome {
    let bar = progress(TOTAL)?;
    let (begun, block) = (Instant::now(), Bytes::from(vec![0xa5; BLOCK as usize]));
    let head = Head::new(SINK);
    let mut exchange = session.open(head, Body::empty(), Fin::More).await?;
    for _ in 0..TOTAL / BLOCK {
        // This waits for room, which the server's window makes.
        exchange.send(block.clone()).await?;
        bar.inc(BLOCK);
    }
    exchange.finish(Body::empty())?;
    let answer = exchange.recv().await?.ok_or("no count came")?;
    let count = u64::from_le_bytes(answer.payload.wire_bytes()[..].try_into()?);
    expect("the server's count", count, TOTAL)?;
    let seen = format!("the server counted {} bytes", HumanCount(count));
    Ok((seen, rate(begun.elapsed())))
}

pub(crate) async fn download(session: &Session) -> Outcome {
    let pattern = (0..PERIOD + (1 << 20)).map(|i| (i % PERIOD) as u8);
    let pattern: Vec<u8> = pattern.collect();
    let (begun, bar) = (Instant::now(), progress(TOTAL)?);
    // A request that is sent whole has 10 s for its answer, unless its head says otherwise.
    let head = Head {
        timeout: Some(Duration::from_secs(60)),
        ..Head::new(SOURCE)
    };
    let count = TOTAL.to_le_bytes().to_vec();
    let mut exchange = session.open(head, count, Fin::End).await?;
    let mut received = 0;
    while let Some(message) = exchange.recv().await? {
        let bytes = message.payload.wire_bytes();
        let expected = pattern[received % PERIOD..].get(..bytes.len());
        ensure(expected == Some(bytes), "wrong bytes came")?;
        received += bytes.len();
        bar.inc(bytes.len() as u64);
    }
    expect("length", received as u64, TOTAL)?;
    Ok(("each byte is right".into(), rate(begun.elapsed())))
}

pub(crate) async fn events(session: &Session) -> Outcome {
    let begun = Instant::now();
    let count = 1_000_u32.to_le_bytes().to_vec();
    let mut exchange = session.open(Head::new(EVENTS), count, Fin::End).await?;
    let mut next = 0_u32;
    while let Some(message) = exchange.recv().await? {
        if message.kind == MessageKind::Event {
            let number = message.payload.wire_bytes();
            expect("event", &number[..], &next.to_le_bytes())?;
            next += 1;
        }
    }
    expect("count", next, 1_000)?;
    let elapsed = begun.elapsed();
    Ok(("all came, in order".into(), format!("{elapsed:.1?}")))
}

fn rate(elapsed: Duration) -> String {
    format!("{:.0} MB/s", TOTAL as f64 / 1e6 / elapsed.as_secs_f64())
}
