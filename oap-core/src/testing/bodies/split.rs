//! The same bytes in other pieces.

use std::sync::Arc;
use std::vec::Vec;

use bytes::{Buf, BytesMut};

use super::Heap;
use super::choices::Choices;
use super::frame::{BODIES, Says};
use super::heap::Ledger;
use crate::testing::Rng;
use crate::{Code, Config, Connection, Event, ExchangeId, Fin, Head, Lane, Role, Timestamp};

/// A stream, as raw bytes or as frames, whole and in random pieces: events and output are the same.
/// The application answers once all of it has come, because when it answers makes a difference.
///
/// # Panics
/// If that does not hold, or the heap's bound is passed.
pub fn split(data: &[u8], heap: Heap) {
    let mut choices = Choices::new(data);
    let bits = choices.byte();
    let role = if bits & 1 == 0 {
        Role::Server
    } else {
        Role::Client
    };
    let most = choices.pick(&[2, 1, 40, 600]);
    let mut rng = Rng::new(choices.word().into());
    let wire = match bits & 2 {
        0 => any_stream(&mut choices, role),
        _ => choices.rest().to_vec(),
    };
    // A long stream is cut up somewhere, not everywhere.
    let whole_start = (wire.len() > MAX_PIECES).then(|| 1 + rng.below(wire.len()));
    let short = core::iter::repeat_with(|| 1 + rng.below(most)).take(MAX_PIECES);
    let pieces = whole_start.into_iter().chain(short);
    let whole = run(role, Answers::Late, &wire, core::iter::empty(), heap);
    let parts = run(role, Answers::Late, &wire, pieces, heap);
    assert_eq!(whole, parts, "the pieces made a difference");
}

/// What a connection makes of a stream that comes in these pieces: its events and, taken at the end,
/// its output. An echo application answers.
///
/// # Panics
/// If it stops reading for good.
pub fn transcript(role: Role, wire: &[u8], pieces: &[usize]) -> (Vec<Event>, Vec<u8>) {
    let pieces = pieces.iter().copied();
    run(role, Answers::AtOnce, wire, pieces, Heap::UNMEASURED)
}

/// Short pieces that one stream comes in.
const MAX_PIECES: usize = 600;

/// When the application answers.
#[derive(Clone, Copy, PartialEq)]
enum Answers {
    AtOnce,
    Late,
}

fn run(
    role: Role,
    answers: Answers,
    wire: &[u8],
    mut pieces: impl Iterator<Item = usize>,
    heap: Heap,
) -> (Vec<Event>, Vec<u8>) {
    let mut run = Run::new(role, answers, heap);
    let mut rest = wire;
    while run.reads() && !rest.is_empty() {
        let size = pieces.next().unwrap_or(usize::MAX).max(1);
        let (piece, later) = rest.split_at(size.min(rest.len()));
        rest = later;
        run.input(piece);
    }
    run.answer_late();
    run.transmit();
    (run.seen, run.output)
}

/// One connection with an application that echoes.
struct Run {
    connection: Connection,
    answers: Answers,
    /// Events that wait for their answer.
    owed: Vec<Event>,
    ledger: Ledger,
    input: BytesMut,
    /// Handles, and the `corr_id` of each.
    known: Vec<(ExchangeId, u64)>,
    seen: Vec<Event>,
    output: Vec<u8>,
}

impl Run {
    const NOW: Timestamp = Timestamp::ZERO;

    fn new(role: Role, answers: Answers, heap: Heap) -> Self {
        let config = Arc::new(Config::default());
        let mut connection = match role {
            Role::Client => Connection::client(config, Self::NOW),
            Role::Server => Connection::server(config, Self::NOW),
        };
        let mut known = Vec::new();
        if role == Role::Client {
            for corr in 1..=8 {
                let fin = if corr % 2 == 1 { Fin::End } else { Fin::More };
                let body = "request".into();
                if let Ok(id) = connection.request(Self::NOW, Head::new(1), body, fin) {
                    known.push((id, corr));
                }
            }
        }
        Self {
            ledger: Ledger::of_connection(connection.config(), heap),
            connection,
            answers,
            owed: Vec::new(),
            input: BytesMut::new(),
            known,
            seen: Vec::new(),
            output: Vec::new(),
        }
    }

    /// Whether it takes more, once its output is out of the way where that is what it waits for.
    fn reads(&mut self) -> bool {
        for _ in 0..1_000 {
            if self.connection.interest().read {
                return true;
            }
            if !self.connection.interest().write {
                break;
            }
            self.transmit();
            self.decode();
        }
        assert!(self.connection.is_closed(), "it stops reading for good");
        false
    }

    fn input(&mut self, piece: &[u8]) {
        self.ledger.allow(piece.len());
        self.ledger.measure(|| self.input.extend_from_slice(piece));
        self.decode();
    }

    /// Decodes, and answers all events, as often as that leads on.
    fn decode(&mut self) {
        loop {
            self.ledger.measure(|| {
                self.connection
                    .handle_input(Lane::FIRST, Self::NOW, &mut self.input);
            });
            while let Some(event) = self.ledger.measure(|| self.connection.poll_event()) {
                self.told(event);
            }
            if !self.connection.interest().again {
                return;
            }
        }
    }

    /// Keeps an event with the exchange's `corr_id` in place of its handle, which depends on what
    /// else was open at that moment.
    fn told(&mut self, mut event: Event) {
        match self.answers {
            Answers::AtOnce => self.echo(&event),
            Answers::Late => self.owed.push(event.clone()),
        }
        if let Event::Opened { id, start, .. } | Event::Authorize { id, start } = &event {
            self.known.push((*id, start.corr_id));
        }
        if let Event::Opened { id, .. }
        | Event::Authorize { id, .. }
        | Event::Data { id, .. }
        | Event::Pushed { id, .. }
        | Event::Truncated { id }
        | Event::Ended { id, .. }
        | Event::Writable { id } = &mut event
        {
            let corr = self.known.iter().rev().find(|(known, _)| known == id);
            *id = ExchangeId {
                slot: 0,
                generation: corr.map_or(0, |(_, corr)| *corr as u32),
            };
        }
        self.seen.push(event);
    }

    fn answer_late(&mut self) {
        for event in core::mem::take(&mut self.owed) {
            self.echo(&event);
        }
    }

    fn echo(&mut self, event: &Event) {
        let (id, answer) = match event {
            _ if self.connection.role() == Role::Client => return,
            Event::Opened {
                id, payload, fin, ..
            }
            | Event::Data {
                id, payload, fin, ..
            } => (*id, Some((payload.clone().into_wire_bytes(), *fin))),
            Event::Ended { id, .. } => (*id, None),
            _ => return,
        };
        let size = answer.as_ref().map_or(0, |(bytes, _)| bytes.len());
        // The application keeps the events, and sends them back.
        self.ledger.allow(ANSWER_COST + size);
        self.ledger.measure(|| {
            let Some(exchange) = self.connection.exchange(id) else {
                return;
            };
            match answer {
                Some((bytes, fin)) => drop(exchange.send(Code::OK, bytes.into(), fin)),
                None => exchange.release(),
            }
        });
    }

    fn transmit(&mut self) {
        while let Some(mut out) = self
            .ledger
            .measure(|| self.connection.poll_transmit(Lane::FIRST, Self::NOW))
        {
            while out.has_remaining() {
                let chunk = out.chunk();
                let taken = chunk.len();
                self.output.extend_from_slice(chunk);
                self.ledger.measure(|| out.advance(taken));
            }
        }
    }
}

/// What an answer may cost besides its bytes.
const ANSWER_COST: usize = 128;

/// Frames that mostly make sense, with a short stretch of anything at their end.
fn any_stream(choices: &mut Choices<'_>, role: Role) -> Vec<u8> {
    let mut wire = Vec::new();
    while !choices.is_empty() {
        let kind = choices.below(16);
        let corr = choices.below(10) as u64;
        let size = usize::from(choices.byte());
        let (says, body) = match (kind, role) {
            (0, _) => (Says::control(0x24, 0, corr), &b""[..]),
            (1, _) => (Says::control(0x04, 408, corr), &b""[..]),
            (2, Role::Server) => (Says::control(0x19, 0, 0), choices.pick(BODIES)),
            (2, Role::Client) => (Says::control(0x12, 0, 0), choices.pick(BODIES)),
            (3, _) => (
                Says::app(choices.word(), choices.word(), corr),
                &FILL[..size],
            ),
            (4, _) => {
                wire.extend_from_slice(choices.slice(size % 64));
                continue;
            }
            (_, Role::Server) => {
                let flags = [0x09, 0x01, 0x19, 0x11, 0x29, 0x21, 0x31, 0x49, 0x59, 0x04];
                (Says::app(choices.pick(&flags), 0, corr), &FILL[..size])
            }
            (_, Role::Client) => {
                let flags = [0x02, 0x12, 0x0a, 0x04, 0x22, 0x2a];
                let code = choices.pick(&[0, 200, 404]);
                (Says::app(choices.pick(&flags), code, corr), &FILL[..size])
            }
        };
        wire.extend(says.with(body));
    }
    wire
}

static FILL: [u8; 255] = [7; 255];
