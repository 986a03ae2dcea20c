//! No telemetry: everything is empty.

use std::time::Duration;

use crate::driver::service::BoxFuture;
use crate::driver::{ConnectionInfo, HandshakeError};
use crate::{CloseReason, Config, Connection, Start, Timestamp};

pub(in crate::driver) fn dialled(_backend: &'static str, _error: Option<&HandshakeError>) {}

#[derive(Clone)]
pub(in crate::driver) struct ServerTelemetry;

impl ServerTelemetry {
    pub(in crate::driver) fn new(
        _backend: &'static str,
        _apps: impl Iterator<Item = u16>,
        _config: &Config,
    ) -> Self {
        Self
    }

    pub(in crate::driver) fn accept_failed(&self) {}

    pub(in crate::driver) fn peer_refused(&self) {}

    pub(in crate::driver) fn handshake_begun(&self) {}

    pub(in crate::driver) fn handshake_over(&self) {}

    pub(in crate::driver) fn established(&self, _took: Duration, _info: &ConnectionInfo) {}

    pub(in crate::driver) fn handshake_failed(&self, _error: &HandshakeError) {}

    pub(in crate::driver) fn connection(
        &self,
        _id: u64,
        _info: &ConnectionInfo,
    ) -> ConnectionTelemetry {
        ConnectionTelemetry
    }
}

pub(in crate::driver) struct Entered;

pub(in crate::driver) struct ConnectionTelemetry;

impl ConnectionTelemetry {
    pub(in crate::driver) fn of_client(_info: &ConnectionInfo) -> Self {
        Self
    }

    #[inline]
    pub(in crate::driver) fn enter(&self) -> Entered {
        Entered
    }

    #[inline]
    pub(in crate::driver) fn read(&self, _bytes: usize) {}

    #[inline]
    pub(in crate::driver) fn written(&self, _bytes: usize) {}

    #[inline]
    pub(in crate::driver) fn received(&self, _payload: usize) {}

    pub(in crate::driver) fn throttled(&self) {}

    #[inline]
    pub(in crate::driver) fn observe(&mut self, _connection: &Connection) {}

    pub(in crate::driver) fn closed(&mut self, _reason: Option<&CloseReason>, _aborted: bool) {}

    #[inline]
    pub(in crate::driver) fn exchange(
        &self,
        _now: impl FnOnce() -> Timestamp,
        _start: &Start,
    ) -> ExchangeTelemetry {
        ExchangeTelemetry
    }

    #[inline]
    pub(in crate::driver) fn instrument(
        &self,
        _app_proto_id: u16,
        _corr_id: u64,
        future: BoxFuture<()>,
    ) -> BoxFuture<()> {
        future
    }
}

pub(in crate::driver) struct ExchangeTelemetry;

impl ExchangeTelemetry {
    #[inline]
    pub(in crate::driver) fn ended(&self, _now: impl FnOnce() -> Timestamp) {}
}
