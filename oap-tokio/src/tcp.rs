//! TCP.

use std::future::{Ready, ready};
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready as ready_or_return};

use oap_core::driver::{Accepted, ConnectionInfo, HandshakeError, Listener, dial};
use oap_host::tcp::TcpOptions;
use tokio::net::{TcpSocket, TcpStream, ToSocketAddrs, lookup_host};
use tokio::time::timeout;

use crate::io::StreamTransport;

/// Plain TCP as a transport.
pub type TcpTransport = StreamTransport<TcpStream>;

// Buffer sizes go before listen and connect, which settle the window scale; accepted sockets inherit
// them.
fn new_socket(address: SocketAddr, options: &TcpOptions) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    if let Some(bytes) = options.send_buffer {
        socket.set_send_buffer_size(bytes)?;
    }
    if let Some(bytes) = options.recv_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    Ok(socket)
}

/// Connects to the first of the addresses behind `address` (`"host:port"`, a socket address) that
/// answers.
///
/// # Errors
/// [`HandshakeError::TimedOut`] after [`TcpOptions::connect_timeout`], else the failure of the last
/// address tried.
pub async fn connect(
    address: impl ToSocketAddrs,
    options: &TcpOptions,
) -> Result<TcpTransport, HandshakeError> {
    dial("tcp", async {
        let (stream, info) = connect_stream(address, options).await?;
        Ok(StreamTransport::new(stream, info))
    })
    .await
}

pub(crate) async fn connect_stream(
    address: impl ToSocketAddrs,
    options: &TcpOptions,
) -> Result<(TcpStream, ConnectionInfo), HandshakeError> {
    timeout(options.connect_timeout, async {
        let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in lookup_host(address).await? {
            match connect_one(address, options).await {
                Ok(stream) => {
                    let info = describe(&stream, address);
                    return Ok((stream, info));
                }
                Err(error) => failure = error,
            }
        }
        Err(failure.into())
    })
    .await
    .unwrap_or(Err(HandshakeError::TimedOut))
}

async fn connect_one(address: SocketAddr, options: &TcpOptions) -> io::Result<TcpStream> {
    let stream = new_socket(address, options)?.connect(address).await?;
    stream.set_nodelay(options.nodelay)?;
    Ok(stream)
}

/// A listening TCP socket.
#[derive(Debug)]
pub struct TcpListener {
    inner: tokio::net::TcpListener,
    nodelay: bool,
}

impl TcpListener {
    /// Listens on the first of the addresses behind `address` that can be bound; port 0 takes a
    /// free one.
    ///
    /// # Errors
    /// The failure of the last address tried.
    pub async fn bind(address: impl ToSocketAddrs, options: &TcpOptions) -> io::Result<Self> {
        let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in lookup_host(address).await? {
            match Self::bind_one(address, options) {
                Ok(listener) => return Ok(listener),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// Listens on a socket that the caller made, of which only `nodelay` is set.
    pub fn from_tokio(inner: tokio::net::TcpListener, nodelay: bool) -> Self {
        Self { inner, nodelay }
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn bind_one(address: SocketAddr, options: &TcpOptions) -> io::Result<Self> {
        let socket = new_socket(address, options)?;
        // On Windows it would let another process take the port.
        #[cfg(unix)]
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let inner = socket.listen(options.backlog)?;
        Ok(Self::from_tokio(inner, options.nodelay))
    }

    pub(crate) fn poll_accept_stream(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(TcpStream, ConnectionInfo)>> {
        loop {
            match ready_or_return!(self.inner.poll_accept(cx)) {
                // A peer that was gone before it was accepted is no reason to pause.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => return Poll::Ready(Err(error)),
                Ok((stream, peer)) => {
                    // It fails only for a peer that is gone, which the first read tells.
                    let _ = stream.set_nodelay(self.nodelay);
                    let info = describe(&stream, peer);
                    return Poll::Ready(Ok((stream, info)));
                }
            }
        }
    }
}

impl Listener for TcpListener {
    type Transport = TcpTransport;
    type Handshake = Ready<Result<TcpTransport, HandshakeError>>;

    fn backend(&self) -> &'static str {
        "tcp"
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted<Self::Handshake>>> {
        let (stream, info) = ready_or_return!(self.poll_accept_stream(cx))?;
        Poll::Ready(Ok(Accepted {
            peer: info.peer_key(),
            handshake: ready(Ok(StreamTransport::new(stream, info))),
        }))
    }
}

fn describe(stream: &TcpStream, peer: SocketAddr) -> ConnectionInfo {
    let mut info = ConnectionInfo::new("tcp");
    info.peer = Some(peer);
    info.local = stream.local_addr().ok();
    info
}
