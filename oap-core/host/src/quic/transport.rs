//! A QUIC connection as lanes.

use std::io;
use std::mem::take;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, BytesMut};
use oap_core::Lane;
use oap_core::driver::{ConnectionInfo, LaneError, Lanes};
use s2n_quic::Connection;
use s2n_quic::connection::{Handle, StreamAcceptor};
use s2n_quic::stream::{BidirectionalStream, PeerStream};

use super::NAME;
use super::error::{code, failure, is_orderly};
use super::lane::{Fault, LaneStream};
use super::observer::{Link, Seen};
use super::ready::{Ready, StreamsWaker};
use super::table::Table;
use super::tls::describe;
use crate::tls::{Rules, TlsError};

/// A QUIC connection: each bidirectional stream that the client opens is a lane, stream 0 the first
/// (OAP-11-5).
///
/// Dropped before it was closed, it gives the connection up, and what was written may be lost.
#[derive(Debug)]
pub struct QuicTransport {
    info: ConnectionInfo,
    certificates: Vec<Vec<u8>>,
    link: Arc<Link>,
    open: Option<Open>,
    _seat: Option<Seat>,
}

/// Which side opens streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

/// A connection that is not being closed.
#[derive(Debug)]
struct Open {
    handle: Handle,
    acceptor: StreamAcceptor,
    side: Side,
    lanes: Table<LaneStream>,
    ready: Arc<Ready>,
    streams: Waker,
    /// The first lane has begun: that of a client begins before any other does.
    begun: bool,
    /// No stream will come any more: the connection has ended.
    ended: bool,
    /// The lane that was named last, until it is read from.
    named: Option<Lane>,
}

/// One accepted connection among those of its listener.
#[derive(Debug)]
pub(super) struct Seat(Arc<AtomicUsize>);

impl Seat {
    pub(super) fn take(seats: &Arc<AtomicUsize>) -> Self {
        seats.fetch_add(1, Ordering::Relaxed);
        Self(seats.clone())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl QuicTransport {
    /// The peer's certificates in DER, its own first; empty where it sent none.
    pub fn peer_certificates(&self) -> impl Iterator<Item = &[u8]> {
        self.certificates.iter().map(Vec::as_slice)
    }

    /// An established connection, if its protocol is ours.
    pub(super) fn new(
        mut connection: Connection,
        side: Side,
        rules: &Rules,
        provider: &rustls::crypto::CryptoProvider,
        keep_alive: bool,
        seat: Option<Seat>,
    ) -> Result<Self, TlsError> {
        let (link, certificates, mut tls) = connection
            .query_event_context_mut(|seen: &mut Seen| {
                let tls = describe(seen.group.as_deref(), seen.cipher.as_ref(), provider);
                (seen.link.clone(), take(&mut seen.certificates), tls)
            })
            .unwrap_or_default();
        let alpn = connection.application_protocol().unwrap_or_default();
        if let Err(error) = rules.check((!alpn.is_empty()).then_some(&*alpn)) {
            connection.close(code::REFUSED.into());
            return Err(error);
        }
        let mut info = ConnectionInfo::new(NAME);
        info.peer = connection.remote_addr().ok();
        info.local = connection.local_addr().ok();
        tls.alpn = Some(String::from_utf8_lossy(&alpn).into_owned());
        info.tls = Some(tls);
        // It fails only on a connection that has ended, which the first poll tells.
        let _ = connection.keep_alive(keep_alive);
        let (handle, acceptor) = connection.split();
        let ready = Arc::<Ready>::default();
        ready.wake_streams();
        Ok(Self {
            info,
            certificates,
            link,
            open: Some(Open {
                handle,
                acceptor,
                side,
                lanes: Table::new(),
                streams: Arc::new(StreamsWaker(ready.clone())).into(),
                ready,
                begun: false,
                ended: false,
                named: None,
            }),
            _seat: seat,
        })
    }
}

impl Drop for QuicTransport {
    fn drop(&mut self) {
        if let Some(open) = &self.open {
            open.handle.close(code::ABANDONED.into());
        }
    }
}

impl Lanes for QuicTransport {
    fn info(&self) -> &ConnectionInfo {
        &self.info
    }

    fn is_multi(&self) -> bool {
        true
    }

    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Lane>>> {
        let Some(open) = &mut self.open else {
            return Poll::Ready(Err(closing()));
        };
        open.ready.register(cx.waker());
        if open.ready.take_streams() {
            open.accept();
        }
        if let Some(lane) = open.next_readable() {
            return Poll::Ready(Ok(Some(lane)));
        }
        if !open.ended {
            return Poll::Pending;
        }
        Poll::Ready(match self.link.end() {
            Some(error) if !is_orderly(error) => Err(failure(error)),
            _ => Ok(None),
        })
    }

    fn poll_read(
        &mut self,
        _cx: &mut Context<'_>,
        lane: Lane,
        buf: &mut BytesMut,
    ) -> Poll<Result<usize, LaneError>> {
        let Some(open) = &mut self.open else {
            return Poll::Ready(Err(closing().into()));
        };
        open.named.take_if(|named| *named == lane);
        let Some(stream) = open.lanes.get_mut(lane) else {
            return Poll::Pending;
        };
        match ready!(stream.poll_read(buf)) {
            Ok(count) => {
                if stream.is_over() {
                    open.free(lane);
                }
                Poll::Ready(Ok(count))
            }
            Err(Fault::Reset) => Poll::Ready(Err(LaneError::Reset)),
            // What was received goes first, so the connection's end is told last.
            Err(Fault::Closed) => Poll::Pending,
        }
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        lane: Lane,
        data: &mut dyn Buf,
    ) -> Poll<Result<usize, LaneError>> {
        let Some(open) = &mut self.open else {
            return Poll::Ready(Err(closing().into()));
        };
        let written = ready!(open.poll_stream(cx, lane))
            .map(|stream| stream.poll_write(cx, data))
            .and_then(|polled| match polled {
                Poll::Ready(written) => written.map(Poll::Ready),
                Poll::Pending => Ok(Poll::Pending),
            });
        match written {
            Ok(written) => written.map(Ok),
            Err(Fault::Reset) => Poll::Ready(Err(LaneError::Reset)),
            Err(Fault::Closed) => {
                open.ready.wake_streams();
                Poll::Pending
            }
        }
    }

    // s2n-quic sends by itself.
    fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn finish(&mut self, lane: Lane) {
        let Some(open) = &mut self.open else {
            return;
        };
        if let Some(stream) = open.lanes.get_mut(lane) {
            stream.finish();
            if stream.is_over() {
                open.free(lane);
            }
        }
    }

    // Without anybody who could use it, the endpoint ends all streams, waits until the peer has
    // acknowledged what was written, and then closes the connection without an error.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.open = None;
        self.link.poll_end(cx).map(Ok)
    }
}

impl Open {
    /// Takes the streams that have come, and learns whether the connection has ended.
    fn accept(&mut self) {
        let streams = self.streams.clone();
        let mut cx = Context::from_waker(&streams);
        while !self.ended {
            match self.acceptor.poll_accept(&mut cx) {
                Poll::Pending => return,
                Poll::Ready(Ok(Some(stream))) => self.take(stream),
                Poll::Ready(Ok(None) | Err(_)) => {
                    self.ended = true;
                    for lane in self.lanes.values() {
                        lane.wake().queue();
                    }
                }
            }
        }
    }

    // OAP-11-5: the limits given to s2n-quic allow the peer no other streams than these in the first
    // place.
    fn take(&mut self, stream: PeerStream) {
        let stream = match stream {
            PeerStream::Bidirectional(stream) if self.side == Side::Server => stream,
            PeerStream::Bidirectional(mut stream) => {
                let _ = stream.reset(code::REFUSED.into());
                let _ = stream.stop_sending(code::REFUSED.into());
                return;
            }
            PeerStream::Receive(mut stream) => {
                let _ = stream.stop_sending(code::REFUSED.into());
                return;
            }
        };
        let lane = if stream.id() == 0 {
            Some(Lane::FIRST)
        } else {
            self.lanes.number()
        };
        if let Some(lane) = lane {
            self.insert(lane, stream);
        }
    }

    fn insert(&mut self, lane: Lane, stream: BidirectionalStream) -> &mut LaneStream {
        let stream = LaneStream::new(stream, lane, &self.ready);
        self.lanes.insert(lane, stream)
    }

    /// The next lane of the queue; one that was named and not read from goes to its end.
    fn next_readable(&mut self) -> Option<Lane> {
        if let Some(lane) = self.named.take()
            && let Some(stream) = self.lanes.get_mut(lane)
        {
            stream.wake().queue();
        }
        loop {
            let lane = self.ready.pop()?;
            if let Some(stream) = self.lanes.get_mut(lane) {
                stream.wake().clear();
                self.named = Some(lane);
                return self.named;
            }
        }
    }

    /// The lane's stream; a client's begins here.
    fn poll_stream(
        &mut self,
        cx: &mut Context<'_>,
        lane: Lane,
    ) -> Poll<Result<&mut LaneStream, Fault>> {
        if self.lanes.get_mut(lane).is_none() {
            if self.side == Side::Server || (lane == Lane::FIRST && self.begun) {
                return Poll::Ready(Err(Fault::Reset));
            }
            if !self.begun {
                ready!(self.poll_begin(cx, Lane::FIRST))?;
                self.begun = true;
            }
            if lane != Lane::FIRST {
                ready!(self.poll_begin(cx, lane))?;
            }
        }
        Poll::Ready(self.lanes.get_mut(lane).ok_or(Fault::Reset))
    }

    fn poll_begin(&mut self, cx: &mut Context<'_>, lane: Lane) -> Poll<Result<(), Fault>> {
        let stream = ready!(self.handle.poll_open_bidirectional_stream(cx));
        Poll::Ready(match stream {
            Ok(stream) => {
                self.insert(lane, stream);
                // The task looks at the new lane, so that it is woken for what comes on it.
                cx.waker().wake_by_ref();
                Ok(())
            }
            Err(_) => Err(Fault::Closed),
        })
    }

    fn free(&mut self, lane: Lane) {
        self.lanes.remove(lane);
        if self.side == Side::Server {
            self.lanes.release(lane);
        }
    }
}

fn closing() -> io::Error {
    io::Error::new(
        io::ErrorKind::NotConnected,
        "the connection is being closed",
    )
}
