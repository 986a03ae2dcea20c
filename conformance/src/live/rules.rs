//! What holds of every frame that an endpoint sends, whatever the case.

use oap_core::Lane;
use oap_core::wire::{ErrorBody, Flags, Frame, MAX_FRAME};
use serde_json::Value;

use super::verdict::{Step, fail};
use super::wire::show;

/// Which endpoint sends the frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// It opens exchanges.
    Client,
    /// It answers them.
    Server,
}

/// What the sender of frames was told, and so has to keep to.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Who it is.
    pub sender: Sender,
    /// The largest `len` that it was told.
    pub max_frame: u32,
    /// The codings that it was told.
    pub comp: bool,
    /// The features that it was told.
    pub features: Vec<&'static str>,
}

impl Rules {
    /// For a sender that was told nothing.
    pub fn new(sender: Sender) -> Self {
        Self {
            sender,
            max_frame: MAX_FRAME,
            comp: false,
            features: Vec::new(),
        }
    }

    /// Takes over what a good HELLO of the suite says.
    pub fn told(&mut self, hello: &str) {
        let Ok(hello) = serde_json::from_str::<Value>(hello) else {
            return;
        };
        if let Some(max_frame) = hello["max_frame"].as_u64() {
            self.max_frame = max_frame.min(MAX_FRAME.into()) as u32;
        }
        let lists = |field: &str, name: &str| {
            let list = hello[field].as_array();
            list.is_some_and(|list| list.iter().any(|entry| entry == name))
        };
        self.comp = lists("comp", "zlib");
        let known = ["cancel", "ping", "goaway"];
        self.features = known
            .into_iter()
            .filter(|name| lists("features", name))
            .collect();
    }

    /// # Errors
    /// A rule that the frame breaks, by its clause.
    pub fn check(&self, frame: &Frame) -> Step {
        let broken = self.broken(frame);
        match broken {
            Some(due) => fail(due, show(frame)),
            None => Ok(()),
        }
    }

    fn broken(&self, frame: &Frame) -> Option<&'static str> {
        let (header, flags) = (frame.header, frame.header.flags);
        let opaque = flags.intersects(Flags::COMP | Flags::APP_E2E);
        let control = header.app_proto_id == 0;
        let direction = flags.directions();
        let fits = match self.sender {
            Sender::Server => direction == Flags::RESP || direction == Flags::EVENT,
            Sender::Client if control => {
                [Flags::NONE, Flags::REQ, Flags::RESP, Flags::EVENT].contains(&direction)
            }
            Sender::Client => direction == Flags::REQ,
        };
        let start = flags.contains(Flags::REQ | Flags::START);
        if flags.has_reserved() {
            Some("OAP-2-1: bits 8 to 15 of flags are zero")
        } else if !fits {
            Some("OAP-2-2: exactly one direction, and one that this endpoint sends")
        } else if header.len > self.max_frame {
            Some("OAP-1-8: no frame is above the max_frame of the peer's HELLO")
        } else if header.cap_len > 0 && (control || !start) {
            Some("OAP-1-13: a capability is only on REQ|START outside app 0")
        } else if control && (header.tenant_id != 0 || opaque) {
            Some("OAP-4-1: control frames have tenant_id 0 and neither COMP nor APP_E2E")
        } else if flags.contains(Flags::COMP) && !flags.contains(Flags::APP_E2E) && !self.comp {
            Some("OAP-8-1: COMP goes only to a peer that lists the coding")
        } else if direction == Flags::REQ && header.code.get() != 0 {
            Some("OAP-3-7: code is 0 on REQ frames")
        } else if control && direction == Flags::EVENT {
            self.unlisted(header.code.get(), header.corr_id, flags)
        } else if direction == Flags::RESP && flags.contains(Flags::END) && header.code.is_error() {
            broken_error(frame)
        } else {
            None
        }
    }

    fn unlisted(&self, code: u16, corr: u64, flags: Flags) -> Option<&'static str> {
        let feature = match (code, corr) {
            (503 | 429, 0) => "goaway",
            (400..=599, 1..) => "cancel",
            (0, 1..) if flags.contains(Flags::ACK_REQ) => "ping",
            (202, 1..) => return None,
            _ => return Some("OAP-4-1: a control frame of Table 3"),
        };
        let listed = self.features.contains(&feature);
        (!listed).then_some("OAP-4-4: CANCEL, PING and GOAWAY go only to a peer that lists them")
    }
}

/// What is wrong with an error's body.
fn broken_error(frame: &Frame) -> Option<&'static str> {
    let (header, body) = (frame.header, frame.payload());
    if body.len() > 4_096 {
        return Some("OAP-9-4: an error body is within 4,096 bytes");
    }
    let due = "OAP-9-3: an error body has code, message, retryable and corr_id";
    let Ok(Value::Object(members)) = serde_json::from_slice(body) else {
        return Some(due);
    };
    let known = ErrorBody::parse(body).and_then(|body| body.reason.known());
    let corr = members.get("corr_id").and_then(Value::as_str);
    let whole = known.is_some()
        && members.get("message").is_some_and(Value::is_string)
        && members.get("retryable").is_some_and(Value::is_boolean)
        && corr == Some(header.corr_id.to_string().as_str());
    if !whole {
        return Some(due);
    }
    let retry = members.get("retry_after_ms").is_some_and(Value::is_u64);
    let needs = matches!(header.code.get(), 429 | 503);
    (needs && !retry).then_some("OAP-9-3: retry_after_ms comes with every 429 and 503")
}

/// The lane that a frame came on has to be the one that was asked on.
///
/// # Errors
/// It is another one (OAP-11-7).
pub(crate) fn on_lane(lane: Lane, due: Lane, frame: &Frame) -> Step {
    if lane == due {
        return Ok(());
    }
    let came = format!("on lane {}: {}", lane.0, show(frame));
    fail(
        format!("OAP-11-7: every frame of the exchange on lane {}", due.0),
        came,
    )
}
