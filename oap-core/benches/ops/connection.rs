//! The state machine as a whole.

use std::hint::black_box;
use std::io::IoSlice;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use oap_core::wire::{Flags, MAX_FRAME};
use oap_core::{Code, Config, Connection, Event, ExchangeId, Fin, Head, Lane, Limits, Timestamp};

use super::Op;
use super::wire::{APP, frame, hello, set_corr, shared};

const BUFFER: usize = 64 * 1024;
const OPEN: Flags = Flags::from_bits(0x09);
const ONE_SHOT: Flags = Flags::from_bits(0x19);
const STREAM: Flags = Flags::from_bits(0x29);
const CHUNK: Flags = Flags::from_bits(0x01);

/// Writes all that waits, as one vectored write would.
#[inline(always)]
fn transmit(connection: &mut Connection, now: Timestamp) {
    if let Some(mut out) = connection.poll_transmit(Lane::FIRST, now) {
        let mut slices = [IoSlice::new(&[]); 4];
        let used = out.chunks_vectored(&mut slices);
        black_box(&slices[..used]);
        let written = out.remaining();
        out.advance(written);
    }
}

/// A server that has read a HELLO and answered it.
fn server(limits: Limits) -> (Connection, BytesMut) {
    let config = Config {
        limits,
        ..Config::default()
    };
    let mut connection = Connection::server(Arc::new(config), Timestamp::ZERO);
    let mut buf = BytesMut::with_capacity(BUFFER);
    buf.extend_from_slice(&hello());
    connection.handle_input(Lane::FIRST, Timestamp::ZERO, &mut buf);
    while connection.poll_event().is_some() {}
    transmit(&mut connection, Timestamp::ZERO);
    (connection, buf)
}

/// The next opened exchange and its payload.
#[inline(always)]
fn opened(connection: &mut Connection) -> Option<(ExchangeId, Bytes)> {
    match connection.poll_event()? {
        Event::Opened { id, payload, .. } => Some((id, payload.into_wire_bytes())),
        _ => None,
    }
}

/// A 64-byte request copied in, decoded, delivered, echoed, encoded and written, and its exchange
/// closed, while `OTHERS` exchanges are open.
pub struct ServerExchange<const OTHERS: usize> {
    connection: Connection,
    wire: Vec<u8>,
    buf: BytesMut,
    corr: u64,
    now: u64,
}

impl<const OTHERS: usize> Op for ServerExchange<OTHERS> {
    fn new() -> Self {
        let (mut connection, mut buf) = server(roomy(OTHERS));
        let mut other = frame(OPEN, 0, 64);
        for corr in 1..=OTHERS as u64 {
            set_corr(&mut other, corr);
            buf.extend_from_slice(&other);
            connection.handle_input(Lane::FIRST, Timestamp::ZERO, &mut buf);
            assert!(
                opened(&mut connection).is_some(),
                "exchange {corr} is refused"
            );
        }
        assert_eq!(connection.exchanges(), OTHERS);
        Self {
            connection,
            wire: frame(ONE_SHOT, 0, 64),
            buf,
            corr: OTHERS as u64,
            now: 0,
        }
    }

    #[inline(always)]
    fn step(&mut self) {
        self.corr += 1;
        self.now += 1;
        let now = Timestamp::from_micros(self.now);
        set_corr(&mut self.wire, self.corr);
        self.buf.extend_from_slice(black_box(&self.wire));
        self.connection
            .handle_input(Lane::FIRST, now, &mut self.buf);
        if let Some((id, payload)) = opened(&mut self.connection) {
            let exchange = self.connection.exchange(id);
            let _ = exchange.map(|exchange| exchange.respond(Code::OK, payload.into()));
        }
        transmit(&mut self.connection, now);
    }
}

/// Limits that let so many exchanges be open, and one more.
fn roomy(others: usize) -> Limits {
    if others < 64 {
        return Limits::default();
    }
    Limits::builder()
        .max_inflight(u16::try_from(others + 1).expect("a u16 counts them"))
        .build_unreserved()
}

/// A frame of 1 MiB that comes byte by byte, and its answer. One operation is one frame.
pub struct Bytewise {
    connection: Connection,
    wire: Vec<u8>,
    corr: u64,
    now: u64,
}

impl Bytewise {
    /// Bytes of the frame on the wire.
    pub const BYTES: usize = MAX_FRAME as usize + 4;
}

impl Op for Bytewise {
    const FEW: u32 = 1;
    const MANY: u32 = 3;

    fn new() -> Self {
        Self {
            connection: server(Limits::default()).0,
            wire: frame(ONE_SHOT, 0, Self::BYTES - 37),
            corr: 0,
            now: 0,
        }
    }

    #[inline(always)]
    fn step(&mut self) {
        self.corr += 1;
        set_corr(&mut self.wire, self.corr);
        let mut buf = BytesMut::new();
        for byte in black_box(&self.wire[..]).chunks(1) {
            self.now += 1;
            buf.extend_from_slice(byte);
            self.connection
                .handle_input(Lane::FIRST, Timestamp::from_micros(self.now), &mut buf);
        }
        if let Some((id, payload)) = opened(&mut self.connection) {
            drop(black_box(payload));
            let exchange = self.connection.exchange(id);
            let _ = exchange.map(|exchange| exchange.respond(Code::OK, Bytes::new().into()));
        }
        transmit(&mut self.connection, Timestamp::from_micros(self.now));
    }
}

/// A chunk of 64 KiB of a long request: sent, encoded and written.
pub struct SendChunk {
    connection: Connection,
    id: ExchangeId,
    chunk: Bytes,
    now: u64,
}

impl Op for SendChunk {
    fn new() -> Self {
        let config = Config {
            hello: false,
            windows: false,
            ..Config::default()
        };
        let mut connection = Connection::client(Arc::new(config), Timestamp::ZERO);
        let id = connection
            .request(
                Timestamp::ZERO,
                Head::new(APP),
                Bytes::new().into(),
                Fin::More,
            )
            .expect("the first exchange opens");
        transmit(&mut connection, Timestamp::ZERO);
        Self {
            connection,
            id,
            chunk: shared(64 * 1024),
            now: 0,
        }
    }

    #[inline(always)]
    fn step(&mut self) {
        self.now += 1;
        let now = Timestamp::from_micros(self.now);
        if let Some(exchange) = self.connection.exchange(self.id) {
            let _ = exchange.send(Code::OK, self.chunk.clone().into(), Fin::More);
        }
        transmit(&mut self.connection, now);
    }
}

/// A frame of 4 KiB in a windowed direction: admitted, delivered, consumed, and acknowledged where
/// that is due.
pub struct WindowedFrame {
    connection: Connection,
    wire: Vec<u8>,
    buf: BytesMut,
    now: u64,
}

impl Op for WindowedFrame {
    fn new() -> Self {
        let (mut connection, mut buf) = server(Limits::default());
        buf.extend_from_slice(&frame(STREAM, 1, 0));
        connection.handle_input(Lane::FIRST, Timestamp::ZERO, &mut buf);
        assert!(
            opened(&mut connection).is_some(),
            "the first exchange opens"
        );
        Self {
            connection,
            wire: frame(CHUNK, 1, 4_096),
            buf,
            now: 0,
        }
    }

    #[inline(always)]
    fn step(&mut self) {
        self.now += 1;
        let now = Timestamp::from_micros(self.now);
        self.buf.extend_from_slice(black_box(&self.wire));
        self.connection
            .handle_input(Lane::FIRST, now, &mut self.buf);
        while let Some(event) = self.connection.poll_event() {
            assert!(matches!(black_box(event), Event::Data { .. }));
        }
        transmit(&mut self.connection, now);
    }
}
