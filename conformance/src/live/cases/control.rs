//! Section 4: control frames.

use std::time::Duration;

use oap_core::driver::test_apps::{DELAY, ECHO, SOURCE};
use oap_core::wire::Flags;

use crate::live::draft::{Draft, error_json};
use crate::live::peer::{Answer, EVERYTHING, Peer};
use crate::live::verdict::{Case, Step, case, ensure};
use crate::live::wire::Came;

pub(super) const CASES: &[Case<Peer>] = &[
    case!("OAP-4-1", a_hello_reply_has_tenant_0),
    case!(
        "OAP-4-2",
        a_ping_is_told_by_its_direction_code_and_ack_req_alone
    ),
    case!(
        "OAP-4-2",
        a_cancel_is_told_by_its_direction_code_and_id_alone
    ),
    case!("OAP-4-3", an_unknown_event_on_app_0_is_ignored),
    case!("OAP-4-3", a_pong_that_nobody_awaits_is_ignored),
    case!("OAP-4-3", a_resp_on_app_0_that_answers_nothing_is_ignored),
    case!("OAP-4-3", a_cancel_without_id_is_ignored),
    case!("OAP-4-4", a_client_without_hello_gets_no_ping, Slow),
    case!("OAP-4-6", after_a_connection_error_frame_nothing_is_sent),
    case!("OAP-4-8", a_cancelled_exchange_gets_no_answer),
    case!("OAP-4-8", a_cancelled_stream_stops),
    case!("OAP-4-8", a_cancel_with_an_error_body_is_a_cancel),
    case!("OAP-4-10", a_cancel_of_nothing_is_ignored),
    case!("OAP-4-10", a_cancel_of_an_ended_exchange_is_ignored),
    case!("OAP-4-11", a_ping_is_answered_with_its_nonce),
    case!("OAP-4-11", each_ping_is_answered_once),
];

async fn a_hello_reply_has_tenant_0(peer: &mut Peer) -> Step {
    // The rules of all frames judge the reply.
    peer.send(&Draft::hello("{}").tenant(u128::MAX)).await;
    peer.hello_reply(0).await.map(drop)
}

async fn a_ping_is_told_by_its_direction_code_and_ack_req_alone(peer: &mut Peer) -> Step {
    peer.needs_feature("ping")?;
    let odd = Flags::START | Flags::END | Flags::COMP | Flags::APP_E2E;
    peer.send(&Draft::ping(3).with(odd).tenant(9).payload(b"odd"))
        .await;
    peer.pong(3).await?;
    peer.alive().await
}

async fn a_cancel_is_told_by_its_direction_code_and_id_alone(peer: &mut Peer) -> Step {
    peer.needs(DELAY)?;
    peer.needs_feature("cancel")?;
    let odd = Flags::START | Flags::END | Flags::ACK_REQ | Flags::COMP;
    peer.send_all(&[
        Draft::request(DELAY, 1, &300_u32.to_le_bytes()),
        Draft::cancel(1, 500).with(odd).tenant(9),
        Draft::request(DELAY, 2, &900_u32.to_le_bytes()),
    ])
    .await;
    peer.answer(2).await.map(drop)
}

async fn an_unknown_event_on_app_0_is_ignored(peer: &mut Peer) -> Step {
    for (code, corr) in [(0, 4), (204, 5), (399, 6), (600, 7), (0, 0), (200, 0)] {
        peer.send(&Draft::control(Flags::EVENT, code, corr)).await;
    }
    peer.alive().await
}

async fn a_pong_that_nobody_awaits_is_ignored(peer: &mut Peer) -> Step {
    peer.send(&Draft::control(Flags::EVENT, 202, 99)).await;
    peer.alive().await
}

async fn a_resp_on_app_0_that_answers_nothing_is_ignored(peer: &mut Peer) -> Step {
    for (code, corr) in [(0, 0), (200, 4), (404, 5), (0, 6)] {
        let frame = Draft::control(Flags::RESP | Flags::END, code, corr);
        peer.send(&frame).await;
    }
    peer.alive().await
}

async fn a_cancel_without_id_is_ignored(peer: &mut Peer) -> Step {
    peer.send(&Draft::cancel(0, 408)).await;
    peer.alive().await
}

async fn a_client_without_hello_gets_no_ping(peer: &mut Peer) -> Step {
    peer.needs(ECHO)?;
    peer.alive().await?;
    // Half of the idle time is when a client with `ping` would be asked.
    let quiet = peer.facts.idle.mul_f64(0.75);
    let came = peer.came_within(quiet).await;
    let nothing = matches!(came, Came::Nothing(_));
    let due = "nothing: this client has listed no features";
    ensure(nothing, due, || came.describe())
}

async fn after_a_connection_error_frame_nothing_is_sent(peer: &mut Peer) -> Step {
    peer.needs(DELAY)?;
    let error = Draft::control(Flags::RESP | Flags::END, 400, 0);
    let body = error_json("bad_frame", 0);
    peer.send_all(&[
        Draft::request(DELAY, 1, &300_u32.to_le_bytes()),
        error.payload(body.as_bytes()),
        Draft::request(ECHO, 2, b"ignored"),
    ])
    .await;
    peer.ends("the end, without another frame").await
}

async fn a_cancelled_exchange_gets_no_answer(peer: &mut Peer) -> Step {
    peer.needs(DELAY)?;
    peer.needs_feature("cancel")?;
    peer.send_all(&[
        Draft::request(DELAY, 1, &300_u32.to_le_bytes()),
        Draft::cancel(1, 408),
        Draft::request(DELAY, 2, &900_u32.to_le_bytes()),
    ])
    .await;
    peer.answer(2).await.map(drop)
}

async fn a_cancelled_stream_stops(peer: &mut Peer) -> Step {
    peer.needs(SOURCE)?;
    peer.needs_feature("cancel")?;
    peer.hello(r#"{"ack_window":8192,"features":["cancel"]}"#)
        .await?;
    peer.send(&Draft::request(SOURCE, 1, &1_000_000_u64.to_le_bytes()))
        .await;
    let mut answer = Answer::default();
    while answer.payload_bytes() < 8_192 {
        peer.more(1, &mut answer).await?;
    }
    peer.send_all(&[
        Draft::cancel(1, 408),
        // Credit for an exchange that is not there any more.
        Draft::ack(1, 8_192, 16_384),
    ])
    .await;
    peer.alive().await
}

async fn a_cancel_with_an_error_body_is_a_cancel(peer: &mut Peer) -> Step {
    peer.needs(DELAY)?;
    peer.needs_feature("cancel")?;
    let body = error_json("cancelled", 1);
    peer.send_all(&[
        Draft::request(DELAY, 1, &300_u32.to_le_bytes()),
        Draft::cancel(1, 599).payload(body.as_bytes()),
        Draft::request(DELAY, 2, &900_u32.to_le_bytes()),
    ])
    .await;
    peer.answer(2).await.map(drop)
}

async fn a_cancel_of_nothing_is_ignored(peer: &mut Peer) -> Step {
    peer.send(&Draft::cancel(77, 408)).await;
    peer.echo(77, b"not cancelled").await?;
    peer.alive().await
}

async fn a_cancel_of_an_ended_exchange_is_ignored(peer: &mut Peer) -> Step {
    peer.echo(1, b"done").await?;
    peer.send(&Draft::cancel(1, 408)).await;
    peer.alive().await
}

async fn a_ping_is_answered_with_its_nonce(peer: &mut Peer) -> Step {
    peer.needs_feature("ping")?;
    peer.hello(EVERYTHING).await?;
    for nonce in [1, u64::MAX, 1 << 33] {
        peer.send(&Draft::ping(nonce)).await;
        peer.pong(nonce).await?;
    }
    Ok(())
}

async fn each_ping_is_answered_once(peer: &mut Peer) -> Step {
    peer.needs_feature("ping")?;
    let pings: Vec<Draft> = (1..=100).map(Draft::ping).collect();
    peer.send_all(&pings).await;
    for nonce in 1..=100 {
        peer.pong(nonce).await?;
    }
    let came = peer.came_within(Duration::from_millis(200)).await;
    let nothing = matches!(came, Came::Nothing(_));
    ensure(nothing, "100 PONGs and no more", || came.describe())?;
    peer.send(&Draft::ping(1)).await;
    peer.pong(1).await
}
