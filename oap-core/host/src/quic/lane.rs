//! One stream as a lane.

use std::io::IoSlice;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes, BytesMut};
use oap_core::Lane;
use s2n_quic::stream::{BidirectionalStream, Error};

use super::error::code;
use super::ready::{LaneWaker, Ready};
use crate::room::Room;

/// Received blocks that one read takes, each of 64 KiB at most.
const READ_BLOCKS: usize = 4;
/// Blocks that one write hands over.
const WRITE_BLOCKS: usize = 16;
/// Bytes from which a received block becomes the buffer itself, and a block to send goes as it is;
/// smaller ones are copied together.
const LARGE: usize = 4 * 1024;

/// What stands in the way of a lane.
pub(super) enum Fault {
    /// The peer has given it up.
    Reset,
    /// The connection has ended.
    Closed,
}

/// A stream, and how far it has come.
#[derive(Debug)]
pub(super) struct LaneStream {
    stream: BidirectionalStream,
    waker: Waker,
    wake: Arc<LaneWaker>,
    /// That of the reader's buffer.
    room: Room,
    /// The end of what the peer sends has been read.
    ended: bool,
    /// Nothing more is written.
    finished: bool,
    /// The peer has given it up, and so have we.
    reset: bool,
}

impl LaneStream {
    /// A lane that is to be looked at.
    pub(super) fn new(stream: BidirectionalStream, lane: Lane, ready: &Arc<Ready>) -> Self {
        let wake = Arc::new(LaneWaker::new(ready.clone(), lane));
        wake.queue();
        Self {
            stream,
            waker: wake.clone().into(),
            wake,
            room: Room::new(),
            ended: false,
            finished: false,
            reset: false,
        }
    }

    /// Whether nothing will be read or written any more.
    pub(super) const fn is_over(&self) -> bool {
        self.finished && (self.ended || self.reset)
    }

    pub(super) fn wake(&self) -> &LaneWaker {
        &self.wake
    }

    /// Appends what was received to `buf`; 0 is the end. After anything else than `Pending` there may
    /// be more.
    pub(super) fn poll_read(&mut self, buf: &mut BytesMut) -> Poll<Result<usize, Fault>> {
        if self.ended || self.reset {
            return Poll::Pending;
        }
        let mut blocks = [const { Bytes::new() }; READ_BLOCKS];
        let mut cx = Context::from_waker(&self.waker);
        match self.stream.poll_receive_vectored(&mut blocks, &mut cx) {
            Poll::Pending => {
                self.room.give_back(buf);
                Poll::Pending
            }
            Poll::Ready(Ok((0, _))) => {
                self.ended = true;
                Poll::Ready(Ok(0))
            }
            Poll::Ready(Ok((count, _))) => {
                self.wake.queue();
                Poll::Ready(Ok(append(buf, &mut self.room, &mut blocks[..count])))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.fault(error))),
        }
    }

    /// Hands over what of `data` there is room for.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        data: &mut dyn Buf,
    ) -> Poll<Result<usize, Fault>> {
        if self.finished || self.reset {
            return Poll::Ready(Err(Fault::Reset));
        }
        let room = match ready!(self.stream.poll_send_ready(cx)) {
            Ok(room) => room,
            Err(error) => return Poll::Ready(Err(self.fault(error))),
        };
        let mut blocks = [const { Bytes::new() }; WRITE_BLOCKS];
        let (count, taken) = gather(data, room, &mut blocks);
        // The stream takes every block that begins within its room.
        match self.stream.poll_send_vectored(&mut blocks[..count], cx) {
            Poll::Ready(Ok(sent)) if sent == count => Poll::Ready(Ok(taken)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.fault(error))),
            Poll::Ready(Ok(_)) | Poll::Pending => Poll::Ready(Err(self.give_up())),
        }
    }

    /// Ends our side after what was written.
    pub(super) fn finish(&mut self) {
        if !self.finished && !self.reset {
            // It fails where there is nothing to end any more.
            let _ = self.stream.finish();
        }
        self.finished = true;
    }

    fn fault(&mut self, error: Error) -> Fault {
        match error {
            Error::ConnectionError { .. } => Fault::Closed,
            _ => self.give_up(),
        }
    }

    // A frame may be on its way by halves, so our side ends with a reset, too.
    fn give_up(&mut self) -> Fault {
        self.reset = true;
        let _ = self.stream.reset(code::CANCELLED.into());
        let _ = self.stream.stop_sending(code::CANCELLED.into());
        Fault::Reset
    }
}

/// Moves received blocks to the end of `buf`.
fn append(buf: &mut BytesMut, room: &mut Room, blocks: &mut [Bytes]) -> usize {
    let total = blocks.iter().map(Bytes::len).sum();
    if buf.is_empty() && total >= LARGE && blocks.len() == 1 {
        match std::mem::take(&mut blocks[0]).try_into_mut() {
            Ok(block) => {
                room.give_back(buf);
                *buf = block;
                return total;
            }
            Err(shared) => blocks[0] = shared,
        }
    }
    room.reserve(buf, total);
    for block in blocks {
        buf.extend_from_slice(block);
    }
    total
}

/// Takes up to `room` bytes in blocks: large ones as they are, small ones copied together. Returns the
/// blocks and the bytes taken.
fn gather(data: &mut dyn Buf, room: usize, blocks: &mut [Bytes; WRITE_BLOCKS]) -> (usize, usize) {
    let mut taken = 0;
    let mut count = 0;
    while count < blocks.len() && taken < room && data.has_remaining() {
        let chunk = data.chunk().len();
        let len = if chunk >= LARGE {
            chunk
        } else {
            small_run(data)
        };
        let len = len.min(room - taken);
        blocks[count] = if chunk >= LARGE {
            data.copy_to_bytes(len)
        } else {
            copy(data, len)
        };
        taken += len;
        count += 1;
    }
    (count, taken)
}

/// Bytes of the small chunks that come next.
fn small_run(data: &dyn Buf) -> usize {
    let mut slices = [IoSlice::new(&[]); WRITE_BLOCKS];
    let used = data.chunks_vectored(&mut slices);
    slices[..used]
        .iter()
        .map(|slice| slice.len())
        .take_while(|len| *len < LARGE)
        .sum()
}

fn copy(data: &mut dyn Buf, len: usize) -> Bytes {
    let mut block = BytesMut::with_capacity(len);
    while block.len() < len {
        let chunk = data.chunk();
        let part = chunk.len().min(len - block.len());
        block.extend_from_slice(&chunk[..part]);
        data.advance(part);
    }
    block.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(len: usize) -> Vec<u8> {
        (0..len).map(|at| (at % 251) as u8).collect()
    }

    fn blocks() -> [Bytes; WRITE_BLOCKS] {
        [const { Bytes::new() }; WRITE_BLOCKS]
    }

    #[test]
    fn a_large_block_goes_as_it_is_and_small_ones_together() {
        let payload = Bytes::from(pattern(10_000));
        let address = payload.as_ptr();
        let mut data = Bytes::from_static(b"header").chain(payload);
        let mut blocks = blocks();
        assert_eq!(gather(&mut data, 1 << 20, &mut blocks), (2, 10_006));
        assert_eq!(blocks[0], "header");
        assert_eq!(blocks[1].as_ptr(), address, "not copied");

        let mut data = Bytes::from_static(b"header").chain(&b"payload"[..]);
        assert_eq!(gather(&mut data, 1 << 20, &mut blocks), (1, 13));
        assert_eq!(blocks[0], "headerpayload");
    }

    #[test]
    fn no_more_is_taken_than_there_is_room_for() {
        let whole = pattern(9_000);
        let mut data = Bytes::from(whole.clone());
        let mut sent = Vec::new();
        let mut blocks = blocks();
        while data.has_remaining() {
            let (count, taken) = gather(&mut data, 700, &mut blocks);
            assert!(taken <= 700 && count == 1);
            sent.extend_from_slice(&blocks[0]);
        }
        assert_eq!(sent, whole);
    }

    #[test]
    fn a_received_block_becomes_the_buffer_only_where_that_is_worth_it() {
        let large = BytesMut::from(&pattern(LARGE)[..]);
        let address = large.as_ptr();
        let mut buf = BytesMut::new();
        assert_eq!(
            append(&mut buf, &mut Room::new(), &mut [large.freeze()]),
            LARGE
        );
        assert_eq!(buf.as_ptr(), address, "not copied");

        let shared = Bytes::from(pattern(LARGE));
        let other = shared.clone();
        let mut two = [shared, Bytes::from_static(b"tail")];
        assert_eq!(append(&mut buf, &mut Room::new(), &mut two), LARGE + 4);
        assert_eq!(buf.len(), 2 * LARGE + 4);
        assert!(buf.ends_with(b"tail"));
        let mut buf = BytesMut::new();
        assert_eq!(
            append(&mut buf, &mut Room::new(), &mut [other.clone()]),
            LARGE
        );
        assert_eq!(buf, other);
    }
}
