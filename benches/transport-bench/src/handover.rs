//! Connections that one thread accepts and others serve.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};

use oap_core::driver::{HandshakeError, Listener, Transport};
use oap_tokio::ConnectionInfo;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

/// An accepted connection on its way to the thread that serves it.
pub(crate) type Accepted = (std::net::TcpStream, SocketAddr);

/// The listener of a serving thread: what it accepts was accepted elsewhere and handed over, so
/// that connections are spread evenly. `F` begins the handshake.
pub(crate) struct Handover<F> {
    accepted: mpsc::Receiver<Accepted>,
    begin: F,
}

impl<F> Handover<F> {
    pub(crate) fn new(accepted: mpsc::Receiver<Accepted>, begin: F) -> Self {
        Self { accepted, begin }
    }
}

impl<F, H, T> Listener for Handover<F>
where
    F: Fn(TcpStream, ConnectionInfo) -> H + Send + Unpin + 'static,
    H: Future<Output = Result<T, HandshakeError>> + Send + 'static,
    T: Transport,
{
    type Transport = T;
    type Handshake = H;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<H>> {
        let Some((stream, peer)) = ready!(self.accepted.poll_recv(cx)) else {
            // Nobody accepts any more: the server is about to be drained.
            return Poll::Pending;
        };
        // It fails only for a peer that is gone, which the first read tells.
        let _ = stream.set_nodelay(true);
        // Registers the socket with the event loop of this thread.
        let stream = TcpStream::from_std(stream)?;
        let mut info = ConnectionInfo::new("tcp");
        info.peer = Some(peer);
        info.local = stream.local_addr().ok();
        Poll::Ready(Ok((self.begin)(stream, info)))
    }
}
