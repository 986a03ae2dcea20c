//! What a runtime adapter supplies: streams, listeners, timers, tasks.

use core::future::Future;
use core::task::{Context, Poll};
use std::io;

use bytes::{Buf, BytesMut};

use crate::{Reason, Timestamp};

/// A connected byte stream, TLS included where there is any.
///
/// Every method follows the rules of a poll function: `Pending` means that the waker is registered.
pub trait Transport: Send + Unpin + 'static {
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

/// A source of connections.
pub trait Listener: Send + Unpin + 'static {
    /// What an accepted connection becomes.
    type Transport: Transport;
    /// The handshake of one accepted connection; ready at once where there is none.
    type Handshake: Future<Output = Result<Self::Transport, HandshakeError>> + Send + 'static;

    /// Accepts one connection; its handshake runs apart.
    ///
    /// # Errors
    /// What the operating system says. The accept loop goes on after it, with a pause.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Self::Handshake>>;
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

/// A monotonic clock with one alarm.
pub trait Clock: Send + Unpin + 'static {
    /// The present time.
    fn now(&self) -> Timestamp;

    /// Ready once `deadline` is reached. A later call replaces the deadline of an earlier one.
    fn poll_deadline(&mut self, cx: &mut Context<'_>, deadline: Timestamp) -> Poll<()>;
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
