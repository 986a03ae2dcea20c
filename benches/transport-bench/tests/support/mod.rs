//! The binaries as processes, none of which outlives its test.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Longest wait for anything.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);
/// Between two looks at what is waited for.
const LOOK: Duration = Duration::from_millis(5);

const TLS_SERVER: &str = env!("CARGO_BIN_EXE_tls_echo_server");
const TLS_CLIENT: &str = env!("CARGO_BIN_EXE_tls_echo_client");
pub(crate) const QUIC_SERVER: &str = env!("CARGO_BIN_EXE_quic_echo_server");
pub(crate) const QUIC_CLIENT: &str = env!("CARGO_BIN_EXE_quic_echo_client");

/// A path of this name in a directory for tests.
pub(crate) fn temporary(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()))
}

/// A new directory that nobody else may look into, as sockets need it; it goes with the value.
pub(crate) fn private_directory() -> tempfile::TempDir {
    let owner_only = fs::Permissions::from_mode(0o700);
    let builder = tempfile::Builder::new().permissions(owner_only).tempdir();
    builder.expect("a directory")
}

/// A server that is ready; killed when dropped.
pub(crate) struct Server {
    child: Child,
    /// Where it listens: an address, or a path.
    pub(crate) address: String,
    /// `HOST:PORT` of its operations endpoint, where it has one.
    pub(crate) metrics: Option<String>,
    stderr: Arc<Mutex<String>>,
    stderr_read: Option<thread::JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::of(command(TLS_SERVER, args), args)
    }

    pub(crate) fn start_program(program: &str, args: &[&str]) -> Self {
        Self::of(command(program, args), args)
    }

    /// In this directory, which is its home and its place for temporary files, too.
    pub(crate) fn start_in(directory: &Path, args: &[&str]) -> Self {
        let mut command = command(TLS_SERVER, args);
        command.current_dir(directory);
        for name in ["HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_STATE_HOME"] {
            command.env(name, directory);
        }
        Self::of(command, args)
    }

    fn of(mut command: Command, args: &[&str]) -> Self {
        let mut child = command.spawn().expect("a server process");
        let stdout = child.stdout.take().expect("its stdout");
        let (lines_by, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                let _ = lines_by.send(line.expect("text"));
            }
        });
        let stderr = Arc::<Mutex<String>>::default();
        let read = follow(child.stderr.take().expect("its stderr"), stderr.clone());
        let mut server = Self {
            child,
            address: String::new(),
            metrics: None,
            stderr,
            stderr_read: Some(read),
        };
        let line = |prefix: &str| -> String {
            let told = || server.stderr.lock().unwrap().clone();
            let line = lines.recv_timeout(DEADLINE);
            let line = line.unwrap_or_else(|_| panic!("no line in time: {}", told()));
            let rest = line.strip_prefix(prefix);
            rest.unwrap_or_else(|| panic!("unexpected: {line:?}"))
                .to_owned()
        };
        let address = line("listening on ");
        let metrics = args.contains(&"--metrics").then(|| {
            let url = line("metrics on http://");
            url.strip_suffix("/metrics").expect("a path").to_owned()
        });
        (server.address, server.metrics) = (address, metrics);
        server
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("a signal");
    }

    /// What it has written to stderr so far.
    pub(crate) fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// Waits until it has written so many lines with `part`.
    pub(crate) fn wait_for(&self, part: &str, times: usize) {
        let deadline = Instant::now() + DEADLINE;
        while self
            .stderr()
            .lines()
            .filter(|line| line.contains(part))
            .count()
            < times
        {
            assert!(
                Instant::now() < deadline,
                "no {part:?} in {}",
                self.stderr()
            );
            thread::sleep(LOOK);
        }
    }

    /// Asks it to read its settings again, and waits until it has, or has refused to.
    pub(crate) fn reload(&self) {
        let count = |text: &str| {
            text.lines()
                .filter(|line| line.contains("reloaded"))
                .count()
        };
        let before = count(&self.stderr());
        self.signal(Signal::HUP);
        self.wait_for("reloaded", before + 1);
    }

    /// Status and body of what its operations endpoint answers.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        let address = self.metrics.as_ref().expect("--metrics");
        let mut stream = TcpStream::connect(address).expect("the operations endpoint");
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).expect("a status");
        (status.parse().expect("a number"), body.to_owned())
    }

    /// Waits for the end; exit status and stderr.
    pub(crate) fn wait(mut self) -> (Option<i32>, String) {
        let status = wait(&mut self.child);
        let read = self.stderr_read.take().expect("once");
        read.join().expect("its stderr");
        (status, self.stderr())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads a pipe to its end, so that nobody waits for room in it.
fn follow(pipe: impl Read + Send + 'static, text: Arc<Mutex<String>>) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines() {
            let mut text = text.lock().unwrap();
            text.push_str(&line.expect("text"));
            text.push('\n');
        }
    })
}

pub(crate) fn run_server(args: &[&str]) -> Output {
    run(command(TLS_SERVER, args))
}

/// With these environment variables.
pub(crate) fn run_server_in(args: &[&str], env: &[(&str, &str)]) -> Output {
    let mut command = command(TLS_SERVER, args);
    command.envs(env.iter().copied());
    run(command)
}

pub(crate) fn run_client(args: &[&str]) -> Output {
    run(command(TLS_CLIENT, args))
}

pub(crate) fn run_program(program: &str, args: &[&str]) -> Output {
    run(command(program, args))
}

/// Runs a program whose output fits into its pipes.
fn run(mut command: Command) -> Output {
    let mut child = command.spawn().expect("a process");
    wait(&mut child);
    child.wait_with_output().expect("its output")
}

/// Settings of whoever runs the tests are none of ours.
fn command(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("OAP_") {
            command.env_remove(name);
        }
    }
    command
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn wait(child: &mut Child) -> Option<i32> {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(status) = child.try_wait().expect("its status") {
            return status.code();
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            panic!("the process did not end in time");
        }
        thread::sleep(LOOK);
    }
}
