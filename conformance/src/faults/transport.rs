//! A transport and a listener that fail by plan.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use oap_core::Lane;
use oap_core::driver::{Accepted, ConnectionInfo, HandshakeError, LaneError, Lanes, Listener};

use super::{Manner, Op, Plan};

/// How often a storm says that it would block.
const STORM: u32 = 100;

/// Any transport, with a plan between it and the driver.
pub struct FaultyTransport<T> {
    inner: T,
    plan: Plan,
    broken: bool,
    ended: bool,
    storm: u32,
}

impl<T> FaultyTransport<T> {
    /// Puts `plan` before `inner`.
    pub fn new(inner: T, plan: Plan) -> Self {
        Self {
            inner,
            plan,
            broken: false,
            ended: false,
            storm: STORM,
        }
    }

    fn due(&self, op: Op) -> io::Result<Option<Manner>> {
        if self.broken {
            return Err(reset());
        }
        Ok(self.plan.due(op))
    }

    fn fail(&mut self, op: Op) -> io::Error {
        self.plan.done(op);
        self.broken = true;
        reset()
    }
}

/// Says that it would block and is ready again, until the storm is over.
fn blows(left: &mut u32, cx: &Context<'_>) -> bool {
    let blows = *left > 0;
    if blows {
        *left -= 1;
        cx.waker().wake_by_ref();
    }
    blows
}

fn reset() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

impl<T: Lanes> Lanes for FaultyTransport<T> {
    fn info(&self) -> &ConnectionInfo {
        self.inner.info()
    }

    fn is_multi(&self) -> bool {
        self.inner.is_multi()
    }

    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Lane>>> {
        if self.broken {
            return Poll::Ready(Err(reset()));
        }
        self.inner.poll_readable(cx)
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        lane: Lane,
        buf: &mut BytesMut,
    ) -> Poll<Result<usize, LaneError>> {
        if self.ended {
            return Poll::Ready(Ok(0));
        }
        match self.due(Op::Read)? {
            Some(Manner::Error) => return Poll::Ready(Err(self.fail(Op::Read).into())),
            Some(Manner::Eof) => {
                self.plan.done(Op::Read);
                self.ended = true;
                return Poll::Ready(Ok(0));
            }
            Some(Manner::Storm) if blows(&mut self.storm, cx) => return Poll::Pending,
            _ => {}
        }
        let count = ready!(self.inner.poll_read(cx, lane, buf))?;
        self.plan.done(Op::Read);
        self.plan.moved(count);
        Poll::Ready(Ok(count))
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        lane: Lane,
        data: &mut dyn Buf,
    ) -> Poll<Result<usize, LaneError>> {
        let mut most = self.plan.room();
        match self.due(Op::Write)? {
            Some(Manner::Error) => return Poll::Ready(Err(self.fail(Op::Write).into())),
            Some(Manner::Partial) => most = 1,
            Some(Manner::Storm) if blows(&mut self.storm, cx) => return Poll::Pending,
            _ => {}
        }
        let count = ready!(self.inner.poll_write(cx, lane, &mut data.take(most)))?;
        self.plan.done(Op::Write);
        self.plan.moved(count);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.due(Op::Flush)? {
            Some(Manner::Error) => return Poll::Ready(Err(self.fail(Op::Flush))),
            Some(Manner::Storm) if blows(&mut self.storm, cx) => return Poll::Pending,
            _ => {}
        }
        ready!(self.inner.poll_flush(cx))?;
        self.plan.done(Op::Flush);
        Poll::Ready(Ok(()))
    }

    fn finish(&mut self, lane: Lane) {
        self.inner.finish(lane);
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.broken {
            return Poll::Ready(Err(reset()));
        }
        self.inner.poll_close(cx)
    }
}

/// Any listener, with a plan for its accepts and its transports.
pub struct FaultyListener<L> {
    inner: L,
    plan: Plan,
    storm: u32,
}

impl<L> FaultyListener<L> {
    /// Puts `plan` before `inner`.
    pub fn new(inner: L, plan: Plan) -> Self {
        Self {
            inner,
            plan,
            storm: STORM,
        }
    }
}

impl<L: Listener> Listener for FaultyListener<L> {
    type Transport = FaultyTransport<L::Transport>;
    type Handshake =
        Pin<Box<dyn Future<Output = Result<Self::Transport, HandshakeError>> + Send + 'static>>;

    fn backend(&self) -> &'static str {
        self.inner.backend()
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted<Self::Handshake>>> {
        match self.plan.due(Op::Accept) {
            Some(Manner::Error) => {
                self.plan.done(Op::Accept);
                return Poll::Ready(Err(rustix::io::Errno::MFILE.into()));
            }
            Some(Manner::Storm) if blows(&mut self.storm, cx) => return Poll::Pending,
            _ => {}
        }
        let accepted = ready!(self.inner.poll_accept(cx))?;
        self.plan.done(Op::Accept);
        let (handshake, plan) = (accepted.handshake, self.plan.clone());
        Poll::Ready(Ok(Accepted {
            peer: accepted.peer,
            handshake: Box::pin(async move { Ok(FaultyTransport::new(handshake.await?, plan)) }),
        }))
    }
}
