//! What a runtime adapter supplies: streams, listeners, timers, tasks.

use core::future::Future;
use core::task::{Context, Poll};
use std::io;

use bytes::{Buf, BytesMut};

use super::{ConnectionInfo, PeerKey};
use crate::{Lane, Reason, Timestamp};

/// A connected byte stream, TLS included where there is any.
///
/// Every method follows the rules of a poll function: `Pending` means that the waker is registered.
pub trait Transport: Send + Unpin + 'static {
    /// What is known of the connection.
    fn info(&self) -> &ConnectionInfo;

    /// Appends received bytes to `buf`, reserving what it needs, and returns how many; 0 is the end
    /// of the stream.
    ///
    /// It must not zero the buffer and must not keep spare capacity for an idle connection longer
    /// than a read.
    ///
    /// # Errors
    /// The stream's failure. A TLS stream closed without `close_notify` is an end, not an error:
    /// frames carry their length.
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<usize>>;

    /// Writes from `data`, advances it by what was taken and returns that count, above 0.
    ///
    /// # Errors
    /// The stream's failure.
    fn poll_write(&mut self, cx: &mut Context<'_>, data: &mut dyn Buf) -> Poll<io::Result<usize>>;

    /// Hands everything written to the operating system.
    ///
    /// # Errors
    /// The stream's failure.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Flushes and closes the sending side.
    ///
    /// # Errors
    /// The stream's failure.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// A connection of one or more lanes. Every [`Transport`] is one of a single lane; a QUIC connection
/// has one for each of its streams (OAP-11-5).
///
/// Lanes are numbered by whoever begins them: the driver of a client, the transport of a server. The
/// first is [`Lane::FIRST`]; a number is small, and free again once the lane has ended in both
/// directions. Every poll method follows the rules of a poll function.
pub trait Lanes: Send + Unpin + 'static {
    /// What is known of the connection.
    fn info(&self) -> &ConnectionInfo;

    /// Whether there may be other lanes than the first.
    fn is_multi(&self) -> bool {
        false
    }

    /// The next lane that may have something to read, each in its turn: every lane from its
    /// beginning until [`Lanes::poll_read`] says that nothing is there, and again once there is.
    /// `None`: the peer has closed the connection in good order.
    ///
    /// # Errors
    /// The connection's failure.
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Lane>>>;

    /// As [`Transport::poll_read`], from one lane. After `Pending`, [`Lanes::poll_readable`] names
    /// the lane again once there is something.
    ///
    /// # Errors
    /// The lane's reset, or the connection's failure.
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        lane: Lane,
        buf: &mut BytesMut,
    ) -> Poll<Result<usize, LaneError>>;

    /// As [`Transport::poll_write`], to one lane. A client's lane begins with the first write to it,
    /// and `Pending` is also what a lane gets that the peer does not allow yet.
    ///
    /// # Errors
    /// The lane's reset, or the connection's failure.
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        lane: Lane,
        data: &mut dyn Buf,
    ) -> Poll<Result<usize, LaneError>>;

    /// Hands everything written to the operating system.
    ///
    /// # Errors
    /// The connection's failure.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Nothing more will be written on a lane other than the first; what was written arrives.
    fn finish(&mut self, _lane: Lane) {}

    /// Flushes and closes the sending side of all lanes, or the connection where that is one.
    ///
    /// # Errors
    /// The connection's failure.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

impl<T: Transport> Lanes for T {
    fn info(&self) -> &ConnectionInfo {
        Transport::info(self)
    }

    #[inline]
    fn poll_readable(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<Option<Lane>>> {
        Poll::Ready(Ok(Some(Lane::FIRST)))
    }

    #[inline]
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        _lane: Lane,
        buf: &mut BytesMut,
    ) -> Poll<Result<usize, LaneError>> {
        Transport::poll_read(self, cx, buf).map_err(LaneError::Failed)
    }

    #[inline]
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        _lane: Lane,
        data: &mut dyn Buf,
    ) -> Poll<Result<usize, LaneError>> {
        Transport::poll_write(self, cx, data).map_err(LaneError::Failed)
    }

    #[inline]
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Transport::poll_flush(self, cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Transport::poll_close(self, cx)
    }
}

/// Why a lane cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LaneError {
    /// The peer has given the lane up, in either direction. The others go on.
    #[error("the lane was reset")]
    Reset,
    /// The connection has failed.
    #[error("i/o: {0}")]
    Failed(#[from] io::Error),
}

/// A source of connections.
pub trait Listener: Send + Unpin + 'static {
    /// What an accepted connection becomes.
    type Transport: Lanes;
    /// The handshake of one accepted connection; ready at once where there is none.
    type Handshake: Future<Output = Result<Self::Transport, HandshakeError>> + Send + 'static;

    /// Name of the transport, as [`ConnectionInfo::transport`] has it.
    fn backend(&self) -> &'static str {
        "other"
    }

    /// Accepts one connection; its handshake runs apart.
    ///
    /// # Errors
    /// What the operating system says. The accept loop goes on after it, with a pause.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted<Self::Handshake>>>;
}

/// A connection that was accepted, before its handshake.
#[derive(Debug)]
pub struct Accepted<H> {
    /// Whom limits per peer count it to; `None` where nothing tells peers apart.
    pub peer: Option<PeerKey>,
    /// What makes it a transport. Dropped, it cuts the connection off.
    pub handshake: H,
}

/// Why a connection was not established.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The stream failed.
    #[error("i/o: {0}")]
    Io(#[from] io::Error),
    /// The peer and we agree on no way to go on.
    #[error("{reason}: {message}")]
    Refused {
        /// The reason of the closed list: `tls`, `pq_policy`, `unauthorized`, ...
        reason: Reason,
        /// What happened, in one line.
        message: std::string::String,
    },
    /// It took too long.
    #[error("the handshake timed out")]
    TimedOut,
}

impl HandshakeError {
    /// The reason of the closed list that stands for this.
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Io(_) => Reason::Io,
            Self::Refused { reason, .. } => *reason,
            Self::TimedOut => Reason::Timeout,
        }
    }
}

/// Dials: awaits what connects over `backend` and counts the outcome, where the feature `telemetry`
/// is on. For adapters.
///
/// # Errors
/// Those of `connect`.
pub async fn dial<T>(
    backend: &'static str,
    connect: impl Future<Output = Result<T, HandshakeError>>,
) -> Result<T, HandshakeError> {
    let result = connect.await;
    super::telemetry::dialled(backend, result.as_ref().err());
    result
}

/// A monotonic clock with one alarm.
pub trait Clock: Send + Unpin + 'static {
    /// The present time.
    fn now(&self) -> Timestamp;

    /// Ready once `deadline` is reached. A later call replaces the deadline of an earlier one.
    fn poll_deadline(&mut self, cx: &mut Context<'_>, deadline: Timestamp) -> Poll<()>;

    /// Wakes the task after others have had their turn, and those above all whose sockets have
    /// become ready meanwhile.
    ///
    /// A task that is woken at once goes on before most runtimes look at their sockets again: one
    /// connection that always has something to do would take nearly all of a thread.
    fn yield_now(&mut self, cx: &mut Context<'_>) {
        cx.waker().wake_by_ref();
    }
}

/// An executor: clocks of one origin, and tasks.
pub trait Runtime: Clone + Send + Sync + Unpin + 'static {
    /// The runtime's clock.
    type Clock: Clock;

    /// The present time, on the same clock as those of [`Runtime::clock`].
    fn now(&self) -> Timestamp;

    /// A clock with an alarm of its own.
    fn clock(&self) -> Self::Clock;

    /// Runs `task` to its end, apart from the caller.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static);
}
