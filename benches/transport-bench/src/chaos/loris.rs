//! Clients that keep connections busy with next to nothing.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use oap_conformance::suite::Raw;
use oap_core::driver::test_apps::ECHO;

/// Every other one says nothing at all; the others begin a frame and go on byte by byte.
pub(super) struct Loris {
    streams: Vec<TcpStream>,
}

impl Loris {
    /// So many connections.
    ///
    /// # Errors
    /// A connection that cannot be made.
    pub(super) fn connect(address: SocketAddr, count: usize) -> io::Result<Self> {
        let streams = (0..count).map(|_| {
            let stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            Ok(stream)
        });
        Ok(Self {
            streams: streams.collect::<io::Result<_>>()?,
        })
    }

    /// Sends a byte on every other connection every `step` for `time`, and returns how many bytes
    /// that were.
    pub(super) fn trickle(&mut self, time: Duration, step: Duration) -> u64 {
        let frame = Raw::frame(Raw::ONE_SHOT, ECHO, 1, &[0; 1_000]);
        let until = Instant::now() + time;
        let mut sent = 0;
        for byte in frame {
            for stream in self.streams.iter_mut().step_by(2) {
                // The server may have had enough of it.
                sent += stream.write(&[byte]).unwrap_or(0) as u64;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            thread::sleep(step.min(left));
        }
        sent
    }

    /// How many the server has ended.
    pub(super) fn ended(&mut self) -> u64 {
        self.streams
            .iter_mut()
            .map(|stream| u64::from(has_ended(stream)))
            .sum()
    }
}

fn has_ended(stream: &mut TcpStream) -> bool {
    let mut rest = [0; 1_024];
    loop {
        match stream.read(&mut rest) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != ErrorKind::WouldBlock,
        }
    }
}
