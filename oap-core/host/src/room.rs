//! Room for what is read: large buffers are used again.

use std::cell::RefCell;
use std::collections::VecDeque;

use bytes::BytesMut;

/// Bytes of a large buffer: a read, and the frame that the one before has left unfinished.
const SIZE: usize = 128 * 1024;
/// How many of them a thread keeps. Few, because it keeps them for good.
const MOST: usize = 4;
/// Least that needs one of them, in bytes. What small frames take is let go with them.
const LARGE: usize = 32 * 1024;

thread_local! {
    static KEPT: RefCell<VecDeque<BytesMut>> = const { RefCell::new(VecDeque::new()) };
}

/// Makes room in the buffer that a transport reads into.
///
/// An allocator gives large memory back to the system when it is free, and what it gets anew has to be
/// cleared page by page: that can cost more than to receive and decrypt what comes into it. So each
/// thread keeps up to 4 buffers of 128 KiB, which serve again once nobody holds a part of them. An
/// idle connection holds none.
#[derive(Debug, Default)]
pub struct Room {
    /// The buffer is one of those that are kept.
    kept: bool,
}

impl Room {
    /// For a buffer of which nothing is known.
    pub const fn new() -> Self {
        Self { kept: false }
    }

    /// Makes room for `more` bytes in `buf`, which must always be the same.
    pub fn reserve(&mut self, buf: &mut BytesMut, more: usize) {
        let needed = buf.len() + more;
        if buf.capacity() >= needed {
            return;
        }
        if !(LARGE..=SIZE).contains(&needed) {
            buf.reserve(more);
            self.kept = false;
            return;
        }
        let mut large = take();
        large.extend_from_slice(buf);
        buf.clear();
        self.give_back(buf);
        *buf = large;
        self.kept = true;
    }

    /// Takes the memory of `buf` back, if that is empty.
    pub fn give_back(&mut self, buf: &mut BytesMut) {
        if !buf.is_empty() || buf.capacity() == 0 && !self.kept {
            return;
        }
        let buf = std::mem::take(buf);
        if std::mem::take(&mut self.kept) {
            KEPT.with_borrow_mut(|kept| {
                if kept.len() < MOST {
                    kept.push_back(buf);
                }
            });
        }
    }
}

/// A large buffer, which is empty.
fn take() -> BytesMut {
    KEPT.with_borrow_mut(|kept| {
        let free = kept.iter_mut().position(|buf| buf.try_reclaim(SIZE));
        let free = free.and_then(|at| kept.remove(at));
        free.unwrap_or_else(|| BytesMut::with_capacity(SIZE))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_serves_again_when_nobody_holds_a_part_of_it() {
        let (mut buf, mut room) = (BytesMut::new(), Room::new());
        room.reserve(&mut buf, LARGE);
        let first = buf.as_ptr();
        buf.resize(SIZE - 1, 7);
        let held = buf.split_to(LARGE).freeze();
        room.reserve(&mut buf, 2);
        assert_eq!(buf.len(), SIZE - 1 - LARGE);
        assert!(buf.iter().all(|byte| *byte == 7));
        assert_ne!(buf.as_ptr(), first, "a part of it is held");

        drop(held);
        buf.clear();
        room.give_back(&mut buf);
        assert_eq!(buf.capacity(), 0);
        room.reserve(&mut buf, LARGE);
        assert_eq!(buf.as_ptr(), first);
    }

    #[test]
    fn small_and_huge_buffers_are_not_kept() {
        for more in [1, LARGE - 1, SIZE + 1] {
            let (mut buf, mut room) = (BytesMut::new(), Room::new());
            room.reserve(&mut buf, more);
            assert!((more..SIZE + 2).contains(&buf.capacity()));
            room.give_back(&mut buf);
            assert_eq!(buf.capacity(), 0);
        }
        assert_eq!(KEPT.with_borrow(VecDeque::len), 0);
    }

    #[test]
    fn only_so_many_are_kept() {
        let large = || {
            let (mut buf, mut room) = (BytesMut::new(), Room::new());
            room.reserve(&mut buf, SIZE);
            (buf, room)
        };
        let all: Vec<_> = (0..2 * MOST).map(|_| large()).collect();
        for (mut buf, mut room) in all {
            room.give_back(&mut buf);
        }
        assert_eq!(KEPT.with_borrow(VecDeque::len), MOST);
    }

    #[test]
    fn what_holds_bytes_is_not_taken_back() {
        let (mut buf, mut room) = (BytesMut::from(&b"frame"[..]), Room::new());
        room.give_back(&mut buf);
        assert_eq!(buf[..], b"frame"[..]);
    }
}
