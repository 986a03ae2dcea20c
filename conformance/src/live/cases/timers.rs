//! Section 10: timers.

use std::time::Duration;

use oap_core::driver::test_apps::SOURCE;
use oap_core::wire::{Flags, Frame};
use tokio::time::{Instant, sleep, sleep_until};

use crate::live::draft::Draft;
use crate::live::peer::{EVERYTHING, Peer};
use crate::live::verdict::{Case, Step, case, ensure, fail, skip};
use crate::live::wire::{Came, show};

/// What a timer may be late by, on a busy machine over a slow path.
const LATE: Duration = Duration::from_secs(5);
/// What it may be early by, which is the path's doing.
const EARLY: Duration = Duration::from_millis(200);

pub(super) const CASES: &[Case<Peer>] = &[
    case!("OAP-10-1", a_client_that_says_nothing_is_cut_off, Slow),
    case!("OAP-10-2", a_frame_that_stops_is_cut_off, Slow),
    case!("OAP-10-2", a_frame_that_trickles_is_cut_off, Slow),
    case!("OAP-10-2", a_large_frame_has_more_time, Slow),
    case!("OAP-10-4", a_client_that_does_not_read_is_cut_off, Slow),
    case!(
        "OAP-10-5",
        a_quiet_client_is_cut_off_after_the_idle_time,
        Slow
    ),
    case!(
        "OAP-10-5",
        a_quiet_client_with_ping_is_asked_at_half_of_it,
        Slow
    ),
    case!("OAP-10-5", answered_pings_keep_the_connection, Slow),
];

/// The connection ends `time` after `since`, and not before; a GOAWAY may be the last word.
async fn cut_off(peer: &mut Peer, since: Instant, time: Duration) -> Step {
    let due = format!("the end after {time:?}");
    loop {
        let left = (time + LATE).saturating_sub(since.elapsed());
        match peer.came_within(left).await {
            Came::End => break,
            Came::LaneEnd(_) => {}
            Came::Frame(_, frame) if is_last_word(&frame) => {}
            other => return fail(due, other.describe()),
        }
    }
    let after = since.elapsed();
    ensure(after + EARLY >= time, &due, || {
        format!("the end after {after:?}")
    })
}

fn is_last_word(frame: &Frame) -> bool {
    let header = frame.header;
    let ping = header.flags == (Flags::EVENT | Flags::ACK_REQ);
    header.app_proto_id == 0 && (ping || header.corr_id == 0)
}

async fn a_client_that_says_nothing_is_cut_off(peer: &mut Peer) -> Step {
    if peer.is_multi() {
        // A lane begins with its first bytes: of silence nothing is known before.
        return skip("on quic the first lane begins with its first bytes");
    }
    let (since, time) = (Instant::now(), peer.facts.timers.first_frame);
    cut_off(peer, since, time).await
}

async fn a_frame_that_stops_is_cut_off(peer: &mut Peer) -> Step {
    peer.alive().await?;
    let since = Instant::now();
    peer.send_raw(&[0x21, 0, 0, 0, 1, 0]).await;
    let time = peer.facts.timers.frame;
    cut_off(peer, since, time).await
}

async fn a_frame_that_trickles_is_cut_off(peer: &mut Peer) -> Step {
    peer.alive().await?;
    let (since, time) = (Instant::now(), peer.facts.timers.frame);
    let bytes = Draft::request(SOURCE, 1, &[0; 200]).bytes();
    let pause = time / 100;
    for byte in &bytes[..bytes.len() - 1] {
        if since.elapsed() > time {
            break;
        }
        peer.send_raw(&[*byte]).await;
        sleep(pause).await;
    }
    cut_off(peer, since, time).await
}

async fn a_large_frame_has_more_time(peer: &mut Peer) -> Step {
    peer.alive().await?;
    let len = peer.facts.max_frame.min(5 * 65_536);
    let more = peer.facts.timers.frame / 5 * (len / 65_536);
    let since = Instant::now();
    let frame = Draft::request(SOURCE, 1, &[0; 100]).len(len);
    peer.send(&frame).await;
    let time = peer.facts.timers.frame + more;
    cut_off(peer, since, time).await
}

async fn a_client_that_does_not_read_is_cut_off(peer: &mut Peer) -> Step {
    peer.needs(SOURCE)?;
    // More than any buffers on the way take.
    let count = 256 * 1024 * 1024_u64;
    let wanted = [&count.to_le_bytes()[..], &1_000_000_u32.to_le_bytes()].concat();
    peer.send(&Draft::request(SOURCE, 1, &wanted)).await;
    sleep_until(Instant::now() + peer.facts.timers.write + LATE).await;
    let due = "the end of the stream before the answer's";
    loop {
        match peer.came().await {
            Came::Frame(_, frame) if frame.header.flags.contains(Flags::END) => {
                return fail(due, show(&frame));
            }
            Came::Frame(..) => {}
            // It is cut off wherever the write stood still.
            Came::End | Came::Malformed(_) | Came::LaneEnd(_) => return Ok(()),
            other => return fail(due, other.describe()),
        }
    }
}

async fn a_quiet_client_is_cut_off_after_the_idle_time(peer: &mut Peer) -> Step {
    peer.alive().await?;
    let since = Instant::now();
    // Bytes that complete no frame do not count.
    let (idle, frame) = (peer.facts.idle, peer.facts.timers.frame);
    if frame * 2 < idle {
        sleep_until(since + idle - frame / 2).await;
        peer.send_raw(&[0x21]).await;
    }
    cut_off(peer, since, idle).await
}

async fn a_quiet_client_with_ping_is_asked_at_half_of_it(peer: &mut Peer) -> Step {
    peer.hello(EVERYTHING).await?;
    let (since, half) = (Instant::now(), peer.facts.idle / 2);
    let due = format!("PING after {half:?}");
    let frame = peer.next_within(&due, half + LATE).await?;
    let ping = frame.header.flags == (Flags::EVENT | Flags::ACK_REQ) && frame.header.corr_id != 0;
    let after = since.elapsed();
    let in_time = after + EARLY >= half;
    ensure(ping && in_time, &due, || {
        format!("{} after {after:?}", show(&frame))
    })?;
    let time = peer.facts.idle;
    cut_off(peer, since, time).await
}

async fn answered_pings_keep_the_connection(peer: &mut Peer) -> Step {
    peer.hello(EVERYTHING).await?;
    let half = peer.facts.idle / 2;
    for _ in 0..3 {
        let frame = peer.next_within("PING", half + LATE).await?;
        let nonce = frame.header.corr_id;
        peer.send(&Draft::control(Flags::EVENT, 202, nonce)).await;
    }
    peer.alive().await
}
