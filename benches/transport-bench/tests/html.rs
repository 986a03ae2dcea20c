//! `--html`: the page has the figures of the JSON, is well-formed, and is sufficient to itself.
#![cfg(unix)]

#[allow(dead_code, reason = "these tests need a part of it")]
mod support;

use std::fs;
use std::path::Path;

use roxmltree::{Document, Node, ParsingOptions};
use serde_json::Value;
use support::{Server, private_directory, run_client};

/// Runs a client with both reports; the page and the JSON.
fn run(directory: &Path, args: &[&str]) -> (String, Value) {
    let path = |name: &str| directory.join(name).to_str().unwrap().to_owned();
    let (html, json) = (path("report.html"), path("report.json"));
    let files = ["--duration", "1", "--html", &html, "--json", &json];
    let output = run_client(&[&files, args].concat());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let page = fs::read_to_string(html).unwrap();
    let json = serde_json::from_slice(&fs::read(json).unwrap()).unwrap();
    (page, json)
}

fn parse(page: &str) -> Document<'_> {
    let options = ParsingOptions {
        allow_dtd: true,
        ..ParsingOptions::default()
    };
    Document::parse_with_options(page, options).unwrap_or_else(|error| panic!("{error}: {page}"))
}

fn all<'a>(document: &'a Document<'_>, name: &'a str) -> impl Iterator<Item = Node<'a, 'a>> {
    let nodes = document.descendants();
    nodes.filter(move |node| node.tag_name().name() == name)
}

fn text(node: Node<'_, '_>) -> String {
    let parts = node.descendants().filter(Node::is_text);
    parts.filter_map(|part| part.text()).collect()
}

/// The rows of a table's body, cell by cell.
fn rows(table: Node<'_, '_>) -> Vec<Vec<String>> {
    let body = table.children().find(|child| child.has_tag_name("tbody"));
    let rows = body.expect("a body").children();
    rows.map(|row| row.children().map(text).collect()).collect()
}

fn table<'a>(document: &'a Document<'_>, attribute: &str, value: &str) -> Vec<Node<'a, 'a>> {
    let tables = all(document, "table");
    tables
        .filter(|table| table.attribute(attribute) == Some(value))
        .collect()
}

/// Nothing is run or fetched, and each chart has words for those who do not see it.
fn check_page(document: &Document<'_>, charts: usize) {
    for forbidden in ["script", "link", "img", "iframe", "image", "use"] {
        assert_eq!(all(document, forbidden).count(), 0, "{forbidden}");
    }
    for node in document.descendants() {
        for attribute in node.attributes() {
            let name = attribute.name();
            assert!(!["src", "href"].contains(&name) && !name.starts_with("on"));
        }
    }
    assert_eq!(document.root_element().attribute("lang"), Some("en"));
    let ids: Vec<&str> = document
        .descendants()
        .filter_map(|node| node.attribute("id"))
        .collect();
    let mut unique = ids.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), ids.len(), "{ids:?}");
    let drawn = all(document, "svg").filter(|svg| svg.attribute("role") == Some("img"));
    let drawn: Vec<_> = drawn.collect();
    assert_eq!(drawn.len(), charts);
    for svg in drawn {
        let words = svg.attribute("aria-labelledby").expect("a label");
        for (id, name) in words.split(' ').zip(["title", "desc"]) {
            let child = svg
                .children()
                .find(|child| child.attribute("id") == Some(id));
            let child = child.expect(id);
            assert!(child.tag_name().name() == name && !text(child).is_empty());
        }
        let lines = svg
            .descendants()
            .filter(|node| node.tag_name().name() == "polyline");
        assert!(lines.count() > 0, "nothing is drawn");
    }
}

#[test]
fn the_page_of_several_rates_has_the_figures_of_the_json() {
    let directory = private_directory();
    let ca = directory.path().join("ca.pem");
    let ca = ca.to_str().unwrap();
    let server = Server::start(&["--self-signed-out", ca]);
    let (target, pid) = (
        format!("https://{}", server.address),
        server.id().to_string(),
    );
    let load = ["--rps", "20,60", "--conns", "2", "--server-pid", &pid];
    let args = [&load[..], &["--target", &target, "--ca", ca]].concat();
    let (page, json) = run(directory.path(), &args);
    let document = parse(&page);
    check_page(&document, 6);

    let reports = json.as_array().expect("a report for each rate");
    assert_eq!(reports.len(), 2);
    let over_load = rows(table(&document, "id", "over-load")[0]);
    let (times, seconds) = (
        table(&document, "class", "times"),
        table(&document, "class", "seconds"),
    );
    for (at, report) in reports.iter().enumerate() {
        let latency = |name: &str| report["latency_us"][name].to_string();
        let row = &over_load[at];
        assert_eq!(row[0], format!("{}/s", report["config"]["rps"]));
        let told = ["p50", "p95", "p99", "p99_9", "max"].map(latency);
        assert_eq!(row[2..7], told);
        let told = ["p50", "p90", "p95", "p99", "p99_9", "max"].map(latency);
        assert_eq!(rows(times[at])[0][2..], told);

        let told = report["seconds"].as_array().unwrap();
        let answered = told.iter().map(|row| row["answered"].as_u64().unwrap());
        assert_eq!(
            answered.sum::<u64>(),
            report["requests"]["answered"].as_u64().unwrap()
        );
        let names = ["second", "answered", "p50", "p95", "p99", "max"];
        let told: Vec<Vec<String>> = told
            .iter()
            .map(|row| {
                let cells = names.map(|name| row[name].to_string().replace("null", "–"));
                cells.to_vec()
            })
            .collect();
        assert_eq!(rows(seconds[at]), told);
        let points = report["latency_distribution"].as_array().unwrap();
        let last = points.last().unwrap();
        assert_eq!(last["us"], report["latency_us"]["max"]);
    }
}

#[test]
fn what_comes_from_outside_is_text_on_the_page() {
    let directory = private_directory();
    let socket = directory.path().join(r#"<b onload="x">&'</b>"#);
    // The slash makes a directory of its beginning.
    fs::create_dir(socket.parent().unwrap()).unwrap();
    let owner_only = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    fs::set_permissions(socket.parent().unwrap(), owner_only).unwrap();
    let socket = socket.to_str().unwrap();
    let _server = Server::start(&["--backend", "uds", "--uds.path", socket]);
    let target = format!("uds:{socket}");
    let (page, json) = run(directory.path(), &["--target", &target, "--rps", "20"]);
    let document = parse(&page);
    check_page(&document, 3);
    assert_eq!(all(&document, "b").count(), 0);
    let heading = all(&document, "h1").next().expect("a heading");
    assert_eq!(text(heading), format!("OAP/1: load on {target}"));
    // One rate is one report.
    assert_eq!(json["config"]["target"], target);
}

#[test]
fn handshakes_have_a_page_too() {
    let directory = private_directory();
    let ca = directory.path().join("ca.pem");
    let ca = ca.to_str().unwrap();
    let server = Server::start(&["--self-signed-out", ca]);
    let target = format!("https://{}", server.address);
    let load = ["--handshakes", "resumed", "--rps", "5"];
    let args = [&load[..], &["--target", &target, "--ca", ca]].concat();
    let (page, json) = run(directory.path(), &args);
    let document = parse(&page);
    check_page(&document, 3);
    let counts = rows(table(&document, "class", "counts")[0]);
    assert!(counts.contains(&vec!["resumed".to_owned(), "5".to_owned()]));
    assert_eq!(json["handshakes"]["resumed"], 5);
    let told = ["p50", "p90", "p95", "p99", "p99_9", "max"];
    let told = told.map(|name| json["hello_us"][name].to_string());
    assert_eq!(rows(table(&document, "class", "times")[0])[0][2..], told);
}

#[test]
fn a_closed_loop_is_not_one_of_several_rates() {
    let output = run_client(&["--target", "tcp://127.0.0.1:1", "--rps", "0,100"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("--rps: 0"), "{told}");
}
