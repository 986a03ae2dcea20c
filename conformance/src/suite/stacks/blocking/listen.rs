//! A listening socket and the thread that accepts.

use std::collections::VecDeque;
use std::future::{Ready, ready};
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready as ready_or_return};

use oap_core::driver::{Accepted, HandshakeError, Listener};

use super::runtime::spawn_named;
use super::socket::{Accept, Socket};
use super::transport::StdTransport;

/// Accepts on a thread of its own, one connection ahead at most.
pub(super) struct StdListener<A: Accept> {
    socket: A,
    desk: Arc<Desk<A::Socket>>,
}

struct Desk<S> {
    state: Mutex<State<S>>,
    taken: Condvar,
}

struct State<S> {
    accepted: VecDeque<io::Result<S>>,
    task: Option<Waker>,
    closed: bool,
}

impl<A: Accept> StdListener<A> {
    pub(super) fn new(socket: A) -> io::Result<Self> {
        let desk = Arc::new(Desk {
            state: Mutex::new(State {
                accepted: VecDeque::new(),
                task: None,
                closed: false,
            }),
            taken: Condvar::new(),
        });
        let (thread, listening) = (desk.clone(), socket.duplicate()?);
        spawn_named("oap-accept", move || thread.accept(&listening));
        Ok(Self { socket, desk })
    }

    pub(super) fn poll_accept_stream(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<A::Socket>> {
        let mut state = self.desk.lock();
        match state.accepted.pop_front() {
            Some(accepted) => {
                drop(state);
                self.desk.taken.notify_one();
                Poll::Ready(accepted)
            }
            None => {
                state.task = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl<S> Desk<S> {
    fn lock(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept<A: Accept<Socket = S>>(&self, socket: &A) {
        loop {
            let accepted = socket.accept_one();
            let mut state = self.lock();
            if state.closed {
                return;
            }
            state.accepted.push_back(accepted);
            state.task.take().into_iter().for_each(Waker::wake);
            while !state.accepted.is_empty() && !state.closed {
                state = self
                    .taken
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            if state.closed {
                return;
            }
        }
    }
}

impl<A: Accept + Unpin> Listener for StdListener<A>
where
    A::Socket: Unpin,
{
    type Transport = StdTransport<A::Socket>;
    type Handshake = Ready<Result<Self::Transport, HandshakeError>>;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted<Self::Handshake>>> {
        let socket = ready_or_return!(self.poll_accept_stream(cx))?;
        Poll::Ready(Ok(Accepted {
            peer: socket.describe().peer_key(),
            handshake: ready(StdTransport::new(socket).map_err(HandshakeError::Io)),
        }))
    }
}

impl<A: Accept> Drop for StdListener<A> {
    fn drop(&mut self) {
        self.desk.lock().closed = true;
        self.desk.taken.notify_one();
        self.socket.wake();
    }
}
