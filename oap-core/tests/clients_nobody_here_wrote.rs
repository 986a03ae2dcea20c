//! Clients and servers that know less of the protocol than ours, and are right to.

mod support;

use oap_core::{CloseReason, Code, Event, Fin, Head, Lane, Reason, SendError};

use self::support::*;

/// What a program sends that was written from a page of notes: `21000000 01` and zeros.
fn bare_hello() -> Vec<u8> {
    [&[0x21, 0, 0, 0, 1][..], &[0; 32]].concat()
}

/// Reads one frame the way such a program does: the length, then that many bytes. What follows stays.
fn read_one(stream: &mut Vec<u8>) -> Vec<u8> {
    let len = u32::from_le_bytes(stream[..4].try_into().expect("four bytes"));
    let rest = stream.split_off(4 + len as usize);
    std::mem::replace(stream, rest)
}

// OAP-5-1 OAP-5-2 OAP-5-5
#[test]
fn one_says_hello_without_flags_and_needs_six_fields() {
    let mut server = Endpoint::server();
    server.feed_bytes(Lane::FIRST, &bare_hello());
    server.serve();
    let mut stream = server.bytes_on(Lane::FIRST, usize::MAX);
    let reply = read_one(&mut stream);
    assert!(stream.is_empty());
    let body: serde_json::Value = serde_json::from_slice(&reply[37..]).expect("JSON");
    assert!(body["server_version"].is_string());
    assert!(body["max_frame"].as_u64().is_some_and(|n| n <= 1_048_576));
    assert!(body["max_inflight"].as_u64().is_some_and(|n| n > 0));
    let flags = body["supported_flags"].as_array().expect("a list");
    assert!(flags.iter().any(|flag| flag == "REQ") && flags.iter().any(|flag| flag == "END"));
    assert!(
        body["oap_versions"]
            .as_array()
            .is_some_and(|list| list.contains(&1.into()))
    );
    assert!(
        body["transports"]
            .as_array()
            .is_some_and(|list| !list.is_empty())
    );
}

// OAP-5-2 OAP-3-3
#[test]
fn one_pipelines_hello_and_request_and_reads_in_order() {
    let mut server = Endpoint::server();
    let both = [
        bare_hello(),
        request(1, b"ping").bytes(),
        request(2, b"pong").bytes(),
    ]
    .concat();
    server.feed_bytes(Lane::FIRST, &both);
    server.serve();
    let mut stream = server.bytes_on(Lane::FIRST, usize::MAX);
    // It does not look at ids: the first frame must be the HELLO reply, the next ones its answers.
    assert_eq!(read_one(&mut stream)[37], b'{');
    assert_eq!(&read_one(&mut stream)[37..], b"ping");
    assert_eq!(&read_one(&mut stream)[37..], b"pong");
    assert!(stream.is_empty());
}

// OAP-3-3 OAP-3-14
#[test]
fn one_never_sends_end() {
    let mut server = Endpoint::server();
    for corr in 1..=1_000 {
        server.feed(&frame(REQ | START, corr).payload(b"no end"));
        let id = server.opened();
        server.send(id, 200, b"answered all the same", Fin::End);
        let reply = server.one_frame();
        assert_eq!(flags_code(&reply), (RESP | END, 200));
        assert_eq!(server.conn.exchanges(), 0);
    }
    server.assert_alive();
}

// OAP-6-3 OAP-3-5 OAP-4-4
#[test]
fn one_reads_exactly_one_frame_for_an_answer() {
    let mut server = Endpoint::server();
    for len in [0, 1, 4_000, 60_000] {
        server.feed(&frame(REQ | START, 1 + len as u64).payload(&pattern(len)));
        let id = server.opened();
        server.send(id, 200, &pattern(len), Fin::End);
        let mut stream = server.bytes_on(Lane::FIRST, usize::MAX);
        let only = read_one(&mut stream);
        assert!(stream.is_empty(), "neither an ACK nor a second chunk");
        assert_eq!(
            only[5..9],
            [0x12, 0, 200, 0],
            "RESP|END, code 200, no ACK_REQ"
        );
        assert_eq!(only[37..], pattern(len));
    }
}

// OAP-5-4 OAP-4-4
#[test]
fn one_sends_no_hello_at_all() {
    let mut server = Endpoint::server();
    server.feed(&request(1, b"ping"));
    server.serve();
    assert_eq!(server.one_frame().payload, b"ping");
    // It lists nothing, so it hears of nothing: no PING, no CANCEL, no GOAWAY.
    assert_eq!(server.conn.ping(server.now), Err(SendError::Unsupported));
    let id = server.open(&frame(REQ | START, 2));
    server.advance(std::time::Duration::from_secs(45));
    server.assert_silent();
    server
        .conn
        .exchange(id)
        .expect("open")
        .cancel(Code::TIMEOUT, Reason::Timeout);
    assert_error(&server.one_frame(), 408, Reason::Timeout, 2, APP, 0);
    server.conn.drain();
    assert!(server.frames().is_empty());
}

// OAP-1-11
#[test]
fn one_closes_its_side_right_after_the_request() {
    let mut server = Endpoint::server();
    let both = [bare_hello(), request(1, b"last words").bytes()].concat();
    server.feed_bytes(Lane::FIRST, &both);
    server.eof();
    server.serve();
    let frames = server.frames();
    assert_eq!(frames.len(), 2, "it still reads");
    assert_eq!(frames[1].payload, b"last words");
    assert_eq!(server.events(), [Event::Closed(CloseReason::PeerClosed)]);
    assert!(server.conn.interest().done);
}

// OAP-1-11
#[test]
fn one_connects_and_leaves() {
    let mut server = Endpoint::server();
    server.eof();
    assert_eq!(server.events(), [Event::Closed(CloseReason::PeerClosed)]);
    assert!(server.conn.interest().done && server.frames().is_empty());
}

// OAP-5-3 OAP-4-4 OAP-3-4
#[test]
fn a_server_answers_hello_with_200_and_lists_no_features() {
    let six = r#"{"server_version":"x","max_frame":1048576,"max_inflight":64,
        "supported_flags":["REQ","RESP","START","END"],"oap_versions":[1],"transports":["tcp"]}"#;
    let mut client = Endpoint::client_with(|config| config.hello = true);
    client.frames();
    // With START, as some write their answers.
    client.feed(&hello_reply(six).code(200).with(START));
    assert!(matches!(client.one_event(), Event::Hello(_)));
    let answered = client.ask(b"one");
    let given_up = client.ask(b"two");
    let streaming = client.stream(b"three");
    assert_eq!(client.conn.ping(client.now), Err(SendError::Unsupported));
    client
        .conn
        .exchange(given_up)
        .expect("open")
        .cancel(Code::TIMEOUT, Reason::Cancelled);
    client.send(streaming, 0, b"more", Fin::End);
    assert_eq!(
        client.one_frame().payload,
        b"more",
        "its data, and no CANCEL"
    );
    client.feed(&answer(1, b"one").with(START));
    assert!(matches!(client.one_event(), Event::Data { id, .. } if id == answered));
    client.advance(std::time::Duration::from_secs(35));
    assert!(
        client.events().is_empty(),
        "a streaming exchange has no request timer"
    );
    client.conn.drain();
    client.conn.close();
    assert!(
        client.frames().is_empty(),
        "neither PING nor CANCEL nor GOAWAY"
    );
}

// OAP-5-9 OAP-4-5
#[test]
fn a_server_calls_our_hello_bad() {
    let mut client = Endpoint::client_with(|config| config.hello = true);
    client.frames();
    client.ask(b"pipelined");
    let body = r#"{"code":"bad_hello","message":"features?","retryable":false,"corr_id":"0"}"#;
    client.feed_all(&[
        control(RESP | END, 400, 0).payload(body.as_bytes()),
        answer(1, b"fine"),
    ]);
    let events = client.events();
    assert_eq!(events[0], Event::NoHello);
    assert_eq!(&payload_of(&events[1])[..], b"fine");
    client.assert_alive();
}

// OAP-6-14 OAP-6-7
#[test]
fn a_server_grants_less_than_the_default_window_later() {
    // It has a window of 65,536 and says so nowhere but in its ACKs.
    let mut client = Endpoint::client();
    client
        .conn
        .request(
            client.now,
            Head::new(APP),
            pattern(200_000).into(),
            Fin::End,
        )
        .expect("a request");
    let mut got = joined(&client.frames());
    assert_eq!(got.len(), 131_072);
    for consumed in (10_000..=200_000).step_by(10_000) {
        if consumed <= got.len() {
            client.feed(&ack(1, consumed as u64, consumed as u64 + 65_536));
            got.extend(joined(&client.frames()));
        }
    }
    assert_eq!(got, pattern(200_000));
    client.feed(&answer(1, b"thank you"));
    assert_eq!(&payload_of(&client.one_event())[..], b"thank you");
}
