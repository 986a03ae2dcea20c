//! The adapters, each over TCP and Unix domain sockets, as tests that are generic over them see them.

use std::any::Any;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use oap_core::driver::{HandshakeError, Lanes, Listener, Runtime};
use oap_host::tcp::TcpOptions;
use oap_host::uds::UdsOptions;
use oap_smol::SmolRuntime;
use oap_tokio::TokioRuntime;
use smol::Executor;

use crate::suite::{Address, Kind, Wire};

/// A runtime with one of its transports, all on the calling thread.
pub trait Ends: 'static {
    /// Its stack, for peers in other processes.
    const KIND: Kind;
    /// Its transport.
    const WIRE: Wire;
    /// The adapter's runtime.
    type Runtime: Runtime;
    /// The adapter's listener.
    type Listener: Listener<Transport = Self::Transport>;
    /// The adapter's transport.
    type Transport: Lanes;

    /// A runtime of its own.
    fn start() -> Self;

    /// For the driver.
    fn runtime(&self) -> Self::Runtime;

    /// Runs a future to its end, and the tasks beside it.
    fn block_on<T>(&self, future: impl Future<Output = T>) -> T;

    /// Listens.
    fn listen() -> impl Future<Output = io::Result<Listening<Self::Listener>>>;

    /// Connects.
    fn dial(address: &Address) -> impl Future<Output = Result<Self::Transport, HandshakeError>>;
}

/// A listener and where it listens.
pub struct Listening<L> {
    /// The listener.
    pub listener: L,
    /// Where.
    pub address: Address,
    /// What has to live as long: the directory of a socket, say.
    pub kept: Box<dyn Any>,
}

impl<L> Listening<L> {
    fn tcp(listener: L, address: SocketAddr) -> Self {
        Self {
            listener,
            address: Address::Socket(address),
            kept: Box::new(()),
        }
    }

    fn uds(listen: impl FnOnce(&PathBuf) -> io::Result<L>) -> io::Result<Self> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("run/oap.sock");
        Ok(Self {
            listener: listen(&path)?,
            address: Address::Path(path),
            kept: Box::new(directory),
        })
    }
}

fn socket(address: &Address) -> SocketAddr {
    match address {
        Address::Socket(address) => *address,
        Address::Path(path) => panic!("{} is no socket address", path.display()),
    }
}

fn path(address: &Address) -> &PathBuf {
    match address {
        Address::Path(path) => path,
        Address::Socket(address) => panic!("{address} is no path"),
    }
}

fn tokio_runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime")
}

/// oap-tokio over TCP.
pub struct TokioTcp(tokio::runtime::Runtime);

impl Ends for TokioTcp {
    const KIND: Kind = Kind::TokioCurrentThread;
    const WIRE: Wire = Wire::Tcp;
    type Runtime = TokioRuntime;
    type Listener = oap_tokio::TcpListener;
    type Transport = oap_tokio::TcpTransport;

    fn start() -> Self {
        Self(tokio_runtime())
    }

    fn runtime(&self) -> TokioRuntime {
        TokioRuntime::new(self.0.handle().clone())
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.0.block_on(future)
    }

    async fn listen() -> io::Result<Listening<Self::Listener>> {
        let listener = Self::Listener::bind("127.0.0.1:0", &TcpOptions::default()).await?;
        let address = listener.local_addr()?;
        Ok(Listening::tcp(listener, address))
    }

    async fn dial(address: &Address) -> Result<Self::Transport, HandshakeError> {
        oap_tokio::connect(socket(address), &TcpOptions::default()).await
    }
}

/// oap-tokio over Unix domain sockets.
pub struct TokioUds(tokio::runtime::Runtime);

impl Ends for TokioUds {
    const KIND: Kind = Kind::TokioCurrentThread;
    const WIRE: Wire = Wire::Uds;
    type Runtime = TokioRuntime;
    type Listener = oap_tokio::UdsListener;
    type Transport = oap_tokio::UdsTransport;

    fn start() -> Self {
        Self(tokio_runtime())
    }

    fn runtime(&self) -> TokioRuntime {
        TokioRuntime::new(self.0.handle().clone())
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.0.block_on(future)
    }

    async fn listen() -> io::Result<Listening<Self::Listener>> {
        Listening::uds(|path| Self::Listener::bind(path, UdsOptions::default()))
    }

    async fn dial(address: &Address) -> Result<Self::Transport, HandshakeError> {
        oap_tokio::connect_uds(path(address)).await
    }
}

/// oap-smol over TCP.
pub struct SmolTcp(Arc<Executor<'static>>);

impl Ends for SmolTcp {
    const KIND: Kind = Kind::Smol;
    const WIRE: Wire = Wire::Tcp;
    type Runtime = SmolRuntime;
    type Listener = oap_smol::TcpListener;
    type Transport = oap_smol::TcpTransport;

    fn start() -> Self {
        Self(Arc::default())
    }

    fn runtime(&self) -> SmolRuntime {
        SmolRuntime::new(self.0.clone())
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        smol::block_on(self.0.run(future))
    }

    async fn listen() -> io::Result<Listening<Self::Listener>> {
        let listener = Self::Listener::bind("127.0.0.1:0", &TcpOptions::default()).await?;
        let address = listener.local_addr()?;
        Ok(Listening::tcp(listener, address))
    }

    async fn dial(address: &Address) -> Result<Self::Transport, HandshakeError> {
        oap_smol::connect(socket(address), &TcpOptions::default()).await
    }
}

/// oap-smol over Unix domain sockets.
pub struct SmolUds(Arc<Executor<'static>>);

impl Ends for SmolUds {
    const KIND: Kind = Kind::Smol;
    const WIRE: Wire = Wire::Uds;
    type Runtime = SmolRuntime;
    type Listener = oap_smol::UdsListener;
    type Transport = oap_smol::UdsTransport;

    fn start() -> Self {
        Self(Arc::default())
    }

    fn runtime(&self) -> SmolRuntime {
        SmolRuntime::new(self.0.clone())
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        smol::block_on(self.0.run(future))
    }

    async fn listen() -> io::Result<Listening<Self::Listener>> {
        Listening::uds(|path| Self::Listener::bind(path, UdsOptions::default()))
    }

    async fn dial(address: &Address) -> Result<Self::Transport, HandshakeError> {
        oap_smol::connect_uds(path(address)).await
    }
}
