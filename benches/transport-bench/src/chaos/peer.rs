//! Processes of this program that play a part: the server, its enemies, its victims.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::Failure;

/// How long a server may take to let go of connections that are over.
const REST: Duration = Duration::from_secs(30);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// A process that answers lines with lines; killed when it is dropped.
pub(super) struct Peer {
    child: Child,
    to: Option<ChildStdin>,
    from: Option<BufReader<ChildStdout>>,
}

impl Peer {
    /// Starts this program in the role that `arguments` name.
    pub(super) fn start(arguments: &[&str]) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| Failure::run(format!("a process: {error}"));
        let mut child = Command::new(std::env::current_exe().map_err(failed)?)
            .arg("peer")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        Ok(Self {
            to: child.stdin.take(),
            from: child.stdout.take().map(BufReader::new),
            child,
        })
    }

    /// The rest of its next line, which must begin with `word`.
    pub(super) fn hear(&mut self, word: &str) -> Result<String, Failure> {
        let mut line = String::new();
        let from = self.from.as_mut();
        let read = from.map(|from| from.read_line(&mut line));
        match (read, line.trim_end().strip_prefix(word)) {
            (Some(Ok(_)), Some(rest)) => Ok(rest.trim().to_owned()),
            _ => Err(Failure::run(format!(
                "a process said {line:?}, and not {word:?}"
            ))),
        }
    }

    /// Tells it a line.
    pub(super) fn tell(&mut self, line: &str) -> Result<(), Failure> {
        let told = self.to.as_mut().map(|to| writeln!(to, "{line}"));
        match told {
            Some(Ok(())) => Ok(()),
            _ => Err(Failure::run(format!("a process does not take {line:?}"))),
        }
    }

    /// SIGKILL.
    pub(super) fn kill(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Whether it has ended.
    pub(super) fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A server of the test applications over plain TCP.
pub(super) struct Server {
    peer: Peer,
    /// Where it listens.
    pub(super) address: SocketAddr,
}

impl Server {
    pub(super) fn start() -> Result<Self, Failure> {
        let mut peer = Peer::start(&["serve", "tokio", "tcp"])?;
        let address = peer.hear("listening")?.parse().map_err(Failure::run)?;
        Ok(Self { peer, address })
    }

    pub(super) fn kill(&mut self) {
        self.peer.kill();
    }

    /// Waits until no connection is up, and returns how many still are when it has waited long.
    pub(super) fn connections_left(&mut self) -> Result<usize, Failure> {
        let deadline = Instant::now() + REST;
        loop {
            self.peer.tell("connections")?;
            let up = self
                .peer
                .hear("connections")?
                .parse()
                .map_err(Failure::run)?;
            if up == 0 || Instant::now() > deadline {
                return Ok(up);
            }
            thread::sleep(LOOK);
        }
    }

    /// Bytes that it has resident.
    pub(super) fn memory(&self) -> Result<u64, Failure> {
        status(self.peer.child.id()).map(|(now, _)| now)
    }

    /// Bytes that it has had resident at most.
    pub(super) fn peak_memory(&self) -> Result<u64, Failure> {
        status(self.peer.child.id()).map(|(_, peak)| peak)
    }
}

/// Resident bytes of a process, now and at most.
#[cfg(target_os = "linux")]
fn status(process: u32) -> Result<(u64, u64), Failure> {
    let failed = |error| Failure::run(format!("/proc/{process}: {error}"));
    let process = procfs::process::Process::new(process.cast_signed()).map_err(failed)?;
    let status = process.status().map_err(failed)?;
    let bytes = |kib: Option<u64>| kib.unwrap_or(0) * 1_024;
    Ok((bytes(status.vmrss), bytes(status.vmhwm)))
}

#[cfg(not(target_os = "linux"))]
fn status(process: u32) -> Result<(u64, u64), Failure> {
    Err(Failure::run(format!(
        "process {process}: must run on Linux"
    )))
}
