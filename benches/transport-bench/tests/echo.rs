//! The echo server and its client, as people run them.
#![cfg(unix)]

#[allow(dead_code, reason = "these tests refuse nothing")]
mod support;

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use oap_core::Code;
use oap_core::driver::test_apps::{self, DELAY, ECHO};
use oap_core::wire::{Flags, HEADER_LEN, Header, MIN_LEN};
use oap_tokio::{Config, Head, ServerOptions, Session, TcpOptions, TokioRuntime};
use rustix::process::Signal;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;
use support::{DEADLINE, Server, run_client, temporary};
use tokio::time::timeout;

// ---- runs

#[test]
fn a_run_over_tls_is_reported_and_the_server_ends_when_asked() {
    let (ca, json) = (temporary("run.pem"), temporary("run.json"));
    let (ca, json) = (ca.to_str().unwrap(), json.to_str().unwrap());
    let server = Server::start(&["--listen", "127.0.0.1:0", "--self-signed-out", ca]);
    let target = format!("https://{}", server.address);
    let mut args = vec!["--target", &target, "--ca", ca, "--json", json];
    args.extend(["--conns", "4", "--rps", "200", "--payload", "1000"]);
    args.extend(["--duration", "1"]);
    let output = run_client(&args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(
        stdout.contains("200 intended, 200 answered, 0 failed"),
        "{stdout}"
    );

    let report: Value = serde_json::from_slice(&fs::read(json).unwrap()).unwrap();
    let asked = &report["config"];
    assert_eq!(asked["target"], target);
    assert_eq!((&asked["conns"], &asked["rps"]), (&4.into(), &200.into()));
    assert_eq!(
        (&asked["payload"], &asked["depth"]),
        (&1000.into(), &16.into())
    );
    let negotiated = &report["negotiated"];
    assert_eq!(negotiated["transport"], "tls");
    assert_eq!(negotiated["tls_version"], "TLSv1_3");
    assert_eq!(negotiated["alpn"], "oap/1");
    assert_eq!(negotiated["connections"], 4);
    assert_eq!(negotiated["server"]["max_inflight"], 64);
    let requests = &report["requests"];
    assert_eq!(
        (&requests["intended"], &requests["answered"]),
        (&200.into(), &200.into())
    );
    assert_eq!(report["errors"], serde_json::json!({}));
    let latency = |name: &str| report["latency_us"][name].as_u64().unwrap();
    let steps = ["p50", "p90", "p95", "p99", "p99_9", "max"].map(latency);
    assert!(steps.is_sorted() && steps[0] > 0, "{steps:?}");
    assert!(report["rate_per_s"].as_f64().unwrap() > 100.0);

    server.signal(Signal::TERM);
    let (status, stderr) = server.wait();
    assert_eq!(status, Some(0), "{stderr}");
    assert!(
        stderr.contains("4 connections accepted, 0 handshakes failed"),
        "{stderr}"
    );
}

#[test]
fn a_closed_loop_over_plain_tcp_carries_the_largest_payload() {
    let server = Server::start(&["--listen", "127.0.0.1:0", "--plain"]);
    for (scheme, payload) in [("tcp", "1048543"), ("http", "0")] {
        let target = format!("{scheme}://{}", server.address);
        let output = run_client(&["--target", &target, "--payload", payload, "--duration", "1"]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{stderr}");
    }
    server.signal(Signal::INT);
    assert_eq!(server.wait().0, Some(0));
}

#[tokio::test]
async fn a_server_that_goes_away_spoils_the_run() {
    let runtime = TokioRuntime::current();
    let listener = oap_tokio::TcpListener::bind("127.0.0.1:0", &TcpOptions::default())
        .await
        .unwrap();
    let target = format!("tcp://{}", listener.local_addr().unwrap());
    let server = oap_tokio::Server::start(
        &runtime,
        listener,
        test_apps::service(&runtime),
        Config::default(),
        ServerOptions::default(),
    );
    let args = ["--target", &target, "--duration", "20"].map(str::to_owned);
    let run = tokio::task::spawn_blocking(move || run_client(&args.each_ref().map(String::as_str)));
    timeout(DEADLINE, async {
        while server.stats().connections == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("a connection in time");
    let report = server.drain(&runtime, DEADLINE).await;
    assert_eq!((report.drained, report.aborted), (1, 0));
    let output = run.await.unwrap();
    assert_eq!(output.status.code(), Some(1));
}

// ---- the end

#[tokio::test]
async fn requests_in_flight_finish_while_the_server_drains() {
    let server = Server::start(&["--listen", "127.0.0.1:0", "--plain"]);
    let session = session(&server).await;
    let soon = Bytes::copy_from_slice(&400_u32.to_le_bytes());
    let request = session.request(Head::new(DELAY), soon);
    let asked = async {
        // Frames of one connection are served in order: the slow one is in flight by now.
        session
            .request(Head::new(ECHO), Bytes::new())
            .await
            .unwrap();
        server.signal(Signal::TERM);
    };
    let (response, ()) = timeout(DEADLINE, async { tokio::join!(request, asked) })
        .await
        .expect("an answer in time");
    assert_eq!(response.unwrap().code, Code::OK);
    let (status, stderr) = server.wait();
    assert_eq!(status, Some(0));
    assert!(stderr.contains("1 drained, 0 cut off"), "{stderr}");
}

#[tokio::test]
async fn a_second_signal_does_not_wait() {
    for runtime in ["tokio", "smol"] {
        let server = Server::start(&["--plain", "--runtime", runtime]);
        let session = session(&server).await;
        let long = Bytes::copy_from_slice(&600_000_u32.to_le_bytes());
        let slow = session.clone();
        let request = tokio::spawn(async move { slow.request(Head::new(DELAY), long).await });
        // Frames of one connection are served in order: the slow one is in flight after this.
        tokio::task::yield_now().await;
        session
            .request(Head::new(ECHO), Bytes::new())
            .await
            .unwrap();
        server.signal(Signal::TERM);
        timeout(DEADLINE, session.going_away())
            .await
            .expect("a GOAWAY in time");
        server.signal(Signal::INT);
        let (status, stderr) = server.wait();
        assert_eq!(status, Some(0));
        assert!(stderr.contains("0 drained, 1 cut off"), "{stderr}");
        request.await.unwrap().unwrap_err();
    }
}

async fn session(server: &Server) -> Session {
    let connecting = async {
        let transport = oap_tokio::connect(&server.address, &TcpOptions::default()).await;
        let transport = transport.expect("a connection");
        Session::connect(&TokioRuntime::current(), transport, Config::default())
            .await
            .expect("a HELLO")
    };
    timeout(DEADLINE, connecting)
        .await
        .expect("a session in time")
}

// ---- ALPN

#[test]
fn a_client_without_alpn_is_refused_where_it_is_required() {
    for policy in [None, Some("required")] {
        let (_server, mut stream) = without_alpn("required.pem", policy);
        // In TLS 1.3 the server decides after the client's last flight: an orderly end.
        let refused = stream.write_all(&echo(b"ping")).and_then(|()| {
            let mut byte = [0];
            stream.read(&mut byte)
        });
        match refused {
            Ok(count) => assert_eq!(count, 0),
            Err(error) => assert!(
                matches!(
                    error.kind(),
                    ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof
                ),
                "{error}"
            ),
        }
    }
}

#[test]
fn a_client_without_alpn_is_served_where_it_is_optional() {
    let (_server, mut stream) = without_alpn("optional.pem", Some("optional"));
    let request = echo(b"ping");
    stream.write_all(&request).unwrap();
    let mut answer = vec![0; request.len()];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer[HEADER_LEN..], b"ping");
}

/// A request of one frame.
fn echo(payload: &[u8]) -> Vec<u8> {
    let header = Header {
        len: MIN_LEN + payload.len() as u32,
        flags: Flags::REQ | Flags::START | Flags::END,
        code: Code::OK,
        app_proto_id: ECHO,
        tenant_id: 0,
        cap_len: 0,
        corr_id: 1,
    };
    [&header.encode()[..], payload].concat()
}

fn without_alpn(
    file: &str,
    policy: Option<&str>,
) -> (Server, StreamOwned<ClientConnection, TcpStream>) {
    let ca = temporary(file);
    let mut args = vec!["--listen", "127.0.0.1:0"];
    args.extend(["--self-signed-out", ca.to_str().unwrap()]);
    args.extend(policy.iter().flat_map(|policy| ["--alpn", *policy]));
    let server = Server::start(&args);
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(&ca).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = "localhost".try_into().unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let stream = TcpStream::connect(&server.address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    (server, StreamOwned::new(connection, stream))
}
