//! Bugs of section 8: compressed and opaque payloads.

use oap_core::Reason;
use oap_core::driver::test_apps::{ECHO, SINK};
use oap_core::inflate::inflate;
use oap_core::wire::Flags;

use super::Bug;
use super::state::{is_error, is_response};
use crate::live::draft::Draft;

fn is_compressed(frame: &Draft, app: u16) -> bool {
    frame.app == app && frame.flags.contains(Flags::COMP)
}

/// The request without COMP, so that nothing is inflated.
fn plain(mut frame: Draft) -> Draft {
    frame.flags = frame.flags.without(Flags::COMP);
    frame
}

pub(super) const BUGS: &[Bug] = &[
    Bug::new(
        "comp_goes_to_everybody",
        "OAP-8-1",
        "answers carry COMP although the client lists no coding",
    )
    .down(|_, frame, flow| {
        let answer = is_response(&frame) && frame.code < 400;
        flow.down(&if answer {
            frame.with(Flags::COMP)
        } else {
            frame
        });
    }),
    Bug::new(
        "everything_is_inflated",
        "OAP-8-2",
        "a payload that nobody asked to inflate is checked",
    )
    .up(|_, frame, flow| {
        if is_compressed(&frame, ECHO) {
            flow.refuse(&frame, 400, Reason::BadCoding);
        } else {
            flow.up(&frame);
        }
    }),
    Bug::new(
        "broken_streams_are_taken",
        "OAP-8-3",
        "a payload that does not inflate is taken as it is",
    )
    .up(|_, frame, flow| {
        let broken = is_compressed(&frame, SINK) && inflate(&frame.payload, 1 << 24).is_err();
        flow.up(&if broken { plain(frame) } else { frame });
    }),
    Bug::new(
        "trailing_bytes_are_ignored",
        "OAP-8-3",
        "a byte behind the stream is ignored",
    )
    .up(|_, mut frame, flow| {
        if is_compressed(&frame, SINK) && inflate(&frame.payload, 1 << 24).is_err() {
            frame.payload.pop();
        }
        flow.up(&frame);
    }),
    Bug::new(
        "any_size_is_inflated",
        "OAP-8-4",
        "the bound of inflated bytes is not kept",
    )
    .up(|_, frame, flow| {
        let large = is_compressed(&frame, SINK) && inflate(&frame.payload, 8 << 20).is_err();
        flow.up(&if large { plain(frame) } else { frame });
    }),
    Bug::new(
        "the_bound_is_exclusive",
        "OAP-8-4",
        "a payload that inflates to exactly 8 x max_frame is refused",
    )
    .up(|_, frame, flow| {
        let large = is_compressed(&frame, SINK) && inflate(&frame.payload, (8 << 20) - 1).is_err();
        if large {
            flow.refuse(&frame, 413, Reason::DecompressOverflow);
        } else {
            flow.up(&frame);
        }
    }),
    Bug::new(
        "there_is_no_inflate_budget",
        "OAP-8-6",
        "payloads are inflated as often as they come",
    )
    .down(|_, frame, flow| {
        if is_error(&frame, 429) {
            let count = (8_u64 << 20).to_le_bytes();
            flow.down(&Draft::answer(frame.app, frame.corr, &count));
        } else {
            flow.down(&frame);
        }
    }),
    Bug::new(
        "opaque_payloads_are_inflated",
        "OAP-8-8",
        "APP_E2E with COMP is inflated",
    )
    .up(|_, mut frame, flow| {
        frame.flags = frame.flags.without(Flags::APP_E2E);
        flow.up(&frame);
    }),
    Bug::new(
        "windows_count_inflated_bytes",
        "OAP-6-8",
        "consumed in ACKs counts bytes after inflation",
    )
    .down(|_, frame, flow| {
        if super::state::is_ack(&frame) {
            let (consumed, limit) = super::state::numbers(&frame);
            flow.down(&Draft::ack(frame.corr, consumed * 1_000, limit * 1_000));
        } else {
            flow.down(&frame);
        }
    }),
];
