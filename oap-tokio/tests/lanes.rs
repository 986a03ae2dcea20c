//! The driver over several lanes, which here are in-memory pipes: what a QUIC connection is to it,
//! without QUIC.

mod pipes;

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use oap_core::driver::test_apps::{self, DELAY, ECHO, SINK, SOURCE};
use oap_core::driver::{Clock, Runtime};
use oap_core::testing::Rng;
use oap_core::wire::{Features, Flags, HEADER_LEN, Header, MIN_LEN};
use oap_core::{Lane, Timestamp};
use oap_tokio::{
    CallError, Code, Config, Fin, Head, Limits, Server, ServerOptions, Session, TokioRuntime,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::timeout;

use pipes::{Fault, Log, Once, Pair};

/// A client and a server, and what is known of their lanes.
struct Connected {
    session: Session,
    server: Server,
    log: Arc<Mutex<Log>>,
    faults: UnboundedSender<Fault>,
}

async fn connected_with(config: Config, pair: Pair) -> Connected {
    let runtime = TokioRuntime::current();
    let server = Server::start(
        &runtime,
        Once(Some(pair.far)),
        test_apps::service(&runtime),
        config,
        ServerOptions::default(),
    );
    let session = Session::connect(&runtime, pair.near, Config::default())
        .await
        .unwrap();
    Connected {
        session,
        server,
        log: pair.log,
        faults: pair.faults,
    }
}

async fn connected() -> (Session, Server, Arc<Mutex<Log>>) {
    let connected = connected_with(Config::default(), Pair::new()).await;
    (connected.session, connected.server, connected.log)
}

/// Waits until only the shared lanes are open.
async fn settled(log: &Mutex<Log>) {
    let wait = async {
        while log.lock().unwrap().open > 4 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(Duration::from_secs(10), wait)
        .await
        .expect("own lanes end");
}

// OAP-11-8
#[tokio::test(start_paused = true)]
async fn streaming_exchanges_have_lanes_of_their_own_and_small_requests_share_four() {
    let (session, _server, log) = connected().await;
    for _ in 0..20 {
        session
            .request(Head::new(ECHO), &b"small"[..])
            .await
            .unwrap();
    }
    assert_eq!(log.lock().unwrap().begun, [0, 1, 2, 3].map(Lane));

    let mut streams = Vec::new();
    for _ in 0..10 {
        let opened = session.open(Head::new(ECHO), &b"a"[..], Fin::More).await;
        streams.push(opened.unwrap());
    }
    for stream in &mut streams {
        assert_eq!(
            stream.recv().await.unwrap().unwrap().payload.wire_bytes(),
            "a"
        );
    }
    assert_eq!(
        log.lock().unwrap().begun[4..],
        [4, 5, 6, 7, 8, 9, 10, 11, 12, 13].map(Lane)
    );
    for mut stream in streams {
        stream.finish(&b"b"[..]).unwrap();
        assert_eq!(stream.response(10).await.unwrap().body, "b");
    }
    settled(&log).await;
}

#[tokio::test(start_paused = true)]
async fn lanes_are_used_again_however_many_exchanges_there_were() {
    let (session, server, log) = connected().await;
    for round in 0..600 {
        let mut stream = session
            .open(Head::new(ECHO), &b"a"[..], Fin::More)
            .await
            .unwrap();
        if round % 3 == 0 {
            drop(stream);
            continue;
        }
        stream.finish(vec![7; 20_000]).unwrap();
        assert_eq!(stream.response(30_000).await.unwrap().body.len(), 20_001);
    }
    settled(&log).await;
    let most = log.lock().unwrap().begun.iter().max().copied();
    assert!(most < Some(Lane(24)), "{most:?}");
    session.close();
    let report = server
        .drain(&TokioRuntime::current(), Duration::from_secs(5))
        .await;
    assert_eq!(report.aborted, 0);
}

#[tokio::test(start_paused = true)]
async fn a_stuck_lane_stops_no_other() {
    let (session, _server, _log) = connected().await;
    // Nobody takes this answer, so its lane fills up.
    let mut stuck = session
        .open(
            Head::new(SOURCE),
            1_000_000_u64.to_le_bytes().to_vec(),
            Fin::End,
        )
        .await
        .unwrap();
    let first = stuck.recv().await;
    for _ in 0..50 {
        let answer = session
            .request(Head::new(ECHO), &b"small"[..])
            .await
            .unwrap();
        assert_eq!(answer.body, "small");
    }
    let mut sink = session
        .open(Head::new(SINK), vec![1; 50_000], Fin::More)
        .await
        .unwrap();
    sink.finish(vec![2; 50_000]).unwrap();
    assert!(!sink.response(1_000).await.unwrap().code.is_error());
    drop((first, stuck));
}

#[tokio::test(start_paused = true)]
async fn sixty_four_at_once_and_then_a_drain() {
    let (session, server, log) = connected().await;
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..200_u32 {
        let session = session.clone();
        calls.spawn(async move {
            let body = number.to_le_bytes().repeat(40_000);
            let answer = session
                .request(Head::new(ECHO), body.clone())
                .await
                .unwrap();
            assert!(answer.body == body);
        });
    }
    while let Some(done) = calls.join_next().await {
        done.unwrap();
    }
    assert!(
        log.lock().unwrap().most <= 4 + 2 * 64,
        "{}",
        log.lock().unwrap().most
    );
    let delay = session
        .open(Head::new(DELAY), 500_u32.to_le_bytes().to_vec(), Fin::End)
        .await
        .unwrap();
    tokio::task::yield_now().await;
    let runtime = TokioRuntime::current();
    let (report, answer) = tokio::join!(
        server.drain(&runtime, Duration::from_secs(5)),
        delay.response(1_000)
    );
    assert_eq!((report.drained, report.aborted), (1, 0));
    drop(answer);
}

/// Every shared lane gets its turn, twice.
async fn all_echo(session: &Session) {
    for _ in 0..8 {
        let answer = session
            .request(Head::new(ECHO), &b"still here"[..])
            .await
            .unwrap();
        assert_eq!(answer.body, "still here");
    }
}

// OAP-11-9
#[tokio::test(start_paused = true)]
async fn a_reset_of_a_shared_lane_costs_the_exchanges_on_it_only() {
    for lane in (0..4).map(Lane) {
        let connected = connected_with(Config::default(), Pair::new()).await;
        let session = &connected.session;
        all_echo(session).await;
        connected.faults.send(Fault::Reset(lane)).unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
        all_echo(session).await;
        let runtime = TokioRuntime::current();
        let report = connected
            .server
            .drain(&runtime, Duration::from_secs(4))
            .await;
        assert_eq!((report.drained, report.aborted), (1, 0), "{lane:?}");
    }
}

// OAP-11-9
#[tokio::test(start_paused = true)]
async fn a_shared_lane_that_the_server_has_ended_is_not_used_any_more() {
    for lane in (0..4).map(Lane) {
        let connected = connected_with(Config::default(), Pair::new()).await;
        let session = &connected.session;
        all_echo(session).await;
        connected.faults.send(Fault::End(lane)).unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
        let began = tokio::time::Instant::now();
        all_echo(session).await;
        assert!(began.elapsed() < Duration::from_secs(1), "{lane:?}");
    }
}

// OAP-3-18
#[tokio::test(start_paused = true)]
async fn an_exchange_that_cannot_be_cancelled_keeps_its_lane_until_it_is_answered() {
    let config = Config {
        features: Features::NONE,
        limits: Limits::builder().max_inflight(4).build().unwrap(),
        ..Config::default()
    };
    let connected = connected_with(config, Pair::new()).await;
    let (session, log) = (&connected.session, &connected.log);
    for _ in 0..20 {
        let mut download = session
            .open(
                Head::new(SOURCE),
                2_000_000_u64.to_le_bytes().to_vec(),
                Fin::End,
            )
            .await
            .unwrap();
        download.recv().await.unwrap();
    }
    all_echo(session).await;
    settled(log).await;
    assert!(log.lock().unwrap().most <= 4 + 4 + 2);
}

/// The frame of a server that speaks only when it wants to.
fn frame(flags: Flags, app_proto_id: u16, corr_id: u64, payload: &[u8]) -> Vec<u8> {
    let header = Header {
        len: MIN_LEN + payload.len() as u32,
        flags,
        code: Code::OK,
        app_proto_id,
        tenant_id: 0,
        cap_len: 0,
        corr_id,
    };
    [&header.encode(), payload].concat()
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_on_a_lane_that_we_have_ended() {
    let Pair { near, mut far, .. } = Pair::new();
    let config = Config {
        hello: false,
        ..Config::default()
    };
    let session = Session::connect(&TokioRuntime::current(), near, config)
        .await
        .unwrap();
    let lanes = far.taker.as_mut().unwrap();
    for corr_id in 1..4 {
        let exchange = session
            .open(Head::new(ECHO), &b"a"[..], Fin::End)
            .await
            .unwrap();
        let mut lane = lanes.recv().await.unwrap().stream;
        lane.read_exact(&mut [0; HEADER_LEN + 1]).await.unwrap();
        let answer = frame(Flags::RESP | Flags::END, ECHO, corr_id, b"a");
        lane.write_all(&answer).await.unwrap();
        assert_eq!(exchange.response(9).await.unwrap().body, "a");
        assert_eq!(lane.read(&mut [0]).await.unwrap(), 0, "the lane has ended");
        let ping = frame(Flags::EVENT | Flags::ACK_REQ, 0, 7, b"");
        lane.write_all(&ping).await.unwrap();
        // The lane is the client's again once this side has ended, too.
        tokio::time::sleep(Duration::from_millis(1)).await;
        drop(lane);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(session.counters().frames_received >= 6);
}

/// A runtime whose clock calls up something once, as a task is about to sleep.
#[derive(Clone)]
struct Interrupted(TokioRuntime, Interruption);

type Interruption = Arc<Mutex<Option<Box<dyn FnOnce() + Send>>>>;

struct InterruptedClock(<TokioRuntime as Runtime>::Clock, Interruption);

impl Clock for InterruptedClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>, deadline: Timestamp) -> Poll<()> {
        let interruption = self.1.lock().unwrap().take();
        interruption.into_iter().for_each(|act| act());
        self.0.poll_deadline(cx, deadline)
    }
}

impl Runtime for Interrupted {
    type Clock = InterruptedClock;

    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn clock(&self) -> InterruptedClock {
        InterruptedClock(self.0.clock(), self.1.clone())
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(task);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lane_given_up_as_the_task_falls_asleep_ends_at_once() {
    let tokio = TokioRuntime::current();
    let config = Config {
        features: Features::NONE,
        ..Config::default()
    };
    let (pair, interruption) = (Pair::new(), Interruption::default());
    let _server = Server::start(
        &tokio,
        Once(Some(pair.far)),
        test_apps::service(&tokio),
        config,
        ServerOptions::default(),
    );
    let runtime = Interrupted(tokio, interruption.clone());
    let session = Session::connect(&runtime, pair.near, Config::default())
        .await
        .unwrap();
    let mut exchange = session
        .open(Head::new(ECHO), &b"a"[..], Fin::End)
        .await
        .unwrap();
    assert!(exchange.recv().await.unwrap().is_some());
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(pair.log.lock().unwrap().open, 2);
    // Another thread gives it up while the task runs, for a PING that leads to nothing.
    *interruption.lock().unwrap() = Some(Box::new(move || drop(exchange)));
    assert!(session.ping().await.is_err());
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert!(interruption.lock().unwrap().is_none());
    assert_eq!(pair.log.lock().unwrap().open, 1);
}

/// What a hasty client does with one exchange. It may fail in any way but by hanging.
async fn something(session: &Session, rng: &mut Rng) -> Result<(), CallError> {
    let body = vec![7; rng.range(0, 30_000) as usize];
    let pause = Duration::from_micros(rng.range(0, 3_000));
    match rng.below(7) {
        0 => drop(session.request(Head::new(ECHO), body).await?),
        1 => {
            let mut stream = session.open(Head::new(ECHO), body, Fin::More).await?;
            for _ in 0..rng.below(4) {
                stream.send(vec![8; rng.below(9_000)]).await?;
                stream.recv().await?;
            }
            stream.finish(&b"end"[..])?;
            stream.response(1_000_000).await?;
        }
        2 => {
            let size = rng.range(0, 600_000).to_le_bytes().to_vec();
            let mut download = session.open(Head::new(SOURCE), size, Fin::End).await?;
            for _ in 0..rng.below(9) {
                download.recv().await?;
            }
        }
        3 => {
            let millis = 5_u32.to_le_bytes().to_vec();
            let delay = session.open(Head::new(DELAY), millis, Fin::End).await?;
            tokio::time::sleep(pause).await;
            delay.cancel(Code::TIMEOUT);
        }
        4 => drop(session.try_open(Head::new(SINK), body, Fin::More)?),
        5 => {
            let _ = timeout(pause, session.request(Head::new(ECHO), body)).await;
        }
        _ => {
            let mut upload = session.open(Head::new(SINK), body, Fin::More).await?;
            tokio::time::sleep(pause).await;
            upload.send(vec![9; 100_000]).await?;
            let _ = timeout(pause, upload.recv()).await;
        }
    }
    Ok(())
}

async fn whatever_happens_everything_settles(seed: u64) {
    let mut rng = Rng::new(seed);
    let connected = connected_with(Config::default(), Pair::new()).await;
    let session = &connected.session;
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..30 {
        let (session, mut rng) = (session.clone(), Rng::new(rng.next_u64()));
        clients.spawn(async move {
            for _ in 0..6 {
                // Faults befall whatever is under way.
                let _ = something(&session, &mut rng).await;
                tokio::time::sleep(Duration::from_micros(rng.range(0, 500))).await;
            }
        });
    }
    for _ in 0..rng.range(0, 60) {
        let lane = Lane(rng.range(0, 30) as u16);
        let fault = if rng.below(4) == 0 {
            Fault::End(lane)
        } else {
            Fault::Reset(lane)
        };
        connected.faults.send(fault).unwrap();
        tokio::time::sleep(Duration::from_micros(rng.range(0, 1_000))).await;
    }
    while let Some(done) = clients.join_next().await {
        done.unwrap();
    }
    settled(&connected.log).await;
    // As many as the server lets in: it holds none of the others.
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let session = session.clone();
        calls.spawn(async move {
            let millis = 50_u32.to_le_bytes().to_vec();
            session.request(Head::new(DELAY), millis).await
        });
    }
    while let Some(answer) = calls.join_next().await {
        let code = answer.unwrap().unwrap().code;
        assert!(!code.is_error(), "{code:?}");
    }
    all_echo(session).await;
    settled(&connected.log).await;
}

#[tokio::test(start_paused = true)]
async fn whatever_clients_and_lanes_do_everything_settles() {
    let seeds = match std::env::var("OAP_SEED") {
        Ok(seed) => {
            let seed = seed.parse().expect("OAP_SEED is a number");
            seed..seed + 1
        }
        Err(_) => 0..12,
    };
    for seed in seeds {
        println!("OAP_SEED={seed}");
        timeout(
            Duration::from_secs(120),
            whatever_happens_everything_settles(seed),
        )
        .await
        .expect("everything settles in time");
    }
}
