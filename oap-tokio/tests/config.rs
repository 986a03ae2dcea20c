//! One program for every backend, which is a word of its settings.
#![cfg(all(unix, feature = "config", feature = "tls"))]

#[path = "../../oap-core/host/tests/one_program/mod.rs"]
mod one_program;

mod adapter {
    pub(crate) use oap_tokio::config::{
        AnyListener, Backend, Connector, Live, Loader, Settings, Target, bind, connect,
    };
    pub(crate) use oap_tokio::{Head, Server, Session, TokioRuntime};

    pub(crate) fn current() -> TokioRuntime {
        TokioRuntime::current()
    }
}

use adapter::Backend;
use one_program::{reloads, serves_and_asks, tells_what_cannot_be_had};

macro_rules! each_backend {
    ($($(#[$cfg:meta])* $name:ident: $backend:ident,)+) => {
        $($(#[$cfg])*
        mod $name {
            use super::*;

            #[tokio::test]
            async fn it_serves_and_asks() {
                serves_and_asks(Backend::$backend).await;
            }

            #[tokio::test]
            async fn it_reloads() {
                reloads(Backend::$backend).await;
            }
        })+
    };
}

each_backend! {
    tcp: Tcp,
    tls: Tls,
    #[cfg(feature = "quic")]
    quic: Quic,
    uds: Uds,
}

#[tokio::test]
async fn what_cannot_be_had_is_told_in_one_line() {
    tells_what_cannot_be_had().await;
}
