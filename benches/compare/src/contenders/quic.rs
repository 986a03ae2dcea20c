//! Streams and requests over QUIC: bare s2n-quic, and OAP/1 on it. Both keep to the default MTU.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use bytes::{Bytes, BytesMut};
use oap_tokio::{QuicConnector, QuicListener, QuicOptions, Session};
use s2n_quic::Connection;
use s2n_quic::client::Connect;
use s2n_quic::connection::Handle;
use s2n_quic::provider::limits::Limits;
use s2n_quic::provider::tls::rustls;
use s2n_quic::stream::BidirectionalStream;

use super::{oap, on_tokio};
use crate::contender::{Announce, Contender, Load};
use crate::drive::{self, Caller};
use crate::identity::{HOST, Identity};
use crate::scenario::{CHUNK, PAYLOAD, Shape};

const ALPN: Option<&str> = Some("compare");

/// A stream of s2n-quic.
pub struct Bare;

impl Contender for Bare {
    fn name(&self) -> &'static str {
        "s2n-quic"
    }

    fn takes(&self, shape: Shape) -> bool {
        shape.is_quic()
    }

    fn serve(&self, identity: &Identity, shape: Shape, announce: Announce) -> Result<()> {
        let config = identity.server(ALPN)?;
        on_tokio::run(async {
            let mut server = s2n_quic::Server::builder()
                .with_tls(rustls::Server::from(config))?
                .with_io("127.0.0.1:0")?
                .with_limits(limits(shape)?)?
                .start()?;
            announce(server.local_addr()?);
            while let Some(mut connection) = server.accept().await {
                if !shape.is_stream() {
                    tokio::spawn(echo(connection));
                    continue;
                }
                tokio::spawn(async move {
                    let stream = connection.accept_bidirectional_stream().await?;
                    let mut stream = stream.context("the client opens a stream")?;
                    let chunk = Bytes::from(vec![0; CHUNK]);
                    loop {
                        stream.send(chunk.clone()).await?;
                    }
                    #[expect(unreachable_code, reason = "it tells the type")]
                    anyhow::Ok(())
                });
            }
            Ok(())
        })
    }

    fn load(&self, load: Load) -> Result<()> {
        let config = load.identity.client(ALPN)?;
        on_tokio::run(async {
            let client = s2n_quic::Client::builder()
                .with_tls(rustls::Client::from(config))?
                .with_io("127.0.0.1:0")?
                .with_limits(limits(load.shape)?)?
                .start()?;
            let connect = Connect::new(load.address).with_server_name(HOST);
            if !load.shape.is_stream() {
                let connect =
                    async |_| Ok(Requests(client.connect(connect.clone()).await?.handle()));
                return drive::callers(&load, on_tokio::spawn(), connect).await;
            }
            let mut connection = client.connect(connect).await?;
            let mut stream = connection.open_bidirectional_stream().await?;
            stream.send(Bytes::from_static(b"go")).await?;
            load.meter.connected();
            while let Some(chunk) = stream.receive().await?
                && load.meter.received(chunk.len())
            {}
            Ok(())
        })
    }
}

/// As many streams at once as the load has requests.
fn limits(shape: Shape) -> Result<Limits> {
    let streams = u64::try_from(shape.depth)?.max(100);
    let limits = Limits::new()
        .with_max_open_local_bidirectional_streams(streams)?
        .with_max_open_remote_bidirectional_streams(streams)?;
    Ok(limits)
}

/// Answers what comes on each stream with the same.
async fn echo(mut connection: Connection) -> Result<()> {
    while let Some(mut stream) = connection.accept_bidirectional_stream().await? {
        tokio::spawn(async move {
            let request = receive_all(&mut stream).await?;
            stream.send(request).await?;
            stream.finish()?;
            anyhow::Ok(())
        });
    }
    Ok(())
}

async fn receive_all(stream: &mut BidirectionalStream) -> Result<Bytes> {
    let mut all = BytesMut::with_capacity(PAYLOAD);
    while let Some(chunk) = stream.receive().await? {
        all.extend_from_slice(&chunk);
    }
    Ok(all.freeze())
}

/// A connection whose requests have a stream each.
#[derive(Clone)]
struct Requests(Handle);

impl Caller for Requests {
    async fn call(&mut self, request: Bytes) -> Result<Bytes> {
        let mut stream = self.0.open_bidirectional_stream().await?;
        stream.send(request).await?;
        stream.finish()?;
        receive_all(&mut stream).await
    }
}

/// OAP/1 on s2n-quic and tokio.
pub struct Oap;

impl Contender for Oap {
    fn name(&self) -> &'static str {
        "oap-tokio-quic"
    }

    fn takes(&self, shape: Shape) -> bool {
        shape.is_quic()
    }

    fn serve(&self, identity: &Identity, shape: Shape, announce: Announce) -> Result<()> {
        let config = oap::server_config(identity)?;
        on_tokio::run(async {
            let listener =
                QuicListener::bind(on_tokio::ANY, config, &QuicOptions::default()).await?;
            announce(listener.local_addr()?);
            let _server = oap::start(&oap_tokio::Runtime::current(), listener, shape)?;
            std::future::pending().await
        })
    }

    fn load(&self, load: Load) -> Result<()> {
        let tls = oap::client_config(&load.identity)?;
        on_tokio::run(async {
            let connector = QuicConnector::new(tls, QuicOptions::default());
            let runtime = oap_tokio::Runtime::current();
            let connect = async |address: SocketAddr| {
                let transport = connector.connect(&address.to_string()).await?;
                anyhow::Ok(Session::connect(&runtime, transport, oap::config(load.shape)?).await?)
            };
            if !load.shape.is_stream() {
                let connect = async |address| Ok(oap::Streaming(connect(address).await?));
                return drive::callers(&load, on_tokio::spawn(), connect).await;
            }
            let session = connect(load.address).await?;
            oap::receive(session, &load.meter).await
        })
    }
}
