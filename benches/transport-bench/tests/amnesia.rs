//! `amnesia = true`: a server under load writes nothing to disk.
#![cfg(target_os = "linux")]

#[allow(dead_code, reason = "these tests refuse nothing")]
mod support;

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use support::{Server, private_directory, run_client};

/// What the system may charge a process for that writes nothing: the times at which its program and
/// libraries were read last.
const NOISE: u64 = 64 * 1024;

/// Everything below `directory`: size and time of the last change of each entry.
fn tree(directory: &Path) -> BTreeMap<PathBuf, (u64, i64, i64)> {
    let mut entries = BTreeMap::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(path) = waiting.pop() {
        let metadata = fs::symlink_metadata(&path).unwrap();
        if metadata.is_dir() {
            waiting.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        }
        let seen = (metadata.len(), metadata.mtime(), metadata.mtime_nsec());
        entries.insert(path, seen);
    }
    entries
}

/// Regular files that the process has open for writing.
fn written_files(id: u32) -> Vec<PathBuf> {
    const ACCESS: u32 = 0o3;
    let process = PathBuf::from(format!("/proc/{id}"));
    let mut files = Vec::new();
    for entry in fs::read_dir(process.join("fd")).unwrap() {
        let descriptor = entry.unwrap();
        let is_file = fs::metadata(descriptor.path())
            .as_ref()
            .is_ok_and(Metadata::is_file);
        let info = process.join("fdinfo").join(descriptor.file_name());
        let Ok(info) = fs::read_to_string(info) else {
            continue;
        };
        let flags = info
            .lines()
            .find_map(|line| line.strip_prefix("flags:"))
            .unwrap();
        let flags = u32::from_str_radix(flags.trim(), 8).unwrap();
        if is_file && flags & ACCESS != 0 {
            files.push(fs::read_link(descriptor.path()).unwrap());
        }
    }
    files
}

/// Bytes that the process has made the system write to a disk.
fn write_bytes(id: u32) -> u64 {
    let counters = fs::read_to_string(format!("/proc/{id}/io")).unwrap();
    let count = counters
        .lines()
        .find_map(|line| line.strip_prefix("write_bytes: "));
    count.expect("a counter").parse().unwrap()
}

/// Bytes that the server has received.
fn bytes_in(server: &Server) -> u64 {
    let (_, metrics) = server.get("/metrics");
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix("bytes_in_total{"));
    let (_, count) = line.expect("a counter").rsplit_once(' ').unwrap();
    count.parse().unwrap()
}

#[test]
fn a_server_without_memory_writes_nothing_under_load() {
    for (runtime, backend) in [
        ("tokio", "tls"),
        ("smol", "tls"),
        ("tokio", "quic"),
        ("smol", "uds"),
    ] {
        let (home, apart) = (private_directory(), private_directory());
        let directory = home.path();
        fs::create_dir(directory.join("empty")).unwrap();
        let socket = apart.path().join("s").to_str().unwrap().to_owned();
        fs::set_permissions(directory, fs::Permissions::from_mode(0o500)).unwrap();
        let before = tree(directory);

        let mut args = vec![
            "--backend",
            backend,
            "--runtime",
            runtime,
            "--amnesia",
            "true",
        ];
        args.extend(["--metrics", "127.0.0.1:0", "--log.level", "debug"]);
        if backend == "uds" {
            args.extend(["--uds.path", &socket]);
        }
        let server = Server::start_in(directory, &args);
        let target = match backend {
            "uds" => format!("uds:{}", server.address),
            _ => format!("{backend}://{}", server.address),
        };
        let mut load = vec!["--target", &target, "--conns", "4", "--duration", "1"];
        if backend != "uds" {
            load.push("--insecure-no-verify");
        }
        let output = run_client(&load);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{stderr}");
        let name = format!("{backend} on {runtime}");
        assert_eq!(written_files(server.id()), Vec::<PathBuf>::new(), "{name}");
        let (carried, written) = (bytes_in(&server), write_bytes(server.id()));
        assert!(
            carried > 4 * NOISE && written < NOISE,
            "{name}: {written} of {carried}"
        );
        if backend == "uds" {
            let kind = fs::symlink_metadata(&socket).unwrap().file_type();
            assert!(
                kind.is_socket(),
                "the only name that it leaves while it runs"
            );
        }
        server.signal(Signal::TERM);
        assert_eq!(server.wait().0, Some(0));
        assert_eq!(tree(directory), before, "{name}");
        fs::set_permissions(directory, fs::Permissions::from_mode(0o700)).unwrap();
    }
}
