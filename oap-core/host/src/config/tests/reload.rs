//! Settings of a running program.

use super::*;

#[test]
fn reloads_change_what_may_change() {
    let load = |text: &str| Loader::server().text("f", text).load().unwrap();
    let old = load("max_conns = 10\nper_peer.max_conns = 5\nlimits.max_inflight = 32");

    let same = old.reload(old.clone()).unwrap();
    assert!(same.changed.is_empty());

    let good = "max_conns = 9\nidle_timeout = '90s'\nper_peer.max_conns = 4\n\
                rates.per_conn_bytes_per_sec = '1MiB'\nlog.level = 'debug'\n\
                limits.max_inflight = 16";
    let reloaded = old.reload(load(good)).unwrap();
    assert_eq!(
        reloaded.changed,
        [
            "max_conns",
            "idle_timeout",
            "limits.max_inflight",
            "rates.per_conn_bytes_per_sec",
            "per_peer.max_conns",
            "log.level"
        ]
    );
    assert_eq!(reloaded.settings.max_conns, 9);

    let bad = "max_conns = 11\nlimits.max_inflight = 33\nbind_addr = '127.0.0.1:1'\n\
               idle_timeout = '90s'";
    assert_eq!(
        old.reload(load(bad)).unwrap_err().to_string(),
        "bind_addr = \"127.0.0.1:1\" (f:3): must stay \"127.0.0.1:0\", which it is now: \
         changing needs a restart\n\
         max_conns = \"11\" (f:1): must not be above \"10\", which it is now: \
         raising needs a restart\n\
         limits.max_inflight = \"33\" (f:2): must not be above \"32\", which it is now: \
         raising needs a restart\n\
         per_peer.max_conns = \"0\" (default): must not be above \"5\", which it is now: \
         raising needs a restart"
    );
    // What is off has no limit, so that any is less.
    let unlimited = load("max_conns = 10\nlimits.max_inflight = 32");
    assert!(unlimited.reload(old).is_ok());
}

#[test]
fn every_key_reloads_as_the_table_says() {
    let files = Files::new();
    let base = Loader::server().load().unwrap();
    let other = |key: &Key| match key.kind() {
        "NUMBER" if key.name() == "max_conns" => "1023".to_owned(),
        "NUMBER" => "60".to_owned(),
        "SIZE" => "64KiB".to_owned(),
        "DURATION" => "59s".to_owned(),
        "BOOL" => (key.default_text() == "false").to_string(),
        "ADDRESS" => "127.0.0.2:0".to_owned(),
        "NAME" => "some.name".to_owned(),
        "UIDS" => "7".to_owned(),
        "PATH" => files.text("key"),
        _ => match key.name() {
            "backend" => "uds",
            "tls.alpn" => "optional",
            "tls_client.trust_store" => "path",
            "pq.mode" => "off",
            "log.format" => "text",
            _ => "debug",
        }
        .to_owned(),
    };
    for key in keys() {
        // A rule of several keys would refuse some before the reload is asked.
        let mut new = base.clone();
        let text = other(key);
        assert!(
            key.kind.read(&text, &mut new.values),
            "{} = {text}",
            key.name()
        );
        if text == key.default_text() {
            continue;
        }
        let refused = base.reload(new).is_err();
        assert_eq!(refused, key.change() == Change::Restart, "{}", key.name());
    }
}

#[test]
fn a_reload_that_fails_keeps_the_last_good_settings() {
    let files = Files::new();
    let path = files.path("oap.toml");
    fs::write(&path, "max_conns = 10").unwrap();
    let loader = Loader::server().file(&path);
    let live = Live::new(loader.load().unwrap());
    let clone = live.clone();

    fs::write(&path, "max_conns = 0").unwrap();
    let error = live.reload(&loader).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "not reloaded, the last good settings stay in force:\n\
             max_conns = \"0\" ({}:1): must be a whole number, at least 1",
            path.display()
        )
    );
    assert_eq!(clone.current().max_conns, 10);

    fs::write(&path, "max_conns = 5\nlog.level = 'warn'").unwrap();
    let error = live
        .reload_with(&loader, |_| Err("no good".to_owned()))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "not reloaded, the last good settings stay in force: no good"
    );
    assert_eq!(clone.current().max_conns, 10);

    let reloaded = live.reload(&loader).unwrap();
    assert_eq!(reloaded.changed, ["max_conns", "log.level"]);
    assert_eq!(clone.current().max_conns, 5);

    // Raising it is refused even though it was as high once.
    fs::write(&path, "max_conns = 10").unwrap();
    assert!(live.reload(&loader).is_err());
    assert_eq!(clone.current().max_conns, 5);
}
