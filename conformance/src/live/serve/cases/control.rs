//! Section 4: control frames.

use oap_core::driver::test_apps::{ECHO, SOURCE};
use oap_core::wire::{Flags, Frame};
use serde_json::json;

use crate::live::draft::{Draft, error_json};
use crate::live::peer::ack_numbers;
use crate::live::serve::judge::Judge;
use crate::live::verdict::{Case, Step, case, ensure, fail, skip};
use crate::live::wire::{Came, show};

pub(super) const CASES: &[Case<Judge>] = &[
    case!("OAP-4-1", a_hello_is_as_table_3_says),
    case!("OAP-4-3", unknown_control_frames_are_ignored),
    case!("OAP-4-4", no_cancel_goes_to_a_server_that_does_not_list_it),
    case!("OAP-4-5", an_error_that_is_no_bad_hello_ends_the_connection),
    case!("OAP-4-6", after_a_connection_error_frame_nothing_is_sent),
    case!("OAP-4-7", a_cancel_is_the_last_frame_of_its_exchange),
    case!("OAP-4-9", a_cancel_of_the_server_ends_the_exchange),
    case!("OAP-4-10", a_cancel_of_nothing_is_ignored),
    case!("OAP-4-11", a_ping_is_answered_with_its_nonce),
    case!("OAP-4-13", after_goaway_no_exchange_is_opened),
];

async fn a_hello_is_as_table_3_says(judge: &mut Judge) -> Step {
    judge.welcome(json!({})).await?;
    judge.task(json!({"task": "wait"})).await
}

async fn unknown_control_frames_are_ignored(judge: &mut Judge) -> Step {
    judge.welcome(json!({})).await?;
    judge
        .send_all(&[
            Draft::control(Flags::EVENT, 204, 3),
            Draft::control(Flags::EVENT, 202, 99),
            Draft::control(Flags::RESP | Flags::END, 0, 77),
            Draft::control(Flags::RESP, 206, 0),
        ])
        .await;
    judge
        .task(json!({"task": "echo", "count": 1, "bytes": 5}))
        .await?;
    judge.echo().await?;
    judge.succeeds().await.map(drop)
}

/// The client gives an answer up after its first chunk: the id of that exchange.
async fn gives_up(judge: &mut Judge, reply: serde_json::Value) -> Step<u64> {
    judge.welcome(reply).await?;
    judge.task(json!({"task": "cancel"})).await?;
    let (corr, _) = judge.whole(SOURCE).await?;
    judge.send(&Draft::part(SOURCE, corr, &[0; 100])).await;
    Ok(corr)
}

async fn no_cancel_goes_to_a_server_that_does_not_list_it(judge: &mut Judge) -> Step {
    // The rules of all frames judge each one that comes.
    let corr = gives_up(judge, json!({"features": []})).await?;
    judge.echo().await?;
    judge.send(&Draft::answer(SOURCE, corr, b"the rest")).await;
    judge.outcome().await.map(drop)
}

async fn a_cancel_is_the_last_frame_of_its_exchange(judge: &mut Judge) -> Step {
    let corr = gives_up(judge, json!({})).await?;
    // CANCEL and the echo that follows may come in either order.
    let due = "CANCEL with a code from 400 to 599, and a request of 0x0f01";
    let (mut echo, mut cancelled) = (None, false);
    while echo.is_none() || !cancelled {
        let frame = judge.next(due).await?;
        let header = frame.header;
        if header.app_proto_id == ECHO {
            echo = Some(Draft::answer(ECHO, header.corr_id, frame.payload()));
        } else if header.corr_id == corr && header.flags.directions() == Flags::EVENT {
            let code = header.code.get();
            ensure((400..600).contains(&code), due, || show(&frame))?;
            cancelled = true;
        } else {
            let before = ack_numbers(&frame).is_some() && !cancelled;
            ensure(before, due, || show(&frame))?;
        }
    }
    judge
        .send_all(&[
            Draft::part(SOURCE, corr, &[0; 50_000]),
            Draft::answer(SOURCE, corr, b"under way"),
        ])
        .await;
    if let Some(echo) = echo {
        judge.send(&echo).await;
    }
    judge.outcome().await.map(drop)
}

async fn an_error_that_is_no_bad_hello_ends_the_connection(judge: &mut Judge) -> Step {
    let corr = judge.hello().await?;
    if corr != 0 {
        return skip("the client's HELLO has an id");
    }
    let error = Draft::control(Flags::RESP | Flags::END, 503, 0);
    let body = error_json("not_ready", 0);
    judge.send(&error.payload(body.as_bytes())).await;
    judge.ends("the end, without another frame").await
}

async fn after_a_connection_error_frame_nothing_is_sent(judge: &mut Judge) -> Step {
    judge.welcome(json!({})).await?;
    judge
        .task(json!({"task": "echo", "count": 5, "bytes": 5}))
        .await?;
    judge.whole(ECHO).await?;
    let error = Draft::control(Flags::RESP | Flags::END, 429, 0);
    let body = error_json("flood", 0);
    judge.send(&error.payload(body.as_bytes())).await;
    judge.ends("the end, without another frame").await
}

async fn a_cancel_of_the_server_ends_the_exchange(judge: &mut Judge) -> Step {
    judge.welcome(json!({})).await?;
    if !judge.lists("cancel") {
        return skip("the client does not list `cancel`");
    }
    judge
        .task(json!({"task": "echo", "count": 1, "bytes": 5}))
        .await?;
    let (corr, _) = judge.whole(ECHO).await?;
    judge.send(&Draft::cancel(corr, 503)).await;
    judge.fails().await.map(drop)
}

async fn a_cancel_of_nothing_is_ignored(judge: &mut Judge) -> Step {
    judge.welcome(json!({})).await?;
    judge.send(&Draft::cancel(1 << 50, 408)).await;
    judge
        .task(json!({"task": "echo", "count": 1, "bytes": 5}))
        .await?;
    judge.echo().await?;
    judge.succeeds().await.map(drop)
}

async fn a_ping_is_answered_with_its_nonce(judge: &mut Judge) -> Step {
    judge.welcome(json!({})).await?;
    if !judge.lists("ping") {
        return skip("the client does not list `ping`");
    }
    judge.task(json!({"task": "wait"})).await?;
    for nonce in [1, u64::MAX, 1 << 33] {
        judge.send(&Draft::ping(nonce)).await;
        let due = format!("PONG: EVENT code 202 app 0 corr {nonce}");
        let frame = judge.next(&due).await?;
        ensure(is_pong(&frame, nonce), &due, || show(&frame))?;
    }
    judge.quiet("one PONG for each PING").await
}

fn is_pong(frame: &Frame, nonce: u64) -> bool {
    let header = frame.header;
    header.flags == Flags::EVENT
        && (header.app_proto_id, header.code.get()) == (0, 202)
        && header.corr_id == nonce
}

async fn after_goaway_no_exchange_is_opened(judge: &mut Judge) -> Step {
    judge.welcome(json!({})).await?;
    if !judge.lists("goaway") {
        return skip("the client does not list `goaway`");
    }
    judge
        .task(json!({"task": "echo", "count": 5, "bytes": 5}))
        .await?;
    let (corr, payload) = judge.whole(ECHO).await?;
    let body =
        r#"{"code":"draining","message":"","retryable":true,"corr_id":"0","retry_after_ms":1}"#;
    let goaway = Draft::control(Flags::EVENT, 503, 0).payload(body.as_bytes());
    judge
        .send_all(&[goaway, Draft::answer(ECHO, corr, &payload)])
        .await;
    let due = "no further START";
    loop {
        match judge.came().await {
            Came::End | Came::Nothing(_) => return Ok(()),
            Came::LaneEnd(_) => {}
            Came::Frame(_, frame) if frame.header.app_proto_id == 0 => {}
            other => return fail(due, other.describe()),
        }
    }
}
