//! The program `oap-conformance` against servers and clients over real sockets: what it prints, what
//! it writes, and its exit status.

use std::fs::{OpenOptions, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::process::{Command, Output, Stdio};

use oap_core::Config;
use oap_core::driver::test_apps::{self, ECHO};
use oap_core::driver::{Incoming, Server, ServerOptions, Service};
use oap_tokio::config::{self, Loader, Settings};
use oap_tokio::{Code, TokioRuntime};
use tempfile::TempDir;

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_oap-conformance"))
}

/// A server in this process, for as long as `work` takes.
fn with_server_on(place: &Place, service: fn(&TokioRuntime) -> Service, work: impl FnOnce(String)) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let (_server, target) = runtime.block_on(async {
        let listener = config::bind(&place.settings()).await.expect("a listener");
        let target = place.target(&listener.local().to_string());
        let runtime = TokioRuntime::current();
        let service = service(&runtime);
        let (config, options) = (Config::default(), ServerOptions::default());
        let server = Server::start(&runtime, listener, service, config, options);
        (server, target)
    });
    work(target);
}

fn with_server(service: fn(&TokioRuntime) -> Service, work: impl FnOnce(String)) {
    with_server_on(&Place::new("tcp"), service, work);
}

/// Where a server of one transport listens, and the files that it needs.
struct Place {
    backend: &'static str,
    directory: TempDir,
}

impl Place {
    fn new(backend: &'static str) -> Self {
        let private = Permissions::from_mode(0o700);
        let directory = tempfile::Builder::new().permissions(private).tempdir();
        let directory = directory.expect("a directory");
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
        let write = |name: &str, text: String| {
            let path = directory.path().join(name);
            let file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(path);
            file.and_then(|mut file| file.write_all(text.as_bytes()))
                .expect("written");
        };
        write("cert.pem", made.cert.pem());
        write("key.pem", made.signing_key.serialize_pem());
        Self { backend, directory }
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    /// For `--listen`.
    fn listen(&self) -> String {
        match self.backend {
            "uds" => format!("uds:{}", self.path("socket")),
            backend => format!("{backend}://127.0.0.1:0"),
        }
    }

    /// For `--target`, of a server that says that it listens there.
    fn target(&self, local: &str) -> String {
        match self.backend {
            "uds" => self.listen(),
            "tls" => format!("https://{local}"),
            backend => format!("{backend}://{local}"),
        }
    }

    fn settings(&self) -> Settings {
        let loader = Loader::server().preset("backend", self.backend);
        let loader = match self.backend {
            "uds" => loader.preset("uds.path", self.path("socket")),
            _ => loader.preset("bind_addr", "127.0.0.1:0"),
        };
        let loader = loader
            .preset("tls.cert_path", self.path("cert.pem"))
            .preset("tls.key_path", self.path("key.pem"));
        loader.load().expect("settings")
    }
}

#[test]
fn a_good_server_passes_over_every_transport() {
    for backend in ["tls", "quic", "uds"] {
        let place = Place::new(backend);
        with_server_on(&place, test_apps::service, |target| {
            let output = program()
                .args([
                    "run",
                    "--quick",
                    "--only",
                    "OAP-1,OAP-6,OAP-11",
                    "--at-once",
                    "4",
                ])
                .args(["--ca", &place.path("cert.pem"), "--target", &target])
                .output()
                .expect("it runs");
            let text = stdout(&output);
            assert_eq!(output.status.code(), Some(0), "{backend}: {text}");
            assert!(text.contains(", 0 failed"), "{backend}: {text}");
        });
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_good_server_passes_and_the_files_tell_so() {
    with_server(test_apps::service, |target| {
        let directory = tempfile::tempdir().expect("a directory");
        let file = |name: &str| directory.path().join(name);
        let output = program()
            .args(["run", "--quick", "--only", "OAP-2,OAP-3", "--target"])
            .arg(target)
            .arg("--json")
            .arg(file("report.json"))
            .arg("--junit")
            .arg(file("report.xml"))
            .arg("--html")
            .arg(file("report.html"))
            .output()
            .expect("it runs");
        let text = stdout(&output);
        assert_eq!(output.status.code(), Some(0), "{text}");
        assert!(text.contains(", 0 failed"), "{text}");
        let read = |name: &str| std::fs::read_to_string(file(name)).expect("written");
        let json: serde_json::Value = serde_json::from_str(&read("report.json")).expect("JSON");
        assert_eq!(json["failed"], 0);
        assert!(json["passed"].as_u64().is_some_and(|passed| passed > 30));
        assert!(read("report.xml").contains("<testsuite "));
        assert!(read("report.html").starts_with("<!DOCTYPE html>"));
    });
}

#[test]
fn a_wrong_echo_is_told_in_full_and_by_the_status() {
    async fn wrong(incoming: Incoming) {
        let _ = incoming.respond(Code::OK, &b"not what was sent"[..]);
    }
    let service = |runtime: &TokioRuntime| test_apps::service(runtime).handle(ECHO, wrong);
    with_server(service, |target| {
        let only = "the_golden_request_is_echoed";
        let output = program()
            .args(["run", "--only", only, "--target"])
            .arg(target)
            .output()
            .expect("it runs");
        let text = stdout(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        for part in [
            "FAIL OAP-1-1",
            "  due   ",
            "  came  ",
            "-> REQ|START|END",
            "<- RESP|",
        ] {
            assert!(text.contains(part), "no {part} in {text}");
        }
    });
}

#[test]
fn what_cannot_be_tested_is_said_in_one_line() {
    for arguments in [
        &["run", "--target", "tcp://127.0.0.1:1"][..],
        &["run", "--target", "gopher://127.0.0.1:1"],
        &["serve", "--listen", "127.0.0.1:0"],
        &["serve", "--listen", "tcp://127.0.0.1:0", "--only", "OAP-99"],
    ] {
        let output = program().args(arguments).output().expect("it runs");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn our_client_follows_the_drill_over_every_transport() {
    for backend in ["tcp", "tls", "quic", "uds"] {
        let place = Place::new(backend);
        let (cert, key) = (place.path("cert.pem"), place.path("key.pem"));
        let mut serve = program()
            .args(["serve", "--quick", "--listen", &place.listen()])
            .args(["--cert", &cert, "--key", &key])
            .stdout(Stdio::piped())
            .spawn()
            .expect("it runs");
        let mut lines = BufReader::new(serve.stdout.take().expect("piped")).lines();
        let first = lines.next().expect("a line").expect("text");
        let address = first.strip_prefix("listening on ").expect("its address");
        let drill = program()
            .args(["drill", "--ca", &cert, "--target", &place.target(address)])
            .output()
            .expect("it runs");
        let told: Vec<String> = lines.map_while(Result::ok).collect();
        let status = serve.wait().expect("it ends");
        assert_eq!(status.code(), Some(0), "{backend}: {}", told.join("\n"));
        assert_eq!(drill.status.code(), Some(0), "{backend}");
        assert!(stdout(&drill).starts_with("done after "));
    }
}
