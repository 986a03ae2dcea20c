//! Header, decoder and encoder.

use std::hint::black_box;
use std::io::IoSlice;

use bytes::{Buf, Bytes, BytesMut};
use oap_core::wire::{Decoder, Flags, FrameQueue, HEADER_LEN, Header, MAX_FRAME};

use super::Op;
use super::wire::{frame, header, shared};

const BUFFER: usize = 128 * 1024;
/// A frame with 64 bytes of payload.
const SMALL: usize = HEADER_LEN + 64;
const ONE_SHOT: Flags = Flags::from_bits(0x19);

/// A header with all its checks.
pub struct HeaderParse([u8; HEADER_LEN]);

impl Op for HeaderParse {
    fn new() -> Self {
        Self(header(ONE_SHOT, 7, 64).encode())
    }

    #[inline(always)]
    fn step(&mut self) {
        let _ = black_box(&Header::parse(black_box(&self.0), MAX_FRAME));
    }
}

/// `PIECE` bytes at a time, or all at once.
#[inline(always)]
fn pieces<const PIECE: usize>(wire: &[u8], mut take: impl FnMut(&[u8])) {
    let wire = black_box(wire);
    if PIECE == usize::MAX && wire.len() == SMALL {
        // Of a length known beforehand, so that the copy is what a copy has to be.
        wire.first_chunk::<SMALL>()
            .into_iter()
            .for_each(|wire| take(wire));
    } else if PIECE == usize::MAX {
        take(wire);
    } else {
        wire.chunks(PIECE).for_each(take);
    }
}

/// A frame copied into the buffer, decoded and dropped. `PIECE` bytes arrive at a time.
pub struct Decode<const PAYLOAD: usize, const PIECE: usize> {
    wire: Vec<u8>,
    buf: BytesMut,
    decoder: Decoder,
}

impl<const PAYLOAD: usize, const PIECE: usize> Op for Decode<PAYLOAD, PIECE> {
    fn new() -> Self {
        Self {
            wire: frame(ONE_SHOT, 7, PAYLOAD),
            buf: BytesMut::with_capacity(BUFFER),
            decoder: Decoder::new(MAX_FRAME),
        }
    }

    #[inline(always)]
    fn step(&mut self) {
        pieces::<PIECE>(&self.wire, |piece| {
            self.buf.extend_from_slice(piece);
            if let Ok(Some(frame)) = self.decoder.decode(&mut self.buf) {
                drop(black_box(frame));
            }
        });
    }
}

/// The bare copy of the same bytes, to set against [`Decode`].
pub struct Copy<const PAYLOAD: usize, const PIECE: usize> {
    wire: Vec<u8>,
    buf: BytesMut,
}

impl<const PAYLOAD: usize, const PIECE: usize> Op for Copy<PAYLOAD, PIECE> {
    fn new() -> Self {
        Self {
            wire: frame(ONE_SHOT, 7, PAYLOAD),
            buf: BytesMut::with_capacity(BUFFER),
        }
    }

    #[inline(always)]
    fn step(&mut self) {
        pieces::<PIECE>(&self.wire, |piece| self.buf.extend_from_slice(piece));
        black_box(&mut self.buf).clear();
    }
}

/// A header encoded, and it and the payload lent to a vectored write.
pub struct Encode<const PAYLOAD: usize> {
    header: Header,
    payload: Bytes,
}

impl<const PAYLOAD: usize> Op for Encode<PAYLOAD> {
    fn new() -> Self {
        Self {
            header: header(ONE_SHOT, 7, PAYLOAD),
            payload: shared(PAYLOAD),
        }
    }

    #[inline(always)]
    fn step(&mut self) {
        let head = black_box(&self.header).encode();
        let slices = [IoSlice::new(&head), IoSlice::new(black_box(&self.payload))];
        black_box(&slices);
    }
}

/// `FRAMES` frames pushed into a queue, lent as slices and written. A payload comes as a clone of the
/// application's; [`BytesClone`] is what that alone takes, and is subtracted. Dropping it after the
/// write is the queue's work and counts.
pub struct Queue<const PAYLOAD: usize, const FRAMES: usize> {
    header: Header,
    payload: Bytes,
    queue: FrameQueue,
}

impl<const PAYLOAD: usize, const FRAMES: usize> Op for Queue<PAYLOAD, FRAMES> {
    fn new() -> Self {
        Self {
            header: header(ONE_SHOT, 7, PAYLOAD),
            payload: shared(PAYLOAD),
            queue: FrameQueue::new(),
        }
    }

    #[inline(always)]
    fn step(&mut self) {
        for _ in 0..FRAMES {
            let payload = self.payload.clone();
            self.queue
                .push(black_box(&self.header), Bytes::new(), payload);
        }
        let mut slices = [IoSlice::new(&[]); 8];
        let used = self.queue.chunks_vectored(&mut slices);
        black_box(&slices[..used]);
        self.queue.advance(self.queue.remaining());
    }
}

/// The clone of a shared payload, without its drop.
pub struct BytesClone(Bytes);

impl Op for BytesClone {
    fn new() -> Self {
        Self(shared(16 * 1024))
    }

    #[inline(always)]
    fn step(&mut self) {
        std::mem::forget(black_box(self.0.clone()));
    }
}
