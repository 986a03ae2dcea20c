//! Compressed payloads.

use std::borrow::Cow;
use std::io::Read;
use std::sync::OnceLock;
use std::vec::Vec;

use bytes::Bytes;

use super::Heap;
use super::choices::Choices;
use super::frame::{GREETING, Says};
use super::heap::Ledger;
use super::probe::Probe;
use crate::inflate::{InflateError, deflate, inflate as inflated};
use crate::wire::Codings;
use crate::{
    Config, Connection, Event, ExchangeId, Lane, Limits, Payload, Reason, Role, Violation,
};

/// What the decoder itself takes while it works, and the first piece of its output.
const DECODER: usize = 64 * 1024;

/// Compressed bytes, in one of three ways: hostile ones against another reader of the same format,
/// plain ones there and back, or as the payloads of a connection with its budgets.
///
/// # Panics
/// If the readers differ, a byte is lost, or a bound is passed.
pub fn inflate(data: &[u8], heap: Heap) {
    let mut choices = Choices::new(data);
    // Bombs take a thousand times as long as the rest.
    match choices.below(16) {
        0..=7 => against_another_reader(&mut choices, heap),
        8..=11 => there_and_back(&mut choices),
        kind => within_budgets(choices, kind == 15, heap),
    }
}

fn against_another_reader(choices: &mut Choices<'_>, heap: Heap) {
    let limit = usize::from(choices.word());
    let input = choices.slice(usize::MAX);
    // The output at most doubles while it grows.
    let mut ledger = Ledger::with_base(heap, DECODER + 2 * limit);
    let ours = ledger.measure(|| inflated(input, limit));
    if let Err(error) = ours {
        assert_eq!(error.code(), error.reason().code());
    }
    match (ours, other_reader(input, limit)) {
        (Ok(ours), Some(other)) => assert_eq!(ours, other),
        (Err(InflateError::Malformed), None) => {}
        // The other one has read on to the end of the stream, or to the fault in it.
        (Err(InflateError::Overflow), other) => {
            assert!(other.map_or(true, |other| other.len() > limit));
        }
        (ours, other) => panic!("{ours:?}, and the other reader says {other:?}"),
    }
}

/// What flate2's own reader makes of it, as far as it is one whole stream.
fn other_reader(input: &[u8], limit: usize) -> Option<Vec<u8>> {
    let mut rest = input;
    let mut out = Vec::new();
    flate2::bufread::ZlibDecoder::new(&mut rest)
        .take(limit as u64 + 1)
        .read_to_end(&mut out)
        .ok()?;
    let is_whole = rest.is_empty() && !input.is_empty();
    (is_whole || out.len() > limit).then_some(out)
}

fn there_and_back(choices: &mut Choices<'_>) {
    let times = 1 + usize::from(choices.word()) % 400;
    let plain = choices.slice(256).repeat(times);
    let Some(small) = deflate(&plain) else {
        return assert!(times < 8 || plain.len() < 40, "it does not get smaller");
    };
    assert!(small.len() < plain.len());
    assert_eq!(inflated(&small, plain.len()).as_deref(), Ok(&plain[..]));
    let less = inflated(&small, plain.len() - 1);
    assert_eq!(less, Err(InflateError::Overflow));
}

/// Frames with COMP, each inflated, some held for a while.
fn within_budgets(mut choices: Choices<'_>, with_bombs: bool, heap: Heap) {
    let limits = Limits::builder()
        .max_frame(choices.pick(&[4_096, 65_536, 1_048_576]))
        .max_inflight(8)
        .ack_window(4_096);
    let codings = match choices.byte() {
        0..=15 => Codings::NONE,
        _ => Codings::ZLIB,
    };
    let config = Config {
        limits: limits.build().unwrap_or_default(),
        codings,
        ..Config::default()
    };
    let mut probe = Probe::new(Role::Server, config, heap);
    probe.input(Lane::FIRST, &Says::control(0x19, 0, 0).with(GREETING));
    let most = probe.connection.config().limits.buffer_bytes();
    let mut held: Vec<Bytes> = Vec::new();
    for corr in 1..=24_u64 {
        if choices.is_empty() {
            break;
        }
        let kind = choices.byte();
        let payload = any_payload(kind, with_bombs, &mut choices);
        let flags = if kind & 8 == 0 { 0x59 } else { 0xd9 };
        probe.input(Lane::FIRST, &Says::app(flags, 0, corr).with(&payload));
        let mut came: Option<(ExchangeId, Payload)> = None;
        probe.events(usize::MAX, |event| {
            if let Event::Opened { id, payload, .. } = event {
                came = Some((*id, payload.clone()));
            }
        });
        let Some((id, came)) = came else { continue };
        let now = probe.now;
        let release = |connection: &mut Connection| {
            if let Some(exchange) = connection.exchange(id) {
                exchange.release();
            }
        };
        if kind & 32 != 0 {
            probe.command(0, release);
        }
        // Inflated bytes have bounds of their own.
        let result = probe.command(4 * most + DECODER, |connection| {
            connection.inflate(now, id, &came)
        });
        if came.is_opaque() {
            assert_eq!(result.as_deref(), Ok(&payload[..]));
        } else {
            is_right(&result, &payload, codings, most);
            held.extend(result);
        }
        if kind & 16 != 0 {
            probe.command(0, |_| held.clear());
        }
        probe.command(0, release);
        probe.transmit(usize::MAX);
        probe.check();
    }
    probe.command(0, |_| drop(held));
    probe.finish();
}

fn any_payload(kind: u8, with_bombs: bool, choices: &mut Choices<'_>) -> Cow<'static, [u8]> {
    let samples = samples();
    let bombs = if with_bombs { 0 } else { BOMBS };
    match kind & 7 {
        0 | 1 => choices.slice(64).to_vec().into(),
        _ => {
            let at = bombs + choices.below(samples.len() - bombs);
            samples[at].as_slice().into()
        }
    }
}

/// How many of the samples are bombs: 2 MiB, and one byte more than any connection takes.
const BOMBS: usize = 2;

/// Streams of zeros, so many each. They are made once, for making one costs more than all that is
/// done with it.
fn samples() -> &'static [Vec<u8>] {
    const SIZES: [usize; 9] = [
        2 << 20,
        (8 << 20) + 1,
        60,
        500,
        4_095,
        4_096,
        4_097,
        9_000,
        32_769,
    ];
    static SAMPLES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    SAMPLES.get_or_init(|| {
        let samples = SIZES.map(|size| deflate(&std::vec![0; size]).unwrap_or_default());
        Vec::from(samples)
    })
}

/// A budget may be used up by anything; all else is what [`inflated`] says.
fn is_right(result: &Result<Bytes, Violation>, payload: &[u8], codings: Codings, most: usize) {
    match result {
        _ if !codings.contains(Codings::ZLIB) => {
            assert_eq!(
                result.clone().map_err(|fault| fault.reason),
                Err(Reason::BadCoding)
            );
        }
        Err(fault) if fault.reason == Reason::RateLimited => {}
        Ok(plain) => {
            assert!(plain.len() <= most);
            // Not so for bombs, which would double what they cost.
            if payload.len() < 500 {
                assert_eq!(inflated(payload, most).as_deref(), Ok(&plain[..]));
            }
        }
        Err(fault) => {
            let told = inflated(payload, most).map_err(|error| error.reason());
            assert_eq!(told.map(|_| ()), Err(fault.reason), "{fault}");
        }
    }
}
