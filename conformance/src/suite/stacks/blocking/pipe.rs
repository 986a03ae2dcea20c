//! A bounded queue of bytes between a task and a thread that blocks on a socket.

use std::io;
use std::net::Shutdown;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::BytesMut;

use super::socket::Socket;

/// Bytes that a queue holds before it says that it is full.
const ROOM: usize = 64 * 1024;
/// Bytes that one call reads.
const READ: usize = 16 * 1024;

/// One direction of a socket.
#[derive(Default)]
pub(super) struct Pipe {
    state: Mutex<State>,
    /// For the thread.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    queue: BytesMut,
    /// The thread writes what it took from the queue.
    writing: bool,
    /// Nothing more is put in.
    ended: bool,
    /// The thread has ended, the socket's direction with it.
    over: bool,
    /// Why the thread ended early.
    failure: Option<io::ErrorKind>,
    /// The task has gone.
    abandoned: bool,
    task: Option<Waker>,
}

impl State {
    fn wake_task(&mut self) {
        self.task.take().into_iter().for_each(Waker::wake);
    }

    fn result(&self) -> io::Result<()> {
        self.failure.map_or(Ok(()), |kind| Err(kind.into()))
    }
}

impl Pipe {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&'a self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The task: takes what has come. Nothing is the end.
    pub(super) fn poll_take(&self, cx: &mut Context<'_>) -> Poll<io::Result<BytesMut>> {
        let mut state = self.lock();
        if !state.queue.is_empty() {
            self.changed.notify_one();
            return Poll::Ready(Ok(state.queue.split()));
        }
        if state.over {
            return Poll::Ready(state.result().map(|()| BytesMut::new()));
        }
        state.task = Some(cx.waker().clone());
        Poll::Pending
    }

    /// The task: waits until the queue takes more.
    pub(super) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut state = self.lock();
        state.result()?;
        if state.queue.len() < ROOM {
            return Poll::Ready(Ok(ROOM - state.queue.len()));
        }
        state.task = Some(cx.waker().clone());
        Poll::Pending
    }

    /// The task: puts bytes in. [`Pipe::poll_room`] says how many are welcome.
    pub(super) fn put(&self, bytes: &[u8]) {
        self.lock().queue.extend_from_slice(bytes);
        self.changed.notify_one();
    }

    /// The task: waits until the socket has everything.
    pub(super) fn poll_written(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.lock();
        state.result()?;
        if state.queue.is_empty() && !state.writing {
            return Poll::Ready(Ok(()));
        }
        state.task = Some(cx.waker().clone());
        Poll::Pending
    }

    /// The task: writes what is left, then ends the socket's sending side.
    pub(super) fn poll_end(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.lock();
        state.ended = true;
        self.changed.notify_one();
        if state.over {
            return Poll::Ready(state.result());
        }
        state.task = Some(cx.waker().clone());
        Poll::Pending
    }

    /// The task is gone: the thread ends at its next look.
    pub(super) fn abandon(&self) {
        self.lock().abandoned = true;
        self.changed.notify_one();
    }

    /// The thread that reads.
    pub(super) fn fill(self: Arc<Self>, mut socket: impl Socket) {
        let mut block = vec![0; READ];
        loop {
            let read = socket.read(&mut block);
            let mut state = self.lock();
            match read {
                Ok(count) if count > 0 => state.queue.extend_from_slice(&block[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                ended => {
                    state.failure = ended.err().map(|error| error.kind());
                    state.over = true;
                }
            }
            state.wake_task();
            while state.queue.len() >= ROOM && !state.abandoned {
                state = self.wait(state);
            }
            if state.over || state.abandoned {
                return;
            }
        }
    }

    /// The thread that writes.
    pub(super) fn drain(self: Arc<Self>, mut socket: impl Socket) {
        let mut state = self.lock();
        loop {
            while state.queue.is_empty() && !state.ended && !state.abandoned {
                state = self.wait(state);
            }
            if state.abandoned {
                return;
            }
            if state.queue.is_empty() {
                socket.end(Shutdown::Write);
                state.over = true;
                state.wake_task();
                return;
            }
            let block = state.queue.split();
            state.writing = true;
            drop(state);
            let written = socket.write_all(&block);
            state = self.lock();
            state.writing = false;
            if let Err(error) = written {
                state.failure = Some(error.kind());
                state.over = true;
            }
            state.wake_task();
            if state.over {
                return;
            }
        }
    }
}
