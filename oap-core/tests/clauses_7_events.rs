//! Section 7 of the specification: EVENT.

mod support;

use oap_core::{Code, Event, Fin, Reason, SendError};

use self::support::*;

// OAP-7-1
#[test]
fn a_server_pushes_on_open_exchanges_without_end() {
    let mut server = Endpoint::server();
    let id = server.open(&request(5, b"subscribe"));
    for _ in 0..3 {
        server.push(id, b"tick");
        let event = server.one_frame();
        assert_eq!((flags_code(&event), event.header.corr_id), ((EVENT, 0), 5));
        assert_eq!(event.payload, b"tick");
    }
    server.push(id, &pattern(200_000));
    assert!(
        server
            .frames()
            .iter()
            .all(|frame| frame.header.flags == EVENT)
    );
    server.send(id, 200, b"", Fin::End);
    server.frames();
    assert!(
        server.conn.exchange(id).is_none(),
        "an ended exchange takes no event"
    );

    let cancelled = server.open(&request(6, b"subscribe"));
    server.feed(&cancel(6, 408));
    server.events();
    let exchange = server.conn.exchange(cancelled).expect("its slot is taken");
    assert_eq!(
        exchange.push(Code::OK, b"x".as_slice().into()),
        Err(SendError::Ended)
    );
    server.assert_silent();
}

// OAP-7-1
#[test]
fn a_client_pushes_nothing() {
    let mut client = Endpoint::client();
    let id = client.stream(b"open");
    let exchange = client.conn.exchange(id).expect("open");
    assert_eq!(
        exchange.push(Code::OK, b"x".as_slice().into()),
        Err(SendError::Role)
    );
    client.assert_silent();
}

// OAP-7-2
#[test]
fn events_and_answers_come_in_the_order_sent() {
    let mut client = Endpoint::client();
    let id = client.ask(b"subscribe");
    client.feed_all(&[
        frame(EVENT | START, 1).payload(b"1"),
        frame(RESP, 1).code(206).payload(b"2"),
        frame(EVENT | END, 1).code(7).payload(b"3"),
        frame(EVENT | START | END, 1).payload(b"4"),
        frame(RESP | END, 1).code(200).payload(b"5"),
    ]);
    let events = client.events();
    let text: Vec<u8> = events
        .iter()
        .flat_map(|event| payload_of(event).to_vec())
        .collect();
    assert_eq!(text, b"12345");
    let pushed: Vec<bool> = events
        .iter()
        .map(|event| matches!(event, Event::Pushed { id: of, .. } if *of == id))
        .collect();
    assert_eq!(pushed, [true, false, true, true, false]);
    assert!(matches!(events[2], Event::Pushed { code, .. } if code == Code::new(7)));
    assert!(matches!(events[4], Event::Data { fin: Fin::End, .. }));
    client.assert_alive();
}

// OAP-7-3
#[test]
fn events_and_answers_share_one_window() {
    // Sender.
    let mut server = Endpoint::server();
    let id = server.open(&frame(REQ | START | ACK_REQ, 1));
    server.push(id, &pattern(100_000));
    server.send(id, 200, &pattern(100_000), Fin::More);
    server.push(id, &pattern(10));
    let first = server.frames();
    assert_eq!(joined(&first).len(), 131_072);
    assert_eq!(first[0].header.flags, EVENT | ACK_REQ);
    assert!(
        first[1..]
            .iter()
            .all(|frame| !frame.header.flags.contains(ACK_REQ))
    );
    server.feed(&ack(1, 131_072, 200_005));
    let rest = server.frames();
    assert_eq!(joined(&rest).len(), 200_005 - 131_072);
    assert_eq!(
        rest.last()
            .map(|frame| (frame.header.flags, frame.payload.len())),
        Some((EVENT, 5))
    );
    // Receiver.
    let mut client = Endpoint::client();
    client.ask(b"x");
    client.feed(&frame(EVENT | ACK_REQ, 1).payload(&pattern(40_000)));
    client.feed(&frame(RESP, 1).payload(&pattern(30_000)));
    assert_eq!(client.events().len(), 2);
    assert_eq!(
        ack_numbers(&client.one_frame(), 1),
        (70_000, 70_000 + 131_072)
    );
}

// OAP-7-3 OAP-6-13
#[test]
fn events_beyond_the_window_cost_the_exchange() {
    let mut client = Endpoint::client_with(|config| {
        config.consume = oap_core::Consume::Manually;
    });
    client.ask(b"x");
    client.feed(&frame(RESP | ACK_REQ, 1).payload(&pattern(100_000)));
    client.feed(&frame(EVENT, 1).payload(&pattern(31_073)));
    let events = client.events();
    let (_, violation) = ended_for(&events[1]);
    assert_eq!(
        (violation.reason, violation.clause),
        (Reason::CreditViolation, "OAP-6-13")
    );
}

// OAP-7-4
#[test]
fn an_event_on_what_is_not_open_is_dropped() {
    let mut client = Endpoint::client();
    client.ask(b"x");
    client.feed(&answer(1, b""));
    client.events();
    let stray = [
        frame(EVENT, 1).app(7),
        frame(EVENT | END, 99),
        frame(EVENT, 0),
    ];
    client.feed_all(&stray);
    client.assert_silent();
    assert_eq!(client.conn.counters().discarded_events, 3);
    client.assert_alive();

    let mut server = Endpoint::server();
    server.feed(&request(1, b""));
    server.serve();
    server.frames();
    server.feed_all(&stray);
    server.assert_silent();
    assert_eq!(server.conn.counters().discarded_events, 3);
    server.assert_alive();
}

// OAP-7-4 OAP-10-8
#[test]
fn stray_events_draw_on_the_flood_budget() {
    for mut endpoint in [Endpoint::server(), Endpoint::client()] {
        for _ in 0..1_000 {
            endpoint.feed(&frame(EVENT, 9));
        }
        endpoint.assert_alive();
        endpoint.feed(&frame(EVENT, 9));
        endpoint.assert_fatal(429, Reason::Flood, "OAP-10-8");
    }
}
