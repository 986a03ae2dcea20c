//! The program of the README: one line for another runtime, one word for another transport.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

mod on_tokio {
    use oap_tokio as oap;

    include!("../../docs/examples/echo.rs");

    #[test]
    fn it_runs() {
        main().unwrap();
    }
}

mod on_smol {
    use oap_smol as oap;

    include!("../../docs/examples/echo.rs");

    #[test]
    fn it_runs() {
        main().unwrap();
    }
}

/// Runs the program in a process of its own, whose environment has the word.
#[test]
fn one_word_changes_the_transport() {
    let place = tempfile::tempdir().unwrap();
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let pair = rcgen::generate_simple_self_signed(names).unwrap();
    let (cert, key) = (place.path().join("cert.pem"), place.path().join("key.pem"));
    fs::write(&cert, pair.cert.pem()).unwrap();
    fs::write(&key, pair.signing_key.serialize_pem()).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    for backend in ["tcp", "tls", "quic", "uds"] {
        for runtime in ["on_tokio", "on_smol"] {
            let output = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "--nocapture", &format!("{runtime}::it_runs")])
                .env("OAP_BACKEND", backend)
                .env("OAP_TLS_CERT_PATH", &cert)
                .env("OAP_TLS_KEY_PATH", &key)
                .env("OAP_TLS_CLIENT_TRUST_STORE", "path")
                .env("OAP_TLS_CLIENT_CA_BUNDLE_PATH", &cert)
                .env(
                    "OAP_UDS_PATH",
                    place.path().join(format!("{runtime}/echo.sock")),
                )
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(
                output.status.success() && text.contains("hello"),
                "{backend} {runtime}: {text}{}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
    }
}

#[test]
fn the_readme_shows_this_program() {
    let program = include_str!("../../docs/examples/echo.rs");
    let readme = include_str!("../../README.md");
    assert!(
        readme.contains(program),
        "docs/examples/echo.rs has changed"
    );
}
