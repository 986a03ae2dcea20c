//! Bugs of section 5: HELLO.

use oap_core::Reason;
use oap_core::wire::{Flags, Hello, HelloFault};

use super::state::{edit, is_hello};
use super::{Bug, Flow};
use crate::live::draft::Draft;

/// Passes a frame on; a HELLO with another body if it has such a fault.
fn tolerate(frame: &Draft, flow: &mut Flow, tolerated: fn(HelloFault) -> bool) {
    let fault = Hello::parse_request(&frame.payload).err();
    if is_hello(frame) && fault.is_some_and(tolerated) {
        flow.up(&frame.clone().payload(b"{}"));
    } else {
        flow.up(frame);
    }
}

pub(super) const BUGS: &[Bug] = &[
    Bug::new(
        "hello_needs_req",
        "OAP-5-1",
        "a HELLO without direction is not answered",
    )
    .up(|_, frame, flow| {
        if !(is_hello(&frame) && frame.flags.directions() == Flags::NONE) {
            flow.up(&frame);
        }
    }),
    Bug::new(
        "hello_reply_lacks_a_field",
        "OAP-5-2",
        "a reply has no transports",
    )
    .down(|_, mut frame, flow| {
        edit(&mut frame, |body| {
            if let Some(members) = body.as_object_mut() {
                members.remove("transports");
            }
        });
        flow.down(&frame);
    }),
    Bug::new(
        "hello_reply_is_large",
        "OAP-5-2",
        "a reply passes the max_frame of its HELLO",
    )
    .down(|_, mut frame, flow| {
        edit(&mut frame, |body| {
            if !body["server_version"].is_null() {
                body["server_version"] = "v".repeat(5_000).into();
            }
        });
        flow.down(&frame);
    }),
    Bug::new(
        "windows_without_a_hello",
        "OAP-5-4",
        "answers are windowed although the client has not said so",
    )
    .up(|_, frame, flow| {
        let start = frame.app != 0 && frame.flags.contains(Flags::START);
        flow.up(&if start {
            frame.with(Flags::ACK_REQ)
        } else {
            frame
        });
    }),
    Bug::new(
        "an_empty_hello_is_refused",
        "OAP-5-5",
        "an empty body is answered bad_hello",
    )
    .up(|_, frame, flow| {
        let empty = is_hello(&frame) && frame.payload.is_empty();
        flow.up(&if empty { frame.payload(b"[]") } else { frame });
    }),
    Bug::new(
        "unknown_fields_are_refused",
        "OAP-5-5",
        "a HELLO with an unknown field is answered bad_hello",
    )
    .up(|_, frame, flow| {
        let tea = is_hello(&frame) && frame.payload.starts_with(br#"{"tea"#);
        flow.up(&if tea { frame.payload(b"[]") } else { frame });
    }),
    Bug::new(
        "long_hellos_are_read",
        "OAP-5-6",
        "a body above 4,096 bytes is accepted",
    )
    .up(|_, frame, flow| tolerate(&frame, flow, |fault| fault == HelloFault::TooLong)),
    Bug::new(
        "deep_hellos_are_read",
        "OAP-5-6",
        "a body of nine levels is accepted",
    )
    .up(|_, frame, flow| tolerate(&frame, flow, |fault| fault == HelloFault::TooDeep)),
    Bug::new(
        "the_last_of_two_keys_counts",
        "OAP-5-6",
        "a key that stands there twice is accepted",
    )
    .up(|_, frame, flow| tolerate(&frame, flow, |fault| fault == HelloFault::DuplicateKey)),
    Bug::new(
        "types_are_not_checked",
        "OAP-5-7",
        "a field of another type counts as missing",
    )
    .up(|_, frame, flow| {
        tolerate(&frame, flow, |fault| {
            matches!(fault, HelloFault::WrongType { .. })
        });
    }),
    Bug::new(
        "ranges_are_not_checked",
        "OAP-5-7",
        "a number out of range counts as missing",
    )
    .up(|_, frame, flow| {
        tolerate(&frame, flow, |fault| {
            matches!(fault, HelloFault::OutOfRange { .. })
        });
    }),
    Bug::new(
        "a_compressed_hello_is_read",
        "OAP-5-7",
        "COMP on a HELLO is ignored",
    )
    .up(|_, mut frame, flow| {
        if is_hello(&frame) {
            frame.flags = frame.flags.without(Flags::COMP);
        }
        flow.up(&frame);
    }),
    Bug::new(
        "a_later_hello_is_refused",
        "OAP-5-8",
        "a second good HELLO is answered bad_hello",
    )
    .up(|state, frame, flow| {
        if is_hello(&frame) && state.hellos > 1 {
            flow.refuse(&frame.code(0), 400, Reason::BadHello);
        } else {
            flow.up(&frame);
        }
    }),
    Bug::new(
        "the_last_hello_counts",
        "OAP-5-8",
        "a later HELLO replaces the first",
    )
    .up(|state, mut frame, flow| {
        if is_hello(&frame) && state.hellos == 1 {
            // As if what the second says had held from the beginning.
            frame.payload = b"{}".to_vec();
        }
        flow.up(&frame);
    }),
];
