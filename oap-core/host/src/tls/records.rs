//! TLS records without a socket: rustls works on buffers of ours.

use std::io;
use std::sync::Arc;

use bytes::{Buf, BytesMut};
use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::pki_types::ServerName;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, UnbufferedStatus, WriteTraffic};
use rustls::{ClientConfig, CommonState, Error, ServerConfig};

/// Most plaintext of one record.
pub(super) const MAX_PLAINTEXT: usize = 16 * 1024;

/// Room that one record may take, beside what rustls has to say first: new keys, an alert.
const RECORD_ROOM: usize = MAX_PLAINTEXT + 1024;

/// Room that the end takes, beside the same.
const CLOSE_ROOM: usize = 1024;

/// One end of a TLS connection.
pub(super) struct Records {
    end: End,
    /// The peer has said that it sends nothing more.
    closed: bool,
    /// Why nothing can be done any more.
    failed: Option<Error>,
}

enum End {
    Client(UnbufferedClientConnection),
    Server(UnbufferedServerConnection),
}

impl Records {
    pub(super) fn client(
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> Result<Self, Error> {
        let client = UnbufferedClientConnection::new(config, name)?;
        Ok(Self::new(End::Client(client)))
    }

    pub(super) fn server(config: Arc<ServerConfig>) -> Result<Self, Error> {
        let server = UnbufferedServerConnection::new(config)?;
        Ok(Self::new(End::Server(server)))
    }

    fn new(end: End) -> Self {
        Self {
            end,
            closed: false,
            failed: None,
        }
    }

    /// What is known of the connection.
    pub(super) fn state(&self) -> &CommonState {
        match &self.end {
            End::Client(client) => client.state(),
            End::Server(server) => server.state(),
        }
    }

    /// Whether the peer has said that it sends nothing more.
    pub(super) const fn is_closed(&self) -> bool {
        self.closed
    }

    /// Takes what `records` holds, decrypting it in place. Plaintext is appended to `plaintext`, and
    /// what the peer has to be told to `out`. Returns how many bytes are done with: the others must
    /// be handed in again as they are then, with more behind them. After a failure what told of it
    /// is in `out`, and nothing more may be handed in.
    pub(super) fn process(
        &mut self,
        records: &mut [u8],
        plaintext: &mut BytesMut,
        out: &mut Vec<u8>,
    ) -> (usize, Result<(), Error>) {
        let closed = &mut self.closed;
        let (used, processed) = match &mut self.end {
            End::Client(client) => process(client, records, plaintext, out, closed),
            End::Server(server) => process(server, records, plaintext, out, closed),
        };
        self.failed = processed.as_ref().err().cloned();
        (used, processed)
    }

    /// Encrypts from `data` as many records as `block` takes, and returns the bytes of it that are
    /// filled. `rest` is what [`Records::process`] left, and `gather` takes the plaintext of a
    /// record where that is in several pieces.
    pub(super) fn encrypt(
        &mut self,
        rest: &mut [u8],
        data: &mut dyn Buf,
        gather: &mut [u8],
        block: &mut [u8],
    ) -> io::Result<usize> {
        self.check()?;
        match &mut self.end {
            End::Client(client) => encrypt(client, rest, data, gather, block),
            End::Server(server) => encrypt(server, rest, data, gather, block),
        }
    }

    /// Appends to `out` what tells the peer that nothing more is sent.
    pub(super) fn close(&mut self, rest: &mut [u8], out: &mut Vec<u8>) -> io::Result<()> {
        self.check()?;
        match &mut self.end {
            End::Client(client) => close(client, rest, out),
            End::Server(server) => close(server, rest, out),
        }
    }

    fn check(&self) -> io::Result<()> {
        match &self.failed {
            None => Ok(()),
            Some(error) => Err(io::Error::new(io::ErrorKind::InvalidData, error.clone())),
        }
    }
}

/// Either end of rustls.
trait Step {
    type Data;

    fn state(&self) -> &CommonState;

    fn step<'c, 'i>(&'c mut self, records: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;
}

impl Step for UnbufferedClientConnection {
    type Data = ClientConnectionData;

    fn state(&self) -> &CommonState {
        self
    }

    fn step<'c, 'i>(&'c mut self, records: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(records)
    }
}

impl Step for UnbufferedServerConnection {
    type Data = ServerConnectionData;

    fn state(&self) -> &CommonState {
        self
    }

    fn step<'c, 'i>(&'c mut self, records: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(records)
    }
}

fn process(
    end: &mut impl Step,
    records: &mut [u8],
    plaintext: &mut BytesMut,
    out: &mut Vec<u8>,
    closed: &mut bool,
) -> (usize, Result<(), Error>) {
    let mut used = 0;
    loop {
        let UnbufferedStatus { discard, state } = end.step(&mut records[used..]);
        used += discard;
        match state {
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                while let Some(Ok(record)) = traffic.next_record() {
                    plaintext.extend_from_slice(record.payload);
                    used += record.discard;
                }
            }
            Ok(ConnectionState::EncodeTlsData(mut message)) => {
                encode(out, |room| message.encode(room));
            }
            // It is in `out`, which is sent before anything else.
            Ok(ConnectionState::TransmitTlsData(sent)) => sent.done(),
            Ok(ConnectionState::PeerClosed) => *closed = true,
            // Nothing more can be done now. There is no early data, which no server of ours allows.
            Ok(_) => return (used, Ok(())),
            Err(error) => {
                // What was to be said before goes first, then an alert.
                while end.state().wants_write() {
                    let next = end.step(&mut records[used..]).state;
                    let Ok(ConnectionState::EncodeTlsData(mut message)) = next else {
                        break;
                    };
                    encode(out, |room| message.encode(room));
                }
                return (used, Err(error));
            }
        }
    }
}

/// Appends what `message` encodes.
fn encode(out: &mut Vec<u8>, mut message: impl FnMut(&mut [u8]) -> Result<usize, EncodeError>) {
    let start = out.len();
    let mut room = 0;
    let end = loop {
        match message(&mut out[start..]) {
            Ok(count) => break start + count,
            Err(EncodeError::InsufficientSize(size)) if size.required_size > room => {
                room = size.required_size;
                out.resize(start + room, 0);
            }
            // Neither comes to pass: it is encoded once, and then there is room.
            Err(_) => break start,
        }
    };
    out.truncate(end);
}

fn encrypt(
    end: &mut impl Step,
    rest: &mut [u8],
    data: &mut dyn Buf,
    gather: &mut [u8],
    block: &mut [u8],
) -> io::Result<usize> {
    with_traffic(end, rest, |traffic| {
        let mut filled = 0;
        while data.has_remaining() && block.len() - filled >= RECORD_ROOM {
            let length = data.remaining().min(MAX_PLAINTEXT);
            let room = &mut block[filled..];
            filled += if data.chunk().len() >= length {
                let sealed = traffic.encrypt(&data.chunk()[..length], room);
                data.advance(length);
                sealed
            } else {
                data.copy_to_slice(&mut gather[..length]);
                traffic.encrypt(&gather[..length], room)
            }
            .map_err(io::Error::other)?;
        }
        Ok(filled)
    })
}

fn close(end: &mut impl Step, rest: &mut [u8], out: &mut Vec<u8>) -> io::Result<()> {
    with_traffic(end, rest, |traffic| {
        let start = out.len();
        out.resize(start + CLOSE_ROOM, 0);
        let count = traffic.queue_close_notify(&mut out[start..]);
        out.truncate(start + *count.as_ref().unwrap_or(&0));
        count.map(drop).map_err(io::Error::other)
    })
}

/// Does something that needs an established connection.
fn with_traffic<S: Step, T>(
    end: &mut S,
    rest: &mut [u8],
    act: impl FnOnce(&mut WriteTraffic<'_, S::Data>) -> io::Result<T>,
) -> io::Result<T> {
    // Whoever processed records went on until there was nothing else to do.
    match end.step(rest).state {
        Ok(ConnectionState::WriteTraffic(mut traffic)) => act(&mut traffic),
        Ok(_) => Err(io::ErrorKind::NotConnected.into()),
        Err(error) => Err(io::Error::new(io::ErrorKind::InvalidData, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::localhost;

    /// One end with what its host keeps for it.
    struct Side {
        records: Records,
        rest: Vec<u8>,
        plaintext: BytesMut,
        out: Vec<u8>,
    }

    impl Side {
        fn new(records: Result<Records, Error>) -> Self {
            let mut side = Self {
                records: records.unwrap(),
                rest: Vec::new(),
                plaintext: BytesMut::new(),
                out: Vec::new(),
            };
            side.receive(&[]).unwrap();
            side
        }

        fn receive(&mut self, bytes: &[u8]) -> Result<(), Error> {
            self.rest.extend_from_slice(bytes);
            let (rest, plaintext) = (&mut self.rest, &mut self.plaintext);
            let (used, processed) = self.records.process(rest, plaintext, &mut self.out);
            self.rest.drain(..used);
            processed
        }

        fn send(&mut self, mut data: impl Buf) -> io::Result<Vec<u8>> {
            let (mut gather, mut block) = (vec![0; MAX_PLAINTEXT], vec![0; 128 * 1024]);
            let mut sent = Vec::new();
            while data.has_remaining() {
                let rest = &mut self.rest;
                let filled = self
                    .records
                    .encrypt(rest, &mut data, &mut gather, &mut block)?;
                sent.extend_from_slice(&block[..filled]);
            }
            Ok(sent)
        }
    }

    /// A client and a server whose handshake is still to come, and whose server puts no more than
    /// `fragment` bytes into a record of it.
    fn pair(fragment: Option<usize>) -> (Side, Side) {
        let (server, client) = localhost::configs();
        let mut config = ServerConfig::clone(server.rustls_config());
        config.max_fragment_size = fragment;
        let name = client.name_for("localhost").unwrap();
        (
            Side::new(Records::client(client.rustls_config().clone(), name)),
            Side::new(Records::server(Arc::new(config))),
        )
    }

    /// Carries what either side has to say to the other, so many bytes at a time.
    fn talk(client: &mut Side, server: &mut Side, step: usize) {
        while !client.out.is_empty() || !server.out.is_empty() {
            for bytes in std::mem::take(&mut client.out).chunks(step) {
                server.receive(bytes).unwrap();
            }
            for bytes in std::mem::take(&mut server.out).chunks(step) {
                client.receive(bytes).unwrap();
            }
        }
    }

    #[test]
    fn bytes_may_come_in_any_pieces() {
        for (step, fragment) in [
            (1, None),
            (7, Some(64)),
            (1_000, None),
            (100_000, Some(1_000)),
        ] {
            let (mut client, mut server) = pair(fragment);
            talk(&mut client, &mut server, step);
            assert!(!client.records.state().is_handshaking());
            assert!(!server.records.state().is_handshaking());

            let head = [1; 37];
            let body: Vec<u8> = (0..200_000).map(|at| at as u8).collect();
            let sent = client.send(head[..].chain(&body[..])).unwrap();
            for bytes in sent.chunks(step) {
                server.receive(bytes).unwrap();
            }
            assert_eq!(server.plaintext[..37], [1; 37]);
            assert_eq!(server.plaintext[37..], body);
            assert!(server.rest.is_empty());
        }
    }

    #[test]
    fn a_message_that_has_begun_holds_up_no_writing() {
        // The tickets that the handshake ends with take several records each.
        let (mut client, mut server) = pair(Some(64));
        let mut sent = 0;
        while !client.out.is_empty() || !server.out.is_empty() {
            server.receive(&std::mem::take(&mut client.out)).unwrap();
            for byte in std::mem::take(&mut server.out) {
                client.receive(&[byte]).unwrap();
                if !client.records.state().is_handshaking() && !client.rest.is_empty() {
                    let records = client.send(&b"hello"[..]).unwrap();
                    client.out.extend(records);
                    sent += 5;
                }
            }
        }
        assert!(sent > 0);
        assert_eq!(server.plaintext.len(), sent);
    }

    #[test]
    fn a_broken_record_is_told_of_and_ends_everything() {
        let (mut client, mut server) = pair(None);
        talk(&mut client, &mut server, 1_000_000);
        let good = client.send(&b"good"[..]).unwrap();
        let mut bad = client.send(&b"bad"[..]).unwrap();
        *bad.last_mut().unwrap() ^= 1;
        let failed = server.receive(&[good, bad].concat());
        assert_eq!(failed, Err(Error::DecryptError));
        assert_eq!(server.plaintext[..], b"good"[..]);
        assert!(server.send(&b"more"[..]).is_err());
        let told = client.receive(&std::mem::take(&mut server.out));
        assert!(matches!(told, Err(Error::AlertReceived(_))), "{told:?}");
    }

    #[test]
    fn who_has_closed_is_answered_all_the_same() {
        let (mut client, mut server) = pair(None);
        talk(&mut client, &mut server, 1_000_000);
        client
            .records
            .close(&mut client.rest, &mut client.out)
            .unwrap();
        server.receive(&std::mem::take(&mut client.out)).unwrap();
        assert!(server.records.is_closed());
        let answer = server.send(&b"answer"[..]).unwrap();
        client.receive(&answer).unwrap();
        assert_eq!(client.plaintext[..], b"answer"[..]);
    }
}
