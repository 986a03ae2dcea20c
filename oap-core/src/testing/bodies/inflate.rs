//! Compressed payloads.

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
use crate::{Config, Event, ExchangeId, Lane, Limits, Payload, Reason, Role};

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
    let config = Config {
        limits: limits.build().unwrap_or_default(),
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
        let payload = match kind & 7 {
            0 | 1 => choices.slice(64).to_vec(),
            2 if with_bombs => bombs().0.clone(),
            3 if with_bombs => bombs().1.clone(),
            _ => deflate(&std::vec![kind; usize::from(choices.word()) % 9_000]).unwrap_or_default(),
        };
        let flags = if kind & 8 == 0 { 0x59 } else { 0xd9 };
        probe.input(Lane::FIRST, &Says::app(flags, 0, corr).with(&payload));
        let mut came: Option<(ExchangeId, Payload)> = None;
        probe.events(usize::MAX, |event| {
            if let Event::Opened { id, payload, .. } = event {
                came = Some((*id, payload.clone()));
            }
        });
        let Some((id, came)) = came else { continue };
        // Inflated bytes have bounds of their own.
        let now = probe.now;
        match probe.command(4 * most + DECODER, |connection| {
            connection.inflate(now, id, &came)
        }) {
            Ok(plain) if came.is_opaque() => assert_eq!(plain, payload),
            Ok(plain) => {
                assert!(plain.len() <= most);
                if payload.len() < 500 {
                    assert_eq!(inflated(&payload, most).as_deref(), Ok(&plain[..]));
                }
                held.push(plain);
            }
            Err(fault) => assert!(is_told_rightly(fault.reason, &payload, most), "{fault}"),
        }
        if kind & 16 != 0 {
            probe.command(0, |_| held.clear());
        }
        probe.command(0, |connection| {
            if let Some(exchange) = connection.exchange(id) {
                exchange.release();
            }
        });
        probe.transmit(usize::MAX);
    }
    probe.command(0, |_| drop(held));
    probe.finish();
}

/// Streams of 2 MiB, and of one byte more than any connection takes.
fn bombs() -> &'static (Vec<u8>, Vec<u8>) {
    static BOMBS: OnceLock<(Vec<u8>, Vec<u8>)> = OnceLock::new();
    BOMBS.get_or_init(|| {
        let zeros = |size: usize| deflate(&std::vec![0; size]).unwrap_or_default();
        (zeros(2 << 20), zeros((8 << 20) + 1))
    })
}

/// A budget may be used up by anything; the other reasons are those of [`inflated`].
fn is_told_rightly(reason: Reason, payload: &[u8], most: usize) -> bool {
    match inflated(payload, most) {
        _ if reason == Reason::RateLimited => true,
        Ok(_) => false,
        Err(error) => error.reason() == reason,
    }
}
