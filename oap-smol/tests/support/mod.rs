//! A server of the test applications at an address of its own.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::{Either, select};
use oap_core::driver::Listener;
use oap_core::driver::test_apps::{self, ECHO};
use oap_smol::*;
use smol::{Executor, Timer};
use tempfile::TempDir;

/// Time for a handshake at the server, well below that at the client.
const HANDSHAKE: Duration = Duration::from_secs(1);

/// Time for a whole test.
const TEST: Duration = Duration::from_secs(60);

/// What the frames travel on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Tcp,
    Tls,
    Uds,
}

/// How to reach a server.
enum Place {
    Tcp(SocketAddr),
    Tls(SocketAddr, TlsConnector),
    Uds(TempDir),
}

pub(crate) struct Started {
    pub(crate) server: Server,
    pub(crate) runtime: SmolRuntime,
    place: Place,
}

/// Runs a test, its server and its clients on one thread.
pub(crate) fn run(test: impl AsyncFnOnce(SmolRuntime)) {
    let executor = Arc::new(Executor::new());
    let runtime = SmolRuntime::new(executor.clone());
    smol::block_on(executor.run(in_time(test(runtime))));
}

/// Runs a test on a thread, and its server and its clients on that of smol's global executor.
pub(crate) fn run_on_global(test: impl AsyncFnOnce(SmolRuntime)) {
    smol::block_on(in_time(test(SmolRuntime::global())));
}

async fn in_time(test: impl Future<Output = ()>) {
    let done = timeout(TEST, test).await;
    done.unwrap_or_else(|| panic!("not done within {TEST:?}"));
}

/// What `work` comes to, or `None` after this time.
pub(crate) async fn timeout<T>(time: Duration, work: impl Future<Output = T>) -> Option<T> {
    match select(pin!(work), Timer::after(time)).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(_) => None,
    }
}

pub(crate) async fn start(runtime: SmolRuntime) -> Started {
    start_over(runtime, Over::Tcp, Config::default()).await
}

pub(crate) async fn start_over(runtime: SmolRuntime, over: Over, config: Config) -> Started {
    let service = test_apps::service(&runtime);
    start_service(runtime, over, config, service).await
}

/// A server over TCP on a listener of the caller's.
pub(crate) fn serve(
    runtime: SmolRuntime,
    listener: impl Listener,
    address: SocketAddr,
    options: ServerOptions,
) -> Started {
    let service = test_apps::service(&runtime);
    let server = Server::start(&runtime, listener, service, Config::default(), options);
    Started {
        server,
        runtime,
        place: Place::Tcp(address),
    }
}

pub(crate) async fn start_service(
    runtime: SmolRuntime,
    over: Over,
    config: Config,
    service: Service,
) -> Started {
    let options = ServerOptions::default();
    let (server, place) = match over {
        Over::Tcp => {
            let listener = listen().await;
            let place = Place::Tcp(listener.local_addr().expect("its address"));
            let server = Server::start(&runtime, listener, service, config, options);
            (server, place)
        }
        Over::Tls => {
            let listener = listen().await;
            let address = listener.local_addr().expect("its address");
            let pki = Pki::new();
            let listener = TlsListener::new(listener, pki.server());
            let server = Server::start(&runtime, listener, service, config, options);
            let connector = TlsConnector::new(pki.client(), TcpOptions::default());
            (server, Place::Tls(address, connector))
        }
        Over::Uds => {
            let directory = TempDir::new().expect("a directory");
            let path = socket_in(&directory);
            let listener = UdsListener::bind(path, UdsOptions::default()).expect("a socket");
            let server = Server::start(&runtime, listener, service, config, options);
            (server, Place::Uds(directory))
        }
    };
    Started {
        server,
        runtime,
        place,
    }
}

/// In a directory that the listener makes.
fn socket_in(directory: &TempDir) -> PathBuf {
    directory.path().join("oap").join("socket")
}

pub(crate) async fn listen() -> TcpListener {
    let bound = TcpListener::bind("127.0.0.1:0", &TcpOptions::default()).await;
    bound.expect("a port")
}

/// A certificate, and configurations that know it.
pub(crate) struct Pki {
    chain: String,
    key: String,
}

impl Pki {
    pub(crate) fn new() -> Self {
        let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
        Self {
            chain: made.cert.pem(),
            key: made.signing_key.serialize_pem(),
        }
    }

    pub(crate) fn server(&self) -> TlsServerConfig {
        let config = TlsServerConfig::builder()
            .pem(self.chain.clone(), self.key.clone())
            .handshake_timeout(HANDSHAKE)
            .build();
        config.expect("a TLS configuration")
    }

    pub(crate) fn client(&self) -> TlsClientConfig {
        let config = TlsClientConfig::builder()
            .ca_pem(self.chain.clone())
            .build();
        config.expect("a TLS configuration")
    }
}

impl Started {
    /// The address of a server over TCP or TLS.
    pub(crate) fn address(&self) -> SocketAddr {
        match &self.place {
            Place::Tcp(address) | Place::Tls(address, _) => *address,
            Place::Uds(_) => panic!("it has a path"),
        }
    }

    pub(crate) async fn connect(&self) -> Session {
        let (runtime, config) = (&self.runtime, Config::default());
        let session = match &self.place {
            Place::Tcp(address) => {
                let transport = connect(*address, &TcpOptions::default()).await;
                Session::connect(runtime, transport.expect("a connection"), config).await
            }
            Place::Tls(address, connector) => {
                let transport = connector.connect(&address.to_string()).await;
                Session::connect(runtime, transport.expect("a connection"), config).await
            }
            Place::Uds(directory) => {
                let transport = connect_uds(socket_in(directory)).await;
                Session::connect(runtime, transport.expect("a connection"), config).await
            }
        };
        session.expect("a HELLO")
    }
}

/// A new connection is served.
pub(crate) async fn echo_works(server: &Started) {
    let session = server.connect().await;
    let response = session
        .request(Head::new(ECHO), Bytes::from_static(b"on"))
        .await
        .unwrap();
    assert_eq!(&response.body[..], b"on");
    session.close();
    session.closed().await;
}

/// Waits until something holds, at most 10 s.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "not within 10 s: {what}");
        Timer::after(Duration::from_millis(5)).await;
    }
}
