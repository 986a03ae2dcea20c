//! Everything that the dashboard and the alerts ask for is there, in a scrape of a running server:
//! each metric, each label, and each value that a selector names.
//!
//! The scrape and the dashboard's expressions are left in cargo's directory for tests, where
//! `docs/dashboards/check` has promtool look at them.
#![cfg(unix)]

#[allow(dead_code, reason = "these tests need little of it")]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use regex::Regex;
use serde_json::{Value, json};
use support::{Server, run_client, temporary};

const DASHBOARDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/dashboards");
/// What Prometheus itself adds.
const OF_PROMETHEUS: [&str; 2] = ["job", "instance"];
/// Words of PromQL that are followed by no parenthesis, or by a list of labels.
const WORDS: [&str; 10] = [
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "and",
    "or",
    "unless",
    "bool",
];

/// An expression and where it stands.
struct Asked {
    place: String,
    expr: String,
}

/// A metric in an expression, with the values that its labels must have.
struct Selector {
    metric: String,
    labels: Vec<(String, Vec<String>)>,
}

/// The series of a scrape: the label sets of each metric.
type Scrape = BTreeMap<String, Vec<BTreeMap<String, String>>>;

fn text(name: &str) -> String {
    fs::read_to_string(Path::new(DASHBOARDS).join(name)).expect(name)
}

fn panels() -> Vec<Asked> {
    let dashboard: Value = serde_json::from_str(&text("transport.json")).unwrap();
    let mut asked = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let mut expr = target["expr"].as_str().unwrap().to_owned();
            for (variable, value) in [
                ("$__rate_interval", "5m"),
                ("$job", ".*"),
                ("$instance", ".*"),
            ] {
                expr = expr.replace(variable, value);
            }
            asked.push(Asked {
                place: panel["title"].to_string(),
                expr,
            });
        }
    }
    asked
}

/// The rules, and the names that they record.
fn rules() -> (Vec<Asked>, BTreeSet<String>) {
    let file: Value = serde_norway::from_str(&text("alerts.yml")).unwrap();
    let (mut asked, mut recorded) = (Vec::new(), BTreeSet::new());
    let groups = file["groups"].as_array().unwrap().iter();
    for rule in groups.flat_map(|group| group["rules"].as_array().unwrap()) {
        let name = rule["alert"].as_str().or(rule["record"].as_str()).unwrap();
        recorded.extend(rule["record"].as_str().map(str::to_owned));
        asked.push(Asked {
            place: name.to_owned(),
            expr: rule["expr"].as_str().unwrap().to_owned(),
        });
    }
    (asked, recorded)
}

/// The labels that an expression groups by.
fn grouping(expr: &str) -> Vec<String> {
    let lists = Regex::new(r"\b(?:by|without|on|ignoring) *\(([^)]*)\)").unwrap();
    let labels = lists.captures_iter(expr).flat_map(|list| {
        let labels = list[1].split(',').map(|label| label.trim().to_owned());
        labels.collect::<Vec<_>>()
    });
    labels.collect()
}

fn selectors(expr: &str) -> Vec<Selector> {
    let lists = Regex::new(r"\b(?:by|without|on|ignoring) *\([^)]*\)").unwrap();
    let expr = lists.replace_all(expr, "");
    let ranges = Regex::new(r"\[[^\]]*\]").unwrap();
    let expr = ranges.replace_all(&expr, "");
    let selector = Regex::new(r"\b([a-zA-Z_:][a-zA-Z0-9_:]*) *(\(|\{[^}]*\})?").unwrap();
    let matcher = Regex::new(r#"([a-z_]+) *(=~|=) *"([^"]*)""#).unwrap();
    let found = selector.captures_iter(&expr).filter(|found| {
        let is_call = found.get(2).is_some_and(|rest| rest.as_str() == "(");
        !is_call && !WORDS.contains(&&found[1])
    });
    let selectors = found.map(|found| {
        let labels = found.get(2).map_or("", |labels| labels.as_str());
        let labels = matcher.captures_iter(labels).map(|label| {
            let values = label[3].split('|').filter(|value| *value != ".*");
            (label[1].to_owned(), values.map(str::to_owned).collect())
        });
        Selector {
            metric: found[1].to_owned(),
            labels: labels.collect(),
        }
    });
    selectors.collect()
}

fn read(scrape: &str) -> Scrape {
    let line = Regex::new(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{.*\})? ").unwrap();
    let label = Regex::new(r#"([a-z_]+)="([^"]*)""#).unwrap();
    let mut all = Scrape::new();
    for found in scrape.lines().filter_map(|text| line.captures(text)) {
        let labels = found.get(2).map_or("", |labels| labels.as_str());
        let labels = label
            .captures_iter(labels)
            .map(|label| (label[1].to_owned(), label[2].to_owned()));
        all.entry(found[1].to_owned())
            .or_default()
            .push(labels.collect());
    }
    all
}

/// What an expression asks for and the scrape does not have.
fn missing(asked: &Asked, recorded: &BTreeSet<String>, scrape: &Scrape) -> Vec<String> {
    let mut missing = Vec::new();
    let mut known: BTreeSet<&str> = OF_PROMETHEUS.into();
    for selector in &selectors(&asked.expr) {
        let metric = &*selector.metric;
        if metric == "up" || recorded.contains(metric) {
            continue;
        }
        let Some(series) = scrape.get(metric) else {
            missing.push(format!("{}: no {metric}", asked.place));
            continue;
        };
        known.extend(
            series
                .iter()
                .flat_map(|labels| labels.keys().map(String::as_str)),
        );
        let wanted = selector
            .labels
            .iter()
            .filter(|(label, _)| !OF_PROMETHEUS.contains(&&**label));
        for (label, values) in wanted {
            for value in values {
                if !series.iter().any(|labels| labels.get(label) == Some(value)) {
                    missing.push(format!("{}: no {metric}{{{label}={value:?}}}", asked.place));
                }
            }
        }
    }
    let unknown = grouping(&asked.expr)
        .into_iter()
        .filter(|label| !known.contains(&**label));
    missing.extend(unknown.map(|label| format!("{}: no label {label}", asked.place)));
    missing
}

/// promtool checks rules, not dashboards: each panel's expressions as rules.
fn panels_as_rules(panels: &[Asked]) -> Value {
    let rules = panels
        .iter()
        .enumerate()
        .map(|(number, asked)| json!({ "record": format!("panel:{number}"), "expr": asked.expr }));
    json!({ "groups": [{ "name": "panels", "rules": rules.collect::<Vec<_>>() }] })
}

#[test]
fn every_metric_and_label_that_is_asked_for_is_scraped_before_any_event_and_after() {
    let ca = temporary("dashboards.pem");
    let ca = ca.to_str().unwrap();
    let server = Server::start(&["--metrics", "127.0.0.1:0", "--self-signed-out", ca]);
    let before = server.get("/metrics").1;
    let target = format!("https://{}", server.address);
    let load = [
        "--ca",
        ca,
        "--conns",
        "2",
        "--rps",
        "200",
        "--duration",
        "1",
    ];
    let output = run_client(&[&["--target", &target][..], &load[..]].concat());
    assert_eq!(output.status.code(), Some(0));
    let after = server.get("/metrics").1;

    let (rules, recorded) = rules();
    let panels = panels();
    assert!(panels.len() > 20 && rules.len() > 10);
    for (when, scrape) in [("before any event", &before), ("after a load", &after)] {
        let scrape = read(scrape);
        let all = panels.iter().chain(&rules);
        let missing: Vec<String> = all
            .flat_map(|asked| missing(asked, &recorded, &scrape))
            .collect();
        assert!(missing.is_empty(), "{when}: {missing:#?}");
    }

    let left = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::write(left.join("scrape.txt"), after).unwrap();
    fs::write(
        left.join("panels.yml"),
        panels_as_rules(&panels).to_string(),
    )
    .unwrap();
}

#[test]
fn what_is_not_scraped_is_noticed() {
    let scrape = read("a_total{kind=\"x\"} 1\n# TYPE b gauge\nb 2\n");
    let noticed = |expr: &str| {
        let asked = Asked {
            place: "here".to_owned(),
            expr: expr.to_owned(),
        };
        missing(
            &asked,
            &BTreeSet::from(["job:b:rate5m".to_owned()]),
            &scrape,
        )
    };
    for good in [
        "sum by (job, kind) (rate(a_total{job=~\".*\",kind=\"x\"}[5m])) / sum(b)",
        "job:b:rate5m > 14 * 0.001 and b > 1e3",
        "histogram_quantile(0.99, a_total{kind=~\"x\"})",
    ] {
        assert_eq!(noticed(good), [""; 0], "{good}");
    }
    assert_eq!(noticed("rate(c_total[5m])"), ["here: no c_total"]);
    assert_eq!(
        noticed("a_total{kind=~\"x|y\"}"),
        ["here: no a_total{kind=\"y\"}"]
    );
    assert_eq!(noticed("sum by (sort) (a_total)"), ["here: no label sort"]);
}
