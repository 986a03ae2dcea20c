//! Turns the summaries of `cargo bench -p oap-micro` into instructions per operation, and fails
//! where a figure passes its limit or has grown since the baseline was recorded.

mod baseline;
mod counts;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use baseline::{Baseline, Verdict};
use counts::Counts;

/// Judges the instruction counts of the last `cargo bench -p oap-micro --bench ir`.
#[derive(Parser)]
struct Options {
    /// Where the runner has left its summaries [default: iai/oap-micro/ir/per_operation of the
    /// target directory]
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
    /// The committed counts
    #[arg(long, value_name = "FILE", default_value = BASELINE)]
    baseline: PathBuf,
    /// Write the counts to the file instead of comparing them with it
    #[arg(long)]
    record: bool,
}

const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/baseline.json");

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
    row("copy_4k", Recorded),
    less("oap_frame_decode_4k", 1.0, "copy_4k", AtMost(150.0)),
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
    row("inflate_one_shot_1mib", Recorded),
    row(
        "bounded_inflate_guard_1mib",
        Times(1.02, "inflate_one_shot_1mib"),
    ),
    row("inflate_one_shot_64mib", Recorded),
    // 0.08 is the goal; an eighth has to be inflated to see that it is too much.
    row(
        "oap_bomb_refused_64mib",
        Times(0.13, "inflate_one_shot_64mib"),
    ),
    row(
        "oap_bomb_refused_64mib_at_4",
        Times(0.08, "inflate_one_shot_64mib"),
    ),
    row("oap_deflate_16k", Recorded),
];

fn main() -> ExitCode {
    let options = Options::parse();
    let home = options.home.clone().unwrap_or_else(default_home);
    match judge(&options, &Counts::new(home)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            eprintln!("run IAI_CALLGRIND_SAVE_SUMMARY=json cargo bench -p oap-micro first");
            ExitCode::FAILURE
        }
    }
}

/// Whether every limit is kept and no count has grown.
fn judge(options: &Options, counts: &Counts) -> Result<bool, String> {
    let kept = report(counts)?;
    let ids: BTreeSet<&str> = ROWS.iter().map(|row| row.id).collect();
    let now = Baseline::measure(counts, &ids.into_iter().collect::<Vec<_>>())?;
    if options.record {
        now.write(&options.baseline)?;
        println!("recorded in {}", options.baseline.display());
        return Ok(kept);
    }
    match Baseline::read(&options.baseline)?.compare(&now) {
        Verdict::Kept(notes) => {
            println!("no count is more than 2 % above its baseline");
            if !notes.is_empty() {
                println!("below it, to be held by --record:\n{}", notes.join("\n"));
            }
            Ok(kept)
        }
        Verdict::Grown(lines) => {
            println!("MISSED: above the baseline\n{}", lines.join("\n"));
            println!("if it has to be so: cargo run --release -p oap-micro --bin gate -- --record");
            Ok(false)
        }
        Verdict::None(why) => {
            println!("NO VERDICT on the baseline: {why}");
            Ok(kept)
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
fn report(counts: &Counts) -> Result<bool, String> {
    let mut kept = true;
    println!(
        "{:<54} {:>14} {:>20}",
        "instructions per operation", "figure", "limit"
    );
    for row in ROWS {
        let mut figure = counts.figure(row.id)?;
        let mut name = row.id.to_owned();
        if let Some((times, other)) = row.less {
            figure -= times * counts.figure(other)?;
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
                let most = times * counts.figure(other)?;
                (figure <= most, format!("<= {most:.0}"))
            }
            Near(share, other) => {
                let middle = counts.figure(other)?;
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
