//! QUIC on tokio.
#![cfg(feature = "quic")]

#[path = "quic/raw.rs"]
mod raw;
#[path = "../../oap-core/host/tests/quic/mod.rs"]
mod suite;

/// What the shared tests need of an adapter.
mod adapter {
    use std::time::Duration;

    pub(crate) use oap_tokio::{QuicConnector, QuicListener};

    pub(crate) fn runtime() -> oap_tokio::Runtime {
        oap_tokio::Runtime::current()
    }

    /// Runs a test for 60 s at most.
    pub(crate) fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        runtime
            .block_on(async { tokio::time::timeout(Duration::from_secs(60), test).await })
            .expect("within 60 s");
        runtime.shutdown_background();
    }

    pub(crate) async fn sleep(time: Duration) {
        tokio::time::sleep(time).await;
    }
}
