//! Frames through the encoder, and back through the decoder.

use std::io::IoSlice;
use std::vec::Vec;

use bytes::{Buf, Bytes, BytesMut};

use super::Heap;
use super::choices::Choices;
use crate::Code;
use crate::wire::{Decoder, Flags, FrameQueue, HEADER_LEN, Header, MAX_FRAME, MIN_LEN};

/// Payloads and capabilities are cut from this.
static FILL: [u8; 6_000] = [7; 6_000];

/// Frames that are pushed while others are taken, in whatever pieces: what comes out is what went
/// in, byte by byte, lent in one slice or in several, and decodes to the same frames.
///
/// # Panics
/// If that does not hold.
pub fn queue(data: &[u8], _heap: Heap) {
    let mut choices = Choices::new(data);
    let mut queue = FrameQueue::new();
    let (mut pushed, mut taken) = (Vec::new(), 0);
    let mut frames = Vec::new();
    while !choices.is_empty() {
        match choices.below(5) {
            kind @ (0 | 1) => {
                let (header, cap, payload) = any_frame(&mut choices);
                // Many, now and then: a buffer that is mostly written moves its rest to the front.
                let times = if kind == 0 { 1 } else { choices.byte() / 2 };
                for _ in 0..times {
                    pushed.extend_from_slice(&header.encode());
                    pushed.extend_from_slice(cap);
                    pushed.extend_from_slice(payload);
                    let (cap, payload) = (Bytes::from_static(cap), Bytes::from_static(payload));
                    queue.push(&header, cap, payload);
                    frames.push(header);
                }
            }
            2 => {
                let count = usize::from(choices.word()).min(queue.remaining());
                queue.advance(count);
                taken += count;
            }
            3 => {
                let count = usize::from(choices.word()).min(queue.remaining());
                assert_eq!(queue.copy_to_bytes(count), pushed[taken..taken + count]);
                taken += count;
            }
            _ => {
                let count = queue.chunk().len();
                queue.advance(count);
                taken += count;
            }
        }
        is_lent(&queue, &pushed[taken..], choices.below(6));
    }
    assert!(std::format!("{queue:?}").contains("bytes"));
    decodes(&pushed, &frames, 1 + taken % 5_000);
}

fn any_frame(choices: &mut Choices<'_>) -> (Header, &'static [u8], &'static [u8]) {
    let flags = Flags::from_bits(choices.word());
    let cap_len = match flags.contains(Flags::START) {
        true => usize::from(choices.byte()) * 2,
        false => 0,
    };
    let size = match choices.below(4) {
        0 => 0,
        1 | 2 => usize::from(choices.byte()) + 100,
        _ => usize::from(choices.word()) % 6_000,
    };
    let header = Header {
        len: MIN_LEN + (cap_len + size) as u32,
        flags,
        code: Code::new(choices.word()),
        app_proto_id: choices.word(),
        tenant_id: choices.u64().into(),
        cap_len: cap_len as u16,
        corr_id: choices.u64(),
    };
    (header, &FILL[..cap_len], &FILL[..size])
}

/// The queue lends exactly `rest`, in as many slices as there are.
fn is_lent(queue: &FrameQueue, rest: &[u8], slices: usize) {
    assert_eq!(queue.remaining(), rest.len());
    assert_eq!(queue.has_remaining(), !rest.is_empty());
    assert!(rest.starts_with(queue.chunk()));
    assert!(rest.is_empty() || !queue.chunk().is_empty());
    let mut lent = [IoSlice::new(&[]); 6];
    let used = queue.chunks_vectored(&mut lent[..slices]);
    let mut at = 0;
    for slice in &lent[..used] {
        assert!(!slice.is_empty() && rest[at..].starts_with(slice));
        at += slice.len();
    }
    assert!(used == slices || at == rest.len(), "a slice is missing");
}

fn decodes(wire: &[u8], frames: &[Header], piece: usize) {
    let mut decoder = Decoder::new(MAX_FRAME);
    let mut buf = BytesMut::new();
    let mut expected = frames.iter();
    for piece in wire.chunks(piece) {
        buf.extend_from_slice(piece);
        while let Some(frame) = decoder.decode(&mut buf).expect("these are frames") {
            let header = expected.next().expect("no more frames than went in");
            assert_eq!(frame.header, *header);
            assert_eq!(frame.capability().len(), usize::from(header.cap_len));
            assert_eq!(frame.payload().len(), header.payload_len());
            let len = header.frame_len();
            assert_eq!(frame.clone().into_payload().len(), header.payload_len());
            assert_eq!(frame.into_bytes().len(), len);
        }
        assert!(decoder.pending().is_none() || buf.len() >= HEADER_LEN);
    }
    assert!(expected.next().is_none() && decoder.finish(buf.len()).is_ok());
}
