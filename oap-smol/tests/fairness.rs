//! A busy connection must not keep others, or those that are to come, from their turn: smol has no
//! budget of its own that would see to it. The servers here run on one thread each.

mod support;

use std::cell::RefCell;
use std::future::{Ready, poll_fn, ready};
use std::io;
use std::iter::repeat_n;
use std::mem::replace;
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use futures_util::future::{join_all, try_join_all};
use futures_util::{AsyncReadExt, AsyncWriteExt};
use hdrhistogram::Histogram;
use oap_core::driver::test_apps::{self, ECHO};
use oap_core::driver::{Accepted, Clock, Listener, Runtime, Transport};
use oap_core::wire::{Flags, Header, MIN_LEN};
use oap_smol::*;
use smol::Async;
use smol::channel::{self, Sender};

/// Body of each request, in bytes.
const BODY: usize = 4 * 1024;

/// Requests that each connection keeps under way.
const DEPTH: usize = 16;

/// New connections, one after the other.
const TRIES: usize = 15;

/// Time for the first answer on most of them.
const SOON: Duration = Duration::from_millis(100);

/// One measurement at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// A server whose thread nothing else runs on.
struct OneThread {
    address: SocketAddr,
    // Dropped, it stops the server.
    _running: Sender<()>,
}

impl OneThread {
    fn start() -> Self {
        Self::start_with(Floods(0))
    }

    fn start_with(floods: Floods) -> Self {
        let (tell, told) = mpsc::channel();
        let (running, stopped) = channel::bounded::<()>(1);
        thread::spawn(move || {
            support::run(|runtime| async move {
                let listener = support::listen().await;
                let address = listener.local_addr().expect("its address");
                let service = || test_apps::service(&runtime);
                let (config, options) = (Config::default(), ServerOptions::default());
                let _server = Server::start(&runtime, listener, service(), config.clone(), options);
                let _floods = Server::start(&runtime, floods, service(), config, options);
                tell.send(address).expect("a test that waits for it");
                let _ = stopped.recv().await;
            });
        });
        Self {
            address: told.recv().expect("a server"),
            _running: running,
        }
    }
}

/// Clients on a thread of their own.
struct Busy {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Histogram<u64>>,
}

impl Busy {
    /// Keeps [`DEPTH`] requests under way on each of so many connections.
    fn start(address: SocketAddr, connections: usize) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let until = over.clone();
        let (tell, told) = mpsc::channel();
        let thread = thread::spawn(move || {
            let mut times = None;
            support::run(async |runtime| {
                let sessions = (0..connections).map(|_| open(address, &runtime));
                let sessions = try_join_all(sessions).await.expect("connections");
                tell.send(()).expect("a test that waits for it");
                times = Some(keep_busy(&sessions, &until).await);
            });
            times.expect("times")
        });
        told.recv().expect("connections");
        Self { over, thread }
    }

    /// Ends them. Returns how long each request took, in microseconds.
    fn stop(self) -> Histogram<u64> {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().expect("answers")
    }
}

async fn keep_busy(sessions: &[Session], over: &AtomicBool) -> Histogram<u64> {
    let times = RefCell::new(Histogram::new(3).expect("a histogram"));
    let callers = sessions.iter().flat_map(|session| repeat_n(session, DEPTH));
    let calls = callers.map(async |session| {
        // Nothing has settled yet when all begin at once.
        let mut settled = false;
        while !over.load(Ordering::Relaxed) {
            let sent = Instant::now();
            echo(session).await;
            if settled {
                let took = sent.elapsed().as_micros() as u64;
                times.borrow_mut().record(took).expect("a time");
            }
            settled = true;
        }
    });
    join_all(calls).await;
    times.into_inner()
}

async fn open(address: SocketAddr, runtime: &SmolRuntime) -> Result<Session, HandshakeError> {
    let transport = connect(address, &TcpOptions::default()).await?;
    let session = Session::connect(runtime, transport, Config::default()).await;
    Ok(session.expect("a HELLO"))
}

async fn echo(session: &Session) {
    let body = Bytes::from(vec![7; BODY]);
    let response = session.request(Head::new(ECHO), body.clone()).await;
    assert_eq!(response.expect("an answer").body, body);
}

/// How long new connections wait for their first answer, sorted.
fn first_answers(address: SocketAddr) -> [Duration; TRIES] {
    let mut times = [Duration::ZERO; TRIES];
    for time in &mut times {
        let began = Instant::now();
        support::run(async |runtime| {
            let served = support::timeout(Duration::from_secs(5), async {
                let session = open(address, &runtime).await;
                echo(&session.expect("a connection")).await;
            });
            served.await.expect("an answer within 5 s");
        });
        *time = began.elapsed();
    }
    times.sort_unstable();
    println!("first answers after {times:?}");
    times
}

#[test]
fn a_ninth_connection_is_served_while_eight_are_busy() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let server = OneThread::start();
    let busy: Vec<Busy> = (0..8).map(|_| Busy::start(server.address, 1)).collect();
    let times = first_answers(server.address);
    let served: Vec<u64> = busy.into_iter().map(|busy| busy.stop().len()).collect();
    assert!(times[TRIES / 2] < SOON, "{times:?}");
    let (least, most) = (served.iter().min(), served.iter().max());
    assert!(least.unwrap() * 10 > *most.unwrap(), "{served:?}");
}

/// A peer that is never waited for: there is always a block of requests to read from it, and it
/// takes every answer at once.
struct Endless {
    info: ConnectionInfo,
    requests: u64,
}

impl Transport for Endless {
    fn info(&self) -> &ConnectionInfo {
        &self.info
    }

    fn poll_read(&mut self, _cx: &mut Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<usize>> {
        let held = buf.len();
        for _ in 0..DEPTH {
            self.requests += 1;
            let header = Header {
                len: MIN_LEN + BODY as u32,
                flags: Flags::from_bits(0x19),
                code: Code::OK,
                app_proto_id: ECHO,
                tenant_id: 0,
                cap_len: 0,
                corr_id: self.requests,
            };
            buf.extend_from_slice(&header.encode());
            buf.resize(buf.len() + BODY, 7);
        }
        Poll::Ready(Ok(buf.len() - held))
    }

    fn poll_write(&mut self, _cx: &mut Context<'_>, data: &mut dyn Buf) -> Poll<io::Result<usize>> {
        let count = data.remaining();
        data.advance(count);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// So many [`Endless`] peers.
struct Floods(usize);

impl Listener for Floods {
    type Transport = Endless;
    type Handshake = Ready<Result<Endless, HandshakeError>>;

    fn poll_accept(
        &mut self,
        _cx: &mut Context<'_>,
    ) -> Poll<io::Result<Accepted<Self::Handshake>>> {
        if self.0 == 0 {
            return Poll::Pending;
        }
        self.0 -= 1;
        let info = ConnectionInfo::new("endless");
        Poll::Ready(Ok(Accepted {
            peer: None,
            handshake: ready(Ok(Endless { info, requests: 0 })),
        }))
    }
}

#[test]
fn connections_that_never_pause_keep_nobody_out() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let server = OneThread::start_with(Floods(4));
    let times = first_answers(server.address);
    assert!(times[TRIES / 2] < SOON, "{times:?}");
}

#[test]
fn two_hundred_busy_connections_wait_about_equally_long() {
    const ATTEMPTS: usize = 5;
    const MOST: f64 = 3.0;
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let server = OneThread::start();
    // A machine that does something else meanwhile adds to the longest times. It does not shorten
    // them, so one attempt that holds is proof.
    let ratios = (0..ATTEMPTS).map(|_| {
        let busy = Busy::start(server.address, 200);
        thread::sleep(Duration::from_secs(2));
        let times = busy.stop();
        let (p50, p99) = (times.value_at_quantile(0.5), times.value_at_quantile(0.99));
        let ratio = p99 as f64 / p50 as f64;
        let count = times.len();
        println!("{count} requests: p50 {p50} us, p99 {p99} us, ratio {ratio:.2}");
        ratio
    });
    let above = ratios.take_while(|ratio| *ratio > MOST).count();
    assert!(above < ATTEMPTS, "p99 / p50 is above {MOST} each time");
}

async fn yield_to(clock: &mut impl Clock) {
    let mut yielded = false;
    poll_fn(|cx| {
        if replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        clock.yield_now(cx);
        Poll::Pending
    })
    .await;
}

#[test]
fn sockets_are_looked_at_before_who_yields_goes_on() {
    support::run(async |runtime: SmolRuntime| {
        let (near, far) = UnixStream::pair().expect("two sockets");
        let (mut near, mut far) = (
            Async::new(near).expect("a socket"),
            Async::new(far).expect("a socket"),
        );
        let heard = Arc::new(AtomicBool::new(false));
        let (hears, mut clock) = (heard.clone(), runtime.clock());
        let (tell, told) = channel::bounded(1);
        runtime.spawn(async move {
            far.read_exact(&mut [0]).await.expect("a byte");
            hears.store(true, Ordering::Relaxed);
        });
        runtime.spawn(async move {
            yield_to(&mut clock).await;
            near.write_all(b"x").await.expect("a byte");
            let mut yields = 0;
            while !heard.load(Ordering::Relaxed) {
                yield_to(&mut clock).await;
                yields += 1;
            }
            tell.send(yields).await.expect("who waits for it");
        });
        let yields = told.recv().await.expect("it ends");
        assert!(yields <= 3, "{yields} turns before a socket had one");
    });
}
