//! A transport of several lanes, which are in-memory pipes: what a QUIC connection is to the driver,
//! without QUIC. Lanes can be cut at will.

use std::collections::BTreeMap;
use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::{Buf, BytesMut};
use oap_core::Lane;
use oap_core::driver::{Accepted, LaneError, Lanes, Listener};
use oap_tokio::{ConnectionInfo, HandshakeError};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::mpsc;

/// Which lanes have begun and ended, at the client.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) begun: Vec<Lane>,
    pub(crate) open: usize,
    pub(crate) most: usize,
}

/// What befalls a lane at the client.
pub(crate) enum Fault {
    /// It is reset, for both sides.
    Reset(Lane),
    /// The server seems to have ended its side.
    End(Lane),
}

/// What the server gets of a new lane.
pub(crate) struct FarLane {
    pub(crate) stream: DuplexStream,
    cut: Arc<AtomicBool>,
}

/// One end of a connection whose lanes are pipes.
pub(crate) struct Pipes {
    info: ConnectionInfo,
    lanes: BTreeMap<Lane, Pipe>,
    /// Begins lanes at the client, takes them at the server.
    opener: Option<mpsc::UnboundedSender<FarLane>>,
    pub(crate) taker: Option<mpsc::UnboundedReceiver<FarLane>>,
    faults: Option<mpsc::UnboundedReceiver<Fault>>,
    /// The first lane has begun, which it does once.
    begun: bool,
    log: Arc<Mutex<Log>>,
}

struct Pipe {
    stream: DuplexStream,
    got: BytesMut,
    read_ended: bool,
    end_told: bool,
    finished: bool,
    /// The lane was reset.
    cut: Arc<AtomicBool>,
}

impl Pipe {
    fn new(lane: FarLane) -> Self {
        Self {
            stream: lane.stream,
            got: BytesMut::new(),
            read_ended: false,
            end_told: false,
            finished: false,
            cut: lane.cut,
        }
    }

    fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Relaxed)
    }

    /// The reset, as both sides learn of it: our half of the stream is gone.
    fn cut(&mut self) {
        self.cut.store(true, Ordering::Relaxed);
        self.stream = tokio::io::duplex(1).0;
        self.got.clear();
        self.read_ended = true;
    }

    /// Whether there is something to tell.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> bool {
        if self.end_told {
            return false;
        }
        let mut block = [0; 4_096];
        let mut buf = ReadBuf::new(&mut block);
        if !self.read_ended
            && self.got.is_empty()
            && Pin::new(&mut self.stream)
                .poll_read(cx, &mut buf)
                .is_ready()
        {
            self.read_ended = buf.filled().is_empty();
            self.got.extend_from_slice(buf.filled());
        }
        self.read_ended || !self.got.is_empty()
    }
}

pub(crate) struct Pair {
    pub(crate) near: Pipes,
    pub(crate) far: Pipes,
    pub(crate) log: Arc<Mutex<Log>>,
    pub(crate) faults: mpsc::UnboundedSender<Fault>,
}

impl Pair {
    pub(crate) fn new() -> Self {
        let log = Arc::<Mutex<Log>>::default();
        let (opener, taker) = mpsc::unbounded_channel();
        let (faults, befall) = mpsc::unbounded_channel();
        let end = |opener, taker, faults| Pipes {
            info: ConnectionInfo::new("pipes"),
            lanes: BTreeMap::new(),
            opener,
            taker,
            faults,
            begun: false,
            log: log.clone(),
        };
        Self {
            near: end(Some(opener), None, Some(befall)),
            far: end(None, Some(taker), None),
            log,
            faults,
        }
    }
}

impl Pipes {
    fn forget_if_over(&mut self, lane: Lane) {
        let over = |pipe: &Pipe| pipe.finished && (pipe.end_told || pipe.is_cut());
        if self.lanes.get(&lane).is_some_and(over) {
            self.lanes.remove(&lane);
            if self.opener.is_some() {
                self.log.lock().unwrap().open -= 1;
            }
        }
    }

    /// Takes what the client has begun; true once it has closed.
    fn accept(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(taker) = &mut self.taker else {
            return false;
        };
        loop {
            match taker.poll_recv(cx) {
                Poll::Ready(Some(far)) => {
                    let from = u16::from(std::mem::replace(&mut self.begun, true));
                    let free = (from..)
                        .map(Lane)
                        .find(|lane| !self.lanes.contains_key(lane));
                    self.lanes.insert(free.unwrap(), Pipe::new(far));
                }
                Poll::Ready(None) => return true,
                Poll::Pending => return false,
            }
        }
    }

    fn befall(&mut self, cx: &mut Context<'_>) {
        let Some(faults) = &mut self.faults else {
            return;
        };
        while let Poll::Ready(Some(fault)) = faults.poll_recv(cx) {
            match fault {
                Fault::Reset(lane) => {
                    if let Some(pipe) = self.lanes.get_mut(&lane) {
                        pipe.cut();
                    }
                }
                Fault::End(lane) => {
                    if let Some(pipe) = self.lanes.get_mut(&lane) {
                        pipe.read_ended = true;
                    }
                }
            }
        }
    }

    /// The lane, which a client's first write begins; `None` if it was reset.
    fn begin(&mut self, lane: Lane) -> Option<&mut Pipe> {
        if !self.lanes.contains_key(&lane) {
            let first = lane == Lane::FIRST;
            let Some(opener) = &self.opener else {
                assert!(first, "a write to a lane that is over");
                return None;
            };
            if first && std::mem::replace(&mut self.begun, true) {
                return None;
            }
            let (near, far) = tokio::io::duplex(4_096);
            let cut = Arc::<AtomicBool>::default();
            let lane_of = |stream| FarLane {
                stream,
                cut: cut.clone(),
            };
            // Whoever has closed reads no more.
            let _ = opener.send(lane_of(far));
            self.lanes.insert(lane, Pipe::new(lane_of(near)));
            let mut log = self.log.lock().unwrap();
            log.begun.push(lane);
            log.open += 1;
            log.most = log.most.max(log.open);
        }
        self.lanes.get_mut(&lane)
    }
}

impl Lanes for Pipes {
    fn info(&self) -> &ConnectionInfo {
        &self.info
    }

    fn is_multi(&self) -> bool {
        true
    }

    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Lane>>> {
        let closed = self.accept(cx);
        self.befall(cx);
        let ready = self
            .lanes
            .iter_mut()
            .find_map(|(lane, pipe)| pipe.poll_ready(cx).then_some(*lane));
        match ready {
            Some(lane) => Poll::Ready(Ok(Some(lane))),
            None if closed => Poll::Ready(Ok(None)),
            None => Poll::Pending,
        }
    }

    fn poll_read(
        &mut self,
        _cx: &mut Context<'_>,
        lane: Lane,
        buf: &mut BytesMut,
    ) -> Poll<Result<usize, LaneError>> {
        let pipe = self.lanes.get_mut(&lane).unwrap();
        let count = pipe.got.len();
        if count == 0 && !pipe.read_ended {
            return Poll::Pending;
        }
        buf.extend_from_slice(&pipe.got.split());
        pipe.end_told = count == 0;
        if pipe.end_told && pipe.is_cut() {
            return Poll::Ready(Err(LaneError::Reset));
        }
        self.forget_if_over(lane);
        Poll::Ready(Ok(count))
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        lane: Lane,
        data: &mut dyn Buf,
    ) -> Poll<Result<usize, LaneError>> {
        let Some(pipe) = self.begin(lane) else {
            return Poll::Ready(Err(LaneError::Reset));
        };
        assert!(!pipe.finished, "a write after the lane's end");
        if pipe.is_cut() {
            return Poll::Ready(Err(LaneError::Reset));
        }
        match Pin::new(&mut pipe.stream).poll_write(cx, data.chunk()) {
            Poll::Ready(Ok(count)) => {
                data.advance(count);
                Poll::Ready(Ok(count))
            }
            Poll::Ready(Err(_)) => {
                pipe.cut();
                Poll::Ready(Err(LaneError::Reset))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn finish(&mut self, lane: Lane) {
        if let Some(pipe) = self.lanes.get_mut(&lane) {
            pipe.finished = true;
            let mut cx = Context::from_waker(Waker::noop());
            assert!(Pin::new(&mut pipe.stream).poll_shutdown(&mut cx).is_ready());
        }
        self.forget_if_over(lane);
    }

    fn poll_close(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.opener = None;
        self.lanes.clear();
        Poll::Ready(Ok(()))
    }
}

/// Accepts one connection.
pub(crate) struct Once(pub(crate) Option<Pipes>);

impl Listener for Once {
    type Transport = Pipes;
    type Handshake = Ready<Result<Pipes, HandshakeError>>;

    fn poll_accept(
        &mut self,
        _cx: &mut Context<'_>,
    ) -> Poll<io::Result<Accepted<Self::Handshake>>> {
        self.0.take().map_or(Poll::Pending, |pipes| {
            Poll::Ready(Ok(Accepted {
                peer: None,
                handshake: ready(Ok(pipes)),
            }))
        })
    }
}
