//! The core of OAP/1, the Overlay App Protocol: a pure state machine.
//!
//! One binary envelope carries requests, responses, events and streams. This crate holds the whole
//! protocol and nothing else: no socket, no clock, no randomness. Bytes and time go in, events and
//! bytes come out, so it runs in any runtime, without one, and in virtual time.
//!
//! - [`Connection`] is the state machine of either role; start there.
//! - [`wire`] is the codec alone: headers, frames, HELLO, error bodies.
//! - [`Config`] and [`Limits`] say what a connection may cost.
//! - [`policy`] has small pure policies, such as the token bucket.
//! - [`driver`] (feature `driver`) moves bytes between a connection and any stream, and gives the
//!   `Session` and `Server` that the adapters re-export.
//!
//! # Features
//! `std` (default) adds what needs an operating system; `comp` (default) adds zlib payloads;
//! `driver` the runtime-neutral driver. Without default features the crate is `no_std` + `alloc`.
//!
//! It builds with Rust 1.80; for a target that has no standard library, with 1.81.
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod code;
mod config;
mod connection;
mod counters;
#[cfg(feature = "driver")]
pub mod driver;
mod error;
mod event;
#[cfg(feature = "comp")]
pub mod inflate;
mod limits;
mod payload;
pub mod policy;
#[cfg(feature = "testing")]
pub mod testing;
mod time;
pub mod wire;

pub use code::{Code, Reason};
pub use config::{Config, Consume, Timers};
#[cfg(feature = "comp")]
pub use connection::Compression;
pub use connection::{Connection, Exchange, Role, Transmit, Verdict};
pub use counters::Counters;
pub use error::{CloseReason, Scope, SendError, Timer, Violation};
pub use event::{End, Event, ExchangeId, Fin, Head, Interest, Lane, Start};
pub use limits::{LimitError, Limits, LimitsBuilder};
pub use payload::{Body, Charge, Payload};
pub use time::Timestamp;
