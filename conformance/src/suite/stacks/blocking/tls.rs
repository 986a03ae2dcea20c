//! TLS by hand: rustls between the bytes of a socket's threads and those of the protocol.

use std::future::poll_fn;
use std::io::{self, BufRead, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use oap_core::Timestamp;
use oap_core::driver::{
    Accepted, Clock, ConnectionInfo, HandshakeError, Listener, Runtime, Transport,
};
use oap_host::tls::{Rules, TlsClientConfig, TlsReloader, describe};
use rustls::{ClientConnection, Connection, ServerConnection};

use super::listen::StdListener;
use super::pipe::Pipe;
use super::runtime::{BlockingClock, BlockingRuntime};
use super::socket::Socket;
use super::transport::StdTransport;

/// Bytes that rustls may hold encrypted for a socket that takes no more. Its default of 64 KiB splits
/// a chunk with its header into an extra record and an extra write.
const BUFFER_LIMIT: usize = 256 * 1024;

/// A handshake under way, on whichever side.
pub(super) struct Handshake {
    session: Option<Result<Connection, HandshakeError>>,
    rules: Rules,
    clock: BlockingClock,
    deadline: Timestamp,
    block: BytesMut,
}

/// A session whose handshake is complete.
pub(super) struct Secured {
    session: Connection,
    block: BytesMut,
}

pub(super) fn handshake_as_client(
    config: &TlsClientConfig,
    runtime: &BlockingRuntime,
) -> Handshake {
    let session = config
        .name_for("localhost")
        .map_err(HandshakeError::from)
        .and_then(|name| {
            ClientConnection::new(config.rustls_config().clone(), name)
                .map_err(|error| config.rules().refusal(&error).into())
        });
    Handshake::new(session.map(Connection::from), *config.rules(), runtime)
}

impl Handshake {
    fn new(
        session: Result<Connection, HandshakeError>,
        rules: Rules,
        runtime: &BlockingRuntime,
    ) -> Self {
        let clock = runtime.clock();
        let session = session.map(|mut session| {
            session.set_buffer_limit(Some(BUFFER_LIMIT));
            session
        });
        Self {
            deadline: clock.now() + rules.handshake_timeout(),
            session: Some(session),
            rules,
            clock,
            block: BytesMut::new(),
        }
    }

    pub(super) fn poll<S: Socket>(
        &mut self,
        cx: &mut Context<'_>,
        transport: &mut StdTransport<S>,
    ) -> Poll<Result<Secured, HandshakeError>> {
        let Some(session) = self.session.take() else {
            return Poll::Pending;
        };
        let mut session = session?;
        loop {
            push(&mut session, &transport.outgoing)?;
            if !session.is_handshaking() {
                self.rules.check(session.alpn_protocol())?;
                transport.info.transport = "tls";
                transport.info.tls = Some(describe(&session));
                let block = std::mem::take(&mut self.block);
                return Poll::Ready(Ok(Secured { session, block }));
            }
            if self.clock.poll_deadline(cx, self.deadline).is_ready() {
                return Poll::Ready(Err(HandshakeError::TimedOut));
            }
            let Poll::Ready(block) = transport.incoming.poll_take(cx) else {
                self.session = Some(Ok(session));
                return Poll::Pending;
            };
            let block = block?;
            if block.is_empty() {
                let ended = io::Error::from(io::ErrorKind::UnexpectedEof);
                return Poll::Ready(Err(HandshakeError::Io(ended)));
            }
            self.block.unsplit(block);
            if let Err(error) = take_in(&mut session, &mut self.block) {
                // The peer is told by an alert, if it can still be told.
                push(&mut session, &transport.outgoing)?;
                return Poll::Ready(Err(self.rules.failure(error)));
            }
        }
    }
}

impl Secured {
    pub(super) fn over<S: Socket>(self, transport: StdTransport<S>) -> TlsTransport<S> {
        TlsTransport {
            session: self.session,
            block: self.block,
            transport,
            closing: false,
        }
    }
}

/// TLS over a socket and its threads.
pub(super) struct TlsTransport<S: Socket> {
    session: Connection,
    /// What has come and rustls has not taken in yet: it holds a limited amount of plaintext.
    block: BytesMut,
    transport: StdTransport<S>,
    closing: bool,
}

impl<S: Socket + Unpin> Transport for TlsTransport<S> {
    fn info(&self) -> &ConnectionInfo {
        &self.transport.info
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<usize>> {
        loop {
            match take_plain(&mut self.session, buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // Closed without `close_notify`: frames carry their length.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Poll::Ready(Ok(0));
                }
                result => return Poll::Ready(result),
            }
            if self.block.is_empty() {
                self.block = ready!(self.transport.incoming.poll_take(cx))?;
                if self.block.is_empty() {
                    self.session.read_tls(&mut io::empty())?;
                    continue;
                }
            }
            let taken = take_in(&mut self.session, &mut self.block);
            push(&mut self.session, &self.transport.outgoing)?;
            taken?;
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, data: &mut dyn Buf) -> Poll<io::Result<usize>> {
        let mut room = ready!(self.transport.outgoing.poll_room(cx))?;
        let mut total = 0;
        while room > 0 && data.has_remaining() {
            let chunk = data.chunk();
            let count = chunk.len().min(room);
            let count = self.session.writer().write(&chunk[..count])?;
            data.advance(count);
            room -= count;
            total += count;
            push(&mut self.session, &self.transport.outgoing)?;
        }
        Poll::Ready(Ok(total))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.transport.poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.closing {
            self.closing = true;
            self.session.send_close_notify();
            push(&mut self.session, &self.transport.outgoing)?;
        }
        self.transport.poll_close(cx)
    }
}

/// Moves the plaintext at hand into `buf`; `WouldBlock` if there is none.
fn take_plain(session: &mut Connection, buf: &mut BytesMut) -> io::Result<usize> {
    let before = buf.len();
    let mut reader = session.reader();
    loop {
        match reader.fill_buf() {
            Ok([]) => break,
            Ok(plain) => {
                buf.extend_from_slice(plain);
                let count = plain.len();
                reader.consume(count);
            }
            Err(_) if buf.len() > before => break,
            Err(error) => return Err(error),
        }
    }
    Ok(buf.len() - before)
}

/// Lets rustls take in what has come, until there is something to read.
fn take_in(session: &mut Connection, block: &mut BytesMut) -> io::Result<()> {
    while !block.is_empty() {
        let mut rest: &[u8] = block;
        let count = session.read_tls(&mut rest as &mut dyn Read)?;
        block.advance(count);
        let state = session
            .process_new_packets()
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        if count == 0 || state.plaintext_bytes_to_read() > 0 {
            break;
        }
    }
    Ok(())
}

/// Hands what rustls has to send to the thread that writes.
fn push(session: &mut Connection, outgoing: &Pipe) -> io::Result<()> {
    struct Put<'a>(&'a Pipe);

    impl Write for Put<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.put(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    while session.wants_write() {
        session.write_tls(&mut Put(outgoing))?;
    }
    Ok(())
}

/// A TCP listener whose connections speak TLS.
pub(super) struct TlsAcceptor {
    tcp: StdListener<TcpListener>,
    config: TlsReloader,
    runtime: BlockingRuntime,
}

impl TlsAcceptor {
    pub(super) fn new(
        tcp: StdListener<TcpListener>,
        config: TlsReloader,
        runtime: BlockingRuntime,
    ) -> Self {
        Self {
            tcp,
            config,
            runtime,
        }
    }
}

impl Listener for TlsAcceptor {
    type Transport = TlsTransport<TcpStream>;
    type Handshake = Pin<Box<dyn Future<Output = Result<Self::Transport, HandshakeError>> + Send>>;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted<Self::Handshake>>> {
        let socket = ready!(self.tcp.poll_accept_stream(cx))?;
        let config = self.config.current();
        let session = ServerConnection::new(Arc::clone(config.rustls_config()));
        let session = session
            .map(Connection::from)
            .map_err(|error| config.rules().refusal(&error).into());
        let mut handshake = Handshake::new(session, *config.rules(), &self.runtime);
        Poll::Ready(Ok(Accepted {
            peer: socket.describe().peer_key(),
            handshake: Box::pin(async move {
                let mut transport = StdTransport::new(socket)?;
                let secured = poll_fn(|cx| handshake.poll(cx, &mut transport)).await?;
                Ok(secured.over(transport))
            }),
        }))
    }
}
