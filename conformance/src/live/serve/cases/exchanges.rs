//! Sections 3, 7, 8 and 9: exchanges, events, payloads, errors.

use oap_core::Reason;
use oap_core::driver::test_apps::{DELAY, ECHO, EVENTS, SOURCE};
use oap_core::wire::Flags;
use serde_json::json;

use crate::live::draft::{Draft, pattern};
use crate::live::peer::ack_numbers;
use crate::live::serve::judge::Judge;
use crate::live::verdict::{Case, Step, case, ensure, skip};
use crate::live::wire::show;

pub(super) const CASES: &[Case<Judge>] = &[
    case!("OAP-3-1", ids_are_above_0_and_count_up),
    case!("OAP-3-4", an_answer_may_have_start_or_not),
    case!("OAP-3-4", an_answer_may_end_before_the_request),
    case!("OAP-3-18", an_exchange_given_up_without_cancel_is_kept),
    case!("OAP-3-19", no_more_exchanges_than_max_inflight_are_open),
    case!("OAP-3-20", an_answer_to_nothing_is_fatal),
    case!("OAP-3-20", an_answer_with_corr_id_0_is_fatal),
    case!("OAP-3-20", a_late_answer_is_discarded),
    case!("OAP-3-21", another_tenant_ends_the_exchange),
    case!("OAP-3-21", another_app_ends_the_exchange),
    case!("OAP-7-2", start_and_end_on_events_are_ignored),
    case!("OAP-7-4", an_event_on_nothing_is_discarded),
    case!(
        "OAP-8-1",
        nothing_is_compressed_for_a_server_that_lists_no_coding
    ),
    case!("OAP-8-3", a_broken_stream_is_a_failure),
    case!("OAP-9-1", an_unknown_code_counts_as_its_class),
    case!("OAP-9-2", an_error_at_the_end_is_a_failure),
    case!("OAP-9-5", an_error_without_a_body_is_no_fault),
    case!("OAP-10-7", a_request_is_given_up_after_its_time, Slow),
];

async fn echoes(judge: &mut Judge, count: u32) -> Step {
    judge.welcome(json!({})).await?;
    judge
        .task(json!({"task": "echo", "count": count, "bytes": 100}))
        .await
}

async fn ids_are_above_0_and_count_up(judge: &mut Judge) -> Step {
    echoes(judge, 30).await?;
    for _ in 0..30 {
        judge.echo().await?;
    }
    judge.succeeds().await.map(drop)
}

async fn an_answer_may_have_start_or_not(judge: &mut Judge) -> Step {
    echoes(judge, 2).await?;
    for start in [Flags::NONE, Flags::START] {
        let (corr, payload) = judge.whole(ECHO).await?;
        let (one, rest) = payload.split_at(40);
        judge
            .send_all(&[
                Draft::part(ECHO, corr, one).with(start),
                Draft::part(ECHO, corr, b""),
                Draft::answer(ECHO, corr, rest),
            ])
            .await;
    }
    judge.succeeds().await.map(drop)
}

async fn an_answer_may_end_before_the_request(judge: &mut Judge) -> Step {
    judge.welcome(json!({})).await?;
    let first = judge.upload(10_000_000).await?;
    let header = first.header;
    judge
        .send(&Draft::answer(header.app_proto_id, header.corr_id, &[0; 8]))
        .await;
    // What was under way may still come, but the exchange is over.
    loop {
        let frame = judge.next("the outcome of the upload").await?;
        if frame.header.app_proto_id == super::super::DRILL {
            return Ok(());
        }
    }
}

async fn an_exchange_given_up_without_cancel_is_kept(judge: &mut Judge) -> Step {
    judge.welcome(json!({"features": []})).await?;
    judge.task(json!({"task": "cancel"})).await?;
    let (corr, _) = judge.whole(SOURCE).await?;
    let window = judge.window();
    judge
        .send(&Draft::part(SOURCE, corr, &[0; 100]).with(Flags::ACK_REQ))
        .await;
    // It goes on with the echo; the rest of this answer is acknowledged and dropped.
    judge.echo().await?;
    let count = (window / 2).min(65_536) as usize;
    judge
        .send(&Draft::part(SOURCE, corr, &pattern(count)))
        .await;
    let due = "an ACK of what is discarded";
    loop {
        let frame = judge.next(due).await?;
        if ack_numbers(&frame).is_some_and(|_| frame.header.corr_id == corr) {
            return Ok(());
        }
        let told = frame.header.app_proto_id == super::super::DRILL;
        ensure(told, due, || show(&frame))?;
    }
}

async fn no_more_exchanges_than_max_inflight_are_open(judge: &mut Judge) -> Step {
    judge.welcome(json!({"max_inflight": 2})).await?;
    judge.task(json!({"task": "open", "count": 6})).await?;
    let mut open = Vec::new();
    for _ in 0..2 {
        open.push(judge.whole(DELAY).await?.0);
    }
    for _ in 2..6 {
        judge.quiet("no third exchange beside two").await?;
        let corr = open.remove(0);
        judge.send(&Draft::answer(DELAY, corr, b"")).await;
        open.push(judge.whole(DELAY).await?.0);
    }
    for corr in open {
        judge.send(&Draft::answer(DELAY, corr, b"")).await;
    }
    judge.succeeds().await.map(drop)
}

async fn an_answer_to_nothing_is_fatal(judge: &mut Judge) -> Step {
    judge.welcome(json!({})).await?;
    judge.task(json!({"task": "wait"})).await?;
    judge.send(&Draft::answer(ECHO, 1 << 50, b"")).await;
    judge.fatal(400, Reason::BadSequence).await
}

async fn an_answer_with_corr_id_0_is_fatal(judge: &mut Judge) -> Step {
    judge.welcome(json!({})).await?;
    judge.task(json!({"task": "wait"})).await?;
    judge.send(&Draft::answer(ECHO, 0, b"")).await;
    judge.fatal(400, Reason::BadSequence).await
}

async fn a_late_answer_is_discarded(judge: &mut Judge) -> Step {
    echoes(judge, 2).await?;
    let (corr, payload) = judge.whole(ECHO).await?;
    let answer = Draft::answer(ECHO, corr, &payload);
    judge.send_all(&[answer.clone(), answer.clone()]).await;
    let (second, payload) = judge.whole(ECHO).await?;
    judge
        .send_all(&[answer, Draft::answer(ECHO, second, &payload)])
        .await;
    judge.succeeds().await.map(drop)
}

async fn spoilt(judge: &mut Judge, spoil: fn(Draft) -> Draft) -> Step {
    echoes(judge, 1).await?;
    let (corr, payload) = judge.whole(ECHO).await?;
    judge
        .send(&spoil(Draft::answer(ECHO, corr, &payload)))
        .await;
    judge.cancelled(corr, Some(400)).await?;
    judge.fails().await.map(drop)
}

async fn another_tenant_ends_the_exchange(judge: &mut Judge) -> Step {
    spoilt(judge, |answer| answer.tenant(9)).await
}

async fn another_app_ends_the_exchange(judge: &mut Judge) -> Step {
    spoilt(judge, |answer| answer.app(DELAY)).await
}

async fn start_and_end_on_events_are_ignored(judge: &mut Judge) -> Step {
    judge.welcome(json!({})).await?;
    judge.task(json!({"task": "events", "count": 3})).await?;
    let (corr, _) = judge.whole(EVENTS).await?;
    let event = Draft::new(Flags::EVENT, EVENTS, corr);
    judge
        .send_all(&[
            event.clone().with(Flags::START).payload(b"one"),
            event.clone().with(Flags::END).payload(b"two"),
            event.payload(b"three"),
            Draft::answer(EVENTS, corr, b""),
        ])
        .await;
    let outcome = judge.succeeds().await?;
    ensure(outcome["bytes"] == 11, "11 bytes of events", || {
        outcome.to_string()
    })
}

async fn an_event_on_nothing_is_discarded(judge: &mut Judge) -> Step {
    echoes(judge, 1).await?;
    judge
        .send_all(&[
            Draft::new(Flags::EVENT, EVENTS, 1 << 50).payload(b"never opened"),
            Draft::new(Flags::EVENT, EVENTS, 0).payload(b"no id"),
        ])
        .await;
    judge.echo().await?;
    judge.succeeds().await.map(drop)
}

async fn nothing_is_compressed_for_a_server_that_lists_no_coding(judge: &mut Judge) -> Step {
    // The rules of all frames judge each one that comes.
    judge.welcome(json!({})).await?;
    judge
        .task(json!({"task": "echo", "count": 1, "bytes": 50_000}))
        .await?;
    judge.echo().await?;
    judge.succeeds().await.map(drop)
}

async fn a_broken_stream_is_a_failure(judge: &mut Judge) -> Step {
    echoes(judge, 1).await?;
    judge.needs_comp()?;
    let (corr, _) = judge.whole(ECHO).await?;
    judge
        .send(&Draft::answer(ECHO, corr, b"no stream").with(Flags::COMP))
        .await;
    judge.fails().await.map(drop)
}

async fn an_unknown_code_counts_as_its_class(judge: &mut Judge) -> Step {
    echoes(judge, 1).await?;
    let (corr, payload) = judge.whole(ECHO).await?;
    judge
        .send(&Draft::answer(ECHO, corr, &payload).code(277))
        .await;
    judge.succeeds().await.map(drop)
}

async fn an_error_at_the_end_is_a_failure(judge: &mut Judge) -> Step {
    judge.welcome(json!({})).await?;
    let corr = judge.download(1_000).await?;
    let error = crate::live::draft::error_json("not_found", corr);
    judge
        .send_all(&[
            Draft::part(SOURCE, corr, &[0; 500]),
            Draft::answer(SOURCE, corr, error.as_bytes()).code(404),
        ])
        .await;
    let outcome = judge.fails().await?;
    if outcome["code"].is_null() {
        return skip("the client does not tell the code");
    }
    ensure(outcome["code"] == 404, "code 404", || outcome.to_string())
}

async fn an_error_without_a_body_is_no_fault(judge: &mut Judge) -> Step {
    echoes(judge, 1).await?;
    let (corr, _) = judge.whole(ECHO).await?;
    let error = Draft::answer(ECHO, corr, b"no JSON").code(477);
    judge.send(&error).await;
    judge.fails().await.map(drop)
}

async fn a_request_is_given_up_after_its_time(judge: &mut Judge) -> Step {
    echoes(judge, 1).await?;
    let (corr, _) = judge.whole(ECHO).await?;
    let due = "CANCEL 408 after the request's time";
    let time = std::time::Duration::from_secs(20);
    loop {
        let frame = judge.next_within(due, time).await?;
        let header = frame.header;
        if header.flags == (Flags::EVENT | Flags::ACK_REQ) {
            let pong = Draft::control(Flags::EVENT, 202, header.corr_id);
            judge.send(&pong).await;
            continue;
        }
        let fits = header.app_proto_id == 0
            && (header.corr_id, header.code.get()) == (corr, 408)
            && header.flags.directions() == Flags::EVENT;
        return ensure(fits, due, || show(&frame));
    }
}
