//! TLS 1.3 on any stream of futures: futures-rustls shakes hands, then rustls works on blocks.

use std::future::Future;
use std::io::{self, BufRead, IoSlice, Write};
use std::net::TcpStream;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Buf, BytesMut};
use futures_rustls::{TlsAcceptor, TlsStream};
use futures_util::{AsyncRead, AsyncWrite, AsyncWriteExt};
use oap_core::driver::{Accepted, ConnectionInfo, HandshakeError, Listener, Transport, dial};
use oap_host::tcp::TcpOptions;
use oap_host::tls::{
    BUFFER_LIMIT, Rules, Silent, TlsClientConfig, TlsError, TlsReloader, TlsServerConfig, describe,
};
use rustls::Connection;
use rustls::pki_types::ServerName;

use crate::io::{MAX_SLICES, Socket, give_back, poll_close, poll_read_block};
use crate::runtime::before;
use crate::tcp::{TcpListener, connect_stream};

/// TLS over a byte stream, client or server.
///
/// A peer that closes the stream without `close_notify` has ended it; that is no error, because
/// frames carry their length.
#[derive(Debug)]
pub struct TlsTransport<S = Socket<TcpStream>> {
    stream: S,
    session: Box<Connection>,
    info: ConnectionInfo,
    // A failure that came after bytes that were read: the next read tells.
    failure: Option<io::Error>,
    read_ended: bool,
    close_notified: bool,
}

impl<S> TlsTransport<S> {
    /// What is known of the connection.
    pub fn info(&self) -> &ConnectionInfo {
        &self.info
    }

    /// The stream below TLS.
    pub fn get_ref(&self) -> &S {
        &self.stream
    }

    /// The peer's certificates in DER, its own first; empty where it sent none.
    pub fn peer_certificates(&self) -> impl Iterator<Item = &[u8]> {
        let chain = self.session.peer_certificates().unwrap_or_default();
        chain.iter().map(|certificate| certificate.as_ref())
    }

    fn new(stream: TlsStream<S>, mut info: ConnectionInfo) -> Self {
        let (stream, session) = match stream {
            TlsStream::Client(stream) => {
                let (stream, session) = stream.into_inner();
                (stream, Connection::from(session))
            }
            TlsStream::Server(stream) => {
                let (stream, session) = stream.into_inner();
                (stream, Connection::from(session))
            }
        };
        info.transport = "tls";
        info.tls = Some(describe(&session));
        Self {
            stream,
            session: Box::new(session),
            info,
            failure: None,
            read_ended: false,
            close_notified: false,
        }
    }

    /// Hands plaintext of `data` to rustls until it takes no more, without touching the socket.
    fn encrypt(&mut self, data: &mut dyn Buf) -> io::Result<usize> {
        let mut total = 0;
        while data.has_remaining() {
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let used = data.chunks_vectored(&mut slices);
            let count = self.session.writer().write_vectored(&slices[..used])?;
            if count == 0 {
                break;
            }
            data.advance(count);
            total += count;
        }
        Ok(total)
    }
}

/// Appends the plaintext of all `records` to `buf`. Returns whether the peer may send more.
fn decrypt(session: &mut Connection, mut records: &[u8], buf: &mut BytesMut) -> io::Result<bool> {
    // Plaintext is shorter.
    buf.reserve(records.len());
    while !records.is_empty() {
        // It takes 4 KiB or what a record needs.
        session.read_tls(&mut records)?;
        let processed = session.process_new_packets();
        take_plaintext(session, buf);
        let state = processed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        if state.peer_has_closed() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn take_plaintext(session: &mut Connection, buf: &mut BytesMut) {
    let mut reader = session.reader();
    // The error is that there is no more at present.
    while let Ok(plaintext) = reader.fill_buf() {
        if plaintext.is_empty() {
            break;
        }
        let count = plaintext.len();
        buf.extend_from_slice(plaintext);
        reader.consume(count);
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

    /// One read of the stream, decrypted. Bytes that came before a failure are kept, and so is it.
    fn poll_block(&mut self, cx: &mut Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<()>> {
        let Self {
            stream, session, ..
        } = self;
        let mut decrypted = Ok(true);
        let read = poll_read_block(stream, cx, |records| {
            decrypted = decrypt(session, records, buf);
        });
        let count = ready!(read)?;
        self.read_ended = count == 0 || matches!(decrypted, Ok(false));
        self.failure = decrypted.err();
        if self.session.wants_write() {
            // An alert, or new keys that were asked for. A failure is the next write's.
            let _ = self.poll_flush(cx);
        }
        Poll::Ready(Ok(()))
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
        let held = buf.len();
        // What came with the end of the handshake.
        take_plaintext(&mut self.session, buf);
        while buf.len() == held {
            if let Some(error) = self.failure.take() {
                return Poll::Ready(Err(error));
            }
            if self.read_ended {
                break;
            }
            if self.poll_block(cx, buf)?.is_pending() {
                give_back(buf);
                return Poll::Pending;
            }
        }
        Poll::Ready(Ok(buf.len() - held))
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
        while self.session.wants_write() {
            let mut socket = WouldBlock {
                stream: &mut self.stream,
                cx,
            };
            match self.session.write_tls(&mut socket) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                result => result?,
            };
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.close_notified {
            self.close_notified = true;
            self.session.send_close_notify();
        }
        ready!(self.poll_flush(cx))?;
        poll_close(&mut self.stream, cx)
    }
}

/// A stream as rustls writes to it: what is pending would block.
struct WouldBlock<'a, 'b, S> {
    stream: &'a mut S,
    cx: &'a mut Context<'b>,
}

impl<S: AsyncWrite + Unpin> Write for WouldBlock<'_, '_, S> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(buf)])
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        match Pin::new(&mut *self.stream).poll_write_vectored(self.cx, bufs) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A TLS handshake under way. It fails with [`HandshakeError::TimedOut`] when the configured time,
/// counted from its beginning, is over.
#[must_use = "a future does nothing unless polled"]
pub struct TlsHandshake<S = Socket<TcpStream>>(
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
        let handshake = acceptor.accept_with(stream, |session| {
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
        let connector = futures_rustls::TlsConnector::from(config.rustls_config().clone());
        let handshake = connector.connect_with(name, stream, |session| {
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
        T: Into<TlsStream<S>> + Send,
    {
        let whole = async move {
            let stream = handshake.await.map_err(|error| rules.failure(error))?;
            let mut stream = stream.into();
            if let Err(error) = rules.check(stream.get_ref().1.alpn_protocol()) {
                // The refusal is told as an orderly end; that it arrives does not matter.
                let _ = stream.close().await;
                return Err(error.into());
            }
            Ok(TlsTransport::new(stream, info))
        };
        Self(Box::pin(async move {
            before(deadline, whole)
                .await
                .unwrap_or(Err(HandshakeError::TimedOut))
        }))
    }
}

fn deadline(rules: &Rules) -> Instant {
    Instant::now() + rules.handshake_timeout()
}

/// A connection, what is known of it, and when its handshake has to be complete.
type Spoken = (Socket<TcpStream>, ConnectionInfo, Instant);

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
                let peeked = before(deadline, stream.get_ref().peek(&mut [0])).await;
                peeked.is_some().then_some((stream, info, deadline))
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
