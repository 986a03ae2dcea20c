//! The runtime-neutral driver.

mod runtime;

pub use runtime::{Clock, HandshakeError, Listener, Runtime, Transport};
