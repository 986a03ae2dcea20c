//! A relay between client and server that can be cut as a cable is.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream, UdpSocket, UnixListener, UnixStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use super::{Address, Target, Wire};

/// Passes bytes on, both ways, until it is cut.
pub struct Relay {
    target: Target,
    cut: watch::Sender<bool>,
    _runtime: Runtime,
    _directory: TempDir,
}

impl Relay {
    /// A relay to a server.
    ///
    /// # Panics
    /// If it cannot listen.
    pub fn to(target: &Target) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let directory = tempfile::tempdir().expect("a directory");
        let (cut, is_cut) = watch::channel(false);
        let to = target.clone();
        let path = directory.path().join("relay.sock");
        let address = runtime.block_on(async move {
            match to.wire {
                Wire::Tcp | Wire::Tls => relay_tcp(to.socket(), is_cut).await,
                Wire::Uds => relay_unix(to.path().to_owned(), path, is_cut).await,
                Wire::Quic => relay_udp(to.socket(), is_cut).await,
            }
        });
        Self {
            target: Target {
                address: address.expect("a relay"),
                ..target.clone()
            },
            cut,
            _runtime: runtime,
            _directory: directory,
        }
    }

    /// The server, through this relay.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Cuts every connection off: TCP is reset both ways, a Unix socket is closed, datagrams are
    /// lost from now on.
    pub fn cut(&self) {
        self.cut.send_replace(true);
    }
}

async fn relay_tcp(to: SocketAddr, cut: watch::Receiver<bool>) -> io::Result<Address> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let mut cut = cut.clone();
            tokio::spawn(async move {
                let mut far = TcpStream::connect(to).await?;
                for stream in [&near, &far] {
                    stream.set_nodelay(true)?;
                }
                tokio::select! {
                    _ = copy_bidirectional(&mut near, &mut far) => {}
                    _ = cut.wait_for(|cut| *cut) => {
                        near.set_zero_linger()?;
                        far.set_zero_linger()?;
                    }
                }
                io::Result::Ok(())
            });
        }
    });
    Ok(Address::Socket(address))
}

async fn relay_unix(to: PathBuf, at: PathBuf, cut: watch::Receiver<bool>) -> io::Result<Address> {
    let listener = UnixListener::bind(&at)?;
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let (to, mut cut) = (to.clone(), cut.clone());
            tokio::spawn(async move {
                let mut far = UnixStream::connect(to).await?;
                tokio::select! {
                    _ = copy_bidirectional(&mut near, &mut far) => {}
                    _ = cut.wait_for(|cut| *cut) => {}
                }
                io::Result::Ok(())
            });
        }
    });
    Ok(Address::Path(at))
}

async fn relay_udp(to: SocketAddr, cut: watch::Receiver<bool>) -> io::Result<Address> {
    let near = Arc::new(UdpSocket::bind("127.0.0.1:0").await?);
    let address = near.local_addr()?;
    tokio::spawn(async move {
        let mut far_of = HashMap::<SocketAddr, Arc<UdpSocket>>::new();
        let mut datagram = vec![0; 65_536];
        while let Ok((count, client)) = near.recv_from(&mut datagram).await {
            if *cut.borrow() {
                continue;
            }
            let far = match far_of.get(&client) {
                Some(far) => far.clone(),
                None => {
                    let far = Arc::new(UdpSocket::bind("127.0.0.1:0").await?);
                    far.connect(to).await?;
                    tokio::spawn(return_to(client, far.clone(), near.clone(), cut.clone()));
                    far_of.insert(client, far.clone());
                    far
                }
            };
            // A datagram may be lost.
            let _ = far.send(&datagram[..count]).await;
        }
        io::Result::Ok(())
    });
    Ok(Address::Socket(address))
}

async fn return_to(
    client: SocketAddr,
    far: Arc<UdpSocket>,
    near: Arc<UdpSocket>,
    cut: watch::Receiver<bool>,
) {
    let mut datagram = vec![0; 65_536];
    while let Ok(count) = far.recv(&mut datagram).await {
        if !*cut.borrow() {
            let _ = near.send_to(&datagram[..count], client).await;
        }
    }
}
