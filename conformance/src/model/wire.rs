//! A judge of what both sides put on the wire, written from the specification and knowing nothing
//! of how a connection keeps its books.

use oap_core::wire::{Features, Flags, Header, MAX_FRAME};
use oap_core::{Code, Config, Role};

/// The window of who has told of none (OAP-6-4, OAP-6-5).
const DEFAULT_WINDOW: u64 = 131_072;
/// The credit of a request while the HELLO is not answered (OAP-6-4).
const CAUTIOUS_WINDOW: u64 = 4_096;

/// What was seen of one direction of an exchange.
#[derive(Clone, Copy, Debug, Default, Hash)]
struct Flow {
    begun: bool,
    /// Its sender keeps to a window.
    windowed: bool,
    ended: bool,
    sent: u64,
    received: u64,
    /// The greatest limit that its sender has been given.
    limit: u64,
    /// The numbers of the last ACK that its receiver has written.
    acked: (u64, u64),
}

/// What was seen of one exchange.
#[derive(Clone, Copy, Debug, Default, Hash)]
struct Line {
    corr: u64,
    app: u16,
    tenant: u128,
    request: Flow,
    answer: Flow,
    cancelled_by_client: bool,
}

/// Everything seen on the wire of one connection.
#[derive(Clone, Debug, Default, Hash)]
pub(super) struct Wire {
    lines: Vec<Line>,
    /// The server has read a good HELLO.
    hello_read: bool,
    /// The client has read the answer.
    reply_read: bool,
}

/// Both sides' configurations, which the judge may know.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms<'a> {
    /// The client's.
    pub(super) client: &'a Config,
    /// The server's.
    pub(super) server: &'a Config,
}

impl Terms<'_> {
    fn of(&self, role: Role) -> &Config {
        match role {
            Role::Client => self.client,
            Role::Server => self.server,
        }
    }
}

/// Whether a frame may stand there.
pub(super) type Verdict = Result<(), String>;

impl Wire {
    /// `role` has written a frame. `consumed` tells, for an ACK, what its application has consumed
    /// of that exchange, where that is known.
    pub(super) fn written(
        &mut self,
        role: Role,
        header: &Header,
        payload: &[u8],
        terms: Terms<'_>,
        consumed: Option<usize>,
    ) -> Verdict {
        let peer_read = match role {
            Role::Client => self.reply_read,
            Role::Server => self.hello_read,
        };
        let peer = match role {
            Role::Client => terms.server,
            Role::Server => terms.client,
        };
        let most = if peer_read {
            peer.limits.max_frame()
        } else {
            MAX_FRAME
        };
        hold(header.len <= most, "OAP-1-8: above the peer's max_frame")?;
        hold(!header.flags.has_reserved(), "OAP-2-1: reserved flags")?;
        let control = header.app_proto_id == 0;
        if control {
            let known = if peer_read {
                peer.features
            } else {
                Features::NONE
            };
            self.control_written(role, header, payload, terms, known, consumed)
        } else if role == Role::Client {
            self.request_written(header, terms)
        } else {
            self.answer_written(header)
        }
    }

    /// `role` has been handed a frame that the other side has written.
    pub(super) fn read(&mut self, role: Role, header: &Header, payload: &[u8], terms: Terms<'_>) {
        let (start, counted) = (header.flags.contains(Flags::START), counted(header));
        match (role, header.app_proto_id) {
            (Role::Server, 0) if is_hello(header) => {
                self.hello_read |= oap_core::wire::Hello::parse_request(payload).is_ok();
            }
            (Role::Client, 0) if header.flags.contains(Flags::RESP) && header.code == Code::OK => {
                self.reply_read_by_client(terms);
            }
            (_, 0) if is_ack(header) => {
                let Some((_, limit)) = ack(payload) else {
                    return;
                };
                if let Some(line) = self.line(header.corr_id) {
                    let flow = match role {
                        Role::Client => &mut line.request,
                        Role::Server => &mut line.answer,
                    };
                    flow.limit = flow.limit.max(limit);
                }
            }
            (_, 0) => {}
            (Role::Server, _) => {
                let told = self.hello_read && terms.client.hello && terms.client.windows;
                if let Some(line) = self.line(header.corr_id) {
                    line.request.received += counted;
                    if start {
                        line.answer.limit = if told {
                            terms.client.limits.ack_window().into()
                        } else {
                            DEFAULT_WINDOW
                        };
                    }
                }
            }
            (Role::Client, _) => {
                if let Some(line) = self.line(header.corr_id) {
                    line.answer.received += counted;
                }
            }
        }
    }

    fn reply_read_by_client(&mut self, terms: Terms<'_>) {
        if terms.client.hello && !self.reply_read {
            self.reply_read = true;
            let window = u64::from(terms.server.limits.ack_window());
            for line in &mut self.lines {
                line.request.limit = line.request.limit.max(window.min(DEFAULT_WINDOW));
            }
        }
    }

    fn request_written(&mut self, header: &Header, terms: Terms<'_>) -> Verdict {
        let flags = header.flags;
        hold(flags.directions() == Flags::REQ, "OAP-2-2: not one REQ")?;
        hold(header.code == Code::OK, "OAP-3-7: a code on a request")?;
        let start = flags.contains(Flags::START);
        hold(start || header.cap_len == 0, "OAP-1-13: a capability")?;
        if start {
            let last = self.lines.last().map_or(0, |line| line.corr);
            hold(header.corr_id > last, "OAP-3-1: an id that was given out")?;
            let limit = if !terms.client.hello {
                DEFAULT_WINDOW
            } else if self.reply_read {
                terms.server.limits.ack_window().into()
            } else {
                CAUTIOUS_WINDOW
            };
            self.lines.push(Line {
                corr: header.corr_id,
                app: header.app_proto_id,
                tenant: header.tenant_id,
                request: Flow {
                    limit,
                    ..Flow::default()
                },
                ..Line::default()
            });
        }
        let Some(line) = self.line(header.corr_id) else {
            return Err("OAP-3-2: a request without START".into());
        };
        let cancelled = line.cancelled_by_client;
        hold(!cancelled, "OAP-4-7: a request after CANCEL")?;
        line.begins_or_goes_on(header)?;
        line.request.take(header)
    }

    fn answer_written(&mut self, header: &Header) -> Verdict {
        let directions = header.flags.directions();
        let one = directions == Flags::RESP || directions == Flags::EVENT;
        hold(one, "OAP-2-2: neither RESP nor EVENT")?;
        hold(header.cap_len == 0, "OAP-1-13: a capability on an answer")?;
        let Some(line) = self.line(header.corr_id) else {
            return Err("OAP-3-3: an answer to what was never asked".into());
        };
        line.begins_or_goes_on(header)?;
        if directions == Flags::EVENT && header.flags.contains(Flags::END) {
            return Err("OAP-7-1: an EVENT with END".into());
        }
        line.answer.take(header)
    }

    fn control_written(
        &mut self,
        role: Role,
        header: &Header,
        payload: &[u8],
        terms: Terms<'_>,
        known: Features,
        consumed: Option<usize>,
    ) -> Verdict {
        let plain = header.tenant_id == 0 && header.cap_len == 0;
        hold(plain, "OAP-4-1: a control frame with tenant or capability")?;
        let event = header.flags.contains(Flags::EVENT);
        let cancel = event && header.corr_id != 0 && (400..600).contains(&header.code.get());
        let needed = match (event, header.corr_id) {
            (false, _) => Features::NONE,
            (true, 0) => Features::GOAWAY,
            (true, _) if cancel => Features::CANCEL,
            (true, _) if header.flags.contains(Flags::ACK_REQ) => Features::PING,
            (true, _) => Features::NONE,
        };
        hold(known.contains(needed), "OAP-4-4: the peer does not list it")?;
        let line = self.line(header.corr_id);
        if let (true, Role::Client, Some(line)) = (cancel, role, line) {
            line.cancelled_by_client = true;
        }
        if is_ack(header) {
            let window = u64::from(terms.of(role).limits.ack_window()).min(DEFAULT_WINDOW);
            self.ack_written(role, header.corr_id, payload, window, consumed)?;
        }
        Ok(())
    }

    fn ack_written(
        &mut self,
        role: Role,
        corr: u64,
        payload: &[u8],
        window: u64,
        known: Option<usize>,
    ) -> Verdict {
        let Some((consumed, limit)) = ack(payload) else {
            return Err("OAP-6-14: a malformed ACK".into());
        };
        let Some(line) = self.line(corr) else {
            return Err("OAP-6-15: an ACK of what was never opened".into());
        };
        let flow = match role {
            Role::Client => &mut line.answer,
            Role::Server => &mut line.request,
        };
        hold(flow.windowed, "OAP-6-2: an ACK without opting in")?;
        let there = consumed <= flow.received;
        hold(there, "OAP-6-14: an ACK of bytes that never came")?;
        let taken = known.is_none_or(|known| consumed <= known as u64);
        hold(taken, "OAP-6-12: an ACK of bytes nobody has consumed")?;
        let grown = consumed >= flow.acked.0 && limit >= flow.acked.1;
        hold(grown, "OAP-6-9: an ACK that goes back")?;
        let grants = limit >= consumed + window;
        hold(grants, "OAP-6-9: an ACK below the window")?;
        flow.acked = (consumed, limit);
        Ok(())
    }

    fn line(&mut self, corr: u64) -> Option<&mut Line> {
        self.lines.iter_mut().find(|line| line.corr == corr)
    }
}

impl Line {
    fn begins_or_goes_on(&self, header: &Header) -> Verdict {
        let same = header.app_proto_id == self.app && header.tenant_id == self.tenant;
        hold(same, "OAP-3-6: another app or tenant than the START's")
    }
}

impl Flow {
    /// One more frame of this direction.
    fn take(&mut self, header: &Header) -> Verdict {
        hold(!self.ended, "OAP-3-3: a frame after END")?;
        let start = header.flags.contains(Flags::START);
        hold(!start || !self.begun, "OAP-3-5: START on a later frame")?;
        if !self.begun {
            self.begun = true;
            self.windowed = header.flags.contains(Flags::ACK_REQ);
        }
        self.ended = header.flags.contains(Flags::END);
        self.sent += counted(header);
        let within = !self.windowed || self.sent <= self.limit;
        hold(within, "OAP-6-1: bytes beyond the limit")
    }
}

fn hold(holds: bool, what: &str) -> Verdict {
    if holds { Ok(()) } else { Err(what.into()) }
}

/// Bytes that count into a window (OAP-6-7).
fn counted(header: &Header) -> u64 {
    let ends = header.flags.contains(Flags::RESP | Flags::END);
    if ends && header.code.is_error() {
        0
    } else {
        header.payload_len() as u64
    }
}

fn is_hello(header: &Header) -> bool {
    let directions = header.flags.directions();
    directions == Flags::NONE || directions == Flags::REQ
}

fn is_ack(header: &Header) -> bool {
    let resp = header.flags.directions() == Flags::RESP;
    resp && header.code == Code::ACK && header.corr_id != 0
}

fn ack(payload: &[u8]) -> Option<(u64, u64)> {
    let (consumed, limit) = payload.split_first_chunk::<8>()?;
    let limit = limit.try_into().ok()?;
    Some((u64::from_le_bytes(*consumed), u64::from_le_bytes(limit)))
}
