//! Section 8: compressed and opaque payloads.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use oap_core::Reason;
use oap_core::driver::test_apps::{ECHO, SINK};
use oap_core::wire::Flags;

use crate::live::draft::Draft;
use crate::live::peer::{EVERYTHING, Peer};
use crate::live::verdict::{Case, Step, case, ensure, skip};
use crate::live::wire::show;

pub(super) const CASES: &[Case<Peer>] = &[
    case!("OAP-8-1", comp_goes_only_to_a_client_that_lists_it),
    case!("OAP-8-2", a_payload_that_nobody_inflates_passes_as_it_came),
    case!("OAP-8-3", a_compressed_request_is_inflated),
    case!("OAP-8-3", an_empty_payload_is_bad_coding),
    case!("OAP-8-3", a_truncated_payload_is_bad_coding),
    case!("OAP-8-3", bytes_behind_the_stream_are_bad_coding),
    case!("OAP-8-3", a_wrong_checksum_is_bad_coding),
    case!("OAP-8-3", a_preset_dictionary_is_bad_coding),
    case!("OAP-8-3", plain_bytes_are_bad_coding),
    case!("OAP-8-4", eight_times_max_frame_is_accepted),
    case!("OAP-8-4", one_byte_more_is_an_overflow),
    case!("OAP-8-6", the_inflate_budget_is_used_up),
    case!("OAP-8-8", an_opaque_payload_is_never_inflated),
    case!("OAP-8-8", an_opaque_payload_passes_unchanged),
    case!("OAP-6-8", windows_count_compressed_bytes),
];

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    // A Vec takes everything.
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn compressed(corr: u64, payload: &[u8]) -> Draft {
    Draft::request(SINK, corr, payload).with(Flags::COMP)
}

async fn sink(peer: &mut Peer, request: Draft, due: u64) -> Step {
    peer.needs(SINK)?;
    let corr = request.corr;
    peer.send(&request).await;
    let answer = peer.answer(corr).await?;
    let text = format!("a count of {due} bytes");
    ensure(answer.body() == due.to_le_bytes(), &text, || {
        answer.responses().map(show).collect()
    })
}

async fn comp_goes_only_to_a_client_that_lists_it(peer: &mut Peer) -> Step {
    peer.needs(ECHO)?;
    peer.needs_comp()?;
    // The rules of all frames judge whatever comes back.
    let request = Draft::request(ECHO, 1, &zlib(&[b'a'; 1_000]));
    peer.send(&request.with(Flags::COMP)).await;
    peer.answer(1).await?;
    peer.alive().await
}

async fn a_payload_that_nobody_inflates_passes_as_it_came(peer: &mut Peer) -> Step {
    peer.needs(ECHO)?;
    peer.needs_comp()?;
    peer.hello(EVERYTHING).await?;
    let request = Draft::request(ECHO, 1, b"no zlib stream");
    peer.send(&request.with(Flags::COMP)).await;
    let answer = peer.echoed(1, b"no zlib stream").await?;
    let comp = answer.frames[0].header.flags.contains(Flags::COMP);
    ensure(comp, "COMP as it came", || show(&answer.frames[0]))
}

async fn a_compressed_request_is_inflated(peer: &mut Peer) -> Step {
    peer.needs_comp()?;
    sink(peer, compressed(1, &zlib(&[7; 50_000])), 50_000).await
}

async fn bad_coding(peer: &mut Peer, payload: &[u8]) -> Step {
    peer.needs(SINK)?;
    peer.needs_comp()?;
    let request = compressed(1, payload);
    peer.send(&request).await;
    peer.refused(&request, 400, Reason::BadCoding).await?;
    peer.alive().await
}

async fn an_empty_payload_is_bad_coding(peer: &mut Peer) -> Step {
    bad_coding(peer, b"").await
}

async fn a_truncated_payload_is_bad_coding(peer: &mut Peer) -> Step {
    let whole = zlib(b"all of this and more of this");
    bad_coding(peer, &whole[..whole.len() - 1]).await
}

async fn bytes_behind_the_stream_are_bad_coding(peer: &mut Peer) -> Step {
    let longer = [zlib(b"all of this"), vec![0]].concat();
    bad_coding(peer, &longer).await
}

async fn a_wrong_checksum_is_bad_coding(peer: &mut Peer) -> Step {
    let mut wrong = zlib(b"all of this");
    let last = wrong.len() - 1;
    wrong[last] ^= 1;
    bad_coding(peer, &wrong).await
}

async fn a_preset_dictionary_is_bad_coding(peer: &mut Peer) -> Step {
    // FDICT with a header checksum that is right, then the dictionary's id.
    let stream = [&[0x78, 0x20][..], &[0, 0, 0, 1], &[0x03, 0, 0, 0, 0, 1]].concat();
    bad_coding(peer, &stream).await
}

async fn plain_bytes_are_bad_coding(peer: &mut Peer) -> Step {
    bad_coding(peer, b"plain bytes").await
}

/// A stream that inflates to as much as the server takes, and so many bytes more.
fn bomb(peer: &Peer, more: usize) -> Step<Vec<u8>> {
    peer.needs_comp()?;
    let size = 8 * peer.facts.max_frame as usize;
    let bytes = zlib(&vec![0; size + more]);
    if bytes.len() + 33 > peer.facts.max_frame as usize {
        return skip("max_frame is too small for such a stream");
    }
    Ok(bytes)
}

async fn eight_times_max_frame_is_accepted(peer: &mut Peer) -> Step {
    let payload = bomb(peer, 0)?;
    let size = 8 * u64::from(peer.facts.max_frame);
    sink(peer, compressed(1, &payload), size).await
}

async fn one_byte_more_is_an_overflow(peer: &mut Peer) -> Step {
    peer.needs(SINK)?;
    let payload = bomb(peer, 1)?;
    let request = compressed(1, &payload);
    peer.send(&request).await;
    peer.refused(&request, 413, Reason::DecompressOverflow)
        .await?;
    peer.alive().await
}

async fn the_inflate_budget_is_used_up(peer: &mut Peer) -> Step {
    peer.needs(SINK)?;
    let payload = bomb(peer, 0)?;
    let size = 8 * u64::from(peer.facts.max_frame);
    if size < 8_388_608 {
        return skip("max_frame is below its default");
    }
    sink(peer, compressed(1, &payload), size).await?;
    let second = compressed(2, &payload);
    peer.send(&second).await;
    let body = peer.refused(&second, 429, Reason::RateLimited).await?;
    ensure(body.retry_after_ms.is_some(), "retry_after_ms", || {
        "none".to_owned()
    })?;
    peer.alive().await
}

async fn an_opaque_payload_is_never_inflated(peer: &mut Peer) -> Step {
    let payload = zlib(&[7; 50_000]);
    let count = payload.len() as u64;
    let request = compressed(1, &payload).with(Flags::APP_E2E);
    sink(peer, request, count).await
}

async fn an_opaque_payload_passes_unchanged(peer: &mut Peer) -> Step {
    peer.needs(ECHO)?;
    let request = Draft::request(ECHO, 1, b"\0sealed\xff").with(Flags::APP_E2E);
    peer.send(&request).await;
    peer.echoed(1, b"\0sealed\xff").await?;
    peer.alive().await
}

async fn windows_count_compressed_bytes(peer: &mut Peer) -> Step {
    peer.needs(SINK)?;
    peer.needs_comp()?;
    let payload = zlib(&[7; 200_000]);
    let start = Draft::start(SINK, 1, &payload).with(Flags::COMP | Flags::ACK_REQ);
    peer.send(&start).await;
    let later = Draft::chunk(SINK, 1, &payload).with(Flags::COMP | Flags::ACK_REQ);
    peer.send(&later).await;
    let (consumed, _) = peer.ack(1).await?;
    let most = 2 * payload.len() as u64;
    ensure(consumed <= most, "wire bytes, not inflated ones", || {
        format!("consumed {consumed} of {most} sent")
    })
}
