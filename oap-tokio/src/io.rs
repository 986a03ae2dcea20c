//! What every stream transport shares: sizes of reads, gathered writes, what is known of a
//! connection.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, BytesMut};
use oap_core::driver::{ConnectionInfo, Transport};
#[cfg(feature = "tls")]
use tokio::io::ReadBuf;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

/// Most that one read takes, in bytes.
pub(crate) const MAX_READ: usize = 64 * 1024;

/// Slices that one gathered write takes.
pub(crate) const MAX_SLICES: usize = 64;

/// Least that a read makes room for, in bytes: a full TCP segment or two, and the small frames of a
/// quiet connection.
const MIN_READ: usize = 4 * 1024;

/// A plain byte stream as a transport: TCP, a Unix socket, a pipe.
#[derive(Debug)]
pub struct StreamTransport<S> {
    stream: S,
    info: ConnectionInfo,
    size: ReadSize,
}

impl<S> StreamTransport<S> {
    /// Wraps `stream`, about which `info` is known.
    pub fn new(stream: S, info: ConnectionInfo) -> Self {
        Self {
            stream,
            info,
            size: ReadSize::new(),
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
        poll_read_into(&mut self.stream, cx, buf, &mut self.size)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, data: &mut dyn Buf) -> Poll<io::Result<usize>> {
        poll_write_from(&mut self.stream, cx, data)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match ready!(Pin::new(&mut self.stream).poll_shutdown(cx)) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Poll::Ready(Ok(())),
            result => Poll::Ready(result),
        }
    }
}

/// Appends what one read of `stream` brings to `buf`. Room is reserved only when little is left, so
/// that a block is used up before another is taken; an empty buffer is given back when there is
/// nothing to read.
pub(crate) fn poll_read_into<S: AsyncRead + Unpin>(
    stream: &mut S,
    cx: &mut Context<'_>,
    buf: &mut BytesMut,
    size: &mut ReadSize,
) -> Poll<io::Result<usize>> {
    size.reserve(buf, size.bytes() / 4);
    let room = (buf.capacity() - buf.len()).min(MAX_READ);
    let read = {
        // This future has no state, so it may be dropped when it is pending. It fills spare
        // capacity without zeroing it.
        let mut limited = (&mut *buf).limit(room);
        pin!(stream.read_buf(&mut limited)).poll(cx)
    };
    match read {
        Poll::Pending => {
            give_back(buf);
            Poll::Pending
        }
        Poll::Ready(result) => {
            let count = result?;
            size.record(count, count == room);
            Poll::Ready(Ok(count))
        }
    }
}

/// Writes from `data` as long as `stream` takes it.
pub(crate) fn poll_write_from<S: AsyncWrite + Unpin>(
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

/// Gives an empty buffer's block back: an idle connection keeps none.
pub(crate) fn give_back(buf: &mut BytesMut) {
    if buf.is_empty() {
        *buf = BytesMut::new();
    }
}

/// How many bytes the next read makes room for: more while reads fill their room, less when they
/// use little of it.
#[derive(Debug)]
pub(crate) struct ReadSize(usize);

impl ReadSize {
    pub(crate) const fn new() -> Self {
        Self(MIN_READ)
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.0
    }

    /// Makes room for the next read, unless `enough` bytes of it are left.
    pub(crate) fn reserve(&self, buf: &mut BytesMut, enough: usize) {
        if buf.capacity() - buf.len() < enough.max(1) {
            buf.reserve(self.0.max(enough));
        }
    }

    pub(crate) fn record(&mut self, count: usize, filled: bool) {
        if filled {
            self.0 = (self.0 * 4).min(MAX_READ);
        } else if count < self.0 / 4 {
            self.0 = (self.0 / 2).max(MIN_READ);
        }
    }
}

/// A stream below TLS that is read 64 KiB at a time, because rustls asks for 4 KiB.
///
/// The block is given back when it is drained and a read would block. Writes pass through.
#[cfg(feature = "tls")]
#[derive(Debug)]
pub(crate) struct BufferedIo<S> {
    stream: S,
    block: Vec<u8>,
    taken: usize,
    // The last read filled the block, so that more is likely to wait.
    filled: bool,
}

#[cfg(feature = "tls")]
impl<S> BufferedIo<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream,
            block: Vec::new(),
            taken: 0,
            filled: false,
        }
    }

    pub(crate) fn get_ref(&self) -> &S {
        &self.stream
    }

    /// Nothing is left in the block, and the last read found nothing more.
    pub(crate) fn is_drained(&self) -> bool {
        self.taken == self.block.len() && !self.filled
    }
}

#[cfg(feature = "tls")]
impl<S: AsyncRead + Unpin> AsyncRead for BufferedIo<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.taken == this.block.len() {
            this.block.clear();
            this.taken = 0;
            this.block.reserve_exact(MAX_READ);
            let room = this.block.capacity();
            match pin!(this.stream.read_buf(&mut this.block)).poll(cx) {
                Poll::Ready(Ok(count)) if count > 0 => this.filled = count == room,
                done => {
                    this.block = Vec::new();
                    this.filled = false;
                    return done.map_ok(drop);
                }
            }
        }
        let left = &this.block[this.taken..];
        let count = left.len().min(buf.remaining());
        buf.put_slice(&left[..count]);
        this.taken += count;
        Poll::Ready(Ok(()))
    }
}

#[cfg(feature = "tls")]
impl<S: AsyncWrite + Unpin> AsyncWrite for BufferedIo<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
