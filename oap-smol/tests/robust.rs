//! Slow and hostile peers, over real sockets: what depends on smol's tasks, timers and sockets.

mod support;

use std::future::{Ready, poll_fn};
use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use async_io::Async;
use bytes::{Bytes, BytesMut};
use futures_util::future::{join, join_all};
use futures_util::{AsyncReadExt, AsyncWriteExt};
use oap_core::Timestamp;
use oap_core::driver::test_apps::{self, DELAY, ECHO, SOURCE};
use oap_core::driver::{Accepted, Listener};
use oap_core::wire::{Decoder, Flags, Frame, Header, MAX_FRAME, MIN_LEN};
use oap_smol::*;
use smol::Timer;

use support::{
    Over, Started, echo_works, eventually, listen, run, run_on_global, serve, start, start_over,
    start_service, timeout,
};

const ONE_SHOT: Flags = Flags::from_bits(0x19);

fn request(app: u16, corr_id: u64, payload: &[u8]) -> Vec<u8> {
    let header = Header {
        len: MIN_LEN + payload.len() as u32,
        flags: ONE_SHOT,
        code: Code::OK,
        app_proto_id: app,
        tenant_id: 0,
        cap_len: 0,
        corr_id,
    };
    let mut frame = header.encode().to_vec();
    frame.extend_from_slice(payload);
    frame
}

async fn read_frames(stream: &mut Async<TcpStream>, count: usize) -> Vec<Frame> {
    let (mut decoder, mut buf, mut frames) = (Decoder::new(MAX_FRAME), BytesMut::new(), Vec::new());
    let mut block = [0; 4096];
    while frames.len() < count {
        while let Some(frame) = decoder.decode(&mut buf).expect("a well-formed frame") {
            frames.push(frame);
        }
        if frames.len() < count {
            let got = stream.read(&mut block).await.expect("a read");
            assert!(got > 0, "it ended after {} of {count} frames", frames.len());
            buf.extend_from_slice(&block[..got]);
        }
    }
    frames
}

async fn raw(server: &Started) -> Async<TcpStream> {
    let stream = Async::<TcpStream>::connect(server.address()).await;
    stream.expect("a connection")
}

fn with_timers(timers: Timers) -> Config {
    Config {
        timers,
        ..Config::default()
    }
}

#[test]
fn a_request_before_the_end_of_the_stream_is_still_answered() {
    run(async |runtime| {
        let server = start(runtime).await;
        let mut stream = raw(&server).await;
        let soon = request(DELAY, 1, &50_u32.to_le_bytes());
        stream.write_all(&soon).await.unwrap();
        stream.get_ref().shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_frames(&mut stream, 1).await[0].header.corr_id, 1);
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 0, "then it closes");
    });
}

#[test]
fn a_peer_that_never_reads_is_cut_off_while_others_go_on() {
    run(async |runtime| {
        let config = with_timers(Timers {
            write: Duration::from_millis(300),
            ..Timers::default()
        });
        let server = start_over(runtime, Over::Tcp, config).await;
        let mut stream = raw(&server).await;
        let much = (1_u64 << 30).to_le_bytes();
        for corr_id in 1..=64 {
            let request = request(SOURCE, corr_id, &much);
            stream.write_all(&request).await.unwrap();
        }
        eventually("it is up", || server.server.stats().connections == 1).await;
        echo_works(&server).await;
        eventually("it is cut off", || server.server.stats().connections == 0).await;
    });
}

#[test]
fn an_abrupt_reset_leaves_nothing_behind() {
    run(async |runtime| {
        let server = start(runtime).await;
        for _ in 0..20 {
            let mut stream = raw(&server).await;
            let much = request(SOURCE, 1, &(1_u64 << 30).to_le_bytes());
            stream.write_all(&much).await.unwrap();
            read_frames(&mut stream, 2).await;
            let socket = socket2::SockRef::from(stream.get_ref());
            socket.set_linger(Some(Duration::ZERO)).unwrap();
        }
        eventually("all are gone", || server.server.stats().connections == 0).await;
        echo_works(&server).await;
    });
}

#[test]
fn a_frame_that_trickles_is_cut_off() {
    run(async |runtime| {
        let config = with_timers(Timers {
            frame: Duration::from_millis(200),
            ..Timers::default()
        });
        let server = start_over(runtime, Over::Tcp, config).await;
        let mut stream = raw(&server).await;
        let trickle = async {
            for byte in request(ECHO, 1, &[7; 1_000]) {
                if stream.write_all(&[byte]).await.is_err() {
                    return;
                }
                Timer::after(Duration::from_millis(5)).await;
            }
        };
        let cut = eventually("it is cut off", || {
            let stats = server.server.stats();
            stats.accepted == 1 && stats.connections == 0
        });
        join(trickle, cut).await;
    });
}

/// A listener that fails as one without descriptors does.
struct Flaky {
    inner: TcpListener,
    failures: usize,
}

impl Listener for Flaky {
    type Transport = TcpTransport;
    type Handshake = Ready<Result<TcpTransport, HandshakeError>>;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted<Self::Handshake>>> {
        const EMFILE: i32 = 24;
        if self.failures > 0 {
            self.failures -= 1;
            return Poll::Ready(Err(io::Error::from_raw_os_error(EMFILE)));
        }
        self.inner.poll_accept(cx)
    }
}

#[test]
fn the_accept_loop_outlives_a_want_of_descriptors() {
    run(async |runtime| {
        let inner = listen().await;
        let address = inner.local_addr().unwrap();
        let listener = Flaky { inner, failures: 4 };
        let server = serve(runtime, listener, address, ServerOptions::default());
        echo_works(&server).await;
        assert_eq!(server.server.stats().accept_errors, 4);
    });
}

#[test]
fn connections_beyond_the_cap_wait_for_a_place() {
    run(async |runtime| {
        let listener = listen().await;
        let address = listener.local_addr().unwrap();
        let options = ServerOptions::default().with_max_connections(2);
        let server = serve(runtime, listener, address, options);
        let held = [server.connect().await, server.connect().await];
        let third = timeout(Duration::from_millis(200), server.connect()).await;
        assert!(third.is_none(), "a third is served beyond the cap of two");
        drop(held);
        echo_works(&server).await;
    });
}

async fn a_handler_panics(runtime: SmolRuntime) {
    let service = test_apps::service(&runtime).handle(9, |incoming: Incoming| async move {
        let _incoming = incoming;
        panic!("as the test wants it");
    });
    let server = start_service(runtime, Over::Tcp, Config::default(), service).await;
    let session = server.connect().await;
    let response = session.request(Head::new(9), Bytes::new()).await.unwrap();
    assert_eq!(
        (response.code, response.reason()),
        (Code::INTERNAL, Some(Reason::Internal))
    );
    let response = session.request(Head::new(ECHO), "on").await.unwrap();
    assert_eq!(&response.body[..], b"on");
}

#[test]
fn a_handler_that_panics_costs_its_exchange_only() {
    run(a_handler_panics);
}

#[test]
fn a_handler_that_panics_on_the_global_executor_costs_its_exchange_only() {
    run_on_global(a_handler_panics);
}

/// A runtime that counts how often its tasks are polled.
#[derive(Clone)]
struct Counting {
    inner: SmolRuntime,
    polls: Arc<AtomicUsize>,
}

impl oap_core::driver::Runtime for Counting {
    type Clock = SmolClock;

    fn now(&self) -> Timestamp {
        self.inner.now()
    }

    fn clock(&self) -> SmolClock {
        self.inner.clock()
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let polls = self.polls.clone();
        let mut task = Box::pin(task);
        self.inner.spawn(poll_fn(move |cx| {
            polls.fetch_add(1, Ordering::Relaxed);
            task.as_mut().poll(cx)
        }));
    }
}

#[test]
fn a_caller_that_waits_keeps_nobody_awake() {
    // The caller is polled whenever a task of its executor is woken.
    run(async |runtime| {
        let server = start(runtime.clone()).await;
        let polls = Arc::<AtomicUsize>::default();
        let counting = Counting {
            inner: runtime,
            polls: polls.clone(),
        };
        let transport = connect(server.address(), &TcpOptions::default()).await;
        let session = Session::connect(&counting, transport.unwrap(), Config::default());
        let session = session.await.unwrap();
        let soon = Bytes::copy_from_slice(&200_u32.to_le_bytes());
        let delay = || session.request(Head::new(DELAY), soon.clone());
        delay().await.unwrap();
        // As many as may be open at once, so that the next waits for its turn.
        let mut open = Vec::new();
        while let Ok(one) = session.try_open(Head::new(DELAY), soon.clone(), Fin::End) {
            open.push(one);
        }
        delay().await.unwrap();
        let polls = polls.load(Ordering::Relaxed);
        assert!(polls < 100, "{polls} polls of the connection's task");
    });
}

#[test]
fn a_drain_cuts_off_what_does_not_end() {
    run(async |runtime| {
        let server = start(runtime).await;
        let session = server.connect().await;
        let long = Bytes::copy_from_slice(&60_000_u32.to_le_bytes());
        let request = session.request(Head::new(DELAY), long);
        let drain = async {
            // Frames come in order: once the PING is answered, the request has arrived.
            session.ping().await.expect("a PONG");
            let time = Duration::from_millis(200);
            server.server.drain(&server.runtime, time).await
        };
        let (outcome, report) = join(request, drain).await;
        assert!(outcome.is_err());
        assert_eq!((report.drained, report.aborted), (0, 1));
        assert_eq!(server.server.stats().connections, 0);
    });
}

#[test]
fn a_storm_of_handshakes_is_worked_off_by_two_threads() {
    let executor = Arc::new(smol::Executor::new());
    let runtime = SmolRuntime::new(executor.clone());
    let (running, over) = smol::channel::bounded::<()>(1);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| smol::block_on(executor.run(over.recv())));
        }
        run(async |_| {
            let server = start_over(runtime, Over::Tls, Config::default()).await;
            join_all((0..150).map(|_| echo_works(&server))).await;
            let stats = server.server.stats();
            assert_eq!((stats.accepted, stats.handshakes_failed), (150, 0));
        });
        drop(running);
    });
}

#[test]
fn peers_that_say_nothing_keep_nobody_out() {
    run(async |runtime| {
        let server = start_over(runtime, Over::Tls, Config::default()).await;
        let places = ServerOptions::default().handshakes;
        let silent = join_all((0..4 * places).map(|_| raw(&server))).await;
        echo_works(&server).await;
        let failed = || server.server.stats().handshakes_failed as usize;
        assert_eq!(failed(), 0, "nobody had to give up a place for it");
        eventually("they have had their time", || failed() == 4 * places).await;
        drop(silent);
    });
}

#[test]
fn handshakes_that_stop_half_way_give_their_places_back() {
    run(async |runtime| {
        let server = start_over(runtime, Over::Tls, Config::default()).await;
        let mut stopped = Vec::new();
        for _ in 0..ServerOptions::default().handshakes {
            let mut stream = raw(&server).await;
            stream.write_all(&[22, 3, 1]).await.unwrap();
            stopped.push(stream);
        }
        echo_works(&server).await;
    });
}
