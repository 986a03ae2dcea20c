//! Bugs of sections 6 and 10: windows, budgets and timers.

use std::time::Duration;

use oap_core::wire::Flags;
use oap_core::{Limits, Reason};

use super::Bug;
use super::state::{State, edit, is_ack, is_error, is_hello, is_response, numbers};
use crate::live::draft::Draft;

const SECOND: Duration = Duration::from_secs(1);

/// Gives the server credit for a frame of its answer, as if the client had consumed it.
fn consumed(state: &State, frame: &Draft) -> Draft {
    let answered = state.ids.get(&frame.corr).map_or(0, |seen| seen.answered);
    Draft::ack(frame.corr, answered, answered + 1_000_000)
}

fn with_numbers(frame: Draft, consumed: u64, limit: u64) -> Draft {
    frame.payload(&[consumed.to_le_bytes(), limit.to_le_bytes()].concat())
}

fn is_fault(state: &State, frame: &Draft) -> bool {
    let req = frame.app != 0 && frame.flags.directions() == Flags::REQ;
    req && !state.ids.contains_key(&frame.corr)
}

pub(super) const BUGS: &[Bug] = &[
    Bug::new(
        "the_window_of_the_client_is_ignored",
        "OAP-6-1",
        "a windowed answer does not stop at its limit",
    )
    .down(|state, frame, flow| {
        flow.down(&frame);
        if is_response(&frame) && !frame.flags.contains(Flags::END) {
            flow.up(&consumed(state, &frame));
        }
    }),
    Bug::new(
        "a_late_ack_req_opens_a_window",
        "OAP-6-2",
        "ACK_REQ on a later frame brings an ACK",
    )
    .up(|_, frame, flow| {
        if frame.app != 0 && frame.flags.contains(Flags::ACK_REQ) {
            flow.down(&Draft::ack(frame.corr, 0, 131_072));
        }
        flow.up(&frame);
    }),
    Bug::new(
        "ack_req_on_start_is_not_heard",
        "OAP-6-3",
        "an answer has no ACK_REQ although the START had it",
    )
    .down(|_, mut frame, flow| {
        frame.flags = frame.flags.without(Flags::ACK_REQ);
        flow.down(&frame);
    }),
    Bug::new(
        "the_first_limit_is_the_default",
        "OAP-6-5",
        "the ack_window of the client's HELLO does not bound its answers",
    )
    .up(|_, mut frame, flow| {
        if is_hello(&frame) {
            edit(&mut frame, |hello| {
                if !hello["ack_window"].is_null() {
                    hello["ack_window"] = 131_072.into();
                }
            });
        }
        flow.up(&frame);
    }),
    Bug::new(
        "the_window_is_less_than_told",
        "OAP-6-6",
        "the server's window is half of what its HELLO says",
    )
    .config(|config| {
        let limits = Limits::builder().ack_window(65_536).build();
        config.limits = limits.unwrap_or_default();
    })
    .down(|_, mut frame, flow| {
        edit(&mut frame, |body| {
            if !body["ack_window"].is_null() {
                body["ack_window"] = 131_072.into();
            }
        });
        flow.down(&frame);
    }),
    Bug::new(
        "acks_of_the_client_are_lost",
        "OAP-6-7",
        "an answer does not go on when an ACK raises its limit",
    )
    .up(|_, frame, flow| {
        if !is_ack(&frame) {
            flow.up(&frame);
        }
    }),
    Bug::new(
        "an_empty_end_waits_for_credit",
        "OAP-6-7",
        "RESP|END without payload does not come",
    )
    .down(|_, frame, flow| {
        let end = is_response(&frame) && frame.flags.contains(Flags::END);
        if !(end && frame.payload.is_empty()) {
            flow.down(&frame);
        }
    }),
    Bug::new(
        "no_acks_are_sent",
        "OAP-6-8",
        "a windowed request gets no ACK",
    )
    .down(|_, frame, flow| {
        if !is_ack(&frame) {
            flow.down(&frame);
        }
    }),
    Bug::new(
        "ack_req_is_not_answered",
        "OAP-6-8",
        "a later frame with ACK_REQ brings no ACK",
    )
    .up(|_, mut frame, flow| {
        if !frame.flags.contains(Flags::START) && frame.app != 0 {
            frame.flags = frame.flags.without(Flags::ACK_REQ);
        }
        flow.up(&frame);
    }),
    Bug::new(
        "acks_grant_too_little",
        "OAP-6-9",
        "the limit of an ACK is less than a window beyond consumed",
    )
    .down(|_, frame, flow| {
        if is_ack(&frame) {
            let (consumed, limit) = numbers(&frame);
            flow.down(&with_numbers(frame, consumed, limit - 10_000));
        } else {
            flow.down(&frame);
        }
    }),
    Bug::new(
        "acks_go_back",
        "OAP-6-9",
        "every second ACK has a lower count of consumed bytes",
    )
    .down(|state, frame, flow| {
        if is_ack(&frame) {
            state.count += 1;
            let (consumed, limit) = numbers(&frame);
            let less = if state.count % 2 == 0 { 0 } else { consumed };
            flow.down(&with_numbers(frame, less, limit));
        } else {
            flow.down(&frame);
        }
    }),
    Bug::new(
        "acks_grant_everything",
        "OAP-6-10",
        "the limit of an ACK is far beyond the buffer",
    )
    .down(|_, frame, flow| {
        if is_ack(&frame) {
            let (consumed, limit) = numbers(&frame);
            flow.down(&with_numbers(frame, consumed, limit + (1 << 40)));
        } else {
            flow.down(&frame);
        }
    }),
    Bug::new(
        "credit_is_not_checked",
        "OAP-6-13",
        "data beyond the limit is taken",
    )
    .up(|_, mut frame, flow| {
        frame.payload.truncate(100_000);
        flow.up(&frame);
    }),
    Bug::new(
        "the_size_of_acks_is_not_checked",
        "OAP-6-14",
        "an ACK that has not 16 bytes is ignored",
    )
    .up(|_, frame, flow| {
        if !(is_ack(&frame) && frame.payload.len() != 16) {
            flow.up(&frame);
        }
    }),
    Bug::new(
        "impossible_acks_are_ignored",
        "OAP-6-14",
        "an ACK for more than was sent is ignored",
    )
    .up(|state, frame, flow| {
        let sent = state.ids.get(&frame.corr).map_or(0, |seen| seen.answered);
        if !(is_ack(&frame) && numbers(&frame).0 > sent) {
            flow.up(&frame);
        }
    }),
    Bug::new(
        "a_stray_ack_is_fatal",
        "OAP-6-15",
        "an ACK of an exchange that is not open ends the connection",
    )
    .up(|state, frame, flow| {
        if is_ack(&frame) && state.open(frame.corr).is_none() {
            flow.upset();
        } else {
            flow.up(&frame);
        }
    }),
    Bug::new(
        "frames_are_dropped_when_many_come",
        "OAP-6-16",
        "a frame that does not fit the buffer is lost",
    )
    .up(|state, frame, flow| {
        state.count += frame.payload.len() as u64;
        let fits = state.count < 8 * 1_048_576 || frame.flags.contains(Flags::END);
        if fits {
            flow.up(&frame);
        }
    }),
    Bug::new(
        "events_need_no_credit",
        "OAP-7-3",
        "EVENT frames do not count into the window",
    )
    .down(|state, frame, flow| {
        flow.down(&frame);
        if frame.app != 0 && frame.flags.contains(Flags::EVENT) {
            flow.up(&consumed(state, &frame));
        }
    }),
    Bug::new(
        "faults_end_the_connection_early",
        "OAP-10-8",
        "the budget of faults is 500",
    )
    .down(|state, frame, flow| {
        flow.down(&frame);
        state.count += u64::from(is_error(&frame, 400));
        if state.count == 500 {
            flow.close();
        }
    }),
    Bug::new(
        "errors_of_handlers_are_charged",
        "OAP-10-8",
        "a client that asks for what is not there is cut off",
    )
    .down(|state, frame, flow| {
        flow.down(&frame);
        state.count += u64::from(is_error(&frame, 404));
        if state.count == 1_000 {
            flow.close();
        }
    }),
    Bug::new(
        "faults_are_free",
        "OAP-10-9",
        "any number of faults is answered",
    )
    .up(|state, frame, flow| {
        if is_fault(state, &frame) {
            flow.refuse(&frame, 400, Reason::BadSequence);
        } else {
            flow.up(&frame);
        }
    }),
    Bug::new(
        "stray_events_are_free",
        "OAP-10-9",
        "any number of EVENT frames on nothing is dropped",
    )
    .up(|_, frame, flow| {
        if !(frame.app != 0 && frame.flags.directions() == Flags::EVENT) {
            flow.up(&frame);
        }
    }),
    Bug::new(
        "hellos_are_free",
        "OAP-10-9",
        "any number of HELLO requests is answered",
    )
    .up(|state, frame, flow| {
        if is_hello(&frame) && state.hellos > 5 {
            let reply = Draft::control(Flags::RESP | Flags::END, 0, frame.corr);
            flow.down(&reply.payload(b"{}"));
        } else {
            flow.up(&frame);
        }
    }),
    Bug::new(
        "replies_beyond_64_are_lost",
        "OAP-10-10",
        "when many replies wait, further ones are dropped",
    )
    .down(|state, frame, flow| {
        state.count += u64::from(frame.app == 0);
        if state.count <= 500 {
            flow.down(&frame);
        }
    }),
    Bug::new(
        "empty_frames_are_free",
        "OAP-10-11",
        "any number of empty frames is taken",
    )
    .up(|_, frame, flow| {
        let bare = !frame.flags.intersects(Flags::START | Flags::END);
        if !(frame.app != 0 && bare && frame.payload.is_empty()) {
            flow.up(&frame);
        }
    }),
    Bug::new(
        "silence_is_not_timed",
        "OAP-10-1",
        "a client that says nothing stays",
    )
    .tick(SECOND),
    Bug::new(
        "frames_are_not_timed",
        "OAP-10-2",
        "a frame that stops half way is waited for",
    )
    .up(|_, frame, flow| flow.up(&frame))
    .tick(SECOND),
    Bug::new(
        "idle_clients_stay",
        "OAP-10-5",
        "a client that sends nothing more is never cut off",
    )
    .up(|_, frame, flow| flow.up(&frame))
    .tick(SECOND),
];
