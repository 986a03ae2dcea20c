//! Unix domain sockets: where they lie, who may reach them, and who has connected.
//!
//! Sockets of the abstract namespace are not supported: they have no mode, so everybody on the
//! machine, containers that share the network included, could connect.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::Uid;
use oap_core::Reason;
use oap_core::driver::{ConnectionInfo, HandshakeError};
use socket2::{Domain, SockAddr, Socket, Type};

/// Where a socket lies and who may connect to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UdsOptions {
    /// Mode of the socket. Default 0600.
    pub mode: u32,
    /// Mode of its directory, if that is missing, and the most that one which is there may allow.
    /// Default 0700.
    pub dir_mode: u32,
    /// User ids that may connect (OAP-11-11). Default none: whoever the modes let through.
    pub allow_uids: Vec<u32>,
    /// Connections that may wait to be accepted; the kernel may cap it. Default 1024.
    pub backlog: u32,
}

impl Default for UdsOptions {
    fn default() -> Self {
        Self {
            mode: 0o600,
            dir_mode: 0o700,
            allow_uids: Vec::new(),
            backlog: 1024,
        }
    }
}

impl UdsOptions {
    /// Judges a peer before anything of it is read (OAP-11-11).
    ///
    /// # Errors
    /// [`Reason::Forbidden`] for a user that is not on the list, or not known while there is one.
    pub fn admit(&self, info: &ConnectionInfo) -> Result<(), HandshakeError> {
        let allowed = |uid| self.allow_uids.contains(&uid);
        if self.allow_uids.is_empty() || info.uid.is_some_and(allowed) {
            return Ok(());
        }
        let message = match info.uid {
            Some(uid) => format!("user {uid}: must be one of uds.allow_uids"),
            None => "the peer's user is not known: uds.allow_uids is set".to_owned(),
        };
        Err(HandshakeError::Refused {
            reason: Reason::Forbidden,
            message,
        })
    }
}

/// Listens on a new socket at `path`, non-blocking. A missing directory is made, its last component
/// only.
///
/// A socket file that nobody answers on any more is replaced. Nothing else is: two servers that are
/// started at the same path at once end with one listening and one refused.
///
/// # Errors
/// One line that names the path: a directory that allows more than [`UdsOptions::dir_mode`], that
/// group or others may write to, or that belongs to somebody else than us or root; a file there that
/// is no socket; a socket that is in use; else what the operating system says.
pub fn bind(path: &Path, options: &UdsOptions) -> io::Result<(UnixListener, SocketFile)> {
    let named = |error| about("uds path", path, &error);
    if path.file_name().is_none() {
        return Err(named(rule("must name a file")));
    }
    // Whoever else starts here waits until we answer, then sees that we do.
    let _locked = lock_directory(path, options)?;
    remove_stale(path)
        .and_then(|()| listen(path, options))
        .map_err(named)
}

fn listen(path: &Path, options: &UdsOptions) -> io::Result<(UnixListener, SocketFile)> {
    let socket = stream_socket()?;
    socket.bind(&SockAddr::unix(path)?)?;
    let file = SocketFile::of(path)?;
    // Between bind and chmod the mode is whatever the umask made it. Nobody gets in by it: until
    // listen, the kernel refuses whoever connects, and it judges by the mode of that moment.
    fs::set_permissions(path, Permissions::from_mode(options.mode))?;
    socket.listen(i32::try_from(options.backlog).unwrap_or(i32::MAX))?;
    Ok((OwnedFd::from(socket).into(), file))
}

/// Opens and locks the directory of `path`, which is ours alone to write to afterwards.
fn lock_directory(path: &Path, options: &UdsOptions) -> io::Result<Flock<File>> {
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let named = |error: io::Error| about("uds directory", directory, &error);
    match DirBuilder::new().mode(options.dir_mode).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(named(error)),
        _ => {}
    }
    let opened = File::open(directory).map_err(named)?;
    check_directory(&opened, options.dir_mode).map_err(named)?;
    Flock::lock(opened, FlockArg::LockExclusive).map_err(|(_, error)| named(error.into()))
}

fn check_directory(directory: &File, most: u32) -> io::Result<()> {
    const WRITABLE: u32 = 0o022;
    let metadata = directory.metadata()?;
    if !metadata.is_dir() {
        return Err(rule("must be a directory"));
    }
    let us = Uid::effective().as_raw();
    if metadata.uid() != us && metadata.uid() != 0 {
        let owner = metadata.uid();
        return Err(rule(format!("owner {owner}: must be {us} or root")));
    }
    let mode = metadata.mode() & 0o777;
    let allowed = most & !WRITABLE;
    if mode & !allowed != 0 {
        return Err(rule(format!(
            "mode {mode:04o}: must not allow more than {allowed:04o} (chmod {allowed:o})"
        )));
    }
    Ok(())
}

/// Removes the socket of a server that is gone.
fn remove_stale(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(metadata) if metadata.file_type().is_socket() => {}
        Ok(_) => return Err(rule("is there already and no socket")),
    }
    // Non-blocking, or a server whose backlog is full would hold us up.
    match stream_socket()?.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        _ => Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "another server answers on it",
        )),
    }
}

fn stream_socket() -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// The file of a listening socket, unlinked on drop if it is still the same one. Drop it before the
/// listener: an inode number in use cannot be somebody else's.
#[derive(Debug)]
pub struct SocketFile {
    // Absolute, so that it holds wherever the process goes.
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::symlink_metadata(path)?;
        Ok(Self {
            path: std::path::absolute(path)?,
            device: metadata.dev(),
            inode: metadata.ino(),
        })
    }

    /// Its path, absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == (self.device, self.inode));
        if ours {
            // What cannot be removed is stale to whoever starts next.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// What is known of the peer of a connected socket: the user that it connected, or listened, as.
pub fn peer_info(socket: &impl AsFd) -> ConnectionInfo {
    let mut info = ConnectionInfo::new("uds");
    info.uid = peer_uid(socket).ok();
    info
}

/// The user that the peer connected, or listened, as. It is the kernel's word, not the peer's.
///
/// # Errors
/// What the operating system says; `Unsupported` where it tells no credentials.
pub fn peer_uid(socket: &impl AsFd) -> io::Result<u32> {
    credentials(socket).map_err(io::Error::from)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn credentials(socket: &impl AsFd) -> Result<u32, Errno> {
    use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
    getsockopt(socket, PeerCredentials).map(|peer| peer.uid())
}

#[cfg(any(
    target_vendor = "apple",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd",
    target_os = "dragonfly",
))]
fn credentials(socket: &impl AsFd) -> Result<u32, Errno> {
    nix::unistd::getpeereid(socket).map(|(uid, _)| uid.as_raw())
}

#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_vendor = "apple",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd",
    target_os = "dragonfly",
)))]
fn credentials(_socket: &impl AsFd) -> Result<u32, Errno> {
    Err(Errno::EOPNOTSUPP)
}

fn rule(text: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text.into())
}

fn about(what: &str, path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what} {}: {error}", path.display()))
}
