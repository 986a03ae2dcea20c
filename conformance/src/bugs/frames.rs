//! Bugs of sections 1 and 2: frames and flags.

use oap_core::wire::{Flags, MAX_FRAME, MIN_LEN};

use super::state::{edit, is_hello, is_response};
use super::{Bug, End};

pub(super) const BUGS: &[Bug] = &[
    Bug::new(
        "corr_id_is_big_endian",
        "OAP-1-1",
        "corr_id of answers is written with its bytes the other way round",
    )
    .down(|_, mut frame, flow| {
        if frame.app != 0 {
            frame.corr = frame.corr.swap_bytes();
        }
        flow.down(&frame);
    }),
    Bug::new(
        "capability_counts_as_payload",
        "OAP-1-1",
        "the handler gets the capability in front of the payload",
    )
    .up(|_, mut frame, flow| {
        let cap = std::mem::take(&mut frame.cap);
        frame.payload.splice(0..0, cap);
        flow.up(&frame);
    }),
    Bug::new(
        "one_frame_per_read",
        "OAP-1-2",
        "of several frames in one read only the first is decoded",
    )
    .up(|state, frame, flow| {
        if flow.up.is_empty() {
            flow.up(&frame);
        }
        state.count += 1;
    }),
    Bug::new(
        "short_len_is_skipped",
        "OAP-1-3",
        "a len under 33 is skipped instead of being fatal",
    )
    .up(|_, frame, flow| {
        if frame.header().len >= MIN_LEN {
            flow.up(&frame);
        }
    }),
    Bug::new(
        "large_len_is_awaited",
        "OAP-1-4",
        "a len above max_frame is waited for",
    )
    .up(|_, frame, flow| {
        if frame.header().len <= MAX_FRAME {
            flow.up(&frame);
        }
    }),
    Bug::new(
        "max_frame_is_exclusive",
        "OAP-1-4",
        "a len of max_frame is refused",
    )
    .up(|_, frame, flow| {
        if frame.header().len == MAX_FRAME {
            flow.up.extend_from_slice(&u32::MAX.to_le_bytes());
        } else {
            flow.up(&frame);
        }
    }),
    Bug::new("version_is_ignored", "OAP-1-5", "ver is not checked").up(|_, frame, flow| {
        flow.up(&frame.ver(1));
    }),
    Bug::new(
        "long_capability_is_ignored",
        "OAP-1-6",
        "a cap_len above len - 33 counts as none",
    )
    .up(|_, frame, flow| {
        let long = u32::from(frame.header().cap_len) > frame.header().len - MIN_LEN;
        flow.up(&if long { frame.cap_len(0) } else { frame });
    }),
    Bug::new(
        "capability_needs_no_start",
        "OAP-1-6",
        "a capability on a frame without START is taken",
    )
    .up(|_, mut frame, flow| {
        if !frame.flags.contains(Flags::START) {
            frame.cap.clear();
        }
        flow.up(&frame);
    }),
    Bug::new(
        "judges_whole_frames_only",
        "OAP-1-7",
        "faults are found when the whole header is there",
    )
    .up(|_, frame, flow| flow.up(&frame)),
    Bug::new(
        "version_is_checked_first",
        "OAP-1-7",
        "a bad version is told before a bad len",
    )
    .up(|_, frame, flow| {
        let large = frame.header().len > MAX_FRAME;
        flow.up(&if large { frame.len(MIN_LEN) } else { frame });
    }),
    Bug::new(
        "max_frame_of_the_client_is_ignored",
        "OAP-1-8",
        "frames are as large as without a HELLO",
    )
    .up(|_, mut frame, flow| {
        if is_hello(&frame) {
            edit(&mut frame, |hello| {
                if let Some(members) = hello.as_object_mut() {
                    members.remove("max_frame");
                }
            });
        }
        flow.up(&frame);
    }),
    Bug::new(
        "connection_stays_after_a_fatal_fault",
        "OAP-1-9",
        "the connection is not closed after the error frame",
    )
    .hides_end(),
    Bug::new(
        "the_error_frame_comes_twice",
        "OAP-1-9",
        "two connection error frames are sent",
    )
    .down(|_, frame, flow| {
        flow.down(&frame);
        if frame.app == 0 && frame.corr == 0 && frame.code >= 400 {
            flow.down(&frame);
        }
    }),
    Bug::new(
        "a_cut_frame_is_forgotten",
        "OAP-1-10",
        "a stream that ends inside a frame counts as a good end",
    )
    .up(|_, frame, flow| flow.up(&frame))
    .end(End::WithoutRest),
    Bug::new(
        "half_close_is_close",
        "OAP-1-11",
        "the end of the client's stream ends everything at once",
    )
    .up(|_, frame, flow| flow.up(&frame))
    .end(End::Close),
    Bug::new(
        "capability_on_hello_is_a_fault",
        "OAP-1-13",
        "a HELLO with a capability ends the connection",
    )
    .up(|_, frame, flow| {
        if is_hello(&frame) && !frame.cap.is_empty() {
            flow.upset();
        } else {
            flow.up(&frame);
        }
    }),
    Bug::new(
        "reserved_bits_are_sent",
        "OAP-2-1",
        "bit 8 is set on answers",
    )
    .down(|_, frame, flow| {
        let answer = is_response(&frame);
        flow.down(&if answer { frame.bits(0x0100) } else { frame });
    }),
    Bug::new(
        "reserved_bits_are_fatal",
        "OAP-2-1",
        "a reserved bit ends the connection",
    )
    .up(|_, frame, flow| {
        if frame.flags.has_reserved() {
            flow.upset();
        } else {
            flow.up(&frame);
        }
    }),
    Bug::new(
        "events_carry_resp_too",
        "OAP-2-2",
        "EVENT frames also carry RESP",
    )
    .down(|_, frame, flow| {
        let event = frame.app != 0 && frame.flags.contains(Flags::EVENT);
        flow.down(&if event {
            frame.with(Flags::RESP)
        } else {
            frame
        });
    }),
    Bug::new(
        "a_second_direction_is_ignored",
        "OAP-2-3",
        "REQ with another direction counts as REQ",
    )
    .up(|_, mut frame, flow| {
        if frame.app != 0 && frame.flags.contains(Flags::REQ) {
            frame.flags = frame.flags.without(Flags::RESP | Flags::EVENT);
        }
        flow.up(&frame);
    }),
    Bug::new(
        "no_direction_counts_as_req",
        "OAP-2-4",
        "a frame without direction is taken as a request",
    )
    .up(|_, frame, flow| {
        let none = frame.app != 0 && frame.flags.directions() == Flags::NONE;
        flow.up(&if none { frame.with(Flags::REQ) } else { frame });
    }),
    Bug::new(
        "resp_is_ignored",
        "OAP-2-4",
        "RESP frames of a client are dropped silently",
    )
    .up(|_, frame, flow| {
        if !is_response(&frame) {
            flow.up(&frame);
        }
    }),
    Bug::new(
        "event_of_a_client_is_ignored",
        "OAP-2-5",
        "EVENT on an open exchange is dropped silently",
    )
    .up(|state, frame, flow| {
        let event = frame.app != 0 && frame.flags.directions() == Flags::EVENT;
        if !event || state.open(frame.corr).is_none() {
            flow.up(&frame);
        }
    }),
    Bug::new(
        "directions_on_app_0_are_not_checked",
        "OAP-2-6",
        "a control frame with two directions is dropped silently",
    )
    .up(|_, frame, flow| {
        if frame.app != 0 || frame.flags.directions().bits().count_ones() < 2 {
            flow.up(&frame);
        }
    }),
];
