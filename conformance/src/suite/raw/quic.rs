//! The first lane of a QUIC connection, with blocking calls.

use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use oap_core::Lane;
use oap_core::driver::{LaneError, Lanes};
use oap_tokio::{QuicConnector, QuicOptions, QuicTransport};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use super::{PATIENCE, STALLED};
use crate::suite::Target;

/// It reads only what it is asked to, so that the server's window closes.
pub(super) struct QuicLane {
    input: BytesMut,
    // Given up before its runtime ends.
    transport: Option<QuicTransport>,
    connector: QuicConnector,
    runtime: Runtime,
}

impl QuicLane {
    pub(super) fn connect(target: &Target) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let config = target.trust.client_config();
        let address = format!("localhost:{}", target.socket().port());
        let connector = QuicConnector::new(config, QuicOptions::default());
        let transport = runtime.block_on(connector.connect(&address));
        Ok(Self {
            input: BytesMut::new(),
            transport: Some(transport.map_err(io::Error::other)?),
            connector,
            runtime,
        })
    }

    fn wait<T>(
        &mut self,
        time: Duration,
        mut poll: impl FnMut(&mut QuicTransport, &mut Context<'_>) -> Poll<Result<T, LaneError>>,
    ) -> io::Result<T> {
        let Some(transport) = &mut self.transport else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let done = poll_fn(|cx| poll(transport, cx));
        match self.runtime.block_on(async { timeout(time, done).await }) {
            Ok(result) => result.map_err(io::Error::other),
            Err(_) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl Read for QuicLane {
    fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
        if self.input.is_empty() {
            let mut input = BytesMut::new();
            self.wait(PATIENCE, |transport, cx| {
                loop {
                    let Some(lane) = ready!(transport.poll_readable(cx))? else {
                        return Poll::Ready(Ok(()));
                    };
                    if let Poll::Ready(read) = transport.poll_read(cx, lane, &mut input) {
                        return Poll::Ready(read.map(drop));
                    }
                }
            })?;
            self.input = input;
        }
        let count = block.len().min(self.input.len());
        self.input.copy_to_slice(&mut block[..count]);
        Ok(count)
    }
}

impl Write for QuicLane {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut left = bytes;
        self.wait(STALLED, |transport, cx| {
            transport.poll_write(cx, Lane::FIRST, &mut left)
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        // What was written is sent in the background.
        Ok(())
    }
}

impl Drop for QuicLane {
    fn drop(&mut self) {
        self.transport = None;
        let idle = self.connector.wait_idle();
        // Otherwise the server learns of the end by its own timeout.
        let _ = self
            .runtime
            .block_on(async { timeout(PATIENCE, idle).await });
    }
}
