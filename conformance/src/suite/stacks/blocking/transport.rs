//! A socket and its two threads as a transport.

use std::io;
use std::net::Shutdown;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::thread::JoinHandle;

use bytes::{Buf, BytesMut};
use oap_core::driver::{ConnectionInfo, Transport};

use super::pipe::Pipe;
use super::runtime::spawn_named;
use super::socket::Socket;

/// A plain byte stream.
pub(super) struct StdTransport<S: Socket> {
    socket: S,
    pub(super) incoming: Arc<Pipe>,
    pub(super) outgoing: Arc<Pipe>,
    pub(super) info: ConnectionInfo,
    threads: Vec<JoinHandle<()>>,
}

impl<S: Socket> StdTransport<S> {
    pub(super) fn new(socket: S) -> io::Result<Self> {
        socket.prepare()?;
        let (incoming, outgoing) = (Arc::new(Pipe::default()), Arc::new(Pipe::default()));
        let (reader, from) = (incoming.clone(), socket.duplicate()?);
        let (writer, to) = (outgoing.clone(), socket.duplicate()?);
        let threads = vec![
            spawn_named("oap-reader", move || reader.fill(from)),
            spawn_named("oap-writer", move || writer.drain(to)),
        ];
        Ok(Self {
            info: socket.describe(),
            socket,
            incoming,
            outgoing,
            threads,
        })
    }
}

impl<S: Socket + Unpin> Transport for StdTransport<S> {
    fn info(&self) -> &ConnectionInfo {
        &self.info
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<usize>> {
        let block = ready!(self.incoming.poll_take(cx))?;
        let count = block.len();
        if buf.is_empty() {
            *buf = block;
        } else {
            buf.extend_from_slice(&block);
        }
        Poll::Ready(Ok(count))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, data: &mut dyn Buf) -> Poll<io::Result<usize>> {
        let mut room = ready!(self.outgoing.poll_room(cx))?;
        let mut total = 0;
        while room > 0 && data.has_remaining() {
            let chunk = data.chunk();
            let count = chunk.len().min(room);
            self.outgoing.put(&chunk[..count]);
            data.advance(count);
            room -= count;
            total += count;
        }
        Poll::Ready(Ok(total))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outgoing.poll_written(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outgoing.poll_end(cx)
    }
}

impl<S: Socket> Drop for StdTransport<S> {
    fn drop(&mut self) {
        self.incoming.abandon();
        self.outgoing.abandon();
        self.socket.end(Shutdown::Both);
        for thread in self.threads.drain(..) {
            // It has ended, or is about to: nothing that it blocks on is left.
            let _ = thread.join();
        }
    }
}
