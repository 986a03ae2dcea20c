//! Which frame may come when: the server's table (OAP-3). `docs/state.md` is made from it.

use crate::Reason;

/// What a server knows of a `corr_id` when a REQ frame with it arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Never opened, or forgotten.
    Unknown,
    /// Ended before its END, and remembered.
    Late,
    /// A START waits for its verdict.
    Parked,
    /// The request goes on.
    Open,
    /// The request is complete, the answer goes on.
    HalfClosed,
    /// The answer is complete but not yet encoded.
    Answered,
}

impl State {
    #[cfg(any(test, feature = "testing"))]
    pub(crate) const ALL: [Self; 6] = [
        Self::Unknown,
        Self::Late,
        Self::Parked,
        Self::Open,
        Self::HalfClosed,
        Self::Answered,
    ];

    #[cfg(any(test, feature = "testing"))]
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Late => "late",
            Self::Parked => "parked",
            Self::Open => "open",
            Self::HalfClosed => "half closed",
            Self::Answered => "answered",
        }
    }
}

/// A REQ frame by its START and END bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Neither.
    Chunk,
    /// START alone.
    Start,
    /// END alone.
    End,
    /// Both: a request in one frame.
    OneShot,
}

impl Kind {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 4] = [Self::Chunk, Self::Start, Self::End, Self::OneShot];

    #[inline]
    pub(crate) const fn new(start: bool, end: bool) -> Self {
        match (start, end) {
            (false, false) => Self::Chunk,
            (true, false) => Self::Start,
            (false, true) => Self::End,
            (true, true) => Self::OneShot,
        }
    }
}

/// What a server does with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Open an exchange, if a slot is free.
    Open,
    /// Hand it to the handler, or park it.
    Deliver,
    /// Drop it without a word.
    Discard,
    /// End the exchange with 400 `bad_sequence`.
    Fault(&'static str, &'static str),
}

const NO_START: Rule = Rule::Fault(
    "OAP-3-10",
    "REQ without START on an exchange that is not open",
);
const DUPLICATE: Rule = Rule::Fault("OAP-3-11", "START on an exchange that is open");
const AFTER_END: Rule = Rule::Fault("OAP-3-12", "REQ after END");

impl Rule {
    pub(crate) const REASON: Reason = Reason::BadSequence;
}

/// Rows: [`State`]; columns: [`Kind`].
const SERVER: [[Rule; 4]; 6] = {
    use Rule::{Deliver, Discard, Open};
    [
        [NO_START, Open, NO_START, Open],
        [Discard, Open, Discard, Open],
        [Deliver, DUPLICATE, Deliver, DUPLICATE],
        [Deliver, DUPLICATE, Deliver, DUPLICATE],
        [AFTER_END, DUPLICATE, AFTER_END, DUPLICATE],
        [Discard, DUPLICATE, Discard, DUPLICATE],
    ]
};

#[inline]
pub(crate) const fn server(state: State, kind: Kind) -> Rule {
    SERVER[state as usize][kind as usize]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::Connection;
    use crate::wire::{Flags, HEADER_LEN, Header, MIN_LEN};
    use crate::{Code, Config, Event, ExchangeId, Fin, Lane, Reason, Timestamp, Verdict};
    use alloc::format;
    use alloc::string::String;
    use alloc::sync::Arc;
    use alloc::vec::Vec;
    use bytes::{Buf, BytesMut};

    const NOW: Timestamp = Timestamp::from_micros(1);
    const CORR: u64 = 5;

    impl State {
        const fn meaning(self) -> &'static str {
            match self {
                Self::Unknown => "never opened, ended after its END, or forgotten",
                Self::Late => "ended before its END, and remembered (OAP-3-14)",
                Self::Parked => "the START waits for its verdict (OAP-3-22)",
                Self::Open => "the request goes on",
                Self::HalfClosed => "the request is complete, the answer goes on",
                Self::Answered => "the answer is complete, but not all of it is encoded",
            }
        }
    }

    impl Kind {
        const fn name(self) -> &'static str {
            match self {
                Self::Chunk => "REQ",
                Self::Start => "REQ\\|START",
                Self::End => "REQ\\|END",
                Self::OneShot => "REQ\\|START\\|END",
            }
        }

        const fn flags(self) -> Flags {
            match self {
                Self::Chunk => Flags::REQ,
                Self::Start => Flags::REQ.with(Flags::START),
                Self::End => Flags::REQ.with(Flags::END),
                Self::OneShot => Flags::REQ.with(Flags::START).with(Flags::END),
            }
        }
    }

    /// A server in which [`CORR`] is in this state.
    fn server_in(state: State) -> Connection {
        let config = Config {
            authorize: state == State::Parked,
            ..Config::default()
        };
        let mut server = Connection::server(Arc::new(config), NOW);
        let start = match state {
            State::Unknown => return server,
            State::HalfClosed => Kind::OneShot.flags(),
            _ => Kind::Start.flags(),
        };
        // Windowed, so that an answer may have to wait.
        feed(&mut server, start | Flags::ACK_REQ, b"");
        let id = match server.poll_event() {
            Some(Event::Opened { id, .. } | Event::Authorize { id, .. }) => id,
            other => panic!("{other:?}"),
        };
        match state {
            State::Late => respond(&mut server, id, 0),
            State::Answered => respond(&mut server, id, 200_000),
            _ => {}
        }
        drain(&mut server);
        server
    }

    fn respond(server: &mut Connection, id: ExchangeId, len: usize) {
        let exchange = server.exchange(id).expect("it is open");
        let body = alloc::vec![0; len];
        exchange
            .respond(Code::ACCEPTED_OK, body.into())
            .expect("it takes an answer");
    }

    fn feed(server: &mut Connection, flags: Flags, payload: &[u8]) {
        let header = Header {
            len: MIN_LEN + payload.len() as u32,
            flags,
            code: Code::OK,
            app_proto_id: 1,
            tenant_id: 0,
            cap_len: 0,
            corr_id: CORR,
        };
        let mut bytes = BytesMut::from(&header.encode()[..]);
        bytes.extend_from_slice(payload);
        server.handle_input(Lane::FIRST, NOW, &mut bytes);
        assert!(bytes.is_empty());
    }

    /// The headers of what waits to be written.
    fn drain(server: &mut Connection) -> Vec<Header> {
        let mut bytes = Vec::new();
        while let Some(mut transmit) = server.poll_transmit(Lane::FIRST, NOW) {
            bytes.extend_from_slice(transmit.chunk());
            transmit.advance(transmit.chunk().len());
        }
        let mut headers = Vec::new();
        while let Some(header) = bytes.first_chunk::<HEADER_LEN>() {
            let header = Header::parse(header, crate::wire::MAX_FRAME).expect("well-formed");
            bytes.drain(..header.frame_len());
            headers.push(header);
        }
        headers
    }

    /// What a frame of this kind does in this state, as the peer and the application see it.
    fn observe(state: State, kind: Kind) -> &'static str {
        let mut server = server_in(state);
        let opened = server.counters().exchanges_opened;
        let late = server.counters().late_frames;
        feed(&mut server, kind.flags(), b"payload");
        let headers = drain(&mut server);
        if state == State::Parked && headers.is_empty() {
            let id = ExchangeId {
                slot: 0,
                generation: 0,
            };
            server
                .exchange(id)
                .expect("parked")
                .authorize(NOW, Verdict::Allow);
            server.poll_event();
        }
        let event = server.poll_event();
        assert!(!server.is_closed());
        match (&headers[..], event) {
            ([], Some(Event::Opened { fin, .. }))
                if server.counters().exchanges_opened > opened =>
            {
                assert_eq!(fin.is_end(), kind == Kind::OneShot);
                "open"
            }
            ([], Some(Event::Data { fin, payload, .. })) => {
                assert_eq!(fin == Fin::End, kind == Kind::End);
                assert_eq!(&payload.wire_bytes()[..], b"payload");
                "deliver"
            }
            ([], None) if server.counters().late_frames > late => "discard",
            ([error], event) => {
                assert_eq!(error.flags, Flags::RESP | Flags::END);
                assert_eq!((error.code, error.corr_id), (Code::BAD_REQUEST, CORR));
                assert_eq!(server.counters().refused(Reason::BadSequence), 1);
                let open = !matches!(state, State::Unknown | State::Late);
                assert_eq!(open, matches!(event, Some(Event::Ended { .. })));
                "fault"
            }
            other => panic!("{state:?} {kind:?}: {other:?}"),
        }
    }

    // OAP-3-2 OAP-3-10 OAP-3-11 OAP-3-12 OAP-3-14 OAP-3-15
    #[test]
    fn every_cell_is_what_a_server_does() {
        for state in State::ALL {
            for kind in Kind::ALL {
                let expected = match server(state, kind) {
                    Rule::Open => "open",
                    Rule::Deliver => "deliver",
                    Rule::Discard => "discard",
                    Rule::Fault(..) => "fault",
                };
                assert_eq!(observe(state, kind), expected, "{state:?} {kind:?}");
            }
        }
    }

    /// `docs/state.md`, made from the table.
    fn document() -> String {
        let mut out = String::from(
            "# REQ frames at a server\n\nMade from the table in `oap-core/src/connection/state.rs` by \
             its test: `BLESS=1 cargo test -p oap-core state` writes this file anew. The clauses are \
             those of [OAP/1](spec/oap-1.md).\n\nWhat a server does with a REQ frame outside app 0, by \
             what it knows of the `corr_id`. A fault ends the exchange with 400 `bad_sequence`.\n\n",
        );
        out.push_str("| state |");
        for kind in Kind::ALL {
            out.push_str(&format!(" {} |", kind.name()));
        }
        out.push_str("\n|---|---|---|---|---|\n");
        for state in State::ALL {
            out.push_str(&format!("| {} |", state.name()));
            for kind in Kind::ALL {
                let cell = match server(state, kind) {
                    Rule::Open => "open".into(),
                    Rule::Deliver if state == State::Parked => "park".into(),
                    Rule::Deliver => "deliver".into(),
                    Rule::Discard => "discard".into(),
                    Rule::Fault(clause, _) => format!("fault ({clause})"),
                };
                out.push_str(&format!(" {cell} |"));
            }
            out.push('\n');
        }
        out.push_str("\n| state | meaning |\n|---|---|\n");
        for state in State::ALL {
            out.push_str(&format!("| {} | {} |\n", state.name(), state.meaning()));
        }
        out.push_str("\n```mermaid\nstateDiagram-v2\n    [*] --> unknown\n");
        for state in State::ALL {
            for kind in Kind::ALL {
                if let Some(next) = next(state, kind) {
                    let (from, to) = (
                        state.name().replace(' ', "_"),
                        next.name().replace(' ', "_"),
                    );
                    let on = kind.name().replace('\\', "");
                    let fault = matches!(server(state, kind), Rule::Fault(..));
                    let effect = if fault { " / fault" } else { "" };
                    out.push_str(&format!("    {from} --> {to}: {on}{effect}\n"));
                }
            }
        }
        for (from, to, on) in [
            ("unknown", "parked", "REQ|START where a verifier is set"),
            ("parked", "open", "allowed"),
            ("parked", "late", "refused"),
            ("open", "answered", "answer queued"),
            ("answered", "late", "RESP|END encoded"),
            ("open", "late", "RESP|END encoded, CANCEL"),
            ("half_closed", "unknown", "RESP|END encoded, CANCEL"),
            ("late", "unknown", "forgotten"),
        ] {
            out.push_str(&format!("    {from} --> {to}: {on}\n"));
        }
        out.push_str("```\n");
        out
    }

    /// Where a frame leads, if anywhere else.
    fn next(state: State, kind: Kind) -> Option<State> {
        let ends = matches!(kind, Kind::End | Kind::OneShot);
        let next = match server(state, kind) {
            Rule::Open if ends => State::HalfClosed,
            Rule::Open => State::Open,
            Rule::Deliver if ends => State::HalfClosed,
            Rule::Deliver => return None,
            Rule::Discard if state == State::Answered && ends => State::HalfClosed,
            Rule::Discard => return None,
            Rule::Fault(..) if ends || state == State::HalfClosed => State::Unknown,
            Rule::Fault(..) => State::Late,
        };
        (next != state).then_some(next)
    }

    #[test]
    #[cfg(feature = "std")]
    fn the_document_says_what_the_table_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/state.md");
        let document = document();
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(path, &document).expect("docs can be written");
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            written == document,
            "docs/state.md is stale: run the test again with BLESS=1"
        );
    }
}
