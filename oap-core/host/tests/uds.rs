//! Where sockets may lie, and whose they are.
#![cfg(unix)]

use std::fs::{self, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use oap_core::driver::{ConnectionInfo, HandshakeError};
use oap_host::uds::{SocketFile, UdsOptions, bind, peer_info, peer_uid};

struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { directory }
    }

    /// A directory that is not there yet.
    fn inner(&self) -> PathBuf {
        self.directory.path().join("run")
    }

    fn socket(&self) -> PathBuf {
        self.inner().join("oap.sock")
    }

    fn bind(&self) -> io::Result<(UnixListener, SocketFile)> {
        bind(&self.socket(), &UdsOptions::default())
    }

    fn refusal(&self) -> String {
        self.bind().unwrap_err().to_string()
    }
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn me(place: &Place) -> u32 {
    fs::metadata(place.directory.path()).unwrap().uid()
}

/// What is written at one end is read at the other.
fn works(listener: &UnixListener, path: &Path) {
    listener.set_nonblocking(false).unwrap();
    let mut near = UnixStream::connect(path).unwrap();
    let (mut far, _) = listener.accept().unwrap();
    near.write_all(b"frame").unwrap();
    let mut read = [0; 5];
    far.read_exact(&mut read).unwrap();
    assert_eq!(&read, b"frame");
}

#[test]
fn directory_and_socket_are_for_their_owner_only() {
    let place = Place::new();
    let (listener, file) = place.bind().unwrap();
    assert_eq!(mode(&place.inner()), 0o700);
    assert_eq!(mode(&place.socket()), 0o600);
    assert_eq!(file.path(), place.socket());
    works(&listener, &place.socket());
    drop(file);
    assert!(!place.socket().exists());
}

#[test]
fn modes_can_be_wider_where_they_are_asked_for() {
    let place = Place::new();
    let options = UdsOptions {
        mode: 0o660,
        dir_mode: 0o750,
        ..UdsOptions::default()
    };
    let (_listener, _file) = bind(&place.socket(), &options).unwrap();
    assert_eq!(mode(&place.socket()), 0o660);
    assert_eq!(mode(&place.inner()) & !0o750, 0);
}

#[test]
fn a_directory_that_allows_more_is_refused() {
    let place = Place::new();
    fs::create_dir(place.inner()).unwrap();
    for wide in [0o701, 0o710, 0o720, 0o702, 0o740, 0o704, 0o755, 0o777] {
        set_mode(&place.inner(), wide);
        let rule = format!(
            "uds directory {}: mode {wide:04o}: must not allow more than 0700 (chmod 700)",
            place.inner().display()
        );
        assert_eq!(place.refusal(), rule);
    }
    let nothing_helps = UdsOptions {
        dir_mode: 0o777,
        ..UdsOptions::default()
    };
    let error = bind(&place.socket(), &nothing_helps).unwrap_err();
    assert!(error.to_string().contains("must not allow more than 0755"));
    set_mode(&place.inner(), 0o700);
    place.bind().unwrap();
}

#[test]
fn a_directory_of_somebody_else_is_refused() {
    let place = Place::new();
    if me(&place) != 0 {
        eprintln!("not run: only root can give a directory away");
        return;
    }
    fs::create_dir(place.inner()).unwrap();
    set_mode(&place.inner(), 0o700);
    std::os::unix::fs::chown(place.inner(), Some(12_345), None).unwrap();
    assert!(place.refusal().ends_with("owner 12345: must be 0 or root"));
}

#[test]
fn only_the_last_directory_is_made() {
    let place = Place::new();
    let deep = place.inner().join("deeper").join("oap.sock");
    let error = bind(&deep, &UdsOptions::default()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert!(!place.inner().exists());
}

#[test]
fn the_socket_of_a_server_that_is_gone_is_replaced() {
    let place = Place::new();
    fs::create_dir(place.inner()).unwrap();
    set_mode(&place.inner(), 0o700);
    drop(UnixListener::bind(place.socket()).unwrap());
    assert!(place.socket().exists());
    let (listener, _file) = place.bind().unwrap();
    works(&listener, &place.socket());
}

#[test]
fn a_socket_in_use_is_refused_even_with_a_full_backlog() {
    let place = Place::new();
    let options = UdsOptions {
        backlog: 1,
        ..UdsOptions::default()
    };
    let (listener, _file) = bind(&place.socket(), &options).unwrap();
    let rule = format!(
        "uds path {}: another server answers on it",
        place.socket().display()
    );
    // Each attempt takes a place of the backlog; one that finds none must not wait for it.
    for _ in 0..4 {
        assert_eq!(place.refusal(), rule);
    }
    drop(listener);
}

#[test]
fn of_many_that_start_at_once_one_listens() {
    let place = Place::new();
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let starting: Vec<_> = (0..8).map(|_| scope.spawn(|| place.bind())).collect();
        let done = starting.into_iter().map(|one| one.join().unwrap());
        done.collect()
    });
    let (listening, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!((listening.len(), refused.len()), (1, 7));
    let (listener, _file) = listening.into_iter().next().unwrap().unwrap();
    // The others knocked.
    listener.set_nonblocking(true).unwrap();
    while listener.accept().is_ok() {}
    works(&listener, &place.socket());
}

#[test]
fn a_file_that_is_no_socket_is_left_alone() {
    let place = Place::new();
    fs::create_dir(place.inner()).unwrap();
    set_mode(&place.inner(), 0o700);
    fs::write(place.socket(), "precious").unwrap();
    let rule = format!(
        "uds path {}: is there already and no socket",
        place.socket().display()
    );
    assert_eq!(place.refusal(), rule);
    assert_eq!(fs::read(place.socket()).unwrap(), b"precious");

    fs::remove_file(place.socket()).unwrap();
    symlink("/nowhere/else", place.socket()).unwrap();
    assert_eq!(place.refusal(), rule);
}

#[test]
fn a_socket_of_somebody_else_is_not_unlinked() {
    let place = Place::new();
    let (_listener, file) = place.bind().unwrap();
    fs::remove_file(place.socket()).unwrap();
    let (other, kept) = place.bind().unwrap();
    drop(file);
    works(&other, &place.socket());
    drop(kept);
    assert!(!place.socket().exists());
}

#[test]
fn paths_that_cannot_be_bound_are_named() {
    let place = Place::new();
    let long = place.inner().join("x".repeat(108));
    for path in [Path::new(""), Path::new("/"), &long] {
        let error = bind(path, &UdsOptions::default()).unwrap_err().to_string();
        let named = format!("uds path {}: ", path.display());
        assert!(error.starts_with(&named), "{error}");
    }
}

#[test]
fn both_ends_learn_the_user_of_the_other() {
    let place = Place::new();
    let (listener, _file) = place.bind().unwrap();
    listener.set_nonblocking(false).unwrap();
    let near = UnixStream::connect(place.socket()).unwrap();
    let (far, _) = listener.accept().unwrap();
    for end in [&near, &far] {
        assert_eq!(peer_uid(end).unwrap(), me(&place));
        let info = peer_info(end);
        assert_eq!((info.transport, info.uid), ("uds", Some(me(&place))));
    }
}

// OAP-11-11
#[test]
fn whoever_is_not_on_the_list_is_forbidden() {
    let listed = |uids: &[u32]| UdsOptions {
        allow_uids: uids.to_vec(),
        ..UdsOptions::default()
    };
    let mut peer = ConnectionInfo::new("uds");
    let refusal = |options: UdsOptions, peer: &ConnectionInfo| match options.admit(peer) {
        Err(HandshakeError::Refused { reason, message }) => format!("{reason}: {message}"),
        other => panic!("{other:?}"),
    };
    listed(&[]).admit(&peer).unwrap();
    assert!(refusal(listed(&[7]), &peer).starts_with("forbidden: the peer's user is not known"));
    peer.uid = Some(7);
    listed(&[]).admit(&peer).unwrap();
    listed(&[8, 7]).admit(&peer).unwrap();
    assert_eq!(
        refusal(listed(&[8, 9]), &peer),
        "forbidden: user 7: must be one of uds.allow_uids"
    );
}
