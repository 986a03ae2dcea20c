//! What a server limits and how it stops, over in-memory streams in virtual time.

use std::future::{Future, pending, ready};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use oap_core::driver::test_apps::{self, ECHO, SOURCE};
use oap_core::driver::{Accepted, Listener, Rates};
use oap_tokio::{
    CloseReason, Code, Config, ConnectionInfo, Fin, HandshakeError, Head, Limits, Server,
    ServerOptions, Service, Session, Start, StreamTransport, TokioRuntime, Verdict,
};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

type Transport = StreamTransport<Far>;
type Handshake = Pin<Box<dyn Future<Output = Result<Transport, HandshakeError>> + Send>>;

/// The server's end of a stream, which may never get to its end.
struct Far {
    stream: DuplexStream,
    closes: bool,
}

impl AsyncRead for Far {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Far {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.closes {
            Pin::new(&mut self.stream).poll_shutdown(cx)
        } else {
            Poll::Pending
        }
    }
}

/// Accepts what a [`Dialler`] sends.
struct Memory(mpsc::UnboundedReceiver<Accepted<Handshake>>);

impl Listener for Memory {
    type Transport = Transport;
    type Handshake = Handshake;

    fn backend(&self) -> &'static str {
        "memory"
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted<Handshake>>> {
        match self.0.poll_recv(cx) {
            Poll::Ready(Some(accepted)) => Poll::Ready(Ok(accepted)),
            _ => Poll::Pending,
        }
    }
}

struct Dialler(mpsc::UnboundedSender<Accepted<Handshake>>);

impl Dialler {
    fn new() -> (Self, Memory) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), Memory(receiver))
    }

    fn stream(&self, peer: &str) -> DuplexStream {
        self.dial(peer, true)
    }

    fn dial(&self, peer: &str, closes: bool) -> DuplexStream {
        let (near, stream) = tokio::io::duplex(64 * 1024);
        let far = Far { stream, closes };
        let mut info = ConnectionInfo::new("memory");
        info.peer = Some(peer.parse::<SocketAddr>().unwrap());
        let peer = info.peer_key();
        let handshake: Handshake =
            Box::pin(std::future::ready(Ok(StreamTransport::new(far, info))));
        assert!(self.0.send(Accepted { peer, handshake }).is_ok());
        near
    }

    async fn connect(&self, peer: &str) -> Result<Session, oap_tokio::ConnectError> {
        let transport = StreamTransport::new(self.stream(peer), ConnectionInfo::new("memory"));
        Session::connect(&TokioRuntime::current(), transport, Config::default()).await
    }
}

fn start(options: ServerOptions) -> (Server, Dialler) {
    start_with(
        Config::default(),
        test_apps::service(&TokioRuntime::current()),
        options,
    )
}

fn start_with(config: Config, service: Service, options: ServerOptions) -> (Server, Dialler) {
    let (dialler, listener) = Dialler::new();
    let server = Server::start(&TokioRuntime::current(), listener, service, config, options);
    (server, dialler)
}

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let wait = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(Duration::from_secs(30), wait).await.expect(what);
}

#[tokio::test(start_paused = true)]
async fn a_peer_gets_as_many_connections_as_it_may() {
    let (server, dialler) = start(ServerOptions::default().with_per_peer_connections(2));
    let one = dialler.connect("192.0.2.1:1").await.unwrap();
    let two = dialler.connect("192.0.2.1:2").await.unwrap();
    assert!(dialler.connect("192.0.2.1:3").await.is_err());
    assert_eq!(server.stats().refused_peers, 1);
    let other = dialler.connect("192.0.2.2:1").await.unwrap();
    assert_eq!(server.stats().connections, 3);

    drop(one);
    until("its place is free again", || {
        server.stats().connections == 2
    })
    .await;
    let again = dialler.connect("192.0.2.1:4").await.unwrap();
    for session in [two, other, again] {
        let answer = session.request(Head::new(ECHO), &b"hi"[..]).await.unwrap();
        assert_eq!(answer.body, "hi");
    }
}

/// How long an echo of a MiB takes.
async fn time_of_an_echo(session: &Session) -> Duration {
    let (began, body) = (Instant::now(), vec![7; 1024 * 1024]);
    let head = Head::new(ECHO).with_timeout(Duration::from_secs(600));
    let answer = session.request(head, body.clone()).await.unwrap();
    assert!(answer.body == body);
    began.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_connection_keeps_its_rate_and_is_not_blamed_for_it() {
    // So slow that a frame of a MiB takes as long as its timer allows.
    let rates = Rates::default().with_per_connection(64 * 1024);
    let (server, dialler) = start(ServerOptions::default().with_rates(rates));
    let session = dialler.connect("192.0.2.1:1").await.unwrap();
    let took = time_of_an_echo(&session).await.as_secs_f64();
    assert!((15.0..=33.0).contains(&took), "{took} s");
    assert!(server.stats().throttled > 10);
}

#[tokio::test(start_paused = true)]
async fn connections_of_one_peer_share_its_rate() {
    let rates = Rates::default().with_per_peer(1024 * 1024);
    let (_server, dialler) = start(ServerOptions::default().with_rates(rates));
    let one = dialler.connect("192.0.2.1:1").await.unwrap();
    let two = dialler.connect("192.0.2.1:2").await.unwrap();
    let other = dialler.connect("192.0.2.2:1").await.unwrap();
    let (one, two, other) = tokio::join!(
        time_of_an_echo(&one),
        time_of_an_echo(&two),
        time_of_an_echo(&other)
    );
    let pair = one.max(two).as_secs_f64();
    assert!((1.7..=3.2).contains(&pair), "{pair} s");
    let other = other.as_secs_f64();
    assert!((0.8..=1.6).contains(&other), "{other} s");
}

#[tokio::test(start_paused = true)]
async fn all_that_is_received_keeps_the_servers_rate() {
    let rates = Rates::default().with_ingress(1024 * 1024);
    let (_server, dialler) = start(ServerOptions::default().with_rates(rates));
    let one = dialler.connect("192.0.2.1:1").await.unwrap();
    let two = dialler.connect("192.0.2.2:1").await.unwrap();
    let (one, two) = tokio::join!(time_of_an_echo(&one), time_of_an_echo(&two));
    let both = one.max(two).as_secs_f64();
    assert!((1.7..=2.2).contains(&both), "{both} s");
}

#[tokio::test(start_paused = true)]
async fn all_that_is_sent_keeps_the_servers_rate() {
    let rates = Rates::default().with_egress(1024 * 1024);
    let (_server, dialler) = start(ServerOptions::default().with_rates(rates));
    let session = dialler.connect("192.0.2.1:1").await.unwrap();
    let took = time_of_an_echo(&session).await.as_secs_f64();
    assert!((0.8..=1.1).contains(&took), "{took} s");
}

#[tokio::test(start_paused = true)]
async fn abort_stops_every_task_within_a_tenth_of_a_second() {
    const FOREVER: u16 = 77;
    let service =
        test_apps::service(&TokioRuntime::current()).handle(FOREVER, |incoming| async move {
            let _held: oap_tokio::Incoming = incoming;
            pending::<()>().await;
        });
    let (server, dialler) = start_with(Config::default(), service, ServerOptions::default());
    let session = dialler.connect("192.0.2.1:1").await.unwrap();
    let mut exchange = session
        .open(Head::new(FOREVER), &b"x"[..], Fin::End)
        .await
        .unwrap();
    // A peer that never reads, and a handshake that never ends.
    let _stuck = dialler.stream("192.0.2.2:1");
    let handshake: Handshake = Box::pin(pending());
    let accepted = Accepted {
        peer: None,
        handshake,
    };
    assert!(dialler.0.send(accepted).is_ok());
    until("both are under way", || {
        let stats = server.stats();
        stats.connections == 2 && stats.handshakes == 1
    })
    .await;

    let began = Instant::now();
    assert_eq!(server.abort(&TokioRuntime::current()).await, 2);
    assert!(began.elapsed() <= Duration::from_millis(100));
    let stats = server.stats();
    assert_eq!((stats.connections, stats.handshakes), (0, 0));
    assert!(exchange.recv().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_drain_that_takes_too_long_leaves_no_task() {
    const FOREVER: u16 = 77;
    let (begun, mut begins) = mpsc::unbounded_channel();
    let service = Service::new().handle(FOREVER, move |incoming| {
        let begun = begun.clone();
        async move {
            let _held: oap_tokio::Incoming = incoming;
            let _ = begun.send(());
            pending::<()>().await;
        }
    });
    let (server, dialler) = start_with(Config::default(), service, ServerOptions::default());
    let session = dialler.connect("192.0.2.1:1").await.unwrap();
    let _exchange = session
        .open(Head::new(FOREVER), &b"x"[..], Fin::End)
        .await
        .unwrap();
    begins.recv().await.unwrap();
    let runtime = TokioRuntime::current();
    let report = server.drain(&runtime, Duration::from_secs(3)).await;
    assert_eq!((report.drained, report.aborted), (0, 1));
    assert_eq!(server.stats().connections, 0);
}

#[tokio::test(start_paused = true)]
async fn a_reload_is_for_new_connections() {
    let inflight = |most| Config {
        limits: Limits::builder().max_inflight(most).build().unwrap(),
        ..Config::default()
    };
    let (server, dialler) = start_with(
        inflight(8),
        test_apps::service(&TokioRuntime::current()),
        ServerOptions::default(),
    );
    let old = dialler.connect("192.0.2.1:1").await.unwrap();
    server.reload(
        inflight(4),
        ServerOptions::default().with_per_peer_connections(2),
    );
    let new = dialler.connect("192.0.2.1:2").await.unwrap();
    let told = |session: &Session| session.hello().unwrap().max_inflight;
    assert_eq!((told(&old), told(&new)), (Some(8), Some(4)));
    assert!(dialler.connect("192.0.2.1:3").await.is_err());
    assert!(old.request(Head::new(ECHO), &b"hi"[..]).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn many_who_share_a_rate_are_served_in_turn_and_not_blamed_for_it() {
    const BODY: usize = 2 * 1024 * 1024;
    let rates = Rates::default().with_egress(1024 * 1024);
    let (_server, dialler) = start(ServerOptions::default().with_rates(rates));
    let (done, began) = (mpsc::unbounded_channel(), Instant::now());
    let mut downloads = tokio::task::JoinSet::new();
    for number in 0..10 {
        let session = dialler
            .connect(&format!("192.0.2.{number}:1"))
            .await
            .unwrap();
        let done = done.0.clone();
        downloads.spawn(async move {
            let head = Head::new(SOURCE).with_timeout(Duration::from_secs(600));
            let size = (BODY as u64).to_le_bytes().to_vec();
            let answer = session.request(head, size).await.unwrap();
            assert_eq!(answer.body.len(), BODY);
            let _ = done.send(began.elapsed());
        });
    }
    while let Some(download) = downloads.join_next().await {
        download.unwrap();
    }
    let mut done = done.1;
    let first = done.recv().await.unwrap().as_secs_f64();
    let all = began.elapsed().as_secs_f64();
    assert!((19.0..=21.0).contains(&all), "{all} s");
    assert!(first > 0.8 * all, "one was done after {first} s of {all} s");
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_before_its_future_costs_its_exchange_only() {
    const BROKEN: u16 = 77;
    let service = test_apps::service(&TokioRuntime::current()).handle(
        BROKEN,
        |incoming: oap_tokio::Incoming| {
            assert!(incoming.start().app_proto_id != BROKEN, "on purpose");
            ready(())
        },
    );
    let (server, dialler) = start_with(Config::default(), service, ServerOptions::default());
    let session = dialler.connect("192.0.2.1:1").await.unwrap();
    let answer = session.request(Head::new(BROKEN), &b"x"[..]).await.unwrap();
    assert_eq!(answer.code, Code::INTERNAL);
    assert!(session.request(Head::new(ECHO), &b"hi"[..]).await.is_ok());
    assert_eq!(server.stats().connections, 1);
}

#[tokio::test(start_paused = true)]
async fn an_authorizer_that_panics_denies() {
    let service = test_apps::service(&TokioRuntime::current()).authorize(|start: Start| {
        assert!(start.app_proto_id != ECHO, "on purpose");
        ready(Verdict::Allow)
    });
    let (_server, dialler) = start_with(Config::default(), service, ServerOptions::default());
    let session = dialler.connect("192.0.2.1:1").await.unwrap();
    let answer = session.request(Head::new(ECHO), &b"x"[..]).await.unwrap();
    assert_eq!(answer.code, Code::UNAUTHORIZED);
    let size = 5_u64.to_le_bytes().to_vec();
    let answer = session.request(Head::new(SOURCE), size).await.unwrap();
    assert_eq!(answer.body.len(), 5);
}

#[test]
fn whoever_waits_for_a_connection_whose_runtime_is_gone_is_told() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let (theirs, ours) = (runtime(), runtime());
    let (session, mut exchange) = theirs.block_on(async {
        let (server, dialler) = start(ServerOptions::default());
        let session = dialler.connect("192.0.2.1:1").await.unwrap();
        let exchange = session.open(Head::new(ECHO), &b"x"[..], Fin::More).await;
        std::mem::forget(server);
        (session, exchange.unwrap())
    });
    drop(theirs);
    ours.block_on(async {
        let told = async {
            while let Ok(Some(_)) = exchange.recv().await {}
            session.closed().await
        };
        let reason = timeout(Duration::from_secs(5), told).await;
        assert_eq!(reason, Ok(CloseReason::Transport));
        assert!(session.request(Head::new(ECHO), &b"x"[..]).await.is_err());
    });
}

#[tokio::test(start_paused = true)]
async fn abort_does_not_wait_for_a_transport_that_does_not_close() {
    let (server, dialler) = start(ServerOptions::default());
    let near = dialler.dial("192.0.2.1:1", false);
    let transport = StreamTransport::new(near, ConnectionInfo::new("memory"));
    let runtime = TokioRuntime::current();
    let session = Session::connect(&runtime, transport, Config::default())
        .await
        .unwrap();
    session.close();
    session.closed().await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(server.stats().connections, 1, "it is being closed");

    let began = Instant::now();
    server.abort(&runtime).await;
    assert!(began.elapsed() < Duration::from_millis(50));
    assert_eq!(server.stats().connections, 0);
}
