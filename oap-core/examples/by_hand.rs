//! Both ends driven by hand: no socket, no thread, no clock. Bytes go through two buffers, and time
//! is a number that somebody sets. It uses nothing of `oap-core` that needs a feature.

use std::{sync::Arc, time::Duration};

use bytes::{Buf, BytesMut};
use oap_core::{Code, Config, Connection, Consume, End, Event, Fin, Head, Lane, Limits};
use oap_core::{Reason, SendError, Timestamp};

const APP: u16 = 0x0f01;

struct World {
    client: Connection,
    server: Connection,
    up: BytesMut,
    down: BytesMut,
    now: Timestamp,
}

impl World {
    /// Carries bytes until both ends have written and read all there is.
    fn settle(&mut self) {
        while carry(&mut self.client, &mut self.up, &mut self.server, self.now)
            || carry(&mut self.server, &mut self.down, &mut self.client, self.now)
        {}
    }

    /// Lets time pass to the next moment that either end asks for.
    fn pass_time(&mut self) {
        let asked = [&self.client, &self.server].map(|end| end.interest().deadline);
        self.now = asked.into_iter().flatten().min().expect("a timer runs");
        self.client.handle_timeout(self.now);
        self.server.handle_timeout(self.now);
        self.settle();
    }
}

/// One step from one end to the other; false if there is none to do.
fn carry(from: &mut Connection, pipe: &mut BytesMut, to: &mut Connection, now: Timestamp) -> bool {
    let wants = to.interest();
    let output = from.poll_transmit(Lane::FIRST, now);
    if let Some(mut output) = output.filter(|_| wants.read) {
        // A transport takes as much as it likes, here 1,000 bytes: the rest is lent again.
        let taken = output.chunk().len().min(1_000);
        pipe.extend_from_slice(&output.chunk()[..taken]);
        output.advance(taken);
    } else if !wants.again {
        return false;
    }
    to.handle_input(Lane::FIRST, now, pipe);
    true
}

pub(crate) fn main() -> Result<(), SendError> {
    let (limits, now) = (Limits::builder().ack_window(8_192).build(), Timestamp::ZERO);
    let config = Arc::new(Config {
        limits: limits.expect("64 windows of 8 KiB fit the buffer"),
        consume: Consume::Manually,
        ..Config::default()
    });
    let mut world = World {
        client: Connection::client(config.clone(), now),
        server: Connection::server(config, now),
        up: BytesMut::new(),
        down: BytesMut::new(),
        now,
    };

    // HELLO: the client has queued it, and the server answers by itself.
    world.settle();
    println!("hello: {:?}", world.server.poll_event());
    println!("hello: {:?}", world.client.poll_event());

    // A stream through a window of 8,192 bytes: the rest waits until the server has consumed.
    let (head, body) = (Head::new(APP), vec![b'.'; 20_000].into());
    let upload = world.client.request(now, head, body, Fin::More)?;
    let mut received = 0;
    world.settle();
    while let Some(event) = world.server.poll_event() {
        if let Event::Opened { id, payload, .. } | Event::Data { id, payload, .. } = event {
            received += payload.wire_len();
            println!("stream: {received} bytes of 20000");
            world.server.consumed(id, payload.charge());
            world.settle();
        }
    }
    assert_eq!(received, 20_000);

    // The client gives it up. Its slot is free once the server's work on it has ended, too.
    let exchange = world.client.exchange(upload).expect("it is open");
    exchange.cancel(Code::TIMEOUT, Reason::Cancelled);
    world.settle();
    let Some(Event::Ended { id, end }) = world.server.poll_event() else {
        panic!("untold")
    };
    println!("cancel: {end:?}");
    let given_up = world.server.exchange(id).expect("its slot is taken");
    given_up.release();

    // A request that nobody answers ends when its time is handed in.
    let head = Head::new(APP).with_timeout(Duration::from_secs(3));
    let id = world.client.request(now, head, "well?".into(), Fin::End)?;
    let told = loop {
        world.pass_time();
        if let Some(event) = world.client.poll_event() {
            break event;
        }
    };
    println!("timeout: {told:?} after {:?}", world.now);
    let end = End::TimedOut;
    assert_eq!(told, Event::Ended { id, end });

    // The end: nothing is left to write, and the host may close the transport.
    world.client.close();
    world.settle();
    assert!(world.client.interest().done);
    Ok(())
}
