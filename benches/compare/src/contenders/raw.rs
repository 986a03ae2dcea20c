//! Length-prefixed frames on a TLS stream: what one writes in an hour, and in a day.

use std::net::{SocketAddr, TcpListener, TcpStream};

use anyhow::Result;
use bytes::Bytes;
use futures_rustls::{TlsAcceptor, TlsConnector};
use futures_util::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use smol::Async;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::client;

use super::{on_smol, on_tokio};
use crate::contender::{Announce, BASELINE, Contender, Load};
use crate::drive::{self, Pipe};
use crate::identity::Identity;
use crate::scenario::{CHUNK, Kind, Shape};

/// On tokio and tokio-rustls.
#[derive(Clone, Copy)]
pub enum TokioLoop {
    /// Length and body in one write: the baseline.
    Gathered,
    /// A write for each, of which TLS makes a record and a system call each.
    Plain,
}

impl Contender for TokioLoop {
    fn name(&self) -> &'static str {
        match self {
            Self::Gathered => BASELINE,
            Self::Plain => "tokio-rustls-plain",
        }
    }

    // The streams of QUIC are compared with it, too.
    fn takes(&self, shape: Shape) -> bool {
        shape.kind != Kind::QuicRequests
    }

    fn serve(&self, identity: &Identity, shape: Shape, announce: Announce) -> Result<()> {
        let config = identity.server(None)?;
        let this = *self;
        on_tokio::run(on_tokio::serve_tls(config, announce, move |stream| {
            this.serve_on(stream, shape)
        }))
    }

    fn load(&self, load: Load) -> Result<()> {
        let config = load.identity.client(None)?;
        let connect = async |address| {
            Ok(TokioPipe {
                how: *self,
                stream: on_tokio::connect_tls(&config, address).await?,
                sent: Vec::new(),
                received: Vec::new(),
            })
        };
        on_tokio::run(async {
            if load.shape.is_stream() {
                let mut pipe: TokioPipe = connect(load.address).await?;
                load.meter.connected();
                while load.meter.received(pipe.receive().await?.len()) {}
                return Ok(());
            }
            drive::pipes(&load, on_tokio::spawn(), connect).await
        })
    }
}

impl TokioLoop {
    async fn serve_on<S>(self, mut stream: S, shape: Shape) -> Result<()>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    {
        let mut frame = Vec::new();
        if shape.is_stream() {
            prefix(&mut frame, CHUNK);
            loop {
                self.write(&mut stream, &frame).await?;
            }
        }
        loop {
            let length = stream.read_u32().await? as usize;
            prefix(&mut frame, length);
            stream.read_exact(&mut frame[4..]).await?;
            self.write(&mut stream, &frame).await?;
        }
    }

    async fn write<S>(self, stream: &mut S, frame: &[u8]) -> Result<()>
    where
        S: tokio::io::AsyncWrite + Unpin,
    {
        match self {
            Self::Gathered => stream.write_all(frame).await?,
            Self::Plain => {
                let (length, body) = frame.split_at(4);
                stream.write_all(length).await?;
                stream.write_all(body).await?;
            }
        }
        Ok(stream.flush().await?)
    }
}

/// A frame of so many bytes, which are still to be filled in.
fn prefix(frame: &mut Vec<u8>, length: usize) {
    frame.resize(4 + length, 0);
    frame[..4].copy_from_slice(&(length as u32).to_be_bytes());
}

struct TokioPipe {
    how: TokioLoop,
    stream: client::TlsStream<tokio::net::TcpStream>,
    sent: Vec<u8>,
    received: Vec<u8>,
}

impl Pipe for TokioPipe {
    async fn send(&mut self, request: Bytes) -> Result<()> {
        prefix(&mut self.sent, request.len());
        self.sent[4..].copy_from_slice(&request);
        self.how.write(&mut self.stream, &self.sent).await
    }

    async fn receive(&mut self) -> Result<&[u8]> {
        let length = self.stream.read_u32().await? as usize;
        self.received.resize(length, 0);
        self.stream.read_exact(&mut self.received).await?;
        Ok(&self.received)
    }
}

/// The same on smol and futures-rustls.
pub struct SmolLoop;

impl Contender for SmolLoop {
    fn name(&self) -> &'static str {
        "futures-rustls"
    }

    fn serve(&self, identity: &Identity, shape: Shape, announce: Announce) -> Result<()> {
        let acceptor = TlsAcceptor::from(identity.server(None)?);
        on_smol::run(|executor| async move {
            let listener = Async::<TcpListener>::bind(([127, 0, 0, 1], 0))?;
            announce(listener.get_ref().local_addr()?);
            loop {
                let (tcp, _) = listener.accept().await?;
                tcp.get_ref().set_nodelay(true)?;
                let accepting = acceptor.accept(tcp);
                executor
                    .spawn(async move { serve_on_smol(accepting.await?, shape).await })
                    .detach();
            }
        })
    }

    fn load(&self, load: Load) -> Result<()> {
        let connector = TlsConnector::from(load.identity.client(None)?);
        on_smol::run(|executor| async move {
            let connect = async |address: SocketAddr| {
                let tcp = Async::<TcpStream>::connect(address).await?;
                tcp.get_ref().set_nodelay(true)?;
                let stream = connector.connect(Identity::name()?, tcp).await?;
                Ok(SmolPipe {
                    stream,
                    sent: Vec::new(),
                    received: Vec::new(),
                })
            };
            if load.shape.is_stream() {
                let mut pipe: SmolPipe = connect(load.address).await?;
                load.meter.connected();
                while load.meter.received(pipe.receive().await?.len()) {}
                return Ok(());
            }
            drive::pipes(&load, on_smol::spawn(&executor), connect).await
        })
    }
}

async fn serve_on_smol<S>(mut stream: S, shape: Shape) -> Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut frame = Vec::new();
    if shape.is_stream() {
        prefix(&mut frame, CHUNK);
        loop {
            stream.write_all(&frame).await?;
            stream.flush().await?;
        }
    }
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length).await?;
        prefix(&mut frame, u32::from_be_bytes(length) as usize);
        stream.read_exact(&mut frame[4..]).await?;
        stream.write_all(&frame).await?;
        stream.flush().await?;
    }
}

struct SmolPipe {
    stream: futures_rustls::client::TlsStream<Async<TcpStream>>,
    sent: Vec<u8>,
    received: Vec<u8>,
}

impl Pipe for SmolPipe {
    async fn send(&mut self, request: Bytes) -> Result<()> {
        prefix(&mut self.sent, request.len());
        self.sent[4..].copy_from_slice(&request);
        self.stream.write_all(&self.sent).await?;
        Ok(self.stream.flush().await?)
    }

    async fn receive(&mut self) -> Result<&[u8]> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).await?;
        self.received.resize(u32::from_be_bytes(length) as usize, 0);
        self.stream.read_exact(&mut self.received).await?;
        Ok(&self.received)
    }
}
