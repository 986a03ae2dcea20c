//! Every script between every pair of stacks over every transport.

use oap_conformance::suite::{Kind, Wire, run_cell};

/// One test for each transport between two stacks.
macro_rules! cells {
    ($($pair:ident: $client:ident -> $server:ident over $($test:ident = $wire:ident),*;)*) => {
        $(mod $pair {
            $(#[test]
            fn $test() {
                super::run_cell(super::Kind::$client, super::Kind::$server, super::Wire::$wire);
            })*
        })*
    };
}

cells! {
    tokio_to_tokio: TokioMultiThread -> TokioMultiThread over tcp = Tcp, tls = Tls, quic = Quic, uds = Uds;
    tokio_to_tokio_current: TokioMultiThread -> TokioCurrentThread over tcp = Tcp, tls = Tls, quic = Quic, uds = Uds;
    tokio_to_smol: TokioMultiThread -> Smol over tcp = Tcp, tls = Tls, quic = Quic, uds = Uds;
    tokio_to_blocking: TokioMultiThread -> Blocking over tcp = Tcp, tls = Tls, uds = Uds;
    tokio_current_to_tokio: TokioCurrentThread -> TokioMultiThread over tcp = Tcp, tls = Tls, quic = Quic, uds = Uds;
    tokio_current_to_tokio_current: TokioCurrentThread -> TokioCurrentThread over tcp = Tcp, tls = Tls, quic = Quic, uds = Uds;
    tokio_current_to_smol: TokioCurrentThread -> Smol over tcp = Tcp, tls = Tls, quic = Quic, uds = Uds;
    tokio_current_to_blocking: TokioCurrentThread -> Blocking over tcp = Tcp, tls = Tls, uds = Uds;
    smol_to_tokio: Smol -> TokioMultiThread over tcp = Tcp, tls = Tls, quic = Quic, uds = Uds;
    smol_to_tokio_current: Smol -> TokioCurrentThread over tcp = Tcp, tls = Tls, quic = Quic, uds = Uds;
    smol_to_smol: Smol -> Smol over tcp = Tcp, tls = Tls, quic = Quic, uds = Uds;
    smol_to_blocking: Smol -> Blocking over tcp = Tcp, tls = Tls, uds = Uds;
    blocking_to_tokio: Blocking -> TokioMultiThread over tcp = Tcp, tls = Tls, uds = Uds;
    blocking_to_tokio_current: Blocking -> TokioCurrentThread over tcp = Tcp, tls = Tls, uds = Uds;
    blocking_to_smol: Blocking -> Smol over tcp = Tcp, tls = Tls, uds = Uds;
    blocking_to_blocking: Blocking -> Blocking over tcp = Tcp, tls = Tls, uds = Uds;
}
