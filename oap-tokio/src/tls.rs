//! TLS 1.3 on tokio's streams.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use oap_core::driver::{Accepted, ConnectionInfo, HandshakeError, Listener, Transport, dial};
use oap_host::tcp::TcpOptions;
use oap_host::tls::{
    ByteStream, Rules, Silent, TlsClientConfig, TlsError, TlsReloader, TlsServerConfig, TlsStream,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::io::poll_shutdown;
use crate::tcp::{TcpListener, connect_stream};

/// TLS over a byte stream, client or server.
///
/// A peer that closes the stream without `close_notify` has ended it; that is no error, because
/// frames carry their length.
#[derive(Debug)]
pub struct TlsTransport<S = TcpStream>(TlsStream<Io<S>>);

impl<S> TlsTransport<S> {
    /// What is known of the connection.
    pub fn info(&self) -> &ConnectionInfo {
        self.0.info()
    }

    /// The stream below TLS.
    pub fn get_ref(&self) -> &S {
        &self.0.get_ref().0
    }

    /// The peer's certificates in DER, its own first; empty where it sent none.
    pub fn peer_certificates(&self) -> impl Iterator<Item = &[u8]> {
        self.0.peer_certificates()
    }
}

impl<S> TlsTransport<S>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    /// Begins a server's handshake on a connected `stream` of which `info` is known.
    pub fn accept(config: &TlsServerConfig, stream: S, info: ConnectionInfo) -> TlsHandshake<S> {
        TlsHandshake::accept(config, stream, info, deadline(config.rules()))
    }

    /// Begins a client's handshake on a connected `stream` of which `info` is known, and expects a
    /// certificate for `host`, or for the configured server name where there is one.
    ///
    /// # Errors
    /// [`TlsError::ServerName`] when `host` is neither a DNS name nor an IP address.
    pub fn connect(
        config: &TlsClientConfig,
        stream: S,
        host: &str,
        info: ConnectionInfo,
    ) -> Result<TlsHandshake<S>, TlsError> {
        let name = config.name_for(host)?;
        let connecting = TlsStream::connect(config, Io(stream), name, info);
        Ok(TlsHandshake::new(connecting, deadline(config.rules())))
    }
}

impl<S> Transport for TlsTransport<S>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    fn info(&self) -> &ConnectionInfo {
        self.0.info()
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<usize>> {
        self.0.poll_read(cx, buf)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, data: &mut dyn Buf) -> Poll<io::Result<usize>> {
        self.0.poll_write(cx, data)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_close(cx)
    }
}

/// A stream of tokio below TLS.
#[derive(Debug)]
struct Io<S>(S);

impl<S> ByteStream for Io<S>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buf = ReadBuf::new(buf);
        ready!(Pin::new(&mut self.0).poll_read(cx, &mut buf))?;
        Poll::Ready(Ok(buf.filled().len()))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        poll_shutdown(&mut self.0, cx)
    }
}

/// A TLS handshake under way. It fails with [`HandshakeError::TimedOut`] when the configured time,
/// counted from its beginning, is over.
#[must_use = "a future does nothing unless polled"]
pub struct TlsHandshake<S = TcpStream>(
    Pin<Box<dyn Future<Output = Result<TlsTransport<S>, HandshakeError>> + Send>>,
);

impl<S> Future for TlsHandshake<S> {
    type Output = Result<TlsTransport<S>, HandshakeError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl<S> TlsHandshake<S>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    fn accept(
        config: &TlsServerConfig,
        stream: S,
        info: ConnectionInfo,
        deadline: Instant,
    ) -> Self {
        Self::new(TlsStream::accept(config, Io(stream), info), deadline)
    }

    /// The handshake of a peer that has said nothing.
    fn timed_out() -> Self {
        Self(Box::pin(std::future::ready(Err(HandshakeError::TimedOut))))
    }

    fn new<F>(handshake: F, deadline: Instant) -> Self
    where
        F: Future<Output = Result<TlsStream<Io<S>>, HandshakeError>> + Send + 'static,
    {
        Self(Box::pin(async move {
            match timeout_at(deadline, handshake).await {
                Ok(shaken) => shaken.map(TlsTransport),
                Err(_) => Err(HandshakeError::TimedOut),
            }
        }))
    }
}

fn deadline(rules: &Rules) -> Instant {
    Instant::now() + rules.handshake_timeout()
}

/// A connection, what is known of it, and when its handshake has to be complete.
type Spoken = (TcpStream, ConnectionInfo, Instant);

/// A TCP listener whose connections speak TLS.
#[derive(Debug)]
pub struct TlsListener {
    tcp: TcpListener,
    config: TlsReloader,
    silent: Silent<Spoken>,
}

impl TlsListener {
    /// Speaks TLS on what `tcp` accepts.
    pub fn new(tcp: TcpListener, config: TlsServerConfig) -> Self {
        Self {
            tcp,
            config: TlsReloader::new(config),
            silent: Silent::default(),
        }
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn local_addr(&self) -> io::Result<std::net::SocketAddr> {
        self.tcp.local_addr()
    }

    /// A handle that replaces the configuration while the listener is in use elsewhere.
    pub fn reloader(&self) -> TlsReloader {
        self.config.clone()
    }
}

impl Listener for TlsListener {
    type Transport = TlsTransport;
    type Handshake = TlsHandshake;

    fn backend(&self) -> &'static str {
        "tls"
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted<TlsHandshake>>> {
        loop {
            if let Poll::Ready(outcome) = self.silent.poll_next(cx) {
                let accepted = |peer, handshake| Accepted { peer, handshake };
                return Poll::Ready(Ok(match outcome {
                    Some((stream, info, deadline)) => accepted(
                        info.peer_key(),
                        TlsHandshake::accept(&self.config.current(), stream, info, deadline),
                    ),
                    None => accepted(None, TlsHandshake::timed_out()),
                }));
            }
            let (stream, info) = ready!(self.tcp.poll_accept_stream(cx))?;
            let deadline = deadline(self.config.current().rules());
            self.silent.push(async move {
                // A stream that has ended or failed has spoken, too: the handshake will tell.
                let peeked = timeout_at(deadline, stream.peek(&mut [0])).await;
                peeked.is_ok().then_some((stream, info, deadline))
            });
        }
    }
}

/// Connects with TLS over TCP.
#[derive(Clone, Debug)]
pub struct TlsConnector {
    config: TlsClientConfig,
    options: TcpOptions,
}

impl TlsConnector {
    /// Connects as `config` and `options` say. Clones share the sessions to resume.
    pub fn new(config: TlsClientConfig, options: TcpOptions) -> Self {
        Self { config, options }
    }

    /// Connects to `address`, `"host:port"` or `"[::1]:port"`, and expects a certificate for the
    /// host, or for the configured server name where there is one.
    ///
    /// # Errors
    /// [`HandshakeError::TimedOut`] when connecting or the handshake takes too long,
    /// [`HandshakeError::Refused`] when the peer and we agree on nothing, else the stream's failure.
    pub async fn connect(&self, address: &str) -> Result<TlsTransport, HandshakeError> {
        dial("tls", async {
            let name = self.config.name_for_address(address)?;
            let (stream, info) = connect_stream(address, &self.options).await?;
            let connecting = TlsStream::connect(&self.config, Io(stream), name, info);
            TlsHandshake::new(connecting, deadline(self.config.rules())).await
        })
        .await
    }
}
