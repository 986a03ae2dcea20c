//! The threads that serve, of either runtime, and one server on all of them.

mod moved;
mod smol;
mod tokio;

use std::io;
use std::sync::mpsc;
use std::task::{Context, Poll};

use clap::ValueEnum;
use oap_core::driver::{Accepted, Listener, Runtime};
use oap_tokio::config::{AnyHandshake, AnyListener, AnyTransport, Settings, SetupError};
use oap_tokio::{TlsReloader, TlsServerConfig};

pub(crate) use self::smol::SmolLoops;
pub(crate) use self::tokio::TokioLoops;

/// The adapters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum RuntimeName {
    /// `oap-tokio`
    #[default]
    Tokio,
    /// `oap-smol`
    Smol,
}

impl RuntimeName {
    /// Its word on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tokio => "tokio",
            Self::Smol => "smol",
        }
    }
}

/// A listener that can be given to a server, and what replaces its certificates.
pub(crate) struct Bound {
    pub(crate) listener: AnyListener,
    pub(crate) tls: Option<TlsReloader>,
}

/// The threads that serve. They run until the process ends.
pub(crate) trait Loops: Sized {
    /// Runs tasks on all of the threads.
    type Runtime: Runtime;

    /// Starts so many threads, at least one.
    fn start(threads: usize) -> io::Result<Self>;

    /// What a server is given.
    fn runtime(&self) -> Self::Runtime;

    /// Listens as `settings` say, with `tls` where the backend needs it. Connections that it
    /// accepts live on the thread that serves them.
    fn bind(&self, settings: &Settings, tls: Option<TlsServerConfig>) -> Result<Bound, SetupError>;
}

/// A listener whose end can be waited for: the file of a socket goes with it.
pub(crate) struct Held {
    listener: AnyListener,
    _held: mpsc::Sender<()>,
}

impl Held {
    /// The receiver is disconnected once the listener is gone.
    pub(crate) fn new(listener: AnyListener) -> (Self, mpsc::Receiver<()>) {
        let (held, gone) = mpsc::channel();
        let listener = Self {
            listener,
            _held: held,
        };
        (listener, gone)
    }
}

impl Listener for Held {
    type Transport = AnyTransport;
    type Handshake = AnyHandshake;

    fn backend(&self) -> &'static str {
        self.listener.backend()
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted<AnyHandshake>>> {
        self.listener.poll_accept(cx)
    }
}
