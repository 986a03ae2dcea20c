//! Sections 1 and 2: frames and flags.

use oap_core::Reason;
use oap_core::driver::test_apps::{DELAY, ECHO};
use oap_core::wire::Flags;
use serde_json::json;

use crate::live::draft::Draft;
use crate::live::serve::judge::{Judge, usual};
use crate::live::verdict::{Case, Step, case, ensure, skip};
use crate::live::wire::show;

pub(super) const CASES: &[Case<Judge>] = &[
    case!("OAP-1-2", answers_may_come_byte_by_byte),
    case!("OAP-1-3", a_len_of_32_is_fatal),
    case!("OAP-1-4", a_len_above_max_frame_is_fatal),
    case!("OAP-1-5", another_version_is_fatal),
    case!("OAP-1-6", a_capability_longer_than_its_frame_is_fatal),
    case!("OAP-1-7", a_bad_len_is_judged_by_four_bytes),
    case!("OAP-1-8", no_frame_is_above_the_max_frame_of_the_reply),
    case!("OAP-1-10", a_stream_that_ends_inside_a_frame_is_fatal),
    case!(
        "OAP-1-12",
        a_stream_that_ends_between_frames_ends_the_connection
    ),
    case!("OAP-2-1", reserved_bits_are_ignored_and_not_sent),
    case!("OAP-2-7", req_from_a_server_is_fatal),
    case!("OAP-2-7", no_direction_is_fatal),
    case!("OAP-2-7", two_directions_are_fatal),
    case!(
        "OAP-3-5",
        a_large_message_is_split_with_start_and_end_at_its_ends
    ),
    case!("OAP-3-7", requests_have_code_0),
];

/// The client waits for the connection to end.
async fn waits(judge: &mut Judge) -> Step {
    judge.welcome(json!({})).await?;
    judge.task(json!({"task": "wait"})).await
}

async fn answers_may_come_byte_by_byte(judge: &mut Judge) -> Step {
    let corr = judge.hello().await?;
    let reply = Draft::control(Flags::RESP | Flags::END, 0, corr);
    let body = usual().to_string();
    judge.trickle(&reply.payload(body.as_bytes()).bytes()).await;
    judge
        .task(json!({"task": "echo", "count": 1, "bytes": 100}))
        .await?;
    let (corr, payload) = judge.whole(ECHO).await?;
    judge
        .trickle(&Draft::answer(ECHO, corr, &payload).bytes())
        .await;
    judge.succeeds().await.map(drop)
}

async fn a_len_of_32_is_fatal(judge: &mut Judge) -> Step {
    waits(judge).await?;
    judge.send(&Draft::answer(ECHO, 1, b"").len(32)).await;
    judge.fatal(400, Reason::BadFrame).await
}

async fn a_len_above_max_frame_is_fatal(judge: &mut Judge) -> Step {
    waits(judge).await?;
    judge
        .send(&Draft::answer(ECHO, 1, b"").len(1_048_577))
        .await;
    judge.fatal(413, Reason::TooLarge).await
}

async fn another_version_is_fatal(judge: &mut Judge) -> Step {
    waits(judge).await?;
    let event = Draft::control(Flags::EVENT, 204, 1);
    judge.send(&event.ver(2)).await;
    judge.fatal(400, Reason::BadVersion).await
}

async fn a_capability_longer_than_its_frame_is_fatal(judge: &mut Judge) -> Step {
    waits(judge).await?;
    let event = Draft::control(Flags::EVENT | Flags::START, 204, 1);
    judge.send(&event.cap_len(1)).await;
    judge.fatal(400, Reason::BadFrame).await
}

async fn a_bad_len_is_judged_by_four_bytes(judge: &mut Judge) -> Step {
    waits(judge).await?;
    judge.send_raw(&[3, 0, 0, 0]).await;
    judge.fatal(400, Reason::BadFrame).await
}

async fn no_frame_is_above_the_max_frame_of_the_reply(judge: &mut Judge) -> Step {
    // The rules of all frames judge each one that comes.
    judge.welcome(json!({"max_frame": 4_096})).await?;
    judge
        .task(json!({"task": "echo", "count": 1, "bytes": 20_000}))
        .await?;
    judge.echo().await?;
    judge.succeeds().await.map(drop)
}

async fn a_stream_that_ends_inside_a_frame_is_fatal(judge: &mut Judge) -> Step {
    if judge.is_multi() {
        return skip("all lanes of this transport end at once, with the connection");
    }
    waits(judge).await?;
    judge.send_raw(&[0x21, 0, 0, 0, 1]).await;
    judge.finish().await;
    judge.fatal(400, Reason::BadFrame).await
}

async fn a_stream_that_ends_between_frames_ends_the_connection(judge: &mut Judge) -> Step {
    judge.welcome(json!({})).await?;
    judge.task(json!({"task": "open", "count": 1})).await?;
    judge.whole(DELAY).await?;
    judge.finish().await;
    judge
        .ends("the end: nothing can be answered any more")
        .await
}

async fn reserved_bits_are_ignored_and_not_sent(judge: &mut Judge) -> Step {
    judge.welcome(json!({})).await?;
    judge
        .task(json!({"task": "echo", "count": 1, "bytes": 10}))
        .await?;
    let (corr, payload) = judge.whole(ECHO).await?;
    judge
        .send(&Draft::answer(ECHO, corr, &payload).bits(0xff00))
        .await;
    judge.succeeds().await.map(drop)
}

async fn req_from_a_server_is_fatal(judge: &mut Judge) -> Step {
    waits(judge).await?;
    judge.send(&Draft::request(ECHO, 50, b"")).await;
    judge.fatal(400, Reason::BadSequence).await
}

async fn no_direction_is_fatal(judge: &mut Judge) -> Step {
    waits(judge).await?;
    judge.send(&Draft::control(Flags::NONE, 0, 0)).await;
    judge.fatal(400, Reason::BadSequence).await
}

async fn two_directions_are_fatal(judge: &mut Judge) -> Step {
    waits(judge).await?;
    judge
        .send(&Draft::control(Flags::RESP | Flags::EVENT, 0, 1))
        .await;
    judge.fatal(400, Reason::BadSequence).await
}

async fn a_large_message_is_split_with_start_and_end_at_its_ends(judge: &mut Judge) -> Step {
    judge.welcome(json!({"max_frame": 4_096})).await?;
    judge
        .task(json!({"task": "echo", "count": 1, "bytes": 10_000}))
        .await?;
    let (corr, frames) = judge.frames(ECHO).await?;
    for frame in &frames[1..] {
        let start = frame.header.flags.contains(Flags::START);
        ensure(!start, "START on the first frame only", || show(frame))?;
    }
    let payload: Vec<u8> = frames.iter().flat_map(|f| f.payload().to_vec()).collect();
    ensure(payload.len() == 10_000, "10,000 bytes", || {
        payload.len().to_string()
    })?;
    judge.send(&Draft::answer(ECHO, corr, &payload)).await;
    judge.succeeds().await.map(drop)
}

async fn requests_have_code_0(judge: &mut Judge) -> Step {
    // The rules of all frames judge each one that comes.
    judge.welcome(json!({})).await?;
    judge
        .task(json!({"task": "echo", "count": 3, "bytes": 10}))
        .await?;
    for _ in 0..3 {
        judge.echo().await?;
    }
    judge.succeeds().await.map(drop)
}
