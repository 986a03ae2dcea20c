//! Settings, and what s2n-quic makes of them.

use std::io;
use std::num::NonZeroUsize;
use std::thread::available_parallelism;
use std::time::Duration;

use s2n_quic::provider::limits::Limits;

/// Streams by default; twice as many on machines of [`LARGE_MACHINE`] cores.
const STREAMS: u16 = 512;
const LARGE_MACHINE: usize = 16;
/// Smallest number of bytes that a window may have: one full frame would otherwise need many round
/// trips.
const MIN_WINDOW: u32 = 64 * 1024;

/// Settings of QUIC, for listeners and clients alike. The time for a handshake is that of the TLS
/// configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuicOptions {
    /// Streams, which are lanes, that one connection may have at once. A client's further ones wait.
    /// Default 512, or 1024 on machines of 16 cores and more; above 0.
    pub max_streams: u16,
    /// After this long without a packet the peer has vanished. Default 60 s; at least 1 s. Whether an
    /// idle connection is kept is for the protocol's own timer to say, so this must not be shorter.
    pub idle_timeout: Duration,
    /// How often to ask a silent peer for a sign of life, which also keeps middleboxes from forgetting
    /// the connection. Default 20 s; `None`: never, and then a handler that says nothing for
    /// `idle_timeout` loses its connection.
    pub keep_alive: Option<Duration>,
    /// Handshakes in flight beyond which a server makes clients prove their address first, which costs
    /// them a round trip. Default 2 for each core.
    pub max_handshakes: usize,
    /// Connections that may be in a handshake or wait to be accepted; further ones are refused.
    /// Default 1024; above 0.
    pub backlog: usize,
    /// Bytes of one stream that the peer may send before we have read them. Default 256 KiB, twice the
    /// protocol's own window; at least 64 KiB.
    pub stream_window: u32,
    /// The same for all streams of a connection together: the most that one connection's unread bytes
    /// can hold. Default 4 MiB; not below `stream_window`.
    pub connection_window: u32,
    /// Bytes of one stream that may wait to be sent and acknowledged. Default 256 KiB; at least
    /// 64 KiB.
    pub send_buffer: u32,
    /// `SO_SNDBUF` of the UDP socket in bytes. Default `None`: the system's.
    pub socket_send_buffer: Option<usize>,
    /// `SO_RCVBUF` of the UDP socket in bytes. Default `None`: the system's.
    pub socket_recv_buffer: Option<usize>,
}

impl Default for QuicOptions {
    fn default() -> Self {
        let cores = available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            max_streams: if cores >= LARGE_MACHINE {
                2 * STREAMS
            } else {
                STREAMS
            },
            idle_timeout: Duration::from_secs(60),
            keep_alive: Some(Duration::from_secs(20)),
            max_handshakes: 2 * cores,
            backlog: 1024,
            stream_window: 256 * 1024,
            connection_window: 4 * 1024 * 1024,
            send_buffer: 256 * 1024,
            socket_send_buffer: None,
            socket_recv_buffer: None,
        }
    }
}

impl QuicOptions {
    /// The limits of a server: only the client opens streams, and only bidirectional ones
    /// (OAP-11-5).
    pub(super) fn server_limits(&self, handshake: Duration) -> io::Result<Limits> {
        self.limits(handshake, 0, self.max_streams)
    }

    /// The limits of a client, whose server opens no streams (OAP-11-5).
    pub(super) fn client_limits(&self, handshake: Duration) -> io::Result<Limits> {
        self.limits(handshake, self.max_streams, 0)
    }

    fn limits(&self, handshake: Duration, local: u16, remote: u16) -> io::Result<Limits> {
        self.validate()?;
        let stream_window = self.stream_window.into();
        let mut limits = Limits::new()
            .with_max_open_local_bidirectional_streams(local.into())
            .and_then(|limits| limits.with_max_open_remote_bidirectional_streams(remote.into()))
            .and_then(|limits| limits.with_max_open_local_unidirectional_streams(0))
            .and_then(|limits| limits.with_max_open_remote_unidirectional_streams(0))
            .and_then(|limits| limits.with_max_idle_timeout(self.idle_timeout))
            .and_then(|limits| limits.with_max_handshake_duration(handshake))
            .and_then(|limits| limits.with_bidirectional_local_data_window(stream_window))
            .and_then(|limits| limits.with_bidirectional_remote_data_window(stream_window))
            .and_then(|limits| limits.with_data_window(self.connection_window.into()))
            .and_then(|limits| limits.with_max_send_buffer_size(self.send_buffer))
            .map_err(invalid)?;
        if let Some(period) = self.keep_alive {
            limits = limits.with_max_keep_alive_period(period).map_err(invalid)?;
        }
        Ok(limits)
    }

    fn validate(&self) -> io::Result<()> {
        if self.max_streams == 0 {
            return Err(invalid("max_streams 0: must be above 0"));
        }
        if self.backlog == 0 {
            return Err(invalid("backlog 0: must be above 0"));
        }
        if self.idle_timeout < Duration::from_secs(1) {
            return Err(invalid(format!(
                "idle_timeout {:?}: must be at least 1 s",
                self.idle_timeout
            )));
        }
        if let Some(period) = self.keep_alive
            && (period.is_zero() || period >= self.idle_timeout)
        {
            return Err(invalid(format!(
                "keep_alive {period:?}: must be above 0 and below idle_timeout"
            )));
        }
        for (name, bytes) in [
            ("stream_window", self.stream_window),
            ("send_buffer", self.send_buffer),
        ] {
            if bytes < MIN_WINDOW {
                return Err(invalid(format!(
                    "{name} {bytes}: must be at least {MIN_WINDOW}"
                )));
            }
        }
        if self.connection_window < self.stream_window {
            return Err(invalid(format!(
                "connection_window {}: must not be below stream_window, {}",
                self.connection_window, self.stream_window
            )));
        }
        Ok(())
    }
}

fn invalid(rule: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, rule.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(change: impl FnOnce(&mut QuicOptions)) -> String {
        let mut options = QuicOptions::default();
        change(&mut options);
        let error = options.server_limits(Duration::from_secs(5));
        error.expect_err("a rule is broken").to_string()
    }

    #[test]
    fn the_defaults_hold_and_a_bad_value_is_named_with_its_rule() {
        let defaults = QuicOptions::default();
        assert!(defaults.server_limits(Duration::from_secs(5)).is_ok());
        assert!(defaults.client_limits(Duration::from_secs(5)).is_ok());
        assert!(defaults.max_streams == 512 || defaults.max_streams == 1024);

        assert_eq!(
            refusal(|options| options.max_streams = 0),
            "max_streams 0: must be above 0"
        );
        assert_eq!(
            refusal(|options| options.keep_alive = Some(Duration::from_secs(60))),
            "keep_alive 60s: must be above 0 and below idle_timeout"
        );
        assert_eq!(
            refusal(|options| options.stream_window = 100),
            "stream_window 100: must be at least 65536"
        );
        assert_eq!(
            refusal(|options| options.connection_window = 70_000),
            "connection_window 70000: must not be below stream_window, 262144"
        );
    }
}
