//! The other processes, as tests see them.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use oap_core::Limits;
use oap_host::quic::QuicOptions;

use super::resident_bytes;
use crate::suite::{Address, Identity, Kind, Target, Wire};

/// A process that answers lines with lines, and is ended when this is dropped.
pub(crate) struct Process {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Process {
    pub(crate) fn start(program: &str, arguments: &[&str], identity: Identity) -> Self {
        let mut command = Command::new(program);
        if arguments.contains(&Kind::Blocking.id()) {
            // It has three threads a connection. With an arena of the allocator for each, what is
            // resident says more about those than about what a peer makes it hold.
            command.env("MALLOC_ARENA_MAX", "1");
        }
        let mut child = command
            .args(arguments)
            .env(Identity::CHAIN, identity.chain())
            .env(Identity::KEY, identity.key())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        Self {
            to: child.stdin.take().expect("its input"),
            from: BufReader::new(child.stdout.take().expect("its output")),
            child,
        }
    }

    /// The rest of its next line, which must begin with `word`.
    pub(crate) fn hear(&mut self, word: &str) -> String {
        let mut line = String::new();
        self.from
            .read_line(&mut line)
            .expect("a line of another process");
        match line.trim_end().strip_prefix(word) {
            Some(rest) => rest.trim().to_owned(),
            None => panic!("another process said {line:?} and not {word:?}"),
        }
    }

    /// Tells it a line and hears the rest of its answer, which must begin with `word`.
    pub(crate) fn ask(&mut self, question: &str, word: &str) -> String {
        self.tell(question);
        self.hear(word)
    }

    /// Tells it a line, to which it may answer later.
    pub(crate) fn tell(&mut self, line: &str) {
        writeln!(self.to, "{line}").expect("a line to another process");
    }
}

impl Process {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a server allows a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// The limits that hold unless they are set.
    Default,
    /// Frames of 32 KiB, 4 exchanges at once and little in their buffers.
    Small,
}

impl Size {
    pub(super) const fn id(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Small => "small",
        }
    }

    pub(super) fn quic(self) -> QuicOptions {
        match self {
            Self::Default => QuicOptions::default(),
            Self::Small => QuicOptions {
                stream_window: 128 * 1024,
                connection_window: 256 * 1024,
                send_buffer: 128 * 1024,
                ..QuicOptions::default()
            },
        }
    }

    pub(super) fn limits(self) -> Limits {
        match self {
            Self::Default => Limits::default(),
            Self::Small => {
                let limits = Limits::builder()
                    .max_frame(32 * 1024)
                    .max_inflight(4)
                    .ack_window(64 * 1024)
                    .chunk(16 * 1024)
                    .send_buffer(64 * 1024);
                limits.build().expect("limits")
            }
        }
    }
}

/// A server of the test applications. It lets its clients be slow: every timer is at ten minutes.
pub struct ServerProcess {
    process: Process,
    target: Target,
}

impl ServerProcess {
    /// Starts it; `program` is `oap-suite-peer`.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start(program: &str, kind: Kind, wire: Wire, size: Size) -> Self {
        let trust = Identity::first();
        let arguments = ["serve", kind.id(), wire.name(), size.id()];
        let mut process = Process::start(program, &arguments, trust);
        let address = process.hear("listening");
        Self {
            target: Target {
                wire,
                address: Address::of(wire, &address),
                trust,
            },
            process,
        }
    }

    /// How to reach it.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Bytes of memory that it has resident.
    pub fn resident_bytes(&self) -> usize {
        resident_bytes(self.process.child.id())
    }

    /// Connections that it has up.
    ///
    /// # Panics
    /// If it is gone.
    pub fn connections(&mut self) -> usize {
        let answer = self.process.ask("connections", "connections");
        answer.parse().expect("a number")
    }
}

/// How a crowd behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Sessions that do nothing unless they are told to.
    Idle,
    /// Sockets that begin a frame and send a byte of it now and then.
    SlowLoris,
}

impl Manner {
    pub(super) const fn id(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::SlowLoris => "slow-loris",
        }
    }
}

/// Many clients of one server.
pub struct Crowd {
    process: Process,
    count: usize,
}

impl Crowd {
    /// Starts a crowd of this many and waits until all are connected; `program` is
    /// `oap-suite-peer`.
    ///
    /// # Panics
    /// If one of them is not connected.
    pub fn start(program: &str, manner: Manner, target: &Target, count: usize) -> Self {
        let arguments = [
            manner.id(),
            target.wire.name(),
            &target.address.to_string(),
            &count.to_string(),
        ];
        let mut process = Process::start(program, &arguments, target.trust);
        assert_eq!(process.hear("up"), count.to_string());
        Self { process, count }
    }

    /// How many they are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Every n-th of them asks for an echo; returns how many came back right.
    ///
    /// # Panics
    /// If one does not.
    pub fn echo_of_every(&mut self, n: usize) -> usize {
        let answer = self.process.ask(&format!("echo {n}"), "echoed");
        answer.parse().expect("a number")
    }
}
