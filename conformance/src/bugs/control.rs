//! Bugs of section 4: control frames; and of sections 7 and 9: events and errors.

use oap_core::Reason;
use oap_core::wire::Flags;

use super::Bug;
use super::state::{edit, is_cancel, is_error, is_ping, is_response};
use crate::live::draft::Draft;

fn is_event(frame: &Draft) -> bool {
    frame.app != 0 && frame.flags.directions() == Flags::EVENT
}

pub(super) const BUGS: &[Bug] = &[
    Bug::new(
        "control_frames_have_a_tenant",
        "OAP-4-1",
        "a HELLO reply has the tenant of its request",
    )
    .down(|_, frame, flow| {
        let control = frame.app == 0;
        flow.down(&if control { frame.tenant(7) } else { frame });
    }),
    Bug::new(
        "a_ping_with_payload_is_ignored",
        "OAP-4-2",
        "a PING with payload gets no PONG",
    )
    .up(|_, frame, flow| {
        if !is_ping(&frame) || frame.payload.is_empty() {
            flow.up(&frame);
        }
    }),
    Bug::new(
        "unknown_events_are_fatal",
        "OAP-4-3",
        "an EVENT on app 0 that is no control frame ends the connection",
    )
    .up(|_, frame, flow| {
        let event = frame.app == 0 && frame.flags.directions() == Flags::EVENT;
        if event && matches!(frame.code, 204 | 399 | 600) {
            flow.upset();
        } else {
            flow.up(&frame);
        }
    }),
    Bug::new(
        "everybody_is_pinged",
        "OAP-4-4",
        "a client that has listed no features gets a PING",
    )
    .down(|state, frame, flow| {
        if state.count == 0 {
            state.count = 1;
            flow.down(&Draft::ping(1));
        }
        flow.down(&frame);
    }),
    Bug::new(
        "a_connection_error_is_ignored",
        "OAP-4-6",
        "after a connection error frame of the client all goes on",
    )
    .up(|_, frame, flow| {
        let error = frame.app == 0 && frame.flags.contains(Flags::RESP) && frame.code >= 400;
        if !(error && frame.corr == 0) {
            flow.up(&frame);
        }
    }),
    Bug::new(
        "cancel_is_ignored",
        "OAP-4-8",
        "a cancelled exchange is answered",
    )
    .up(|_, frame, flow| {
        if !is_cancel(&frame) {
            flow.up(&frame);
        }
    }),
    Bug::new(
        "cancel_is_answered",
        "OAP-4-8",
        "a cancelled exchange gets RESP|END",
    )
    .up(|state, frame, flow| {
        if let (true, Some(seen)) = (is_cancel(&frame), state.open(frame.corr)) {
            let of = Draft::new(Flags::NONE, seen.app, frame.corr).tenant(seen.tenant);
            flow.refuse(&of, 408, Reason::Cancelled);
        }
        flow.up(&frame);
    }),
    Bug::new(
        "a_cancel_of_nothing_is_fatal",
        "OAP-4-10",
        "CANCEL of an exchange that is not open ends the connection",
    )
    .up(|state, frame, flow| {
        if is_cancel(&frame) && state.open(frame.corr).is_none() {
            flow.upset();
        } else {
            flow.up(&frame);
        }
    }),
    Bug::new(
        "a_pong_has_another_nonce",
        "OAP-4-11",
        "the nonce of a PONG is cut to 32 bits",
    )
    .down(|_, mut frame, flow| {
        if frame.app == 0 && frame.flags == Flags::EVENT && frame.code == 202 {
            frame.corr &= 0xffff_ffff;
        }
        flow.down(&frame);
    }),
    Bug::new(
        "a_ping_is_answered_twice",
        "OAP-4-11",
        "each PING gets two PONGs",
    )
    .down(|_, frame, flow| {
        flow.down(&frame);
        if frame.app == 0 && frame.flags == Flags::EVENT && frame.code == 202 {
            flow.down(&frame);
        }
    }),
    Bug::new(
        "the_last_event_has_end",
        "OAP-7-1",
        "EVENT frames carry END",
    )
    .down(|_, frame, flow| {
        let event = is_event(&frame);
        flow.down(&if event { frame.with(Flags::END) } else { frame });
    }),
    Bug::new(
        "events_are_swapped",
        "OAP-7-2",
        "two events come the wrong way round",
    )
    .down(|state, frame, flow| {
        if is_event(&frame) && state.held.is_none() {
            state.held = Some(frame);
            return;
        }
        flow.down(&frame);
        if let Some(held) = state.held.take() {
            flow.down(&held);
        }
    }),
    Bug::new(
        "a_stray_event_is_fatal",
        "OAP-7-4",
        "EVENT on an exchange that is not open ends the connection",
    )
    .up(|state, frame, flow| {
        if is_event(&frame) && state.open(frame.corr).is_none() {
            flow.upset();
        } else {
            flow.up(&frame);
        }
    }),
    Bug::new(
        "codes_become_their_class",
        "OAP-9-1",
        "a code of success is sent as the first of its class",
    )
    .down(|_, mut frame, flow| {
        if is_response(&frame) && frame.code < 400 {
            frame.code -= frame.code % 100;
        }
        flow.down(&frame);
    }),
    Bug::new(
        "error_corr_id_is_a_number",
        "OAP-9-3",
        "corr_id in error bodies is a JSON number",
    )
    .down(|_, mut frame, flow| {
        if is_response(&frame) && frame.code >= 400 {
            let corr = frame.corr;
            edit(&mut frame, |body| body["corr_id"] = corr.into());
        }
        flow.down(&frame);
    }),
    Bug::new(
        "no_retry_after",
        "OAP-9-3",
        "429 and 503 come without retry_after_ms",
    )
    .down(|_, mut frame, flow| {
        edit_members(&mut frame, |members| drop(members.remove("retry_after_ms")));
        flow.down(&frame);
    }),
    Bug::new(
        "error_bodies_are_long",
        "OAP-9-4",
        "error bodies pass 4,096 bytes",
    )
    .down(|_, mut frame, flow| {
        edit_members(&mut frame, |members| {
            members.insert("message".to_owned(), "m".repeat(4_100).into());
        });
        flow.down(&frame);
    }),
    Bug::new(
        "one_reason_for_all",
        "OAP-9-6",
        "errors of handlers always have the reason internal",
    )
    .down(|_, mut frame, flow| {
        edit_members(&mut frame, |members| {
            members.insert("code".to_owned(), "internal".into());
        });
        flow.down(&frame);
    }),
    Bug::new(
        "an_unknown_app_is_silent",
        "OAP-9-6",
        "a START for an app that nobody serves is not answered",
    )
    .down(|_, frame, flow| {
        if !is_error(&frame, 404) {
            flow.down(&frame);
        }
    }),
];

/// Changes the members of an error's body.
fn edit_members(
    frame: &mut Draft,
    change: impl FnOnce(&mut serde_json::Map<String, serde_json::Value>),
) {
    if is_response(frame) && frame.code >= 400 {
        edit(frame, |body| {
            if let Some(members) = body.as_object_mut() {
                change(members);
            }
        });
    }
}
