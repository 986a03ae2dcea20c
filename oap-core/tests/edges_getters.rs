//! What an application can ask of a connection, an exchange and the values that they give.

mod support;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use oap_core::wire::{Codings, Decoder, Features, MAX_FRAME};
use oap_core::{
    Body, CloseReason, Code, Config, End, Event, Fin, Head, Lane, Reason, Role, Timers, Timestamp,
};
use support::*;

#[test]
fn an_exchange_tells_its_handle_id_and_lane() {
    let mut server = Endpoint::server_with(|config| config.multi_lane = true);
    let first = server.open(&frame(REQ | START, 41));
    server.feed_on(Lane(3), &frame(REQ | START, 42));
    let second = server.opened();
    for (id, corr, lane) in [(first, 41, Lane::FIRST), (second, 42, Lane(3))] {
        let exchange = server.conn.exchange(id).expect("it is open");
        assert_eq!((exchange.id(), exchange.corr_id()), (id, corr));
        assert_eq!(exchange.lane(), lane);
        assert!(!exchange.is_ended());
    }
    assert_ne!(first.index(), second.index());
    assert_eq!(server.conn.exchanges(), 2);
}

#[test]
fn an_ended_exchange_says_so_until_it_is_released() {
    let mut server = Endpoint::server();
    let id = server.open(&frame(REQ | START, 1));
    server.feed(&cancel(1, 408));
    assert!(matches!(
        server.one_event(),
        Event::Ended {
            end: End::Cancelled { .. },
            ..
        }
    ));
    assert!(server.conn.exchange(id).expect("a taken slot").is_ended());
    server.release(id);
    assert!(server.conn.exchange(id).is_none());
}

#[test]
fn room_ends_at_the_send_buffer_and_comes_back_with_an_event() {
    let mut server = Endpoint::server_with(|config| {
        config.limits = limits(|l| l.send_buffer(1_000));
    });
    server.feed(&hello(r#"{"ack_window":4096}"#));
    server.events();
    server.frames();
    let id = server.open(&request(1, b""));
    let exchange = |server: &mut Endpoint| {
        let mut exchange = server.conn.exchange(id).expect("it is open");
        (exchange.queued_bytes(), exchange.has_room())
    };
    assert_eq!(exchange(&mut server), (0, true));
    server.send(id, 200, &pattern(4_096), Fin::More);
    assert_eq!(exchange(&mut server), (0, true));
    server.send(id, 200, &pattern(999), Fin::More);
    assert_eq!(exchange(&mut server), (999, true));
    server.send(id, 200, &pattern(1), Fin::More);
    assert_eq!(exchange(&mut server), (1_000, false));
    server.frames();
    server.assert_silent();
    server.feed(&ack(1, 4_096, 8_192));
    server.frames();
    assert_eq!(server.one_event(), Event::Writable { id });
    assert_eq!(exchange(&mut server), (0, true));
}

#[test]
fn a_head_carries_what_it_was_given() {
    let mut client = Endpoint::client();
    let head = Head::new(APP)
        .with_tenant(TENANT)
        .with_capability(Bytes::from_static(b"may"))
        .with_timeout(Duration::from_millis(1_500));
    assert_eq!(head.timeout, Some(Duration::from_millis(1_500)));
    client
        .conn
        .request(client.now, head, Body::empty(), Fin::End)
        .expect("a request");
    let asked = client.one_frame();
    assert_eq!(asked.header.app_proto_id, APP);
    assert_eq!(asked.header.tenant_id, TENANT);
    assert_eq!((&asked.cap[..], asked.payload.len()), (&b"may"[..], 0));
    client.advance(Duration::from_millis(1_499));
    client.assert_silent();
    client.advance(Duration::from_millis(1));
    assert!(matches!(
        client.one_event(),
        Event::Ended {
            end: End::TimedOut,
            ..
        }
    ));
}

#[test]
fn a_peer_that_closed_everything_ends_the_connection_at_once() {
    for endpoint in [&mut Endpoint::server(), &mut Endpoint::client()] {
        if endpoint.conn.role() == Role::Client {
            endpoint.ask(b"never answered");
        } else {
            endpoint.feed(&request(1, b"never answered"));
            endpoint.events();
        }
        endpoint.conn.handle_peer_close();
        assert_eq!(endpoint.one_event(), Event::Closed(CloseReason::PeerClosed));
        let interest = endpoint.conn.interest();
        assert!(interest.done && !interest.write);
        assert_eq!(CloseReason::PeerClosed.reason(), Reason::Io);
    }
}

#[test]
fn going_on_pays_while_more_is_at_hand_and_little_is_encoded() {
    let mut server = Endpoint::server();
    assert!(!server.conn.wants_to_go_on(1_000), "nothing is at hand");
    server.feed(&request(1, b"first"));
    assert!(server.conn.wants_to_go_on(1_000), "an event waits");
    server.serve();
    assert!(!server.conn.wants_to_go_on(1_000), "nothing is left to do");
    let mut burst = BytesMut::new();
    for corr in 2..40 {
        burst.extend_from_slice(&request(corr, b"more").bytes());
    }
    server
        .conn
        .handle_input(Lane::FIRST, server.now, &mut burst);
    assert!(server.conn.is_lane_stalled(Lane::FIRST), "too many events");
    assert!(!server.conn.is_lane_stalled(Lane(1)), "no such lane");
    let encoded = 37 + 5;
    assert!(server.conn.wants_to_go_on(encoded + 1));
    assert!(!server.conn.wants_to_go_on(encoded), "enough is encoded");
}

#[test]
fn a_lane_is_idle_without_exchanges_output_and_undecoded_input() {
    let mut server = Endpoint::server();
    assert!(server.conn.is_lane_idle(Lane::FIRST));
    let id = server.open(&request(1, b"x"));
    assert!(
        !server.conn.is_lane_idle(Lane::FIRST),
        "an exchange is open"
    );
    server.send(id, 200, b"y", Fin::End);
    assert!(!server.conn.is_lane_idle(Lane::FIRST), "an answer waits");
    server.frames();
    assert!(server.conn.is_lane_idle(Lane::FIRST));
}

#[test]
fn the_lower_of_both_limits_is_the_capacity() {
    assert_eq!(Endpoint::client().conn.capacity(), 64);
    let told = Endpoint::client_told(r#"{"max_inflight":3}"#);
    assert_eq!(told.conn.capacity(), 3);
    let own = Endpoint::client_told_with(r#"{"max_inflight":30}"#, |config| {
        config.limits = small_limits();
    });
    assert_eq!(own.conn.capacity(), 8);
}

#[test]
fn timers_scale_as_one() {
    let twice = Timers::default().scaled(2);
    let optional = Timers {
        linger: Duration::from_secs(3),
        standstill: Duration::from_secs(4),
        ..Timers::default()
    };
    assert_eq!(twice.idle, Duration::from_secs(120));
    assert_eq!(twice.request, Duration::from_secs(20));
    for five in [
        twice.first_frame,
        twice.frame,
        twice.write,
        twice.hello,
        twice.verdict,
    ] {
        assert_eq!(five, Duration::from_secs(10));
    }
    assert_eq!(optional.scaled(2).linger, Duration::from_secs(6));
    assert_eq!(optional.scaled(2).standstill, Duration::from_secs(8));
}

#[test]
fn bodies_and_payloads_say_what_they_are() {
    let plain = Body::from("text");
    assert_eq!((plain.len(), plain.is_empty()), (4, false));
    assert!(!plain.is_compressed());
    assert!(Body::empty().is_empty());
    assert_eq!(Body::empty().len(), 0);
    assert!(Body::compressed(Bytes::from_static(b"z")).is_compressed());

    let mut server = Endpoint::server();
    for (flags, compressed, opaque) in [
        (NONE, false, false),
        (COMP, true, false),
        (APP_E2E, false, true),
        (COMP | APP_E2E, false, true),
    ] {
        server.feed(&frame(REQ | START | flags, 1).payload(b"abc"));
        let Event::Opened { id, payload, .. } = server.one_event() else {
            panic!("nothing opened");
        };
        assert_eq!(payload.is_compressed(), compressed);
        assert_eq!(payload.is_opaque(), opaque);
        assert_eq!((payload.wire_len(), payload.is_empty()), (3, false));
        server.send(id, 200, b"", Fin::End);
        server.frames();
        server.feed(&frame(REQ | END, 1));
        server.events();
    }
}

#[test]
fn sets_of_names_hold_what_was_put_in() {
    let mut features = Features::NONE;
    assert!(features.is_empty());
    features.insert(Features::PING);
    features.insert(Features::GOAWAY);
    assert!(features.contains(Features::PING) && !features.contains(Features::CANCEL));
    assert!(!features.is_empty());
    assert_eq!(features.names().collect::<Vec<_>>(), ["ping", "goaway"]);
    let mut both = Codings::ZLIB;
    both.insert(Codings::ZSTD);
    assert_eq!(both.intersection(Codings::ZSTD), Codings::ZSTD);
    assert_eq!(Codings::ZLIB.intersection(Codings::ZSTD), Codings::NONE);
    assert_eq!(both.names().collect::<Vec<_>>(), ["zlib", "zstd"]);
}

#[test]
fn a_decoder_tells_of_the_frame_that_has_begun() {
    let bytes = request(9, b"twelve bytes").bytes();
    let mut decoder = Decoder::new(MAX_FRAME);
    let mut buf = BytesMut::from(&bytes[..40]);
    assert_eq!(decoder.pending(), None);
    assert_eq!(decoder.decode(&mut buf), Ok(None));
    assert_eq!(decoder.pending().map(|header| header.corr_id), Some(9));
    assert!(decoder.finish(buf.len()).is_err() && decoder.finish(0).is_ok());
    buf.extend_from_slice(&bytes[40..]);
    let frame = decoder.decode(&mut buf).expect("legal").expect("whole");
    assert_eq!(
        (frame.payload(), frame.capability()),
        (&b"twelve bytes"[..], &b""[..])
    );
    assert_eq!(decoder.pending(), None);
    assert_eq!(frame.clone().into_payload(), &b"twelve bytes"[..]);
    assert_eq!(frame.into_bytes(), bytes);
}

#[test]
fn time_saturates_at_both_ends() {
    let (now, hour) = (Timestamp::from_micros(5), Duration::from_secs(3_600));
    assert_eq!(now - hour, Timestamp::ZERO);
    assert_eq!(Timestamp::MAX + hour, Timestamp::MAX);
    assert_eq!(now + Duration::MAX, Timestamp::MAX);
    assert_eq!((now + hour) - hour, now);
    assert_eq!((now + hour).as_micros(), 3_600_000_005);
}

#[test]
fn a_connection_keeps_its_configuration_and_role() {
    let config = Config {
        retry_after_ms: 77,
        ..Config::default()
    };
    let client = oap_core::Connection::client(config.into(), Timestamp::ZERO);
    assert_eq!(client.config().retry_after_ms, 77);
    assert_eq!(client.role(), Role::Client);
    assert!(!client.is_going_away() && !client.is_closed());
    assert_eq!(Code::OK.get(), 0);
}
