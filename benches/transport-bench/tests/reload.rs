//! SIGHUP: what new connections get, and that established ones go on.
#![cfg(unix)]

#[path = "support/session.rs"]
mod session;
#[allow(dead_code, reason = "these tests refuse nothing")]
mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use oap_core::Code;
use oap_core::driver::test_apps::ECHO;
use oap_tokio::Head;
use rustix::process::Signal;
use session::{session, session_of};
use support::{DEADLINE, Server, temporary};
use tokio::time::timeout;

/// A plain server with a file of settings, and that file.
fn start(name: &str, settings: &str, args: &[&str]) -> (Server, std::path::PathBuf) {
    let file = temporary(name);
    fs::write(&file, settings).unwrap();
    let path = file.to_str().unwrap().to_owned();
    let mut all = vec!["--config", &path];
    all.extend(args);
    (Server::start(&all), file)
}

/// Sends so many bytes and gets them back; how long that took.
async fn echo(session: &oap_tokio::Session, bytes: usize) -> Duration {
    let began = Instant::now();
    let body = Bytes::from(vec![7; bytes]);
    let asked = session.request(Head::new(ECHO), body.clone());
    let answer = timeout(DEADLINE, asked)
        .await
        .expect("an answer in time")
        .unwrap();
    assert_eq!((answer.code, answer.body == body), (Code::OK, true));
    began.elapsed()
}

fn max_inflight(session: &oap_tokio::Session) -> Option<u16> {
    session.hello().expect("a HELLO").max_inflight
}

#[tokio::test]
async fn limits_go_down_for_new_connections() {
    for runtime in ["tokio", "smol"] {
        let name = format!("limit-{runtime}.toml");
        let (server, file) = start(&name, "backend = 'tcp'", &["--runtime", runtime]);
        let old = session(&server.address).await;
        fs::write(&file, "backend = 'tcp'\nlimits.max_inflight = 4").unwrap();
        server.reload();
        let new = session(&server.address).await;
        assert_eq!(
            (max_inflight(&old), max_inflight(&new)),
            (Some(64), Some(4))
        );
        echo(&old, 1_000).await;
        echo(&new, 1_000).await;
        assert!(server.stderr().contains("limits.max_inflight"));
    }
}

#[tokio::test]
async fn rates_slow_new_connections_only() {
    const BYTES: usize = 160 * 1024;
    let (server, file) = start("rate.toml", "backend = 'tcp'", &[]);
    let old = session(&server.address).await;
    let slow = "backend = 'tcp'\nrates.per_conn_bytes_per_sec = '64KiB'";
    fs::write(&file, slow).unwrap();
    server.reload();
    let new = session(&server.address).await;
    // At the rate it takes at least 2.4 s; without, milliseconds.
    let (fast, slow) = (echo(&old, BYTES).await, echo(&new, BYTES).await);
    assert!(slow.as_secs_f64() > 2.0, "{slow:?}");
    assert!(fast < slow / 2, "{fast:?} {slow:?}");
}

/// A new certificate for localhost at these paths; itself as an authority.
fn renew(cert: &Path, key: &Path, ca: &Path) {
    let names = ["127.0.0.1".to_owned()];
    let identity = rcgen::generate_simple_self_signed(names).unwrap();
    let write = |path: &Path, text: String| {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    };
    write(cert, identity.cert.pem());
    write(key, identity.signing_key.serialize_pem());
    write(ca, identity.cert.pem());
}

#[tokio::test]
async fn certificates_are_read_again() {
    for (backend, runtime) in [
        ("tls", "tokio"),
        ("quic", "tokio"),
        ("tls", "smol"),
        ("quic", "smol"),
    ] {
        let path = |name: &str| temporary(&format!("{backend}-{runtime}-{name}"));
        let [cert, key, first, second] = ["cert", "key", "first", "second"].map(path);
        renew(&cert, &key, &first);
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let [cert_path, key_path] = [&cert, &key].map(|path| text(path));
        let server = Server::start(&[
            "--backend",
            backend,
            "--runtime",
            runtime,
            "--cert",
            &cert_path,
            "--key",
            &key_path,
        ]);
        let target = format!("{backend}://{}", server.address);
        let trusting = async |ca: &Path| {
            let ca = text(ca);
            let flags = [
                ("tls_client.trust_store", "path"),
                ("tls_client.ca_bundle_path", &*ca),
            ];
            session_of(&target, &flags).await
        };
        let old = trusting(&first).await.expect("a session");
        renew(&cert, &key, &second);
        server.reload();
        trusting(&first)
            .await
            .map(drop)
            .expect_err("the old certificate");
        let new = trusting(&second).await.expect("the new certificate");
        echo(&old, 1_000).await;
        echo(&new, 1_000).await;

        fs::write(&key, "no key").unwrap();
        server.reload();
        assert!(server.stderr().contains("not reloaded"));
        trusting(&second)
            .await
            .map(drop)
            .expect("the last good certificate");
    }
}

#[tokio::test]
async fn an_invalid_file_keeps_the_last_good_settings_and_says_so() {
    let good = "backend = 'tcp'\nlimits.max_inflight = 8";
    let (server, file) = start("invalid.toml", good, &["--metrics", "127.0.0.1:0"]);
    let old = session(&server.address).await;
    let refused = [
        (
            "backend = 'tcp'\nlimits.max_inflight = 0",
            "must be a whole number, 1 to 65535",
        ),
        (
            "backend = 'tcp'\nlimits.max_inflight = 9",
            "raising needs a restart",
        ),
        (
            "backend = 'tls'\nlimits.max_inflight = 8",
            "must stay \\\"tcp\\\"",
        ),
        (
            "backend = 'tcp'\nbind_addr = '127.0.0.1:1'\nlimits.max_inflight = 8",
            "must stay \\\"127.0.0.1:0\\\"",
        ),
        ("max_conns = ", "invalid.toml:1"),
    ];
    for (text, rule) in refused {
        fs::write(&file, text).unwrap();
        server.reload();
        server.wait_for(rule, 1);
        let (status, body) = server.get("/readyz");
        assert_eq!(status, 200);
        assert!(body.contains(r#""state":"degraded""#), "{body}");
        assert!(body.contains("reload_failed"), "{body}");
        assert_eq!(max_inflight(&session(&server.address).await), Some(8));
    }
    let not_reloaded = "not reloaded, the last good settings stay in force";
    server.wait_for(not_reloaded, refused.len());
    fs::write(&file, "backend = 'tcp'\nlimits.max_inflight = 7").unwrap();
    server.reload();
    assert_eq!(max_inflight(&session(&server.address).await), Some(7));
    assert!(server.get("/readyz").1.contains(r#""state":"ready""#));
    echo(&old, 1_000).await;
}

#[tokio::test]
async fn the_log_level_changes() {
    let (server, file) = start("level.toml", "backend = 'tcp'\nlog.level = 'info'", &[]);
    let session_of_its_own = session(&server.address).await;
    session_of_its_own.close();
    session_of_its_own.closed().await;
    server.wait_for("\"message\":\"closed\"", 1);
    fs::write(&file, "backend = 'tcp'\nlog.level = 'error'").unwrap();
    // Nothing tells of a reload that is to tell nothing.
    server.signal(Signal::HUP);
    let mut quiet = false;
    for _ in 0..200 {
        let before = server.stderr().len();
        echo(&session(&server.address).await, 10).await;
        quiet = server.stderr().len() == before;
        if quiet {
            break;
        }
    }
    assert!(quiet, "{}", server.stderr());
}
