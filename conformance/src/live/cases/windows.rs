//! Section 6: windows.

use oap_core::Reason;
use oap_core::driver::test_apps::{ECHO, SINK, SOURCE};
use oap_core::wire::Flags;

use crate::live::draft::{Draft, pattern};
use crate::live::peer::{Answer, Peer};
use crate::live::verdict::{Case, Step, case, ensure};
use crate::live::wire::show;

/// The window of everybody who has not said otherwise.
const DEFAULT: u64 = 131_072;

pub(super) const CASES: &[Case<Peer>] = &[
    case!("OAP-6-1", a_windowed_answer_stops_at_its_limit),
    case!("OAP-6-2", ack_req_on_a_later_frame_only_brings_no_ack),
    case!("OAP-6-3", ack_req_on_start_opens_a_window_for_the_answer),
    case!("OAP-6-3", an_ack_window_in_the_hello_opens_windows),
    case!("OAP-6-3", nobody_else_gets_a_window),
    case!("OAP-6-5", the_first_limit_is_the_ack_window_of_the_hello),
    case!("OAP-6-5", a_hello_behind_the_start_does_not_count),
    case!("OAP-6-6", before_any_hello_the_window_is_131072),
    case!("OAP-6-6", after_the_reply_the_window_is_the_one_it_tells),
    case!("OAP-6-7", an_answer_goes_on_when_an_ack_raises_the_limit),
    case!("OAP-6-7", the_end_needs_no_credit),
    case!("OAP-6-7", every_byte_of_credit_is_used),
    case!("OAP-6-8", half_a_window_brings_an_ack),
    case!("OAP-6-8", a_later_frame_with_ack_req_brings_an_ack),
    case!("OAP-6-8", less_than_half_a_window_brings_none),
    case!("OAP-6-9", acks_grant_at_least_a_window_and_never_go_back),
    case!("OAP-6-10", grants_stay_within_the_buffer),
    case!("OAP-6-13", a_start_beyond_the_window_is_a_fault),
    case!("OAP-6-13", a_later_frame_beyond_the_window_is_a_fault),
    case!("OAP-6-14", an_ack_of_15_bytes_is_fatal),
    case!("OAP-6-14", an_ack_of_24_bytes_is_fatal),
    case!("OAP-6-14", a_limit_below_consumed_is_fatal),
    case!("OAP-6-14", an_ack_for_bytes_never_sent_is_fatal),
    case!("OAP-6-14", an_ack_that_goes_back_is_fatal),
    case!("OAP-6-15", an_ack_of_what_has_no_window_is_ignored),
    case!(
        "OAP-6-15",
        an_ack_of_an_exchange_that_is_not_open_is_ignored
    ),
    case!(
        "OAP-6-16",
        without_a_window_more_than_the_buffer_gets_through
    ),
];

/// Asks for bytes of SOURCE in frames small enough for every window.
fn wanted(count: u64) -> Vec<u8> {
    [&count.to_le_bytes()[..], &4_000_u32.to_le_bytes()].concat()
}

/// Reads an answer until this many payload bytes are there, and no more come without credit.
async fn until(peer: &mut Peer, corr: u64, limit: u64, answer: &mut Answer) -> Step {
    while (answer.payload_bytes() as u64) < limit {
        if peer.more(corr, answer).await? {
            break;
        }
    }
    let got = answer.payload_bytes() as u64;
    ensure(got == limit, &format!("{limit} bytes and no more"), || {
        format!("{got} bytes")
    })?;
    peer.alive().await?;
    peer.alive().await
}

async fn a_windowed_answer_stops_at_its_limit(peer: &mut Peer) -> Step {
    peer.needs(SOURCE)?;
    let start = Draft::request(SOURCE, 1, &wanted(400_000));
    peer.send(&start.with(Flags::ACK_REQ)).await;
    until(peer, 1, DEFAULT, &mut Answer::default()).await
}

async fn ack_req_on_a_later_frame_only_brings_no_ack(peer: &mut Peer) -> Step {
    peer.needs(SINK)?;
    peer.send(&Draft::start(SINK, 1, &[0; 70_000])).await;
    let later = Draft::chunk(SINK, 1, &[0; 70_000]).with(Flags::ACK_REQ);
    peer.send(&later).await;
    peer.alive().await?;
    peer.send(&Draft::last(SINK, 1, b"")).await;
    let answer = peer.answer(1).await?;
    ensure(answer.acks.is_empty(), "no ACK", || {
        format!("{:?}", answer.acks)
    })
}

async fn is_windowed(peer: &mut Peer, start: Draft, due: bool) -> Step {
    peer.needs(SOURCE)?;
    let (corr, text) = (start.corr, if due { "with" } else { "without" });
    peer.send(&start).await;
    let mut answer = Answer::default();
    peer.more(corr, &mut answer).await?;
    let first = &answer.frames[0];
    let windowed = first.header.flags.contains(Flags::ACK_REQ);
    ensure(
        windowed == due,
        &format!("a first frame {text} ACK_REQ"),
        || show(first),
    )
}

async fn ack_req_on_start_opens_a_window_for_the_answer(peer: &mut Peer) -> Step {
    let start = Draft::request(SOURCE, 1, &wanted(400_000));
    is_windowed(peer, start.with(Flags::ACK_REQ), true).await
}

async fn an_ack_window_in_the_hello_opens_windows(peer: &mut Peer) -> Step {
    peer.hello(r#"{"ack_window":65536}"#).await?;
    is_windowed(peer, Draft::request(SOURCE, 1, &wanted(400_000)), true).await
}

async fn nobody_else_gets_a_window(peer: &mut Peer) -> Step {
    peer.hello(r#"{"features":["ping"]}"#).await?;
    is_windowed(peer, Draft::request(SOURCE, 1, &wanted(40_000)), false).await?;
    let mut answer = Answer::default();
    while !peer.more(1, &mut answer).await? {}
    Ok(())
}

async fn the_first_limit_is_the_ack_window_of_the_hello(peer: &mut Peer) -> Step {
    peer.needs(SOURCE)?;
    peer.hello(r#"{"ack_window":6000}"#).await?;
    peer.send(&Draft::request(SOURCE, 1, &wanted(50_000))).await;
    until(peer, 1, 6_000, &mut Answer::default()).await
}

async fn a_hello_behind_the_start_does_not_count(peer: &mut Peer) -> Step {
    peer.needs(ECHO)?;
    let start = Draft::start(ECHO, 1, b"").with(Flags::ACK_REQ);
    let hello = Draft::hello(r#"{"ack_window":4096}"#);
    peer.send_all(&[start, hello]).await;
    // The reply and the echo of the empty START may come in either order.
    for _ in 0..2 {
        peer.next("the HELLO reply, the echo of the START").await?;
    }
    peer.send(&Draft::chunk(ECHO, 1, &pattern(20_000))).await;
    until(peer, 1, 20_000, &mut Answer::default()).await
}

async fn before_any_hello_the_window_is_131072(peer: &mut Peer) -> Step {
    takes_a_window_of(peer, DEFAULT).await
}

async fn after_the_reply_the_window_is_the_one_it_tells(peer: &mut Peer) -> Step {
    peer.hello("{}").await?;
    let window = peer.facts.ack_window.into();
    takes_a_window_of(peer, window).await
}

/// A START of as many bytes as the window has, and no more, is taken.
async fn takes_a_window_of(peer: &mut Peer, window: u64) -> Step {
    peer.needs(SINK)?;
    let most = (u64::from(peer.facts.max_frame) - 33).min(window);
    let start = Draft::request(SINK, 1, &vec![0; most as usize]);
    peer.send(&start.with(Flags::ACK_REQ)).await;
    let answer = peer.answer(1).await?;
    ensure(
        answer.body() == most.to_le_bytes(),
        &format!("{most} bytes"),
        || format!("code {} {:?}", answer.code(), answer.body()),
    )
}

async fn an_answer_goes_on_when_an_ack_raises_the_limit(peer: &mut Peer) -> Step {
    peer.needs(SOURCE)?;
    peer.hello(r#"{"ack_window":8192}"#).await?;
    peer.send(&Draft::request(SOURCE, 1, &wanted(30_000))).await;
    let mut answer = Answer::default();
    let (mut consumed, mut last) = (0, false);
    while !last {
        last = peer.more(1, &mut answer).await?;
        let got = answer.payload_bytes() as u64;
        ensure(got <= consumed + 8_192, "no more than the limit", || {
            format!("{got} bytes with a limit of {}", consumed + 8_192)
        })?;
        if !last && got >= consumed + 4_096 {
            consumed = got;
            peer.send(&Draft::ack(1, consumed, consumed + 8_192)).await;
        }
    }
    ensure(answer.body() == pattern(30_000), "30,000 bytes", || {
        format!("{} bytes", answer.body().len())
    })
}

async fn the_end_needs_no_credit(peer: &mut Peer) -> Step {
    peer.needs(ECHO)?;
    peer.hello(r#"{"ack_window":4096}"#).await?;
    peer.send(&Draft::start(ECHO, 1, &pattern(4_096))).await;
    let mut answer = Answer::default();
    until(peer, 1, 4_096, &mut answer).await?;
    peer.send(&Draft::last(ECHO, 1, b"")).await;
    let last = peer.more(1, &mut answer).await?;
    ensure(last, "RESP|END without payload", || {
        answer.frames.last().map_or_else(String::new, show)
    })
}

async fn every_byte_of_credit_is_used(peer: &mut Peer) -> Step {
    peer.needs(SOURCE)?;
    peer.hello(r#"{"ack_window":4097}"#).await?;
    peer.send(&Draft::request(SOURCE, 1, &wanted(20_000))).await;
    let mut answer = Answer::default();
    until(peer, 1, 4_097, &mut answer).await?;
    peer.send(&Draft::ack(1, 1, 4_098)).await;
    until(peer, 1, 4_098, &mut answer).await
}

async fn upload(peer: &mut Peer, count: usize) -> Step {
    peer.needs(SINK)?;
    let start = Draft::start(SINK, 1, &vec![0; count]);
    peer.send(&start.with(Flags::ACK_REQ)).await;
    Ok(())
}

async fn half_a_window_brings_an_ack(peer: &mut Peer) -> Step {
    upload(peer, DEFAULT as usize / 2).await?;
    peer.ack(1).await.map(drop)
}

async fn a_later_frame_with_ack_req_brings_an_ack(peer: &mut Peer) -> Step {
    upload(peer, 10).await?;
    let later = Draft::chunk(SINK, 1, b"12345").with(Flags::ACK_REQ);
    peer.send(&later).await;
    let (consumed, limit) = peer.ack(1).await?;
    let fits = consumed <= 15 && limit >= consumed + DEFAULT;
    ensure(fits, "at most 15 consumed, and a window beyond", || {
        format!("consumed {consumed}, limit {limit}")
    })
}

async fn less_than_half_a_window_brings_none(peer: &mut Peer) -> Step {
    // Where a small window was told, half of it is what counts.
    upload(peer, 2_000).await?;
    peer.alive().await?;
    peer.alive().await
}

/// Uploads within the credit that the server gives, and returns its ACKs.
async fn upload_by_credit(peer: &mut Peer, total: u64) -> Step<Vec<(u64, u64)>> {
    upload(peer, 1_000).await?;
    let (mut sent, mut limit, mut acks) = (1_000, DEFAULT, Vec::new());
    while sent < total {
        if sent == limit {
            let (consumed, next) = peer.ack(1).await?;
            acks.push((consumed, next));
            let due = format!("consumed up to {sent}, and a limit above {limit}");
            ensure(consumed <= sent && next > limit, &due, || {
                format!("consumed {consumed}, limit {next}")
            })?;
            limit = next;
        }
        let count = (limit - sent).min(30_000).min(total - sent);
        peer.send(&Draft::chunk(SINK, 1, &vec![0; count as usize]))
            .await;
        sent += count;
    }
    peer.send(&Draft::last(SINK, 1, b"")).await;
    let answer = peer.answer(1).await?;
    acks.extend(&answer.acks);
    ensure(
        answer.body() == total.to_le_bytes(),
        "a count of all bytes",
        || format!("{:?}", answer.body()),
    )?;
    Ok(acks)
}

async fn acks_grant_at_least_a_window_and_never_go_back(peer: &mut Peer) -> Step {
    let acks = upload_by_credit(peer, 800_000).await?;
    let mut before = (0, 0);
    for (consumed, limit) in acks {
        let fits = consumed >= before.0 && limit >= before.1 && limit >= consumed + DEFAULT;
        ensure(fits, "numbers that grow, a window apart", || {
            format!("consumed {consumed}, limit {limit} after {before:?}")
        })?;
        before = (consumed, limit);
    }
    Ok(())
}

async fn grants_stay_within_the_buffer(peer: &mut Peer) -> Step {
    let most = 8 * u64::from(peer.facts.max_frame);
    let acks = upload_by_credit(peer, 300_000).await?;
    for (consumed, limit) in acks {
        ensure(limit - consumed <= most, "8 x max_frame at most", || {
            format!("consumed {consumed}, limit {limit}")
        })?;
    }
    Ok(())
}

async fn a_start_beyond_the_window_is_a_fault(peer: &mut Peer) -> Step {
    let start = Draft::start(SINK, 1, &[0; DEFAULT as usize + 1]).with(Flags::ACK_REQ);
    peer.send(&start).await;
    peer.refused(&start, 400, Reason::CreditViolation).await?;
    peer.alive().await
}

async fn a_later_frame_beyond_the_window_is_a_fault(peer: &mut Peer) -> Step {
    upload(peer, 1).await?;
    let later = Draft::chunk(SINK, 1, &[0; DEFAULT as usize]);
    peer.send(&later).await;
    peer.refused(&later, 400, Reason::CreditViolation).await?;
    peer.alive().await
}

async fn an_ack_of_15_bytes_is_fatal(peer: &mut Peer) -> Step {
    peer.send(&Draft::control(Flags::RESP, 202, 1).payload(&[0; 15]))
        .await;
    peer.fatal(400, Reason::BadFrame).await
}

async fn an_ack_of_24_bytes_is_fatal(peer: &mut Peer) -> Step {
    peer.send(&Draft::control(Flags::RESP, 202, 1).payload(&[0; 24]))
        .await;
    peer.fatal(400, Reason::BadFrame).await
}

async fn a_limit_below_consumed_is_fatal(peer: &mut Peer) -> Step {
    peer.send(&Draft::ack(99, 10, 9)).await;
    peer.fatal(400, Reason::BadFrame).await
}

/// A windowed answer of which so many bytes are there.
async fn download(peer: &mut Peer) -> Step<u64> {
    peer.needs(SOURCE)?;
    peer.hello(r#"{"ack_window":8192}"#).await?;
    peer.send(&Draft::request(SOURCE, 1, &wanted(1_000_000)))
        .await;
    until(peer, 1, 8_192, &mut Answer::default()).await?;
    Ok(8_192)
}

async fn an_ack_for_bytes_never_sent_is_fatal(peer: &mut Peer) -> Step {
    let sent = download(peer).await?;
    peer.send(&Draft::ack(1, sent + 1, sent + 10_000)).await;
    peer.fatal(400, Reason::CreditViolation).await
}

async fn an_ack_that_goes_back_is_fatal(peer: &mut Peer) -> Step {
    download(peer).await?;
    peer.send_all(&[Draft::ack(1, 4_000, 8_192), Draft::ack(1, 3_999, 8_192)])
        .await;
    peer.fatal(400, Reason::CreditViolation).await
}

async fn an_ack_of_what_has_no_window_is_ignored(peer: &mut Peer) -> Step {
    peer.needs(ECHO)?;
    peer.send_all(&[
        Draft::start(ECHO, 1, b"x"),
        Draft::ack(1, 5_000_000, 6_000_000),
        Draft::last(ECHO, 1, b"y"),
    ])
    .await;
    peer.echoed(1, b"xy").await.map(drop)
}

async fn an_ack_of_an_exchange_that_is_not_open_is_ignored(peer: &mut Peer) -> Step {
    peer.echo(1, b"done").await?;
    peer.send_all(&[Draft::ack(1, 4, 200_000), Draft::ack(500, 0, 131_072)])
        .await;
    peer.alive().await
}

async fn without_a_window_more_than_the_buffer_gets_through(peer: &mut Peer) -> Step {
    peer.needs(SINK)?;
    let chunk = vec![0; peer.facts.max_frame as usize - 33];
    let total = 10 * chunk.len() as u64;
    peer.send(&Draft::start(SINK, 1, &chunk)).await;
    for _ in 1..10 {
        peer.send(&Draft::chunk(SINK, 1, &chunk)).await;
    }
    peer.send(&Draft::last(SINK, 1, b"")).await;
    let answer = peer.answer(1).await?;
    ensure(
        answer.body() == total.to_le_bytes(),
        &format!("{total} bytes"),
        || format!("{:?}", answer.body()),
    )
}
