//! Section 10: budgets.

use std::time::Duration;

use oap_core::Reason;
use oap_core::driver::test_apps::ECHO;
use oap_core::wire::{ErrorBody, Flags, Frame};

use crate::live::draft::Draft;
use crate::live::peer::{Answer, EVERYTHING, Peer};
use crate::live::verdict::{Case, Step, case, ensure, fail};
use crate::live::wire::{Came, show};

pub(super) const CASES: &[Case<Peer>] = &[
    case!("OAP-10-8", nine_hundred_faults_are_answered),
    case!("OAP-10-8", handlers_errors_cost_nothing),
    case!("OAP-10-8", ignored_control_frames_cost_nothing),
    case!("OAP-10-9", a_flood_of_faults_ends_the_connection),
    case!("OAP-10-9", a_flood_of_stray_events_ends_the_connection),
    case!("OAP-10-9", a_flood_is_told_by_goaway_to_who_knows_it),
    case!("OAP-10-9", ten_hellos_are_answered),
    case!("OAP-10-9", a_flood_of_hellos_ends_the_connection),
    case!("OAP-10-10", a_thousand_pings_are_all_answered),
    case!("OAP-10-11", a_hundred_empty_frames_are_taken),
    case!("OAP-10-11", more_empty_frames_end_the_connection),
    case!("OAP-10-11", empty_starts_and_ends_cost_nothing),
];

/// Sends what `next` gives, each once the frame before was answered, until the answer is no longer
/// one that `takes` lets pass: that one has to end the connection. What a server has not read when it
/// closes could cost its last frame.
async fn flood(
    peer: &mut Peer,
    next: impl Fn(u64) -> Draft,
    takes: impl Fn(&Frame) -> bool,
) -> Step<Frame> {
    let due = "429 flood with retry_after_ms, then the end";
    for number in 1..=3_000 {
        peer.send(&next(number)).await;
        let frame = peer.next(due).await?;
        if !takes(&frame) {
            is_flood(&frame, due)?;
            peer.ends(due).await?;
            return Ok(frame);
        }
    }
    fail(due, "3,000 answers")
}

fn is_flood(frame: &Frame, due: &str) -> Step {
    let header = frame.header;
    let told = ErrorBody::parse(frame.payload());
    let body =
        |body: ErrorBody| body.reason == Reason::Flood.into() && body.retry_after_ms.is_some();
    let place = (header.app_proto_id, header.corr_id, header.code.get());
    ensure(place == (0, 0, 429) && told.is_some_and(body), due, || {
        show(frame)
    })
}

fn is_fault(frame: &Frame) -> bool {
    frame.header.app_proto_id == ECHO && frame.header.code.get() == 400
}

/// So many requests that have no START, each on an id of its own.
async fn faults(peer: &mut Peer, count: u64) {
    for corr in 1..=count {
        peer.send(&Draft::chunk(ECHO, corr, b"x")).await;
    }
}

async fn nine_hundred_faults_are_answered(peer: &mut Peer) -> Step {
    faults(peer, 900).await;
    for _ in 0..900 {
        let frame = peer.next("400 bad_sequence").await?;
        ensure(is_fault(&frame), "400 bad_sequence", || show(&frame))?;
    }
    peer.alive().await
}

async fn handlers_errors_cost_nothing(peer: &mut Peer) -> Step {
    for corr in 1..=1_200 {
        let request = Draft::request(0xfffe, corr, b"");
        peer.send(&request).await;
        peer.refused(&request, 404, Reason::NotFound).await?;
    }
    peer.alive().await
}

async fn ignored_control_frames_cost_nothing(peer: &mut Peer) -> Step {
    for corr in 1..=1_500 {
        peer.send(&Draft::cancel(corr, 408)).await;
    }
    peer.alive().await
}

fn fault(corr: u64) -> Draft {
    Draft::chunk(ECHO, corr, b"x")
}

async fn a_flood_of_faults_ends_the_connection(peer: &mut Peer) -> Step {
    let last = flood(peer, fault, is_fault).await?;
    let error = last.header.flags.contains(Flags::RESP | Flags::END);
    ensure(error, "a connection error frame", || show(&last))
}

async fn a_flood_of_stray_events_ends_the_connection(peer: &mut Peer) -> Step {
    peer.needs(ECHO)?;
    for corr in 1..=950 {
        peer.send(&Draft::new(Flags::EVENT, ECHO, corr)).await;
    }
    // An event is not answered, so each further one is followed by an echo.
    let due = "429 flood with retry_after_ms, then the end";
    for corr in 951..=3_000 {
        peer.send(&Draft::new(Flags::EVENT, ECHO, corr)).await;
        peer.send(&Draft::request(ECHO, corr, b"x")).await;
        let frame = peer.next(due).await?;
        if frame.header.app_proto_id == 0 {
            is_flood(&frame, due)?;
            return peer.ends(due).await;
        }
    }
    fail(due, "2,000 echoes")
}

async fn a_flood_is_told_by_goaway_to_who_knows_it(peer: &mut Peer) -> Step {
    peer.hello(EVERYTHING).await?;
    let last = flood(peer, fault, is_fault).await?;
    let goaway = last.header.flags == Flags::EVENT;
    ensure(goaway, "GOAWAY: EVENT code 429 app 0 corr 0", || {
        show(&last)
    })
}

async fn ten_hellos_are_answered(peer: &mut Peer) -> Step {
    for _ in 0..10 {
        peer.send(&Draft::hello("{}")).await;
        peer.hello_reply(0).await?;
    }
    peer.alive().await
}

async fn a_flood_of_hellos_ends_the_connection(peer: &mut Peer) -> Step {
    let is_reply = |frame: &Frame| frame.header.code.get() == 0;
    flood(peer, |_| Draft::hello("{}"), is_reply)
        .await
        .map(drop)
}

async fn a_thousand_pings_are_all_answered(peer: &mut Peer) -> Step {
    peer.needs_feature("ping")?;
    for nonce in 1..=1_000 {
        peer.send(&Draft::ping(nonce)).await;
    }
    for nonce in 1..=1_000 {
        peer.pong(nonce).await?;
    }
    Ok(())
}

/// An open exchange of ECHO, and so many empty frames on it.
async fn empties(peer: &mut Peer, count: usize) -> Step {
    peer.needs(ECHO)?;
    peer.send(&Draft::start(ECHO, 1, b"")).await;
    for _ in 0..count {
        peer.send(&Draft::chunk(ECHO, 1, b"")).await;
    }
    Ok(())
}

async fn a_hundred_empty_frames_are_taken(peer: &mut Peer) -> Step {
    empties(peer, 100).await?;
    peer.send(&Draft::last(ECHO, 1, b"end")).await;
    peer.echoed(1, b"end").await.map(drop)
}

async fn more_empty_frames_end_the_connection(peer: &mut Peer) -> Step {
    peer.needs(ECHO)?;
    peer.send(&Draft::start(ECHO, 1, b"")).await;
    peer.more(1, &mut Answer::default()).await?;
    let is_echo = |frame: &Frame| frame.header.app_proto_id == ECHO;
    let last = flood(peer, |_| Draft::chunk(ECHO, 1, b""), is_echo);
    last.await.map(drop)
}

async fn empty_starts_and_ends_cost_nothing(peer: &mut Peer) -> Step {
    peer.needs(ECHO)?;
    for corr in 1..=150 {
        peer.send_all(&[Draft::start(ECHO, corr, b""), Draft::last(ECHO, corr, b"")])
            .await;
        peer.echoed(corr, b"").await?;
    }
    match peer.came_within(Duration::from_millis(50)).await {
        Came::Nothing(_) => peer.alive().await,
        other => fail("nothing more", other.describe()),
    }
}
