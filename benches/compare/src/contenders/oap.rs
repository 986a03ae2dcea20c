//! OAP/1 as a program uses it, with its defaults.

use std::sync::Arc;

use anyhow::Result;
use bytes::Bytes;
use oap_tokio::{
    Code, Config, Fin, Head, Incoming, Limits, Response, Server, ServerOptions, Service, Session,
    TcpOptions, TlsClientConfig, TlsServerConfig,
};

use super::{on_smol, on_tokio};
use crate::contender::{Announce, Contender, Load};
use crate::drive::{self, Caller};
use crate::identity::{HOST, Identity};
use crate::meter::Meter;
use crate::scenario::{CHUNK, Shape};

const ECHO: u16 = 0x0100;
const SOURCE: u16 = 0x0101;

/// Window of a stream, in bytes.
const STREAM_WINDOW: usize = 1024 * 1024;

/// On tokio.
pub struct OnTokio;

impl Contender for OnTokio {
    fn name(&self) -> &'static str {
        "oap-tokio"
    }

    fn serve(&self, identity: &Identity, shape: Shape, announce: Announce) -> Result<()> {
        let config = server_config(identity)?;
        on_tokio::run(async {
            let tcp = oap_tokio::TcpListener::bind(on_tokio::ANY, &TcpOptions::default()).await?;
            announce(tcp.local_addr()?);
            let listener = oap_tokio::TlsListener::new(tcp, config);
            let _server = start(&oap_tokio::Runtime::current(), listener, shape)?;
            std::future::pending().await
        })
    }

    fn load(&self, load: Load) -> Result<()> {
        let tls = client_config(&load.identity)?;
        on_tokio::run(async {
            let runtime = oap_tokio::Runtime::current();
            let connector = oap_tokio::TlsConnector::new(tls, TcpOptions::default());
            let connect = async |address: std::net::SocketAddr| {
                let transport = connector.connect(&address.to_string()).await?;
                Ok(Session::connect(&runtime, transport, config(load.shape)?).await?)
            };
            if load.shape.is_stream() {
                let session = connect(load.address).await?;
                return receive(session, &load.meter).await;
            }
            drive::callers(&load, on_tokio::spawn(), connect).await
        })
    }
}

/// On smol.
pub struct OnSmol;

impl Contender for OnSmol {
    fn name(&self) -> &'static str {
        "oap-smol"
    }

    fn serve(&self, identity: &Identity, shape: Shape, announce: Announce) -> Result<()> {
        let config = server_config(identity)?;
        on_smol::run(|executor| async {
            let tcp = oap_smol::TcpListener::bind(on_tokio::ANY, &TcpOptions::default()).await?;
            announce(tcp.local_addr()?);
            let listener = oap_smol::TlsListener::new(tcp, config);
            let _server = start(&oap_smol::Runtime::new(executor), listener, shape)?;
            std::future::pending().await
        })
    }

    fn load(&self, load: Load) -> Result<()> {
        let tls = client_config(&load.identity)?;
        on_smol::run(|executor| async move {
            let runtime = oap_smol::Runtime::new(executor.clone());
            let connector = oap_smol::TlsConnector::new(tls, TcpOptions::default());
            let connect = async |address: std::net::SocketAddr| {
                let transport = connector.connect(&address.to_string()).await?;
                Ok(Session::connect(&runtime, transport, config(load.shape)?).await?)
            };
            if load.shape.is_stream() {
                let session = connect(load.address).await?;
                return receive(session, &load.meter).await;
            }
            drive::callers(&load, on_smol::spawn(&executor), connect).await
        })
    }
}

/// Starts the same server on either runtime.
pub fn start<R: oap_core::driver::Runtime>(
    runtime: &R,
    listener: impl oap_core::driver::Listener,
    shape: Shape,
) -> Result<Server> {
    let chunk = Bytes::from(vec![0; CHUNK]);
    let service = Service::new()
        .unary(ECHO, async |request| Response::ok(request.body))
        .handle(SOURCE, move |incoming| send(incoming, chunk.clone()));
    let mut options = ServerOptions::default();
    options.max_connections = options.max_connections.max(shape.conns);
    let config = config(shape)?;
    Ok(Server::start(runtime, listener, service, config, options))
}

/// The defaults, and as many exchanges at once as the load needs: their windows are then smaller, so
/// that together they stay within the bound. A stream has the window that it has on HTTP/2.
pub fn config(shape: Shape) -> Result<Config> {
    let mut config = Config::default();
    if shape.is_stream() {
        let inflight = config.limits.buffer_bytes() / STREAM_WINDOW;
        config.limits = Limits::builder()
            .max_inflight(u16::try_from(inflight)?)
            .ack_window(u32::try_from(STREAM_WINDOW)?)
            .build()?;
    }
    let needed = u16::try_from(shape.depth)?;
    if needed > config.limits.max_inflight() {
        let window = config.limits.buffer_bytes() / usize::from(needed);
        config.limits = Limits::builder()
            .max_inflight(needed)
            .ack_window(u32::try_from(window)?)
            .build()?;
    }
    Ok(config)
}

/// Sends chunks until nobody wants more.
async fn send(mut incoming: Incoming, chunk: Bytes) {
    while incoming.send(Code::OK, chunk.clone()).await.is_ok() {}
}

/// Takes what [`SOURCE`] sends.
pub async fn receive(session: Session, meter: &Arc<Meter>) -> Result<()> {
    let mut stream = session
        .open(Head::new(SOURCE), Bytes::new(), Fin::End)
        .await?;
    meter.connected();
    while let Some(message) = stream.recv().await?
        && meter.received(message.payload.wire_bytes().len())
    {}
    Ok(())
}

impl Caller for Session {
    async fn call(&mut self, request: Bytes) -> Result<Bytes> {
        Ok(self.request(Head::new(ECHO), request).await?.body)
    }
}

/// A session whose requests have a stream each.
#[derive(Clone)]
pub struct Streaming(pub Session);

impl Caller for Streaming {
    async fn call(&mut self, request: Bytes) -> Result<Bytes> {
        let most = request.len();
        let exchange = self.0.open(Head::new(ECHO), request, Fin::End).await?;
        Ok(exchange.response(most).await?.body)
    }
}

/// A server's side of TLS.
pub fn server_config(identity: &Identity) -> Result<TlsServerConfig> {
    let builder = TlsServerConfig::builder().pem(identity.certificate()?, identity.key()?);
    Ok(builder.build()?)
}

/// A client's side of TLS.
pub fn client_config(identity: &Identity) -> Result<TlsClientConfig> {
    let builder = TlsClientConfig::builder().ca_pem(identity.certificate()?);
    Ok(builder.server_name(HOST).build()?)
}
