//! A relay in user space that delays, loses, slows down and resets, for kernels without a network emulator.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use oap_core::testing::Rng;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use crate::suite::{Address, Target, Wire};

/// What of a TCP stream is lost and sent again in one piece, in bytes.
const SEGMENT: usize = 1_460;
/// Segments and datagrams that may be under way in one direction.
const UNDER_WAY: usize = 8_192;

/// What a path does to what goes over it.
#[derive(Clone, Copy, Debug)]
pub struct Path {
    /// There and back.
    pub round_trip: Duration,
    /// What each piece may be late besides, at most. The order of a TCP stream stays.
    pub jitter: Duration,
    /// Bytes per second and direction of each connection; 0 is without limit. TCP only.
    pub bytes_per_second: u64,
    /// Of a hundred.
    pub loss_percent: u64,
    /// Of a thousand segments, after how many the connection is reset. TCP only.
    pub resets_per_thousand: u64,
    /// Of the generator that decides what is lost.
    pub seed: u64,
}

impl Path {
    /// Nothing is late and nothing lost.
    pub const fn good(seed: u64) -> Self {
        Self {
            round_trip: Duration::ZERO,
            jitter: Duration::ZERO,
            bytes_per_second: 0,
            loss_percent: 0,
            resets_per_thousand: 0,
            seed,
        }
    }

    /// 150 ms there and back, 5 of 100 lost.
    pub const fn bad(seed: u64) -> Self {
        Self {
            round_trip: Duration::from_millis(150),
            loss_percent: 5,
            ..Self::good(seed)
        }
    }
}

/// Passes on what comes, late, and not all of it: a lost datagram is gone; a lost segment of a TCP
/// stream comes two round trips later, as a retransmission would, and holds up what is behind it.
pub struct LossyRelay {
    target: Target,
    dice: Dice,
    _runtime: Runtime,
}

impl LossyRelay {
    /// A relay to a server.
    ///
    /// # Panics
    /// If it cannot listen, or on a Unix domain socket.
    pub fn to(target: &Target, path: Path) -> Self {
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let dice = Dice::new(path);
        let (to, wire) = (target.socket(), target.wire);
        let address = runtime.block_on(async {
            match wire {
                Wire::Quic => relay_udp(to, dice.clone()).await,
                _ => relay_tcp(to, dice.clone()).await,
            }
        });
        Self {
            target: Target {
                address: Address::Socket(address.expect("a relay")),
                ..target.clone()
            },
            dice,
            _runtime: runtime,
        }
    }

    /// The server, through this relay.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Connections that were reset.
    pub fn resets(&self) -> u64 {
        self.dice.0.resets.load(Ordering::Relaxed)
    }

    /// Datagrams or segments that have come, and how many of them were lost.
    pub fn lost_of(&self) -> (u64, u64) {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (count(&self.dice.0.lost), count(&self.dice.0.thrown))
    }
}

/// Decides what is lost. Clones share it.
#[derive(Clone)]
struct Dice(Arc<Cup>);

struct Cup {
    rng: Mutex<Rng>,
    path: Path,
    thrown: AtomicU64,
    lost: AtomicU64,
    resets: AtomicU64,
}

impl Dice {
    fn new(path: Path) -> Self {
        Self(Arc::new(Cup {
            rng: Mutex::new(Rng::new(path.seed)),
            path,
            thrown: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            resets: AtomicU64::new(0),
        }))
    }

    fn throw(&self, sides: u64) -> u64 {
        let mut rng = self.0.rng.lock().unwrap_or_else(PoisonError::into_inner);
        rng.range(1, sides)
    }

    fn loses(&self) -> bool {
        let lost = self.throw(100) <= self.0.path.loss_percent;
        self.0.thrown.fetch_add(1, Ordering::Relaxed);
        self.0.lost.fetch_add(u64::from(lost), Ordering::Relaxed);
        lost
    }

    fn resets(&self) -> bool {
        let per_thousand = self.0.path.resets_per_thousand;
        let reset = per_thousand > 0 && self.throw(1_000) <= per_thousand;
        self.0.resets.fetch_add(u64::from(reset), Ordering::Relaxed);
        reset
    }

    /// How long a piece takes that is not lost.
    fn delay(&self) -> Duration {
        let Path {
            round_trip, jitter, ..
        } = self.0.path;
        let most = u64::try_from(jitter.as_micros()).unwrap_or(u64::MAX);
        let late = if most == 0 { 0 } else { self.throw(most) };
        round_trip / 2 + Duration::from_micros(late)
    }

    /// How long so many bytes take on their way out.
    fn pace(&self, count: usize) -> Duration {
        match self.0.path.bytes_per_second {
            0 => Duration::ZERO,
            rate => Duration::from_secs_f64(count as f64 / rate as f64),
        }
    }
}

/// Bytes and when they arrive.
type Late = (Instant, Vec<u8>);

async fn relay_udp(to: SocketAddr, dice: Dice) -> io::Result<SocketAddr> {
    let near = Arc::new(UdpSocket::bind("127.0.0.1:0").await?);
    let address = near.local_addr()?;
    tokio::spawn(async move {
        let mut senders = HashMap::<SocketAddr, mpsc::Sender<Late>>::new();
        let mut datagram = vec![0; 65_536];
        while let Ok((count, client)) = near.recv_from(&mut datagram).await {
            let sender = match senders.get(&client) {
                Some(sender) => sender,
                None => {
                    let far = Arc::new(UdpSocket::bind("127.0.0.1:0").await?);
                    far.connect(to).await?;
                    let back = deliver_datagrams(near.clone(), Some(client));
                    tokio::spawn(hold_datagrams(far.clone(), dice.clone(), back));
                    let there = deliver_datagrams(far, None);
                    senders.entry(client).or_insert(there)
                }
            };
            hold(sender, &dice, &datagram[..count]);
        }
        io::Result::Ok(())
    });
    Ok(address)
}

async fn hold_datagrams(from: Arc<UdpSocket>, dice: Dice, to: mpsc::Sender<Late>) {
    let mut datagram = vec![0; 65_536];
    while let Ok(count) = from.recv(&mut datagram).await {
        hold(&to, &dice, &datagram[..count]);
    }
}

/// A datagram goes on its way, or is lost. So is one for which there is no room.
fn hold(to: &mpsc::Sender<Late>, dice: &Dice, datagram: &[u8]) {
    if !dice.loses() {
        let due = Instant::now() + dice.delay();
        let _ = to.try_send((due, datagram.to_vec()));
    }
}

fn deliver_datagrams(from: Arc<UdpSocket>, to: Option<SocketAddr>) -> mpsc::Sender<Late> {
    let (sender, mut late) = mpsc::channel::<Late>(UNDER_WAY);
    tokio::spawn(async move {
        while let Some((due, datagram)) = late.recv().await {
            sleep_until(due).await;
            // Nobody may be there any more.
            let _ = match to {
                Some(client) => from.send_to(&datagram, client).await,
                None => from.send(&datagram).await,
            };
        }
    });
    sender
}

async fn relay_tcp(to: SocketAddr, dice: Dice) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let far = TcpStream::connect(to).await?;
            for stream in [&near, &far] {
                stream.set_nodelay(true)?;
            }
            let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
            let reset = Arc::new(watch::Sender::new(false));
            tokio::spawn(relay_stream(from_near, to_far, dice.clone(), reset.clone()));
            tokio::spawn(relay_stream(from_far, to_near, dice.clone(), reset));
        }
        io::Result::Ok(())
    });
    Ok(address)
}

async fn relay_stream(
    mut from: OwnedReadHalf,
    to: OwnedWriteHalf,
    dice: Dice,
    reset: Arc<watch::Sender<bool>>,
) {
    let mut is_reset = reset.subscribe();
    let (sender, late) = mpsc::channel(UNDER_WAY);
    tokio::spawn(deliver_stream(to, late, reset.clone()));
    let mut last = Instant::now();
    let mut segment = [0; SEGMENT];
    loop {
        let count = tokio::select! {
            read = from.read(&mut segment) => read.unwrap_or(0),
            _ = is_reset.wait_for(|reset| *reset) => return,
        };
        if count == 0 {
            return;
        }
        if dice.resets() {
            reset.send_replace(true);
            return;
        }
        let again = if dice.loses() {
            2 * dice.0.path.round_trip
        } else {
            Duration::ZERO
        };
        last = last.max(Instant::now() + dice.delay() + again) + dice.pace(count);
        let piece = (last, segment[..count].to_vec());
        if sender.send(piece).await.is_err() {
            return;
        }
    }
}

/// At the stream's end, or when its reader is gone, the other half is closed as it is dropped.
async fn deliver_stream(
    mut to: OwnedWriteHalf,
    mut late: mpsc::Receiver<Late>,
    reset: Arc<watch::Sender<bool>>,
) {
    let deliver = async {
        while let Some((due, segment)) = late.recv().await {
            sleep_until(due).await;
            if to.write_all(&segment).await.is_err() {
                return;
            }
        }
    };
    let mut is_reset = reset.subscribe();
    let is_reset = tokio::select! {
        () = deliver => false,
        _ = is_reset.wait_for(|reset| *reset) => true,
    };
    if is_reset {
        // What is under way is thrown away, and no end of the stream is sent before the reset.
        let _ = SockRef::from(to.as_ref()).set_linger(Some(Duration::ZERO));
        to.forget();
    }
}
