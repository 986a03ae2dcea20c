//! The echo programs as processes, none of which outlives its use.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::Fault;
use crate::noise::peak_memory_of;

/// Where the programs are, and where they may write.
pub(super) struct Programs {
    directory: PathBuf,
    scratch: TempDir,
}

/// A server that listens; ended when it is dropped.
pub(super) struct Server {
    child: Child,
    backend: &'static str,
    address: String,
}

impl Programs {
    /// Those of `directory`, or of the one that this program is in.
    pub(super) fn find(directory: Option<&Path>) -> Result<Self, Fault> {
        let failed = |error: std::io::Error| Fault::Refused(format!("--programs: {error}"));
        let directory = match directory {
            Some(directory) => directory.to_owned(),
            None => {
                let own = std::env::current_exe().map_err(failed)?;
                own.parent().unwrap_or(Path::new(".")).to_owned()
            }
        };
        for backend in ["tls", "quic"] {
            for role in ["server", "client"] {
                let program = directory.join(format!("{backend}_echo_{role}"));
                if !program.is_file() {
                    return Err(Fault::of(
                        &program,
                        "is not there: cargo build --release -p transport-bench makes it",
                    ));
                }
            }
        }
        let scratch = tempfile::tempdir().map_err(failed)?;
        Ok(Self { directory, scratch })
    }

    /// Starts a server on a free port.
    pub(super) fn serve(&self, backend: &'static str) -> Result<Server, Fault> {
        let program = self.directory.join(format!("{backend}_echo_server"));
        let mut child = Command::new(&program)
            .args(["--listen", "127.0.0.1:0", "--self-signed-out"])
            .arg(self.certificate())
            .args(["--log.level", "error"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| Fault::of(&program, error))?;
        let mut line = String::new();
        let stdout = child.stdout.take();
        let read = stdout.map(|stdout| BufReader::new(stdout).read_line(&mut line));
        let server = Server {
            child,
            backend,
            address: line.trim().trim_start_matches("listening on ").to_owned(),
        };
        match read {
            Some(Ok(1..)) if line.starts_with("listening on ") => Ok(server),
            _ => Err(Fault::of(&program, "did not begin to listen")),
        }
    }

    /// Puts a load on a server and returns the client's report.
    ///
    /// # Errors
    /// The client's own last line: requests that were not answered well, or options it does not know.
    pub(super) fn load(
        &self,
        server: &Server,
        numbers: &[(&str, u32)],
        flags: &[&str],
    ) -> Result<Value, String> {
        let name = format!("{}_echo_client", server.backend);
        let report = self.scratch.path().join("report.json");
        let scheme = if server.backend == "tls" {
            "https"
        } else {
            server.backend
        };
        let mut command = Command::new(self.directory.join(&name));
        command.args(["--target", &format!("{scheme}://{}", server.address)]);
        command
            .arg("--ca")
            .arg(self.certificate())
            .arg("--json")
            .arg(&report)
            .args(flags);
        for (flag, number) in numbers {
            command.args([flag, &*number.to_string()]);
        }
        let output = command.stdin(Stdio::null()).output();
        let output = output.map_err(|error| format!("{name}: {error}"))?;
        if !output.status.success() {
            let told = String::from_utf8_lossy(&output.stderr);
            let last = told.lines().last().unwrap_or("failed and said nothing");
            return Err(format!("{name} {}: {last}", flags.join(" ")));
        }
        let text = fs::read_to_string(&report).map_err(|error| format!("{name}: {error}"))?;
        serde_json::from_str(&text).map_err(|error| format!("{name}: its report: {error}"))
    }

    fn certificate(&self) -> PathBuf {
        self.scratch.path().join("ca.pem")
    }
}

impl Server {
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(super) const fn backend(&self) -> &'static str {
        self.backend
    }

    /// Ends it and tells how many bytes it had resident at most.
    pub(super) fn stop(&mut self) -> Result<u64, Fault> {
        let memory = peak_memory_of(self.child.id());
        self.end();
        memory
    }

    fn end(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}
