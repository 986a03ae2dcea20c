//! TLS over any byte stream, on blocks that all connections of a thread share.

use std::cell::Cell;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use oap_core::driver::{ConnectionInfo, HandshakeError, Transport};
use rustls::pki_types::ServerName;

use super::records::{MAX_PLAINTEXT, Records};
use super::{Rules, TlsClientConfig, TlsServerConfig, describe};
use crate::room::Room;

/// Most that one read takes, in bytes: records of some requests, and the longest handshake message
/// that rustls takes.
const READ: usize = 64 * 1024;
/// Most that one write takes, in bytes: more than a chunk of 64 KiB with its header.
const WRITE: usize = 128 * 1024;

/// A byte stream below TLS, as an adapter supplies it. Every method follows the rules of a poll
/// function.
pub trait ByteStream: Send + Unpin + 'static {
    /// Reads into `buf` and returns how many bytes; 0 is the end of the stream.
    ///
    /// # Errors
    /// The stream's failure.
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Writes from `buf` and returns how many bytes.
    ///
    /// # Errors
    /// The stream's failure.
    fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>>;

    /// Hands everything written to the operating system.
    ///
    /// # Errors
    /// The stream's failure.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Closes the sending side.
    ///
    /// # Errors
    /// The stream's failure.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// TLS over a byte stream, client or server.
///
/// A peer that closes the stream without `close_notify` has ended it; that is no error, because
/// frames carry their length.
///
/// Ciphertext is read into a block of the thread's, decrypted there and appended to the reader's
/// buffer; what is written is encrypted into another block, from which it is sent. So reads and
/// writes are large ones, no buffer is made or cleared for them, and an idle connection holds none.
pub struct TlsStream<S> {
    stream: S,
    records: Box<Records>,
    info: ConnectionInfo,
    /// What has been read and is not a whole record or message yet.
    rest: Vec<u8>,
    /// Plaintext that came with the end of the handshake.
    early: BytesMut,
    /// That of the reader's buffer.
    room: Room,
    /// What the stream has not taken yet, and how much of it is sent.
    waiting: Vec<u8>,
    sent: usize,
    /// A failure that came after bytes that were read: the next read tells.
    failure: Option<rustls::Error>,
    read_ended: bool,
    close_notified: bool,
}

impl<S> TlsStream<S> {
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
        let chain = self.records.state().peer_certificates();
        let chain = chain.unwrap_or_default().iter();
        chain.map(|certificate| certificate.as_ref())
    }
}

impl<S> fmt::Debug for TlsStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream")
            .field("info", &self.info)
            .finish_non_exhaustive()
    }
}

// Handshakes.
impl<S: ByteStream> TlsStream<S> {
    /// Shakes hands as a server on a connected `stream` of which `info` is known. How long it takes
    /// is for the caller to bound.
    pub fn accept(
        config: &TlsServerConfig,
        stream: S,
        info: ConnectionInfo,
    ) -> impl Future<Output = Result<Self, HandshakeError>> + Send + use<S> {
        let rules = *config.rules();
        let records = Records::server(config.rustls_config().clone());
        Self::shake_hands(stream, info, rules, records)
    }

    /// Shakes hands as a client that expects a certificate for `name`, as [`TlsStream::accept`] does.
    pub fn connect(
        config: &TlsClientConfig,
        stream: S,
        name: ServerName<'static>,
        info: ConnectionInfo,
    ) -> impl Future<Output = Result<Self, HandshakeError>> + Send + use<S> {
        let rules = *config.rules();
        let records = Records::client(config.rustls_config().clone(), name);
        Self::shake_hands(stream, info, rules, records)
    }

    async fn shake_hands(
        stream: S,
        info: ConnectionInfo,
        rules: Rules,
        records: Result<Records, rustls::Error>,
    ) -> Result<Self, HandshakeError> {
        let mut tls = Self {
            stream,
            records: Box::new(records.map_err(|error| rules.refusal(&error))?),
            info,
            rest: Vec::new(),
            early: BytesMut::new(),
            room: Room::new(),
            waiting: Vec::new(),
            sent: 0,
            failure: None,
            read_ended: false,
            close_notified: false,
        };
        // A client speaks first.
        tls.failure = tls
            .records
            .process(&mut [], &mut tls.early, &mut tls.waiting)
            .1
            .err();
        poll_fn(|cx| tls.poll_handshake(cx, &rules)).await?;
        if let Err(error) = rules.check(tls.records.state().alpn_protocol()) {
            // The refusal is told as an orderly end; that it arrives does not matter.
            let _ = poll_fn(|cx| tls.poll_close(cx)).await;
            return Err(error.into());
        }
        if tls.early.is_empty() {
            tls.early = BytesMut::new();
        }
        tls.info.transport = "tls";
        tls.info.tls = Some(describe(tls.records.state()));
        Ok(tls)
    }

    fn poll_handshake(
        &mut self,
        cx: &mut Context<'_>,
        rules: &Rules,
    ) -> Poll<Result<(), HandshakeError>> {
        loop {
            if let Some(error) = self.failure.take() {
                // An alert tells the peer, if it can be told at once.
                let _ = self.poll_flush(cx);
                return Poll::Ready(Err(rules.refusal(&error).into()));
            }
            ready!(self.poll_flush(cx))?;
            if !self.records.state().is_handshaking() {
                return Poll::Ready(Ok(()));
            }
            if self.read_ended {
                return Poll::Ready(Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()));
            }
            let mut early = std::mem::take(&mut self.early);
            let read = self.poll_records(cx, &mut early);
            self.early = early;
            ready!(read)?;
        }
    }
}

impl<S: ByteStream> TlsStream<S> {
    /// One read of the stream, decrypted. Plaintext that came before a failure is kept, and so is
    /// the failure.
    fn poll_records(
        &mut self,
        cx: &mut Context<'_>,
        plaintext: &mut BytesMut,
    ) -> Poll<io::Result<()>> {
        let held = self.rest.len();
        if held >= READ {
            let message = "a message of TLS is too long";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, message)));
        }
        Blocks::with(|blocks| {
            let count = ready!(self.stream.poll_read(cx, &mut blocks.read[held..]))?;
            let block = &mut blocks.read[..held + count];
            block[..held].copy_from_slice(&self.rest);
            // It is shorter than its records.
            self.room.reserve(plaintext, block.len());
            let (used, processed) = self.records.process(block, plaintext, &mut self.waiting);
            let over = self.records.is_closed() || processed.is_err();
            if over || used == block.len() {
                self.rest = Vec::new();
            } else {
                self.rest.clear();
                self.rest.extend_from_slice(&block[used..]);
            }
            self.read_ended = count == 0 || over;
            self.failure = processed.err();
            Poll::Ready(Ok(()))
        })
    }

    /// Encrypts and sends as much of `data` as one block takes. What the stream does not take waits.
    fn encrypt(
        &mut self,
        cx: &mut Context<'_>,
        data: &mut dyn Buf,
        blocks: &mut Blocks,
    ) -> io::Result<()> {
        let (gather, block) = (&mut blocks.gather, &mut blocks.write);
        let filled = self.records.encrypt(&mut self.rest, data, gather, block)?;
        let mut encrypted = &block[..filled];
        while !encrypted.is_empty() {
            match self.stream.poll_write(cx, encrypted) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(count) => encrypted = &encrypted[count?..],
                Poll::Pending => {
                    if self.waiting.capacity() == 0 {
                        self.waiting = std::mem::take(&mut blocks.spare);
                    }
                    self.waiting.extend_from_slice(encrypted);
                    break;
                }
            }
        }
        Ok(())
    }

    /// Sends what the stream has not taken yet.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.waiting.len() {
            let count = ready!(self.stream.poll_write(cx, &self.waiting[self.sent..]))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += count;
        }
        if self.sent > 0 {
            let mut sent = std::mem::take(&mut self.waiting);
            self.sent = 0;
            sent.clear();
            Blocks::with(|blocks| blocks.keep(sent));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: ByteStream> Transport for TlsStream<S> {
    fn info(&self) -> &ConnectionInfo {
        &self.info
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<usize>> {
        let held = buf.len();
        if !self.early.is_empty() {
            buf.unsplit(std::mem::take(&mut self.early));
        }
        while buf.len() == held {
            if let Some(error) = self.failure.take() {
                self.read_ended = true;
                let error = io::Error::new(io::ErrorKind::InvalidData, error);
                return Poll::Ready(Err(error));
            }
            if self.read_ended {
                break;
            }
            if self.poll_records(cx, buf)?.is_pending() {
                self.room.give_back(buf);
                return Poll::Pending;
            }
            if !self.waiting.is_empty() {
                // An alert. A failure is the next write's.
                let _ = self.poll_flush(cx);
            }
            if buf.len() == held && !self.read_ended && self.failure.is_none() {
                // Records without plaintext may follow each other for ever: others get their turn.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
        Poll::Ready(Ok(buf.len() - held))
    }

    // All that `data` holds is encrypted before the stream is written to, so that frames share
    // records and system calls. What an earlier call left goes first: what waits is no queue, and a
    // stream that takes nothing must be felt.
    fn poll_write(&mut self, cx: &mut Context<'_>, data: &mut dyn Buf) -> Poll<io::Result<usize>> {
        ready!(self.poll_send(cx))?;
        let total = data.remaining();
        Blocks::with(|blocks| {
            while data.has_remaining() && self.waiting.is_empty() {
                self.encrypt(cx, data, blocks)?;
            }
            Poll::Ready(Ok(total - data.remaining()))
        })
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        self.stream.poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.close_notified {
            self.close_notified = true;
            // A connection that has failed has nothing to say.
            let _ = self.records.close(&mut self.rest, &mut self.waiting);
        }
        ready!(self.poll_flush(cx))?;
        self.stream.poll_close(cx)
    }
}

/// What all connections of a thread work on, one at a time. Zeroed once, it is what the next one
/// finds in the cache.
struct Blocks {
    read: Box<[u8]>,
    gather: Box<[u8]>,
    write: Box<[u8]>,
    /// Empty; for the next one whose stream does not take everything.
    spare: Vec<u8>,
}

thread_local! {
    static BLOCKS: Cell<Option<Box<Blocks>>> = const { Cell::new(None) };
}

impl Blocks {
    fn new() -> Self {
        let zeroed = |length| vec![0; length].into_boxed_slice();
        Self {
            read: zeroed(READ),
            gather: zeroed(MAX_PLAINTEXT),
            write: zeroed(WRITE),
            spare: Vec::new(),
        }
    }

    /// Takes an empty buffer back, if it is the larger one.
    fn keep(&mut self, spare: Vec<u8>) {
        if spare.capacity() > self.spare.capacity() {
            self.spare = spare;
        }
    }

    fn with<T>(act: impl FnOnce(&mut Self) -> T) -> T {
        // A stream that is TLS itself finds none and makes others.
        let mut blocks = BLOCKS.take().unwrap_or_else(|| Box::new(Self::new()));
        let result = act(&mut blocks);
        BLOCKS.set(Some(blocks));
        result
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::sync::{Arc, Mutex};
    use std::task::Waker;

    use futures_util::FutureExt;
    use rustls::ClientConnection;

    use super::*;
    use crate::tls::localhost;

    /// A stream in memory, whose other end is the test.
    #[derive(Clone, Default)]
    struct Wire(Arc<Mutex<Ends>>);

    #[derive(Default)]
    struct Ends {
        to_server: Vec<u8>,
        to_client: Vec<u8>,
        /// The stream takes nothing.
        full: bool,
    }

    impl ByteStream for Wire {
        fn poll_read(&mut self, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
            let bytes = &mut self.0.lock().unwrap().to_server;
            if bytes.is_empty() {
                return Poll::Pending;
            }
            let count = bytes.len().min(buf.len());
            buf[..count].copy_from_slice(&bytes[..count]);
            bytes.drain(..count);
            Poll::Ready(Ok(count))
        }

        fn poll_write(&mut self, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            let mut ends = self.0.lock().unwrap();
            if ends.full {
                return Poll::Pending;
            }
            ends.to_client.extend_from_slice(buf);
            Poll::Ready(Ok(buf.len()))
        }

        fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    impl Wire {
        /// Carries what either side has to say.
        fn carry(&self, client: &mut ClientConnection) {
            let mut ends = self.0.lock().unwrap();
            let said = std::mem::take(&mut ends.to_client);
            let mut said = said.as_slice();
            while !said.is_empty() {
                client.read_tls(&mut said).unwrap();
                client.process_new_packets().unwrap();
            }
            while client.wants_write() {
                client.write_tls(&mut ends.to_server).unwrap();
            }
        }
    }

    /// A server, the wire, and a client that is no part of this crate.
    fn connected() -> (TlsStream<Wire>, Wire, ClientConnection) {
        let (server, client) = localhost::configs();
        let name = client.name_for("localhost").unwrap();
        let mut client = ClientConnection::new(client.rustls_config().clone(), name).unwrap();
        let wire = Wire::default();
        let info = ConnectionInfo::new("tcp");
        let handshake = TlsStream::accept(&server, wire.clone(), info);
        let mut handshake = Box::pin(handshake);
        let server = loop {
            wire.carry(&mut client);
            if let Some(server) = handshake.as_mut().now_or_never() {
                break server.unwrap();
            }
        };
        wire.carry(&mut client);
        (server, wire, client)
    }

    fn read(server: &mut TlsStream<Wire>, buf: &mut BytesMut) -> Poll<io::Result<usize>> {
        server.poll_read(&mut Context::from_waker(Waker::noop()), buf)
    }

    #[test]
    fn new_keys_are_answered() {
        let (mut server, wire, mut client) = connected();
        let mut buf = BytesMut::new();
        for round in 0..100_u8 {
            client.refresh_traffic_keys().unwrap();
            client.writer().write_all(&[round]).unwrap();
            wire.carry(&mut client);
            assert!(matches!(read(&mut server, &mut buf), Poll::Ready(Ok(1))));
            assert_eq!(buf.split()[..], [round]);
            let mut cx = Context::from_waker(Waker::noop());
            let written = server.poll_write(&mut cx, &mut &[round][..]);
            assert!(matches!(written, Poll::Ready(Ok(1))));
            wire.carry(&mut client);
            let mut answer = [0; 2];
            assert_eq!(client.reader().read(&mut answer).unwrap(), 1);
            assert_eq!(answer[0], round);
        }
    }

    #[test]
    fn who_asks_for_keys_and_never_reads_them_makes_nothing_wait() {
        let (mut server, wire, mut client) = connected();
        wire.0.lock().unwrap().full = true;
        let mut buf = BytesMut::new();
        for _ in 0..2_000 {
            client.refresh_traffic_keys().unwrap();
            client.writer().write_all(b"x").unwrap();
            wire.carry(&mut client);
            assert!(matches!(read(&mut server, &mut buf), Poll::Ready(Ok(1))));
            buf.clear();
            assert!(server.waiting.len() < 1_000);
        }
    }

    #[test]
    fn a_read_without_plaintext_lets_others_have_their_turn() {
        let (mut server, wire, mut client) = connected();
        let mut buf = BytesMut::new();
        for _ in 0..3 {
            client.refresh_traffic_keys().unwrap();
            wire.carry(&mut client);
        }
        assert!(read(&mut server, &mut buf).is_pending());
        assert!(wire.0.lock().unwrap().to_server.is_empty());
        client.send_close_notify();
        wire.carry(&mut client);
        assert!(matches!(read(&mut server, &mut buf), Poll::Ready(Ok(0))));
    }
}
