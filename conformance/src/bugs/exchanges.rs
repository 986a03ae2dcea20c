//! Bugs of section 3: exchanges.

use oap_core::wire::Flags;
use oap_core::{Limits, Reason};

use super::Bug;
use super::state::{edit, is_error, is_response};

/// Whether it is REQ without START outside app 0.
fn is_later(frame: &crate::live::draft::Draft) -> bool {
    let req = frame.flags.directions() == Flags::REQ;
    frame.app != 0 && req && !frame.flags.contains(Flags::START)
}

fn is_start(frame: &crate::live::draft::Draft) -> bool {
    let req = frame.flags.directions() == Flags::REQ;
    frame.app != 0 && req && frame.flags.contains(Flags::START)
}

pub(super) const BUGS: &[Bug] = &[
    Bug::new(
        "chunks_are_swapped",
        "OAP-3-2",
        "two chunks of a request reach the handler the wrong way round",
    )
    .up(|state, frame, flow| {
        let middle = is_later(&frame) && !frame.flags.contains(Flags::END);
        if middle && state.held.is_none() {
            state.held = Some(frame);
            return;
        }
        flow.up(&frame);
        if let Some(held) = state.held.take() {
            flow.up(&held);
        }
    }),
    Bug::new(
        "an_empty_end_is_dropped",
        "OAP-3-2",
        "REQ|END without payload does not end the request",
    )
    .up(|_, frame, flow| {
        let empty = is_later(&frame) && frame.payload.is_empty();
        if !(empty && frame.flags.contains(Flags::END)) {
            flow.up(&frame);
        }
    }),
    Bug::new(
        "answers_wait_for_end",
        "OAP-3-3",
        "nothing is answered before REQ|END has come",
    )
    .up(|state, frame, flow| {
        if is_start(&frame) && !frame.flags.contains(Flags::END) {
            state.held = Some(frame);
            return;
        }
        if let Some(held) = state.held.take() {
            flow.up(&held);
        }
        flow.up(&frame);
    }),
    Bug::new(
        "end_comes_twice",
        "OAP-3-3",
        "RESP|END is followed by another one",
    )
    .down(|_, frame, flow| {
        flow.down(&frame);
        if is_response(&frame) && frame.flags.contains(Flags::END) {
            flow.down(&frame);
        }
    }),
    Bug::new(
        "start_is_on_every_chunk",
        "OAP-3-5",
        "every RESP chunk carries START",
    )
    .down(|_, frame, flow| {
        let answer = is_response(&frame);
        flow.down(&if answer {
            frame.with(Flags::START)
        } else {
            frame
        });
    }),
    Bug::new("the_tenant_is_lost", "OAP-3-6", "answers have tenant_id 0")
        .down(|_, frame, flow| flow.down(&frame.tenant(0))),
    Bug::new(
        "a_code_on_a_request_is_refused",
        "OAP-3-7",
        "REQ frames with a code are answered 400",
    )
    .up(|_, frame, flow| {
        if is_start(&frame) && frame.code != 0 {
            flow.refuse(&frame, 400, Reason::BadRequest);
        } else {
            flow.up(&frame);
        }
    }),
    Bug::new(
        "a_fault_ends_the_connection",
        "OAP-3-8",
        "after the fault of one exchange the connection is closed",
    )
    .down(|_, frame, flow| {
        flow.down(&frame);
        if is_error(&frame, 400) {
            flow.close();
        }
    }),
    Bug::new(
        "a_fault_has_another_tenant",
        "OAP-3-8",
        "a fault is answered with the tenant of the wrong frame",
    )
    .down(|_, frame, flow| {
        let fault = is_error(&frame, 400);
        flow.down(&if fault { frame.tenant(1) } else { frame });
    }),
    Bug::new(
        "any_req_opens_an_exchange",
        "OAP-3-10",
        "REQ without START opens an exchange",
    )
    .up(|state, frame, flow| {
        let opens = is_later(&frame) && !state.ids.contains_key(&frame.corr);
        flow.up(&if opens {
            frame.with(Flags::START)
        } else {
            frame
        });
    }),
    Bug::new(
        "req_without_start_is_dropped",
        "OAP-3-10",
        "REQ without START is discarded silently",
    )
    .up(|state, frame, flow| {
        if !is_later(&frame) || state.ids.contains_key(&frame.corr) {
            flow.up(&frame);
        }
    }),
    Bug::new(
        "a_second_start_counts_as_a_chunk",
        "OAP-3-11",
        "START on an open exchange is taken as more of it",
    )
    .up(|state, mut frame, flow| {
        if is_start(&frame) {
            state.count += 1;
            if state.count > 1 {
                frame.flags = frame.flags.without(Flags::START);
            }
        }
        flow.up(&frame);
    }),
    Bug::new(
        "req_after_end_is_dropped",
        "OAP-3-12",
        "REQ after REQ|END is discarded silently",
    )
    .up(|state, frame, flow| {
        let finished = state.open(frame.corr).is_some_and(|seen| seen.finished);
        if !(is_later(&frame) && finished) {
            flow.up(&frame);
        }
    }),
    Bug::new(
        "app_and_tenant_are_not_bound",
        "OAP-3-12",
        "chunks of another app or tenant are taken",
    )
    .up(|state, mut frame, flow| {
        if let (true, Some(seen)) = (is_later(&frame), state.open(frame.corr)) {
            (frame.app, frame.tenant) = (seen.app, seen.tenant);
        }
        flow.up(&frame);
    }),
    Bug::new(
        "corr_id_0_is_fatal",
        "OAP-3-13",
        "a request with corr_id 0 ends the connection",
    )
    .up(|_, frame, flow| {
        if frame.app != 0 && frame.corr == 0 {
            flow.upset();
        } else {
            flow.up(&frame);
        }
    }),
    Bug::new(
        "late_frames_are_faults",
        "OAP-3-14",
        "REQ frames of an exchange that was answered early get 400",
    )
    .up(|state, frame, flow| {
        let ended = state.ids.get(&frame.corr).is_some_and(|seen| seen.ended);
        if is_later(&frame) && ended {
            flow.refuse(&frame, 400, Reason::BadSequence);
        } else {
            flow.up(&frame);
        }
    }),
    Bug::new(
        "only_64_ids_are_remembered",
        "OAP-3-14",
        "late frames of the 65th newest id get 400",
    )
    .up(|state, frame, flow| {
        let newest = state.ended.iter().rev().take(64);
        let known = newest.into_iter().any(|corr| *corr == frame.corr);
        let ended = state.ids.get(&frame.corr).is_some_and(|seen| seen.ended);
        if is_later(&frame) && ended && !known {
            flow.refuse(&frame, 400, Reason::BadSequence);
        } else {
            flow.up(&frame);
        }
    }),
    Bug::new(
        "ids_have_to_grow",
        "OAP-3-15",
        "a START with an id below an earlier one gets 400",
    )
    .up(|state, frame, flow| {
        if is_start(&frame) && frame.corr < state.count {
            return flow.refuse(&frame, 400, Reason::BadSequence);
        }
        if is_start(&frame) {
            state.count = frame.corr;
        }
        flow.up(&frame);
    }),
    Bug::new(
        "an_id_is_good_once",
        "OAP-3-15",
        "a START on an id that was used gets 400",
    )
    .up(|state, frame, flow| {
        if is_start(&frame) && state.ended.contains(&frame.corr) {
            flow.refuse(&frame, 400, Reason::BadSequence);
        } else {
            flow.up(&frame);
        }
    }),
    Bug::new(
        "max_inflight_is_one_less",
        "OAP-3-16",
        "one exchange fewer is served than the HELLO says",
    )
    .config(|config| {
        config.limits = Limits::builder()
            .max_inflight(63)
            .build()
            .unwrap_or_default();
    })
    .down(|_, mut frame, flow| {
        if frame.app == 0 {
            edit(&mut frame, |body| {
                if !body["max_inflight"].is_null() {
                    body["max_inflight"] = 64.into();
                }
            });
        }
        flow.down(&frame);
    }),
    Bug::new(
        "over_capacity_is_silent",
        "OAP-3-16",
        "a START above max_inflight is dropped silently",
    )
    .down(|_, frame, flow| {
        if !is_error(&frame, 429) {
            flow.down(&frame);
        }
    }),
    Bug::new(
        "slots_are_not_given_back",
        "OAP-3-17",
        "after max_inflight exchanges in all, further ones are refused",
    )
    .up(|state, frame, flow| {
        if is_start(&frame) {
            state.count += 1;
        }
        if is_start(&frame) && state.count > 64 {
            flow.refuse(&frame, 429, Reason::OverCapacity);
        } else {
            flow.up(&frame);
        }
    }),
];
