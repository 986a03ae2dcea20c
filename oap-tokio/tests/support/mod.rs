//! A server of the test applications on a port of its own.
#![allow(dead_code, reason = "each test binary uses its part")]

pub(crate) mod streams;
pub(crate) mod tls;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use oap_core::driver::test_apps::{self, ECHO};
use oap_tokio::*;

/// Time for a handshake at the server, well below that at the client.
const HANDSHAKE: Duration = Duration::from_secs(1);

/// What the frames travel on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Tcp,
    Tls,
}

pub(crate) struct Started {
    pub(crate) server: Server,
    pub(crate) address: SocketAddr,
    pub(crate) runtime: TokioRuntime,
    pub(crate) tls: Option<TlsConnector>,
}

pub(crate) async fn start() -> Started {
    start_over(Over::Tcp, Config::default()).await
}

pub(crate) async fn start_with(config: Config) -> Started {
    start_over(Over::Tcp, config).await
}

pub(crate) async fn start_over(over: Over, config: Config) -> Started {
    let runtime = TokioRuntime::current();
    start_service(over, config, test_apps::service(&runtime)).await
}

pub(crate) async fn start_service(over: Over, config: Config, service: Service) -> Started {
    let runtime = TokioRuntime::current();
    let listener = TcpListener::bind("127.0.0.1:0", &TcpOptions::default())
        .await
        .expect("a port");
    let address = listener.local_addr().expect("its address");
    let options = ServerOptions::default();
    let (server, tls) = match over {
        Over::Tcp => (
            Server::start(&runtime, listener, service, config, options),
            None,
        ),
        Over::Tls => {
            let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])
                .expect("a certificate");
            let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
            let served = TlsServerConfig::builder()
                .pem(chain.clone(), key)
                .handshake_timeout(HANDSHAKE)
                .build();
            let listener = TlsListener::new(listener, served.expect("a TLS configuration"));
            let trusted = TlsClientConfig::builder().ca_pem(chain).build();
            let trusted = trusted.expect("a TLS configuration");
            let connector = TlsConnector::new(trusted, TcpOptions::default());
            (
                Server::start(&runtime, listener, service, config, options),
                Some(connector),
            )
        }
    };
    Started {
        server,
        address,
        runtime,
        tls,
    }
}

impl Started {
    pub(crate) async fn connect(&self) -> Session {
        let config = Config::default();
        let session = match &self.tls {
            None => {
                let transport = connect(self.address, &TcpOptions::default()).await;
                Session::connect(&self.runtime, transport.expect("a connection"), config).await
            }
            Some(connector) => {
                let transport = connector.connect(&self.address.to_string()).await;
                Session::connect(&self.runtime, transport.expect("a connection"), config).await
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
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(
            tokio::time::Instant::now() < deadline,
            "not within 10 s: {what}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
