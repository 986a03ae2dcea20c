//! Accepted connections whose peers have not said anything yet.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::stream::{FuturesUnordered, Stream};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::io::ConnectionInfo;

/// How many may wait at once; beyond it nothing is accepted.
const MOST: usize = 1_024;

/// A connection, what is known of it, and when its handshake has to be complete (OAP-10-1).
type Accepted = (TcpStream, ConnectionInfo, Instant);

/// Holds connections until their first byte is there, so that a peer that connects and says nothing
/// takes a descriptor but no place among the handshakes.
#[derive(Default)]
pub(super) struct Silent {
    waiting: FuturesUnordered<Pin<Box<dyn Future<Output = Option<Accepted>> + Send>>>,
}

impl Silent {
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= MOST
    }

    pub(super) fn push(&mut self, stream: TcpStream, info: ConnectionInfo, deadline: Instant) {
        self.waiting.push(Box::pin(async move {
            // A stream that has ended or failed has spoken, too: the handshake will tell.
            let spoken = timeout_at(deadline, stream.peek(&mut [0])).await.is_ok();
            spoken.then_some((stream, info, deadline))
        }));
    }

    /// The next connection that has spoken, or `None` for one that has not in time.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Accepted>> {
        match Pin::new(&mut self.waiting).poll_next(cx) {
            Poll::Ready(Some(outcome)) => Poll::Ready(outcome),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}

impl std::fmt::Debug for Silent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Silent")
            .field("waiting", &self.waiting.len())
            .finish()
    }
}
