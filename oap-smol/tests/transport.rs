//! The transports by themselves: bytes, ends, buffers and system calls.

mod support;

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::TcpStream;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use async_io::Async;
use bytes::{Buf, Bytes, BytesMut};
use futures_util::future::join;
use futures_util::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use oap_core::Timestamp;
use oap_core::driver::{Clock, Listener, Runtime, Transport};
use oap_smol::*;

use support::{Pki, listen, run, timeout};

const MIB: usize = 1024 * 1024;

// ---- helpers

async fn tcp_pair() -> (Socket<TcpStream>, Socket<TcpStream>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (far, _) = listener.accept().unwrap();
    let socket = |stream| Socket::from(Async::new(stream).unwrap());
    (socket(near), socket(far))
}

/// A client and a server that have shaken hands, the client over `near`.
async fn tls_pair<A, B>(near: A, far: B) -> (TlsTransport<A>, TlsTransport<B>)
where
    A: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    B: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let pki = Pki::new();
    let info = || ConnectionInfo::new("test");
    let client = TlsTransport::connect(&pki.client(), near, "localhost", info()).unwrap();
    let (client, server) = join(client, TlsTransport::accept(&pki.server(), far, info())).await;
    (client.unwrap(), server.unwrap())
}

async fn write_all(transport: &mut impl Transport, mut data: impl Buf) {
    while data.has_remaining() {
        poll_fn(|cx| transport.poll_write(cx, &mut data))
            .await
            .unwrap();
    }
    poll_fn(|cx| transport.poll_flush(cx)).await.unwrap();
}

async fn read_some(transport: &mut impl Transport) -> io::Result<Vec<u8>> {
    let mut buf = BytesMut::new();
    let count = poll_fn(|cx| transport.poll_read(cx, &mut buf)).await?;
    assert_eq!(count, buf.len());
    Ok(buf.to_vec())
}

async fn read_exactly(transport: &mut impl Transport, count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < count {
        let some = read_some(transport).await.unwrap();
        assert!(!some.is_empty(), "it ended after {} bytes", bytes.len());
        bytes.extend(some);
    }
    bytes
}

/// What one poll says, `None` for pending.
async fn poll_once<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Option<T> {
    poll_fn(|cx| match poll(cx) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

async fn crossing(mut one: impl Transport, mut two: impl Transport) {
    let bytes: Vec<u8> = (0..MIB).map(|at| (at % 251) as u8).collect();
    let (mut out, mut back) = (Bytes::from(bytes.clone()), Bytes::from(bytes.clone()));
    let (mut there, mut here) = (BytesMut::new(), BytesMut::new());
    // One task for all: neither side waits for the other's turn.
    let (mut closed, mut ended) = ([false; 2], [false; 2]);
    poll_fn(|cx| {
        loop {
            let mut moved = false;
            moved |= step(
                &mut one,
                cx,
                &mut out,
                &mut here,
                &mut closed[0],
                &mut ended[0],
            );
            moved |= step(
                &mut two,
                cx,
                &mut back,
                &mut there,
                &mut closed[1],
                &mut ended[1],
            );
            if ended == [true; 2] && closed == [true; 2] {
                return Poll::Ready(());
            }
            if !moved {
                return Poll::Pending;
            }
        }
    })
    .await;
    assert!(here == bytes && there == bytes);
}

/// Writes, closes and reads as far as it goes; says whether anything went.
fn step(
    transport: &mut impl Transport,
    cx: &mut Context<'_>,
    out: &mut Bytes,
    here: &mut BytesMut,
    closed: &mut bool,
    ended: &mut bool,
) -> bool {
    let mut moved = false;
    if out.has_remaining() {
        moved |= transport.poll_write(cx, out).map(Result::unwrap).is_ready();
    } else if !*closed {
        *closed = transport.poll_close(cx).map(Result::unwrap).is_ready();
        moved |= *closed;
    }
    if !*ended && let Poll::Ready(count) = transport.poll_read(cx, here).map(Result::unwrap) {
        *ended = count == 0;
        moved = true;
    }
    moved
}

/// Counts the calls that bytes took.
struct Counting<S> {
    inner: S,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    reads: AtomicUsize,
    writes: AtomicUsize,
}

impl Counts {
    fn take(&self) -> (usize, usize) {
        let take = |count: &AtomicUsize| count.swap(0, Ordering::Relaxed);
        (take(&self.reads), take(&self.writes))
    }
}

impl<S> Counting<S> {
    fn new(inner: S) -> (Self, Arc<Counts>) {
        let counts = Arc::<Counts>::default();
        let counted = counts.clone();
        (Self { inner, counts }, counted)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counting<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let read = Pin::new(&mut self.inner).poll_read(cx, buf);
        let count = usize::from(read.is_ready());
        self.counts.reads.fetch_add(count, Ordering::Relaxed);
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counting<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        let count = usize::from(written.is_ready());
        self.counts.writes.fetch_add(count, Ordering::Relaxed);
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }
}

/// A stream of a few bytes at a time.
struct Trickle<S>(S);

impl<S: AsyncRead + Unpin> AsyncRead for Trickle<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let room = buf.len().min(701);
        Pin::new(&mut self.0).poll_read(cx, &mut buf[..room])
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Trickle<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, &buf[..buf.len().min(1_009)])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(cx)
    }
}

/// So many slices of so many bytes, as frames are.
fn frames(count: usize, length: usize) -> Frames {
    let frame = Bytes::from(vec![3; length]);
    Frames(std::iter::repeat_n(frame, count).collect())
}

struct Frames(std::collections::VecDeque<Bytes>);

impl Buf for Frames {
    fn remaining(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    fn chunk(&self) -> &[u8] {
        self.0.front().map_or(&[], |first| first)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let filled = slices.iter_mut().zip(&self.0);
        filled
            .map(|(slice, frame)| *slice = IoSlice::new(frame))
            .count()
    }

    fn advance(&mut self, mut count: usize) {
        while count > 0 {
            let first = self.0.front_mut().expect("what is left");
            let step = count.min(first.len());
            first.advance(step);
            count -= step;
            if first.is_empty() {
                self.0.pop_front();
            }
        }
    }
}

// ---- bytes

#[test]
fn a_mebibyte_crosses_tcp_in_both_directions_at_once() {
    run(async |_| {
        let mut listener = listen().await;
        let address = listener.local_addr().unwrap();
        let options = TcpOptions::default();
        let accepted = async {
            let accepted = poll_fn(|cx| listener.poll_accept(cx)).await;
            accepted.unwrap().handshake.await.unwrap()
        };
        let (client, server) = join(connect(address, &options), accepted).await;
        let client = client.unwrap();
        assert_eq!(client.info().peer, server.info().local);
        assert_eq!(client.info().local, server.info().peer);
        let nodelay = |transport: &TcpTransport| transport.get_ref().get_ref().get_ref().nodelay();
        assert!(nodelay(&client).unwrap() && nodelay(&server).unwrap());
        crossing(client, server).await;
    });
}

#[test]
fn a_mebibyte_crosses_tls_in_both_directions_at_once() {
    run(async |_| {
        let (near, far) = tcp_pair().await;
        let (client, server) = tls_pair(near, far).await;
        crossing(client, server).await;
    });
}

#[test]
fn a_mebibyte_crosses_tls_over_a_stream_of_a_few_bytes() {
    run(async |_| {
        let (near, far) = tcp_pair().await;
        let (client, server) = tls_pair(Trickle(near), Trickle(far)).await;
        crossing(client, server).await;
    });
}

#[test]
fn what_comes_with_the_end_of_the_handshake_is_read() {
    run(async |_| {
        let (near, far) = tcp_pair().await;
        let pki = Pki::new();
        let info = || ConnectionInfo::new("test");
        let client = TlsTransport::connect(&pki.client(), near, "localhost", info()).unwrap();
        let client = async {
            let mut client = client.await.unwrap();
            write_all(&mut client, &b"at once"[..]).await;
            client
        };
        let server = TlsTransport::accept(&pki.server(), far, info());
        let (_client, server) = join(client, server).await;
        assert_eq!(read_some(&mut server.unwrap()).await.unwrap(), b"at once");
    });
}

// ---- ends

#[test]
fn an_end_without_close_notify_is_an_end() {
    run(async |_| {
        let (near, far) = tcp_pair().await;
        let (mut client, mut server) = tls_pair(near, far).await;
        write_all(&mut server, &b"last words"[..]).await;
        drop(server);
        assert_eq!(read_some(&mut client).await.unwrap(), b"last words");
        for _ in 0..2 {
            assert_eq!(read_some(&mut client).await.unwrap(), b"");
        }
    });
}

#[test]
fn close_notify_is_an_end_even_if_the_stream_stays_open() {
    run(async |_| {
        let (near, far) = tcp_pair().await;
        let (mut client, mut server) = tls_pair(NeverEnds(near), far).await;
        poll_fn(|cx| client.poll_close(cx)).await.unwrap();
        assert_eq!(read_some(&mut server).await.unwrap(), b"");
        write_all(&mut server, &b"still heard"[..]).await;
        assert_eq!(read_some(&mut client).await.unwrap(), b"still heard");
    });
}

/// A stream whose sending side is not closed.
struct NeverEnds<S>(S);

impl<S: AsyncRead + Unpin> AsyncRead for NeverEnds<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for NeverEnds<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn a_broken_record_fails_after_what_came_before_it() {
    run(async |_| {
        let (near, far) = tcp_pair().await;
        let (mut client, mut server) = tls_pair(near, far).await;
        // Flushed, not read: the server finds both in one read.
        write_all(&mut client, &b"whole"[..]).await;
        raw_write(&mut client, &[23, 3, 3, 0, 32]).await;
        raw_write(&mut client, &[0; 32]).await;
        assert_eq!(read_some(&mut server).await.unwrap(), b"whole");
        let error = read_some(&mut server).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
        let error = read_some(&mut client).await.unwrap_err();
        assert!(error.to_string().contains("BadRecordMac"), "{error}");
    });
}

async fn raw_write(transport: &mut TlsTransport, bytes: &[u8]) {
    let mut socket = transport.get_ref().get_ref();
    socket.write_all(bytes).await.unwrap();
}

// OAP-11-2
#[test]
fn no_protocol_is_refused_with_an_orderly_end() {
    run(async |_| {
        let (near, far) = tcp_pair().await;
        let pki = Pki::new();
        let mut foreign = rustls::ClientConfig::clone(pki.client().rustls_config());
        foreign.alpn_protocols.clear();
        let connector = futures_rustls::TlsConnector::from(Arc::new(foreign));
        let name = "localhost".try_into().unwrap();
        let accept = TlsTransport::accept(&pki.server(), far, ConnectionInfo::new("test"));
        let (client, server) = join(connector.connect(name, near), accept).await;
        let refusal = server.unwrap_err().to_string();
        assert!(refusal.contains(&TlsError::NoAlpn.to_string()), "{refusal}");
        assert_eq!(client.unwrap().read(&mut [0; 16]).await.unwrap(), 0);
    });
}

#[test]
fn a_stalled_handshake_times_out() {
    run(async |_| {
        let (near, _far) = tcp_pair().await;
        let stalled = TlsClientConfig::builder()
            .insecure_no_verify()
            .handshake_timeout(Duration::from_millis(50))
            .build()
            .unwrap();
        let info = ConnectionInfo::new("test");
        let handshake = TlsTransport::connect(&stalled, near, "localhost", info).unwrap();
        let outcome = timeout(Duration::from_secs(5), handshake).await;
        assert!(matches!(outcome, Some(Err(HandshakeError::TimedOut))));
    });
}

#[test]
fn nobody_there_is_refused() {
    run(async |_| {
        let listener = listen().await;
        let address = listener.local_addr().unwrap();
        drop(listener);
        let failure = connect(address, &TcpOptions::default()).await.unwrap_err();
        let HandshakeError::Io(failure) = failure else {
            panic!("{failure}");
        };
        assert_eq!(failure.kind(), io::ErrorKind::ConnectionRefused);
    });
}

// OAP-11-11
#[test]
fn a_user_that_is_not_on_the_list_is_refused() {
    run(async |_| {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("oap").join("socket");
        let options = UdsOptions {
            allow_uids: vec![u32::MAX - 1],
            ..UdsOptions::default()
        };
        let mut listener = UdsListener::bind(&path, options).unwrap();
        let accepted = async { poll_fn(|cx| listener.poll_accept(cx)).await.unwrap() };
        let (client, accepted) = join(connect_uds(&path), accepted).await;
        assert!(accepted.peer.is_some(), "limits per peer count the user");
        let refusal = accepted.handshake.await.unwrap_err();
        assert!(
            matches!(
                refusal,
                HandshakeError::Refused {
                    reason: Reason::Forbidden,
                    ..
                }
            ),
            "{refusal}"
        );
        assert_eq!(read_some(&mut client.unwrap()).await.unwrap(), b"");
        drop(listener);
        assert!(!path.exists(), "the file goes with the listener");
    });
}

// ---- buffers and calls

#[test]
fn an_idle_connection_keeps_no_buffer() {
    run(async |_| {
        let (near, far) = tcp_pair().await;
        let info = || ConnectionInfo::new("test");
        let mut near = StreamTransport::new(near, info());
        let mut far = StreamTransport::new(far, info());
        write_all(&mut near, frames(8, 5_000)).await;
        let mut buf = BytesMut::new();
        while buf.len() < 40_000 {
            poll_fn(|cx| far.poll_read(cx, &mut buf)).await.unwrap();
        }
        buf.clear();
        assert!(poll_once(|cx| far.poll_read(cx, &mut buf)).await.is_none());
        assert_eq!(buf.capacity(), 0);
    });
}

#[test]
fn what_one_segment_brought_is_read_at_once_and_no_buffer_stays() {
    run(async |_| {
        let (near, far) = tcp_pair().await;
        let (near, counts) = Counting::new(near);
        let (mut client, mut server) = tls_pair(near, far).await;
        // Tickets first.
        write_all(&mut server, &b"."[..]).await;
        read_exactly(&mut client, 1).await;
        write_all(&mut server, frames(8, 5_000)).await;
        counts.take();
        let mut buf = BytesMut::new();
        let count = poll_fn(|cx| client.poll_read(cx, &mut buf)).await.unwrap();
        assert_eq!((count, counts.take()), (40_000, (1, 0)));
        buf.clear();
        assert!(
            poll_once(|cx| client.poll_read(cx, &mut buf))
                .await
                .is_none()
        );
        assert_eq!(buf.capacity(), 0);
    });
}

#[test]
fn sixty_four_small_frames_leave_in_one_write() {
    run(async |_| {
        let (near, far) = tcp_pair().await;
        let (near, counts) = Counting::new(near);
        let (mut client, mut server) = tls_pair(near, far).await;
        counts.take();
        write_all(&mut client, frames(64, 101)).await;
        assert_eq!(counts.take().1, 1);
        assert_eq!(read_exactly(&mut server, 64 * 101).await, vec![3; 64 * 101]);

        let (near, far) = tcp_pair().await;
        let (near, counts) = Counting::new(near);
        let mut near = StreamTransport::new(near, ConnectionInfo::new("test"));
        let mut far = StreamTransport::new(far, ConnectionInfo::new("test"));
        write_all(&mut near, frames(64, 101)).await;
        assert_eq!(counts.take().1, 1);
        assert_eq!(read_exactly(&mut far, 64 * 101).await, vec![3; 64 * 101]);
    });
}

#[test]
fn a_socket_that_takes_nothing_is_felt() {
    run(async |_| {
        let (near, far) = tcp_pair().await;
        let (mut client, mut server) = tls_pair(near, far).await;
        let mut data = Bytes::from(vec![7; 64 * MIB]);
        let mut taken = 0;
        while let Some(count) = poll_once(|cx| client.poll_write(cx, &mut data)).await {
            taken += count.unwrap();
        }
        assert!(taken < 64 * MIB);
        assert_eq!(data.remaining(), 64 * MIB - taken, "pending takes nothing");
        let flush = poll_fn(|cx| client.poll_flush(cx));
        let (read, flushed) = join(read_exactly(&mut server, taken), flush).await;
        flushed.unwrap();
        assert_eq!(read.len(), taken);
    });
}

#[test]
fn the_second_connection_is_resumed_until_the_configuration_is_replaced() {
    run(async |_| {
        let pki = Pki::new();
        let mut listener = TlsListener::new(listen().await, pki.server());
        let address = format!("localhost:{}", listener.local_addr().unwrap().port());
        let reloader = listener.reloader();
        let connector = TlsConnector::new(pki.client(), TcpOptions::default());
        let mut connect = async || {
            let accepted = async {
                let accepted = poll_fn(|cx| listener.poll_accept(cx)).await.unwrap();
                let mut server = accepted.handshake.await.unwrap();
                write_all(&mut server, &b"hello"[..]).await;
            };
            let connected = async {
                let mut client = connector.connect(&address).await.unwrap();
                // The ticket comes first.
                assert_eq!(read_some(&mut client).await.unwrap(), b"hello");
                client.info().tls.clone().unwrap().resumed
            };
            join(connected, accepted).await.0
        };
        assert!(!connect().await);
        assert!(connect().await);
        assert!(connect().await);
        reloader.replace(pki.server());
        assert!(!connect().await);
    });
}

// ---- the clock

#[test]
fn an_alarm_that_moves_rings_when_last_told() {
    run(async |runtime| {
        let mut clock = runtime.clock();
        let start = clock.now();
        let after = |ms: u64| start + Duration::from_millis(ms);
        for deadline in [5_000, 7_000, 6_000, 400, 500].map(after) {
            let rung = poll_once(|cx| clock.poll_deadline(cx, deadline)).await;
            assert!(rung.is_none());
        }
        poll_fn(|cx| clock.poll_deadline(cx, after(500))).await;
        let now = clock.now();
        assert!(now >= after(500) && now < after(5_000), "{now:?}");
        let never = poll_once(|cx| clock.poll_deadline(cx, Timestamp::MAX)).await;
        assert!(never.is_none());
        poll_fn(|cx| clock.poll_deadline(cx, after(200))).await;
        let (here, there) = (runtime.now(), runtime.clock().now());
        assert!(there.saturating_since(here) < Duration::from_secs(1));
        assert!(here >= now && there >= here, "clocks share an origin");
    });
}
