//! Section 11: lanes, on QUIC.

use oap_core::driver::test_apps::{DELAY, ECHO, SINK, SOURCE};
use oap_core::wire::Flags;
use oap_core::{Lane, Reason};

use crate::live::draft::Draft;
use crate::live::peer::{Answer, Peer, ack_numbers};
use crate::live::verdict::{Case, Step, case, ensure, fail, skip};
use crate::live::wire::{Came, show};

const SECOND: Lane = Lane(1);

pub(super) const CASES: &[Case<Peer>] = &[
    case!("OAP-11-5", a_second_lane_carries_exchanges),
    case!("OAP-11-6", max_inflight_holds_over_all_lanes),
    case!("OAP-11-6", ids_are_unique_over_all_lanes),
    case!("OAP-11-7", answers_come_on_the_lane_of_their_start),
    case!("OAP-11-7", acks_come_on_the_lane_of_their_start),
    case!("OAP-11-7", a_frame_on_another_lane_is_a_fault),
    case!("OAP-11-7", a_cancel_on_another_lane_is_a_fault),
    case!(
        "OAP-11-9",
        a_lane_that_ends_is_answered_and_the_others_go_on
    ),
    case!("OAP-11-9", a_fatal_fault_on_any_lane_ends_the_connection),
];

async fn a_second_lane_carries_exchanges(peer: &mut Peer) -> Step {
    peer.needs_lanes()?;
    peer.hello("{}").await?;
    peer.send(&Draft::request(ECHO, 1, b"second").on(SECOND))
        .await;
    peer.echoed(1, b"second").await?;
    peer.alive().await
}

async fn max_inflight_holds_over_all_lanes(peer: &mut Peer) -> Step {
    peer.needs_lanes()?;
    peer.needs(DELAY)?;
    peer.needs_feature("ping")?;
    let most = u64::from(peer.facts.max_inflight);
    if most > 4_096 {
        return skip(format!("max_inflight is {most}"));
    }
    for corr in 1..=most {
        peer.send(&Draft::request(DELAY, corr, &60_000_u32.to_le_bytes()))
            .await;
    }
    // Both lanes are read in turn: an echo says that the first is read to here.
    peer.send(&Draft::ping(1)).await;
    peer.pong(1).await?;
    let one = Draft::request(ECHO, most + 1, b"too many").on(SECOND);
    peer.send(&one).await;
    peer.refused(&one, 429, Reason::OverCapacity)
        .await
        .map(drop)
}

/// An exchange that stays open on the first lane, which the server has read.
async fn open(peer: &mut Peer) -> Step<Draft> {
    peer.needs_lanes()?;
    peer.needs(DELAY)?;
    peer.needs_feature("ping")?;
    let start = Draft::start(DELAY, 1, &60_000_u32.to_le_bytes());
    peer.send(&start).await;
    peer.send(&Draft::ping(1)).await;
    peer.pong(1).await?;
    Ok(start)
}

/// RESP|END 400 of the exchange, on whichever of the two lanes it comes.
async fn fault(peer: &mut Peer, start: &Draft) -> Step {
    let due = format!("RESP|END 400 bad_sequence on corr {}", start.corr);
    let (_, frame) = peer.next_on(&due).await?;
    let header = frame.header;
    let fits = header.flags.contains(Flags::RESP | Flags::END)
        && (header.corr_id, header.code.get()) == (start.corr, 400);
    ensure(fits, &due, || show(&frame))?;
    peer.alive().await
}

async fn ids_are_unique_over_all_lanes(peer: &mut Peer) -> Step {
    let start = open(peer).await?;
    peer.send(&Draft::start(DELAY, 1, b"").on(SECOND)).await;
    fault(peer, &start).await
}

async fn answers_come_on_the_lane_of_their_start(peer: &mut Peer) -> Step {
    peer.needs_lanes()?;
    peer.needs(SOURCE)?;
    peer.alive().await?;
    let start = Draft::request(SOURCE, 1, &200_000_u64.to_le_bytes());
    peer.send(&start.on(SECOND)).await;
    let mut answer = Answer::default();
    loop {
        let (lane, frame) = peer.next_on("a frame of the answer").await?;
        ensure(lane == SECOND, "on lane 1", || {
            format!("on lane {}: {}", lane.0, show(&frame))
        })?;
        let last = frame.header.flags.contains(Flags::END);
        answer.frames.push(frame);
        if last {
            return Ok(());
        }
    }
}

async fn acks_come_on_the_lane_of_their_start(peer: &mut Peer) -> Step {
    peer.needs_lanes()?;
    peer.needs(SINK)?;
    peer.alive().await?;
    let start = Draft::start(SINK, 1, &[0; 70_000]).with(Flags::ACK_REQ);
    peer.send(&start.on(SECOND)).await;
    let (lane, frame) = peer.next_on("an ACK on lane 1").await?;
    let fits = lane == SECOND && ack_numbers(&frame).is_some();
    ensure(fits, "an ACK on lane 1", || {
        format!("on lane {}: {}", lane.0, show(&frame))
    })
}

async fn a_frame_on_another_lane_is_a_fault(peer: &mut Peer) -> Step {
    let start = open(peer).await?;
    peer.send(&Draft::chunk(DELAY, 1, b"x").on(SECOND)).await;
    fault(peer, &start).await
}

async fn a_cancel_on_another_lane_is_a_fault(peer: &mut Peer) -> Step {
    let start = open(peer).await?;
    peer.send(&Draft::cancel(1, 408).on(SECOND)).await;
    fault(peer, &start).await
}

async fn a_lane_that_ends_is_answered_and_the_others_go_on(peer: &mut Peer) -> Step {
    peer.needs_lanes()?;
    peer.needs(DELAY)?;
    peer.alive().await?;
    peer.send(&Draft::request(DELAY, 1, &200_u32.to_le_bytes()).on(SECOND))
        .await;
    peer.finish_lane(SECOND);
    peer.answer(1).await?;
    match peer.came().await {
        Came::LaneEnd(SECOND) => peer.alive().await,
        other => fail("the end of lane 1", other.describe()),
    }
}

async fn a_fatal_fault_on_any_lane_ends_the_connection(peer: &mut Peer) -> Step {
    peer.needs_lanes()?;
    peer.alive().await?;
    peer.send(&Draft::request(ECHO, 1, b"").ver(9).on(SECOND))
        .await;
    peer.fatal(400, Reason::BadVersion).await
}
