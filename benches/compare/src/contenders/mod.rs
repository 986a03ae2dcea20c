//! One module for each way to send a request.

pub mod h2;
pub mod oap;
pub mod quic;
pub mod raw;
pub mod tonic;
pub mod websocket;

mod on_smol;
mod on_tokio;
