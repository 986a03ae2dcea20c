//! The server with the test applications, in memory, with or without a bug.

use std::future::{Ready, ready};
use std::io;
use std::task::{Context, Poll};

use oap_core::Config;
use oap_core::driver::{
    Accepted, ConnectionInfo, HandshakeError, Listener, Server, ServerOptions, test_apps,
};
use oap_tokio::config::AnyTransport;
use oap_tokio::{StreamTransport, TokioRuntime};
use tokio::io::{DuplexStream, duplex};
use tokio::sync::mpsc;

use super::{Bug, shim};
use crate::live::dial::Dial;
use crate::live::verdict::BoxFuture;

/// Bytes that a pipe holds.
pub(super) const PIPE: usize = 64 * 1024;

pub(super) type Pipe = StreamTransport<DuplexStream>;

/// A server in this process, and the way to it. It stops when this is dropped.
pub struct InMemory {
    bug: Option<&'static Bug>,
    connections: mpsc::UnboundedSender<Pipe>,
    _server: Server,
}

impl InMemory {
    /// Starts one on the present runtime.
    pub fn start(bug: Option<&'static Bug>) -> Self {
        let runtime = TokioRuntime::current();
        let (connections, accepted) = mpsc::unbounded_channel();
        let mut config = Config {
            transports: vec!["tcp".into()],
            ..Config::default()
        };
        if let Some(bug) = bug {
            (bug.config)(&mut config);
        }
        let server = Server::start(
            &runtime,
            Pipes(accepted),
            test_apps::service(&runtime),
            config,
            ServerOptions::default(),
        );
        Self {
            bug,
            connections,
            _server: server,
        }
    }
}

impl Dial for InMemory {
    fn dial(&self) -> BoxFuture<'_, io::Result<AnyTransport>> {
        let (near, client) = duplex(PIPE);
        let (server, far) = duplex(PIPE);
        let info = ConnectionInfo::new("pipe");
        let sent = self
            .connections
            .send(StreamTransport::new(far, info.clone()));
        tokio::spawn(shim::run(self.bug, client, server));
        let transport = AnyTransport::new(StreamTransport::new(near, info));
        let gone = || io::Error::from(io::ErrorKind::ConnectionRefused);
        Box::pin(ready(sent.map(|()| transport).map_err(|_| gone())))
    }

    fn transport(&self) -> &'static str {
        "pipe"
    }
}

/// Accepts what is dialled.
pub struct Pipes(pub(super) mpsc::UnboundedReceiver<Pipe>);

impl Listener for Pipes {
    type Transport = Pipe;
    type Handshake = Ready<Result<Pipe, HandshakeError>>;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted<Self::Handshake>>> {
        let Poll::Ready(Some(pipe)) = self.0.poll_recv(cx) else {
            return Poll::Pending;
        };
        Poll::Ready(Ok(Accepted {
            peer: None,
            handshake: ready(Ok(pipe)),
        }))
    }
}
