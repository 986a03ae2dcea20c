//! Exchanges that wait for a verdict.

use std::time::Duration;
use std::vec::Vec;

use super::Heap;
use super::choices::Choices;
use super::frame::{GREETING, Says};
use super::probe::Probe;
use crate::{Code, Config, Event, ExchangeId, Fin, Lane, Limits, Reason, Role, Start, Verdict};

/// The ids that the client uses.
const CORRS: usize = 6;

/// Capabilities at a server that asks for a verdict on each: nothing of an exchange reaches the
/// handler before the verdict, nothing ever does after a refusal, and what was parked then comes
/// whole, once and in its order.
///
/// # Panics
/// If that does not hold, or a bound is passed.
pub fn capability(data: &[u8], heap: Heap) {
    let mut choices = Choices::new(data);
    let mut door = Door::new(&mut choices, heap);
    while !choices.is_empty() {
        door.step(&mut choices);
        door.probe.check();
    }
    if door.ends {
        door.allow_after_the_end();
    }
    door.look();
    door.probe.finish();
}

/// A server, and what its client and its verifier know.
struct Door {
    probe: Probe,
    /// What was sent, by the number of the START, which is the tenant.
    sent: Vec<Sent>,
    /// The latest START of each id.
    latest: [usize; CORRS],
    /// Those that asked for a verdict.
    guests: Vec<Guest>,
    /// The client ends its stream while exchanges wait.
    ends: bool,
}

/// One exchange as the client knows it.
#[derive(Default)]
struct Sent {
    corr: u64,
    capability: usize,
    bytes: usize,
}

/// One exchange as the verifier and the handler know it.
struct Guest {
    id: ExchangeId,
    number: usize,
    verdict: Option<Verdict>,
    /// Payload bytes that came to the handler.
    got: usize,
    is_opened: bool,
}

impl Door {
    fn new(choices: &mut Choices<'_>, heap: Heap) -> Self {
        let limits = Limits::builder().max_inflight(choices.pick(&[64, 1, 4]));
        let bits = choices.byte();
        let config = Config {
            limits: limits.build().unwrap_or_default(),
            authorize: true,
            explicit_release: bits & 1 != 0,
            ..Config::default()
        };
        let mut probe = Probe::new(Role::Server, config, heap);
        if bits & 2 == 0 {
            probe.input(Lane::FIRST, &Says::control(0x19, 0, 0).with(GREETING));
        }
        Self {
            probe,
            sent: Vec::from([Sent::default()]),
            latest: [0; CORRS],
            guests: Vec::new(),
            ends: bits & 4 != 0,
        }
    }

    fn step(&mut self, choices: &mut Choices<'_>) {
        let at = choices.below(CORRS);
        let corr = 1 + at as u64;
        match choices.below(16) {
            0..=3 => self.start(at, choices),
            4..=7 => {
                let flags = choices.pick(&[0x01, 0x11, 0x21, 0x09]);
                self.send(at, flags, usize::from(choices.byte()));
            }
            8 => {
                let cancel = Says::control(0x04, 408, corr).with(b"");
                self.probe.input(Lane::FIRST, &cancel);
            }
            9 => self.probe.transmit(choices.pick(&[usize::MAX, 0, 50])),
            10 => {
                let millis = choices.pick(&[1, 500, 4_990, 5_000]);
                self.probe.pass(Duration::from_millis(millis));
            }
            11 => self.look(),
            12 => self.answer(choices),
            _ => self.judge(choices),
        }
    }

    /// A START, with the number of it for a tenant.
    fn start(&mut self, at: usize, choices: &mut Choices<'_>) {
        let flags = choices.pick(&[0x09, 0x19, 0x29, 0x39]);
        let capability = choices.pick(&[0, 1, 40, 200]);
        let number = self.sent.len();
        self.sent.push(Sent {
            corr: 1 + at as u64,
            capability,
            bytes: 0,
        });
        self.latest[at] = number;
        self.send(at, flags, usize::from(choices.byte()));
    }

    /// A frame of the latest exchange with this id. All its bytes are the exchange's number.
    fn send(&mut self, at: usize, flags: u16, size: usize) {
        let number = self.latest[at];
        if number == 0 {
            return;
        }
        let is_start = flags & 0x08 != 0;
        let cap_len = if is_start {
            self.sent[number].capability
        } else {
            0
        };
        let says = Says {
            tenant: number as u128,
            cap_len,
            ..Says::app(flags, 0, 1 + at as u64)
        };
        let payload = std::vec![number as u8; cap_len + size];
        if self.probe.input(Lane::FIRST, &says.with(&payload)) {
            self.sent[number].bytes += size;
        }
    }

    /// Takes all events.
    fn look(&mut self) {
        let Self {
            probe,
            sent,
            guests,
            ..
        } = self;
        probe.events(usize::MAX, |event| match event {
            Event::Authorize { id, start } => guests.push(Guest::new(*id, start, sent)),
            Event::Opened {
                id, payload, fin, ..
            } => guest(guests, *id).takes(true, payload.wire_bytes(), *fin, sent),
            Event::Data {
                id, payload, fin, ..
            } => guest(guests, *id).takes(false, payload.wire_bytes(), *fin, sent),
            _ => {}
        });
    }

    /// A verdict on one of the exchanges, also where there was one before.
    fn judge(&mut self, choices: &mut Choices<'_>) {
        let verdict = choices.pick(&[
            Verdict::Allow,
            Verdict::Deny,
            Verdict::Refuse(Code::TOO_MANY, Reason::RateLimited),
            Verdict::Refuse(Code::NOT_FOUND, Reason::NotFound),
        ]);
        let Some(guest) = latest(&mut self.guests, choices) else {
            return;
        };
        guest.verdict.get_or_insert(verdict);
        let (id, now) = (guest.id, self.probe.now);
        self.probe.command(0, |connection| {
            if let Some(exchange) = connection.exchange(id) {
                exchange.authorize(now, verdict);
            }
        });
    }

    /// Verdicts that come when the client has nothing more to say.
    fn allow_after_the_end(&mut self) {
        self.probe.eof(Lane::FIRST);
        self.look();
        let now = self.probe.now;
        for guest in &mut self.guests {
            guest.verdict.get_or_insert(Verdict::Allow);
            let id = guest.id;
            self.probe.command(0, |connection| {
                if let Some(exchange) = connection.exchange(id) {
                    exchange.authorize(now, Verdict::Allow);
                }
            });
        }
    }

    /// The handler answers, or is done, also with what it has not heard of yet.
    fn answer(&mut self, choices: &mut Choices<'_>) {
        let kind = choices.below(4);
        let Some(guest) = latest(&mut self.guests, choices) else {
            return;
        };
        let (id, is_allowed) = (guest.id, guest.verdict == Some(Verdict::Allow));
        self.probe.command(6, |connection| {
            let Some(exchange) = connection.exchange(id) else {
                return;
            };
            match kind {
                0 => exchange.release(),
                1 => exchange.cancel(Code::INTERNAL, Reason::Internal),
                2 => drop(exchange.fail(Code::NOT_FOUND, Reason::NotFound, "")),
                _ => {
                    let sent = exchange.respond(Code::OK, b"answer".into());
                    assert!(is_allowed || sent.is_err(), "an answer before the verdict");
                }
            }
        });
    }
}

impl Guest {
    fn new(id: ExchangeId, start: &Start, sent: &[Sent]) -> Self {
        let number = start.tenant_id as usize;
        let expected = &sent[number];
        assert_eq!(start.corr_id, expected.corr);
        assert_eq!(start.capability.len(), expected.capability);
        assert!(start.capability.iter().all(|&byte| byte == number as u8));
        Self {
            id,
            number,
            verdict: None,
            got: 0,
            is_opened: false,
        }
    }

    /// Something comes to the handler.
    fn takes(&mut self, is_opening: bool, payload: &[u8], fin: Fin, sent: &[Sent]) {
        assert_eq!(self.verdict, Some(Verdict::Allow), "before the verdict");
        assert_eq!(self.is_opened, !is_opening, "it opens once, and first");
        self.is_opened = true;
        self.got += payload.len();
        assert!(payload.iter().all(|&byte| byte == self.number as u8));
        let bytes = sent[self.number].bytes;
        assert!(self.got <= bytes, "more than was sent");
        assert!(!fin.is_end() || self.got <= bytes);
    }
}

/// The exchange behind a handle; the handler hears of none that did not ask for a verdict.
fn guest(guests: &mut [Guest], id: ExchangeId) -> &mut Guest {
    guests
        .iter_mut()
        .rfind(|guest| guest.id == id)
        .expect("it has asked for a verdict")
}

/// One of the latest that asked.
fn latest<'a>(guests: &'a mut [Guest], choices: &mut Choices<'_>) -> Option<&'a mut Guest> {
    let at = guests.len().checked_sub(1 + choices.below(CORRS))?;
    guests.get_mut(at)
}
