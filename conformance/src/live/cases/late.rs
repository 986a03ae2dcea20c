//! Section 3: frames of exchanges that have ended.

use oap_core::Reason;
use oap_core::driver::test_apps::{DELAY, ECHO, STATUS};

use crate::live::draft::Draft;
use crate::live::peer::Peer;
use crate::live::verdict::{Case, Step, case, fail, skip};
use crate::live::wire::show;

pub(super) const CASES: &[Case<Peer>] = &[
    case!(
        "OAP-3-14",
        late_frames_of_an_answered_exchange_are_discarded
    ),
    case!("OAP-3-14", late_frames_of_a_faulty_exchange_are_discarded),
    case!("OAP-3-14", late_frames_of_a_refused_exchange_are_discarded),
    case!(
        "OAP-3-14",
        late_frames_of_a_cancelled_exchange_are_discarded
    ),
    case!("OAP-3-14", the_newest_256_ids_are_remembered),
    case!("OAP-3-15", a_start_on_an_ended_id_opens_a_new_exchange),
    case!("OAP-3-15", a_start_on_a_remembered_id_opens_a_new_exchange),
    case!("OAP-3-15", a_start_on_a_faulty_id_opens_a_new_exchange),
];

/// An exchange that the server has ended before its END.
async fn answered(peer: &mut Peer, corr: u64) -> Step {
    peer.needs(STATUS)?;
    peer.send(&Draft::start(STATUS, corr, &200_u16.to_le_bytes()))
        .await;
    peer.answer(corr).await.map(drop)
}

async fn late_frames_of_an_answered_exchange_are_discarded(peer: &mut Peer) -> Step {
    answered(peer, 1).await?;
    peer.send_all(&[
        Draft::chunk(STATUS, 1, b"late"),
        Draft::chunk(ECHO, 1, b"late and wrong"),
        Draft::last(STATUS, 1, b"later"),
    ])
    .await;
    peer.alive().await
}

async fn late_frames_of_a_faulty_exchange_are_discarded(peer: &mut Peer) -> Step {
    let frame = Draft::chunk(ECHO, 7, b"no START");
    peer.send(&frame).await;
    peer.refused(&frame, 400, Reason::BadSequence).await?;
    peer.send_all(&[frame.clone(), frame, Draft::last(ECHO, 7, b"")])
        .await;
    peer.alive().await
}

async fn late_frames_of_a_refused_exchange_are_discarded(peer: &mut Peer) -> Step {
    peer.needs(DELAY)?;
    let most = u64::from(peer.facts.max_inflight);
    if most > 4_096 {
        return skip(format!("max_inflight is {most}"));
    }
    for corr in 1..=most {
        peer.send(&Draft::request(DELAY, corr, &3_000_u32.to_le_bytes()))
            .await;
    }
    let refused = Draft::start(ECHO, most + 1, b"too many");
    peer.send(&refused).await;
    peer.refused(&refused, 429, Reason::OverCapacity).await?;
    peer.send_all(&[
        Draft::chunk(ECHO, most + 1, b"late"),
        Draft::last(ECHO, most + 1, b"later"),
    ])
    .await;
    for _ in 1..=most {
        let frame = peer.next("the answer of an exchange that waits").await?;
        if frame.header.corr_id > most {
            return fail("silence on the refused exchange", show(&frame));
        }
    }
    peer.alive().await
}

async fn late_frames_of_a_cancelled_exchange_are_discarded(peer: &mut Peer) -> Step {
    peer.needs(DELAY)?;
    peer.needs_feature("cancel")?;
    peer.send_all(&[
        Draft::start(DELAY, 1, &60_000_u32.to_le_bytes()),
        Draft::cancel(1, 408),
        Draft::chunk(DELAY, 1, b"late"),
        Draft::last(DELAY, 1, b"later"),
    ])
    .await;
    peer.alive().await
}

async fn the_newest_256_ids_are_remembered(peer: &mut Peer) -> Step {
    for corr in 1..=256 {
        answered(peer, corr).await?;
    }
    for corr in 1..=256 {
        peer.send(&Draft::last(STATUS, corr, b"late")).await;
    }
    peer.alive().await
}

async fn a_start_on_an_ended_id_opens_a_new_exchange(peer: &mut Peer) -> Step {
    peer.echo(1, b"first").await?;
    peer.echo(1, b"second").await?;
    peer.echo(1, b"third").await.map(drop)
}

async fn a_start_on_a_remembered_id_opens_a_new_exchange(peer: &mut Peer) -> Step {
    answered(peer, 1).await?;
    peer.echo(1, b"anew").await?;
    peer.alive().await
}

async fn a_start_on_a_faulty_id_opens_a_new_exchange(peer: &mut Peer) -> Step {
    let frame = Draft::chunk(ECHO, 7, b"no START");
    peer.send(&frame).await;
    peer.refused(&frame, 400, Reason::BadSequence).await?;
    peer.echo(7, b"with START").await.map(drop)
}
