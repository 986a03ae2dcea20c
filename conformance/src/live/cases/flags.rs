//! Section 2: flags and directions.

use oap_core::Reason;
use oap_core::driver::test_apps::{DELAY, ECHO, EVENTS};
use oap_core::wire::Flags;

use crate::live::draft::Draft;
use crate::live::peer::Peer;
use crate::live::verdict::{Case, Step, case, ensure};

pub(super) const CASES: &[Case<Peer>] = &[
    case!("OAP-2-1", reserved_bits_are_ignored_and_not_sent),
    case!("OAP-2-1", reserved_bits_on_control_frames_are_ignored),
    case!("OAP-2-2", every_frame_has_one_direction),
    case!("OAP-2-3", req_with_resp_is_a_fault_of_its_exchange),
    case!("OAP-2-3", req_with_event_is_a_fault_of_its_exchange),
    case!("OAP-2-3", two_directions_end_an_open_exchange),
    case!("OAP-2-4", no_direction_is_fatal),
    case!("OAP-2-4", resp_from_a_client_is_fatal),
    case!("OAP-2-4", resp_with_event_is_fatal),
    case!("OAP-2-5", event_on_an_open_exchange_is_its_fault),
    case!("OAP-2-6", req_with_resp_on_app_0_is_fatal),
    case!("OAP-2-6", req_with_event_on_app_0_is_fatal),
    case!("OAP-2-6", all_directions_on_app_0_are_fatal),
];

/// An exchange that stays open for a while, and its START.
async fn open(peer: &mut Peer) -> Step<Draft> {
    peer.needs(DELAY)?;
    let start = Draft::start(DELAY, 1, &60_000_u32.to_le_bytes()).tenant(5);
    peer.send(&start).await;
    Ok(start)
}

async fn reserved_bits_are_ignored_and_not_sent(peer: &mut Peer) -> Step {
    peer.needs(ECHO)?;
    peer.send(&Draft::request(ECHO, 1, b"x").bits(0xff00)).await;
    peer.echoed(1, b"x").await.map(drop)
}

async fn reserved_bits_on_control_frames_are_ignored(peer: &mut Peer) -> Step {
    peer.send(&Draft::hello("{}").bits(0x8100)).await;
    peer.hello_reply(0).await?;
    peer.needs_feature("ping")?;
    peer.send(&Draft::ping(9).bits(0x4200)).await;
    peer.pong(9).await
}

async fn every_frame_has_one_direction(peer: &mut Peer) -> Step {
    peer.needs(EVENTS)?;
    // The rules of all frames judge each one that comes.
    peer.hello("{}").await?;
    peer.send(&Draft::request(EVENTS, 1, &3_u32.to_le_bytes()))
        .await;
    let events = peer.answer(1).await?.events().count();
    ensure(events == 3, "3 EVENT frames", || format!("{events}"))?;
    peer.alive().await
}

async fn req_with_resp_is_a_fault_of_its_exchange(peer: &mut Peer) -> Step {
    let frame = Draft::request(ECHO, 1, b"x").with(Flags::RESP).tenant(3);
    peer.send(&frame).await;
    peer.refused(&frame, 400, Reason::BadSequence).await?;
    peer.alive().await
}

async fn req_with_event_is_a_fault_of_its_exchange(peer: &mut Peer) -> Step {
    let frame = Draft::request(ECHO, 1, b"x").with(Flags::EVENT);
    peer.send(&frame).await;
    peer.refused(&frame, 400, Reason::BadSequence).await?;
    peer.alive().await
}

async fn two_directions_end_an_open_exchange(peer: &mut Peer) -> Step {
    let start = open(peer).await?;
    let frame = Draft::chunk(DELAY, 1, b"x").tenant(5).with(Flags::EVENT);
    peer.send(&frame).await;
    peer.refused(&start, 400, Reason::BadSequence).await?;
    peer.alive().await
}

async fn no_direction_is_fatal(peer: &mut Peer) -> Step {
    peer.send(&Draft::new(Flags::START | Flags::END, ECHO, 1))
        .await;
    peer.fatal(400, Reason::BadSequence).await
}

async fn resp_from_a_client_is_fatal(peer: &mut Peer) -> Step {
    peer.send(&Draft::answer(ECHO, 1, b"x")).await;
    peer.fatal(400, Reason::BadSequence).await
}

async fn resp_with_event_is_fatal(peer: &mut Peer) -> Step {
    peer.send(&Draft::new(Flags::RESP | Flags::EVENT, ECHO, 1))
        .await;
    peer.fatal(400, Reason::BadSequence).await
}

async fn event_on_an_open_exchange_is_its_fault(peer: &mut Peer) -> Step {
    let start = open(peer).await?;
    peer.send(&Draft::new(Flags::EVENT, DELAY, 1).tenant(5))
        .await;
    peer.refused(&start, 400, Reason::BadSequence).await?;
    peer.alive().await
}

async fn req_with_resp_on_app_0_is_fatal(peer: &mut Peer) -> Step {
    peer.send(&Draft::hello("{}").with(Flags::RESP)).await;
    peer.fatal(400, Reason::BadSequence).await
}

async fn req_with_event_on_app_0_is_fatal(peer: &mut Peer) -> Step {
    peer.send(&Draft::hello("{}").with(Flags::EVENT)).await;
    peer.fatal(400, Reason::BadSequence).await
}

async fn all_directions_on_app_0_are_fatal(peer: &mut Peer) -> Step {
    let all = Flags::REQ | Flags::RESP | Flags::EVENT;
    peer.send(&Draft::control(all, 202, 1)).await;
    peer.fatal(400, Reason::BadSequence).await
}
