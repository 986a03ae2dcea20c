//! Streaming over QUIC: bare s2n-quic, and OAP/1 on it. Both keep to the default MTU.

use anyhow::{Context, Result};
use bytes::Bytes;
use oap_tokio::{Config, QuicConnector, QuicListener, QuicOptions, Session};
use s2n_quic::client::Connect;
use s2n_quic::provider::tls::rustls;

use super::{oap, on_tokio};
use crate::contender::{Announce, Contender, Load};
use crate::identity::{HOST, Identity};
use crate::scenario::{CHUNK, Kind, Shape};

const ALPN: Option<&str> = Some("compare");

/// A stream of s2n-quic.
pub struct Bare;

impl Contender for Bare {
    fn name(&self) -> &'static str {
        "s2n-quic"
    }

    fn takes(&self, shape: Shape) -> bool {
        shape.kind == Kind::QuicStream
    }

    fn serve(&self, identity: &Identity, _: Shape, announce: Announce) -> Result<()> {
        let config = identity.server(ALPN)?;
        on_tokio::run(async {
            let mut server = s2n_quic::Server::builder()
                .with_tls(rustls::Server::from(config))?
                .with_io("127.0.0.1:0")?
                .start()?;
            announce(server.local_addr()?);
            while let Some(mut connection) = server.accept().await {
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
                .start()?;
            let connect = Connect::new(load.address).with_server_name(HOST);
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

/// OAP/1 on s2n-quic and tokio.
pub struct Oap;

impl Contender for Oap {
    fn name(&self) -> &'static str {
        "oap-tokio-quic"
    }

    fn takes(&self, shape: Shape) -> bool {
        shape.kind == Kind::QuicStream
    }

    fn serve(&self, identity: &Identity, _: Shape, announce: Announce) -> Result<()> {
        let config = oap::server_config(identity)?;
        on_tokio::run(async {
            let listener =
                QuicListener::bind(on_tokio::ANY, config, &QuicOptions::default()).await?;
            announce(listener.local_addr()?);
            let _server = oap::start(&oap_tokio::Runtime::current(), listener);
            std::future::pending().await
        })
    }

    fn load(&self, load: Load) -> Result<()> {
        let tls = oap::client_config(&load.identity)?;
        on_tokio::run(async {
            let connector = QuicConnector::new(tls, QuicOptions::default());
            let transport = connector.connect(&load.address.to_string()).await?;
            let runtime = oap_tokio::Runtime::current();
            let session = Session::connect(&runtime, transport, Config::default()).await?;
            oap::receive(session, &load.meter).await
        })
    }
}
