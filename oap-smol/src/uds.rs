//! Unix domain sockets.

use std::future::{Ready, ready};
use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::task::{Context, Poll, ready as ready_or_return};

use async_io::Async;
use oap_core::driver::{Accepted, HandshakeError, Listener, dial};
use oap_host::uds::{SocketFile, UdsOptions, bind, peer_info};

use crate::io::{Socket, StreamTransport};

/// A Unix domain socket as a transport.
pub type UdsTransport = StreamTransport<Socket<UnixStream>>;

/// Connects to the server that listens at `path`.
///
/// # Errors
/// What the operating system says.
pub async fn connect_uds(path: impl AsRef<Path>) -> Result<UdsTransport, HandshakeError> {
    dial("uds", async {
        let stream = Async::<UnixStream>::connect(path).await?;
        let info = peer_info(stream.get_ref());
        Ok(StreamTransport::new(stream.into(), info))
    })
    .await
}

/// A listening Unix domain socket, whose file goes with it.
#[derive(Debug)]
pub struct UdsListener {
    // Fields are dropped in this order: the file first.
    file: SocketFile,
    inner: Async<std::os::unix::net::UnixListener>,
    options: UdsOptions,
}

impl UdsListener {
    /// Listens at `path`, as [`oap_host::uds::bind`] does.
    ///
    /// # Errors
    /// One line that names the path.
    pub fn bind(path: impl AsRef<Path>, options: UdsOptions) -> io::Result<Self> {
        let (inner, file) = bind(path.as_ref(), &options)?;
        Ok(Self {
            file,
            inner: Async::new_nonblocking(inner)?,
            options,
        })
    }

    /// The path it listens at, absolute.
    pub fn path(&self) -> &Path {
        self.file.path()
    }
}

impl Listener for UdsListener {
    type Transport = UdsTransport;
    type Handshake = Ready<Result<UdsTransport, HandshakeError>>;

    fn backend(&self) -> &'static str {
        "uds"
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted<Self::Handshake>>> {
        loop {
            match self.inner.get_ref().accept() {
                Ok((stream, _)) => {
                    let info = peer_info(&stream);
                    let peer = info.peer_key();
                    let admitted = self.options.admit(&info);
                    let stream = Async::new(stream)?;
                    let handshake =
                        ready(admitted.map(|()| StreamTransport::new(stream.into(), info)));
                    return Poll::Ready(Ok(Accepted { peer, handshake }));
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
