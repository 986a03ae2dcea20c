//! Turns the summaries of `cargo bench -p oap-micro` into instructions per operation, and fails
//! where a figure passes its limit.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use oap_micro::Op;
use oap_micro::connection::Bytewise;
use oap_micro::payload::InflateMib;
use serde_json::Value;

/// What a figure may be.
enum Limit {
    /// Recorded only.
    None,
    /// At most so many instructions.
    AtMost(f64),
    /// At most the second, until the goal, the first, is reached.
    Goal(f64, f64),
    /// At most so many times another figure.
    Times(f64, &'static str),
    /// Apart from another figure by at most this share of it.
    Near(f64, &'static str),
}
use Limit::{AtMost, Goal, Near, None as Recorded, Times};

/// One line of the table.
struct Row {
    id: &'static str,
    /// What is subtracted: so many times another figure.
    less: Option<(f64, &'static str)>,
    limit: Limit,
}

const fn row(id: &'static str, limit: Limit) -> Row {
    Row {
        id,
        less: None,
        limit,
    }
}

const fn less(id: &'static str, times: f64, other: &'static str, limit: Limit) -> Row {
    Row {
        id,
        less: Some((times, other)),
        limit,
    }
}

const ROWS: &[Row] = &[
    row("oap_header_parse", AtMost(45.0)),
    row("copy_64", Recorded),
    row("oap_frame_decode_64", Goal(165.0, 170.0)),
    less("oap_frame_decode_64", 1.0, "copy_64", AtMost(150.0)),
    row("copy_16k", Recorded),
    row("oap_frame_decode_16k", Goal(1_720.0, 1_765.0)),
    less("oap_frame_decode_16k", 1.0, "copy_16k", AtMost(150.0)),
    row("copy_16k_1500", Recorded),
    row("oap_frame_decode_16k_1500", Times(1.15, "copy_16k_1500")),
    row("bytes_clone", Recorded),
    row("oap_frame_encode_64", AtMost(80.0)),
    row("oap_frame_encode_4k", AtMost(80.0)),
    row("oap_frame_encode_16k", AtMost(80.0)),
    less("oap_frame_queue_64", 1.0, "bytes_clone", Recorded),
    less("oap_frame_queue_16k", 1.0, "bytes_clone", Recorded),
    less(
        "oap_encode_16_coalesced",
        16.0,
        "bytes_clone",
        AtMost(2_000.0),
    ),
    row("oap_server_exchange_64", Goal(900.0, 1_320.0)),
    row("oap_server_exchange_64_open_1", Recorded),
    row(
        "oap_server_exchange_64_open_60000",
        Near(0.03, "oap_server_exchange_64_open_1"),
    ),
    row("oap_bytewise_1mib", AtMost(64.0)),
    row("write_coalesce_64k_chunks", Recorded),
    row("oap_window_frame_4k", Recorded),
    row("oap_hello_parse", AtMost(6_800.0)),
    row("bounded_inflate_guard_1mib", Recorded),
];

/// What lies between the two runs of a benchmark: operations, or bytes where the figure is per byte.
fn operations(id: &str) -> f64 {
    match id {
        "oap_bytewise_1mib" => f64::from(Bytewise::MANY - Bytewise::FEW) * Bytewise::BYTES as f64,
        "bounded_inflate_guard_1mib" => f64::from(InflateMib::MANY - InflateMib::FEW),
        _ => 1_000.0,
    }
}

fn main() -> ExitCode {
    let home = std::env::args_os()
        .nth(1)
        .map_or_else(default_home, PathBuf::from);
    match report(&home) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            eprintln!("run IAI_CALLGRIND_SAVE_SUMMARY=json cargo bench -p oap-micro first");
            ExitCode::FAILURE
        }
    }
}

/// Where the runner leaves the summaries.
fn default_home() -> PathBuf {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    target.join("iai/oap-micro/ir/per_operation")
}

/// Prints the table; whether every limit is kept.
fn report(home: &Path) -> Result<bool, String> {
    let mut kept = true;
    println!(
        "{:<54} {:>14} {:>20}",
        "instructions per operation", "figure", "limit"
    );
    for row in ROWS {
        let mut figure = per_operation(home, row.id)?;
        let mut name = row.id.to_owned();
        if let Some((times, other)) = row.less {
            figure -= times * per_operation(home, other)?;
            name += &match times {
                1.0 => format!(" - {other}"),
                _ => format!(" - {times} x {other}"),
            };
        }
        let (ok, limit) = match row.limit {
            Recorded => (true, String::new()),
            AtMost(most) => (figure <= most, format!("<= {most}")),
            Goal(goal, most) => (figure <= most, format!("<= {most}, goal {goal}")),
            Times(times, other) => {
                let most = times * per_operation(home, other)?;
                (figure <= most, format!("<= {most:.0}"))
            }
            Near(share, other) => {
                let middle = per_operation(home, other)?;
                let text = format!("{middle:.0} +- {:.0} %", share * 100.0);
                ((figure - middle).abs() <= share * middle, text)
            }
        };
        kept &= ok;
        let verdict = match (&row.limit, ok) {
            (Recorded, _) => "",
            (Goal(goal, _), true) if figure > *goal => "HELD, goal not reached",
            (_, true) => "OK",
            (_, false) => "MISSED",
        };
        println!("{name:<54} {figure:>14.1} {limit:>20} {verdict}");
    }
    Ok(kept)
}

/// Instructions of one operation.
fn per_operation(home: &Path, id: &str) -> Result<f64, String> {
    let few = instructions(&home.join(format!("{id}.few/summary.json")))?;
    let many = instructions(&home.join(format!("{id}.many/summary.json")))?;
    Ok((many as f64 - few as f64) / operations(id))
}

/// The instructions of the newest run.
fn instructions(path: &Path) -> Result<u64, String> {
    let complain = |what: &dyn std::fmt::Display| format!("{}: {what}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| complain(&error))?;
    let summary: Value = serde_json::from_str(&text).map_err(|error| complain(&error))?;
    let metrics = summary
        .pointer("/profiles/0/summaries/total/summary/Callgrind/Ir/metrics")
        .ok_or_else(|| complain(&"no instruction count"))?;
    // Left: nothing to compare with; Both: the new run, then the old one.
    metrics
        .get("Left")
        .or_else(|| metrics.pointer("/Both/0"))
        .and_then(|metric| metric.get("Int"))
        .and_then(Value::as_u64)
        .ok_or_else(|| complain(&"an instruction count of another form"))
}
