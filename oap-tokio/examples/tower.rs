//! One tower service behind two doors, HTTP by axum and OAP/1, which share its limits.
//!
//! `cargo run -p oap-tokio --features tower --example tower`

use std::net::SocketAddr;
use std::time::Duration;

use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use oap_tokio::tower::{Call, Handler, Refusal, SessionService};
use oap_tokio::{
    Code, Config, Head, Reason, Request, Response, Server, ServerOptions, Service, Session,
    TcpListener, TcpOptions, TokioRuntime, connect,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};

const UPPER: u16 = 0x0100;
static ENTERED: Notify = Notify::const_new();
static RELEASE: Notify = Notify::const_new();

/// What both doors lead to: clones of one service, and so of one limit.
type Inner = BoxCloneSyncService<Bytes, Bytes, BoxError>;

/// Writes large, one request at a time; `hold` takes until it is released.
fn inner() -> Inner {
    let upper = service_fn(async |text: Bytes| {
        if text == "hold" {
            ENTERED.notify_one();
            RELEASE.notified().await;
        }
        Ok::<_, BoxError>(text.to_ascii_uppercase().into())
    });
    let limits = ServiceBuilder::new().load_shed().concurrency_limit(1);
    BoxCloneSyncService::new(limits.service(upper))
}

/// The door of OAP, with a layer of its own.
fn over_oap(inner: Inner) -> Service {
    let door = ServiceBuilder::new()
        .timeout(Duration::from_millis(100))
        .map_request(|request: Request| request.body)
        .map_response(Response::ok);
    Service::new().handle(UPPER, Handler::new(door.service(inner)))
}

/// The door of HTTP; what OAP would refuse with a code, it refuses with the same.
fn over_http(inner: Inner) -> Router {
    let answer = async |State(inner): State<Inner>, body: Bytes| {
        let answer = inner.oneshot(body).await;
        answer.map_err(|error| {
            let refusal = Refusal::of(&*error);
            let status = StatusCode::from_u16(refusal.code.get());
            (status.unwrap_or_default(), refusal.message)
        })
    };
    Router::new().route("/", post(answer)).with_state(inner)
}

/// Posts a body and returns the answer as it is on the wire.
async fn post_to(address: SocketAddr, body: &'static str) -> std::io::Result<String> {
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    let head = "POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length:";
    let request = format!("{head} {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::main]
pub(crate) async fn main() -> Result<(), BoxError> {
    let (inner, runtime, tcp) = (inner(), TokioRuntime::current(), TcpOptions::default());
    let web = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let web_address = web.local_addr()?;
    let router = over_http(inner.clone());
    tokio::spawn(async { axum::serve(web, router).await });
    let listener = TcpListener::bind("127.0.0.1:0", &tcp).await?;
    let address = listener.local_addr()?;
    let (config, options) = (Config::default(), ServerOptions::default());
    let _server = Server::start(&runtime, listener, over_oap(inner), config.clone(), options);

    // A client has layers, too.
    let session = Session::connect(&runtime, connect(address, &tcp).await?, config).await?;
    let client = ServiceBuilder::new()
        .timeout(Duration::from_secs(5))
        .service(SessionService::new(session));
    let call = |body| client.clone().oneshot(Call::new(Head::new(UPPER), body));

    println!("OAP:  {:?}", call("hello").await?.body);
    let answer = post_to(web_address, "hello").await?;
    println!("HTTP: {:?}", answer.lines().last());
    assert!(answer.ends_with("HELLO"));

    // While HTTP holds the only place, OAP is refused at once, and told when to come again.
    let held = tokio::spawn(post_to(web_address, "hold"));
    ENTERED.notified().await;
    let refused = call("hello").await?;
    println!("OAP:  {:?}", refused.error());
    assert_eq!(refused.reason(), Some(Reason::OverCapacity));
    RELEASE.notify_one();
    assert!(held.await??.ends_with("HOLD"));

    // What takes too long is dropped, and its place is free.
    let late = call("hold").await?;
    println!("OAP:  {:?}", late.error());
    assert_eq!(late.code, Code::GATEWAY_TIMEOUT);
    assert_eq!(call("again").await?.body, "AGAIN");
    Ok(())
}
