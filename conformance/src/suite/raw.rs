//! A peer that speaks frames by hand.

mod quic;

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use oap_core::Code;
use oap_core::wire::{Decoder, Flags, Frame, Header, MAX_FRAME, MIN_LEN};
use rustls::{ClientConnection, StreamOwned};

use super::{Target, Wire};
use quic::QuicLane;

/// How long a read may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// A write that makes no progress for this long is blocked: the peer has stopped reading.
const STALLED: Duration = Duration::from_millis(200);

/// A client that does only what it is told to.
pub struct Raw {
    stream: Box<dyn Stream>,
    decoder: Decoder,
    input: BytesMut,
}

trait Stream: Read + Write + Send {}

impl<S: Read + Write + Send> Stream for S {}

impl Raw {
    /// The flags of a request of one frame: REQ, START and END.
    pub const ONE_SHOT: Flags = Flags::from_bits(0x19);

    /// A frame of a client.
    pub fn frame(flags: Flags, app_proto_id: u16, corr_id: u64, payload: &[u8]) -> Vec<u8> {
        let header = Header {
            len: MIN_LEN + payload.len() as u32,
            flags,
            code: Code::OK,
            app_proto_id,
            tenant_id: 0,
            cap_len: 0,
            corr_id,
        };
        let mut frame = header.encode().to_vec();
        frame.extend_from_slice(payload);
        frame
    }

    /// Connects, with the TLS handshake where there is one. On QUIC it has the first lane.
    ///
    /// # Errors
    /// What the operating system or the handshake says.
    pub fn connect(target: &Target) -> io::Result<Self> {
        let stream: Box<dyn Stream> = match target.wire {
            Wire::Tcp => Box::new(connect_tcp(target)?),
            Wire::Tls => {
                let config = target.trust.client_config();
                let name = "localhost".try_into().map_err(io::Error::other)?;
                let session = ClientConnection::new(Arc::clone(config.rustls_config()), name);
                let mut socket = connect_tcp(target)?;
                let mut session = session.map_err(io::Error::other)?;
                while session.is_handshaking() {
                    session.complete_io(&mut socket)?;
                }
                Box::new(StreamOwned::new(session, socket))
            }
            Wire::Uds => {
                let stream = UnixStream::connect(target.path())?;
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(STALLED))?;
                Box::new(stream)
            }
            Wire::Quic => Box::new(QuicLane::connect(target)?),
        };
        Ok(Self {
            stream,
            decoder: Decoder::new(MAX_FRAME),
            input: BytesMut::new(),
        })
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// What the stream says.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// Sends these bytes again and again until `limit` or until the peer takes no more, and returns
    /// how many whole times it took them.
    pub fn send_until_stalled(&mut self, bytes: &[u8], limit: usize) -> usize {
        (0..limit).take_while(|_| self.send(bytes).is_ok()).count()
    }

    /// The next frame; `None` at the end of the stream.
    ///
    /// # Errors
    /// What the stream says; a malformed frame.
    pub fn receive(&mut self) -> io::Result<Option<Frame>> {
        let mut block = [0; 4_096];
        loop {
            match self.decoder.decode(&mut self.input) {
                Ok(Some(frame)) => return Ok(Some(frame)),
                Ok(None) => {}
                Err(fault) => return Err(io::Error::other(format!("{fault:?}"))),
            }
            match self.stream.read(&mut block) {
                Ok(0) => return Ok(None),
                Ok(count) => self.input.extend_from_slice(&block[..count]),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }
}

fn connect_tcp(target: &Target) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(target.socket())?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(STALLED))?;
    Ok(stream)
}
