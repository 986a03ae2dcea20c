//! OAP/1 in one process: a server and a client that talk over TLS 1.3 on a loopback port.
//!
//! `cargo run --release -p oap-tokio --example quickstart`
//!
//! One will see a line for each step as it is done, a progress bar on a terminal, and a table in the
//! end: what was negotiated, with a post-quantum key exchange; the latency of 1,000 calls; a file
//! that goes plain and compressed; 64 MiB each way; events; more calls than slots; capabilities; a
//! compression bomb; dropped calls; a drain. Every byte and every code is checked: the exit status
//! is 0 only if all was as it must be.
//!
//! `serve` and `dial` below are all it takes to have a server and a client; the steps are in
//! `calls.rs`, `streams.rs` and `limits.rs`.

mod calls;
mod limits;
mod report;
mod streams;

use std::net::SocketAddr;
use std::process::ExitCode;

use oap_core::driver::test_apps;
use oap_tokio::*;
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use report::{Failure, Report};

/// An application of our own; the others are the test applications that the core brings along.
const GREETER: u16 = 0x0100;
const CAPABILITY: &str = "open sesame";

#[tokio::main]
async fn main() -> ExitCode {
    match tour().await {
        Ok(report) => report.print(),
        Err(error) => {
            eprintln!("quickstart: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn tour() -> Result<Report, Failure> {
    let runtime = TokioRuntime::current();
    let certificate = generate_simple_self_signed(["127.0.0.1".to_owned()])?;
    let apps = test_apps::service(&runtime);
    let (server, address) = serve(&runtime, apps, &certificate).await?;
    let (session, tls) = dial(&runtime, address, &certificate).await?;
    let (_guarded, door) = serve(&runtime, guarded(), &certificate).await?;
    let (visitor, _) = dial(&runtime, door, &certificate).await?;

    let mut report = Report::new();
    report.step("TLS", calls::tls(tls)).await;
    report.step("HELLO", calls::hello(&session)).await;
    report.step("1,000 calls", calls::echoes(&session)).await;
    report.step("file", calls::file(&session)).await;
    report.step("64 MiB up", streams::upload(&session)).await;
    report
        .step("64 MiB down", streams::download(&session))
        .await;
    report.step("1,000 events", streams::events(&session)).await;
    report.step("64 slots", limits::slots(&session)).await;
    report
        .step("capability", limits::capability(&visitor))
        .await;
    report.step("bomb", limits::bomb(&session)).await;
    report.step("dropped calls", limits::drops(&session)).await;
    let drain = limits::drain(&runtime, &server, &session);
    report.step("drain", drain).await;
    Ok(report)
}

/// A server on a free port of the loopback interface.
async fn serve(
    runtime: &TokioRuntime,
    service: Service,
    certificate: &CertifiedKey<KeyPair>,
) -> Result<(Server, SocketAddr), Failure> {
    let (chain, key) = (&certificate.cert, &certificate.signing_key);
    let tls = TlsServerConfig::builder()
        .pem(chain.pem(), key.serialize_pem())
        .build()?;
    let tcp = TcpListener::bind("127.0.0.1:0", &TcpOptions::default()).await?;
    let address = tcp.local_addr()?;
    let listener = TlsListener::new(tcp, tls);
    let (config, options) = (Config::default(), ServerOptions::default());
    let server = Server::start(runtime, listener, service, config, options);
    Ok((server, address))
}

/// A client's connection, and what its handshake has negotiated.
async fn dial(
    runtime: &TokioRuntime,
    address: SocketAddr,
    certificate: &CertifiedKey<KeyPair>,
) -> Result<(Session, TlsInfo), Failure> {
    let tls = TlsClientConfig::builder()
        .ca_pem(certificate.cert.pem())
        .build()?;
    let connector = TlsConnector::new(tls, TcpOptions::default());
    let transport = connector.connect(&address.to_string()).await?;
    let info = transport.info().tls.clone().ok_or("this is not TLS")?;
    let session = Session::connect(runtime, transport, Config::default()).await?;
    Ok((session, info))
}

/// An application for those who have the capability.
fn guarded() -> Service {
    Service::new()
        .unary(GREETER, async |request| {
            let name = String::from_utf8_lossy(&request.body);
            Response::ok(format!("Hello, {name}!"))
        })
        .authorize(async |start: Start| match &start.capability[..] {
            known if known == CAPABILITY.as_bytes() => Verdict::Allow,
            _ => Verdict::Deny,
        })
}
