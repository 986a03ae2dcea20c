//! Unix domain sockets.

use std::future::{Ready, ready};
use std::io;
use std::path::Path;
use std::task::{Context, Poll, ready as ready_or_return};

use oap_core::driver::{Accepted, HandshakeError, Listener, dial};
use oap_host::uds::{SocketFile, UdsOptions, bind, peer_info};
use tokio::net::UnixStream;

use crate::io::StreamTransport;

/// A Unix domain socket as a transport.
pub type UdsTransport = StreamTransport<UnixStream>;

/// Connects to the socket at `path`. The transport's info names the user that listens there.
///
/// # Errors
/// What the operating system says; `WouldBlock` when too many wait to be accepted.
pub async fn connect_uds(path: impl AsRef<Path>) -> Result<UdsTransport, HandshakeError> {
    dial("uds", async {
        let stream = UnixStream::connect(path).await?;
        let info = peer_info(&stream);
        Ok(StreamTransport::new(stream, info))
    })
    .await
}

/// A listening Unix domain socket. Its file is unlinked when it is dropped.
#[derive(Debug)]
pub struct UdsListener {
    // Dropped before the listener, as it asks for.
    file: SocketFile,
    inner: tokio::net::UnixListener,
    options: UdsOptions,
}

impl UdsListener {
    /// Listens on a new socket at `path`. It must be called inside a tokio runtime.
    ///
    /// # Errors
    /// As [`oap_host::uds::bind`]: one line that names the path and the rule it breaks, or what the
    /// operating system says.
    pub fn bind(path: impl AsRef<Path>, options: UdsOptions) -> io::Result<Self> {
        let (inner, file) = bind(path.as_ref(), &options)?;
        Ok(Self {
            file,
            inner: tokio::net::UnixListener::from_std(inner)?,
            options,
        })
    }

    /// The path it listens on, absolute.
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
        let (stream, _) = ready_or_return!(self.inner.poll_accept(cx))?;
        let info = peer_info(&stream);
        let peer = info.peer_key();
        // Whoever may not connect is closed here, before anything is read (OAP-11-11).
        let admitted = self.options.admit(&info);
        let handshake = ready(admitted.map(|()| StreamTransport::new(stream, info)));
        Poll::Ready(Ok(Accepted { peer, handshake }))
    }
}
