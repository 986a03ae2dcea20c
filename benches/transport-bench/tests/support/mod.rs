//! The binaries as processes, none of which outlives its test.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Longest wait for anything.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

const SERVER: &str = env!("CARGO_BIN_EXE_tls_echo_server");
const CLIENT: &str = env!("CARGO_BIN_EXE_tls_echo_client");

/// A path of this name in a directory for tests.
pub(crate) fn temporary(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()))
}

/// A server that is ready; killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
}

impl Server {
    pub(crate) fn start(args: &[&str]) -> Self {
        let mut child = command(SERVER, args).spawn().expect("a server process");
        let stdout = child.stdout.take().expect("its stdout");
        let (line_by, line) = mpsc::channel();
        thread::spawn(move || {
            let mut text = String::new();
            let _ = BufReader::new(stdout).read_line(&mut text);
            let _ = line_by.send(text);
        });
        let mut server = Self {
            child,
            address: String::new(),
        };
        let line = line.recv_timeout(DEADLINE).expect("a line in time");
        let address = line
            .strip_prefix("listening on ")
            .and_then(|rest| rest.strip_suffix('\n'));
        server.address = address
            .unwrap_or_else(|| panic!("unexpected: {line:?}"))
            .to_owned();
        server
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("a signal");
    }

    /// Waits for the end; exit status and stderr.
    pub(crate) fn wait(mut self) -> (Option<i32>, String) {
        let status = wait(&mut self.child);
        let mut stderr = String::new();
        let mut pipe = self.child.stderr.take().expect("its stderr");
        pipe.read_to_string(&mut stderr).expect("text");
        (status, stderr)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn run_server(args: &[&str]) -> Output {
    run(SERVER, args)
}

pub(crate) fn run_client(args: &[&str]) -> Output {
    run(CLIENT, args)
}

/// Runs a program whose output fits into its pipes.
fn run(program: &str, args: &[&str]) -> Output {
    let mut child = command(program, args).spawn().expect("a process");
    wait(&mut child);
    child.wait_with_output().expect("its output")
}

fn command(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
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
        thread::sleep(Duration::from_millis(5));
    }
}
