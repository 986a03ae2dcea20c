//! Section 7: events.

use oap_core::driver::test_apps::{ECHO, EVENTS};
use oap_core::wire::Flags;

use crate::live::draft::Draft;
use crate::live::peer::{Answer, Peer};
use crate::live::verdict::{Case, Step, case, ensure};
use crate::live::wire::show;

pub(super) const CASES: &[Case<Peer>] = &[
    case!("OAP-7-1", events_come_before_the_end_and_without_end),
    case!("OAP-7-1", events_come_on_subscriptions_that_stay_open),
    case!("OAP-7-2", events_come_in_order),
    case!("OAP-7-3", events_count_into_the_window),
    case!("OAP-7-4", an_event_on_nothing_is_discarded),
];

async fn subscribe(peer: &mut Peer, count: u32) -> Step<Answer> {
    peer.needs(EVENTS)?;
    peer.send(&Draft::request(EVENTS, 1, &count.to_le_bytes()))
        .await;
    peer.answer(1).await
}

async fn events_come_before_the_end_and_without_end(peer: &mut Peer) -> Step {
    let answer = subscribe(peer, 10).await?;
    for frame in answer.events() {
        let end = frame.header.flags.contains(Flags::END);
        ensure(!end, "EVENT without END", || show(frame))?;
    }
    let count = answer.events().count();
    ensure(count == 10, "10 events", || count.to_string())?;
    peer.alive().await
}

async fn events_come_on_subscriptions_that_stay_open(peer: &mut Peer) -> Step {
    peer.needs(EVENTS)?;
    // Real clients subscribe without END.
    peer.send(&Draft::start(EVENTS, 1, &4_u32.to_le_bytes()))
        .await;
    let count = peer.answer(1).await?.events().count();
    ensure(count == 4, "4 events", || count.to_string())
}

async fn events_come_in_order(peer: &mut Peer) -> Step {
    let answer = subscribe(peer, 200).await?;
    for (index, frame) in (0_u32..).zip(answer.events()) {
        let due = format!("event {index}");
        let payload = frame.payload();
        ensure(payload == index.to_le_bytes(), &due, || show(frame))?;
    }
    Ok(())
}

async fn events_count_into_the_window(peer: &mut Peer) -> Step {
    peer.needs(EVENTS)?;
    peer.hello(r#"{"ack_window":4096}"#).await?;
    peer.send(&Draft::request(EVENTS, 1, &3_000_u32.to_le_bytes()))
        .await;
    let mut answer = Answer::default();
    while answer.payload_bytes() < 4_096 {
        peer.more(1, &mut answer).await?;
    }
    // 1,024 events of 4 bytes fill the window: nothing but the echo comes now.
    peer.alive().await?;
    peer.send(&Draft::ack(1, 4_096, 20_000)).await;
    while !peer.more(1, &mut answer).await? {}
    let count = answer.events().count();
    ensure(count == 3_000, "3,000 events in all", || count.to_string())
}

async fn an_event_on_nothing_is_discarded(peer: &mut Peer) -> Step {
    peer.echo(1, b"done").await?;
    peer.send_all(&[
        Draft::new(Flags::EVENT, ECHO, 1).payload(b"ended"),
        Draft::new(Flags::EVENT, ECHO, 50).payload(b"never opened"),
        Draft::new(Flags::EVENT, ECHO, 0).payload(b"no id"),
    ])
    .await;
    peer.alive().await
}
