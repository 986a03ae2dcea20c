//! A server of the test applications on a port of its own.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use oap_core::driver::test_apps::{self, ECHO};
use oap_tokio::*;

pub(crate) struct Started {
    pub(crate) server: Server,
    pub(crate) address: SocketAddr,
    pub(crate) runtime: TokioRuntime,
}

pub(crate) async fn start() -> Started {
    start_with(Config::default()).await
}

pub(crate) async fn start_with(config: Config) -> Started {
    let runtime = TokioRuntime::current();
    let listener = TcpListener::bind("127.0.0.1:0", &TcpOptions::default()).await.expect("a port");
    let address = listener.local_addr().expect("its address");
    let service = test_apps::service(&runtime);
    let server = Server::start(&runtime, listener, service, config, ServerOptions::default());
    Started { server, address, runtime }
}

impl Started {
    pub(crate) async fn connect(&self) -> Session {
        let transport =
            connect(self.address, &TcpOptions::default()).await.expect("a connection");
        Session::connect(&self.runtime, transport, Config::default()).await.expect("a HELLO")
    }
}

/// A new connection is served.
pub(crate) async fn echo_works(server: &Started) {
    let session = server.connect().await;
    let response = session.request(Head::new(ECHO), Bytes::from_static(b"on")).await.unwrap();
    assert_eq!(&response.body[..], b"on");
    session.close();
    session.closed().await;
}

/// Waits until something holds, at most 10 s.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(tokio::time::Instant::now() < deadline, "not within 10 s: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
