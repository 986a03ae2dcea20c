//! The test applications: what echo servers offer, and conformance suites and benches rely on.
//!
//! | `app_proto_id` | does |
//! |---|---|
//! | [`ECHO`] | each REQ chunk comes back as a RESP chunk; the one for END has END |
//! | [`SINK`] | RESP, END with u64 LE: payload bytes received, inflated ones for COMP |
//! | [`SOURCE`] | request u64 LE n, optionally u32 LE chunk (65,536); n bytes, byte i = i % 251 |
//! | [`EVENTS`] | request u32 LE n; n EVENTs with u32 LE index, then RESP, END |
//! | [`DELAY`] | request u32 LE milliseconds; an empty RESP, END after that time |
//! | [`STATUS`] | request u16 LE code; RESP, END with it, and an error body from 400 up |

use std::future::{Future, poll_fn};
use std::time::Duration;
use std::vec::Vec;

use bytes::Bytes;

use super::{CallError, Clock, Incoming, Runtime, Service};
use crate::{Body, Code, Payload, Reason};

/// Each chunk comes back.
pub const ECHO: u16 = 0x0f01;
/// Counts what it gets.
pub const SINK: u16 = 0x0f02;
/// Sends as much as is asked for.
pub const SOURCE: u16 = 0x0f03;
/// Pushes events.
pub const EVENTS: u16 = 0x0f04;
/// Answers later.
pub const DELAY: u16 = 0x0f05;
/// Answers with a given code.
pub const STATUS: u16 = 0x0f06;

/// The period of [`SOURCE`]'s bytes.
const PERIOD: usize = 251;
const DEFAULT_CHUNK: u32 = 65_536;
/// Largest chunk of [`SOURCE`], so that one request cannot ask for a huge allocation.
const MAX_CHUNK: u32 = 1_048_576;

/// All test applications.
pub fn service<R: Runtime>(runtime: &R) -> Service {
    let runtime = runtime.clone();
    Service::new()
        .handle(ECHO, |incoming| finish(echo(incoming)))
        .handle(SINK, |incoming| finish(sink(incoming)))
        .handle(SOURCE, |incoming| finish(source(incoming)))
        .handle(EVENTS, |incoming| finish(events(incoming)))
        .handle(DELAY, move |incoming| {
            finish(delay(incoming, runtime.clone()))
        })
        .handle(STATUS, |incoming| finish(status(incoming)))
}

/// `count` bytes as [`SOURCE`] sends them, from the byte with number `from` on.
pub fn source_bytes(from: u64, count: usize) -> Vec<u8> {
    let offset = (from % PERIOD as u64) as usize;
    (offset..offset + count)
        .map(|at| (at % PERIOD) as u8)
        .collect()
}

/// An exchange that ended early has nobody left to tell.
async fn finish(work: impl Future<Output = Result<(), CallError>>) {
    let _ = work.await;
}

async fn echo(mut incoming: Incoming) -> Result<(), CallError> {
    while let Some((payload, fin)) = incoming.next().await? {
        let body = mirror(payload);
        if fin.is_end() {
            return incoming.respond(Code::OK, body);
        }
        incoming.send(Code::OK, body).await?;
    }
    Ok(())
}

/// The same bytes with the same coding.
fn mirror(payload: Payload) -> Body {
    let (compressed, opaque) = (payload.is_compressed(), payload.is_opaque());
    let bytes = payload.into_wire_bytes();
    match (compressed, opaque) {
        (true, _) => Body::compressed(bytes),
        (_, true) => Body::from(bytes).opaque(),
        _ => bytes.into(),
    }
}

async fn sink(mut incoming: Incoming) -> Result<(), CallError> {
    let mut total = 0_u64;
    while let Some((payload, fin)) = incoming.next().await? {
        total += incoming.inflate(&payload)?.len() as u64;
        if fin.is_end() {
            break;
        }
    }
    incoming.respond(Code::OK, Bytes::copy_from_slice(&total.to_le_bytes()))
}

async fn source(mut incoming: Incoming) -> Result<(), CallError> {
    let request = first(&mut incoming).await?;
    let Some(count) = request
        .first_chunk::<8>()
        .map(|bytes| u64::from_le_bytes(*bytes))
    else {
        return unfit(
            incoming,
            "source takes u64 LE count and optionally u32 LE chunk",
        );
    };
    let chunk = match request.get(8..12).and_then(|bytes| bytes.try_into().ok()) {
        Some(bytes) => u32::from_le_bytes(bytes),
        None => DEFAULT_CHUNK,
    };
    if chunk == 0 || chunk > MAX_CHUNK {
        return unfit(incoming, "source takes a chunk of 1 to 1048576 bytes");
    }
    let block = Bytes::from(source_bytes(0, chunk as usize + PERIOD));
    let mut sent = 0_u64;
    while count - sent > u64::from(chunk) {
        incoming
            .send(Code::OK, piece(&block, sent, chunk as usize))
            .await?;
        sent += u64::from(chunk);
    }
    incoming.respond(Code::OK, piece(&block, sent, (count - sent) as usize))
}

fn piece(block: &Bytes, from: u64, count: usize) -> Bytes {
    let offset = (from % PERIOD as u64) as usize;
    block.slice(offset..offset + count)
}

async fn events(mut incoming: Incoming) -> Result<(), CallError> {
    let request = first(&mut incoming).await?;
    let Some(count) = request
        .first_chunk::<4>()
        .map(|bytes| u32::from_le_bytes(*bytes))
    else {
        return unfit(incoming, "events takes u32 LE count");
    };
    for index in 0..count {
        incoming
            .push(Code::OK, Bytes::copy_from_slice(&index.to_le_bytes()))
            .await?;
    }
    incoming.respond(Code::OK, Body::empty())
}

async fn delay<R: Runtime>(mut incoming: Incoming, runtime: R) -> Result<(), CallError> {
    let request = first(&mut incoming).await?;
    let Some(millis) = request
        .first_chunk::<4>()
        .map(|bytes| u32::from_le_bytes(*bytes))
    else {
        return unfit(incoming, "delay takes u32 LE milliseconds");
    };
    let mut clock = runtime.clock();
    let deadline = clock.now() + Duration::from_millis(u64::from(millis));
    poll_fn(|cx| clock.poll_deadline(cx, deadline)).await;
    incoming.respond(Code::OK, Body::empty())
}

async fn status(mut incoming: Incoming) -> Result<(), CallError> {
    let request = first(&mut incoming).await?;
    let Some(code) = request
        .first_chunk::<2>()
        .map(|bytes| Code::new(u16::from_le_bytes(*bytes)))
    else {
        return unfit(incoming, "status takes u16 LE code");
    };
    if code.is_error() {
        incoming.fail(code, code.into(), "as asked for")
    } else {
        incoming.respond(code, Body::empty())
    }
}

/// The first payload: real clients never send END, so a handler that needs no more asks for none.
async fn first(incoming: &mut Incoming) -> Result<Bytes, CallError> {
    match incoming.next().await? {
        Some((payload, _)) => incoming.inflate(&payload),
        None => Ok(Bytes::new()),
    }
}

fn unfit(incoming: Incoming, message: &str) -> Result<(), CallError> {
    incoming.fail(Code::BAD_REQUEST, Reason::BadRequest, message)
}
