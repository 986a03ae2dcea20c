//! What the transports move, and in how many calls; the clock.

mod support;

use std::future::poll_fn;

use bytes::{Buf, Bytes, BytesMut};
use oap_core::Timestamp;
use oap_core::driver::{Clock, Listener, Runtime, Transport};
use oap_tokio::{TcpListener, TcpOptions, TokioRuntime};
use support::streams::*;
use support::tls::{Pki, pair_over};
use tokio::io::duplex;

// ---- over real sockets

#[tokio::test]
async fn a_mebibyte_crosses_tcp_in_both_directions_at_once() {
    let mut listener = TcpListener::bind("127.0.0.1:0", &TcpOptions::default())
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    let options = TcpOptions::default();
    let (client, server) = tokio::join!(oap_tokio::connect(address, &options), async {
        poll_fn(|cx| listener.poll_accept(cx))
            .await
            .unwrap()
            .handshake
            .await
    });
    let (client, server) = (client.unwrap(), server.unwrap());
    assert_eq!(client.info().peer, server.info().local);
    assert!(client.get_ref().nodelay().unwrap() && server.get_ref().nodelay().unwrap());
    crossing(client, server).await;
}

#[tokio::test]
async fn a_mebibyte_crosses_tls_in_both_directions_at_once() {
    let pki = Pki::new();
    let (near, far) = tcp_pair().await;
    let (client, server) = pair_over(pki.client(), pki.server(), near, far).await;
    crossing(client.unwrap(), server.unwrap()).await;
}

#[tokio::test]
async fn a_mebibyte_crosses_tls_over_a_stream_of_a_few_bytes() {
    let pki = Pki::new();
    let (near, far) = duplex(1_000);
    let (client, server) = pair_over(pki.client(), pki.server(), near, far).await;
    crossing(client.unwrap(), server.unwrap()).await;
}

#[tokio::test]
async fn an_end_without_close_notify_is_an_end() {
    let pki = Pki::new();
    let (near, far) = tcp_pair().await;
    let (client, server) = pair_over(pki.client(), pki.server(), near, far).await;
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    write_all(&mut server, Bytes::from_static(b"last words"))
        .await
        .unwrap();
    drop(server);
    assert_eq!(read_some(&mut client).await.unwrap(), b"last words");
    for _ in 0..2 {
        assert_eq!(read_some(&mut client).await.unwrap(), b"");
    }
}

// ---- how often the stream below is called

#[tokio::test]
async fn sixty_four_small_frames_leave_in_two_writes() {
    let pki = Pki::new();
    let (near, far) = tcp_pair().await;
    let (near, counts) = Counting::new(near);
    let (client, server) = pair_over(pki.client(), pki.server(), near, far).await;
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    counts.reset();
    let written = write_all(&mut client, Frames::new(64, 101)).await.unwrap();
    assert_eq!(written, 64 * 101);
    assert!(counts.writes() <= 2, "{} writes", counts.writes());
    assert_eq!(
        read_exactly(&mut server, written).await,
        Frames::new(64, 101).flatten()
    );
}

#[tokio::test]
async fn a_chunk_with_its_header_leaves_in_one_write() {
    let pki = Pki::new();
    let (near, far) = tcp_pair().await;
    let (near, counts) = Counting::new(near);
    let (client, server) = pair_over(pki.client(), pki.server(), near, far).await;
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    counts.reset();
    let chunk = Frames::new(1, 65_536 + 37);
    let reading = tokio::spawn(async move { read_exactly(&mut server, 65_536 + 37).await });
    write_all(&mut client, chunk).await.unwrap();
    assert_eq!(counts.writes(), 1);
    reading.await.unwrap();
}

#[tokio::test]
async fn what_one_segment_brought_is_read_at_once() {
    let pki = Pki::new();
    let (near, far) = duplex(MIB);
    let (near, counts) = Counting::new(near);
    let (client, server) = pair_over(pki.client(), pki.server(), near, far).await;
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    // Tickets first.
    assert!(
        poll_once(|cx| client.poll_read(cx, &mut BytesMut::new()))
            .await
            .is_none()
    );
    write_all(&mut server, Frames::new(8, 5_000)).await.unwrap();
    counts.reset();
    let mut buf = BytesMut::new();
    let count = poll_fn(|cx| client.poll_read(cx, &mut buf)).await.unwrap();
    assert_eq!(count, 40_000);
    assert_eq!(counts.reads(), 1);
    buf.clear();
    assert!(
        poll_once(|cx| client.poll_read(cx, &mut buf))
            .await
            .is_none()
    );
    assert_eq!(buf.capacity(), 0, "an idle connection keeps no buffer");
}

#[tokio::test]
async fn a_socket_that_takes_nothing_is_felt() {
    let pki = Pki::new();
    let (near, far) = duplex(4_096);
    let (client, server) = pair_over(pki.client(), pki.server(), near, far).await;
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    let mut data = Bytes::from(vec![7; MIB]);
    let taken = poll_fn(|cx| client.poll_write(cx, &mut data))
        .await
        .unwrap();
    // A block of records, and no more.
    assert!((64 * 1024..=128 * 1024).contains(&taken), "{taken}");
    assert_eq!(data.remaining(), MIB - taken);
    assert!(
        poll_once(|cx| client.poll_write(cx, &mut data))
            .await
            .is_none()
    );
    assert_eq!(data.remaining(), MIB - taken, "pending takes nothing");
    let (read, flushed) = tokio::join!(
        read_exactly(&mut server, taken),
        poll_fn(|cx| client.poll_flush(cx))
    );
    flushed.unwrap();
    assert_eq!(read.len(), taken);
}

// ---- the clock

#[tokio::test(start_paused = true)]
async fn an_alarm_that_moves_rings_when_last_told() {
    let runtime = TokioRuntime::current();
    let mut clock = runtime.clock();
    let at = |ms: u64| Timestamp::from_micros(ms * 1000);
    for deadline in [at(50), at(70), at(60), at(10), at(30)] {
        assert!(
            poll_once(|cx| clock.poll_deadline(cx, deadline))
                .await
                .is_none()
        );
    }
    poll_fn(|cx| clock.poll_deadline(cx, at(30))).await;
    assert!(
        clock.now() >= at(30) && clock.now() < at(33),
        "{:?}",
        clock.now()
    );
    assert!(
        poll_once(|cx| clock.poll_deadline(cx, Timestamp::MAX))
            .await
            .is_none()
    );
    poll_fn(|cx| clock.poll_deadline(cx, at(20))).await;
    assert_eq!(
        runtime.clock().now(),
        runtime.now(),
        "clocks share an origin"
    );
    assert_eq!(clock.now(), runtime.now());
}
