//! A hostile client: one connection after the other, until its time is over.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use oap_core::wire::{Decoder, MAX_FRAME};

use super::Attack;
use crate::suite::peer::{orders, say};

/// A write that makes no progress for this long has stalled.
const STALLED: Duration = Duration::from_millis(50);

/// What a foe has done and met. Its line of text has the numbers in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Met {
    /// Units of the attack that were sent.
    pub units: u64,
    /// Connections made.
    pub connections: u64,
    /// Writes that the server let wait.
    pub stalls: u64,
    /// Exchanges answered with 400 and up.
    pub refusals: u64,
    /// Connections that the server has ended with 429 `flood`.
    pub floods: u64,
}

impl Met {
    fn numbers(&self) -> [u64; 5] {
        [
            self.units,
            self.connections,
            self.stalls,
            self.refusals,
            self.floods,
        ]
    }

    /// Both together.
    pub(super) fn add(&mut self, other: Self) {
        self.units += other.units;
        self.connections += other.connections;
        self.stalls += other.stalls;
        self.refusals += other.refusals;
        self.floods += other.floods;
    }
}

impl fmt::Display for Met {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.numbers().map(|number| number.to_string());
        f.write_str(&words.join(" "))
    }
}

impl FromStr for Met {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Vec<u64> = text.split(' ').flat_map(str::parse).collect();
        let [units, connections, stalls, refusals, floods] = numbers[..] else {
            return Err(format!("{text:?}: must be five numbers"));
        };
        Ok(Self {
            units,
            connections,
            stalls,
            refusals,
            floods,
        })
    }
}

/// The role of a hostile process: for each line `ADDRESS MILLISECONDS` it attacks for that time and
/// says what it met.
///
/// # Errors
/// One line that says what is wrong.
pub fn enemy(attack: &str) -> Result<(), String> {
    let attack = Attack::named(attack).ok_or(format!("attack {attack}: is not on the list"))?;
    say("ready");
    for order in orders() {
        let (address, millis) = order.split_once(' ').ok_or("an order has two words")?;
        let address = address.parse().map_err(|_| "an order has an address")?;
        let millis = millis.parse().map_err(|_| "an order has a time")?;
        let mut foe = Foe::new(address, Duration::from_millis(millis));
        while foe.goes_on() {
            // A connection that the server has ended is what the next one is for.
            let _ = (attack.assault)(&mut foe);
        }
        say(&format!("met {}", foe.met()));
    }
    Ok(())
}

/// One hostile client.
pub(super) struct Foe {
    address: SocketAddr,
    until: Instant,
    met: Met,
    heard: Arc<Heard>,
}

/// What the server has said.
#[derive(Default)]
struct Heard {
    refusals: AtomicU64,
    floods: AtomicU64,
}

impl Foe {
    fn new(address: SocketAddr, time: Duration) -> Self {
        Self {
            address,
            until: Instant::now() + time,
            met: Met::default(),
            heard: Arc::default(),
        }
    }

    fn met(&self) -> Met {
        Met {
            refusals: self.heard.refusals.load(Ordering::Relaxed),
            floods: self.heard.floods.load(Ordering::Relaxed),
            ..self.met
        }
    }

    /// Whether its time is not over.
    pub(super) fn goes_on(&self) -> bool {
        Instant::now() < self.until
    }

    /// A connection whose answers are read and counted.
    pub(super) fn connect(&mut self) -> io::Result<Line> {
        let mut line = self.connect_deaf()?;
        let (stream, heard) = (line.stream.try_clone()?, self.heard.clone());
        line.reader = Some(thread::spawn(move || hear(stream, &heard)));
        Ok(line)
    }

    /// A connection whose answers nobody reads.
    pub(super) fn connect_deaf(&mut self) -> io::Result<Line> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(STALLED))?;
        self.met.connections += 1;
        Ok(Line {
            stream,
            reader: None,
        })
    }

    /// Sends so many units of the attack, and waits as long as the server does not take them.
    ///
    /// # Errors
    /// The connection has ended, or the time is over.
    pub(super) fn send(&mut self, line: &mut Line, bytes: &[u8], units: u64) -> io::Result<()> {
        let mut left = bytes;
        let mut stalled = false;
        while !left.is_empty() {
            if !self.goes_on() {
                return Err(ErrorKind::TimedOut.into());
            }
            match line.stream.write(left) {
                Ok(count) => left = &left[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.met.stalls += u64::from(!stalled);
                    stalled = true;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.met.units += units;
        Ok(())
    }
}

/// A connection of a foe.
pub(super) struct Line {
    stream: TcpStream,
    reader: Option<JoinHandle<()>>,
}

impl Drop for Line {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.stream.shutdown(Shutdown::Both);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

fn hear(mut stream: TcpStream, heard: &Heard) {
    let (mut decoder, mut input) = (Decoder::new(MAX_FRAME), BytesMut::new());
    let mut block = [0; 16 * 1024];
    while let Ok(count @ 1..) = stream.read(&mut block) {
        input.extend_from_slice(&block[..count]);
        while let Ok(Some(frame)) = decoder.decode(&mut input) {
            let header = frame.header;
            if !header.code.is_error() {
                continue;
            }
            let of_connection = header.app_proto_id == 0 && header.corr_id == 0;
            let counter = if of_connection {
                &heard.floods
            } else {
                &heard.refusals
            };
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }
}
