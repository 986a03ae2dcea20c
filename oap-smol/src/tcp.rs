//! TCP.

use std::future::{Ready, ready};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::task::{Context, Poll, ready as ready_or_return};
use std::time::Instant;

use async_io::Async;
use oap_core::driver::{Accepted, ConnectionInfo, HandshakeError, Listener, dial};
use oap_host::tcp::TcpOptions;
use smol::net::{AsyncToSocketAddrs, resolve};
use socket2::{Domain, Protocol, Type};

use crate::io::{Socket, StreamTransport};
use crate::runtime::before;

/// Plain TCP as a transport.
pub type TcpTransport = StreamTransport<Socket<TcpStream>>;

// Buffer sizes go before listen and connect, which settle the window scale; accepted sockets inherit
// them.
fn new_socket(address: SocketAddr, options: &TcpOptions) -> io::Result<socket2::Socket> {
    let domain = Domain::for_address(address);
    let socket = socket2::Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    if let Some(bytes) = options.send_buffer {
        socket.set_send_buffer_size(bytes as usize)?;
    }
    if let Some(bytes) = options.recv_buffer {
        socket.set_recv_buffer_size(bytes as usize)?;
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
    address: impl AsyncToSocketAddrs,
    options: &TcpOptions,
) -> Result<TcpTransport, HandshakeError> {
    dial("tcp", async {
        let (stream, info) = connect_stream(address, options).await?;
        Ok(StreamTransport::new(stream, info))
    })
    .await
}

pub(crate) async fn connect_stream(
    address: impl AsyncToSocketAddrs,
    options: &TcpOptions,
) -> Result<(Socket<TcpStream>, ConnectionInfo), HandshakeError> {
    let connected = async {
        let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in resolve(address).await? {
            match connect_one(address, options).await {
                Ok(stream) => {
                    let info = describe(stream.get_ref(), address);
                    return Ok((stream.into(), info));
                }
                Err(error) => failure = error,
            }
        }
        Err(failure.into())
    };
    before(Instant::now() + options.connect_timeout, connected)
        .await
        .unwrap_or(Err(HandshakeError::TimedOut))
}

async fn connect_one(address: SocketAddr, options: &TcpOptions) -> io::Result<Async<TcpStream>> {
    let socket = new_socket(address, options)?;
    match socket.connect(&address.into()) {
        Err(error) if is_under_way(&error) => {}
        done => done?,
    }
    let stream = Async::new_nonblocking(TcpStream::from(socket))?;
    stream.writable().await?;
    if let Some(error) = stream.get_ref().take_error()? {
        return Err(error);
    }
    stream.get_ref().set_nodelay(options.nodelay)?;
    Ok(stream)
}

fn is_under_way(error: &io::Error) -> bool {
    // Unix says the one, Windows the other.
    error.raw_os_error() == Some(libc::EINPROGRESS) || error.kind() == io::ErrorKind::WouldBlock
}

/// A listening TCP socket.
#[derive(Debug)]
pub struct TcpListener {
    inner: Async<std::net::TcpListener>,
    nodelay: bool,
}

impl TcpListener {
    /// Listens on the first of the addresses behind `address` that can be bound; port 0 takes a
    /// free one.
    ///
    /// # Errors
    /// The failure of the last address tried.
    pub async fn bind(address: impl AsyncToSocketAddrs, options: &TcpOptions) -> io::Result<Self> {
        let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in resolve(address).await? {
            match Self::bind_one(address, options) {
                Ok(listener) => return Ok(listener),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// Listens on a socket that the caller made, of which only `nodelay` is set.
    pub fn from_smol(inner: Async<std::net::TcpListener>, nodelay: bool) -> Self {
        Self { inner, nodelay }
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.get_ref().local_addr()
    }

    fn bind_one(address: SocketAddr, options: &TcpOptions) -> io::Result<Self> {
        let socket = new_socket(address, options)?;
        // On Windows it would let another process take the port.
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(i32::try_from(options.backlog).unwrap_or(i32::MAX))?;
        let inner = Async::new_nonblocking(socket.into())?;
        Ok(Self::from_smol(inner, options.nodelay))
    }

    pub(crate) fn poll_accept_stream(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(Socket<TcpStream>, ConnectionInfo)>> {
        loop {
            match self.inner.get_ref().accept() {
                Ok((stream, peer)) => {
                    // It fails only for a peer that is gone, which the first read tells.
                    let _ = stream.set_nodelay(self.nodelay);
                    let info = describe(&stream, peer);
                    let stream = Async::new(stream)?;
                    return Poll::Ready(Ok((stream.into(), info)));
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => ready_or_return!(self.inner.poll_readable(cx))?,
                    // A peer that was gone before it was accepted is no reason to pause.
                    io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted => {}
                    _ => return Poll::Ready(Err(error)),
                },
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
