//! gRPC by tonic, with its own TLS.

use std::pin::Pin;

use ::tonic::transport::{
    Certificate, Channel, ClientTlsConfig, Endpoint, Identity as Pem, Server, ServerTlsConfig,
};
use ::tonic::{Request, Response, Status};
use anyhow::Result;
use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use tokio_stream::wrappers::TcpListenerStream;

use super::on_tokio;
use crate::contender::{Announce, Contender, Load};
use crate::drive::{self, Caller};
use crate::identity::{HOST, Identity};
use crate::scenario::{CHUNK, Shape};

/// Flow-control windows that let a stream run, instead of the 64 KiB of HTTP/2.
pub const STREAM_WINDOW: u32 = 1024 * 1024;
pub const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;

mod generated {
    include!(concat!(env!("OUT_DIR"), "/compare.Echo.rs"));
}

use generated::echo_client::EchoClient;
use generated::echo_server::{Echo, EchoServer};

/// The one message; its bytes are not copied when they are decoded.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Payload {
    #[prost(bytes = "bytes", tag = "1")]
    body: Bytes,
}

/// gRPC on hyper and tokio.
pub struct Tonic;

impl Contender for Tonic {
    fn name(&self) -> &'static str {
        "tonic"
    }

    fn serve(&self, identity: &Identity, _: Shape, announce: Announce) -> Result<()> {
        let pem = Pem::from_pem(identity.certificate()?, identity.key()?);
        on_tokio::run(async {
            let listener = tokio::net::TcpListener::bind(on_tokio::ANY).await?;
            announce(listener.local_addr()?);
            let incoming = TcpListenerStream::new(listener).map(|accepted| {
                let tcp = accepted?;
                tcp.set_nodelay(true)?;
                std::io::Result::Ok(tcp)
            });
            Server::builder()
                .tls_config(ServerTlsConfig::new().identity(pem))?
                .initial_stream_window_size(STREAM_WINDOW)
                .initial_connection_window_size(CONNECTION_WINDOW)
                .add_service(EchoServer::new(Service))
                .serve_with_incoming(incoming)
                .await?;
            Ok(())
        })
    }

    fn load(&self, load: Load) -> Result<()> {
        let authority = Certificate::from_pem(load.identity.certificate()?);
        on_tokio::run(async {
            let connect = async |address: std::net::SocketAddr| {
                let tls = ClientTlsConfig::new()
                    .ca_certificate(authority.clone())
                    .domain_name(HOST);
                let channel = Endpoint::from_shared(format!("https://{address}"))?
                    .tls_config(tls)?
                    .initial_stream_window_size(STREAM_WINDOW)
                    .initial_connection_window_size(CONNECTION_WINDOW)
                    .connect()
                    .await?;
                Ok(EchoClient::new(channel))
            };
            if load.shape.is_stream() {
                let mut client: EchoClient<Channel> = connect(load.address).await?;
                let mut chunks = client.source(Payload::default()).await?.into_inner();
                load.meter.connected();
                while let Some(chunk) = chunks.message().await?
                    && load.meter.received(chunk.body.len())
                {}
                return Ok(());
            }
            drive::callers(&load, on_tokio::spawn(), connect).await
        })
    }
}

impl Caller for EchoClient<Channel> {
    async fn call(&mut self, body: Bytes) -> Result<Bytes> {
        Ok(self.echo(Payload { body }).await?.into_inner().body)
    }
}

struct Service;

#[::tonic::async_trait]
impl Echo for Service {
    type SourceStream = Pin<Box<dyn Stream<Item = Result<Payload, Status>> + Send>>;

    async fn echo(&self, request: Request<Payload>) -> Result<Response<Payload>, Status> {
        Ok(Response::new(request.into_inner()))
    }

    async fn source(&self, _: Request<Payload>) -> Result<Response<Self::SourceStream>, Status> {
        let chunk = Payload {
            body: Bytes::from(vec![0; CHUNK]),
        };
        Ok(Response::new(Box::pin(stream::repeat(Ok(chunk)))))
    }
}
