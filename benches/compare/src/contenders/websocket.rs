//! WebSocket by tokio-tungstenite, on tokio-rustls.

use anyhow::{Context, Result};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_rustls::{client, server};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async, client_async};

use super::on_tokio;
use crate::contender::{Announce, Contender, Load};
use crate::drive::{self, Pipe};
use crate::identity::Identity;
use crate::scenario::{CHUNK, Shape};

/// Binary messages, answered in their order.
pub struct WebSocket;

impl Contender for WebSocket {
    fn name(&self) -> &'static str {
        "tungstenite"
    }

    fn serve(&self, identity: &Identity, shape: Shape, announce: Announce) -> Result<()> {
        let config = identity.server(None)?;
        on_tokio::run(on_tokio::serve_tls(config, announce, move |stream| {
            serve(stream, shape)
        }))
    }

    fn load(&self, load: Load) -> Result<()> {
        let config = load.identity.client(None)?;
        on_tokio::run(async {
            let connect = async |address: std::net::SocketAddr| {
                let stream = on_tokio::connect_tls(&config, address).await?;
                let (socket, _) = client_async("wss://localhost/", stream).await?;
                Ok(Socket {
                    socket,
                    received: Bytes::new(),
                })
            };
            if load.shape.is_stream() {
                let mut socket: Socket = connect(load.address).await?;
                load.meter.connected();
                while load.meter.received(socket.receive().await?.len()) {}
                return Ok(());
            }
            drive::pipes(&load, on_tokio::spawn(), connect).await
        })
    }
}

async fn serve(stream: server::TlsStream<TcpStream>, shape: Shape) -> Result<()> {
    let mut socket = accept_async(stream).await?;
    if shape.is_stream() {
        let chunk = Bytes::from(vec![0; CHUNK]);
        loop {
            socket.send(Message::Binary(chunk.clone())).await?;
        }
    }
    while let Some(message) = socket.next().await {
        socket.send(message?).await?;
    }
    Ok(())
}

struct Socket {
    socket: WebSocketStream<client::TlsStream<TcpStream>>,
    received: Bytes,
}

impl Pipe for Socket {
    async fn send(&mut self, request: Bytes) -> Result<()> {
        Ok(self.socket.send(Message::Binary(request)).await?)
    }

    async fn receive(&mut self) -> Result<&[u8]> {
        let message = self
            .socket
            .next()
            .await
            .context("the server has closed")??;
        self.received = message.into_data();
        Ok(&self.received)
    }
}
