//! HTTP/2 by h2, on tokio-rustls.

use ::h2::client::SendRequest;
use ::h2::server::SendResponse;
use ::h2::{RecvStream, SendStream};
use anyhow::{Context, Result, ensure};
use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use std::future::poll_fn;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::on_tokio;
use super::tonic::{CONNECTION_WINDOW, STREAM_WINDOW};
use crate::contender::{Announce, Contender, Load};
use crate::drive::{self, Caller};
use crate::identity::Identity;
use crate::scenario::{CHUNK, Shape};

const ALPN: Option<&str> = Some("h2");

/// h2 alone, without hyper.
pub struct H2;

impl Contender for H2 {
    fn name(&self) -> &'static str {
        "h2"
    }

    fn serve(&self, identity: &Identity, shape: Shape, announce: Announce) -> Result<()> {
        let config = identity.server(ALPN)?;
        on_tokio::run(on_tokio::serve_tls(config, announce, move |stream| {
            serve(stream, shape)
        }))
    }

    fn load(&self, load: Load) -> Result<()> {
        let config = load.identity.client(ALPN)?;
        on_tokio::run(async {
            let connect = async |address: std::net::SocketAddr| {
                let stream = on_tokio::connect_tls(&config, address).await?;
                let (client, connection) = ::h2::client::Builder::new()
                    .initial_window_size(STREAM_WINDOW)
                    .initial_connection_window_size(CONNECTION_WINDOW)
                    .handshake(stream)
                    .await?;
                tokio::spawn(connection);
                Ok(client)
            };
            if load.shape.is_stream() {
                let mut client: SendRequest<Bytes> = connect(load.address).await?;
                let mut body = open(&mut client, Bytes::new()).await?;
                load.meter.connected();
                while let Some(part) = body.data().await {
                    let length = part?.len();
                    body.flow_control().release_capacity(length)?;
                    if !load.meter.received(length) {
                        break;
                    }
                }
                return Ok(());
            }
            drive::callers(&load, on_tokio::spawn(), connect).await
        })
    }
}

async fn serve(stream: TlsStream<TcpStream>, shape: Shape) -> Result<()> {
    let mut connection = ::h2::server::Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .handshake(stream)
        .await?;
    while let Some(accepted) = connection.accept().await {
        let (request, answer) = accepted?;
        if shape.is_stream() {
            tokio::spawn(source(answer));
        } else {
            tokio::spawn(echo(request, answer));
        }
    }
    Ok(())
}

async fn echo(request: Request<RecvStream>, mut answer: SendResponse<Bytes>) -> Result<()> {
    let body = collect(request.into_body()).await?;
    let mut stream = answer.send_response(Response::new(()), false)?;
    Ok(stream.send_data(body, true)?)
}

async fn source(mut answer: SendResponse<Bytes>) -> Result<()> {
    let chunk = Bytes::from(vec![0; CHUNK]);
    let mut stream = answer.send_response(Response::new(()), false)?;
    loop {
        send(&mut stream, chunk.clone()).await?;
    }
}

/// Sends as the windows let it.
async fn send(stream: &mut SendStream<Bytes>, mut body: Bytes) -> Result<()> {
    while !body.is_empty() {
        stream.reserve_capacity(body.len());
        let room = poll_fn(|cx| stream.poll_capacity(cx)).await;
        let room = room.context("the stream has ended")??;
        stream.send_data(body.split_to(room.min(body.len())), false)?;
    }
    Ok(())
}

async fn open(client: &mut SendRequest<Bytes>, body: Bytes) -> Result<RecvStream> {
    poll_fn(|cx| client.poll_ready(cx)).await?;
    let request = Request::post("https://localhost/echo").body(())?;
    let (answer, mut stream) = client.send_request(request, body.is_empty())?;
    if !body.is_empty() {
        stream.send_data(body, true)?;
    }
    let answer = answer.await?;
    ensure!(answer.status().is_success(), "{}", answer.status());
    Ok(answer.into_body())
}

/// A whole body; one that came in one piece is not copied.
async fn collect(mut body: RecvStream) -> Result<Bytes> {
    let mut whole = BytesMut::new();
    while let Some(part) = body.data().await {
        let part = part?;
        body.flow_control().release_capacity(part.len())?;
        if body.is_end_stream() && whole.is_empty() {
            return Ok(part);
        }
        whole.extend_from_slice(&part);
    }
    Ok(whole.freeze())
}

impl Caller for SendRequest<Bytes> {
    async fn call(&mut self, request: Bytes) -> Result<Bytes> {
        collect(open(self, request).await?).await
    }
}
