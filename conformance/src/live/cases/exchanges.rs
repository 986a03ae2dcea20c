//! Section 3: exchanges from their START to their end.

use oap_core::Reason;
use oap_core::driver::test_apps::{DELAY, ECHO, EVENTS, SINK, SOURCE, STATUS};
use oap_core::wire::Flags;

use crate::live::draft::{Draft, pattern};
use crate::live::peer::{Answer, Peer};
use crate::live::verdict::{Case, Step, case, ensure, skip};
use crate::live::wire::show;

pub(super) const CASES: &[Case<Peer>] = &[
    case!("OAP-3-2", chunks_reach_the_handler_in_order),
    case!("OAP-3-2", exchanges_are_kept_apart),
    case!("OAP-3-2", an_empty_end_closes_the_request_half),
    case!("OAP-3-3", an_exchange_ends_although_no_end_has_come),
    case!("OAP-3-3", an_answer_may_begin_before_the_request_has_ended),
    case!("OAP-3-3", nothing_follows_the_end_of_an_answer),
    case!(
        "OAP-3-5",
        an_answer_is_split_with_end_on_its_last_frame_only
    ),
    case!("OAP-3-6", answers_have_the_app_and_tenant_of_their_start),
    case!("OAP-3-6", events_have_the_app_and_tenant_of_their_start),
    case!("OAP-3-7", the_code_of_a_request_is_ignored),
    case!("OAP-3-8", a_fault_leaves_other_exchanges_alone),
    case!(
        "OAP-3-8",
        a_fault_is_answered_with_the_app_and_tenant_of_the_start
    ),
    case!("OAP-3-10", req_without_start_is_a_fault),
    case!("OAP-3-10", req_end_without_start_is_a_fault),
    case!("OAP-3-11", a_second_start_ends_the_exchange_and_opens_none),
    case!("OAP-3-12", req_after_end_is_a_fault),
    case!("OAP-3-12", another_app_is_a_fault),
    case!("OAP-3-12", another_tenant_is_a_fault),
    case!("OAP-3-13", corr_id_0_is_answered_with_corr_id_0),
    case!("OAP-3-15", ids_may_come_in_any_order),
    case!("OAP-3-16", one_exchange_too_many_is_refused_at_once),
    case!("OAP-3-16", max_inflight_exchanges_are_served),
    case!("OAP-3-17", a_slot_is_free_again_once_its_work_has_ended),
];

async fn chunks_reach_the_handler_in_order(peer: &mut Peer) -> Step {
    peer.needs(ECHO)?;
    peer.send_all(&[
        Draft::start(ECHO, 1, b"one "),
        Draft::chunk(ECHO, 1, b"two "),
        Draft::chunk(ECHO, 1, b"three "),
        Draft::last(ECHO, 1, b"four"),
    ])
    .await;
    peer.echoed(1, b"one two three four").await.map(drop)
}

async fn exchanges_are_kept_apart(peer: &mut Peer) -> Step {
    peer.needs(SINK)?;
    peer.send_all(&[
        Draft::start(SINK, 1, &[0; 100]),
        Draft::start(SINK, 2, &[0; 7]),
        Draft::chunk(SINK, 1, &[0; 100]),
        Draft::last(SINK, 2, &[0; 7]),
    ])
    .await;
    let second = peer.answer(2).await?;
    peer.send(&Draft::last(SINK, 1, &[0; 100])).await;
    let first = peer.answer(1).await?;
    let counts = (first.body(), second.body());
    let due = (
        300_u64.to_le_bytes().to_vec(),
        14_u64.to_le_bytes().to_vec(),
    );
    ensure(
        counts == due,
        "300 bytes on corr 1 and 14 on corr 2",
        || format!("{counts:?}"),
    )
}

async fn an_empty_end_closes_the_request_half(peer: &mut Peer) -> Step {
    peer.needs(SINK)?;
    peer.send_all(&[Draft::start(SINK, 1, b"abc"), Draft::last(SINK, 1, b"")])
        .await;
    let answer = peer.answer(1).await?;
    ensure(answer.body() == 3_u64.to_le_bytes(), "3 bytes", || {
        format!("{:?}", answer.body())
    })
}

async fn an_exchange_ends_although_no_end_has_come(peer: &mut Peer) -> Step {
    peer.needs(STATUS)?;
    peer.send(&Draft::start(STATUS, 1, &206_u16.to_le_bytes()))
        .await;
    let answer = peer.answer(1).await?;
    ensure(answer.code() == 206, "code 206", || {
        answer.code().to_string()
    })?;
    peer.alive().await
}

async fn an_answer_may_begin_before_the_request_has_ended(peer: &mut Peer) -> Step {
    peer.needs(ECHO)?;
    peer.send(&Draft::start(ECHO, 1, b"early")).await;
    let mut answer = Answer::default();
    let last = peer.more(1, &mut answer).await?;
    let due = "a RESP chunk without END";
    ensure(!last && answer.body() == b"early", due, || {
        answer.frames.iter().map(show).collect()
    })?;
    peer.send(&Draft::last(ECHO, 1, b"late")).await;
    peer.echoed(1, b"late").await.map(drop)
}

async fn nothing_follows_the_end_of_an_answer(peer: &mut Peer) -> Step {
    peer.needs(SOURCE)?;
    for corr in 1..=5 {
        peer.send(&Draft::start(SOURCE, corr, &10_u64.to_le_bytes()))
            .await;
        peer.answer(corr).await?;
    }
    peer.alive().await?;
    peer.alive().await
}

async fn an_answer_is_split_with_end_on_its_last_frame_only(peer: &mut Peer) -> Step {
    peer.needs(SOURCE)?;
    peer.hello(r#"{"max_frame":4096}"#).await?;
    peer.send(&Draft::request(SOURCE, 1, &10_000_u64.to_le_bytes()))
        .await;
    let answer = peer.answer(1).await?;
    ensure(answer.body() == pattern(10_000), "10,000 bytes", || {
        format!("{} bytes", answer.body().len())
    })?;
    let later = answer.frames.iter().skip(1);
    for frame in later {
        let start = frame.header.flags.contains(Flags::START);
        ensure(!start, "START on the first frame only", || show(frame))?;
    }
    ensure(answer.frames.len() >= 3, "at least 3 frames", || {
        answer.frames.len().to_string()
    })
}

async fn answers_have_the_app_and_tenant_of_their_start(peer: &mut Peer) -> Step {
    peer.needs(SOURCE)?;
    keeps_app_and_tenant(peer, SOURCE, &200_000_u64.to_le_bytes()).await
}

async fn events_have_the_app_and_tenant_of_their_start(peer: &mut Peer) -> Step {
    peer.needs(EVENTS)?;
    keeps_app_and_tenant(peer, EVENTS, &5_u32.to_le_bytes()).await
}

async fn keeps_app_and_tenant(peer: &mut Peer, app: u16, payload: &[u8]) -> Step {
    let tenant = 0xfeed_0000_0000_0000_0000_0000_0000_beef;
    peer.send(&Draft::request(app, 9, payload).tenant(tenant))
        .await;
    let answer = peer.answer(9).await?;
    for frame in &answer.frames {
        let header = frame.header;
        let same = (header.app_proto_id, header.tenant_id) == (app, tenant);
        ensure(same, "the app and tenant of the START", || show(frame))?;
    }
    Ok(())
}

async fn the_code_of_a_request_is_ignored(peer: &mut Peer) -> Step {
    peer.needs(ECHO)?;
    peer.send(&Draft::request(ECHO, 1, b"x").code(503)).await;
    peer.echoed(1, b"x").await.map(drop)
}

/// An exchange that nothing is heard of, and its START.
async fn long(peer: &mut Peer, corr: u64, flags: Flags) -> Step<Draft> {
    peer.needs(DELAY)?;
    let start = Draft::start(DELAY, corr, &60_000_u32.to_le_bytes());
    let start = start.with(flags).tenant(77);
    peer.send(&start).await;
    Ok(start)
}

async fn a_fault_leaves_other_exchanges_alone(peer: &mut Peer) -> Step {
    peer.needs(DELAY)?;
    peer.send(&Draft::request(DELAY, 1, &2_000_u32.to_le_bytes()))
        .await;
    let wrong = Draft::chunk(ECHO, 2, b"no START");
    peer.send(&wrong).await;
    peer.refused(&wrong, 400, Reason::BadSequence).await?;
    peer.answer(1).await.map(drop)
}

async fn a_fault_is_answered_with_the_app_and_tenant_of_the_start(peer: &mut Peer) -> Step {
    let start = long(peer, 1, Flags::NONE).await?;
    peer.send(&Draft::chunk(ECHO, 1, b"").tenant(1)).await;
    peer.refused(&start, 400, Reason::BadSequence).await?;
    peer.alive().await
}

async fn req_without_start_is_a_fault(peer: &mut Peer) -> Step {
    let frame = Draft::chunk(ECHO, 5, b"x").tenant(8);
    peer.send(&frame).await;
    peer.refused(&frame, 400, Reason::BadSequence).await?;
    peer.alive().await
}

async fn req_end_without_start_is_a_fault(peer: &mut Peer) -> Step {
    let frame = Draft::last(ECHO, 5, b"x");
    peer.send(&frame).await;
    peer.refused(&frame, 400, Reason::BadSequence).await?;
    peer.alive().await
}

async fn a_second_start_ends_the_exchange_and_opens_none(peer: &mut Peer) -> Step {
    let start = long(peer, 1, Flags::NONE).await?;
    peer.send(&Draft::start(DELAY, 1, &1_u32.to_le_bytes()).tenant(77))
        .await;
    peer.refused(&start, 400, Reason::BadSequence).await?;
    peer.send(&Draft::chunk(DELAY, 1, b"late").tenant(77)).await;
    peer.alive().await
}

async fn req_after_end_is_a_fault(peer: &mut Peer) -> Step {
    let start = long(peer, 1, Flags::END).await?;
    peer.send(&Draft::chunk(DELAY, 1, b"x").tenant(77)).await;
    peer.refused(&start, 400, Reason::BadSequence).await?;
    peer.alive().await
}

async fn another_app_is_a_fault(peer: &mut Peer) -> Step {
    let start = long(peer, 1, Flags::NONE).await?;
    peer.send(&Draft::chunk(SINK, 1, b"x").tenant(77)).await;
    peer.refused(&start, 400, Reason::BadSequence).await?;
    peer.alive().await
}

async fn another_tenant_is_a_fault(peer: &mut Peer) -> Step {
    let start = long(peer, 1, Flags::NONE).await?;
    peer.send(&Draft::chunk(DELAY, 1, b"x").tenant(78)).await;
    peer.refused(&start, 400, Reason::BadSequence).await?;
    peer.alive().await
}

async fn corr_id_0_is_answered_with_corr_id_0(peer: &mut Peer) -> Step {
    let frame = Draft::request(ECHO, 0, b"x").tenant(4);
    peer.send(&frame).await;
    peer.refused(&frame, 400, Reason::BadSequence).await?;
    peer.alive().await
}

async fn ids_may_come_in_any_order(peer: &mut Peer) -> Step {
    peer.needs(ECHO)?;
    for corr in [900, 5, u64::MAX, 6, 1] {
        peer.echo(corr, b"any order").await?;
    }
    Ok(())
}

/// As many exchanges as the server takes, which end after `millis`.
async fn fill(peer: &mut Peer, millis: u32) -> Step<u64> {
    peer.needs(DELAY)?;
    let most = u64::from(peer.facts.max_inflight);
    if most > 4_096 {
        return skip(format!("max_inflight is {most}"));
    }
    for corr in 1..=most {
        peer.send(&Draft::request(DELAY, corr, &millis.to_le_bytes()))
            .await;
    }
    Ok(most)
}

async fn one_exchange_too_many_is_refused_at_once(peer: &mut Peer) -> Step {
    let most = fill(peer, 60_000).await?;
    let one = Draft::request(ECHO, most + 1, b"one too many");
    peer.send(&one).await;
    let body = peer.refused(&one, 429, Reason::OverCapacity).await?;
    ensure(body.retry_after_ms.is_some(), "retry_after_ms", || {
        "none".to_owned()
    })
}

async fn max_inflight_exchanges_are_served(peer: &mut Peer) -> Step {
    let most = fill(peer, 3_000).await?;
    let mut left: Vec<u64> = (1..=most).collect();
    while !left.is_empty() {
        let due = "RESP|END of an exchange that waits";
        let frame = peer.next(due).await?;
        let at = left.iter().position(|corr| *corr == frame.header.corr_id);
        let fine = at.is_some() && !frame.header.code.is_error();
        ensure(fine, due, || show(&frame))?;
        left.retain(|corr| *corr != frame.header.corr_id);
    }
    Ok(())
}

async fn a_slot_is_free_again_once_its_work_has_ended(peer: &mut Peer) -> Step {
    let most = fill(peer, 500).await?;
    for _ in 1..=most {
        peer.next("an answer").await?;
    }
    for corr in 1..=most {
        peer.echo(most + corr, b"again").await?;
    }
    Ok(())
}
