//! What every stream transport shares: sockets, reads, gathered writes, what is known of a
//! connection.

use std::cell::Cell;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_io::Async;
use bytes::{Buf, BytesMut};
use futures_util::{AsyncRead, AsyncWrite};
use oap_core::driver::{ConnectionInfo, Transport};
use oap_host::room::Room;

/// Most that one read takes, in bytes.
const MAX_READ: usize = 64 * 1024;

/// Slices that one gathered write takes.
const MAX_SLICES: usize = 64;

/// A connected socket as a byte stream: TCP's or a Unix domain socket's.
#[derive(Debug)]
pub struct Socket<T> {
    inner: Async<T>,
    shutdown: fn(&T, Shutdown) -> io::Result<()>,
    // The last read left nothing. The next one waits for more without asking the kernel in vain.
    drained: bool,
}

impl<T> Socket<T> {
    fn new(inner: Async<T>, shutdown: fn(&T, Shutdown) -> io::Result<()>) -> Self {
        Self {
            inner,
            shutdown,
            drained: false,
        }
    }

    /// The socket itself.
    pub fn get_ref(&self) -> &Async<T> {
        &self.inner
    }
}

impl From<Async<TcpStream>> for Socket<TcpStream> {
    fn from(stream: Async<TcpStream>) -> Self {
        Self::new(stream, TcpStream::shutdown)
    }
}

#[cfg(unix)]
impl From<Async<std::os::unix::net::UnixStream>> for Socket<std::os::unix::net::UnixStream> {
    fn from(stream: Async<std::os::unix::net::UnixStream>) -> Self {
        Self::new(stream, std::os::unix::net::UnixStream::shutdown)
    }
}

impl<T> AsyncRead for Socket<T>
where
    for<'a> &'a T: Read,
{
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            if self.drained {
                ready!(self.inner.poll_readable(cx))?;
                self.drained = false;
            }
            match self.inner.get_ref().read(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.drained = true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
                Ok(count) => {
                    self.drained = count > 0 && count < buf.len();
                    return Poll::Ready(Ok(count));
                }
            }
        }
    }
}

impl<T> AsyncWrite for Socket<T>
where
    for<'a> &'a T: Write,
{
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut &self.inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut &self.inner).poll_write_vectored(cx, bufs)
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A socket holds nothing back.
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready((self.shutdown)(self.inner.get_ref(), Shutdown::Write))
    }
}

/// A plain byte stream as a transport: TCP, a Unix socket, a pipe.
#[derive(Debug)]
pub struct StreamTransport<S> {
    stream: S,
    info: ConnectionInfo,
    room: Room,
}

impl<S> StreamTransport<S> {
    /// Wraps `stream`, about which `info` is known.
    pub fn new(stream: S, info: ConnectionInfo) -> Self {
        Self {
            stream,
            info,
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
}

impl<S> Transport for StreamTransport<S>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    fn info(&self) -> &ConnectionInfo {
        &self.info
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<usize>> {
        let room = &mut self.room;
        let read = poll_read_block(&mut self.stream, cx, |bytes| {
            room.reserve(buf, bytes.len());
            buf.extend_from_slice(bytes);
        });
        if read.is_pending() {
            room.give_back(buf);
        }
        read
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, data: &mut dyn Buf) -> Poll<io::Result<usize>> {
        let mut total = 0;
        while data.has_remaining() {
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let used = data.chunks_vectored(&mut slices);
            let stream = Pin::new(&mut self.stream);
            let count = match stream.poll_write_vectored(cx, &slices[..used]) {
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

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        poll_close(&mut self.stream, cx)
    }
}

thread_local! {
    static BLOCK: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Reads once from `stream`, at most [`MAX_READ`] bytes, and hands them to `take`. Returns how many
/// they are.
///
/// Streams of futures fill initialised bytes only, and zeroing a buffer for each read would cost more
/// than the read. So all connections of a thread read into one block, zeroed once, and the bytes are
/// copied: a small read copies little, and of 64 KiB the copy takes a fraction of what the system
/// call does, out of a cache that the next read finds warm. In return every read is a large one, what
/// it brought gets exactly the room that it needs, and an idle connection holds nothing.
fn poll_read_block<S: AsyncRead + Unpin>(
    stream: &mut S,
    cx: &mut Context<'_>,
    take: impl FnOnce(&[u8]),
) -> Poll<io::Result<usize>> {
    // A stream that reads this way itself finds none and makes another.
    let mut block = BLOCK.take();
    block.resize(MAX_READ, 0);
    let read = Pin::new(stream).poll_read(cx, &mut block);
    if let Poll::Ready(Ok(count)) = read {
        take(&block[..count]);
    }
    BLOCK.set(block);
    read
}

/// Closes the sending side of a stream whose peer may be gone.
pub(crate) fn poll_close<S: AsyncWrite + Unpin>(
    stream: &mut S,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    match ready!(Pin::new(stream).poll_close(cx)) {
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Poll::Ready(Ok(())),
        result => Poll::Ready(result),
    }
}
