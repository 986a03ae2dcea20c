//! What is refused: one line on stderr that names the value and the rule, and the exit status.
#![cfg(unix)]

#[allow(dead_code, reason = "these tests start no server that gets ready")]
mod support;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use support::{run_client, run_server, temporary};

#[test]
fn a_client_names_the_value_and_the_rule() {
    let refused = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = format!("tcp://{}", refused.local_addr().unwrap());
    drop(refused);
    let good = "https://127.0.0.1:1";
    let missing = temporary("missing/file");
    let missing = missing.to_str().unwrap();
    let cases: &[(&[&str], i32, &[&str])] = &[
        (&[], 2, &["--target <URL>", "not provided"]),
        (
            &["--target", "127.0.0.1:1"],
            2,
            &["127.0.0.1:1", "must be https://"],
        ),
        (
            &["--target", "https://127.0.0.1"],
            2,
            &["127.0.0.1", "HOST:PORT"],
        ),
        (
            &["--target", "https://127.0.0.1:99999"],
            2,
            &["99999", "HOST:PORT"],
        ),
        (
            &["--target", "gopher://a:1"],
            2,
            &["gopher", "must be https, http or tcp"],
        ),
        (
            &["--target", good, "--conns", "0"],
            2,
            &["'0'", "--conns", "1..=16384"],
        ),
        (
            &["--target", good, "--duration", "0"],
            2,
            &["'0'", "--duration", "1..=86400"],
        ),
        (
            &["--target", good, "--payload", "1048544"],
            2,
            &["1048544", "0..=1048543"],
        ),
        (&["--target", good, "--payload", "-1"], 2, &["-1"]),
        (
            &["--target", good, "--depth", "65"],
            2,
            &["65", "--depth", "1..=64"],
        ),
        (
            &["--target", good, "--rps", "fast"],
            2,
            &["fast", "--rps", "digit"],
        ),
        (
            &["--target", good, "--threads", "0"],
            2,
            &["'0'", "--threads", "1..=1024"],
        ),
        (
            &["--target", good, "--speed", "9"],
            2,
            &["--speed", "unexpected"],
        ),
        (
            &["--target", good, "--ca", missing],
            2,
            &[missing, "cannot be read"],
        ),
        (
            &["--target", good, "--ca", missing, "--insecure-no-verify"],
            2,
            &["--ca", "must not"],
        ),
        (
            &["--target", "tcp://a:1", "--ca", missing],
            2,
            &["tcp://a:1", "must be https"],
        ),
        (
            &["--target", &closed, "--json", missing],
            2,
            &[missing, "must be writable"],
        ),
        (&["--target", &closed], 1, &[&closed, "refused"]),
        (
            &["--target", "tcp://nowhere.invalid:1"],
            1,
            &["nowhere.invalid", "lookup"],
        ),
    ];
    for (args, status, parts) in cases {
        assert_one_line(&run_client(args), *status, parts);
    }
}

#[test]
fn a_server_names_the_value_and_the_rule() {
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = held.local_addr().unwrap().to_string();
    let identity = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, open) = (temporary("cert.pem"), temporary("open.pem"));
    fs::write(&cert, identity.cert.pem()).unwrap();
    fs::write(&open, identity.signing_key.serialize_pem()).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o640)).unwrap();
    let missing = temporary("missing/file");
    let [cert, open, missing] = [&cert, &open, &missing].map(|path| path.to_str().unwrap());
    let any = "127.0.0.1:0";
    let cases: &[(&[&str], i32, &[&str])] = &[
        (&[], 2, &["--listen <ADDR>", "not provided"]),
        (&["--listen", "127.0.0.1"], 2, &["127.0.0.1", "HOST:PORT"]),
        (&["--listen", "::1:8443"], 2, &["::1:8443", "[V6]:PORT"]),
        (
            &["--listen", "127.0.0.1:65536"],
            2,
            &["65536", "0 to 65535"],
        ),
        (
            &["--listen", any, "--cert", cert],
            2,
            &[cert, "must come with --key"],
        ),
        (
            &["--listen", any, "--key", open],
            2,
            &[open, "must come with --cert"],
        ),
        (
            &["--listen", any, "--cert", cert, "--key", missing],
            2,
            &[missing, "cannot be read"],
        ),
        (
            &["--listen", any, "--cert", missing, "--key", open],
            2,
            &[missing, "cannot be read"],
        ),
        (
            &["--listen", any, "--cert", cert, "--key", open],
            2,
            &[open, "0640", "must not be"],
        ),
        (
            &["--listen", any, "--self-signed-out", missing],
            2,
            &[missing, "must be writable"],
        ),
        (
            &["--listen", any, "--alpn", "maybe"],
            2,
            &["maybe", "required, optional"],
        ),
        (
            &["--listen", any, "--plain", "--alpn", "optional"],
            2,
            &["--alpn", "--plain"],
        ),
        (
            &["--listen", any, "--threads", "0"],
            2,
            &["'0'", "--threads", "1..=1024"],
        ),
        (
            &["--listen", "nowhere.invalid:0"],
            1,
            &["nowhere.invalid", "lookup"],
        ),
        (&["--listen", &taken, "--plain"], 1, &[&taken, "in use"]),
    ];
    for (args, status, parts) in cases {
        assert_one_line(&run_server(args), *status, parts);
    }
}

fn assert_one_line(output: &std::process::Output, status: i32, parts: &[&str]) {
    let line = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{line}");
    assert_eq!(line.lines().count(), 1, "{line}");
    for part in parts {
        assert!(line.contains(part), "{part:?} is missing in {line}");
    }
    assert!(output.stdout.is_empty());
}
