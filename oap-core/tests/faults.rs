//! Appendix B of the specification: every row of its tables happens as it says there.

mod support;

use std::time::Duration;

use oap_core::wire::{ErrorBody, Flags};
use oap_core::{
    CloseReason, Code, Config, Consume, End, Event, ExchangeId, Fin, Head, Lane, LimitError,
    Limits, Reason, Role, Scope, SendError, Verdict, Violation,
};

use self::support::*;

/// One row as it stands in the specification.
#[derive(Debug)]
struct Row {
    fault: String,
    scope: String,
    code: Option<u16>,
    reason: Option<Reason>,
    clauses: Vec<String>,
}

impl Row {
    /// The rows of all tables of the appendix.
    fn all() -> Vec<Self> {
        let spec = include_str!("../../docs/spec/oap-1.md");
        let from = spec.find("## Appendix B Faults").expect("the appendix");
        let lines = spec[from..].lines().filter(|line| line.starts_with("| "));
        lines
            .filter(|line| !line.starts_with("| fault |"))
            .map(Self::parse)
            .collect()
    }

    fn parse(line: &str) -> Self {
        let line = line.replace("\\|", "\u{1}");
        let cells: Vec<String> = line
            .trim_matches('|')
            .split('|')
            .map(|cell| cell.trim().replace('\u{1}', "|").replace('`', ""))
            .collect();
        let at = cells.len() - 4;
        Self {
            fault: cells[0].clone(),
            scope: cells[at].clone(),
            code: cells[at + 1].parse().ok(),
            reason: Reason::from_name(cells[at + 2].split(':').next().unwrap_or_default()),
            clauses: cells[at + 3].split(", ").map(String::from).collect(),
        }
    }

    #[track_caller]
    fn code(&self) -> u16 {
        self.code.expect("the row has a code")
    }

    #[track_caller]
    fn reason(&self) -> Reason {
        self.reason.expect("the row has a reason")
    }

    #[track_caller]
    fn assert_is(&self, violation: &Violation, scope: Scope) {
        assert!(
            self.clauses.iter().any(|clause| clause == violation.clause),
            "{violation}"
        );
        assert_violation(
            violation,
            self.code(),
            self.reason(),
            violation.clause,
            scope,
        );
    }

    /// The connection has ended with this row, and the peer was told in one frame.
    #[track_caller]
    fn ended_connection(&self, endpoint: &mut Endpoint) {
        assert_eq!(self.scope, "conn");
        assert_error(&endpoint.one_frame(), self.code(), self.reason(), 0, 0, 0);
        match endpoint.events().last() {
            Some(Event::Closed(CloseReason::Violation(violation))) => {
                self.assert_is(violation, Scope::Connection);
            }
            other => panic!("{other:?}"),
        }
        endpoint.assert_over();
    }

    /// The connection has ended with this timer, and nothing was said.
    #[track_caller]
    fn timed_out(&self, endpoint: &mut Endpoint) {
        assert_eq!((self.scope.as_str(), self.code), ("conn", None));
        match endpoint.events().last() {
            Some(Event::Closed(reason @ CloseReason::TimedOut(_))) => {
                assert_eq!(reason.reason(), self.reason());
            }
            other => panic!("{other:?}"),
        }
        assert!(endpoint.conn.interest().done && endpoint.frames().is_empty());
    }

    /// Exchange `corr` has ended with this row: RESP|END at a server, CANCEL at a client. The
    /// connection goes on.
    #[track_caller]
    fn ended_exchange(&self, endpoint: &mut Endpoint, corr: u64, was_open: bool) {
        assert!(self.scope.starts_with("exchange"), "{}", self.scope);
        let told = endpoint.one_frame();
        match endpoint.conn.role() {
            Role::Server => assert_error(&told, self.code(), self.reason(), corr, APP, 0),
            Role::Client => {
                assert_eq!(flags_code(&told), (EVENT, self.code()));
                assert_error_body(&told.payload, self.code(), self.reason(), corr);
            }
        }
        if was_open {
            let (id, violation) = ended_for(&endpoint.one_event());
            self.assert_is(&violation, Scope::Exchange);
            if endpoint.conn.role() == Role::Server {
                endpoint.release(id);
            }
        }
        assert_eq!(endpoint.conn.counters().refused(self.reason()), 1);
        endpoint.assert_alive();
    }
}

fn fatal_at(row: &Row, endpoint: Endpoint, bytes: &[u8]) {
    let mut endpoint = endpoint;
    endpoint.feed_bytes(Lane::FIRST, bytes);
    row.ended_connection(&mut endpoint);
}

fn fatal_at_both(row: &Row, bytes: &[u8]) {
    fatal_at(row, Endpoint::server(), bytes);
    fatal_at(row, asking(), bytes);
}

/// A client whose exchange 1 is open, and whose server has all features.
fn asking() -> Endpoint {
    let mut client = Endpoint::client_told(ALL_FEATURES);
    client.ask(b"question");
    client
}

/// The same, but events are consumed by hand.
fn asking_manually() -> Endpoint {
    let mut client = Endpoint::client_told_with(ALL_FEATURES, manual);
    client.ask(b"question");
    client
}

fn manual(config: &mut Config) {
    config.consume = Consume::Manually;
}

fn answered(mut client: Endpoint) {
    client.feed(&answer(1, b"answer"));
    client.events();
    client.assert_alive();
}

/// A server in which exchange 1 is open.
fn serving() -> (Endpoint, ExchangeId) {
    let mut server = Endpoint::server();
    let id = server.open(&frame(REQ | START, 1));
    (server, id)
}

fn exchange_fault(row: &Row, before: &[Raw], wrong: &Raw, was_open: bool) {
    let mut server = Endpoint::server();
    server.feed_all(before);
    server.events();
    server.frames();
    server.feed(wrong);
    row.ended_exchange(&mut server, wrong.corr, was_open);
}

fn request_of(client: &mut Endpoint, body: &'static [u8]) -> Result<ExchangeId, SendError> {
    client
        .conn
        .request(client.now, Head::new(APP), body.into(), Fin::End)
}

fn ignored(mut endpoint: Endpoint, frames: &[Raw]) {
    for (count, raw) in (1..).zip(frames) {
        endpoint.feed(raw);
        endpoint.assert_silent();
        assert_eq!(endpoint.conn.counters().ignored_control, count, "{raw:?}");
    }
    endpoint.assert_alive();
}

fn bad_hello(row: &Row, bodies: &[&[u8]], flags: Flags) {
    for body in bodies {
        let mut server = Endpoint::server();
        server.feed(&control(REQ | flags, 0, 5).payload(body));
        assert_error(&server.one_frame(), row.code(), row.reason(), 5, 0, 0);
        server.assert_alive();
    }
}

type Case = (&'static str, fn(&Row));

const FRAMES: &[Case] = &[
    ("len under 33", |row| {
        fatal_at_both(row, &32_u32.to_le_bytes())
    }),
    ("len above own max_frame", |row| {
        fatal_at_both(row, &1_048_577_u32.to_le_bytes());
        let small = Endpoint::server_with(|config| config.limits = small_limits());
        fatal_at(row, small, &4_097_u32.to_le_bytes());
    }),
    ("ver not 1", |row| fatal_at_both(row, &[33, 0, 0, 0, 2])),
    ("cap_len above len - 33", |row| {
        let mut bytes = frame(REQ | START, 1).cap(b"cap").bytes();
        bytes[27] = 4;
        fatal_at_both(row, &bytes);
    }),
    ("cap_len above 0 without START", |row| {
        fatal_at_both(row, &frame(REQ, 1).cap(b"cap").bytes());
    }),
    ("capability on a HELLO or a RESP|START", |_| {
        let mut server = Endpoint::server();
        server.feed(&hello("{}").with(START).cap(b"cap"));
        assert_eq!(flags_code(&server.one_frame()), (RESP | END, 0));
        server.events();
        server.assert_alive();
        let mut client = asking();
        client.feed(&answer(1, b"answer").with(START).cap(b"cap"));
        assert_eq!(&payload_of(&client.one_event())[..], b"answer");
        client.assert_alive();
    }),
    ("stream ends inside a frame", |row| {
        for mut endpoint in [Endpoint::server(), asking()] {
            endpoint.feed_bytes(Lane::FIRST, &ping(1).bytes()[..36]);
            endpoint.eof();
            row.ended_connection(&mut endpoint);
        }
    }),
    ("stream ends between frames, request half open", |_| {
        let (mut server, id) = serving();
        server.eof();
        assert_eq!(server.one_event(), Event::Truncated { id });
        server.send(id, 200, b"all the same", Fin::End);
        assert_eq!(server.one_frame().payload, b"all the same");
        assert_eq!(server.one_event(), Event::Closed(CloseReason::PeerClosed));
    }),
    ("stream ends between frames, exchange open", |row| {
        let mut client = asking();
        client.eof();
        match client.one_event() {
            Event::Closed(reason) => assert_eq!(reason.reason(), row.reason()),
            other => panic!("{other:?}"),
        }
    }),
    ("reserved flag bits set", |_| {
        let mut server = Endpoint::server();
        server.feed(&request(1, b"x").bits(0xff00));
        server.serve();
        assert_eq!(server.one_frame().payload, b"x");
        let mut client = asking();
        client.feed(&answer(1, b"x").bits(0x0100));
        client.one_event();
        for mut endpoint in [server, client] {
            assert_eq!(endpoint.conn.counters().reserved_flags, 1);
            endpoint.assert_alive();
        }
    }),
    ("code not 0 on REQ", |_| {
        let mut server = Endpoint::server();
        server.feed(&request(1, b"x").code(500));
        server.serve();
        assert_eq!(server.one_frame().payload, b"x");
        server.assert_alive();
    }),
    ("unknown code on RESP", |_| {
        for (code, class) in [
            (7, 0),
            (277, 200),
            (377, 300),
            (477, 400),
            (577, 500),
            (900, 500),
        ] {
            let mut client = asking();
            client.feed(&answer(1, b"").code(code));
            match client.one_event() {
                Event::Data { code: seen, .. } => assert_eq!(seen.class(), Code::new(class)),
                other => panic!("{other:?}"),
            }
            client.assert_alive();
        }
    }),
];

const AT_SERVER: &[Case] = &[
    ("REQ with RESP or EVENT, app not 0", |row| {
        for more in [RESP, EVENT, RESP | EVENT] {
            exchange_fault(row, &[], &frame(REQ | more | START, 1), false);
            exchange_fault(row, &[frame(REQ | START, 1)], &frame(REQ | more, 1), true);
        }
    }),
    ("no direction, RESP, or RESP|EVENT, app not 0", |row| {
        for flags in [NONE, RESP, RESP | EVENT] {
            fatal_at(row, serving().0, &frame(flags, 1).bytes());
            fatal_at(row, Endpoint::server(), &frame(flags, 1).bytes());
        }
    }),
    ("EVENT, app not 0, exchange open", |row| {
        exchange_fault(row, &[frame(REQ | START, 1)], &frame(EVENT, 1), true);
    }),
    ("EVENT, app not 0, exchange not open", |_| {
        stray_event(Endpoint::server(), 1)
    }),
    ("more than one direction, app 0", |row| {
        for flags in [REQ | RESP, REQ | EVENT, RESP | EVENT, REQ | RESP | EVENT] {
            fatal_at(row, Endpoint::server(), &control(flags, 0, 0).bytes());
        }
    }),
    (
        "REQ without START (END or not), id not open, not remembered",
        |row| {
            for end in [NONE, END] {
                exchange_fault(row, &[], &frame(REQ | end, 1), false);
            }
        },
    ),
    ("REQ without START, id remembered", |_| {
        let (mut server, id) = serving();
        server.send(id, 200, b"", Fin::End);
        server.frames();
        for end in [NONE, END, NONE] {
            server.feed(&frame(REQ | end, 1));
        }
        server.assert_alive();
    }),
    ("REQ|START on an open id", |row| {
        for end in [NONE, END] {
            exchange_fault(
                row,
                &[frame(REQ | START, 1)],
                &frame(REQ | START | end, 1),
                true,
            );
        }
    }),
    ("REQ|START on an ended, refused or remembered id", |_| {
        let (mut server, id) = serving();
        server.send(id, 200, b"", Fin::End);
        server.frames();
        server.feed(&frame(REQ, 7));
        server.frames();
        for corr in [1, 1, 7] {
            server.feed(&request(corr, b"x"));
            server.serve();
            assert_eq!(flags_code(&server.one_frame()), (RESP | END, 200));
        }
    }),
    ("REQ after REQ|END, exchange open", |row| {
        for end in [NONE, END] {
            exchange_fault(row, &[request(1, b"")], &frame(REQ | end, 1), true);
        }
    }),
    ("app_proto_id or tenant_id changed", |row| {
        let before = [frame(REQ | START, 1)];
        exchange_fault(row, &before, &frame(REQ, 1).app(APP + 1), true);
        exchange_fault(row, &before, &frame(REQ | END, 1).tenant(1), true);
    }),
    ("REQ with corr_id 0, app not 0", |row| {
        for flags in [REQ, REQ | START, REQ | START | END] {
            exchange_fault(row, &[], &frame(flags, 0), false);
        }
    }),
    ("START above max_inflight", |row| {
        let mut server = Endpoint::server();
        let many: Vec<Raw> = (1..=64).map(|corr| frame(REQ | START, corr)).collect();
        server.feed_all(&many);
        let events = server.events();
        server.feed(&request(65, b""));
        assert_error(&server.one_frame(), row.code(), row.reason(), 65, APP, 0);
        if let Event::Opened { id, .. } = events[0] {
            server.send(id, 200, b"", Fin::End);
            server.frames();
        }
        server.assert_alive();
    }),
    ("START while draining", |row| {
        let (mut server, _) = serving();
        server.conn.drain();
        server.feed(&request(2, b""));
        assert_error(&server.one_frame(), row.code(), row.reason(), 2, APP, 0);
        assert!(!server.conn.is_closed());
    }),
    ("START without capability, not allowed", |row| {
        denied(row, b"")
    }),
    ("START with capability, not allowed", |row| {
        denied(row, b"capability")
    }),
    ("no verdict in time", |row| {
        let (mut server, id) = undecided(b"");
        server.advance(Duration::from_secs(5));
        assert_error(&server.one_frame(), row.code(), row.reason(), 1, APP, 0);
        assert_eq!(
            server.one_event(),
            Event::Ended {
                id,
                end: End::TimedOut
            }
        );
    }),
];

fn undecided(cap: &[u8]) -> (Endpoint, ExchangeId) {
    let mut server = Endpoint::server_with(|config| config.authorize = true);
    server.feed(&frame(REQ | START, 1).cap(cap));
    match server.one_event() {
        Event::Authorize { id, .. } => (server, id),
        other => panic!("{other:?}"),
    }
}

fn denied(row: &Row, cap: &[u8]) {
    let (mut server, id) = undecided(cap);
    let now = server.now;
    server
        .conn
        .exchange(id)
        .expect("parked")
        .authorize(now, Verdict::Deny);
    assert_error(&server.one_frame(), row.code(), row.reason(), 1, APP, 0);
    server.assert_silent();
    assert!(!server.conn.is_closed());
}

/// An EVENT on `corr` is dropped and costs one token.
fn stray_event(mut endpoint: Endpoint, corr: u64) {
    for _ in 0..1_000 {
        endpoint.feed(&frame(EVENT, corr));
    }
    endpoint.assert_alive();
    assert_eq!(endpoint.conn.counters().discarded_events, 1_000);
    endpoint.feed(&frame(EVENT, corr));
    assert!(endpoint.conn.is_closed());
}

const AT_CLIENT: &[Case] = &[
    ("REQ or no direction, any app", |row| {
        for flags in [REQ, NONE, REQ | START | END] {
            fatal_at(row, asking(), &frame(flags, 1).bytes());
            fatal_at(row, asking(), &control(flags, 0, 0).bytes());
        }
    }),
    ("more than one direction, any app", |row| {
        for flags in [REQ | RESP, RESP | EVENT, REQ | EVENT, REQ | RESP | EVENT] {
            fatal_at(row, asking(), &frame(flags, 1).bytes());
            fatal_at(row, asking(), &control(flags, 202, 1).bytes());
        }
    }),
    ("RESP, app not 0, corr_id 0 or never given out", |row| {
        for corr in [0, 2, u64::MAX] {
            fatal_at(row, asking(), &frame(RESP, corr).bytes());
        }
    }),
    ("RESP, exchange ended", |_| {
        let mut client = asking();
        client.feed(&answer(1, b""));
        client.events();
        client.feed(&answer(1, b"again"));
        client.assert_alive();
    }),
    ("app_proto_id or tenant_id differs, RESP or EVENT", |row| {
        for wrong in [
            frame(RESP, 1).app(9),
            frame(RESP | END, 1).tenant(9),
            frame(EVENT, 1).app(9),
            frame(EVENT, 1).tenant(9),
        ] {
            let mut client = asking();
            client.feed(&wrong);
            row.ended_exchange(&mut client, 1, true);
        }
    }),
    (
        "EVENT, app not 0, exchange not open or never opened",
        |_| {
            let mut client = asking();
            client.feed(&answer(1, b""));
            client.events();
            stray_event(client, 1);
            stray_event(Endpoint::client(), 99);
        },
    ),
    ("START or END on EVENT", |_| {
        let mut client = asking();
        client.feed(&frame(EVENT | START | END, 1).payload(b"x"));
        assert!(matches!(client.one_event(), Event::Pushed { .. }));
        answered(client);
    }),
    ("exchange abandoned, server without cancel", |_| {
        let mut client = Endpoint::client();
        let id = client.ask(b"x");
        client
            .conn
            .exchange(id)
            .expect("open")
            .cancel(Code::TIMEOUT, Reason::Cancelled);
        client.feed(&frame(RESP | ACK_REQ, 1).payload(&pattern(70_000)));
        assert_eq!(ack_numbers(&client.one_frame(), 1).0, 70_000);
        assert_eq!(client.conn.exchanges(), 1);
        client.feed(&answer(1, b""));
        client.assert_alive();
    }),
    (
        "error body missing, malformed, too long, unknown reason",
        |_| {
            let long = format!(r#"{{"code":"io","message":"{}"}}"#, "x".repeat(4_096));
            for body in ["", "{", &long, r#"{"code":"tea"}"#] {
                assert!(
                    ErrorBody::parse(body.as_bytes())
                        .map_or(true, |body| body.reason.known().is_none())
                );
                let mut client = asking();
                client.feed(&cancel(1, 404).payload(body.as_bytes()));
                let reason = Some(Reason::NotFound);
                match client.one_event() {
                    Event::Ended { end, .. } => {
                        assert_eq!(
                            end,
                            End::Cancelled {
                                code: Code::NOT_FOUND,
                                reason
                            }
                        );
                    }
                    other => panic!("{other:?}"),
                }
                client.assert_alive();
            }
        },
    ),
];

const CONTROL: &[Case] = &[
    ("connection error frame received", |_| {
        for mut endpoint in [serving().0, asking()] {
            let body = error_json("peer_limit", 0);
            endpoint.feed(&control(RESP | END, 429, 0).payload(body.as_bytes()));
            let reason = Some(Reason::PeerLimit);
            let closed = CloseReason::PeerError {
                code: Code::TOO_MANY,
                reason,
            };
            assert_eq!(endpoint.one_event(), Event::Closed(closed));
            endpoint.assert_over();
        }
    }),
    (
        "error, app 0, corr_id 0, reason bad_hello, HELLO awaited",
        |row| {
            let mut client = Endpoint::client_with(|config| config.hello = true);
            client.frames();
            let body = error_json(row.reason().name(), 0);
            client.feed(&control(RESP | END, row.code(), 0).payload(body.as_bytes()));
            assert_eq!(client.one_event(), Event::NoHello);
            client.assert_alive();
        },
    ),
    ("any other error, app 0, corr_id 0", |_| {
        let mut client = Endpoint::client_with(|config| config.hello = true);
        client.frames();
        let body = error_json("bad_frame", 0);
        client.feed(&control(RESP | END, 400, 0).payload(body.as_bytes()));
        let reason = Some(Reason::BadFrame);
        let closed = CloseReason::PeerError {
            code: Code::BAD_REQUEST,
            reason,
        };
        assert_eq!(client.one_event(), Event::Closed(closed));
    }),
    (
        "RESP on app 0 that is no ACK and no connection error frame",
        |_| {
            let none = [
                control(RESP, 0, 0),
                control(RESP | END, 500, 1),
                control(RESP, 202, 0),
            ];
            ignored(Endpoint::server(), &none);
        },
    ),
    ("RESP on app 0 that answers nothing", |_| {
        let none = [
            control(RESP | END, 0, 0),
            control(RESP | END, 400, 9),
            control(RESP, 200, 3),
        ];
        ignored(Endpoint::client(), &none);
    }),
    ("other EVENT on app 0; PONG not awaited", |_| {
        let none = [
            control(EVENT, 0, 1),
            control(EVENT, 302, 1),
            control(EVENT, 202, 7),
        ];
        ignored(Endpoint::server(), &none);
        ignored(Endpoint::client(), &none);
    }),
    ("CANCEL, exchange open", |_| {
        let (server, id) = serving();
        for (mut endpoint, id) in [(server, Some(id)), (asking(), None)] {
            let body = error_json("rate_limited", 1);
            endpoint.feed(&cancel(1, 429).payload(body.as_bytes()));
            let reason = Some(Reason::RateLimited);
            match endpoint.one_event() {
                Event::Ended { end, .. } => {
                    assert_eq!(
                        end,
                        End::Cancelled {
                            code: Code::TOO_MANY,
                            reason
                        }
                    );
                }
                other => panic!("{other:?}"),
            }
            if let Some(id) = id {
                endpoint.release(id);
            }
            endpoint.assert_alive();
        }
    }),
    ("CANCEL, exchange not open", |_| {
        ignored(Endpoint::server(), &[cancel(1, 408), cancel(2, 500)]);
        ignored(Endpoint::client(), &[cancel(1, 408), cancel(2, 500)]);
    }),
    ("HELLO request with START, END or a code", |_| {
        for odd in [
            hello("{}").with(START),
            hello("{}").with(END),
            hello("{}").code(202),
        ] {
            let mut server = Endpoint::server();
            server.feed(&odd);
            assert_eq!(flags_code(&server.one_frame()), (RESP | END, 0));
            assert!(matches!(server.one_event(), Event::Hello(_)));
            server.assert_alive();
        }
    }),
    (
        "HELLO body too long, no object, too deep, key twice",
        |row| {
            let long = [&b"{\"ua\":\""[..], &[b'x'; 4_088], b"\"}"].concat();
            let deep = br#"{"x":[[[[[[[[]]]]]]]]}"#;
            bad_hello(row, &[&long, b"[]", deep, br#"{"a":1,"a":1}"#], NONE);
        },
    ),
    (
        "HELLO field of a wrong type, number out of range or not a plain integer",
        |row| {
            bad_hello(
                row,
                &[
                    br#"{"ua":1}"#,
                    br#"{"max_frame":4095}"#,
                    br#"{"max_inflight":1e1}"#,
                ],
                NONE,
            );
        },
    ),
    ("HELLO with COMP or APP_E2E", |row| {
        bad_hello(row, &[b"{}"], COMP);
        bad_hello(row, &[b"{}"], APP_E2E);
    }),
    ("unknown field, feature or coding in a HELLO", |_| {
        let odd = r#"{"tea":1,"features":["tea"],"comp":["tea"]}"#;
        let mut server = Endpoint::server();
        server.feed(&hello(odd));
        assert_eq!(flags_code(&server.one_frame()), (RESP | END, 0));
        server.events();
        server.assert_alive();
        Endpoint::client_told(odd).assert_alive();
    }),
    ("late HELLO", |row| {
        let mut server = Endpoint::server();
        server.feed(&hello("{}"));
        let first = server.one_frame();
        server.events();
        server.feed(&control(NONE, 0, 8).payload(b"nonsense"));
        let again = server.one_frame();
        assert_eq!(flags_code(&again), (RESP | END, row.code()));
        assert_eq!((again.header.corr_id, again.payload), (8, first.payload));
        server.assert_alive();
    }),
    ("bad HELLO reply", |row| {
        let mut client = Endpoint::client_with(|config| config.hello = true);
        client.frames();
        fatal_at(row, client, &hello_reply("{").bytes());
    }),
];

const WINDOWS: &[Case] = &[
    ("data beyond the limit", |row| {
        let mut server = Endpoint::server_with(manual);
        server.open(&frame(REQ | START | ACK_REQ, 1).payload(&pattern(131_072)));
        server.feed(&frame(REQ, 1).payload(b"x"));
        row.ended_exchange(&mut server, 1, true);
        let mut client = asking_manually();
        client.feed(&frame(RESP | ACK_REQ, 1).payload(&pattern(131_072)));
        client.events();
        client.feed(&frame(EVENT, 1).payload(b"x"));
        row.ended_exchange(&mut client, 1, true);
    }),
    ("ACK payload not 16 bytes, or limit under consumed", |row| {
        fatal_at_both(row, &control(RESP, 202, 1).payload(&[0; 15]).bytes());
        fatal_at_both(row, &ack(1, 2, 1).bytes());
    }),
    ("ACK for bytes never sent, or going back", |row| {
        for wrong in [ack(1, 6, 400_000), ack(1, 3, 400_000), ack(1, 5, 200_000)] {
            let mut server = Endpoint::server();
            let id = server.open(&frame(REQ | START | ACK_REQ, 1));
            server.send(id, 200, b"12345", Fin::More);
            let mut client = Endpoint::client();
            client.stream(b"12345");
            for mut endpoint in [server, client] {
                endpoint.frames();
                endpoint.feed(&ack(1, 4, 300_000));
                fatal_at(row, endpoint, &wrong.bytes());
            }
        }
    }),
    ("ACK, exchange ended (server: or never opened)", |_| {
        ignored(Endpoint::server(), &[ack(1, 0, 9)]);
        let mut client = asking();
        client.feed(&answer(1, b""));
        client.events();
        ignored(client, &[ack(1, 0, 9)]);
    }),
    ("ACK, exchange never opened", |row| {
        fatal_at(row, asking(), &ack(2, 0, 9).bytes())
    }),
    ("ACK, direction not windowed", |_| {
        for mut endpoint in [serving().0, asking()] {
            endpoint.feed(&ack(1, 0, 9));
            endpoint.assert_silent();
            assert_eq!(endpoint.conn.counters().ignored_control, 1);
        }
    }),
    ("ACK_REQ on a later frame only", |_| {
        let (mut server, _) = serving();
        server.feed(&frame(REQ | ACK_REQ, 1).payload(&pattern(140_000)));
        let mut client = asking();
        client.feed_all(&[
            frame(RESP, 1),
            frame(RESP | ACK_REQ, 1).payload(&pattern(140_000)),
        ]);
        for mut endpoint in [server, client] {
            endpoint.events();
            endpoint.assert_silent();
        }
    }),
    ("frame does not fit the buffer budget", |_| {
        let set = |config: &mut Config| {
            manual(config);
            config.limits = small_limits();
        };
        let mut server = Endpoint::server_with(set);
        server.feed(&frame(REQ | START, 1));
        server.feed_all(&vec![frame(REQ, 1).payload(&pattern(4_000)); 9]);
        let mut client = Endpoint::client_with(set);
        client.ask(b"x");
        client.feed_all(&vec![frame(RESP, 1).payload(&pattern(4_000)); 9]);
        for endpoint in [server, client] {
            assert!(!endpoint.conn.interest().read && endpoint.undecoded() > 4_000);
            assert!(!endpoint.conn.is_closed());
        }
    }),
    (
        "more windowed frames held than one per 256 bytes of the buffer budget",
        |row| {
            let set = |config: &mut Config| {
                manual(config);
                config.limits = small_limits();
            };
            let mut server = Endpoint::server_with(set);
            server.feed(&frame(REQ | START | ACK_REQ, 1).payload(b"x"));
            let mut client = Endpoint::client_told_with(ALL_FEATURES, set);
            client.ask(b"x");
            client.feed(&frame(RESP | ACK_REQ, 1).payload(b"x"));
            for (mut endpoint, direction) in [(server, REQ), (client, RESP)] {
                let mut held = Vec::new();
                for _ in 0..128 {
                    for event in endpoint.events() {
                        match event {
                            Event::Opened { id, payload, .. } | Event::Data { id, payload, .. } => {
                                held.push((id, payload.charge()));
                            }
                            other => panic!("{other:?}"),
                        }
                    }
                    endpoint.feed(&frame(direction, 1).payload(b"x"));
                }
                for (id, charge) in held {
                    endpoint.conn.consumed(id, charge);
                }
                row.ended_exchange(&mut endpoint, 1, true);
            }
        },
    ),
    ("ack_window x max_inflight above 8 x max_frame", |_| {
        let built = Limits::builder().ack_window(131_073).build();
        assert!(matches!(built, Err(LimitError::Windows { .. })));
    }),
];

#[cfg(feature = "comp")]
const COMP_ROWS: &[Case] = &[
    (
        "COMP payload empty, truncated, trailing bytes, bad checksum, preset dictionary",
        |row| {
            let whole = oap_core::inflate::deflate(&[7; 100]).expect("smaller");
            let mut checksum = whole.clone();
            *checksum.last_mut().expect("bytes") ^= 1;
            let trailing = [&whole[..], b"x"].concat();
            let dictionary = [0x78, 0xbb, 0, 0, 0, 1, 3, 0, 0, 0, 0, 1];
            for broken in [&[][..], &whole[..9], &trailing, &checksum, &dictionary] {
                inflating(row, |_| {}, &[broken]);
            }
        },
    ),
    ("COMP in a coding not offered, when asked for", |row| {
        inflating(row, |_| {}, &[b"\x28\xb5\x2f\xfd\x04\x00\x01\x00\x00"]);
        let whole = oap_core::inflate::deflate(&[7; 100]).expect("smaller");
        let none = |config: &mut Config| config.codings = oap_core::wire::Codings::NONE;
        inflating(row, none, &[&whole]);
    }),
    ("inflates to more than 8 x max_frame", |row| {
        inflating(row, |_| {}, &[&zeros(8 * 1_048_576 + 1)]);
    }),
    ("inflate budget used up", |row| {
        let most = zeros(8 * 1_048_576 - 1);
        inflating_and_dropping(row, &[&most, &most]);
    }),
    ("live inflated bytes above 8 MiB", |row| {
        let small = |config: &mut Config| config.limits = small_limits();
        let piece = zeros(32_768);
        let many: Vec<&[u8]> = vec![&piece; 257];
        inflating(row, small, &many);
    }),
];
#[cfg(not(feature = "comp"))]
const COMP_ROWS: &[Case] = &[];

#[cfg(feature = "comp")]
fn zeros(n: usize) -> Vec<u8> {
    oap_core::inflate::deflate(&vec![0; n]).expect("smaller")
}

/// Inflates all of `payloads`, keeps what comes out, and meets the fault at the last.
#[cfg(feature = "comp")]
fn inflating(row: &Row, set: fn(&mut Config), payloads: &[&[u8]]) {
    let mut live = Vec::new();
    inflate_all(row, Endpoint::server_with(set), payloads, |bytes| {
        live.push(bytes)
    });
    let mut live = Vec::new();
    let client = Endpoint::client_told_with(ALL_FEATURES, set);
    inflate_all(row, client, payloads, |bytes| live.push(bytes));
}

#[cfg(feature = "comp")]
fn inflating_and_dropping(row: &Row, payloads: &[&[u8]]) {
    inflate_all(row, Endpoint::server(), payloads, drop);
    inflate_all(row, Endpoint::client_told(ALL_FEATURES), payloads, drop);
}

#[cfg(feature = "comp")]
fn inflate_all(
    row: &Row,
    mut endpoint: Endpoint,
    payloads: &[&[u8]],
    mut keep: impl FnMut(bytes::Bytes),
) {
    let direction = match endpoint.conn.role() {
        Role::Server => REQ | START,
        Role::Client => {
            endpoint.ask(b"x");
            RESP
        }
    };
    for (at, payload) in payloads.iter().enumerate() {
        // Plain bytes earn the budget that is not meant here.
        let plain = frame(
            if at == 0 {
                direction
            } else {
                direction.directions()
            },
            1,
        );
        endpoint.feed(&plain.payload(&pattern(1_050)));
        endpoint.feed(&frame(direction.directions() | COMP, 1).payload(payload));
        let (id, payload) = match endpoint.events().pop() {
            Some(Event::Data { id, payload, .. }) => (id, payload),
            other => panic!("{other:?}"),
        };
        let result = endpoint.conn.inflate(endpoint.now, id, &payload);
        endpoint.check();
        if at + 1 < payloads.len() {
            keep(result.expect("not the last"));
        } else {
            row.assert_is(&result.expect_err("the last"), Scope::Exchange);
        }
    }
    row.ended_exchange(&mut endpoint, 1, true);
}

const TIMERS: &[Case] = &[
    ("no first frame", |row| {
        let mut server = Endpoint::server();
        server.advance(Duration::from_secs(5));
        row.timed_out(&mut server);
    }),
    ("frame not complete in time", |row| {
        for mut endpoint in [Endpoint::server(), Endpoint::client()] {
            endpoint.feed_bytes(Lane::FIRST, &[33]);
            endpoint.advance(Duration::from_secs(5));
            row.timed_out(&mut endpoint);
        }
    }),
    ("no progress in writing", |row| {
        let (mut server, id) = serving();
        server.send(id, 200, b"x", Fin::End);
        let mut client = Endpoint::client();
        request_of(&mut client, b"x").expect("a request");
        for mut endpoint in [server, client] {
            assert!(
                endpoint
                    .conn
                    .poll_transmit(Lane::FIRST, endpoint.now)
                    .is_some()
            );
            endpoint.advance(Duration::from_secs(5));
            row.timed_out(&mut endpoint);
        }
    }),
    ("idle", |row| {
        for mut endpoint in [serving().0, Endpoint::client()] {
            endpoint.advance(Duration::from_secs(60));
            row.timed_out(&mut endpoint);
        }
    }),
    ("HELLO not answered", |row| {
        let mut client = Endpoint::client_with(|config| config.hello = true);
        client.frames();
        client.advance(Duration::from_secs(5));
        row.timed_out(&mut client);
    }),
    ("request not answered in time", |row| {
        let mut client = asking();
        client.advance(Duration::from_secs(10));
        assert!(matches!(
            client.one_event(),
            Event::Ended {
                end: End::TimedOut,
                ..
            }
        ));
        let told = client.one_frame();
        assert_eq!(flags_code(&told), (EVENT, row.code()));
        assert_error_body(&told.payload, row.code(), row.reason(), 1);
        client.assert_alive();
    }),
    ("cancels and errors over budget", |row| {
        let mut server = Endpoint::server();
        for corr in 1..=1_000 {
            server.feed(&frame(REQ | END, corr));
            server.frames();
        }
        fatal_at(row, server, &frame(REQ | END, 1_001).bytes());
        let mut client = Endpoint::client();
        client.feed_all(&vec![frame(EVENT, 1); 1_000]);
        fatal_at(row, client, &frame(EVENT, 1).bytes());
    }),
    ("HELLO requests over budget", |row| {
        let mut server = Endpoint::server();
        server.feed_all(&vec![hello("{}"); 10]);
        server.frames();
        server.events();
        fatal_at(row, server, &hello("{}").bytes());
    }),
    ("more than 100 empty frames on an exchange", |row| {
        for (mut endpoint, direction) in [(serving().0, REQ), (asking_without_features(), RESP)] {
            for _ in 0..100 {
                endpoint.feed(&frame(direction, 1));
                endpoint.events();
            }
            fatal_at(row, endpoint, &frame(direction, 1).bytes());
        }
    }),
    ("64 obligatory replies queued", |_| {
        for mut endpoint in [Endpoint::server(), Endpoint::client()] {
            endpoint.feed_all(&vec![ping(1); 65]);
            assert!(!endpoint.conn.interest().read);
            assert_eq!(endpoint.undecoded(), 37);
            assert_eq!(endpoint.frames().len(), 65);
            assert!(endpoint.conn.interest().read);
        }
    }),
    ("frame of an open exchange on another lane", |row| {
        let mut server = Endpoint::server_with(|config| config.multi_lane = true);
        server.open(&frame(REQ | START, 1));
        server.feed_on(Lane(1), &frame(REQ, 1));
        row.ended_exchange(&mut server, 1, true);
    }),
    ("lane reset", |row| {
        let multi = |config: &mut Config| config.multi_lane = true;
        let mut server = Endpoint::server_with(multi);
        server.feed_on(Lane(1), &frame(REQ | START, 1));
        server.opened();
        let mut client = Endpoint::client_with(multi);
        client.feed_bytes(Lane(1), b"");
        let mut head = Head::new(APP);
        head.lane = Lane(1);
        client
            .conn
            .request(client.now, head, b"x".as_slice().into(), Fin::End)
            .expect("a request");
        for mut endpoint in [server, client] {
            endpoint.conn.handle_reset(Lane(1), endpoint.now);
            match endpoint.one_event() {
                Event::Ended {
                    end: End::Cancelled { reason, .. },
                    ..
                } => {
                    assert_eq!(reason, row.reason);
                }
                other => panic!("{other:?}"),
            }
            endpoint.assert_alive();
        }
    }),
];

fn asking_without_features() -> Endpoint {
    let mut client = Endpoint::client();
    client.ask(b"question");
    client
}

/// Faults that the core never sees: transports have their own tests of them.
const OF_TRANSPORTS: &[&str] = &[
    "TLS below 1.3, early data",
    "ALPN wrong, or missing where required",
    "classical key exchange with pq require",
    "unidirectional stream, or stream opened by the server",
    "Unix socket peer not on the allow-list",
];

// OAP-1-3 OAP-1-4 OAP-1-5 OAP-1-6 OAP-1-10 OAP-1-11 OAP-1-12 OAP-1-13 OAP-2-1 OAP-2-3 OAP-2-4
// OAP-2-5 OAP-2-6 OAP-2-7 OAP-3-7 OAP-3-8 OAP-3-9 OAP-3-10 OAP-3-11 OAP-3-12 OAP-3-13 OAP-3-14
// OAP-3-15 OAP-3-16 OAP-3-18 OAP-3-20 OAP-3-21 OAP-3-23 OAP-4-3 OAP-4-5 OAP-4-6 OAP-4-8 OAP-4-9
// OAP-4-10 OAP-4-12 OAP-5-1 OAP-5-5 OAP-5-6 OAP-5-7 OAP-5-8 OAP-5-9 OAP-5-10 OAP-6-2 OAP-6-13
// OAP-6-14 OAP-6-15 OAP-6-16 OAP-6-17 OAP-6-18 OAP-7-2 OAP-7-4 OAP-8-3 OAP-8-4 OAP-8-6 OAP-8-7
// OAP-9-1 OAP-9-5 OAP-10-1 OAP-10-2 OAP-10-4 OAP-10-5 OAP-10-6 OAP-10-7 OAP-10-8 OAP-10-9
// OAP-10-10 OAP-10-11 OAP-10-12 OAP-11-7 OAP-11-9
#[test]
fn every_row_of_the_appendix_happens_as_it_says() {
    let cases: Vec<&Case> = [
        FRAMES, AT_SERVER, AT_CLIENT, CONTROL, WINDOWS, COMP_ROWS, TIMERS,
    ]
    .into_iter()
    .flatten()
    .collect();
    let rows = Row::all();
    for row in &rows {
        match cases.iter().find(|case| case.0 == row.fault) {
            Some((_, happen)) => {
                println!("{row:?}");
                happen(row);
            }
            None if OF_TRANSPORTS.contains(&row.fault.as_str()) => {}
            None if cfg!(not(feature = "comp")) && row.clauses[0].starts_with("OAP-8-") => {}
            None => panic!("nothing tests {row:?}"),
        }
    }
    for case in cases {
        assert!(
            rows.iter().any(|row| row.fault == case.0),
            "the appendix has no {}",
            case.0
        );
    }
}
