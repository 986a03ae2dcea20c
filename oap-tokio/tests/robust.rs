//! A server among broken, slow and hostile peers, over real sockets.

mod support;

use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use oap_core::Timers;
use oap_core::driver::test_apps::{self, DELAY, ECHO, SINK, SOURCE};
use oap_core::driver::{Accepted, HandshakeError, Listener};
use oap_core::wire::{Decoder, ErrorBody, Flags, Frame, Header, MAX_FRAME, MIN_LEN};
use oap_tokio::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use support::{Over, Started, echo_works, eventually, start, start_service, start_with};

const ONE_SHOT: Flags = Flags::from_bits(0x19);
const HELLO: [u8; 37] = {
    let mut hello = [0; 37];
    hello[0] = 0x21;
    hello[4] = 1;
    hello
};

fn request(app: u16, corr_id: u64, payload: &[u8]) -> Vec<u8> {
    frame(ONE_SHOT, app, corr_id, payload)
}

fn frame(flags: Flags, app: u16, corr_id: u64, payload: &[u8]) -> Vec<u8> {
    let header = Header {
        len: MIN_LEN + payload.len() as u32,
        flags,
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

async fn read_frames(stream: &mut TcpStream, count: usize) -> Vec<Frame> {
    let (mut decoder, mut buf, mut frames) = (Decoder::new(MAX_FRAME), BytesMut::new(), Vec::new());
    while frames.len() < count {
        while let Some(frame) = decoder.decode(&mut buf).expect("a well-formed frame") {
            frames.push(frame);
        }
        if frames.len() < count && stream.read_buf(&mut buf).await.expect("a read") == 0 {
            panic!("the stream ended after {} of {count} frames", frames.len());
        }
    }
    frames
}

async fn raw(server: &Started) -> TcpStream {
    TcpStream::connect(server.address)
        .await
        .expect("a connection")
}

#[tokio::test]
async fn a_client_nobody_here_wrote_is_served() {
    let server = start().await;
    let mut stream = raw(&server).await;
    let ping = br#"{"msg":"ping","op":"echo"}"#;
    stream.write_all(&HELLO).await.unwrap();
    stream.write_all(&request(ECHO, 1, ping)).await.unwrap();
    let frames = read_frames(&mut stream, 2).await;
    assert_eq!(frames[0].header.flags, Flags::RESP | Flags::END);
    assert_eq!(
        (frames[0].header.app_proto_id, frames[0].header.corr_id),
        (0, 0)
    );
    assert_eq!(frames[1].header.corr_id, 1);
    assert_eq!(frames[1].payload(), ping);
}

#[tokio::test]
async fn a_request_before_the_end_of_the_stream_is_still_answered() {
    let server = start().await;
    let mut stream = raw(&server).await;
    stream
        .write_all(&request(DELAY, 1, &50_u32.to_le_bytes()))
        .await
        .unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(read_frames(&mut stream, 1).await[0].header.corr_id, 1);
    assert_eq!(
        stream.read(&mut [0]).await.unwrap(),
        0,
        "then the server closes"
    );
}

#[tokio::test]
async fn noise_ends_its_own_connection_only() {
    let server = start().await;
    let mut stream = raw(&server).await;
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let frame = &read_frames(&mut stream, 1).await[0];
    assert_eq!(
        (frame.header.code, frame.header.corr_id),
        (Code::TOO_LARGE, 0)
    );
    let body = ErrorBody::parse(frame.payload()).expect("an error body");
    assert_eq!(body.reason.known(), Some(Reason::TooLarge));
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
    echo_works(&server).await;
}

#[tokio::test]
async fn a_peer_at_fault_again_and_again_waits_between_its_turns() {
    let server = start().await;
    let mut stream = raw(&server).await;
    // END of exchanges that were never opened. A quarter of the budget costs no wait.
    let faults = |ids: std::ops::Range<u64>| {
        ids.flat_map(|id| frame(Flags::REQ | Flags::END, ECHO, id, b""))
            .collect::<Vec<_>>()
    };
    stream.write_all(&faults(1..252)).await.unwrap();
    read_frames(&mut stream, 251).await;
    let begin = std::time::Instant::now();
    // At most 64 of them in a step and so fewer than 128 in a turn, mostly 64: eleven waits of 5 ms.
    stream.write_all(&faults(252..1_000)).await.unwrap();
    let refused = read_frames(&mut stream, 748).await;
    let took = begin.elapsed();
    assert!(took >= Duration::from_millis(30), "{took:?}");
    assert_eq!(refused[747].header.code, Code::BAD_REQUEST);
    // It is served all the same.
    stream.write_all(&request(ECHO, 1_000, b"x")).await.unwrap();
    assert_eq!(read_frames(&mut stream, 1).await[0].header.code, Code::OK);
    echo_works(&server).await;
}

#[tokio::test]
async fn a_peer_that_never_reads_is_cut_off_while_others_go_on() {
    let timers = Timers {
        write: Duration::from_millis(300),
        ..Timers::default()
    };
    let server = start_with(Config {
        timers,
        ..Config::default()
    })
    .await;
    let mut stream = raw(&server).await;
    let much = (1_u64 << 30).to_le_bytes();
    for corr_id in 1..=64 {
        stream
            .write_all(&request(SOURCE, corr_id, &much))
            .await
            .unwrap();
    }
    eventually("it is up", || server.server.stats().connections == 1).await;
    echo_works(&server).await;
    eventually("it is cut off", || server.server.stats().connections == 0).await;
}

#[tokio::test]
async fn an_abrupt_reset_leaves_nothing_behind() {
    let server = start().await;
    for _ in 0..20 {
        let mut stream = raw(&server).await;
        let much = (1_u64 << 30).to_le_bytes();
        stream.write_all(&request(SOURCE, 1, &much)).await.unwrap();
        read_frames(&mut stream, 2).await;
        stream.set_zero_linger().unwrap();
    }
    eventually("all are gone", || server.server.stats().connections == 0).await;
    echo_works(&server).await;
}

#[tokio::test]
async fn a_frame_that_trickles_is_cut_off() {
    let timers = Timers {
        frame: Duration::from_millis(200),
        ..Timers::default()
    };
    let server = start_with(Config {
        timers,
        ..Config::default()
    })
    .await;
    let mut stream = raw(&server).await;
    let frame = request(ECHO, 1, &[7; 1_000]);
    let trickle = async {
        for byte in frame {
            if stream.write_all(&[byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let cut = eventually("it is cut off", || {
        let stats = server.server.stats();
        stats.accepted == 1 && stats.connections == 0
    });
    tokio::join!(trickle, cut);
}

/// A listener that fails as one without descriptors does.
struct Flaky {
    inner: TcpListener,
    failures: usize,
}

impl Listener for Flaky {
    type Transport = TcpTransport;
    type Handshake = std::future::Ready<Result<TcpTransport, HandshakeError>>;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted<Self::Handshake>>> {
        const EMFILE: i32 = 24;
        if self.failures > 0 {
            self.failures -= 1;
            return Poll::Ready(Err(io::Error::from_raw_os_error(EMFILE)));
        }
        self.inner.poll_accept(cx)
    }
}

#[tokio::test]
async fn the_accept_loop_outlives_a_want_of_descriptors() {
    let runtime = TokioRuntime::current();
    let inner = TcpListener::bind("127.0.0.1:0", &TcpOptions::default())
        .await
        .unwrap();
    let address = inner.local_addr().unwrap();
    let listener = Flaky { inner, failures: 4 };
    let service = test_apps::service(&runtime);
    let server = Server::start(
        &runtime,
        listener,
        service,
        Config::default(),
        ServerOptions::default(),
    );
    let server = Started {
        server,
        address,
        runtime,
        tls: None,
    };
    echo_works(&server).await;
    assert_eq!(server.server.stats().accept_errors, 4);
}

#[tokio::test]
async fn connections_beyond_the_cap_wait_for_a_place() {
    let runtime = TokioRuntime::current();
    let listener = TcpListener::bind("127.0.0.1:0", &TcpOptions::default())
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    let options = ServerOptions::default().with_max_connections(2);
    let service = test_apps::service(&runtime);
    let server = Server::start(&runtime, listener, service, Config::default(), options);
    let server = Started {
        server,
        address,
        runtime,
        tls: None,
    };
    let held = [server.connect().await, server.connect().await];
    let third = tokio::time::timeout(Duration::from_millis(200), server.connect()).await;
    assert!(
        third.is_err(),
        "a third connection is served beyond the cap of two"
    );
    drop(held);
    echo_works(&server).await;
}

#[tokio::test]
async fn a_handler_that_panics_costs_its_exchange_only() {
    let runtime = TokioRuntime::current();
    let service = test_apps::service(&runtime).handle(9, |incoming: Incoming| async move {
        let _incoming = incoming;
        panic!("as the test wants it");
    });
    let server = start_service(Over::Tcp, Config::default(), service).await;
    let session = server.connect().await;
    let response = session.request(Head::new(9), Bytes::new()).await.unwrap();
    assert_eq!(
        (response.code, response.reason()),
        (Code::INTERNAL, Some(Reason::Internal))
    );
    let response = session
        .request(Head::new(ECHO), Bytes::from_static(b"on"))
        .await
        .unwrap();
    assert_eq!(&response.body[..], b"on");
}

#[tokio::test]
async fn the_authorizer_decides_before_the_handler_sees_anything() {
    let runtime = TokioRuntime::current();
    let service = test_apps::service(&runtime).authorize(|start: Start| async move {
        tokio::task::yield_now().await;
        if &start.capability[..] == b"good" {
            Verdict::Allow
        } else {
            Verdict::Deny
        }
    });
    let server = start_service(Over::Tcp, Config::default(), service).await;
    let session = server.connect().await;
    for (capability, code) in [
        ("", Code::UNAUTHORIZED),
        ("bad", Code::FORBIDDEN),
        ("good", Code::OK),
    ] {
        let head = Head {
            capability: Bytes::from(capability),
            ..Head::new(ECHO)
        };
        let response = session
            .request(head, Bytes::from_static(b"hello"))
            .await
            .unwrap();
        assert_eq!(response.code, code, "capability {capability:?}");
    }
}

#[tokio::test]
async fn compressed_bodies_are_inflated_and_bombs_refused() {
    let server = start().await;
    let session = server.connect().await;
    let text = Bytes::from("a line that repeats\n".repeat(5_000));
    let body = session.compress(text.clone());
    assert!(body.is_compressed() && body.len() < text.len() / 10);
    let response = session
        .request(Head::new(ECHO), body.clone())
        .await
        .unwrap();
    assert_eq!(response.body, text);
    let response = session.request(Head::new(SINK), body).await.unwrap();
    assert_eq!(response.body[..], (text.len() as u64).to_le_bytes());

    let zeros = vec![0; 9 * 1024 * 1024];
    let bomb = oap_core::inflate::deflate(&zeros).expect("zeros shrink");
    let bomb = Body::compressed(bomb.into());
    let response = session.request(Head::new(SINK), bomb).await.unwrap();
    assert_eq!(response.code, Code::TOO_LARGE);
    assert_eq!(response.reason(), Some(Reason::DecompressOverflow));
    let response = session
        .request(Head::new(ECHO), Bytes::from_static(b"on"))
        .await
        .unwrap();
    assert_eq!(&response.body[..], b"on");
}

#[tokio::test]
async fn a_drain_cuts_off_what_does_not_end() {
    let server = start().await;
    let session = server.connect().await;
    let long = Bytes::copy_from_slice(&60_000_u32.to_le_bytes());
    let request = session.request(Head::new(DELAY), long);
    let drain = async {
        // Frames come in order: once the PING is answered, the request has arrived.
        session.ping().await.expect("a PONG");
        server
            .server
            .drain(&server.runtime, Duration::from_millis(200))
            .await
    };
    let (outcome, report) = tokio::join!(request, drain);
    assert!(outcome.is_err());
    assert_eq!((report.drained, report.aborted), (0, 1));
    assert_eq!(server.server.stats().connections, 0);
}

#[tokio::test]
async fn a_request_on_its_way_when_a_drain_begins_is_refused_not_lost() {
    let server = start().await;
    let mut stream = raw(&server).await;
    let hello = br#"{"features":["goaway"]}"#;
    stream.write_all(&request(0, 0, hello)).await.unwrap();
    read_frames(&mut stream, 1).await;
    let late = async {
        let goaway = read_frames(&mut stream, 1).await;
        assert_eq!(goaway[0].header.code, Code::UNAVAILABLE);
        stream.write_all(&request(ECHO, 1, b"late")).await.unwrap();
        let refused = read_frames(&mut stream, 1).await;
        let body = ErrorBody::parse(refused[0].payload()).expect("an error body");
        assert_eq!(body.reason.known(), Some(Reason::Draining));
        stream.shutdown().await.unwrap();
    };
    let drain = server.server.drain(&server.runtime, Duration::from_secs(5));
    let ((), report) = tokio::join!(late, drain);
    assert_eq!((report.drained, report.aborted), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_handshakes_is_worked_off() {
    let runtime = TokioRuntime::current();
    let server = start_service(Over::Tls, Config::default(), test_apps::service(&runtime)).await;
    let server = std::sync::Arc::new(server);
    let clients: Vec<_> = (0..150)
        .map(|_| {
            let server = server.clone();
            tokio::spawn(async move { echo_works(&server).await })
        })
        .collect();
    for client in clients {
        client.await.expect("each one is served");
    }
    let stats = server.server.stats();
    assert_eq!((stats.accepted, stats.handshakes_failed), (150, 0));
}

#[tokio::test]
async fn peers_that_say_nothing_keep_nobody_out() {
    let runtime = TokioRuntime::current();
    let server = start_service(Over::Tls, Config::default(), test_apps::service(&runtime)).await;
    let places = ServerOptions::default().handshakes;
    let mut silent = Vec::new();
    for _ in 0..4 * places {
        silent.push(raw(&server).await);
    }
    echo_works(&server).await;
    let failed = || server.server.stats().handshakes_failed as usize;
    assert_eq!(failed(), 0, "nobody had to give up a place for it");
    eventually("the silent ones have had their time", || {
        failed() == 4 * places
    })
    .await;
}

#[tokio::test]
async fn handshakes_that_stop_half_way_give_their_places_back() {
    let runtime = TokioRuntime::current();
    let server = start_service(Over::Tls, Config::default(), test_apps::service(&runtime)).await;
    let mut stopped = Vec::new();
    for _ in 0..ServerOptions::default().handshakes {
        let mut stream = raw(&server).await;
        stream.write_all(&[22, 3, 1]).await.unwrap();
        stopped.push(stream);
    }
    echo_works(&server).await;
}

#[tokio::test]
async fn an_exchange_that_failed_to_inflate_has_ended_even_if_its_slot_is_used_anew() {
    let server = start().await;
    let session = server.connect().await;
    let broken = Body::compressed(Bytes::from_static(b"no stream at all"));
    let mut first = session
        .open(Head::new(ECHO), broken, Fin::More)
        .await
        .unwrap();
    let message = first
        .recv()
        .await
        .unwrap()
        .expect("it comes back as it was");
    let fault = first.inflate(&message.payload).unwrap_err();
    assert_eq!(fault.reason(), Reason::BadCoding);
    // No await between: the connection's task has not heard of the end yet.
    let _second = session
        .try_open(Head::new(ECHO), "next", Fin::More)
        .unwrap();
    let told = tokio::time::timeout(Duration::from_secs(5), first.recv()).await;
    assert_eq!(
        told.expect("it is told, not left waiting").unwrap_err(),
        fault
    );
}
