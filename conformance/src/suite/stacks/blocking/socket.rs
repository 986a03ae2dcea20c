//! What TCP and Unix sockets of the standard library have in common.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};

use oap_core::driver::ConnectionInfo;
use oap_host::uds::peer_info;

/// A connected stream of which several threads have a handle.
pub(in crate::suite) trait Socket:
    Read + Write + Send + Sync + Sized + 'static
{
    fn duplicate(&self) -> io::Result<Self>;

    /// What is known of the connection.
    fn describe(&self) -> ConnectionInfo;

    /// Sends at once what is written.
    fn prepare(&self) -> io::Result<()>;

    /// Ends one side or both; calls that block on it return.
    fn end(&self, how: Shutdown);
}

impl Socket for TcpStream {
    fn describe(&self) -> ConnectionInfo {
        let mut info = ConnectionInfo::new("tcp");
        info.peer = self.peer_addr().ok();
        info.local = self.local_addr().ok();
        info
    }

    fn duplicate(&self) -> io::Result<Self> {
        self.try_clone()
    }

    fn prepare(&self) -> io::Result<()> {
        self.set_nodelay(true)
    }

    fn end(&self, how: Shutdown) {
        // A connection that is gone needs no shutdown.
        let _ = self.shutdown(how);
    }
}

impl Socket for UnixStream {
    fn describe(&self) -> ConnectionInfo {
        peer_info(self)
    }

    fn duplicate(&self) -> io::Result<Self> {
        self.try_clone()
    }

    fn prepare(&self) -> io::Result<()> {
        Ok(())
    }

    fn end(&self, how: Shutdown) {
        let _ = self.shutdown(how);
    }
}

/// A listening socket.
pub(in crate::suite) trait Accept: Send + Sync + Sized + 'static {
    type Socket: Socket;

    fn accept_one(&self) -> io::Result<Self::Socket>;

    fn duplicate(&self) -> io::Result<Self>;

    /// A thread that waits for a connection returns, with an error.
    fn wake(&self);
}

impl Accept for TcpListener {
    type Socket = TcpStream;

    fn accept_one(&self) -> io::Result<TcpStream> {
        self.accept().map(|(stream, _)| stream)
    }

    fn duplicate(&self) -> io::Result<Self> {
        self.try_clone()
    }

    fn wake(&self) {
        let _ = rustix::net::shutdown(self, rustix::net::Shutdown::Both);
    }
}

impl Accept for UnixListener {
    type Socket = UnixStream;

    fn accept_one(&self) -> io::Result<UnixStream> {
        self.accept().map(|(stream, _)| stream)
    }

    fn duplicate(&self) -> io::Result<Self> {
        self.try_clone()
    }

    fn wake(&self) {
        let _ = rustix::net::shutdown(self, rustix::net::Shutdown::Both);
    }
}
