//! TLS 1.3 on tokio's streams.

use std::future::Future;
use std::io::{self, IoSlice, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use oap_core::driver::{Accepted, ConnectionInfo, HandshakeError, Listener, Transport, dial};
use oap_host::tcp::TcpOptions;
use oap_host::tls::{
    BUFFER_LIMIT, Rules, Silent, TlsClientConfig, TlsError, TlsReloader, TlsServerConfig, describe,
};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::{TlsAcceptor, TlsStream};

use crate::io::{BufferedIo, MAX_READ, MAX_SLICES, ReadSize, give_back};
use crate::tcp::{TcpListener, connect_stream};

/// TLS over a byte stream, client or server.
///
/// A peer that closes the stream without `close_notify` has ended it; that is no error, because
/// frames carry their length.
#[derive(Debug)]
pub struct TlsTransport<S = TcpStream> {
    stream: TlsStream<BufferedIo<S>>,
    info: ConnectionInfo,
    size: ReadSize,
    // A failure that came after bytes that were read: the next read tells.
    failure: Option<io::Error>,
}

impl<S> TlsTransport<S> {
    /// What is known of the connection.
    pub fn info(&self) -> &ConnectionInfo {
        &self.info
    }

    /// The stream below TLS.
    pub fn get_ref(&self) -> &S {
        self.stream.get_ref().0.get_ref()
    }

    /// The peer's certificates in DER, its own first; empty where it sent none.
    pub fn peer_certificates(&self) -> impl Iterator<Item = &[u8]> {
        let (_, session) = self.stream.get_ref();
        let chain = session.peer_certificates().unwrap_or_default();
        chain.iter().map(|certificate| certificate.as_ref())
    }

    fn new(stream: TlsStream<BufferedIo<S>>, mut info: ConnectionInfo) -> Self {
        let (_, session) = stream.get_ref();
        info.transport = "tls";
        info.tls = Some(describe(session));
        Self {
            stream,
            info,
            size: ReadSize::new(),
            failure: None,
        }
    }

    /// Hands plaintext of `data` to rustls until it takes no more, without touching the socket.
    fn encrypt(&mut self, data: &mut dyn Buf) -> io::Result<usize> {
        let mut writer = match &mut self.stream {
            TlsStream::Client(stream) => stream.get_mut().1.writer(),
            TlsStream::Server(stream) => stream.get_mut().1.writer(),
        };
        let mut total = 0;
        while data.has_remaining() {
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let used = data.chunks_vectored(&mut slices);
            let count = writer.write_vectored(&slices[..used])?;
            if count == 0 {
                break;
            }
            data.advance(count);
            total += count;
        }
        Ok(total)
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
        Ok(TlsHandshake::connect(config, stream, name, info))
    }
}

impl<S> Transport for TlsTransport<S>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    fn info(&self) -> &ConnectionInfo {
        &self.info
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<usize>> {
        if let Some(error) = self.failure.take() {
            return Poll::Ready(Err(error));
        }
        let mut total = 0;
        while total < MAX_READ {
            let count = match Pin::new(&mut self.stream).poll_fill_buf(cx) {
                Poll::Ready(Ok(plaintext)) => {
                    self.size.reserve(buf, plaintext.len());
                    buf.extend_from_slice(plaintext);
                    plaintext.len()
                }
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
                Poll::Ready(Err(error)) if total == 0 => return Poll::Ready(Err(error)),
                Poll::Ready(Err(error)) => {
                    self.failure = Some(error);
                    break;
                }
                Poll::Pending if total == 0 => {
                    give_back(buf);
                    return Poll::Pending;
                }
                Poll::Pending => break,
            };
            if count == 0 {
                break;
            }
            Pin::new(&mut self.stream).consume(count);
            total += count;
            let (io, session) = self.stream.get_ref();
            if io.is_drained() && session.wants_read() {
                break;
            }
        }
        self.size.record(total, total >= self.size.bytes());
        Poll::Ready(Ok(total))
    }

    // All that `data` holds is encrypted before the socket is written to, so that frames share
    // records and system calls. What an earlier call left goes first: rustls' buffer is no queue,
    // and a socket that takes nothing must be felt.
    fn poll_write(&mut self, cx: &mut Context<'_>, data: &mut dyn Buf) -> Poll<io::Result<usize>> {
        ready!(self.poll_flush(cx))?;
        let mut total = 0;
        while data.has_remaining() {
            let count = self.encrypt(data)?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            total += count;
            match self.poll_flush(cx) {
                Poll::Ready(result) => result?,
                Poll::Pending => break,
            }
        }
        Poll::Ready(Ok(total))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
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
        let acceptor = TlsAcceptor::from(config.rustls_config().clone());
        let handshake = acceptor.accept_with(BufferedIo::new(stream), |session| {
            session.set_buffer_limit(Some(BUFFER_LIMIT));
        });
        Self::new(handshake, info, *config.rules(), deadline)
    }

    fn connect(
        config: &TlsClientConfig,
        stream: S,
        name: ServerName<'static>,
        info: ConnectionInfo,
    ) -> Self {
        let connector = tokio_rustls::TlsConnector::from(config.rustls_config().clone());
        let handshake = connector.connect_with(name, BufferedIo::new(stream), |session| {
            session.set_buffer_limit(Some(BUFFER_LIMIT));
        });
        Self::new(handshake, info, *config.rules(), deadline(config.rules()))
    }

    /// The handshake of a peer that has said nothing.
    fn timed_out() -> Self {
        Self(Box::pin(std::future::ready(Err(HandshakeError::TimedOut))))
    }

    fn new<F, T>(handshake: F, info: ConnectionInfo, rules: Rules, deadline: Instant) -> Self
    where
        F: Future<Output = io::Result<T>> + Send + 'static,
        T: Into<TlsStream<BufferedIo<S>>> + Send,
    {
        let whole = async move {
            let stream = handshake.await.map_err(|error| rules.failure(error))?;
            let mut stream = stream.into();
            if let Err(error) = rules.check(stream.get_ref().1.alpn_protocol()) {
                // The refusal is told as an orderly end; that it arrives does not matter.
                let _ = stream.shutdown().await;
                return Err(error.into());
            }
            Ok(TlsTransport::new(stream, info))
        };
        Self(Box::pin(async move {
            timeout_at(deadline, whole)
                .await
                .unwrap_or(Err(HandshakeError::TimedOut))
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
            TlsHandshake::connect(&self.config, stream, name, info).await
        })
        .await
    }
}
