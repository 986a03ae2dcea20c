//! What an application does.

use core::time::Duration;

use bytes::Bytes;

use super::choices::Choices;
use super::probe::{LANES, Probe};
use crate::{
    Body, Code, Connection, Exchange, ExchangeId, Fin, Head, Reason, Role, Timestamp, Verdict,
};

/// Bodies are cut from this.
static BODY: [u8; 20_000] = [7; 20_000];
/// As are capabilities; all of it is more than any header can say.
static CAPABILITY: [u8; 65_536] = [8; 65_536];

/// One command of the application's, on the connection or on an exchange that it knows. Returns
/// whether it has opened an exchange.
pub(super) fn command(probe: &mut Probe, choices: &mut Choices<'_>) -> bool {
    let now = probe.now;
    let size = usize::from(choices.word()) % BODY.len();
    let mut order = Order {
        kind: choices.below(20),
        body: any_body(probe, size, choices.byte()),
        fin: choices.pick(&[Fin::End, Fin::More]),
        code: Code::new(choices.pick(&[0, 200, 404, 429, 503, 999])),
    };
    if probe.role() == Role::Client && matches!(order.kind, 8 | 9 | 10 | 12 | 13) {
        // What only a server does is tried by a client now and then.
        order.kind = if choices.byte() < 20 { order.kind } else { 0 };
    }
    match order.kind {
        0 | 1 => return open(probe, choices, order),
        2 => drop(probe.command(0, |connection| connection.ping(now))),
        3 if choices.byte() & 15 == 0 => probe.command(0, Connection::drain),
        4 if choices.byte() & 31 == 0 => probe.command(0, Connection::close),
        5 => {
            probe.consume(choices.below(8));
            probe.go_on();
        }
        6 => end(probe, choices),
        14 | 15 => probe.command(0, |connection| pause(connection, now, order.code)),
        _ => on_exchange(probe, choices, order),
    }
    false
}

/// What is to be done, and with what.
struct Order {
    kind: usize,
    body: Body,
    fin: Fin,
    code: Code,
}

/// A plain body, an opaque one, one that is compressed, or one that only says so.
fn any_body(probe: &Probe, size: usize, kind: u8) -> Body {
    let bytes = Bytes::from_static(&BODY[..size]);
    match kind {
        0 => Body::compressed(bytes),
        1 => Body::from(bytes).opaque(),
        2..=9 => as_negotiated(probe, bytes),
        10 => Body::empty(),
        _ => bytes.into(),
    }
}

#[cfg(feature = "comp")]
fn as_negotiated(probe: &Probe, bytes: Bytes) -> Body {
    probe.connection.compression().apply(bytes)
}

#[cfg(not(feature = "comp"))]
fn as_negotiated(_: &Probe, bytes: Bytes) -> Body {
    bytes.into()
}

fn open(probe: &mut Probe, choices: &mut Choices<'_>, order: Order) -> bool {
    let now = probe.now;
    let mut head = Head::new(choices.pick(&[1, 2, 0]));
    let bits = choices.byte();
    if bits & 7 == 0 {
        let size = choices.pick(&[10, 70, 5_000, CAPABILITY.len()]);
        head = head.with_capability(Bytes::from_static(&CAPABILITY[..size]));
    }
    if bits & 56 == 0 {
        head = head.with_timeout(Duration::from_millis(choices.byte().into()));
    }
    head.lane = probe.any_lane(choices);
    let size = head.capability.len() + order.body.len();
    let opened = probe.command(size, |connection| {
        connection.request(now, head, order.body, order.fin)
    });
    opened.map(|id| probe.remember(id)).is_ok()
}

/// The transport ends, breaks or fails.
fn end(probe: &mut Probe, choices: &mut Choices<'_>) {
    let lane = probe.any_lane(choices);
    match choices.byte() & 31 {
        0 | 1 => probe.eof(lane),
        2 => probe.reset(lane),
        3 => probe.mute(lane),
        4 => probe.command(0, Connection::handle_transport_error),
        5 => probe.command(0, Connection::handle_peer_close),
        _ => {}
    }
}

/// The host's own rates.
fn pause(connection: &mut Connection, now: Timestamp, code: Code) {
    match code.get() {
        0 => connection.handle_pause(now),
        200 => connection.handle_write_pause(now),
        404 => connection.handle_write_resume(now),
        _ => connection.handle_resume(now),
    }
}

fn on_exchange(probe: &mut Probe, choices: &mut Choices<'_>, order: Order) {
    let (now, at) = (probe.now, usize::from(choices.byte()));
    let Some(id) = probe.ids.get(at % 64).copied() else {
        return;
    };
    let size = order.body.len();
    assert_eq!(order.body.is_empty(), size == 0);
    probe.command(size, |connection| {
        if let Some(exchange) = connection.exchange(id) {
            on(exchange, id, now, order);
        }
    });
}

fn on(mut exchange: Exchange<'_>, id: ExchangeId, now: Timestamp, order: Order) {
    let Order {
        code, body, fin, ..
    } = order;
    match order.kind {
        7 => drop(exchange.send(code, body, fin)),
        8 => drop(exchange.respond(code, body)),
        9 => drop(exchange.push(code, body)),
        10 => drop(exchange.fail(code, Reason::NotFound, "nothing there")),
        11 => exchange.cancel(code, Reason::Cancelled),
        12 => exchange.release(),
        13 => exchange.authorize(now, verdict(code, fin)),
        _ => {
            let full = !exchange.has_room();
            assert!(!full || exchange.queued_bytes() > 0);
            assert!(!full || !exchange.is_ended(), "what has ended holds bytes");
            assert!(exchange.corr_id() > 0);
            assert_eq!(exchange.id().index(), id.index());
            assert!(usize::from(exchange.lane().0) < LANES);
        }
    }
}

fn verdict(code: Code, fin: Fin) -> Verdict {
    match (code.get(), fin) {
        (429, _) => Verdict::Refuse(code, Reason::RateLimited),
        (_, Fin::End) => Verdict::Allow,
        (_, Fin::More) => Verdict::Deny,
    }
}
