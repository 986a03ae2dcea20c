//! What was negotiated, and whole requests with whole answers.

use std::time::{Duration, Instant};

use bytes::Bytes;
use hdrhistogram::Histogram;
use indicatif::HumanCount;
use oap_core::driver::test_apps::ECHO;
use oap_core::wire::Codings;
use oap_tokio::{Body, Code, Head, Session, TlsInfo};

use crate::report::{Failure, Outcome, ensure, expect};

const SPEC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/spec/oap-1.md");

pub(crate) async fn tls(tls: TlsInfo) -> Outcome {
    expect("version", tls.version, "TLSv1_3")?;
    expect("key exchange", tls.group, "X25519MLKEM768")?;
    expect("protocol", tls.alpn.as_deref(), Some("oap/1"))?;
    let seen = format!("{}, {}, ALPN oap/1", tls.version, tls.cipher);
    Ok((seen, tls.group.into()))
}

pub(crate) async fn hello(session: &Session) -> Outcome {
    let hello = session.hello().ok_or("there was no HELLO")?;
    expect("max_frame", hello.max_frame, Some(1_048_576))?;
    expect("max_inflight", hello.max_inflight, Some(64))?;
    expect("ack_window", hello.ack_window, Some(131_072))?;
    expect("codings", hello.codings, Codings::ZLIB)?;
    let features: Vec<_> = hello.features.names().collect();
    expect("features", &features[..], &["cancel", "ping", "goaway"])?;
    let figure = "frame 1 MiB, window 128 KiB, 64 slots".into();
    Ok((format!("zlib, {}", features.join(", ")), figure))
}

pub(crate) async fn echoes(session: &Session) -> Outcome {
    let mut times = Histogram::<u64>::new(3)?;
    for call in 0..1_000_usize {
        let body: Bytes = (call..call + 256).map(|at| at as u8).collect();
        let begun = Instant::now();
        let answer = session.request(Head::new(ECHO), body.clone()).await?;
        times.record(begun.elapsed().as_nanos() as u64)?;
        expect("code", answer.code, Code::OK)?;
        expect("echo", answer.body, body)?;
    }
    let mut round_trip = Duration::MAX;
    for _ in 0..100 {
        round_trip = round_trip.min(session.ping().await?);
    }
    let at = |quantile| Duration::from_nanos(times.value_at_quantile(quantile));
    let figure = format!("p50 {:.0?}, p99 {:.0?}", at(0.5), at(0.99));
    let seen = format!("256 bytes each came back; best PING {round_trip:.0?}");
    Ok((seen, figure))
}

pub(crate) async fn file(session: &Session) -> Outcome {
    let text = std::fs::read(SPEC).unwrap_or_else(|_| include_bytes!("calls.rs").to_vec());
    let text = Bytes::from(text);
    let compressed = session.compress(text.clone());
    ensure(compressed.is_compressed(), "the file does not shrink")?;
    let plain = echo(session, text.clone().into(), &text).await?;
    let small = echo(session, compressed, &text).await?;
    let (of, to) = (HumanCount(plain), HumanCount(small));
    let ratio = plain as f64 / small as f64;
    let seen = format!("{of} bytes plain, {to} compressed");
    Ok((seen, format!("ratio {ratio:.2}")))
}

/// Has `body` echoed, which inflates to `text`; returns how many bytes came over the wire.
async fn echo(session: &Session, body: Body, text: &Bytes) -> Result<u64, Failure> {
    let before = session.counters().bytes_received;
    let answer = session.request(Head::new(ECHO), body).await?;
    ensure(answer.body == text, "another file came back")?;
    Ok(session.counters().bytes_received - before)
}
