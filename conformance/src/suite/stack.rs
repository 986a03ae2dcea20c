//! What the suite asks of a runtime and its adapter.

use std::any::Any;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use oap_core::Config;
use oap_core::driver::{
    ConnectError, DrainReport, Listener, Runtime, Server, ServerOptions, Service, Session,
    test_apps,
};
use oap_host::quic::QuicOptions;

use super::Identity;

/// A future of a stack; any executor may run it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What connections run over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wire {
    /// Plain TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// QUIC.
    Quic,
    /// Unix domain sockets.
    Uds,
}

impl Wire {
    /// The transport of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        let all = [Self::Tcp, Self::Tls, Self::Quic, Self::Uds];
        all.into_iter().find(|wire| wire.name() == name)
    }

    /// As `ConnectionInfo::transport` and HELLO spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Quic => "quic",
            Self::Uds => "uds",
        }
    }
}

/// A runtime that does its I/O on threads of its own. What it hands out is runtime-neutral.
pub trait Stack: Send + Sync {
    /// Starts a server.
    fn serve(&self, wire: Wire, plan: Plan) -> BoxFuture<'_, io::Result<Running>>;

    /// Connects to a server, of whatever stack.
    fn connect<'a>(
        &'a self,
        target: &'a Target,
        config: Config,
    ) -> BoxFuture<'a, Result<Session, ConnectError>>;

    /// [`Server::drain`] of a server of this stack.
    fn drain<'a>(&'a self, server: &'a Server, timeout: Duration) -> BoxFuture<'a, DrainReport>;
}

type Adapt = Box<dyn FnOnce(Service) -> Service + Send>;

/// What a server is to be.
pub struct Plan {
    /// The connections' settings.
    pub config: Config,
    /// The server's settings.
    pub options: ServerOptions,
    /// Its certificate, where the transport has any.
    pub identity: Identity,
    /// The settings of QUIC.
    pub quic: QuicOptions,
    adapt: Adapt,
}

impl Plan {
    /// The test applications with every default.
    pub fn new() -> Self {
        Self {
            config: Config::default(),
            options: ServerOptions::default(),
            identity: Identity::first(),
            quic: QuicOptions::default(),
            adapt: Box::new(|service| service),
        }
    }

    /// With these settings of its connections.
    #[must_use]
    pub fn with_config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// With these settings of the server.
    #[must_use]
    pub fn with_options(mut self, options: ServerOptions) -> Self {
        self.options = options;
        self
    }

    /// With these settings of QUIC.
    #[must_use]
    pub fn with_quic(mut self, options: QuicOptions) -> Self {
        self.quic = options;
        self
    }

    /// With more than the test applications, or with an authorizer.
    #[must_use]
    pub fn with_service(mut self, adapt: impl FnOnce(Service) -> Service + Send + 'static) -> Self {
        let before = self.adapt;
        self.adapt = Box::new(move |service| adapt(before(service)));
        self
    }

    /// Starts it on `listener`.
    pub(crate) fn start<R: Runtime>(
        self,
        runtime: &R,
        listener: impl Listener,
        wire: Wire,
    ) -> Server {
        let service = (self.adapt)(test_apps::service(runtime));
        let config = Config {
            transports: vec![wire.name().into()],
            ..self.config
        };
        Server::start(runtime, listener, service, config, self.options)
    }
}

impl Default for Plan {
    fn default() -> Self {
        Self::new()
    }
}

/// Where a server listens.
#[derive(Clone, Debug)]
pub enum Address {
    /// TCP or UDP.
    Socket(SocketAddr),
    /// A Unix domain socket.
    Path(PathBuf),
}

impl Address {
    /// The address of this spelling.
    ///
    /// # Panics
    /// If the transport has no such addresses.
    pub fn of(wire: Wire, text: &str) -> Self {
        match wire {
            Wire::Uds => Self::Path(text.into()),
            _ => Self::Socket(text.parse().expect("a socket address")),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(address) => address.fmt(f),
            Self::Path(path) => path.display().fmt(f),
        }
    }
}

/// What a client has to know of a server.
#[derive(Clone)]
pub struct Target {
    /// The transport.
    pub wire: Wire,
    /// Its address.
    pub address: Address,
    /// The certificate to trust.
    pub trust: Identity,
}

impl Target {
    /// The address of a transport that has socket addresses.
    ///
    /// # Panics
    /// On a Unix domain socket.
    pub fn socket(&self) -> SocketAddr {
        match &self.address {
            Address::Socket(address) => *address,
            Address::Path(path) => panic!("{} is no socket address", path.display()),
        }
    }

    /// The path of a Unix domain socket.
    ///
    /// # Panics
    /// On any other transport.
    pub fn path(&self) -> &std::path::Path {
        match &self.address {
            Address::Path(path) => path,
            Address::Socket(address) => panic!("{address} is no path"),
        }
    }

    /// The same, with another certificate to trust.
    #[must_use]
    pub fn trusting(&self, identity: Identity) -> Self {
        Self {
            trust: identity,
            ..self.clone()
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.wire.name(), self.address)
    }
}

/// Replaces a server's certificate.
pub(crate) type Reload = Arc<dyn Fn(&Identity) + Send + Sync>;

/// A server that runs until the last clone is dropped.
#[derive(Clone)]
pub struct Running {
    /// The server.
    pub server: Server,
    /// How to reach it.
    pub target: Target,
    pub(crate) reload: Option<Reload>,
    // The directory of its socket, say.
    _kept: Arc<dyn Any + Send + Sync>,
}

impl Running {
    pub(crate) fn new(server: Server, wire: Wire, address: Address, identity: Identity) -> Self {
        Self {
            server,
            target: Target {
                wire,
                address,
                trust: identity,
            },
            reload: None,
            _kept: Arc::new(()),
        }
    }

    pub(crate) fn keeping(mut self, kept: impl Any + Send + Sync) -> Self {
        self._kept = Arc::new(kept);
        self
    }

    pub(crate) fn reloaded_by(
        mut self,
        reload: impl Fn(&Identity) + Send + Sync + 'static,
    ) -> Self {
        self.reload = Some(Arc::new(reload));
        self
    }
}
