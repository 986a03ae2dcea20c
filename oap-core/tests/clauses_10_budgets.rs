//! Section 10 of the specification: timers and budgets.

mod support;

use std::time::Duration;

use oap_core::{
    CloseReason, Code, Config, Consume, End, Event, ExchangeId, Fin, Head, Lane, Reason, Timer,
    Verdict,
};

use self::support::*;

const STEP: Duration = Duration::from_micros(1);

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Nothing happens before `after` has passed; then this timer ends the connection, without a word.
#[track_caller]
fn assert_times_out(endpoint: &mut Endpoint, after: Duration, timer: Timer) {
    endpoint.advance(after - STEP);
    assert!(!endpoint.conn.is_closed(), "too early");
    endpoint.advance(STEP);
    let expected = CloseReason::TimedOut(timer);
    assert_eq!(expected.reason(), Reason::Timeout);
    assert_eq!(endpoint.events().last(), Some(&Event::Closed(expected)));
    assert!(endpoint.frames().is_empty(), "a timer is local");
    endpoint.assert_over();
}

fn server_of(features: &str) -> Endpoint {
    let mut server = Endpoint::server();
    server.feed(&hello(features));
    server.frames();
    server.events();
    server
}

// OAP-10-1
#[test]
fn a_server_awaits_the_first_byte() {
    assert_times_out(&mut Endpoint::server(), secs(5), Timer::FirstFrame);
    let mut twice = Endpoint::server_with(|config| config.timers = config.timers.scaled(2));
    assert_times_out(&mut twice, secs(10), Timer::FirstFrame);
    let mut begun = Endpoint::server();
    begun.advance(secs(5) - STEP);
    begun.feed_bytes(Lane::FIRST, &[0x21]);
    assert_times_out(&mut begun, secs(5), Timer::Frame);
    // A client awaits none.
    assert_times_out(&mut Endpoint::client(), secs(60), Timer::Idle);
}

// OAP-10-2
#[test]
fn a_frame_has_5_seconds_and_one_for_each_64_kib() {
    for (len, seconds) in [
        (33, 5),
        (65_535, 5),
        (65_536, 6),
        (131_071, 6),
        (131_072, 7),
        (1_048_576, 21),
    ] {
        let whole = request(1, &pattern(len - 33)).bytes();
        for early in [4, 30, 37, whole.len() - 1] {
            let mut server = server_of("{}");
            server.feed_bytes(Lane::FIRST, &whole[..1]);
            server.advance(secs(1));
            server.feed_bytes(Lane::FIRST, &whole[1..early.min(whole.len() - 1)]);
            assert_times_out(&mut server, secs(seconds - 1), Timer::Frame);
        }
        let mut server = server_of("{}");
        server.feed_bytes(Lane::FIRST, &whole[..1]);
        server.feed_bytes(Lane::FIRST, &whole[1..whole.len() - 1]);
        server.advance(secs(seconds) - STEP);
        server.feed_bytes(Lane::FIRST, &whole[whole.len() - 1..]);
        server.serve();
        server.frames();
        server.advance(secs(20));
        server.assert_alive();
    }
}

// OAP-10-2
#[test]
fn bytes_that_trickle_in_win_no_time() {
    let whole = request(1, &pattern(1_000)).bytes();
    let mut server = server_of("{}");
    for byte in &whole[..49] {
        server.feed_bytes(Lane::FIRST, &[*byte]);
        server.advance(Duration::from_millis(100));
        assert!(!server.conn.is_closed());
    }
    assert_times_out(&mut server, Duration::from_millis(100), Timer::Frame);
    // The timer is of each frame, not of the stream.
    let mut server = server_of("{}");
    for _ in 0..20 {
        server.feed_bytes(Lane::FIRST, &ping(1).bytes()[..20]);
        server.advance(secs(4));
        server.feed_bytes(Lane::FIRST, &ping(1).bytes()[20..]);
        server.one_frame();
    }
    server.assert_alive();
}

// OAP-10-2
#[test]
fn over_tor_a_frame_has_twice_the_time() {
    let whole = request(1, &pattern(1_000_000)).bytes();
    let mut server = Endpoint::server_with(|config| config.timers = config.timers.scaled(2));
    server.feed_bytes(Lane::FIRST, &whole[..100]);
    assert_times_out(&mut server, secs(2 * (5 + 15)), Timer::Frame);
}

fn manual(config: &mut Config) {
    config.consume = Consume::Manually;
    config.limits = small_limits();
}

/// Fills a server's buffer budget with what nobody consumes; the last frame is left undecoded.
fn stuff(server: &mut Endpoint) -> Vec<(ExchangeId, oap_core::Payload)> {
    server.feed(&frame(REQ | START, 1).payload(&pattern(4_000)));
    server.feed_all(&vec![frame(REQ, 1).payload(&pattern(4_000)); 8]);
    assert!(!server.conn.interest().read);
    let events = server.events().into_iter();
    let held = events.map(|event| match event {
        Event::Opened { id, payload, .. } | Event::Data { id, payload, .. } => (id, payload),
        other => panic!("{other:?}"),
    });
    held.collect()
}

// OAP-10-3
#[test]
fn timers_of_reading_stand_still_while_nothing_is_read() {
    let mut server = Endpoint::server_with(manual);
    let held = stuff(&mut server);
    // The frame that does not fit, and half of another.
    server.feed_bytes(Lane::FIRST, &ping(1).bytes()[..20]);
    server.advance(secs(3_600));
    assert!(!server.conn.is_closed());
    for held in &held {
        server.conn.consumed(held.0, held.1.charge());
    }
    server.feed_bytes(Lane::FIRST, b"");
    let last = server.one_event();
    if let Event::Data { id, payload, .. } = last {
        server.conn.consumed(id, payload.charge());
    }
    // From here on both run again.
    server.advance(secs(5) - STEP);
    assert!(!server.conn.is_closed());
    server.feed_bytes(Lane::FIRST, &ping(1).bytes()[20..]);
    server.one_frame();
    assert_times_out(&mut server, secs(60), Timer::Idle);
}

// OAP-10-3
#[test]
fn a_standstill_ends_where_it_is_bounded() {
    let bounded = |config: &mut Config| {
        manual(config);
        config.timers.standstill = secs(300);
    };
    let mut server = Endpoint::server_with(bounded);
    stuff(&mut server);
    server.advance(secs(200));
    // What the peer sends meanwhile is no progress.
    server.feed(&frame(REQ, 1).payload(&pattern(4_000)));
    assert_times_out(&mut server, secs(100), Timer::Standstill);
}

// OAP-10-3
#[test]
fn whatever_is_consumed_ends_a_standstill() {
    let mut server = Endpoint::server_with(|config| {
        manual(config);
        config.timers.standstill = secs(300);
        config.timers.idle = secs(10_000);
    });
    let held = stuff(&mut server);
    server.feed(&frame(REQ, 1).payload(&pattern(4_000)));
    for (id, payload) in &held[..2] {
        server.advance(secs(299));
        server.conn.consumed(*id, payload.charge());
        server.feed_bytes(Lane::FIRST, b"");
        server.events();
    }
    // There is room for every frame that came, and then there is not.
    server.advance(secs(3_600));
    assert!(!server.conn.is_closed());
    server.feed(&frame(REQ, 1).payload(&pattern(4_000)));
    assert_times_out(&mut server, secs(300), Timer::Standstill);
}

// OAP-10-3
#[test]
fn an_application_that_takes_no_events_is_not_the_peers_fault() {
    for waiting in [64, 65, 70] {
        let mut client = Endpoint::client();
        client.ask(b"x");
        let many: Vec<Raw> = (0..waiting)
            .map(|_| frame(RESP, 1).code(200).payload(b"x"))
            .collect();
        client.feed_all(&many);
        assert!(!client.conn.interest().read);
        client.advance(secs(9));
        client.feed_bytes(Lane::FIRST, b"");
        client.advance(secs(100));
        assert!(!client.conn.is_closed(), "{waiting} events wait");
    }
}

// OAP-10-3
#[test]
fn frame_timers_of_other_lanes_stand_still_too() {
    let mut server = Endpoint::server_with(|config| {
        manual(config);
        config.multi_lane = true;
    });
    let other = Lane(1);
    server.feed_bytes(other, &ping(1).bytes()[..20]);
    server.advance(secs(4));
    let held = stuff(&mut server);
    server.advance(secs(3_600));
    assert!(!server.conn.is_closed());
    for held in &held {
        server.conn.consumed(held.0, held.1.charge());
    }
    server.feed_bytes(Lane::FIRST, b"");
    server.events();
    assert_times_out(&mut server, secs(1), Timer::Frame);
}

// OAP-10-1 OAP-10-3
#[test]
fn nobody_is_blamed_for_a_silence_while_the_host_does_not_read() {
    let mut server = Endpoint::server();
    server.advance(secs(4));
    server.conn.handle_pause(server.now);
    server.now = server.now + secs(3_600);
    server.conn.handle_timeout(server.now);
    assert!(!server.conn.is_closed());
    server.conn.handle_resume(server.now);
    assert_times_out(&mut server, secs(5), Timer::FirstFrame);
}

// OAP-10-4
#[test]
fn a_write_timer_stands_still_while_the_host_does_not_write() {
    let mut server = server_of("{}");
    let id = server.open(&request(1, b""));
    server.send(id, 200, &pattern(1_000), Fin::End);
    server.bytes_on(Lane::FIRST, 10);
    assert!(server.conn.poll_transmit(Lane::FIRST, server.now).is_some());
    for _ in 0..2 {
        server.advance(secs(2));
        server.conn.handle_write_pause(server.now);
        server.advance(secs(20));
        assert!(!server.conn.is_closed());
        server.conn.handle_write_resume(server.now);
    }
    server.advance(secs(1) - STEP);
    assert!(!server.conn.is_closed());
    server.advance(STEP);
    let closed = Event::Closed(CloseReason::TimedOut(Timer::Write));
    assert_eq!(server.events(), [closed]);
}

// OAP-10-4
#[test]
fn a_transport_that_takes_nothing_is_given_up() {
    let mut server = server_of("{}");
    let id = server.open(&request(1, b""));
    server.send(id, 200, &pattern(100_000), Fin::End);
    // Progress, however little, starts it anew.
    for _ in 0..5 {
        assert_eq!(server.bytes_on(Lane::FIRST, 10).len(), 10);
        server.advance(secs(5) - STEP);
        assert!(!server.conn.is_closed());
    }
    server.bytes_on(Lane::FIRST, 1);
    assert!(server.conn.poll_transmit(Lane::FIRST, server.now).is_some());
    server.advance(secs(5) - STEP);
    assert!(!server.conn.is_closed());
    server.advance(STEP);
    let closed = Event::Closed(CloseReason::TimedOut(Timer::Write));
    assert_eq!(server.events(), [closed]);
    assert!(!server.conn.interest().write && server.conn.interest().done);
}

// OAP-10-4
#[test]
fn what_is_written_leaves_no_timer_behind() {
    let mut server = server_of("{}");
    for round in 0..10 {
        server.feed(&request(1 + round, &pattern(1_000)));
        server.serve();
        assert_eq!(server.frames().len(), 1);
        server.advance(secs(7));
        assert!(!server.conn.is_closed());
    }
    server.assert_alive();
}

// OAP-10-4 OAP-4-12
#[test]
fn a_drain_after_a_long_silence_has_the_whole_write_time() {
    let mut server = server_of(ALL_FEATURES);
    server.advance(secs(29));
    server.conn.drain();
    server.check();
    assert!(server.conn.poll_transmit(Lane::FIRST, server.now).is_some());
    server.advance(secs(5) - STEP);
    assert_eq!(flags_code(&server.one_frame()), (EVENT, 503));
    assert!(server.conn.interest().done);
}

// OAP-10-4
#[test]
fn an_error_frame_that_nobody_takes_is_given_up_too() {
    let mut server = server_of("{}");
    server.feed(&frame(NONE, 1));
    server.events();
    assert!(server.conn.interest().write && !server.conn.interest().done);
    server.advance(secs(5));
    assert!(server.conn.interest().done);
}

// OAP-10-5
#[test]
fn a_silent_peer_is_closed() {
    for features in ["{}", r#"{"features":["cancel","goaway"]}"#] {
        let mut server = server_of(features);
        server.advance(secs(50));
        // Bytes are no frame.
        server.feed_bytes(Lane::FIRST, &ping(1).bytes()[..30]);
        server.advance(secs(1));
        server.feed_bytes(Lane::FIRST, &ping(1).bytes()[30..]);
        server.one_frame();
        server.advance(secs(58));
        server.feed_bytes(Lane::FIRST, &ping(1).bytes()[..30]);
        assert_times_out(&mut server, secs(2), Timer::Idle);
    }
}

// OAP-10-5
#[test]
fn half_of_the_idle_time_is_worth_a_ping() {
    let mut server = server_of(r#"{"features":["ping"]}"#);
    server.advance(secs(30) - STEP);
    server.assert_silent();
    server.advance(STEP);
    let asked = server.one_frame();
    assert_eq!(flags_code(&asked), (EVENT | ACK_REQ, 0));
    server.advance(secs(10));
    server.assert_silent();
    server.feed(&control(EVENT, 202, asked.header.corr_id));
    assert!(matches!(server.one_event(), Event::Pong { .. }));
    // Once for each silence.
    server.advance(secs(30));
    let again = server.one_frame();
    assert_ne!(again.header.corr_id, asked.header.corr_id);
    assert_times_out(&mut server, secs(30), Timer::Idle);
}

// OAP-10-5
#[test]
fn the_shorter_idle_time_of_both_decides() {
    for (reply, due) in [
        (r#"{"features":["ping"],"idle_timeout_ms":10000}"#, 5),
        (r#"{"features":["ping"],"idle_timeout_ms":600000}"#, 30),
        (r#"{"features":["ping"]}"#, 30),
    ] {
        let mut client = Endpoint::client_told(reply);
        client.advance(secs(due) - STEP);
        client.assert_silent();
        client.advance(STEP);
        assert_eq!(flags_code(&client.one_frame()), (EVENT | ACK_REQ, 0));
        // Its own idle time is what it closes after.
        assert_times_out(&mut client, secs(60 - due), Timer::Idle);
    }
}

// OAP-10-6
#[test]
fn a_hello_wants_an_answer() {
    let mut client = Endpoint::client_with(|config| config.hello = true);
    client.frames();
    client.ask(b"x");
    client.feed(&answer(1, b"no HELLO reply"));
    client.events();
    assert_times_out(&mut client, secs(5), Timer::Hello);
    let mut answered = Endpoint::client_told("{}");
    answered.advance(secs(30));
    answered.assert_alive();
}

// OAP-10-7
#[test]
fn a_request_whose_answer_takes_too_long_is_cancelled() {
    let mut client = Endpoint::client_told(ALL_FEATURES);
    let late = client.ask(b"late");
    let stream = client.stream(b"no timer");
    client.feed(&frame(RESP, 1).code(200).payload(b"has begun"));
    client.events();
    client.advance(secs(10) - STEP);
    client.assert_silent();
    client.advance(STEP);
    assert_eq!(
        client.one_event(),
        Event::Ended {
            id: late,
            end: End::TimedOut
        }
    );
    let cancelled = client.one_frame();
    assert_eq!(
        (flags_code(&cancelled), cancelled.header.corr_id),
        ((EVENT, 408), 1)
    );
    assert_error_body(&cancelled.payload, 408, Reason::Timeout, 1);
    assert_eq!(client.conn.counters().refused(Reason::Timeout), 1);
    client.advance(secs(15));
    client.assert_silent();
    client.send(stream, 0, b"goes on", Fin::End);
    client.frames();
    client.feed(&answer(2, b""));
    client.events();
    client.assert_alive();
}

// OAP-10-7 OAP-3-18
#[test]
fn without_cancel_a_late_answer_is_sat_out() {
    let mut client = Endpoint::client_told(r#"{"max_inflight":1}"#);
    client.ask(b"late");
    client.advance(secs(10));
    assert!(matches!(
        client.one_event(),
        Event::Ended {
            end: End::TimedOut,
            ..
        }
    ));
    client.assert_silent();
    assert_eq!(client.conn.exchanges(), 1);
    client.feed(&answer(1, b"too late"));
    client.assert_alive();
}

// OAP-10-7
#[test]
fn an_application_sets_its_own_request_time() {
    let mut client = Endpoint::client_told(ALL_FEATURES);
    for (body_ends, seconds) in [(Fin::End, 3), (Fin::More, 4)] {
        let mut head = Head::new(APP);
        head.timeout = Some(secs(seconds));
        let id = client
            .conn
            .request(client.now, head, b"x".as_slice().into(), body_ends)
            .expect("a request");
        client.frames();
        client.advance(secs(seconds) - STEP);
        client.assert_silent();
        client.advance(STEP);
        assert_eq!(
            client.one_event(),
            Event::Ended {
                id,
                end: End::TimedOut
            }
        );
        client.one_frame();
    }
    client.assert_alive();
}

/// What costs a token: how often it may happen, and what the peer is told each time.
fn drain_tokens(server: &mut Endpoint, what: impl Fn(&mut Endpoint, u64)) -> u64 {
    for round in 1..3_000 {
        what(server, round);
        let events = server.events();
        server.frames();
        if let Some(Event::Closed(reason)) = events.last() {
            assert_eq!(reason.reason(), Reason::Flood);
            return round - 1;
        }
        for event in events {
            if let Event::Ended { id, .. } = event {
                server.release(id);
            }
        }
    }
    u64::MAX
}

// OAP-10-8
#[test]
fn what_a_peer_breaks_draws_on_its_budget() {
    type Act = fn(&mut Endpoint, u64);
    let charged: [(&str, Act); 8] = [
        ("cancel", |server, corr| {
            server.feed_all(&[frame(REQ | START, corr), cancel(corr, 408)]);
        }),
        ("fault of an open exchange", |server, corr| {
            server.feed_all(&[frame(REQ | START, corr), frame(REQ | START, corr)]);
        }),
        ("fault of none", |server, corr| {
            server.feed(&frame(REQ, corr))
        }),
        ("corr_id 0", |server, _| server.feed(&request(0, b""))),
        ("stray event", |server, corr| {
            server.feed(&frame(EVENT, corr))
        }),
        ("two directions", |server, corr| {
            server.feed(&frame(REQ | RESP, corr))
        }),
        ("credit", |server, corr| {
            let start = frame(REQ | START | ACK_REQ, corr);
            server.feed(&start.payload(&pattern(131_073)));
        }),
        ("cancel with a body", |server, corr| {
            let body = error_json("cancelled", corr);
            server.feed_all(&[
                frame(REQ | START, corr),
                cancel(corr, 500).payload(body.as_bytes()),
            ]);
        }),
    ];
    for (name, act) in charged {
        assert_eq!(drain_tokens(&mut Endpoint::server(), act), 1_000, "{name}");
    }
    let free: [(&str, Act); 5] = [
        ("cancel of nothing", |server, corr| {
            server.feed(&cancel(corr, 408))
        }),
        ("ignored event", |server, _| {
            server.feed(&control(EVENT, 1, 1))
        }),
        ("ignored answer", |server, corr| {
            server.feed(&control(RESP, 7, corr))
        }),
        ("stray ACK", |server, corr| server.feed(&ack(corr, 0, 0))),
        ("late frames", |server, corr| {
            if corr == 1 {
                server.feed_all(&[frame(REQ | START, 5), cancel(5, 408)]);
            }
            server.feed(&frame(REQ, 5));
        }),
    ];
    for (name, act) in free {
        assert_eq!(
            drain_tokens(&mut Endpoint::server(), act),
            u64::MAX,
            "{name}"
        );
    }
}

// OAP-10-8
#[test]
fn refusals_cost_and_answers_by_handlers_do_not() {
    let mut full = Endpoint::server_with(|c| c.limits = limits(|l| l.max_inflight(1)));
    full.open(&frame(REQ | START, 1 << 50));
    let refused = drain_tokens(&mut full, |server, corr| server.feed(&request(corr, b"")));
    assert_eq!(refused, 1_000);

    let mut draining = Endpoint::server();
    draining.open(&frame(REQ | START, 1 << 50));
    draining.conn.drain();
    let refused = drain_tokens(&mut draining, |server, corr| {
        server.feed(&request(corr, b""))
    });
    assert_eq!(refused, u64::MAX, "503 is no fault of the client's");

    let mut failing = Endpoint::server();
    let answered = drain_tokens(&mut failing, |server, corr| {
        let id = server.open(&request(corr, b""));
        let exchange = server.conn.exchange(id).expect("open");
        exchange
            .fail(Code::BAD_REQUEST, Reason::BadRequest, "no")
            .expect("an answer");
    });
    assert_eq!(answered, u64::MAX);

    for (verdict, tokens) in [
        (Verdict::Deny, 1_000),
        (Verdict::Refuse(Code::TOO_MANY, Reason::RateLimited), 1_000),
        (
            Verdict::Refuse(Code::UNAVAILABLE, Reason::NotReady),
            u64::MAX,
        ),
        (
            Verdict::Refuse(Code::PAYMENT_REQUIRED, Reason::Forbidden),
            u64::MAX,
        ),
    ] {
        let mut verified = Endpoint::server_with(|config| config.authorize = true);
        let denied = drain_tokens(&mut verified, |server, corr| {
            server.feed(&request(corr, b""));
            let id = match server.one_event() {
                Event::Authorize { id, .. } => id,
                other => panic!("{other:?}"),
            };
            let now = server.now;
            server
                .conn
                .exchange(id)
                .expect("parked")
                .authorize(now, verdict);
        });
        assert_eq!(denied, tokens, "{verdict:?}");
    }
}

// OAP-10-8
#[test]
fn the_budget_refills_at_33_per_second() {
    let mut server = Endpoint::server();
    for corr in 1..=1_000 {
        server.feed(&frame(REQ | END, corr));
        server.frames();
    }
    server.advance(secs(2));
    for corr in 2_001..=2_066 {
        server.feed(&frame(REQ | END, corr));
        server.frames();
    }
    server.assert_alive();
    server.feed(&frame(REQ | END, 3_000));
    server.assert_closed_with_flood("OAP-10-8");
}

#[test]
fn a_quarter_of_the_budget_of_faults_is_a_strain() {
    let mut server = Endpoint::server();
    for corr in 1..=251 {
        assert!(!server.conn.is_strained(server.now), "{corr}");
        server.feed(&frame(REQ | END, corr));
        server.frames();
    }
    assert!(server.conn.is_strained(server.now));
    let refilled = Duration::from_micros(1_000_000 / 33 + 1);
    assert!(!server.conn.is_strained(server.now + refilled));
}

// OAP-10-9
#[test]
fn a_flood_ends_with_goaway_where_the_peer_has_it() {
    for (features, goaway) in [(ALL_FEATURES, true), ("{}", false)] {
        let mut server = server_of(features);
        let open = server.open(&frame(REQ | START, 1));
        for _ in 0..9 {
            server.feed(&hello("{}"));
            server.frames();
        }
        server.feed(&hello("{}"));
        let last = server.one_frame();
        if goaway {
            assert_eq!((flags_code(&last), last.header.corr_id), ((EVENT, 429), 0));
            assert_eq!(last.header.app_proto_id, 0);
            assert_error_body(&last.payload, 429, Reason::Flood, 0);
        } else {
            assert_error(&last, 429, Reason::Flood, 0, 0, 0);
        }
        server.assert_closed_for(429, Reason::Flood, "OAP-10-9");
        let _ = open;
    }
}

// OAP-10-9
#[test]
fn ten_hellos_and_one_in_six_seconds() {
    let mut server = Endpoint::server();
    for _ in 0..10 {
        server.feed(&hello("[]"));
        assert_error(&server.one_frame(), 400, Reason::BadHello, 0, 0, 0);
    }
    for _ in 0..5 {
        server.advance(secs(6));
        server.feed(&hello("{}"));
        assert_eq!(flags_code(&server.one_frame()), (RESP | END, 0));
    }
    server.events();
    server.advance(secs(6) - Duration::from_millis(1));
    server.feed(&hello("{}"));
    server.assert_fatal(429, Reason::Flood, "OAP-10-9");
}

// OAP-10-10
#[test]
fn reading_stops_while_64_replies_wait() {
    type Make = fn(u64) -> Raw;
    let kinds: [(&str, Make); 4] = [
        ("PONGs", |n| ping(n)),
        ("faults", |n| frame(REQ | END, n)),
        ("corr_id 0", |_| request(0, b"")),
        ("refusals", |n| request(n, b"")),
    ];
    for (name, make) in kinds {
        let mut server = Endpoint::server_with(|c| c.limits = limits(|l| l.max_inflight(1)));
        server.open(&frame(REQ | START, 1 << 50));
        let many: Vec<Raw> = (1..=200).map(make).collect();
        server.feed_all(&many);
        assert_eq!(server.conn.counters().frames_received, 65, "{name}");
        assert!(
            !server.conn.interest().read && !server.conn.interest().again,
            "{name}"
        );
        assert!(server.undecoded() > 0);
        assert_eq!(
            server.frames().len(),
            200,
            "{name}: reading goes on with each reply encoded"
        );
        assert!(server.conn.interest().read);
    }
}

// OAP-10-10
#[test]
fn replies_that_nobody_reads_are_bounded() {
    let mut server = Endpoint::server();
    let pings: Vec<Raw> = (1..=64).map(ping).collect();
    // The host asks for output again and again, but its transport takes nothing.
    for _ in 0..1_000 {
        if server.conn.interest().read {
            server.feed_all(&pings);
        }
        let _ = server.conn.poll_transmit(Lane::FIRST, server.now);
        server.feed_bytes(Lane::FIRST, b"");
    }
    assert!(server.conn.counters().frames_sent < 2_000);
    server.advance(secs(5));
    let closed = server.events();
    assert_eq!(
        closed.last(),
        Some(&Event::Closed(CloseReason::TimedOut(Timer::Write)))
    );
}

// OAP-10-11
#[test]
fn a_hundred_empty_frames_are_enough() {
    let mut server = Endpoint::server();
    server.feed_all(&[frame(REQ | START, 1), frame(REQ | START, 2)]);
    for corr in [1, 2] {
        // In between, frames with payload count nothing.
        for _ in 0..100 {
            server.feed_all(&[frame(REQ, corr), frame(REQ, corr).payload(b"x")]);
            server.events();
        }
    }
    assert!(!server.conn.is_closed());
    server.feed(&frame(REQ | END, 1));
    server.events();
    server.feed(&frame(REQ, 2));
    server.assert_closed_with_flood("OAP-10-11");

    let mut client = Endpoint::client();
    client.ask(b"x");
    for _ in 0..50 {
        client.feed_all(&[frame(RESP, 1), frame(EVENT, 1)]);
        client.events();
    }
    client.feed(&frame(EVENT, 1));
    client.assert_closed_with_flood("OAP-10-11");
}

// OAP-10-11
#[test]
fn frames_with_start_or_end_are_never_empty() {
    let mut client = Endpoint::client();
    client.ask(b"x");
    for _ in 0..200 {
        client.feed_all(&[
            frame(EVENT | END, 1),
            frame(RESP | START, 1),
            frame(EVENT | START, 1),
        ]);
        client.events();
    }
    client.feed(&answer(1, b""));
    client.events();
    client.assert_alive();
}

// OAP-10-12
#[test]
fn a_start_without_a_verdict_is_answered_504() {
    let mut server = Endpoint::server_with(|config| config.authorize = true);
    server.feed(
        &frame(REQ | START, 1)
            .tenant(TENANT)
            .cap(b"cap")
            .payload(b"x"),
    );
    let id = match server.one_event() {
        Event::Authorize { id, .. } => id,
        other => panic!("{other:?}"),
    };
    server.advance(secs(5) - STEP);
    server.assert_silent();
    server.advance(STEP);
    assert_error(&server.one_frame(), 504, Reason::Timeout, 1, APP, TENANT);
    assert_eq!(
        server.one_event(),
        Event::Ended {
            id,
            end: End::TimedOut
        }
    );
    assert_eq!(server.conn.held_bytes(), 0);
    // The verdict is too late, the rest of the request, too.
    let now = server.now;
    server
        .conn
        .exchange(id)
        .expect("its slot is taken")
        .authorize(now, Verdict::Allow);
    server.feed(&frame(REQ, 1).tenant(TENANT).payload(b"y"));
    server.assert_silent();
    server.release(id);
    assert_eq!(server.conn.exchanges(), 0);
}
