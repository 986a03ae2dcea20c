//! Sessions with a server under test.

use oap_tokio::config::{Loader, Target, connect};
use oap_tokio::{Session, TokioRuntime};
use tokio::time::timeout;

use super::support::DEADLINE;

/// Connects to `target` with the flags given.
pub(crate) async fn session_of(
    target: &str,
    flags: &[(&str, &str)],
) -> Result<Session, oap_tokio::ConnectError> {
    let settings = Loader::client()
        .flags(flags.iter().copied())
        .load()
        .unwrap();
    let target: Target = target.parse().unwrap();
    let connecting = async {
        let transport = connect(&settings, &target).await?;
        Session::connect(&TokioRuntime::current(), transport, settings.core_config()).await
    };
    timeout(DEADLINE, connecting).await.expect("an end in time")
}

/// A session over plain TCP.
pub(crate) async fn session(address: &str) -> Session {
    session_of(&format!("tcp://{address}"), &[])
        .await
        .expect("a session")
}
