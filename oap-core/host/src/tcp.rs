//! Settings of TCP sockets.

use std::time::Duration;

/// Socket settings, for listeners and clients alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpOptions {
    /// Sends small segments at once (`TCP_NODELAY`). Default on: the driver gathers frames itself.
    pub nodelay: bool,
    /// `SO_SNDBUF` in bytes. Default `None`: the kernel tunes it.
    pub send_buffer: Option<u32>,
    /// `SO_RCVBUF` in bytes. Default `None`: the kernel tunes it.
    pub recv_buffer: Option<u32>,
    /// Connections that may wait to be accepted; the kernel may cap it. Default 1024.
    pub backlog: u32,
    /// Time to connect, for all addresses of a name together. Default 5 s.
    pub connect_timeout: Duration,
}

impl Default for TcpOptions {
    fn default() -> Self {
        Self {
            nodelay: true,
            send_buffer: None,
            recv_buffer: None,
            backlog: 1024,
            connect_timeout: Duration::from_secs(5),
        }
    }
}
