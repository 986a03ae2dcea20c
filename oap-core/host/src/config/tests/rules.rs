//! What is refused, and how it is told.

use super::*;

/// For every key values that it refuses, each with the rule that it names.
fn refused(files: &Files) -> Vec<(&'static str, String, String)> {
    const TIMEOUT: &str = "must be a duration in ms, s, m or h, 1ms to 24h";
    const WORDS_BACKEND: &str = "must be tcp, tls, quic, tor or uds";
    const RATE: &str = "must be a size in B, KiB or MiB";
    const BUFFER: &str = "must be a size in B, KiB or MiB, 0 to 64MiB";
    const ADDRESS: &str = "must be an IP address and a port, as in 127.0.0.1:9000";
    const COUNT: &str = "must be a whole number, at least 0";
    const FRAME: &str = "must be a size in B, KiB or MiB, 64KiB to 1MiB";
    const CHUNK: &str = "must be a size in B, KiB or MiB, 4KiB to 256KiB";
    const WINDOW: &str = "must be a size in B, KiB or MiB, 4KiB to 8MiB";
    const INFLIGHT: &str = "must be a whole number, 1 to 65535";
    const STREAMS: &str = "must be a whole number, 0 to 65535";
    const IDLE: &str = "must be a duration in ms, s, m or h, 1s to 24h";
    const DELAY: &str = "must be a duration in ms, s, m or h, 0s to 24h";
    const SWITCH: &str = "must be true or false";
    const GONE: &str = "cannot be read: No such file or directory (os error 2)";
    const SECRET: &str = "mode 0644: must not be group- or world-accessible (chmod 600)";
    const UIDS: &str = "must be a list of numeric user ids, as in 0,1000";
    const NAME: &str = "must be a DNS name or an IP address";
    const LEVEL: &str = "must be off, error, warn, info, debug or trace";
    const CONNS: &str = "must be a whole number, at least 1";
    let long = "x".repeat(104);

    let table: Vec<(&'static str, &str, &str)> = vec![
        ("backend", "", WORDS_BACKEND),
        ("backend", "TCP", WORDS_BACKEND),
        ("backend", "tor", "this build has no tor"),
        ("bind_addr", "localhost:1", ADDRESS),
        ("bind_addr", "127.0.0.1", ADDRESS),
        ("bind_addr", "127.0.0.1:65536", ADDRESS),
        ("max_conns", "0", CONNS),
        ("max_conns", "-1", CONNS),
        ("max_conns", "+1", CONNS),
        ("max_conns", "", CONNS),
        ("max_conns", "4294967296", CONNS),
        ("max_handshakes", "few", COUNT),
        ("read_timeout", "0s", TIMEOUT),
        ("read_timeout", "5", TIMEOUT),
        ("read_timeout", "1M", TIMEOUT),
        ("write_timeout", "25h", TIMEOUT),
        ("idle_timeout", "999ms", IDLE),
        ("handshake_timeout", "0ms", TIMEOUT),
        ("drain_timeout", "soon", DELAY),
        ("limits.max_frame_bytes", "65535", FRAME),
        ("limits.max_frame_bytes", "1025KiB", FRAME),
        ("limits.max_frame_bytes", "100kB", FRAME),
        ("limits.max_frame_bytes", "0.5MiB", FRAME),
        ("limits.chunk_bytes", "4095", CHUNK),
        ("limits.chunk_bytes", "257KiB", CHUNK),
        ("limits.max_inflight", "0", INFLIGHT),
        ("limits.max_inflight", "65536", INFLIGHT),
        ("limits.ack_window_bytes", "4095", WINDOW),
        ("limits.ack_window_bytes", "9MiB", WINDOW),
        ("rates.per_conn_bytes_per_sec", "1MB", RATE),
        ("rates.per_peer_bytes_per_sec", "-1", RATE),
        ("rates.global_ingress_bytes_per_sec", "off", RATE),
        ("rates.global_egress_bytes_per_sec", "1GiB", RATE),
        ("per_peer.max_conns", "1.5", COUNT),
        ("tcp.nodelay", "on", SWITCH),
        ("tcp.send_buffer_bytes", "65MiB", BUFFER),
        ("tcp.recv_buffer_bytes", "auto", BUFFER),
        ("quic.max_streams", "65536", STREAMS),
        ("tls.client_ca_path", "/no/such/file", GONE),
        ("tls.client_ca_path", "/", "must be a regular file"),
        ("tls.ocsp_path", "/no/such/file", GONE),
        ("tls.alpn", "none", "must be required or optional"),
        ("tls_client.trust_store", "none", "must be system or path"),
        ("tls_client.sni_override", "a b", NAME),
        ("tls_client.sni_override", "a..b", NAME),
        ("uds.allow_uids", "root", UIDS),
        ("uds.allow_uids", "1,-1", UIDS),
        (
            "uds.path",
            &long,
            "must be empty or a path of at most 103 bytes",
        ),
        ("auth.macaroon_path", "/no/such/file", GONE),
        ("amnesia", "1", SWITCH),
        ("pq.mode", "on", "must be off, hybrid or require"),
        ("tor.bootstrap_timeout", "0s", TIMEOUT),
        ("tor.pre_dial_delay", "1d", DELAY),
        (
            "tor.state_dir",
            "a\0b",
            "must be empty or a path of at most 4095 bytes",
        ),
        ("tor.config_path", "/no/such/file", GONE),
        ("log.format", "xml", "must be json or text"),
        ("log.level", "verbose", LEVEL),
    ];
    let own = |(key, value, rule): (&'static str, &str, &str)| (key, value.into(), rule.into());
    let mut table: Vec<_> = table.into_iter().map(own).collect();
    if cfg!(unix) {
        table.push(("auth.macaroon_path", files.text("open"), SECRET.to_owned()));
    }
    table
}

/// Keys whose every bad value breaks another key's rule as well: [`rules_of_several_keys`].
const SEVERAL: [&str; 5] = [
    "tls.cert_path",
    "tls.key_path",
    "tls_client.ca_bundle_path",
    "tls_client.cert_path",
    "tls_client.key_path",
];

#[test]
fn every_key_refuses_bad_values_and_names_the_rule() {
    let files = Files::new();
    let table = refused(&files);
    for key in keys() {
        let has_one = table.iter().any(|(name, ..)| *name == key.name());
        assert!(has_one || SEVERAL.contains(&key.name()), "{}", key.name());
    }
    for (key, value, rule) in table {
        let shown = value.replace('\0', "\u{fffd}");
        let env_name = find(key).unwrap().env();
        let by_flag = fault(&Loader::server().flag(key, &value));
        assert_eq!(by_flag, format!("{key} = \"{shown}\" (--{key}): {rule}"));
        let by_env = fault(&Loader::server().env([env(&env_name, &value)]));
        assert_eq!(by_env, format!("{key} = \"{shown}\" ({env_name}): {rule}"));
        let toml = toml::Value::from(value.as_str());
        let by_file = fault(&Loader::server().text("f.toml", format!("\n{key} = {toml}")));
        assert_eq!(by_file, format!("{key} = \"{shown}\" (f.toml:2): {rule}"));
    }
}

#[test]
fn files_of_a_pair_are_looked_at_each() {
    let files = Files::new();
    let (good, open) = (files.text("key"), files.text("open"));
    let gone = "cannot be read: No such file or directory (os error 2)";
    let secret = "mode 0644: must not be group- or world-accessible (chmod 600)";
    for side in ["tls", "tls_client"] {
        let (cert, key) = (format!("{side}.cert_path"), format!("{side}.key_path"));
        let pair = |of_cert: &str, of_key: &str| {
            let flags = [(cert.as_str(), of_cert), (key.as_str(), of_key)];
            fault(&Loader::server().flags(flags))
        };
        let told = pair("/no/such/file", &good);
        assert_eq!(
            told,
            format!("{cert} = \"/no/such/file\" (--{cert}): {gone}")
        );
        let told = pair(&good, "/no/such/file");
        assert_eq!(told, format!("{key} = \"/no/such/file\" (--{key}): {gone}"));
        if cfg!(unix) {
            let told = pair(&open, &open);
            assert_eq!(told, format!("{key} = \"{open}\" (--{key}): {secret}"));
        }
    }
    let flags = [
        ("tls_client.trust_store", "path"),
        ("tls_client.ca_bundle_path", "/no/such/file"),
    ];
    let told = fault(&Loader::server().flags(flags));
    let key = "tls_client.ca_bundle_path";
    assert_eq!(told, format!("{key} = \"/no/such/file\" (--{key}): {gone}"));
}

#[test]
fn a_file_s_values_of_a_wrong_type_are_refused() {
    for (line, shown) in [
        ("max_conns = 1.5", "a TOML float"),
        ("max_conns = 1979-05-27", "a TOML datetime"),
        ("max_conns = ['1']", "a TOML array"),
        ("max_conns = { a = 1 }", "a TOML table"),
        ("max_conns = [1]", "a TOML array"),
        ("max_conns = true", "a TOML boolean"),
    ] {
        let rule = "must be a whole number, at least 1";
        let expected = format!("max_conns = \"{shown}\" (f:1): {rule}");
        assert_eq!(fault(&Loader::server().text("f", line)), expected);
    }
    for line in ["uds.path = 1", "uds.path = true", "uds.path = [1]"] {
        let told = fault(&Loader::server().text("f", line));
        assert!(told.starts_with("uds.path = \"a TOML "), "{told}");
    }
    assert_eq!(
        fault(&Loader::server().text("f", "limits = 1")),
        "limits = \"a TOML integer\" (f:1): must be a table of keys"
    );
}

#[test]
fn rules_of_several_keys() {
    let files = Files::new();
    let (cert, key) = (files.text("cert"), files.text("key"));
    let with = |flags: &[(&str, &str)]| Loader::server().flags(flags.iter().copied());
    for (flags, expected) in [
        (
            &[("uds.path", "/run/s"), ("bind_addr", "127.0.0.1:0")][..],
            "bind_addr = \"127.0.0.1:0\" (--bind_addr): must not be set together with uds.path",
        ),
        (
            &[("backend", "uds")],
            "uds.path = \"\" (default): backend uds needs it",
        ),
        (
            &[
                ("limits.chunk_bytes", "128KiB"),
                ("limits.max_frame_bytes", "64KiB"),
                ("limits.max_inflight", "4"),
            ],
            "limits.chunk_bytes = \"128KiB\" (--limits.chunk_bytes): \
             must be at most limits.max_frame_bytes = 64KiB",
        ),
        (
            &[("limits.max_inflight", "65")],
            "limits.ack_window_bytes = \"128KiB\" (default): times limits.max_inflight = 65 \
             must be at most 8 x limits.max_frame_bytes = 1MiB",
        ),
        (
            &[("tls_client.trust_store", "path")],
            "tls_client.ca_bundle_path = \"\" (default): tls_client.trust_store = path needs it",
        ),
        (
            &[("amnesia", "true"), ("tor.state_dir", "/var/lib/tor")],
            "tor.state_dir = \"/var/lib/tor\" (--tor.state_dir): \
             must be empty with amnesia = true, which writes nothing to disk",
        ),
    ] {
        assert_eq!(fault(&with(flags)), expected);
    }
    assert_eq!(
        fault(&with(&[("tls_client.ca_bundle_path", &cert)])),
        format!(
            "tls_client.ca_bundle_path = \"{cert}\" (--tls_client.ca_bundle_path): \
             needs tls_client.trust_store = path"
        )
    );
    for (set, path, missing) in [
        ("tls.cert_path", &cert, "tls.key_path"),
        ("tls.key_path", &key, "tls.cert_path"),
        ("tls_client.cert_path", &cert, "tls_client.key_path"),
        ("tls_client.key_path", &key, "tls_client.cert_path"),
    ] {
        let expected = format!("{missing} = \"\" (default): {set} needs it");
        assert_eq!(fault(&with(&[(set, path)])), expected);
    }
}

#[test]
#[cfg(feature = "tls")]
fn a_server_of_tls_needs_a_certificate_and_a_client_does_not() {
    let needs = |key: &str| format!("{key} = \"\" (default): backend tls needs it");
    let server = Loader::server().flag("backend", "tls");
    let expected = [needs("tls.cert_path"), needs("tls.key_path")];
    assert_eq!(faults(&server), expected);
    assert!(Loader::client().flag("backend", "tls").load().is_ok());

    let files = Files::new();
    let with_files = server
        .flag("tls.cert_path", files.text("cert"))
        .flag("tls.key_path", files.text("key"));
    assert!(with_files.load().is_ok());
}

#[test]
#[cfg(feature = "tls")]
fn a_server_that_brings_its_certificate_needs_no_file() {
    let files = Files::new();
    let loader = Loader::server().brings_certificate();
    let loader = loader.flag("backend", "tls");
    loader.load().unwrap();
    assert_eq!(
        fault(&loader.flag("tls.cert_path", files.text("open"))),
        "tls.key_path = \"\" (default): tls.cert_path needs it"
    );
}

#[test]
fn a_client_does_not_look_at_a_server_s_files() {
    let loader = Loader::client().flag("tls.key_path", "/no/such/file");
    assert!(loader.load().is_ok());
}

#[test]
fn all_faults_are_told_at_once() {
    let file = "max_conns = 0\nno_such = 'hunter2'\n[limits]\nmax_inflight = 0\nmax_frame = 1\n\
                [nowhere]\na = 1\n";
    let loader = Loader::server()
        .text("oap.toml", file)
        .env([env("OAP_PASSWORD", "hunter2"), env("OAP_AMNESIA", "yes")])
        .flag("read_timeout", "5")
        .flag("no.such", "hunter2")
        .flag("backend", "uds");
    let mut expected = [
        "max_conns = \"0\" (oap.toml:1): must be a whole number, at least 1",
        "no_such (oap.toml:2): there is no such key",
        "limits.max_inflight = \"0\" (oap.toml:4): must be a whole number, 1 to 65535",
        "limits.max_frame (oap.toml:5): there is no such key",
        "nowhere (oap.toml:6): there is no such key",
        "OAP_PASSWORD: there is no such key",
        "amnesia = \"yes\" (OAP_AMNESIA): must be true or false",
        "read_timeout = \"5\" (--read_timeout): must be a duration in ms, s, m or h, 1ms to 24h",
        "no.such (--no.such): there is no such key",
        "uds.path = \"\" (default): backend uds needs it",
    ];
    let mut told = faults(&loader);
    told.sort();
    expected.sort_unstable();
    assert_eq!(told, expected);
    assert!(!format!("{loader:?}").contains("hunter2"));
}

#[test]
fn a_value_that_another_layer_overrides_must_be_good_too() {
    let loader = Loader::server()
        .text("f", "max_conns = 0")
        .flag("max_conns", "1");
    assert_eq!(
        fault(&loader),
        "max_conns = \"0\" (f:1): must be a whole number, at least 1"
    );
}

#[test]
fn a_quoted_name_with_dots_is_no_key() {
    let loader = Loader::server().text("f", "\"limits.max_inflight\" = 1");
    assert_eq!(
        fault(&loader),
        "limits.max_inflight (f:1): there is no such key"
    );
}

#[test]
fn what_is_no_toml_is_told_with_its_line() {
    let told = fault(&Loader::server().text("oap.toml", "max_conns = 1\nbackend = tls\n"));
    assert!(told.starts_with("oap.toml:2: must be TOML: "), "{told}");
    let told = faults(
        &Loader::server()
            .text("f", "a = \n[b\n")
            .flag("max_conns", "0"),
    );
    assert!(told[0].starts_with("f:1: must be TOML: "), "{told:?}");
    assert!(
        told.last().unwrap().starts_with("max_conns = \"0\""),
        "{told:?}"
    );
}

#[test]
fn a_file_that_cannot_be_read_is_a_fault() {
    let missing = fault(
        &Loader::server()
            .file("/no/such/oap.toml")
            .flag("backend", "uds"),
    );
    assert!(
        missing.starts_with("/no/such/oap.toml: cannot be read: "),
        "{missing}"
    );

    let files = Files::new();
    fs::write(files.path("large"), "#".repeat(1024 * 1024 + 1)).unwrap();
    let large = fault(&Loader::server().file(files.path("large")));
    assert!(
        large.ends_with(": must be at most 1048576 bytes"),
        "{large}"
    );
    let directory = fault(&Loader::server().file(files.0.path()));
    assert!(directory.contains(": cannot be read: "), "{directory}");
}

#[test]
#[cfg(unix)]
fn an_environment_that_is_not_utf_8_is_a_fault() {
    use std::os::unix::ffi::OsStringExt;
    let value = OsString::from_vec(vec![0x2f, 0xff]);
    let told = fault(&Loader::server().env([("OAP_UDS_PATH".into(), value)]));
    assert_eq!(
        told,
        "uds.path = \"/\u{fffd}\" (OAP_UDS_PATH): must be UTF-8"
    );
}
