//! A blocking client and server over `std::net`: no async, one thread for each connection.
#![allow(clippy::disallowed_methods)] // A host reads the clock; the core does not.

use std::io::{ErrorKind::*, IoSlice, Read, Result, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use oap_core::{Code, Connection, Event, Fin, Head, Lane, Timestamp};

const PAGES: u16 = 0x0f01;
/// How long a socket that takes nothing may keep us from reading.
const TURN: Duration = Duration::from_millis(10);

fn now() -> Timestamp {
    static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    Timestamp::ZERO + ORIGIN.elapsed()
}

/// Does what the connection asks for, and hands its events out, until it is over.
fn run<F>(mut core: Connection, socket: &TcpStream, mut handle: F) -> Result<()>
where
    F: FnMut(&mut Connection, Event),
{
    socket.set_nodelay(true)?;
    socket.set_write_timeout(Some(TURN))?;
    let mut input = BytesMut::new();
    loop {
        let (now, interest) = (now(), core.interest());
        if let Some(event) = core.poll_event() {
            handle(&mut core, event);
        } else if interest.done {
            return close(socket);
        } else if interest.deadline.is_some_and(|deadline| deadline <= now) {
            core.handle_timeout(now);
        } else if interest.again {
            core.handle_input(Lane::FIRST, now, &mut input);
        } else if !interest.write || write(&mut core, socket).is_none() {
            let until = interest.deadline.filter(|_| !interest.write);
            let wait = until.map_or(TURN, |until| until.saturating_since(now).max(TURN));
            socket.set_read_timeout(Some(wait))?;
            match interest.read {
                true => read(&mut core, socket, &mut input),
                false => std::thread::sleep(wait),
            }
        }
    }
}

/// Writes all that waits; what the socket leaves is lent again. `None` where it took nothing.
fn write(core: &mut Connection, mut socket: &TcpStream) -> Option<()> {
    let mut output = core.poll_transmit(Lane::FIRST, now())?;
    let mut slices = [IoSlice::new(&[]); 16];
    let filled = output.chunks_vectored(&mut slices);
    match socket.write_vectored(&slices[..filled]) {
        Ok(count) if count > 0 => output.advance(count),
        Err(e) if matches!(e.kind(), WouldBlock | TimedOut | Interrupted) => return None,
        _ => core.handle_transport_error(),
    }
    Some(())
}

fn read(core: &mut Connection, mut socket: &TcpStream, input: &mut BytesMut) {
    let mut bytes = [0; 16 * 1024];
    match socket.read(&mut bytes) {
        Ok(0) => core.handle_eof(Lane::FIRST, now(), input),
        Ok(count) => {
            input.extend_from_slice(&bytes[..count]);
            core.handle_input(Lane::FIRST, now(), input);
        }
        Err(e) if matches!(e.kind(), WouldBlock | TimedOut | Interrupted) => {}
        Err(_) => core.handle_transport_error(),
    }
}

/// Ends our direction, then reads on: closing over unread bytes would reset what the peer still reads.
fn close(mut socket: &TcpStream) -> Result<()> {
    let until = now() + Duration::from_secs(2);
    socket.set_read_timeout(Some(Duration::from_secs(2)))?;
    let _ = socket.shutdown(Shutdown::Write);
    while now() < until && matches!(socket.read(&mut [0; 4096]), Ok(1..)) {}
    Ok(())
}

pub(crate) fn main() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let socket = TcpStream::connect(listener.local_addr()?)?;
    let server = std::thread::spawn(move || {
        let (socket, page) = (listener.accept()?.0, Bytes::from(vec![b'.'; 1_000_000]));
        let server = Connection::server(Arc::default(), now());
        run(server, &socket, |server, event| {
            println!("server: {event:?}");
            let (Event::Opened { id, .. } | Event::Ended { id, .. }) = event else {
                return;
            };
            match server.exchange(id) {
                Some(given_up) if given_up.is_ended() => given_up.release(),
                Some(exchange) => drop(exchange.respond(Code::OK, page.clone().into())),
                None => {}
            }
        })
    });
    let mut client = Connection::client(Arc::default(), now());
    for page in ["one", "two", "three"] {
        let opened = client.request(now(), Head::new(PAGES), page.into(), Fin::End);
        opened.expect("64 exchanges may be open");
    }
    client.drain(); // It is over once all three are answered.
    let mut bytes = 0;
    run(client, &socket, |_, event| {
        if let Event::Data { payload, .. } = event {
            bytes += payload.wire_len();
        }
    })?;
    println!("client: {bytes} bytes in three answers");
    assert_eq!(bytes, 3_000_000);
    server.join().expect("the server has not panicked")
}
