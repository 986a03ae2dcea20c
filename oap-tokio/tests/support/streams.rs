//! Streams that count, and drivers of the poll functions.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use oap_core::driver::Transport;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub(crate) const MIB: usize = 1024 * 1024;

pub(crate) async fn tcp_pair() -> (tokio::net::TcpStream, tokio::net::TcpStream) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = tokio::net::TcpStream::connect(listener.local_addr().unwrap());
    let (near, far) = tokio::join!(near, listener.accept());
    (near.unwrap(), far.unwrap().0)
}

/// Both ends send and receive a mebibyte at the same time, then close.
pub(crate) async fn crossing(client: impl Transport, server: impl Transport) {
    let (there, back) = (noise(MIB, 1), noise(MIB, 2));
    let (at_client, at_server) = tokio::join!(
        tokio::spawn(exchange(client, there.clone())),
        tokio::spawn(exchange(server, back.clone()))
    );
    assert!(at_server.unwrap() == there, "data arrived changed");
    assert!(at_client.unwrap() == back, "data arrived changed");
}

pub(crate) async fn exchange(mut transport: impl Transport, mut out: Bytes) -> Vec<u8> {
    let mut received = Vec::new();
    let mut buf = BytesMut::new();
    let (mut closed, mut ended) = (false, false);
    poll_fn(move |cx| {
        while !closed {
            let wrote = if out.has_remaining() {
                transport.poll_write(cx, &mut out).map_ok(drop)
            } else {
                let close = transport.poll_close(cx);
                closed = close.is_ready();
                close
            };
            match wrote {
                Poll::Ready(result) => result.unwrap(),
                Poll::Pending => break,
            }
        }
        while !ended {
            match transport.poll_read(cx, &mut buf) {
                Poll::Ready(count) => ended = count.unwrap() == 0,
                Poll::Pending => break,
            }
            received.extend_from_slice(&buf.split().freeze());
        }
        match closed && ended {
            true => Poll::Ready(std::mem::take(&mut received)),
            false => Poll::Pending,
        }
    })
    .await
}

pub(crate) async fn write_all(
    transport: &mut impl Transport,
    mut data: impl Buf,
) -> io::Result<usize> {
    let mut total = 0;
    while data.has_remaining() {
        let before = data.remaining();
        let count = poll_fn(|cx| transport.poll_write(cx, &mut data)).await?;
        assert_eq!(before - data.remaining(), count);
        total += count;
    }
    poll_fn(|cx| transport.poll_flush(cx)).await?;
    Ok(total)
}

pub(crate) async fn read_some(transport: &mut impl Transport) -> io::Result<Vec<u8>> {
    let mut buf = BytesMut::new();
    let count = poll_fn(|cx| transport.poll_read(cx, &mut buf)).await?;
    assert_eq!(count, buf.len());
    Ok(buf.to_vec())
}

pub(crate) async fn read_exactly(transport: &mut impl Transport, count: usize) -> Vec<u8> {
    let mut buf = BytesMut::new();
    while buf.len() < count {
        let read = poll_fn(|cx| transport.poll_read(cx, &mut buf))
            .await
            .unwrap();
        assert!(read > 0, "ended after {} of {count} bytes", buf.len());
    }
    buf.to_vec()
}

/// The result of one poll, if there is one.
pub(crate) async fn poll_once<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Option<T> {
    poll_fn(|cx| match poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

pub(crate) fn noise(length: usize, mut seed: u64) -> Bytes {
    let bytes = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 56) as u8
    });
    bytes.take(length).collect()
}

/// Frames of a 37-byte header and a payload each, in slices of their own.
pub(crate) struct Frames(std::collections::VecDeque<Bytes>);

impl Frames {
    pub(crate) fn new(count: usize, length: usize) -> Self {
        let frame = noise(length, 3);
        let slices = std::iter::repeat_n([frame.slice(..37), frame.slice(37..)], count);
        Self(slices.flatten().collect())
    }

    pub(crate) fn flatten(mut self) -> Vec<u8> {
        self.copy_to_bytes(self.remaining()).to_vec()
    }
}

impl Buf for Frames {
    fn remaining(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    fn chunk(&self) -> &[u8] {
        self.0.front().map_or(&[], |slice| slice)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let pairs = slices.iter_mut().zip(&self.0);
        pairs.map(|(to, from)| *to = IoSlice::new(from)).count()
    }

    fn advance(&mut self, mut count: usize) {
        while count > 0 {
            let front = self.0.front_mut().unwrap();
            let step = count.min(front.len());
            front.advance(step);
            count -= step;
            if front.is_empty() {
                self.0.pop_front();
            }
        }
    }
}

/// Counts the calls that moved bytes.
pub(crate) struct Counting<S> {
    stream: S,
    counts: Arc<Counts>,
}

#[derive(Default)]
pub(crate) struct Counts {
    reads: AtomicUsize,
    writes: AtomicUsize,
}

impl Counts {
    pub(crate) fn reset(&self) {
        self.reads.store(0, Ordering::Relaxed);
        self.writes.store(0, Ordering::Relaxed);
    }

    pub(crate) fn reads(&self) -> usize {
        self.reads.load(Ordering::Relaxed)
    }

    pub(crate) fn writes(&self) -> usize {
        self.writes.load(Ordering::Relaxed)
    }
}

impl<S> Counting<S> {
    pub(crate) fn new(stream: S) -> (Self, Arc<Counts>) {
        let counts = Arc::new(Counts::default());
        let counting = Self {
            stream,
            counts: counts.clone(),
        };
        (counting, counts)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counting<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.counts
            .reads
            .fetch_add(usize::from(result.is_ready()), Ordering::Relaxed);
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counting<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.counts
            .writes
            .fetch_add(usize::from(result.is_ready()), Ordering::Relaxed);
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.counts
            .writes
            .fetch_add(usize::from(result.is_ready()), Ordering::Relaxed);
        result
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
