//! What every stream transport shares: sizes of reads, gathered writes, what is known of a
//! connection.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, BytesMut};
use oap_core::driver::{ConnectionInfo, Transport};
use oap_host::room::Room;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

/// Most that one read takes, in bytes.
const MAX_READ: usize = 64 * 1024;

/// Slices that one gathered write takes.
const MAX_SLICES: usize = 64;

/// Least that a read makes room for, in bytes: a full TCP segment or two, and the small frames of a
/// quiet connection.
const MIN_READ: usize = 4 * 1024;

/// A plain byte stream as a transport: TCP, a Unix socket, a pipe.
#[derive(Debug)]
pub struct StreamTransport<S> {
    stream: S,
    info: ConnectionInfo,
    size: ReadSize,
    room: Room,
}

impl<S> StreamTransport<S> {
    /// Wraps `stream`, about which `info` is known.
    pub fn new(stream: S, info: ConnectionInfo) -> Self {
        Self {
            stream,
            info,
            size: ReadSize::new(),
            room: Room::new(),
        }
    }

    /// What is known of the connection.
    pub fn info(&self) -> &ConnectionInfo {
        &self.info
    }

    /// The stream itself.
    pub fn get_ref(&self) -> &S {
        &self.stream
    }

    /// The stream and what is known of it: to move it to another runtime before it is used, say.
    pub fn into_parts(self) -> (S, ConnectionInfo) {
        (self.stream, self.info)
    }
}

impl<S> Transport for StreamTransport<S>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    fn info(&self) -> &ConnectionInfo {
        &self.info
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<usize>> {
        poll_read_into(&mut self.stream, cx, buf, &mut self.size, &mut self.room)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, data: &mut dyn Buf) -> Poll<io::Result<usize>> {
        poll_write_from(&mut self.stream, cx, data)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        poll_shutdown(&mut self.stream, cx)
    }
}

/// Closes the sending side of a stream whose peer may be gone.
pub(crate) fn poll_shutdown<S: AsyncWrite + Unpin>(
    stream: &mut S,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    match ready!(Pin::new(stream).poll_shutdown(cx)) {
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Poll::Ready(Ok(())),
        result => Poll::Ready(result),
    }
}

/// Appends what one read of `stream` brings to `buf`. Room is reserved only when little is left, so
/// that a block is used up before another is taken; an empty buffer is given back when there is
/// nothing to read.
fn poll_read_into<S: AsyncRead + Unpin>(
    stream: &mut S,
    cx: &mut Context<'_>,
    buf: &mut BytesMut,
    size: &mut ReadSize,
    room: &mut Room,
) -> Poll<io::Result<usize>> {
    size.reserve(buf, size.bytes() / 4, room);
    let free = (buf.capacity() - buf.len()).min(MAX_READ);
    let read = {
        // This future has no state, so it may be dropped when it is pending. It fills spare
        // capacity without zeroing it.
        let mut limited = (&mut *buf).limit(free);
        pin!(stream.read_buf(&mut limited)).poll(cx)
    };
    match read {
        Poll::Pending => {
            room.give_back(buf);
            Poll::Pending
        }
        Poll::Ready(result) => {
            let count = result?;
            size.record(count, count == free);
            Poll::Ready(Ok(count))
        }
    }
}

/// Writes from `data` as long as `stream` takes it.
fn poll_write_from<S: AsyncWrite + Unpin>(
    stream: &mut S,
    cx: &mut Context<'_>,
    data: &mut dyn Buf,
) -> Poll<io::Result<usize>> {
    let mut total = 0;
    while data.has_remaining() {
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let used = data.chunks_vectored(&mut slices);
        let count = match Pin::new(&mut *stream).poll_write_vectored(cx, &slices[..used]) {
            Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            Poll::Ready(result) => result?,
            Poll::Pending if total > 0 => break,
            Poll::Pending => return Poll::Pending,
        };
        data.advance(count);
        total += count;
    }
    Poll::Ready(Ok(total))
}

/// How many bytes the next read makes room for: more while reads fill their room, less when they
/// use little of it.
#[derive(Debug)]
struct ReadSize(usize);

impl ReadSize {
    const fn new() -> Self {
        Self(MIN_READ)
    }

    const fn bytes(&self) -> usize {
        self.0
    }

    /// Makes room for the next read, unless `enough` bytes of it are left.
    fn reserve(&self, buf: &mut BytesMut, enough: usize, room: &mut Room) {
        if buf.capacity() - buf.len() < enough.max(1) {
            room.reserve(buf, self.0.max(enough));
        }
    }

    fn record(&mut self, count: usize, filled: bool) {
        if filled {
            self.0 = (self.0 * 4).min(MAX_READ);
        } else if count < self.0 / 4 {
            self.0 = (self.0 / 2).max(MIN_READ);
        }
    }
}
