//! Connections of tokio that one thread accepts and another one serves: sockets are registered with
//! the event loop of a thread, and waking another thread for each read would cost more than the
//! read.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use oap_core::driver::{Accepted, HandshakeError, Listener, Transport};
use oap_host::tls::Silent;
use oap_tokio::{
    PeerKey, StreamTransport, TcpListener, TcpTransport, TlsReloader, TlsServerConfig, TlsTransport,
};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::time::timeout;

type Handshake<T> = Pin<Box<dyn Future<Output = Result<T, HandshakeError>> + Send>>;

/// A socket that can change its event loop.
pub(super) trait Move: Sized {
    /// Registers it with the event loop of the calling thread instead.
    fn move_here(self) -> io::Result<Self>;
}

impl Move for TcpStream {
    fn move_here(self) -> io::Result<Self> {
        Self::from_std(self.into_std()?)
    }
}

#[cfg(unix)]
impl Move for UnixStream {
    fn move_here(self) -> io::Result<Self> {
        Self::from_std(self.into_std()?)
    }
}

fn move_here<S: Move>(transport: StreamTransport<S>) -> io::Result<StreamTransport<S>> {
    let (stream, info) = transport.into_parts();
    Ok(StreamTransport::new(stream.move_here()?, info))
}

/// A listener of plain streams.
pub(super) struct Moved<L>(pub(super) L);

impl<L, S> Listener for Moved<L>
where
    L: Listener<Transport = StreamTransport<S>>,
    StreamTransport<S>: Transport,
    S: Move + 'static,
{
    type Transport = StreamTransport<S>;
    type Handshake = Handshake<Self::Transport>;

    fn backend(&self) -> &'static str {
        self.0.backend()
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted<Self::Handshake>>> {
        let Accepted { peer, handshake } = ready!(self.0.poll_accept(cx))?;
        Poll::Ready(Ok(Accepted {
            peer,
            handshake: Box::pin(async move { Ok(move_here(handshake.await?)?) }),
        }))
    }
}

/// A listener of TLS over TCP, as `oap_tokio::TlsListener`.
pub(super) struct MovedTls {
    tcp: TcpListener,
    config: TlsReloader,
    silent: Silent<TcpTransport>,
}

impl MovedTls {
    pub(super) fn new(tcp: TcpListener, config: TlsServerConfig) -> Self {
        Self {
            tcp,
            config: TlsReloader::new(config),
            silent: Silent::default(),
        }
    }

    pub(super) fn reloader(&self) -> TlsReloader {
        self.config.clone()
    }

    /// Holds a connection back until its peer has spoken, so that silent ones take no place among
    /// the handshakes.
    fn hold(&mut self, accepted: Accepted<<TcpListener as Listener>::Handshake>) {
        let time = self.config.current().rules().handshake_timeout();
        self.silent.push(async move {
            let transport = accepted.handshake.await.ok()?;
            let peeked = timeout(time, transport.get_ref().peek(&mut [0])).await;
            // A stream that has ended or failed has spoken, too: the handshake will tell.
            peeked.is_ok().then_some(transport)
        });
    }

    fn begin(&self, transport: TcpTransport) -> Handshake<TlsTransport> {
        let config = self.config.current();
        Box::pin(async move {
            let (stream, info) = move_here(transport)?.into_parts();
            TlsTransport::accept(&config, stream, info).await
        })
    }
}

impl Listener for MovedTls {
    type Transport = TlsTransport;
    type Handshake = Handshake<TlsTransport>;

    fn backend(&self) -> &'static str {
        "tls"
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted<Self::Handshake>>> {
        loop {
            if let Poll::Ready(outcome) = self.silent.poll_next(cx) {
                let (peer, handshake): (Option<PeerKey>, Self::Handshake) = match outcome {
                    Some(transport) => (transport.info().peer_key(), self.begin(transport)),
                    None => (None, Box::pin(async { Err(HandshakeError::TimedOut) })),
                };
                return Poll::Ready(Ok(Accepted { peer, handshake }));
            }
            let accepted = ready!(self.tcp.poll_accept(cx))?;
            self.hold(accepted);
        }
    }
}
