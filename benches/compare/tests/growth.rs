//! `compare growth`, small and for a moment.

use std::process::Command;

use serde_json::Value;

/// Measures growth with the raw loop and one more; what it told, and its report.
fn growth(arguments: &[&str]) -> (String, Value) {
    let directory = tempfile::tempdir().unwrap();
    let json = directory.path().join("growth.json");
    let output = Command::new(env!("CARGO_BIN_EXE_compare"))
        .args(["growth", "--rounds", "1", "--contender", "oap-tokio"])
        .args(arguments)
        .arg("--json")
        .arg(&json)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}{stderr}");
    let report = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    (told, report)
}

#[test]
fn requests_have_a_cost_at_every_size() {
    // A second, because builds without optimization are slow.
    let parts = ["--part", "connections", "--part", "streams"];
    let (told, report) = growth(&[&parts[..], &["--most", "8", "--seconds", "1"]].concat());
    for (part, contenders) in [
        ("connections", ["tokio-rustls", "oap-tokio"]),
        ("streams", ["s2n-quic", "oap-tokio-quic"]),
    ] {
        let rows = report[part].as_array().unwrap();
        let sizes = rows.iter().map(|row| row["size"].as_u64().unwrap());
        assert!(sizes.eq([1, 8]), "{told}");
        for row in rows {
            let standings = row["standings"].as_array().unwrap();
            let names = standings
                .iter()
                .map(|one| one["contender"].as_str().unwrap());
            assert!(names.eq(contenders), "{told}");
            for standing in standings {
                for figure in ["rate", "cpu_us", "server_cpu_us", "rss_mib", "p99_us"] {
                    assert!(standing[figure]["median"].as_f64() > Some(0.0), "{told}");
                }
            }
        }
        assert!(told.contains(contenders[1]), "{told}");
    }
    assert!(report["idle"].as_array().unwrap().is_empty());
}

#[test]
fn idle_connections_have_a_slope() {
    let (told, report) = growth(&["--part", "idle", "--most", "200"]);
    let idle = report["idle"].as_array().unwrap();
    assert_eq!(idle.len(), 2, "{told}");
    for contender in idle {
        assert!(contender["bytes"]["each"].as_f64() > Some(0.0), "{told}");
        let sizes = contender["sizes"].as_array().unwrap();
        let sizes = sizes
            .iter()
            .map(|size| size["connections"].as_u64().unwrap());
        assert!(sizes.eq([100, 200]), "{told}");
    }
}

#[test]
fn whoever_does_not_go_over_tls_is_refused() {
    let output = Command::new(env!("CARGO_BIN_EXE_compare"))
        .args(["growth", "--contender", "s2n-quic"])
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(stderr.contains("it does not go over TLS"), "{stderr}");
}
