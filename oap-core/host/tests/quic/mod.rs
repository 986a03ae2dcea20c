//! Tests of QUIC that every adapter runs: its test binary includes this file and brings
//! `crate::adapter`.

mod handshakes;
mod lanes;
mod loss;
pub(crate) mod peer;
pub(crate) mod pki;
mod relay;
mod sessions;
