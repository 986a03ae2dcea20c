//! `check` on good, bad, noisy, malformed and foreign reports.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

const BASELINES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../baselines");
const GATES: &str = "+10p95,+10p99,-10throughput,+15cpu,+15mem";
const CLASS: &str = "x86_64-test-8c-16g";

/// A directory with the files of a check.
struct Case {
    directory: TempDir,
    gate: &'static str,
    statistic: &'static str,
}

fn load() -> Value {
    json!({
        "small_conns": 32, "small_rps": 5000, "small_bytes": 4096,
        "stream_conns": 2, "stream_bytes": 65536, "seconds": 10,
    })
}

fn noise() -> Value {
    json!({ "spread_pct": 1.0, "steal_pct": 0.0, "others_pct": 0.5, "load_1m": 0.2 })
}

fn baselines() -> Value {
    json!({
        "crate": "oap-core",
        "baselines": [{
            "ref": "Ref-A", "host_class": CLASS, "kernel": "6.1.0", "cpu": "Test",
            "commit": "a".repeat(40), "recorded": "2026-01-31T12:00:00Z",
            "load": load(), "noise": noise(),
            "tls_small_p95_ms": 1.0, "tls_small_p99_ms": 2.0,
            "tls_stream_64k_gbps": 4.0, "quic_stream_64k_gbps": 2.0,
            "cpu_pct_at_target": 50.0, "mem_gib": 0.1,
        }],
    })
}

fn run() -> Value {
    json!({
        "figures": {
            "tls_small_p95_ms": 1.0, "tls_small_p99_ms": 2.0,
            "tls_stream_64k_gbps": 4.0, "quic_stream_64k_gbps": 2.0,
            "cpu_pct_at_target": 50.0, "mem_gib": 0.1,
        },
        "missing": {}, "steal_pct": 0.0, "others_pct": 0.5,
    })
}

fn report() -> Value {
    json!({
        "crate": "oap-core", "measured": "2026-02-01T12:00:00Z", "commit": "b".repeat(40),
        "dirty": false, "optimised": true, "load": load(), "noise": noise(),
        "host": {
            "host_class": CLASS, "kernel": "6.1.0", "cpu": "Test", "cores": 8, "memory_gib": 16,
        },
        "runs": [run(), run(), run()],
    })
}

/// A report whose runs have these values of a figure.
fn with(figure: &str, values: [f64; 3]) -> Value {
    let mut report = report();
    for (run, value) in values.into_iter().enumerate() {
        report["runs"][run]["figures"][figure] = value.into();
    }
    report
}

impl Case {
    fn new() -> Self {
        let case = Self {
            directory: tempfile::tempdir().unwrap(),
            gate: GATES,
            statistic: "median",
        };
        fs::write(case.path("baselines.json"), baselines().to_string()).unwrap();
        case
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn with_waiver(self, expires: time::Date) -> Self {
        let waiver = format!(
            "[[waiver]]\nfigure = \"tls_small_p95_ms\"\nat_most_pct = 30\n\
             reason = \"a slower certificate for now\"\nexpires = {expires}\n"
        );
        fs::write(self.path("waivers.toml"), waiver).unwrap();
        self
    }

    /// Exit status, and everything that was said.
    fn check(&self, report: &Value) -> (i32, String) {
        fs::write(self.path("report.json"), report.to_string()).unwrap();
        let schema = Path::new(BASELINES).join("schema.json");
        let output = Command::new(env!("CARGO_BIN_EXE_check"))
            .args([
                "--crate",
                "oap-core",
                "--runs",
                "3",
                "--stat",
                self.statistic,
            ])
            .arg("--baselines")
            .arg(self.path("baselines.json"))
            .arg("--schema")
            .arg(schema)
            .arg("--report")
            .arg(self.path("report.json"))
            .args(["--gate", self.gate])
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        (
            output.status.code().unwrap(),
            String::from_utf8(said).unwrap(),
        )
    }
}

#[track_caller]
fn comes_to(checked: &(i32, String), status: i32, part: &str) {
    assert!(
        checked.0 == status && checked.1.contains(part),
        "{checked:?}"
    );
}

#[test]
fn figures_like_the_baseline_pass() {
    let checked = Case::new().check(&report());
    comes_to(&checked, 0, "passed");
    comes_to(&checked, 0, "against Ref-A");
}

#[test]
fn each_figure_fails_beyond_its_gate_and_not_within() {
    for (figure, within, beyond) in [
        ("tls_small_p95_ms", 1.09, 1.11),
        ("tls_small_p99_ms", 2.19, 2.21),
        ("tls_stream_64k_gbps", 3.61, 3.59),
        ("quic_stream_64k_gbps", 1.81, 1.79),
        ("cpu_pct_at_target", 57.0, 58.0),
        ("mem_gib", 0.114, 0.116),
    ] {
        let case = Case::new();
        comes_to(&case.check(&with(figure, [within; 3])), 0, "passed");
        let checked = case.check(&with(figure, [beyond; 3]));
        comes_to(&checked, 1, "WORSE");
        comes_to(&checked, 1, figure);
    }
}

#[test]
fn what_is_not_gated_may_be_anything() {
    let case = Case {
        gate: "+10p95",
        ..Case::new()
    };
    comes_to(&case.check(&with("mem_gib", [9.0; 3])), 0, "passed");
}

#[test]
fn one_run_out_of_line_does_not_move_the_median() {
    let report = with("tls_small_p95_ms", [1.03, 1.12, 1.05]);
    comes_to(&Case::new().check(&report), 0, "passed");
    let worst = Case {
        statistic: "worst",
        ..Case::new()
    };
    comes_to(&worst.check(&report), 1, "WORSE");
}

#[test]
fn runs_that_contradict_each_other_make_no_verdict() {
    let unsteady = with("tls_small_p95_ms", [1.0, 1.05, 1.4]);
    comes_to(&Case::new().check(&unsteady), 4, "contradict");
    // All of them are beyond the gate, however far apart.
    let worse = with("tls_small_p95_ms", [1.2, 1.5, 2.0]);
    comes_to(&Case::new().check(&worse), 1, "WORSE");
}

#[test]
fn a_noisy_machine_makes_no_verdict() {
    for (place, value) in [
        ("/noise/spread_pct", 9.0),
        ("/noise/steal_pct", 3.0),
        ("/runs/1/others_pct", 30.0),
        ("/runs/2/steal_pct", 2.0),
    ] {
        let mut report = report();
        *report.pointer_mut(place).unwrap() = value.into();
        comes_to(&Case::new().check(&report), 4, "noise: ");
    }
}

#[test]
fn a_missing_figure_fails_and_says_why() {
    let mut report = report();
    let run = &mut report["runs"][1];
    run["figures"]
        .as_object_mut()
        .unwrap()
        .remove("quic_stream_64k_gbps");
    run["missing"]["quic_stream_64k_gbps"] = "unexpected argument '--stream' found".into();
    comes_to(
        &Case::new().check(&report),
        1,
        "MISSING: unexpected argument '--stream'",
    );
    let gated_otherwise = Case {
        gate: "+10p95,+15mem",
        ..Case::new()
    };
    comes_to(&gated_otherwise.check(&report), 0, "passed");
}

#[test]
fn a_host_without_a_baseline_gets_no_verdict() {
    let mut report = report();
    report["host"]["host_class"] = "aarch64-other-4c-8g".into();
    comes_to(
        &Case::new().check(&report),
        3,
        "no verdict: there is no baseline for aarch64-other",
    );
}

#[test]
fn a_waiver_holds_up_to_its_bound_and_its_day() {
    let day = time::Duration::days(1);
    let report = with("tls_small_p95_ms", [1.2; 3]);
    let valid = Case::new().with_waiver(perf_ci::today());
    comes_to(&valid.check(&report), 0, "waived until");
    comes_to(
        &valid.check(&with("tls_small_p95_ms", [1.4; 3])),
        1,
        "WORSE",
    );
    let expired = Case::new().with_waiver(perf_ci::today() - day);
    comes_to(
        &expired.check(&report),
        1,
        "expired waiver: tls_small_p95_ms",
    );
}

#[test]
fn an_expired_waiver_fails_even_where_nothing_is_worse() {
    let yesterday = perf_ci::today() - time::Duration::days(1);
    let case = Case::new().with_waiver(yesterday);
    comes_to(&case.check(&report()), 1, "expired waiver");
}

#[test]
fn gates_that_nobody_knows_are_refused() {
    for gate in ["+10p50", "+10%p95", "-10p95", "10p95", "+10latency", ""] {
        let case = Case {
            gate,
            ..Case::new()
        };
        comes_to(&case.check(&report()), 2, "gate");
    }
}

#[test]
fn figures_in_other_units_are_refused() {
    let case = Case::new();
    // Bytes per second, bits per second, microseconds, bytes, a share of 1 above all.
    for (figure, value) in [
        ("tls_stream_64k_gbps", 5e8),
        ("quic_stream_64k_gbps", 2e9),
        ("tls_small_p95_ms", 1e6),
        ("mem_gib", 1.1e8),
        ("cpu_pct_at_target", 150.0),
    ] {
        comes_to(&case.check(&with(figure, [value; 3])), 2, figure);
    }
    let mut report = report();
    report["runs"][0]["figures"]["tls_small_p95_us"] = 1000.into();
    comes_to(&case.check(&report), 2, "tls_small_p95_us");
    report = self::report();
    report["runs"][0]["figures"]["mem_gib"] = "0.1 GiB".into();
    comes_to(&case.check(&report), 2, "mem_gib");
}

#[test]
fn malformed_reports_are_refused_by_place() {
    let case = Case::new();
    comes_to(&case.check(&Value::Null), 2, "report.json");
    for place in ["host", "runs", "noise", "load", "commit", "measured"] {
        let mut report = report();
        report.as_object_mut().unwrap().remove(place);
        comes_to(&case.check(&report), 2, place);
    }
    for (place, value, part) in [
        ("/runs", json!([]), "/runs"),
        ("/runs", json!([run(), run()]), "must be 3 at least"),
        ("/crate", json!("oap-tokio"), "must be oap-core"),
        ("/optimised", json!(false), "debug builds"),
        ("/commit", json!("HEAD"), "/commit"),
        ("/load/seconds", json!(0), "/load/seconds"),
        (
            "/load/small_rps",
            json!(4000),
            "must be that of the baseline",
        ),
        (
            "/runs/0/figures/tls_small_p95_ms",
            json!(0),
            "tls_small_p95_ms",
        ),
    ] {
        let mut report = report();
        *report.pointer_mut(place).unwrap() = value;
        comes_to(&case.check(&report), 2, part);
    }
}

#[test]
fn malformed_baselines_are_refused_by_place() {
    let case = Case::new();
    let refused = |baselines: &Value, part: &str| {
        fs::write(case.path("baselines.json"), baselines.to_string()).unwrap();
        comes_to(&case.check(&report()), 2, part);
    };
    for key in [
        "ref",
        "commit",
        "kernel",
        "cpu",
        "mem_gib",
        "tls_small_p95_ms",
    ] {
        let mut baselines = baselines();
        baselines["baselines"][0]
            .as_object_mut()
            .unwrap()
            .remove(key);
        refused(&baselines, key);
    }
    let mut twice = baselines();
    twice["baselines"] = json!([twice["baselines"][0], twice["baselines"][0]]);
    refused(&twice, "must stand there once");
    fs::write(
        case.path("waivers.toml"),
        "[[waiver]]\nfigure = \"mem_gib\"\n",
    )
    .unwrap();
    refused(&baselines(), "waivers.toml");
}

#[test]
fn the_committed_files_keep_to_the_committed_schema() {
    let text = |name: &str| fs::read_to_string(Path::new(BASELINES).join(name)).unwrap();
    let schema: Value = serde_json::from_str(&text("schema.json")).unwrap();
    assert!(jsonschema::draft202012::meta::is_valid(&schema));
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    for file in fs::read_dir(BASELINES).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".json") && name != "schema.json" {
            let baselines: Value = serde_json::from_str(&text(&name)).unwrap();
            validator
                .validate(&baselines)
                .unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
    let waivers = Path::new(BASELINES).join("waivers.toml");
    let waivers = perf_ci::waiver::Waivers::read(&waivers, perf_ci::today());
    waivers.unwrap_or_else(|error| panic!("{error}"));
}
