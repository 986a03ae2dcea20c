//! Frames into a queue of bytes that a vectored write can take as they are.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;
#[cfg(feature = "std")]
use std::io::IoSlice;

use bytes::{Buf, Bytes};

use super::header::{HEADER_LEN, Header};

/// Payloads up to this size are copied behind their header: one slice for the writer in place of
/// two, and cheaper than keeping the owner alive.
const INLINE_MAX: usize = 256;
/// An emptied header buffer above this size goes back to the allocator.
const KEEP_CAPACITY: usize = 64 * 1024;

/// Encoded frames that wait for a writer.
///
/// Headers and small payloads share one buffer, larger payloads stay the caller's [`Bytes`]. As a
/// [`Buf`] it hands out exactly what is not written yet, so a partial or cancelled write neither
/// loses nor repeats a byte.
///
/// ```
/// use bytes::{Buf, Bytes};
/// use oap_core::Code;
/// use oap_core::wire::{Flags, FrameQueue, Header, MIN_LEN};
///
/// let mut queue = FrameQueue::new();
/// let header = Header {
///     len: MIN_LEN,
///     flags: Flags::REQ | Flags::START | Flags::END,
///     code: Code::OK,
///     app_proto_id: 0x0f01,
///     tenant_id: 0,
///     cap_len: 0,
///     corr_id: 1,
/// };
/// queue.push(&header, Bytes::new(), Bytes::new());
/// assert_eq!(queue.remaining(), 37);
/// queue.advance(37);
/// assert!(!queue.has_remaining());
/// ```
#[derive(Default)]
#[cfg_attr(feature = "testing", derive(Clone))]
pub struct FrameQueue {
    inline: Vec<u8>,
    /// First byte of `inline` that is not written yet.
    head: usize,
    parts: VecDeque<Part>,
    /// Inline bytes behind the last part.
    open: usize,
    len: usize,
    advanced: bool,
}

/// Some bytes of the inline buffer, then a payload of the caller's.
#[cfg_attr(feature = "testing", derive(Clone))]
struct Part {
    inline: usize,
    tail: Bytes,
}

impl FrameQueue {
    /// An empty queue that holds no heap.
    pub const fn new() -> Self {
        Self {
            inline: Vec::new(),
            head: 0,
            parts: VecDeque::new(),
            open: 0,
            len: 0,
            advanced: false,
        }
    }

    /// Appends one frame. `header.len` and `header.cap_len` must match the two byte strings.
    #[inline]
    pub fn push(&mut self, header: &Header, cap: Bytes, payload: Bytes) {
        debug_assert_eq!(header.payload_len(), payload.len());
        debug_assert_eq!(usize::from(header.cap_len), cap.len());
        self.push_header(header);
        if !cap.is_empty() {
            self.push_bytes(cap);
        }
        if payload.len() <= INLINE_MAX {
            self.push_inline(&payload);
        } else {
            self.push_tail(payload);
        }
    }

    /// Appends one frame whose payload is copied, whatever its size.
    pub(crate) fn push_copied(&mut self, header: &Header, payload: &[u8]) {
        debug_assert_eq!(header.payload_len(), payload.len());
        self.push_header(header);
        self.push_inline(payload);
    }

    /// Whether something was taken since the last call.
    #[inline]
    pub(crate) fn take_advanced(&mut self) -> bool {
        core::mem::take(&mut self.advanced)
    }

    /// Gives memory back that an idle connection does not need.
    pub(crate) fn trim(&mut self) {
        if self.len == 0 {
            *self = Self {
                advanced: self.advanced,
                ..Self::new()
            };
        }
    }

    #[inline]
    fn push_header(&mut self, header: &Header) {
        self.inline.extend_from_slice(&header.encode());
        self.open += HEADER_LEN;
        self.len += HEADER_LEN;
    }

    #[inline]
    fn push_inline(&mut self, bytes: &[u8]) {
        self.inline.extend_from_slice(bytes);
        self.open += bytes.len();
        self.len += bytes.len();
    }

    #[inline]
    fn push_tail(&mut self, tail: Bytes) {
        self.len += tail.len();
        self.parts.push_back(Part {
            inline: self.open,
            tail,
        });
        self.open = 0;
    }

    fn push_bytes(&mut self, bytes: Bytes) {
        if bytes.len() <= INLINE_MAX {
            self.push_inline(&bytes)
        } else {
            self.push_tail(bytes)
        }
    }

    #[inline]
    fn reset(&mut self) {
        if !self.parts.is_empty() {
            self.parts.clear();
        }
        self.head = 0;
        self.open = 0;
        if self.inline.capacity() > KEEP_CAPACITY {
            self.inline = Vec::new();
        } else {
            self.inline.clear();
        }
    }

    /// Lends all parts; returns the slices used and where the inline bytes behind them begin.
    #[cfg(feature = "std")]
    fn parts_vectored<'a>(&'a self, dst: &mut [IoSlice<'a>]) -> (usize, usize) {
        let (mut used, mut at) = (0, self.head);
        for part in &self.parts {
            let inline = self.inline.get(at..at + part.inline).unwrap_or_default();
            for slice in [inline, &part.tail[..]] {
                if slice.is_empty() {
                    continue;
                }
                let Some(slot) = dst.get_mut(used) else {
                    return (used, at);
                };
                *slot = IoSlice::new(slice);
                used += 1;
            }
            at += part.inline;
        }
        (used, at)
    }

    fn advance_within(&mut self, count: usize) {
        let mut left = count;
        while left > 0 {
            let Some(part) = self.parts.front_mut() else {
                self.open -= left;
                self.head += left;
                break;
            };
            let inline = left.min(part.inline);
            part.inline -= inline;
            self.head += inline;
            left -= inline;
            let tail = left.min(part.tail.len());
            left -= tail;
            if part.inline == 0 && tail == part.tail.len() {
                self.parts.pop_front();
            } else {
                part.tail.advance(tail);
            }
        }
        self.compact();
    }

    /// Moves unwritten inline bytes to the front once more than half of a large buffer is written.
    fn compact(&mut self) {
        let head = self.head.min(self.inline.len());
        if head > KEEP_CAPACITY && head * 2 > self.inline.len() {
            self.inline.drain(..head);
            self.head = 0;
        }
    }
}

impl Buf for FrameQueue {
    #[inline]
    fn remaining(&self) -> usize {
        self.len
    }

    #[inline]
    fn chunk(&self) -> &[u8] {
        match self.parts.front() {
            Some(part) if part.inline == 0 => Some(&part.tail[..]),
            Some(part) => self.inline.get(self.head..self.head + part.inline),
            None => self.inline.get(self.head..),
        }
        .unwrap_or_default()
    }

    #[cfg(feature = "std")]
    #[inline]
    fn chunks_vectored<'a>(&'a self, dst: &mut [IoSlice<'a>]) -> usize {
        let (mut used, mut at) = (0, self.head);
        if !self.parts.is_empty() {
            (used, at) = self.parts_vectored(dst);
        }
        match dst.get_mut(used) {
            Some(slot) if self.open > 0 => {
                *slot = IoSlice::new(self.inline.get(at..).unwrap_or_default());
                used + 1
            }
            _ => used,
        }
    }

    /// A part of one payload is handed out without a copy.
    ///
    /// Never panics: asked for more than remains, it gives what remains.
    fn copy_to_bytes(&mut self, len: usize) -> Bytes {
        if let Some(bytes) = self.shared(len) {
            self.advance(len);
            return bytes;
        }
        let len = len.min(self.len);
        let mut bytes = Vec::with_capacity(len);
        while bytes.len() < len {
            let chunk = self.chunk();
            let take = chunk.len().min(len - bytes.len());
            bytes.extend_from_slice(&chunk[..take]);
            self.advance(take);
        }
        bytes.into()
    }

    /// Never panics: past the end, it advances to the end, as [`Buf::advance`] allows.
    #[inline]
    fn advance(&mut self, count: usize) {
        self.advanced |= count > 0;
        self.len = self.len.saturating_sub(count);
        if self.len == 0 {
            self.reset()
        } else {
            self.advance_within(count)
        }
    }
}

impl FrameQueue {
    /// The payload that comes next, if `len` bytes of it are still there.
    fn shared(&self, len: usize) -> Option<Bytes> {
        let part = self.parts.front()?;
        (part.inline == 0 && len <= part.tail.len()).then(|| part.tail.slice(..len))
    }
}

/// What is left to write.
#[cfg(feature = "testing")]
impl core::hash::Hash for FrameQueue {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        (self.len, self.advanced).hash(state);
        let mut at = self.head;
        for part in &self.parts {
            state.write(&self.inline[at..at + part.inline]);
            state.write(&part.tail);
            at += part.inline;
        }
        state.write(&self.inline[at..]);
    }
}

impl fmt::Debug for FrameQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameQueue")
            .field("bytes", &self.len)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Code;
    use crate::wire::{Flags, MIN_LEN};

    fn push(queue: &mut FrameQueue, corr_id: u64, payload: Bytes) {
        let header = Header {
            len: MIN_LEN + payload.len() as u32,
            flags: Flags::REQ,
            code: Code::OK,
            app_proto_id: 1,
            tenant_id: 0,
            cap_len: 0,
            corr_id,
        };
        queue.push(&header, Bytes::new(), payload);
    }

    fn filled() -> FrameQueue {
        let mut queue = FrameQueue::new();
        for (corr_id, size) in [(1, 0), (2, 64), (3, 5_000), (4, 256), (5, 257), (6, 1)] {
            push(
                &mut queue,
                corr_id,
                Bytes::from(alloc::vec![corr_id as u8; size]),
            );
        }
        queue
    }

    fn drain(queue: &mut FrameQueue, step: usize) -> Vec<u8> {
        let mut out = Vec::new();
        while queue.has_remaining() {
            let chunk = queue.chunk();
            let take = step.min(chunk.len());
            assert!(take > 0, "a queue with bytes left lends an empty chunk");
            out.extend_from_slice(&chunk[..take]);
            queue.advance(take);
        }
        out
    }

    #[test]
    fn partial_writes_lose_and_repeat_nothing() {
        let whole = drain(&mut filled(), usize::MAX);
        assert_eq!(whole.len(), 6 * 37 + 64 + 5_000 + 256 + 257 + 1);
        for step in [1, 3, 37, 100, 4_096] {
            assert_eq!(drain(&mut filled(), step), whole, "in steps of {step}");
        }
    }

    #[test]
    fn a_large_payload_is_handed_out_as_it_is() {
        let payload = Bytes::from(alloc::vec![7; 5_000]);
        let mut queue = FrameQueue::new();
        push(&mut queue, 1, payload.clone());
        push(&mut queue, 2, Bytes::from_static(b"small"));
        assert_eq!(queue.copy_to_bytes(37).len(), 37);
        assert_eq!(queue.copy_to_bytes(1_000).as_ptr(), payload.as_ptr());
        let rest = queue.copy_to_bytes(4_000);
        assert_eq!(rest.as_ptr(), payload[1_000..].as_ptr());
        assert_eq!(&queue.copy_to_bytes(42)[37..], b"small");
        assert!(!queue.has_remaining());

        let whole = drain(&mut filled(), usize::MAX);
        assert_eq!(filled().copy_to_bytes(whole.len()), whole);
    }

    #[cfg(feature = "std")]
    #[test]
    fn small_frames_share_one_slice() {
        let mut queue = FrameQueue::new();
        for corr_id in 0..16 {
            push(&mut queue, corr_id, Bytes::from_static(&[7; 64]));
        }
        let mut slices = [IoSlice::new(&[]); 8];
        assert_eq!(queue.chunks_vectored(&mut slices), 1);
        assert_eq!(slices[0].len(), 16 * (37 + 64));
    }

    #[cfg(feature = "std")]
    #[test]
    fn slices_are_the_chunks_in_order() {
        let mut queue = filled();
        queue.advance(40);
        let mut slices = [IoSlice::new(&[]); 8];
        let used = queue.chunks_vectored(&mut slices);
        let joined: Vec<u8> = slices[..used]
            .iter()
            .flat_map(|slice| slice.to_vec())
            .collect();
        assert_eq!(joined, drain(&mut queue, usize::MAX));
    }

    /// A queue of so many inline bytes, of which so many are written.
    fn written(inline: usize, written: usize) -> FrameQueue {
        let mut queue = FrameQueue::new();
        queue.push_inline(&alloc::vec![7; inline]);
        queue.advance(written);
        queue
    }

    #[test]
    fn a_written_front_is_dropped_once_it_is_large_and_more_than_half() {
        for (inline, done, dropped) in [
            (150_000, 100_000, true),
            (200_000, 100_000, false),
            (200_000, 70_000, false),
            (100_000, KEEP_CAPACITY, false),
            (100_000, KEEP_CAPACITY + 1, true),
            (100, 99, false),
        ] {
            let queue = written(inline, done);
            let head = if dropped { 0 } else { done };
            assert_eq!(queue.head, head, "{done} of {inline}");
            assert_eq!(queue.chunk().len(), inline - done);
        }
    }

    #[test]
    fn an_emptied_buffer_is_kept_up_to_64_kib() {
        assert!(written(60_000, 60_000).inline.capacity() >= 60_000);
        assert_eq!(written(65_537, 65_537).inline.capacity(), 0);
        let mut queue = FrameQueue::new();
        queue.inline = Vec::with_capacity(KEEP_CAPACITY);
        queue.push_inline(b"x");
        queue.advance(1);
        assert_eq!(queue.inline.capacity(), KEEP_CAPACITY);
    }

    #[test]
    fn trimming_gives_an_empty_buffer_back_and_forgets_no_progress() {
        let mut queue = written(1_000, 999);
        queue.trim();
        assert_eq!(queue.remaining(), 1);
        queue.advance(1);
        queue.trim();
        assert_eq!(queue.inline.capacity(), 0);
        assert!(queue.take_advanced());
        queue.advance(0);
        assert!(!queue.take_advanced());
    }

    #[test]
    fn a_short_capability_is_copied_and_a_long_one_is_not() {
        for (size, parts) in [(256, 0), (257, 1)] {
            let cap = Bytes::from(alloc::vec![1; size]);
            let header = Header {
                len: MIN_LEN + size as u32,
                flags: Flags::REQ | Flags::START,
                code: Code::OK,
                app_proto_id: 1,
                tenant_id: 0,
                cap_len: size as u16,
                corr_id: 1,
            };
            let mut queue = FrameQueue::new();
            queue.push(&header, cap, Bytes::new());
            assert_eq!(queue.parts.len(), parts);
            assert_eq!(drain(&mut queue, usize::MAX)[37..], alloc::vec![1; size]);
        }
    }

    #[cfg(feature = "std")]
    #[test]
    fn no_slice_is_empty() {
        let mut queue = FrameQueue::new();
        push(&mut queue, 1, Bytes::from(alloc::vec![7; 5_000]));
        let mut slices = [IoSlice::new(&[]); 8];
        assert_eq!(queue.chunks_vectored(&mut slices), 2);
        queue.advance(37);
        let mut slices = [IoSlice::new(&[]); 8];
        assert_eq!(queue.chunks_vectored(&mut slices), 1);
    }

    #[test]
    fn past_the_end_is_the_end() {
        let whole = drain(&mut filled(), usize::MAX);
        assert_eq!(filled().copy_to_bytes(whole.len() + 1), whole);
        let mut queue = filled();
        queue.advance(whole.len() + 1);
        assert_eq!((queue.remaining(), queue.chunk()), (0, &[][..]));
    }

    #[test]
    fn pushing_between_partial_writes_keeps_the_order() {
        let mut queue = FrameQueue::new();
        let mut expected = FrameQueue::new();
        let mut out = Vec::new();
        for round in 0..200_u64 {
            let payload = Bytes::from(alloc::vec![round as u8; (round as usize * 37) % 900]);
            push(&mut queue, round, payload.clone());
            push(&mut expected, round, payload);
            let take = queue.chunk().len().min(round as usize % 211);
            out.extend_from_slice(&queue.chunk()[..take]);
            queue.advance(take);
        }
        out.extend(drain(&mut queue, usize::MAX));
        assert_eq!(out, drain(&mut expected, usize::MAX));
    }
}
