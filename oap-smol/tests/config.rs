//! One program for every backend, which is a word of its settings.
#![cfg(all(unix, feature = "config", feature = "tls"))]

#[path = "../../oap-core/host/tests/one_program/mod.rs"]
mod one_program;

mod adapter {
    pub(crate) use oap_smol::config::{
        AnyListener, Backend, Connector, Live, Loader, Settings, Target, bind, connect,
    };
    pub(crate) use oap_smol::{Head, Server, Session, SmolRuntime};

    pub(crate) fn current() -> SmolRuntime {
        SmolRuntime::current()
    }
}

use adapter::Backend;
use one_program::{reloads, serves_and_asks, tells_what_cannot_be_had};

macro_rules! each_backend {
    ($($(#[$cfg:meta])* $name:ident: $backend:ident,)+) => {
        $($(#[$cfg])*
        mod $name {
            use super::*;

            #[test]
            fn it_serves_and_asks() {
                smol::block_on(serves_and_asks(Backend::$backend));
            }

            #[test]
            fn it_reloads() {
                smol::block_on(reloads(Backend::$backend));
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

#[test]
fn what_cannot_be_had_is_told_in_one_line() {
    smol::block_on(tells_what_cannot_be_had());
}
