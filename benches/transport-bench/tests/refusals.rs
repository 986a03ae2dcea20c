//! What is refused: one line on stderr that names the value and the rule, and the exit status.
#![cfg(unix)]

#[allow(dead_code, reason = "these tests start no server that gets ready")]
mod support;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use support::{run_client, run_server, run_server_in, temporary};

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
            &["gopher", "must be https, tls, http, tcp, quic or uds"],
        ),
        (&["--target", "uds:"], 2, &["uds:", "must be"]),
        (
            &["--target", good, "--streams", "1025"],
            2,
            &["1025", "--streams", "1..=1024"],
        ),
        (
            &["--target", good, "--streams", "2", "--depth", "2"],
            2,
            &["--streams", "--depth"],
        ),
        (
            &["--target", good, "--runtime", "rayon"],
            2,
            &["rayon", "tokio, smol"],
        ),
        (
            &["--target", good, "--pq.mode", "perhaps"],
            2,
            &["pq.mode", "perhaps", "off, hybrid or require"],
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
    let [cert, open, shut] = ["cert.pem", "open.pem", "shut.pem"].map(temporary);
    fs::write(&cert, identity.cert.pem()).unwrap();
    fs::write(&open, identity.signing_key.serialize_pem()).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o640)).unwrap();
    fs::write(&shut, identity.signing_key.serialize_pem()).unwrap();
    fs::set_permissions(&shut, fs::Permissions::from_mode(0o600)).unwrap();
    let missing = temporary("missing/file");
    let [cert, open, shut, missing] =
        [&cert, &open, &shut, &missing].map(|path| path.to_str().unwrap());
    let any = "127.0.0.1:0";
    let cases: &[(&[&str], i32, &[&str])] = &[
        (
            &["--listen", "127.0.0.1"],
            2,
            &["127.0.0.1", "must be an IP address and a port"],
        ),
        (
            &["--listen", "::1:8443"],
            2,
            &["::1:8443", "must be an IP address and a port"],
        ),
        (&["--listen", "127.0.0.1:65536"], 2, &["65536", "must be"]),
        (
            &["--cert", cert],
            2,
            &["tls.key_path", "tls.cert_path needs it"],
        ),
        (
            &["--key", shut],
            2,
            &["tls.cert_path", "tls.key_path needs it"],
        ),
        (
            &["--cert", cert, "--key", missing],
            2,
            &[missing, "cannot be read"],
        ),
        (
            &["--cert", missing, "--key", shut],
            2,
            &[missing, "cannot be read"],
        ),
        (
            &["--cert", cert, "--key", open],
            2,
            &[open, "0640", "must not be"],
        ),
        (
            &["--cert", shut, "--key", shut],
            2,
            &[shut, "holds no certificate"],
        ),
        (
            &["--self-signed-out", missing],
            2,
            &[missing, "must be writable"],
        ),
        (
            &["--self-signed-out", cert, "--amnesia", "true"],
            2,
            &["--self-signed-out", "amnesia"],
        ),
        (
            &["--alpn", "maybe"],
            2,
            &["tls.alpn", "maybe", "required or optional"],
        ),
        (
            &["--plain", "--alpn", "optional"],
            2,
            &["--tls.alpn", "--plain"],
        ),
        (&["--threads", "0"], 2, &["'0'", "--threads", "1..=1024"]),
        (&["--runtime", "rayon"], 2, &["rayon", "tokio, smol"]),
        (
            &["--backend", "tor"],
            2,
            &["backend", "tor", "this build has no tor"],
        ),
        (
            &["--backend", "uds"],
            2,
            &["uds.path", "backend uds needs it"],
        ),
        (
            &["--max_conns", "0"],
            2,
            &["max_conns", "\"0\"", "at least 1"],
        ),
        (&["--config", missing], 2, &[missing, "cannot be read"]),
        (&["--console", any], 2, &["--console", "--features console"]),
        (
            &["--console", any, "--runtime", "smol"],
            2,
            &["--console", "--runtime tokio"],
        ),
        (&["--metrics", "here"], 2, &["here", "--metrics"]),
        (&["--metrics", &taken], 1, &["--metrics", &taken, "in use"]),
        (&["--listen", &taken, "--plain"], 1, &[&taken, "in use"]),
        (
            &["--listen", &taken, "--plain", "--runtime", "smol"],
            1,
            &[&taken, "in use"],
        ),
    ];
    for (args, status, parts) in cases {
        assert_one_line(&run_server(args), *status, parts);
    }
}

#[test]
fn all_faults_of_all_layers_are_told_at_once_and_nothing_starts() {
    let file = temporary("faults.toml");
    let lines = "max_conns = 0\nmistyped = 1\n[limits]\nmax_frame_bytes = '2MB'\n";
    fs::write(&file, lines).unwrap();
    let path = file.to_str().unwrap();
    let env = [("OAP_AMNESIA", "yes"), ("OAP_NO_KEY", "1")];
    let args = ["--config", path, "--log.level", "loud"];
    let output = run_server_in(&args, &env);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    let stderr = String::from_utf8_lossy(&output.stderr);
    let expected = [
        format!("max_conns = \"0\" ({path}:1): must be a whole number, at least 1"),
        format!("mistyped ({path}:2): there is no such key"),
        format!(
            "limits.max_frame_bytes = \"2MB\" ({path}:4): must be a size in B, KiB or MiB, 64KiB \
             to 1MiB"
        ),
        "amnesia = \"yes\" (OAP_AMNESIA): must be true or false".to_owned(),
        "OAP_NO_KEY: there is no such key".to_owned(),
        "log.level = \"loud\" (--log.level): must be off, error, warn, info, debug or trace"
            .to_owned(),
    ];
    assert_eq!(stderr.lines().count(), expected.len(), "{stderr}");
    for line in expected {
        let line = format!("tls_echo_server: {line}");
        assert!(stderr.lines().any(|told| told == line), "{line}: {stderr}");
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
