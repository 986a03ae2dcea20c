//! The one thread of a process on tokio.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use rustls::{ClientConfig, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use crate::contender::Announce;
use crate::drive::Spawn;
use crate::identity::Identity;

/// Any free port.
pub const ANY: (&str, u16) = ("127.0.0.1", 0);

/// Runs a program to its end.
pub fn run(program: impl Future<Output = Result<()>>) -> Result<()> {
    Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(program)
}

/// Tasks of the runtime that [`run`] has made.
pub fn spawn() -> Spawn {
    Arc::new(|task| {
        let handle = tokio::spawn(task);
        Box::pin(async { handle.await? })
    })
}

/// Accepts TLS connections and serves each in a task of its own.
pub async fn serve_tls<F>(
    config: Arc<ServerConfig>,
    announce: Announce,
    serve: impl Fn(server::TlsStream<TcpStream>) -> F + Clone + Send + 'static,
) -> Result<()>
where
    F: Future<Output = Result<()>> + Send,
{
    let listener = TcpListener::bind(ANY).await?;
    announce(listener.local_addr()?);
    let acceptor = TlsAcceptor::from(config);
    loop {
        let (tcp, _) = listener.accept().await?;
        tcp.set_nodelay(true)?;
        let (acceptor, serve) = (acceptor.clone(), serve.clone());
        tokio::spawn(async move {
            let tls = acceptor.accept(tcp).await?;
            // It ends with the client.
            serve(tls).await
        });
    }
}

/// A TLS connection to `address`.
pub async fn connect_tls(
    config: &Arc<ClientConfig>,
    address: SocketAddr,
) -> Result<client::TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(address).await?;
    tcp.set_nodelay(true)?;
    let connector = TlsConnector::from(config.clone());
    Ok(connector.connect(Identity::name()?, tcp).await?)
}
