//! Timers where the host stops reading, the peer has ended its side, or a timer has only begun.

mod support;

use std::time::Duration;

use bytes::Buf;
use oap_core::{CloseReason, Event, Fin, Lane};
use support::*;

/// A server that has had the first bytes of a frame for two of its five seconds, and the others.
fn frame_in_progress() -> (Endpoint, Vec<u8>) {
    let mut server = Endpoint::server();
    let mut bytes = request(1, b"question").bytes();
    let rest = bytes.split_off(10);
    server.feed_bytes(Lane::FIRST, &bytes);
    server.advance(Duration::from_secs(2));
    (server, rest)
}

/// Time passes while the host does not read.
fn pause(server: &mut Endpoint, seconds: u64) {
    server.conn.handle_pause(server.now);
    server.now = server.now + Duration::from_secs(seconds);
    server.conn.handle_timeout(server.now);
}

/// Three seconds are left for the frame.
fn assert_three_seconds_left(server: &mut Endpoint) {
    server.advance(Duration::from_millis(2_999));
    assert!(!server.conn.is_closed());
    server.advance(Duration::from_millis(2));
    assert!(server.conn.is_closed());
}

// OAP-10-2 OAP-10-3
#[test]
fn a_pause_inside_a_frame_does_not_count() {
    for goes_on in [false, true] {
        let (mut server, rest) = frame_in_progress();
        pause(&mut server, 20);
        server.conn.handle_resume(server.now);
        if goes_on {
            server.feed_bytes(Lane::FIRST, &rest[..30]);
        }
        assert_three_seconds_left(&mut server);
    }
}

// OAP-10-2
#[test]
fn a_resume_without_a_pause_changes_nothing() {
    let (mut server, _) = frame_in_progress();
    server.conn.handle_resume(server.now);
    assert_three_seconds_left(&mut server);
}

// OAP-10-3 OAP-10-5
#[test]
fn nobody_is_pinged_who_is_not_read() {
    let mut paused = Endpoint::server();
    paused.feed(&hello(ALL_FEATURES));
    paused.frames();
    paused.events();
    pause(&mut paused, 40);
    assert!(!paused.conn.interest().write);

    let mut ended = Endpoint::server();
    ended.feed(&hello(ALL_FEATURES));
    ended.feed(&request(1, b"question"));
    ended.frames();
    ended.events();
    ended.eof();
    ended.advance(Duration::from_secs(40));
    ended.assert_silent();
}

#[test]
fn memory_is_given_back_a_second_after_the_last_frame() {
    let mut server = Endpoint::server();
    server.feed(&request(1, b"question"));
    server.serve();
    server.frames();
    let due = server.now + Duration::from_secs(1);
    assert_eq!(server.conn.interest().deadline, Some(due));
}

/// A server whose answer is not all encoded when its client breaks the protocol.
fn cut_off_inside_an_answer() -> Endpoint {
    let mut server = Endpoint::server();
    let id = server.open(&request(1, b"question"));
    server.send(id, 200, &pattern(1_000_000), Fin::End);
    server.feed_bytes(Lane::FIRST, &[0xff; 37]);
    assert!(matches!(
        server.events()[..],
        [Event::Closed(CloseReason::Violation(_))]
    ));
    server
}

// OAP-1-9
#[test]
fn nothing_follows_the_last_words() {
    let mut server = cut_off_inside_an_answer();
    let frames = server.frames();
    let [part, last] = &frames[..] else {
        panic!("a part and the error, not {frames:?}");
    };
    assert_eq!(part.payload, pattern(part.payload.len()));
    assert_eq!((last.header.corr_id, last.header.flags), (0, RESP | END));
}

// OAP-10-4
#[test]
fn last_words_have_the_time_of_any_other() {
    let mut server = cut_off_inside_an_answer();
    server.advance(Duration::from_millis(4_999));
    assert!(!server.conn.interest().done);
    assert!(server.conn.interest().write);
    server.advance(Duration::from_millis(2));
    assert!(server.conn.interest().done);
    let nothing = server.conn.poll_transmit(Lane::FIRST, server.now);
    assert!(nothing.is_none_or(|bytes| !bytes.has_remaining()));
}
