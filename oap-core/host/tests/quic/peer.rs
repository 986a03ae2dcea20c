//! One end of a connection, driven by hand.

use std::future::poll_fn;
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use futures_util::future::join;
use oap_core::Lane;
use oap_core::driver::{Accepted, HandshakeError, LaneError, Lanes, Listener};
use oap_host::quic::{QuicOptions, QuicTransport};

use super::pki::Identity;
use crate::adapter::{QuicConnector, QuicListener};

/// What came.
#[derive(Debug)]
pub(crate) enum Came {
    Data(Lane, Bytes),
    End(Lane),
    #[allow(
        dead_code,
        reason = "not every adapter's tests make a peer that resets"
    )]
    Reset(Lane),
    Closed,
    Failed(std::io::Error),
}

pub(crate) struct Peer(pub(crate) QuicTransport);

impl Peer {
    /// The next thing that comes, on whichever lane.
    pub(crate) async fn next(&mut self) -> Came {
        poll_fn(|cx| {
            loop {
                let lane = match std::task::ready!(self.0.poll_readable(cx)) {
                    Ok(Some(lane)) => lane,
                    Ok(None) => return Poll::Ready(Came::Closed),
                    Err(error) => return Poll::Ready(Came::Failed(error)),
                };
                let mut buf = BytesMut::new();
                return Poll::Ready(match self.0.poll_read(cx, lane, &mut buf) {
                    Poll::Pending => continue,
                    Poll::Ready(Ok(0)) => Came::End(lane),
                    Poll::Ready(Ok(count)) => {
                        assert_eq!(buf.len(), count);
                        Came::Data(lane, buf.freeze())
                    }
                    Poll::Ready(Err(LaneError::Reset)) => Came::Reset(lane),
                    Poll::Ready(Err(LaneError::Failed(error))) => Came::Failed(error),
                });
            }
        })
        .await
    }

    /// The next `count` bytes, all on `lane`.
    pub(crate) async fn read(&mut self, lane: Lane, count: usize) -> Bytes {
        let mut whole = BytesMut::new();
        while whole.len() < count {
            match self.next().await {
                Came::Data(on, data) if on == lane => whole.extend_from_slice(&data),
                other => panic!("{other:?} instead of data on {lane:?}"),
            }
        }
        assert_eq!(whole.len(), count);
        whole.freeze()
    }

    /// The next thing is the end of `lane`.
    pub(crate) async fn ends(&mut self, lane: Lane) {
        match self.next().await {
            Came::End(on) if on == lane => {}
            other => panic!("{other:?} instead of the end of {lane:?}"),
        }
    }

    /// Writes all of `data`.
    pub(crate) async fn write(&mut self, lane: Lane, data: impl Into<Bytes>) {
        self.try_write(lane, data).await.expect("the lane is open");
    }

    pub(crate) async fn try_write(
        &mut self,
        lane: Lane,
        data: impl Into<Bytes>,
    ) -> Result<(), LaneError> {
        let mut data = data.into();
        while !data.is_empty() {
            poll_fn(|cx| self.0.poll_write(cx, lane, &mut data)).await?;
        }
        Ok(())
    }

    /// Whether the lane takes nothing for now.
    pub(crate) async fn is_full(&mut self, lane: Lane) -> bool {
        poll_fn(|cx| {
            let mut data = Bytes::from_static(b"x");
            Poll::Ready(self.0.poll_write(cx, lane, &mut data).is_pending())
        })
        .await
    }

    pub(crate) fn finish(&mut self, lane: Lane) {
        self.0.finish(lane);
    }

    pub(crate) async fn close(&mut self) {
        poll_fn(|cx| self.0.poll_close(cx)).await.expect("closed");
    }
}

/// A listener of its own on a free port.
pub(crate) async fn listen(identity: &Identity, options: &QuicOptions) -> QuicListener {
    let config = identity.server().build().expect("a TLS configuration");
    QuicListener::bind("127.0.0.1:0", config, options)
        .await
        .expect("a port")
}

pub(crate) fn connector(identity: &Identity, options: &QuicOptions) -> QuicConnector {
    let config = identity.client().build().expect("a TLS configuration");
    QuicConnector::new(config, options.clone())
}

/// The next connection, or why its handshake failed.
pub(crate) async fn accept(listener: &mut QuicListener) -> Result<Peer, HandshakeError> {
    let Accepted { handshake, peer } = poll_fn(|cx| listener.poll_accept(cx))
        .await
        .expect("accepting goes on");
    assert!(peer.is_some());
    handshake.await.map(Peer)
}

/// A connected client and its server.
pub(crate) struct Pair {
    pub(crate) client: Peer,
    pub(crate) server: Peer,
    pub(crate) connector: QuicConnector,
}

pub(crate) async fn pair(options: &QuicOptions) -> Pair {
    let identity = Identity::new();
    let mut listener = listen(&identity, options).await;
    let connector = connector(&identity, options);
    let address = listener.local_addr().expect("its address").to_string();
    let (client, server) = join(connector.connect(&address), accept(&mut listener)).await;
    Pair {
        client: Peer(client.expect("a connection")),
        server: server.expect("a connection"),
        connector,
    }
}
