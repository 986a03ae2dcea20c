//! TLS 1.3, by rustls on aws-lc-rs.

mod client;
mod error;
mod keys;
mod server;
mod silent;

use std::future::Future;
use std::io::{self, IoSlice, Write};
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use oap_core::driver::{HandshakeError, Listener, Transport};
use rustls::crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs};
use rustls::{CommonState, HandshakeKind};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsStream;

use crate::io::{BufferedIo, ConnectionInfo, MAX_READ, MAX_SLICES, ReadSize, TlsInfo, give_back};
use crate::tcp::{TcpListener, TcpOptions, connect_stream};

use silent::Silent;

pub use client::{TlsClientConfig, TlsClientConfigBuilder};
pub use error::TlsError;
pub use server::{TlsServerConfig, TlsServerConfigBuilder};

/// The application protocol that OAP/1 negotiates (OAP-11-2).
const ALPN: &[u8] = b"oap/1";

/// Time for a handshake unless set otherwise.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes that rustls may hold encrypted for a socket that takes no more. Its default of 64 KiB
/// splits a chunk with its header into an extra record and an extra write.
const BUFFER_LIMIT: usize = 256 * 1024;

/// What to do about a peer that negotiates no application protocol. A peer that wants another one
/// than `oap/1` is always refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AlpnPolicy {
    /// Refuse it.
    #[default]
    Required,
    /// Go on with it.
    Optional,
}

/// Whether the key exchange resists an attacker who records now and has a quantum computer later
/// (OAP-11-4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PqMode {
    /// Classical groups only.
    Off,
    /// X25519MLKEM768 preferred, classical groups accepted.
    #[default]
    Hybrid,
    /// X25519MLKEM768 or nothing: classical peers are refused with `pq_policy`.
    Require,
}

impl PqMode {
    fn groups(self) -> Vec<&'static dyn SupportedKxGroup> {
        use aws_lc_rs::kx_group::{SECP256R1, SECP384R1, X25519, X25519MLKEM768};
        match self {
            Self::Off => vec![X25519, SECP256R1, SECP384R1],
            Self::Hybrid => vec![X25519MLKEM768, X25519, SECP256R1, SECP384R1],
            Self::Require => vec![X25519MLKEM768],
        }
    }

    // The provider is named, so that a process default cannot weaken it.
    fn provider(self) -> Arc<CryptoProvider> {
        use aws_lc_rs::cipher_suite::{
            TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
        };
        Arc::new(CryptoProvider {
            cipher_suites: vec![
                TLS13_AES_256_GCM_SHA384,
                TLS13_AES_128_GCM_SHA256,
                TLS13_CHACHA20_POLY1305_SHA256,
            ],
            kx_groups: self.groups(),
            ..aws_lc_rs::default_provider()
        })
    }
}

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

impl<S> Transport for TlsTransport<S>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
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
/// counted from the first poll, is over.
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
            match handshake.await {
                Ok(stream) => rules.check(stream.into(), info).await,
                Err(error) => Err(rules.failure(error)),
            }
        };
        Self(Box::pin(async move {
            timeout_at(deadline, whole)
                .await
                .unwrap_or(Err(HandshakeError::TimedOut))
        }))
    }
}

/// A TCP listener whose connections speak TLS.
#[derive(Debug)]
pub struct TlsListener {
    tcp: TcpListener,
    config: Arc<RwLock<TlsServerConfig>>,
    silent: Silent,
}

impl TlsListener {
    /// Speaks TLS on what `tcp` accepts.
    pub fn new(tcp: TcpListener, config: TlsServerConfig) -> Self {
        Self {
            tcp,
            config: Arc::new(RwLock::new(config)),
            silent: Silent::default(),
        }
    }

    fn current(&self) -> RwLockReadGuard<'_, TlsServerConfig> {
        self.config.read().unwrap_or_else(PoisonError::into_inner)
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
        TlsReloader(self.config.clone())
    }
}

impl Listener for TlsListener {
    type Transport = TlsTransport;
    type Handshake = TlsHandshake;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<TlsHandshake>> {
        loop {
            if let Poll::Ready(outcome) = self.silent.poll_next(cx) {
                return Poll::Ready(Ok(match outcome {
                    Some((stream, info, deadline)) => {
                        self.current().accept_by(stream, info, deadline)
                    }
                    None => TlsHandshake::timed_out(),
                }));
            }
            if self.silent.is_full() {
                return Poll::Pending;
            }
            let (stream, info) = ready!(self.tcp.poll_accept_stream(cx))?;
            let deadline = self.current().handshake_deadline();
            self.silent.push(stream, info, deadline);
        }
    }
}

/// Replaces the configuration of a [`TlsListener`].
#[derive(Clone, Debug)]
pub struct TlsReloader(Arc<RwLock<TlsServerConfig>>);

impl TlsReloader {
    /// Connections accepted from now on use `config`; established ones go on as they are. Its
    /// ticket keys are new, so sessions of the old configuration are not resumed.
    pub fn replace(&self, config: TlsServerConfig) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = config;
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
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = self.config.name_for(host)?;
        let (stream, info) = connect_stream(address, &self.options).await?;
        self.config.handshake(stream, name, info).await
    }
}

/// What a handshake has to satisfy beyond what rustls enforces.
#[derive(Clone, Copy, Debug)]
struct Rules {
    alpn: AlpnPolicy,
    pq: PqMode,
    handshake_timeout: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            alpn: AlpnPolicy::default(),
            pq: PqMode::default(),
            handshake_timeout: HANDSHAKE_TIMEOUT,
        }
    }
}

impl Rules {
    // rustls refuses a wrong protocol, but lets a peer pass that names none.
    async fn check<S>(
        self,
        mut stream: TlsStream<BufferedIo<S>>,
        info: ConnectionInfo,
    ) -> Result<TlsTransport<S>, HandshakeError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let negotiated = stream.get_ref().1.alpn_protocol();
        if negotiated.is_none() && self.alpn == AlpnPolicy::Required {
            // The refusal is told as an orderly end; that it arrives does not matter.
            let _ = stream.shutdown().await;
            return Err(TlsError::NoAlpn.into());
        }
        Ok(TlsTransport::new(stream, info))
    }

    fn failure(self, error: io::Error) -> HandshakeError {
        let Some(inner) = error.get_ref() else {
            return HandshakeError::Io(error);
        };
        match inner.downcast_ref::<rustls::Error>() {
            Some(inner) => TlsError::of_handshake(inner, self.pq).into(),
            None => HandshakeError::Io(error),
        }
    }
}

fn describe(session: &CommonState) -> TlsInfo {
    let group = session.negotiated_key_exchange_group();
    let cipher = session.negotiated_cipher_suite();
    TlsInfo {
        version: session
            .protocol_version()
            .and_then(|version| version.as_str())
            .unwrap_or("unknown"),
        group: group
            .and_then(|group| group.name().as_str())
            .unwrap_or("unknown"),
        cipher: cipher
            .and_then(|suite| suite.suite().as_str())
            .unwrap_or("unknown"),
        alpn: session
            .alpn_protocol()
            .map(|name| String::from_utf8_lossy(name).into_owned()),
        resumed: session.handshake_kind() == Some(HandshakeKind::Resumed),
    }
}
