//! Layers, and what is made of them.

use super::*;

#[test]
fn without_layers_every_key_has_its_default() {
    let settings = Loader::server().load().unwrap();
    for key in keys() {
        assert_eq!(settings.origin(key.name()), Some(Origin::Default));
    }
    assert_eq!(settings.backend, Backend::Tcp);
    assert_eq!(settings.bind_addr.to_string(), "127.0.0.1:0");
    assert_eq!(settings.idle_timeout, Duration::from_secs(60));
    assert_eq!(settings.limits.max_frame_bytes, 1_048_576);
    assert_eq!(settings.limits.ack_window_bytes, 131_072);
    assert_eq!(settings.tls.cert_path, None);
    assert!(settings.uds.allow_uids.is_empty());
    assert_eq!(settings.origin("no.such.key"), None);
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let file = "max_conns = 1\nmax_handshakes = 1\nidle_timeout = '10s'";
    let settings = Loader::server()
        .text("oap.toml", file)
        .env([
            env("OAP_MAX_CONNS", "2"),
            env("OAP_MAX_HANDSHAKES", "2"),
            env("HOME", "/"),
            env("MAX_CONNS", "9"),
        ])
        .flag("max_conns", "3")
        .load()
        .unwrap();
    assert_eq!(settings.max_conns, 3);
    assert_eq!(settings.max_handshakes, 2);
    assert_eq!(settings.idle_timeout, Duration::from_secs(10));
    assert_eq!(settings.limits.max_inflight, 64);

    let origin = |key| settings.origin(key).unwrap().to_string();
    assert_eq!(origin("max_conns"), "--max_conns");
    assert_eq!(origin("max_handshakes"), "OAP_MAX_HANDSHAKES");
    assert_eq!(origin("idle_timeout"), "oap.toml:3");
    assert_eq!(origin("limits.max_inflight"), "default");
}

#[test]
fn a_program_s_own_default_is_below_every_layer() {
    let loader = Loader::server()
        .preset("backend", "uds")
        .preset("max_conns", "7");
    let settings = loader.clone().flag("backend", "tcp").load().unwrap();
    assert_eq!((settings.backend, settings.max_conns), (Backend::Tcp, 7));
    assert_eq!(settings.origin("max_conns"), Some(Origin::Default));
    let settings = loader.text("f", "backend = 'tcp'\nmax_conns = 8");
    assert_eq!(settings.load().unwrap().max_conns, 8);

    let wrong = Loader::server()
        .preset("max_conns", "0")
        .preset("no.key", "1");
    assert_eq!(
        faults(&wrong),
        [
            "max_conns = \"0\" (default): must be a whole number, at least 1",
            "no.key (default): there is no such key",
        ]
    );
}

#[test]
fn the_order_in_which_layers_are_named_does_not_matter() {
    let file = "max_conns = 1";
    let one = Loader::server().flag("max_conns", "3").text("f", file);
    let other = Loader::server().text("f", file).flag("max_conns", "3");
    assert_eq!(one.load().unwrap().max_conns, 3);
    assert_eq!(one.load(), other.load());
}

#[test]
fn a_file_may_write_values_in_any_way_that_toml_has() {
    let settings = Loader::server()
        .text(
            "oap.toml",
            "limits.max_inflight = 0x10\nlimits.ack_window_bytes = 65_536\namnesia = true\n\
             uds = { allow_uids = [0, 1000] }",
        )
        .load()
        .unwrap();
    assert_eq!(settings.limits.max_inflight, 16);
    assert_eq!(settings.limits.ack_window_bytes, 65_536);
    assert!(settings.amnesia);
    assert_eq!(settings.uds.allow_uids, [0, 1_000]);
}

#[test]
fn no_secret_is_part_of_the_settings() {
    let files = Files::new();
    fs::write(files.path("key"), "hunter2").unwrap();
    let settings = Loader::server()
        .flag("auth.macaroon_path", files.text("key"))
        .flag("tls.cert_path", files.text("cert"))
        .flag("tls.key_path", files.text("key"))
        .load()
        .unwrap();
    for text in [format!("{settings:?}"), settings.to_string()] {
        assert!(text.contains(&files.text("key")));
        assert!(!text.contains("hunter2"));
    }
}

#[test]
fn settings_become_the_core_s_and_the_driver_s() {
    let settings = Loader::server()
        .text(
            "f",
            "max_conns = 10\nmax_handshakes = 3\nread_timeout = '1s'\nwrite_timeout = '2s'\n\
             idle_timeout = '3s'\nhandshake_timeout = '4s'\n[limits]\nmax_frame_bytes = '512KiB'\n\
             chunk_bytes = '32KiB'\nmax_inflight = 8\nack_window_bytes = '256KiB'\n\
             [per_peer]\nmax_conns = 2\n[rates]\nper_conn_bytes_per_sec = '1KiB'\n\
             per_peer_bytes_per_sec = '2KiB'\nglobal_ingress_bytes_per_sec = '3KiB'\n\
             global_egress_bytes_per_sec = '4KiB'",
        )
        .load()
        .unwrap();
    let config = settings.core_config();
    assert_eq!(config.limits.max_frame(), 512 * 1_024);
    assert_eq!(config.limits.chunk(), 32 * 1_024);
    assert_eq!(config.limits.max_inflight(), 8);
    assert_eq!(config.limits.ack_window(), 256 * 1_024);
    assert_eq!(config.timers.frame, Duration::from_secs(1));
    assert_eq!(config.timers.write, Duration::from_secs(2));
    assert_eq!(config.timers.idle, Duration::from_secs(3));
    assert_eq!(config.timers.first_frame, Duration::from_secs(4));
    assert_eq!(config.timers.hello, Duration::from_secs(4));
    assert_eq!(config.transports, ["tcp".into()]);
    assert_eq!(config.pq, None);
    assert_eq!(
        settings.tcp_options().connect_timeout,
        Duration::from_secs(4)
    );
    let options = settings.server_options();
    assert_eq!((options.max_connections, options.handshakes), (10, 3));
    assert_eq!(options.per_peer_connections, 2);
    let rates = options.rates;
    let rates = [
        rates.per_connection,
        rates.per_peer,
        rates.ingress,
        rates.egress,
    ];
    assert_eq!(rates, [1_024, 2_048, 3_072, 4_096]);

    let defaults = Loader::server().load().unwrap();
    assert_eq!(defaults.limits(), oap_core::Limits::default());
    assert_eq!(defaults.timers(), oap_core::Timers::default());
    assert_eq!(defaults.tcp_options(), crate::tcp::TcpOptions::default());
    let options = oap_core::driver::ServerOptions::default();
    assert_eq!(defaults.server_options().handshakes, options.handshakes);
    assert_eq!(
        defaults.server_options().max_connections,
        options.max_connections
    );
}
