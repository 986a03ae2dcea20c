//! QUIC on smol.
#![cfg(all(unix, feature = "quic"))]

#[path = "../../oap-core/host/tests/quic/mod.rs"]
mod suite;

/// What the shared tests need of an adapter.
mod adapter {
    use std::pin::pin;
    use std::time::Duration;

    use futures_util::future::{Either, select};

    pub(crate) use oap_smol::{QuicConnector, QuicListener};

    pub(crate) fn runtime() -> oap_smol::Runtime {
        oap_smol::Runtime::current()
    }

    /// Runs a test for 60 s at most.
    pub(crate) fn run(test: impl Future<Output = ()>) {
        let limit = pin!(sleep(Duration::from_secs(60)));
        match smol::block_on(select(pin!(test), limit)) {
            Either::Left(_) => {}
            Either::Right(_) => panic!("not within 60 s"),
        }
    }

    pub(crate) async fn sleep(time: Duration) {
        smol::Timer::after(time).await;
    }
}
