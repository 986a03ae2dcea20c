//! Transports and listeners of whatever backend the settings name, behind one type.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use oap_core::Lane;
use oap_core::driver::{Accepted, ConnectionInfo, HandshakeError, LaneError, Lanes, Listener};

use super::Settings;
use super::values::Backend;

/// A connection of any backend.
pub struct AnyTransport(Box<dyn Lanes>);

impl AnyTransport {
    /// Hides which backend it is of.
    pub fn new(transport: impl Lanes) -> Self {
        Self(Box::new(transport))
    }
}

impl fmt::Debug for AnyTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnyTransport")
            .field(&self.0.info().transport)
            .finish()
    }
}

impl Lanes for AnyTransport {
    fn info(&self) -> &ConnectionInfo {
        self.0.info()
    }

    fn is_multi(&self) -> bool {
        self.0.is_multi()
    }

    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Lane>>> {
        self.0.poll_readable(cx)
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        lane: Lane,
        buf: &mut BytesMut,
    ) -> Poll<Result<usize, LaneError>> {
        self.0.poll_read(cx, lane, buf)
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        lane: Lane,
        data: &mut dyn Buf,
    ) -> Poll<Result<usize, LaneError>> {
        self.0.poll_write(cx, lane, data)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_flush(cx)
    }

    fn finish(&mut self, lane: Lane) {
        self.0.finish(lane);
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_close(cx)
    }
}

/// The handshake of an accepted connection of any backend.
pub type AnyHandshake = Pin<Box<dyn Future<Output = Result<AnyTransport, HandshakeError>> + Send>>;

/// Where a listener listens.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Local {
    /// An address, with the port that was taken.
    Address(SocketAddr),
    /// A socket's path.
    Path(PathBuf),
}

impl fmt::Display for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Path(path) => path.display().fmt(f),
        }
    }
}

/// A listener of any backend.
pub struct AnyListener {
    inner: Box<dyn Erased>,
    local: Local,
    reloader: ListenerReloader,
}

impl AnyListener {
    /// Hides which backend `listener` is of, which listens at `local`.
    pub fn new(listener: impl Listener, local: Local) -> Self {
        Self {
            inner: Box::new(listener),
            local,
            reloader: ListenerReloader::default(),
        }
    }

    /// The same, with a TLS configuration that can be replaced.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn with_tls(mut self, tls: crate::tls::TlsReloader) -> Self {
        self.reloader.tls = Some(tls);
        self
    }

    /// Where it listens.
    pub const fn local(&self) -> &Local {
        &self.local
    }

    /// The address it listens on; `None` for a socket in the file system.
    pub const fn local_addr(&self) -> Option<SocketAddr> {
        match self.local {
            Local::Address(address) => Some(address),
            Local::Path(_) => None,
        }
    }

    /// The path it listens at, where it is one.
    pub fn path(&self) -> Option<&Path> {
        match &self.local {
            Local::Address(_) => None,
            Local::Path(path) => Some(path),
        }
    }

    /// What takes new settings, once a server has the listener.
    pub fn reloader(&self) -> ListenerReloader {
        self.reloader.clone()
    }
}

impl fmt::Debug for AnyListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyListener")
            .field("backend", &self.inner.backend())
            .field("local", &self.local)
            .finish()
    }
}

impl Listener for AnyListener {
    type Transport = AnyTransport;
    type Handshake = AnyHandshake;

    fn backend(&self) -> &'static str {
        self.inner.backend()
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted<AnyHandshake>>> {
        self.inner.poll_accept(cx)
    }
}

/// A listener without its types.
trait Erased: Send + Unpin {
    fn backend(&self) -> &'static str;
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted<AnyHandshake>>>;
}

impl<L: Listener> Erased for L {
    fn backend(&self) -> &'static str {
        Listener::backend(self)
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted<AnyHandshake>>> {
        let Accepted { peer, handshake } = ready!(Listener::poll_accept(self, cx))?;
        Poll::Ready(Ok(Accepted {
            peer,
            handshake: Box::pin(async move { handshake.await.map(AnyTransport::new) }),
        }))
    }
}

/// Gives a listener that is in use new settings.
#[derive(Clone, Debug, Default)]
pub struct ListenerReloader {
    #[cfg(feature = "tls")]
    tls: Option<crate::tls::TlsReloader>,
}

impl ListenerReloader {
    /// Connections accepted from now on use the certificates, read anew, and the handshake timeout
    /// of `settings`. For [`Live::reload_with`](super::Live::reload_with).
    ///
    /// # Errors
    /// What is wrong with the certificates, in one line; nothing has changed.
    pub fn apply(&self, settings: &Settings) -> Result<(), String> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            tls.replace(settings.tls_server_config().map_err(|e| e.to_string())?);
        }
        let _ = settings;
        Ok(())
    }
}

/// Why the settings' listener or connector could not be made. One line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The operating system does not let us listen there.
    #[error("{place}: cannot listen: {source}")]
    Listen {
        /// Address or path.
        place: String,
        /// Why.
        source: io::Error,
    },
    /// The socket's file, its directory say; it names the path.
    #[error("{0}")]
    Socket(io::Error),
    /// Certificates, keys or authorities.
    #[cfg(feature = "tls")]
    #[error("{0}")]
    Tls(#[from] crate::tls::TlsError),
    /// This build has no such backend.
    #[error("this build has no {}", .0.as_str())]
    NotBuilt(Backend),
}

impl SetupError {
    /// Listening at `place` failed.
    pub fn listen(place: impl fmt::Display, source: io::Error) -> Self {
        Self::Listen {
            place: place.to_string(),
            source,
        }
    }
}

/// For a client that makes its connector and connects in one go.
impl From<SetupError> for HandshakeError {
    fn from(error: SetupError) -> Self {
        match error {
            SetupError::Listen { source, .. } | SetupError::Socket(source) => Self::Io(source),
            #[cfg(feature = "tls")]
            SetupError::Tls(error) => error.into(),
            SetupError::NotBuilt(_) => {
                let kind = io::ErrorKind::Unsupported;
                Self::Io(io::Error::new(kind, error.to_string()))
            }
        }
    }
}
