//! Events of `oap-core` as a vector has them.

use std::collections::HashMap;

use oap_core::wire::{ErrorBody, Hello};
use oap_core::{
    CloseReason, Code, End, Event as CoreEvent, ExchangeId, Payload, Reason, Start as CoreStart,
};

use super::Told;
use crate::vectors::{Bytes, Cause, Event, Start};

/// `None`: the event tells nothing that a vector looks at.
pub(super) fn tell(event: &CoreEvent, exchanges: &mut HashMap<u64, Told>) -> Option<Event> {
    Some(match event {
        CoreEvent::Hello(hello) => tell_hello(hello),
        CoreEvent::NoHello => Event::NoHello,
        CoreEvent::Authorize { start, .. } => Event::Authorize {
            start: tell_start(start),
        },
        CoreEvent::Opened {
            id,
            start,
            payload,
            fin,
        } => {
            find(exchanges, *id)?.1.hand_out(payload);
            Event::Open {
                start: tell_start(start),
                payload: bytes(payload),
                end: fin.is_end(),
                comp: payload.is_compressed(),
                e2e: payload.is_opaque(),
            }
        }
        CoreEvent::Data {
            id,
            code,
            payload,
            fin,
        } => {
            let (corr, told) = find(exchanges, *id)?;
            told.hand_out(payload);
            if fin.is_end() && code.is_error() {
                return Some(failed(corr, *code, payload));
            }
            Event::Data {
                corr,
                code: *told.code.get_or_insert(code.get()),
                payload: bytes(payload),
                end: fin.is_end(),
                comp: payload.is_compressed(),
                e2e: payload.is_opaque(),
            }
        }
        CoreEvent::Pushed { id, code, payload } => {
            let (corr, told) = find(exchanges, *id)?;
            told.hand_out(payload);
            Event::Push {
                corr,
                code: code.get(),
                payload: bytes(payload),
                comp: payload.is_compressed(),
                e2e: payload.is_opaque(),
            }
        }
        CoreEvent::Truncated { id } => Event::Truncated {
            corr: find(exchanges, *id)?.0,
        },
        CoreEvent::Ended { id, end } => tell_end(find(exchanges, *id)?.0, end),
        CoreEvent::Pong { .. } => Event::Pong,
        CoreEvent::GoAway {
            code,
            retry_after_ms,
        } => Event::GoAway {
            code: code.get(),
            retry_after_ms: *retry_after_ms,
        },
        CoreEvent::Closed(reason) => tell_close(reason),
        _ => return None,
    })
}

fn find(exchanges: &mut HashMap<u64, Told>, id: ExchangeId) -> Option<(u64, &mut Told)> {
    let found = exchanges.iter_mut().find(|(_, told)| told.id == id);
    found.map(|(corr, told)| (*corr, told))
}

fn bytes(payload: &Payload) -> Bytes {
    Bytes::compact(payload.wire_bytes())
}

fn tell_hello(hello: &Hello) -> Event {
    let names = |names: &mut dyn Iterator<Item = &'static str>| names.map(String::from).collect();
    Event::Hello {
        max_frame: Some(hello.max_frame.unwrap_or(1_048_576)),
        max_inflight: Some(hello.max_inflight.unwrap_or(64)),
        ack_window: Some(hello.ack_window.unwrap_or(131_072)),
        features: Some(names(&mut hello.features.names())),
        comp: Some(names(&mut hello.codings.names())),
    }
}

fn tell_start(start: &CoreStart) -> Start {
    Start {
        corr: start.corr_id,
        app: start.app_proto_id,
        tenant: start.tenant_id,
        cap: Bytes::compact(&start.capability),
        lane: start.lane.0,
    }
}

/// The end of an answer with an error (OAP-9-2, OAP-9-5).
fn failed(corr: u64, code: Code, payload: &Payload) -> Event {
    let body = ErrorBody::parse(payload.wire_bytes());
    let named = body.and_then(|body| body.reason.known());
    Event::Ended {
        corr,
        cause: Cause::Peer,
        code: Some(code.get()),
        reason: named.unwrap_or_else(|| code.into()).name().into(),
    }
}

fn tell_end(corr: u64, end: &End) -> Event {
    let (cause, code, reason) = match end {
        End::Cancelled { code, reason } => {
            (Cause::Peer, Some(*code), reason.unwrap_or((*code).into()))
        }
        End::Violation(fault) if fault.reason == Reason::Io => (Cause::Eof, None, Reason::Io),
        End::Violation(fault) => (Cause::Fault, Some(fault.code), fault.reason),
        _ => (Cause::Timeout, None, Reason::Timeout),
    };
    Event::Ended {
        corr,
        cause,
        code: code.map(Code::get),
        reason: reason.name().into(),
    }
}

fn tell_close(reason: &CloseReason) -> Event {
    let (cause, code) = match reason {
        CloseReason::PeerClosed | CloseReason::Transport => (Cause::Eof, None),
        CloseReason::PeerError { code, .. } => (Cause::Peer, Some(*code)),
        CloseReason::Violation(fault) => (Cause::Fault, Some(fault.code)),
        CloseReason::TimedOut(_) => (Cause::Timeout, None),
        _ => (Cause::Local, None),
    };
    Event::Closed {
        cause,
        code: code.map(Code::get),
        reason: match cause {
            Cause::Local => String::new(),
            _ => reason.reason().name().into(),
        },
    }
}
