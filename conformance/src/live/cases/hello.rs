//! Section 5: HELLO.

use oap_core::driver::test_apps::{ECHO, SOURCE};
use oap_core::wire::Flags;
use serde_json::Value;

use crate::live::draft::Draft;
use crate::live::peer::Peer;
use crate::live::verdict::{Case, Step, case, ensure, fail};

pub(super) const CASES: &[Case<Peer>] = &[
    case!("OAP-5-1", a_hello_may_have_no_direction),
    case!("OAP-5-1", a_hello_may_have_start_end_a_code_and_an_id),
    case!("OAP-5-2", a_reply_has_the_six_fields),
    case!("OAP-5-2", a_reply_keeps_to_the_max_frame_of_its_hello),
    case!("OAP-5-2", the_fields_of_a_reply_are_within_their_ranges),
    case!("OAP-5-4", without_a_hello_the_defaults_hold),
    case!("OAP-5-5", an_empty_body_is_an_empty_object),
    case!("OAP-5-5", unknown_fields_and_entries_are_ignored),
    case!("OAP-5-6", a_body_of_4097_bytes_is_refused),
    case!("OAP-5-6", a_body_of_4096_bytes_is_accepted),
    case!("OAP-5-6", what_is_no_json_object_is_refused),
    case!("OAP-5-6", nine_levels_are_refused),
    case!("OAP-5-6", eight_levels_are_accepted),
    case!("OAP-5-6", a_key_twice_is_refused),
    case!("OAP-5-6", a_key_twice_once_unescaped_is_refused),
    case!("OAP-5-6", after_a_bad_hello_the_defaults_hold),
    case!("OAP-5-7", fields_of_another_type_are_refused),
    case!("OAP-5-7", a_max_frame_out_of_range_is_refused),
    case!("OAP-5-7", a_max_inflight_out_of_range_is_refused),
    case!("OAP-5-7", an_ack_window_out_of_range_is_refused),
    case!("OAP-5-7", numbers_are_plain_integers),
    case!("OAP-5-7", the_ends_of_the_ranges_are_accepted),
    case!("OAP-5-7", a_compressed_hello_is_refused),
    case!("OAP-5-7", an_opaque_hello_is_refused),
    case!("OAP-5-8", a_good_hello_counts_after_a_bad_one),
    case!("OAP-5-8", a_later_hello_gets_the_same_answer),
    case!("OAP-5-8", a_later_hello_changes_nothing),
    case!("OAP-5-8", the_body_of_a_later_hello_is_not_read),
];

async fn a_hello_may_have_no_direction(peer: &mut Peer) -> Step {
    let hello = Draft::control(Flags::NONE, 0, 0).payload(b"{}");
    peer.send(&hello).await;
    peer.hello_reply(0).await.map(drop)
}

async fn a_hello_may_have_start_end_a_code_and_an_id(peer: &mut Peer) -> Step {
    for (corr, flags, code) in [
        (9, Flags::REQ | Flags::START | Flags::END, 77),
        (10, Flags::START, 0),
        (u64::MAX, Flags::REQ | Flags::ACK_REQ, 65_535),
    ] {
        peer.send(&Draft::control(flags, code, corr)).await;
        peer.hello_reply(corr).await?;
    }
    peer.alive().await
}

async fn a_reply_has_the_six_fields(peer: &mut Peer) -> Step {
    let reply = peer.hello("{}").await?;
    let strings = |field: &str| {
        let list = reply[field].as_array();
        list.is_some_and(|list| list.iter().all(Value::is_string))
    };
    let versions = reply["oap_versions"].as_array();
    let fits = reply["server_version"].is_string()
        && reply["max_frame"].is_u64()
        && reply["max_inflight"].is_u64()
        && strings("supported_flags")
        && strings("transports")
        && versions.is_some_and(|list| list.contains(&1.into()));
    ensure(fits, "the six fields marked always in Table 4", || {
        reply.to_string()
    })
}

async fn the_fields_of_a_reply_are_within_their_ranges(peer: &mut Peer) -> Step {
    let reply = peer.hello("{}").await?;
    let within = |field: &str, least: u64, most: u64| match &reply[field] {
        Value::Null => true,
        number => number.as_u64().is_some_and(|n| (least..=most).contains(&n)),
    };
    let fits = within("max_frame", 4_096, u64::MAX)
        && within("max_inflight", 1, 65_535)
        && within("ack_window", 4_096, 8_388_608)
        && within("idle_timeout_ms", 1_000, u64::MAX);
    ensure(fits, "numbers within the ranges of Table 4", || {
        reply.to_string()
    })
}

async fn a_reply_keeps_to_the_max_frame_of_its_hello(peer: &mut Peer) -> Step {
    // The rules of all frames judge the reply.
    peer.hello(r#"{"max_frame":4096}"#).await.map(drop)
}

async fn without_a_hello_the_defaults_hold(peer: &mut Peer) -> Step {
    peer.needs(SOURCE)?;
    // Neither a window nor a coding nor a feature: the rules of all frames judge each one.
    peer.send(&Draft::request(SOURCE, 1, &300_000_u64.to_le_bytes()))
        .await;
    let answer = peer.answer(1).await?;
    ensure(answer.body().len() == 300_000, "300,000 bytes", || {
        format!("{} bytes", answer.body().len())
    })
}

async fn an_empty_body_is_an_empty_object(peer: &mut Peer) -> Step {
    peer.send(&Draft::hello("")).await;
    peer.hello_reply(0).await.map(drop)
}

async fn unknown_fields_and_entries_are_ignored(peer: &mut Peer) -> Step {
    peer.hello(
        r#"{"tea":{"milk":[1,2,{"a":null}]},"comp":["br","lz4"],"features":["tea",""],"pq":7,
            "server_version":false,"idle_timeout_ms":-1,"transports":"none"}"#,
    )
    .await
    .map(drop)
}

/// Each of these is refused, and the connection goes on.
async fn refuses(peer: &mut Peer, bodies: &[&str]) -> Step {
    for (corr, body) in (1..).zip(bodies) {
        let hello = Draft::control(Flags::REQ, 0, corr).payload(body.as_bytes());
        peer.send(&hello).await;
        peer.bad_hello(corr, body).await?;
    }
    peer.alive().await
}

/// Each of these is accepted where it comes first.
async fn accepts(peer: &mut Peer, body: &str) -> Step {
    peer.hello(body).await?;
    peer.alive().await
}

/// An object of exactly this many bytes.
fn sized(bytes: usize) -> String {
    let frame = r#"{"ua":""}"#.len();
    format!(r#"{{"ua":"{}"}}"#, "x".repeat(bytes - frame))
}

async fn a_body_of_4097_bytes_is_refused(peer: &mut Peer) -> Step {
    refuses(peer, &[&sized(4_097), &" ".repeat(5_000)]).await
}

async fn a_body_of_4096_bytes_is_accepted(peer: &mut Peer) -> Step {
    accepts(peer, &sized(4_096)).await
}

async fn what_is_no_json_object_is_refused(peer: &mut Peer) -> Step {
    refuses(
        peer,
        &["hello", "[]", "7", "null", "{", r#"{"ua":"x"} x"#, "{ua:1}"],
    )
    .await
}

fn nested(levels: usize) -> String {
    let inside = levels - 1;
    format!(r#"{{"tea":{}{}}}"#, "[".repeat(inside), "]".repeat(inside))
}

async fn nine_levels_are_refused(peer: &mut Peer) -> Step {
    refuses(peer, &[&nested(9)]).await
}

async fn eight_levels_are_accepted(peer: &mut Peer) -> Step {
    accepts(peer, &nested(8)).await
}

async fn a_key_twice_is_refused(peer: &mut Peer) -> Step {
    refuses(
        peer,
        &[
            r#"{"ua":"a","ua":"a"}"#,
            r#"{"tea":1,"tea":2}"#,
            r#"{"tea":{"milk":1,"milk":1}}"#,
        ],
    )
    .await
}

async fn a_key_twice_once_unescaped_is_refused(peer: &mut Peer) -> Step {
    refuses(peer, &[r#"{"ua":"a","\u0075a":"b"}"#]).await
}

async fn after_a_bad_hello_the_defaults_hold(peer: &mut Peer) -> Step {
    peer.needs(SOURCE)?;
    // Its max_frame and its window must not count.
    let bad = r#"{"max_frame":4096,"ack_window":4096,"max_inflight":0}"#;
    peer.send(&Draft::hello(bad)).await;
    peer.bad_hello(0, bad).await?;
    peer.send(&Draft::request(SOURCE, 1, &50_000_u64.to_le_bytes()))
        .await;
    let answer = peer.answer(1).await?;
    let windowed = answer.frames[0].header.flags.contains(Flags::ACK_REQ);
    ensure(!windowed, "an answer without ACK_REQ", || {
        "with it".to_owned()
    })?;
    ensure(answer.body().len() == 50_000, "50,000 bytes", || {
        format!("{} bytes", answer.body().len())
    })
}

async fn fields_of_another_type_are_refused(peer: &mut Peer) -> Step {
    refuses(
        peer,
        &[
            r#"{"ua":7}"#,
            r#"{"max_frame":"65536"}"#,
            r#"{"max_inflight":null}"#,
            r#"{"comp":"zlib"}"#,
            r#"{"comp":[1]}"#,
            r#"{"features":{"ping":true}}"#,
            r#"{"ack_window":[8192]}"#,
        ],
    )
    .await
}

async fn a_max_frame_out_of_range_is_refused(peer: &mut Peer) -> Step {
    refuses(peer, &[r#"{"max_frame":4095}"#, r#"{"max_frame":0}"#]).await
}

async fn a_max_inflight_out_of_range_is_refused(peer: &mut Peer) -> Step {
    refuses(
        peer,
        &[r#"{"max_inflight":0}"#, r#"{"max_inflight":65536}"#],
    )
    .await
}

async fn an_ack_window_out_of_range_is_refused(peer: &mut Peer) -> Step {
    refuses(
        peer,
        &[r#"{"ack_window":4095}"#, r#"{"ack_window":8388609}"#],
    )
    .await
}

async fn numbers_are_plain_integers(peer: &mut Peer) -> Step {
    refuses(
        peer,
        &[
            r#"{"max_frame":-65536}"#,
            r#"{"max_frame":65536.0}"#,
            r#"{"max_frame":1e5}"#,
            r#"{"ack_window":-0}"#,
            r#"{"max_inflight":1.5}"#,
        ],
    )
    .await
}

async fn the_ends_of_the_ranges_are_accepted(peer: &mut Peer) -> Step {
    accepts(
        peer,
        r#"{"max_frame":4294967296,"max_inflight":65535,"ack_window":8388608}"#,
    )
    .await
}

async fn a_compressed_hello_is_refused(peer: &mut Peer) -> Step {
    peer.send(&Draft::hello("{}").with(Flags::COMP)).await;
    peer.bad_hello(0, "{}").await?;
    peer.alive().await
}

async fn an_opaque_hello_is_refused(peer: &mut Peer) -> Step {
    peer.send(&Draft::hello("{}").with(Flags::APP_E2E)).await;
    peer.bad_hello(0, "{}").await?;
    peer.alive().await
}

async fn a_good_hello_counts_after_a_bad_one(peer: &mut Peer) -> Step {
    peer.needs(SOURCE)?;
    peer.send(&Draft::hello("[]")).await;
    peer.bad_hello(0, "[]").await?;
    peer.hello(r#"{"max_frame":4096}"#).await?;
    peer.send(&Draft::request(SOURCE, 1, &10_000_u64.to_le_bytes()))
        .await;
    peer.answer(1).await.map(drop)
}

async fn a_later_hello_gets_the_same_answer(peer: &mut Peer) -> Step {
    let first = peer.hello(r#"{"max_frame":4096}"#).await?;
    peer.send(&Draft::control(Flags::REQ, 0, 5).payload(br#"{"ua":"again"}"#))
        .await;
    let second = peer.hello_reply(5).await?;
    ensure(first == second, &format!("{first}"), || second.to_string())
}

async fn a_later_hello_changes_nothing(peer: &mut Peer) -> Step {
    peer.needs(SOURCE)?;
    peer.hello(r#"{"max_frame":4096}"#).await?;
    // Not told to the rules: the first one still holds.
    peer.send(&Draft::hello(r#"{"max_frame":1048576,"ack_window":4096}"#))
        .await;
    peer.hello_reply(0).await?;
    peer.send(&Draft::request(SOURCE, 1, &20_000_u64.to_le_bytes()))
        .await;
    let answer = peer.answer(1).await?;
    if answer.frames[0].header.flags.contains(Flags::ACK_REQ) {
        return fail("an answer without ACK_REQ", "with it");
    }
    Ok(())
}

async fn the_body_of_a_later_hello_is_not_read(peer: &mut Peer) -> Step {
    peer.needs(ECHO)?;
    peer.hello("{}").await?;
    peer.send(&Draft::hello("no JSON at all")).await;
    peer.hello_reply(0).await?;
    peer.alive().await
}
