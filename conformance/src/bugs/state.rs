//! What a shim remembers of a connection, and where it lets frames go.

use std::collections::BTreeMap;

use oap_core::wire::{ErrorBody, Flags};
use oap_core::{Code, Reason};

use crate::live::draft::Draft;

/// What was seen of a connection.
#[derive(Debug, Default)]
pub struct State {
    /// The exchanges by their id.
    pub ids: BTreeMap<u64, Seen>,
    /// HELLO requests so far.
    pub hellos: usize,
    /// A number of the bug's own.
    pub count: u64,
    /// A frame that the bug keeps back.
    pub held: Option<Draft>,
    /// Exchanges that the server has ended, in this order.
    pub ended: Vec<u64>,
}

/// What was seen of an exchange.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// Of its START.
    pub app: u16,
    /// Of its START.
    pub tenant: u128,
    /// The client's END has come.
    pub finished: bool,
    /// The server has ended it.
    pub ended: bool,
    /// Payload bytes of its answer.
    pub answered: u64,
    /// Consumed bytes of the client's last ACK.
    pub consumed: u64,
}

impl State {
    /// Takes note of a frame of the client, before the hook sees it.
    pub(super) fn note_up(&mut self, frame: &Draft) {
        if is_hello(frame) {
            self.hellos += 1;
        }
        if frame.app == 0 || frame.corr == 0 || frame.flags.directions() != Flags::REQ {
            return;
        }
        let open = self.ids.get(&frame.corr).is_some_and(|seen| !seen.ended);
        if frame.flags.contains(Flags::START) && !open {
            let seen = Seen {
                app: frame.app,
                tenant: frame.tenant,
                ..Seen::default()
            };
            self.ids.insert(frame.corr, seen);
        }
    }

    /// Takes note of the END of a frame that the hook has seen.
    pub(super) fn noted_up(&mut self, corr: u64, flags: Flags) {
        if let Some(seen) = self.ids.get_mut(&corr) {
            seen.finished |= flags.contains(Flags::REQ | Flags::END);
        }
    }

    /// Takes note of a frame of the server, before the hook sees it.
    pub(super) fn note_down(&mut self, frame: &Draft) {
        let end = frame.flags.contains(Flags::RESP | Flags::END);
        if frame.app == 0 {
            return;
        }
        if end {
            self.ended.push(frame.corr);
        }
        let seen = self.ids.entry(frame.corr).or_default();
        seen.answered += frame.payload.len() as u64;
        seen.ended |= end;
    }

    /// The exchange, if it is open.
    pub fn open(&self, corr: u64) -> Option<&Seen> {
        self.ids.get(&corr).filter(|seen| !seen.ended)
    }
}

/// Where frames go from a hook.
#[derive(Debug, Default)]
pub struct Flow {
    pub(super) up: Vec<u8>,
    pub(super) down: Vec<u8>,
    pub(super) close: bool,
}

impl Flow {
    /// To the server.
    pub fn up(&mut self, frame: &Draft) {
        self.up.extend_from_slice(&frame.bytes());
    }

    /// To the client.
    pub fn down(&mut self, frame: &Draft) {
        self.down.extend_from_slice(&frame.bytes());
    }

    /// Ends the connection, after what is on its way to the client.
    pub fn close(&mut self) {
        self.close = true;
    }

    /// What makes the server end the connection with 400 `bad_sequence`.
    pub fn upset(&mut self) {
        self.up(&Draft::new(Flags::NONE, 1, 1));
    }

    /// RESP|END with an error on the exchange of this frame.
    pub fn refuse(&mut self, frame: &Draft, code: u16, reason: Reason) {
        let mut body = Vec::new();
        let error = ErrorBody::new(reason, "so the shim has it", frame.corr);
        error.with_retry_after_ms(1_000).write(&mut body);
        let answer = Draft::new(Flags::RESP | Flags::END, frame.app, frame.corr);
        self.down(&answer.code(code).tenant(frame.tenant).payload(&body));
    }
}

/// Whether the client says HELLO.
pub(super) fn is_hello(frame: &Draft) -> bool {
    let direction = frame.flags.directions();
    frame.app == 0 && (direction == Flags::NONE || direction == Flags::REQ)
}

/// Whether it is an ACK of either side.
pub(super) fn is_ack(frame: &Draft) -> bool {
    let resp = frame.flags.directions() == Flags::RESP;
    frame.app == 0 && resp && frame.code == Code::ACK.get()
}

/// Whether it is a CANCEL.
pub(super) fn is_cancel(frame: &Draft) -> bool {
    let event = frame.flags.directions() == Flags::EVENT;
    frame.app == 0 && event && (400..600).contains(&frame.code) && frame.corr != 0
}

/// Whether it is a PING.
pub(super) fn is_ping(frame: &Draft) -> bool {
    let event = frame.flags.directions() == Flags::EVENT;
    frame.app == 0 && event && frame.flags.contains(Flags::ACK_REQ) && frame.code == 0
}

/// Whether it is an answer's frame or an error on an exchange.
pub(super) fn is_response(frame: &Draft) -> bool {
    frame.app != 0 && frame.flags.contains(Flags::RESP)
}

/// Whether it ends an exchange with this code.
pub(super) fn is_error(frame: &Draft, code: u16) -> bool {
    is_response(frame) && frame.flags.contains(Flags::END) && frame.code == code
}

/// The two numbers of an ACK.
pub(super) fn numbers(frame: &Draft) -> (u64, u64) {
    let number = |at: usize| {
        let bytes = frame.payload.get(at..at + 8);
        let eight: Option<[u8; 8]> = bytes.and_then(|bytes| bytes.try_into().ok());
        eight.map_or(0, u64::from_le_bytes)
    };
    (number(0), number(8))
}

/// Changes a JSON body.
pub(super) fn edit(frame: &mut Draft, change: impl FnOnce(&mut serde_json::Value)) {
    if let Ok(mut body) = serde_json::from_slice(&frame.payload) {
        change(&mut body);
        frame.payload = body.to_string().into_bytes();
    }
}
