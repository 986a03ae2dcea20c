//! Section 1: frames.

use oap_core::Reason;
use oap_core::driver::test_apps::{DELAY, ECHO, SINK, SOURCE};
use oap_core::wire::Flags;

use crate::live::draft::{Draft, bytes_of, pattern};
use crate::live::peer::{Answer, Peer};
use crate::live::verdict::{Case, Step, case, ensure};
use crate::live::wire::show;

const TENANT: u128 = 0x0123_4567_89ab_cdef_fedc_ba98_7654_3210;

pub(super) const CASES: &[Case<Peer>] = &[
    case!("OAP-1-1", the_smallest_hello_is_answered),
    case!("OAP-1-1", the_golden_request_is_echoed),
    case!("OAP-1-1", every_field_is_little_endian_at_its_place),
    case!("OAP-1-1", the_capability_stands_before_the_payload),
    case!("OAP-1-2", frames_may_come_byte_by_byte),
    case!("OAP-1-2", frames_may_come_several_at_once),
    case!("OAP-1-2", a_header_may_come_in_pieces),
    case!("OAP-1-3", a_len_of_32_is_fatal),
    case!("OAP-1-3", a_len_of_0_is_fatal),
    case!("OAP-1-4", a_len_above_max_frame_is_fatal_before_any_hello),
    case!("OAP-1-4", a_len_above_max_frame_is_fatal_after_a_hello),
    case!("OAP-1-4", the_largest_len_of_all_is_fatal),
    case!("OAP-1-4", a_len_of_max_frame_is_accepted),
    case!("OAP-1-5", version_0_is_fatal),
    case!("OAP-1-5", version_2_is_fatal),
    case!("OAP-1-6", a_capability_longer_than_its_frame_is_fatal),
    case!("OAP-1-6", a_capability_without_start_is_fatal),
    case!("OAP-1-6", a_capability_may_fill_its_frame),
    case!("OAP-1-7", a_bad_len_is_judged_by_four_bytes),
    case!("OAP-1-7", a_bad_version_is_judged_by_five_bytes),
    case!("OAP-1-7", a_bad_cap_len_is_judged_by_twenty_nine_bytes),
    case!("OAP-1-7", a_bad_len_counts_before_a_bad_version),
    case!("OAP-1-7", a_bad_version_counts_before_a_bad_cap_len),
    case!("OAP-1-8", no_frame_is_above_the_max_frame_of_the_hello),
    case!("OAP-1-9", nothing_is_decoded_after_a_fatal_fault),
    case!("OAP-1-9", a_fatal_fault_ends_open_exchanges_without_a_word),
    case!("OAP-1-10", a_stream_that_ends_inside_a_frame_is_fatal),
    case!("OAP-1-10", a_stream_that_ends_inside_a_header_is_fatal),
    case!(
        "OAP-1-11",
        what_was_asked_for_is_answered_after_the_end_of_the_stream
    ),
    case!("OAP-1-11", a_request_cut_short_still_gets_an_answer),
    case!("OAP-1-13", a_capability_on_a_hello_is_ignored),
];

async fn the_smallest_hello_is_answered(peer: &mut Peer) -> Step {
    let bytes = [&[0x21, 0, 0, 0, 1][..], &[0; 32]].concat();
    peer.send_raw(&bytes).await;
    peer.hello_reply(0).await.map(drop)
}

async fn the_golden_request_is_echoed(peer: &mut Peer) -> Step {
    peer.needs(ECHO)?;
    let payload = br#"{"msg":"ping","op":"echo"}"#;
    let head = [0x3b, 0, 0, 0, 1, 0x19, 0, 0, 0, 0x01, 0x0f];
    let corr = [1, 0, 0, 0, 0, 0, 0, 0];
    let bytes = [&head[..], &[0; 16], &[0, 0], &corr, payload].concat();
    peer.send_raw(&bytes).await;
    peer.echoed(1, payload).await.map(drop)
}

async fn every_field_is_little_endian_at_its_place(peer: &mut Peer) -> Step {
    peer.needs(ECHO)?;
    let corr = 0x1122_3344_5566_7788;
    let request = Draft::request(ECHO, corr, b"x").tenant(TENANT);
    peer.send(&request).await;
    let answer = peer.echoed(corr, b"x").await?;
    for frame in answer.responses() {
        let header = frame.header;
        let same = (header.app_proto_id, header.tenant_id) == (ECHO, TENANT);
        ensure(same, "the app and tenant of the request", || show(frame))?;
    }
    Ok(())
}

async fn the_capability_stands_before_the_payload(peer: &mut Peer) -> Step {
    peer.needs(ECHO)?;
    let request = Draft::request(ECHO, 1, b"payload").cap(b"capability");
    peer.send(&request).await;
    peer.echoed(1, b"payload").await.map(drop)
}

async fn frames_may_come_byte_by_byte(peer: &mut Peer) -> Step {
    peer.needs(ECHO)?;
    peer.trickle(&Draft::hello("{}").bytes()).await;
    peer.hello_reply(0).await?;
    peer.trickle(&Draft::request(ECHO, 1, b"slow").bytes())
        .await;
    peer.echoed(1, b"slow").await.map(drop)
}

async fn frames_may_come_several_at_once(peer: &mut Peer) -> Step {
    peer.needs(ECHO)?;
    let requests: Vec<Draft> = (1..=10)
        .map(|corr| Draft::request(ECHO, corr, &corr.to_le_bytes()))
        .collect();
    let bytes = bytes_of(&requests);
    // The last is cut in the middle of its header.
    let (most, rest) = bytes.split_at(bytes.len() - 30);
    peer.send_raw(most).await;
    for corr in 1..=9_u64 {
        peer.echoed(corr, &corr.to_le_bytes()).await?;
    }
    peer.send_raw(rest).await;
    peer.echoed(10, &10_u64.to_le_bytes()).await.map(drop)
}

async fn a_header_may_come_in_pieces(peer: &mut Peer) -> Step {
    peer.needs(ECHO)?;
    for (corr, at) in (1..).zip([1, 4, 5, 28, 29, 36, 37, 38]) {
        let bytes = Draft::request(ECHO, corr, b"in two").bytes();
        peer.send_raw(&bytes[..at]).await;
        tokio::task::yield_now().await;
        peer.send_raw(&bytes[at..]).await;
        peer.echoed(corr, b"in two").await?;
    }
    Ok(())
}

async fn a_len_of_32_is_fatal(peer: &mut Peer) -> Step {
    peer.send(&Draft::request(ECHO, 1, b"").len(32)).await;
    peer.fatal(400, Reason::BadFrame).await
}

async fn a_len_of_0_is_fatal(peer: &mut Peer) -> Step {
    peer.send(&Draft::request(ECHO, 1, b"").len(0)).await;
    peer.fatal(400, Reason::BadFrame).await
}

async fn a_len_above_max_frame_is_fatal_before_any_hello(peer: &mut Peer) -> Step {
    let len = peer.facts.max_frame + 1;
    peer.send(&Draft::request(ECHO, 1, b"").len(len)).await;
    peer.fatal(413, Reason::TooLarge).await
}

async fn a_len_above_max_frame_is_fatal_after_a_hello(peer: &mut Peer) -> Step {
    peer.hello("{}").await?;
    let len = peer.facts.max_frame + 1;
    peer.send(&Draft::request(ECHO, 1, b"").len(len)).await;
    peer.fatal(413, Reason::TooLarge).await
}

async fn the_largest_len_of_all_is_fatal(peer: &mut Peer) -> Step {
    peer.send_raw(&[0xff; 4]).await;
    peer.fatal(413, Reason::TooLarge).await
}

async fn a_len_of_max_frame_is_accepted(peer: &mut Peer) -> Step {
    peer.needs(SINK)?;
    let payload = pattern(peer.facts.max_frame as usize - 33);
    peer.send(&Draft::request(SINK, 1, &payload)).await;
    let answer = peer.answer(1).await?;
    let counted = (payload.len() as u64).to_le_bytes();
    ensure(answer.body() == counted, "the count of its payload", || {
        format!("code {}, {:?}", answer.code(), answer.body())
    })
}

async fn version_0_is_fatal(peer: &mut Peer) -> Step {
    peer.send(&Draft::request(ECHO, 1, b"").ver(0)).await;
    peer.fatal(400, Reason::BadVersion).await
}

async fn version_2_is_fatal(peer: &mut Peer) -> Step {
    peer.send(&Draft::request(ECHO, 1, b"").ver(2)).await;
    peer.fatal(400, Reason::BadVersion).await
}

async fn a_capability_longer_than_its_frame_is_fatal(peer: &mut Peer) -> Step {
    let frame = Draft::request(ECHO, 1, b"four").cap_len(5);
    peer.send(&frame).await;
    peer.fatal(400, Reason::BadFrame).await
}

async fn a_capability_without_start_is_fatal(peer: &mut Peer) -> Step {
    peer.needs(ECHO)?;
    peer.send(&Draft::start(ECHO, 1, b"open")).await;
    peer.more(1, &mut Answer::default()).await?;
    peer.send(&Draft::chunk(ECHO, 1, b"x").cap(b"cap")).await;
    peer.fatal(400, Reason::BadFrame).await
}

async fn a_capability_may_fill_its_frame(peer: &mut Peer) -> Step {
    peer.needs(ECHO)?;
    peer.send(&Draft::request(ECHO, 1, b"").cap(&[7; 300]))
        .await;
    peer.echoed(1, b"").await.map(drop)
}

async fn a_bad_len_is_judged_by_four_bytes(peer: &mut Peer) -> Step {
    peer.send_raw(&[0x20, 0, 0, 0]).await;
    peer.fatal(400, Reason::BadFrame).await
}

async fn a_bad_version_is_judged_by_five_bytes(peer: &mut Peer) -> Step {
    peer.send_raw(&[0x21, 0, 0, 0, 3]).await;
    peer.fatal(400, Reason::BadVersion).await
}

async fn a_bad_cap_len_is_judged_by_twenty_nine_bytes(peer: &mut Peer) -> Step {
    let bytes = Draft::request(ECHO, 1, b"").cap_len(1).bytes();
    peer.send_raw(&bytes[..29]).await;
    peer.fatal(400, Reason::BadFrame).await
}

async fn a_bad_len_counts_before_a_bad_version(peer: &mut Peer) -> Step {
    let frame = Draft::request(ECHO, 1, b"").len(u32::MAX).ver(7);
    peer.send(&frame).await;
    peer.fatal(413, Reason::TooLarge).await
}

async fn a_bad_version_counts_before_a_bad_cap_len(peer: &mut Peer) -> Step {
    let frame = Draft::request(ECHO, 1, b"").cap_len(9).ver(7);
    peer.send(&frame).await;
    peer.fatal(400, Reason::BadVersion).await
}

async fn no_frame_is_above_the_max_frame_of_the_hello(peer: &mut Peer) -> Step {
    peer.needs(SOURCE)?;
    // The rules of all frames judge each one that comes.
    peer.hello(r#"{"max_frame":4096}"#).await?;
    let wanted = [&20_000_u64.to_le_bytes()[..], &65_536_u32.to_le_bytes()].concat();
    peer.send(&Draft::request(SOURCE, 1, &wanted)).await;
    let answer = peer.answer(1).await?;
    ensure(answer.body() == pattern(20_000), "20,000 bytes", || {
        format!("{} bytes", answer.body().len())
    })
}

async fn nothing_is_decoded_after_a_fatal_fault(peer: &mut Peer) -> Step {
    let bad = Draft::request(ECHO, 1, b"").ver(9);
    let good = Draft::request(ECHO, 2, b"good");
    peer.send_all(&[bad, good]).await;
    peer.fatal(400, Reason::BadVersion).await
}

async fn a_fatal_fault_ends_open_exchanges_without_a_word(peer: &mut Peer) -> Step {
    peer.needs(DELAY)?;
    let wait = Draft::request(DELAY, 1, &500_u32.to_le_bytes());
    let bad = Draft::new(Flags::NONE, ECHO, 2);
    peer.send_all(&[wait, bad]).await;
    peer.fatal(400, Reason::BadSequence).await
}

async fn a_stream_that_ends_inside_a_frame_is_fatal(peer: &mut Peer) -> Step {
    peer.needs_one_stream()?;
    let bytes = Draft::request(ECHO, 1, b"all of it").bytes();
    peer.send_raw(&bytes[..40]).await;
    peer.finish().await;
    peer.fatal(400, Reason::BadFrame).await
}

async fn a_stream_that_ends_inside_a_header_is_fatal(peer: &mut Peer) -> Step {
    peer.needs_one_stream()?;
    peer.send_raw(&[0x21, 0, 0]).await;
    peer.finish().await;
    peer.fatal(400, Reason::BadFrame).await
}

async fn what_was_asked_for_is_answered_after_the_end_of_the_stream(peer: &mut Peer) -> Step {
    peer.needs(DELAY)?;
    peer.needs_one_stream()?;
    peer.send(&Draft::request(DELAY, 1, &300_u32.to_le_bytes()))
        .await;
    peer.finish().await;
    peer.answer(1).await?;
    peer.ends("the end, once everything is answered").await
}

async fn a_request_cut_short_still_gets_an_answer(peer: &mut Peer) -> Step {
    peer.needs(ECHO)?;
    peer.needs_one_stream()?;
    peer.send(&Draft::start(ECHO, 1, b"one")).await;
    peer.more(1, &mut Answer::default()).await?;
    peer.finish().await;
    peer.answer(1).await?;
    peer.ends("the end, once everything is answered").await
}

async fn a_capability_on_a_hello_is_ignored(peer: &mut Peer) -> Step {
    let hello = Draft::hello("{}").with(Flags::START).cap(b"capability");
    peer.send(&hello).await;
    peer.hello_reply(0).await?;
    peer.alive().await
}
