//! What a connection holds when nothing goes on.

mod counting;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use oap_core::{Body, Code, Config, Connection, Event, Fin, Head, Lane, Timestamp};

/// Heap that an idle connection may hold.
const IDLE: usize = 1_024;

fn carry(from: &mut Connection, to: &mut Connection, wire: &mut BytesMut, now: Timestamp) {
    while let Some(mut out) = from.poll_transmit(Lane::FIRST, now) {
        while out.has_remaining() {
            let chunk = out.chunk();
            wire.extend_from_slice(chunk);
            let taken = chunk.len();
            out.advance(taken);
        }
    }
    to.handle_input(Lane::FIRST, now, wire);
}

/// A HELLO both ways, then a hundred requests of this size, ten at a time, then two seconds.
fn idle_after(size: usize) -> (usize, usize) {
    let config = Arc::new(Config::default());
    let mut now = Timestamp::ZERO;
    let mut wire = BytesMut::with_capacity(64 * 1024);
    let body = bytes::Bytes::from(vec![7; size]);

    let before = counting::live();
    let mut client = Connection::client(config.clone(), now);
    let empty_client = counting::live() - before;
    let before_server = counting::live();
    let mut server = Connection::server(config, now);
    let empty_server = counting::live() - before_server;
    println!("at birth: client {empty_client}, server {empty_server}");

    let mut answered = 0;
    while answered < 100 {
        for _ in 0..10 {
            let body = Body::from(body.clone());
            client
                .request(now, Head::new(1), body, Fin::End)
                .expect("there is room");
        }
        while client.exchanges() > 0 {
            now = now + Duration::from_millis(1);
            carry(&mut client, &mut server, &mut wire, now);
            while let Some(event) = server.poll_event() {
                let (id, payload, fin) = match event {
                    Event::Opened {
                        id, payload, fin, ..
                    }
                    | Event::Data {
                        id, payload, fin, ..
                    } => (id, payload, fin),
                    Event::Hello(_) => continue,
                    other => panic!("{other:?}"),
                };
                let exchange = server.exchange(id).expect("it is open");
                exchange
                    .send(Code::OK, payload.into_wire_bytes().into(), fin)
                    .expect("it goes out");
            }
            carry(&mut server, &mut client, &mut wire, now);
            while let Some(event) = client.poll_event() {
                if let Event::Data { fin: Fin::End, .. } = event {
                    answered += 1;
                }
            }
        }
    }
    now = now + Duration::from_secs(2);
    let before = counting::live();
    server.handle_timeout(now);
    client.handle_timeout(now);
    println!(
        "payload {size}: {} bytes were given back",
        before - counting::live()
    );

    let both = counting::live();
    drop(client);
    let without_client = counting::live();
    drop(server);
    (both - without_client, without_client - counting::live())
}

#[test]
fn an_idle_connection_holds_next_to_nothing() {
    for size in [0, 64, 4_096, 100_000] {
        let (client, server) = idle_after(size);
        println!("payload {size}: client {client}, server {server} bytes of heap");
        assert!(client <= IDLE, "client: {client} bytes after {size}");
        assert!(server <= IDLE, "server: {server} bytes after {size}");
    }
}
