//! A report as one file for a browser: tables and charts, no script, nothing from elsewhere.

mod axis;
mod chart;
mod run;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::report::{Second, Spread};
use axis::{Scale, percentile, short, time};
use chart::{Axis, Chart, Line};
pub(crate) use run::Run;

const STYLE: &str = include_str!("style.css");
/// As XML would have them, so that any parser reads the page.
const META: &str = concat!(
    r#"<meta charset="utf-8"/>"#,
    r#"<meta name="viewport" content="width=device-width, initial-scale=1"/>"#,
    r#"<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/>"#,
);
/// Points of a line over time; more seconds than that are drawn together.
const MOST_POINTS: usize = 900;
/// Seconds in a table; the JSON report has the others.
const MOST_ROWS: usize = 3_600;

/// A figure and its name.
type Named<T, F> = (&'static str, fn(&T) -> F);

/// The page of one run, or of several at different rates.
///
/// # Errors
/// What could not be drawn.
pub(crate) fn page(runs: &[Run<'_>]) -> Result<String, String> {
    let target = runs.first().map_or("", |run| run.target);
    let title = format!("OAP/1: load on {target}");
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                (PreEscaped(META))
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    h1 { (title) }
                    p { "transport-bench " (env!("CARGO_PKG_VERSION")) }
                    @if runs.len() > 1 { (over_load(runs)?) }
                    (distributions(runs)?)
                    @for (number, run) in runs.iter().enumerate() { (section(number, run)?) }
                }
            }
        }
    };
    Ok(page.into_string())
}

/// How the runs compare.
fn over_load(runs: &[Run<'_>]) -> Result<Markup, String> {
    let unit = runs[0].unit;
    let of: [Named<Spread, u64>; 4] = [
        ("p50", |times| times.p50),
        ("p95", |times| times.p95),
        ("p99", |times| times.p99),
        ("p99.9", |times| times.p99_9),
    ];
    let lines = of.map(|(name, figure)| Line {
        name: name.to_owned(),
        points: runs
            .iter()
            .filter_map(|run| Some((f64::from(run.asked), figure(run.latency()?) as f64)))
            .collect(),
    });
    let x = format!("{unit} per second asked for");
    let chart = Chart {
        id: "load",
        title: "Latency over load",
        x: Axis {
            name: &x,
            scale: Scale::Linear,
            format: short,
        },
        y: TIME,
        lines: lines.into(),
    };
    Ok(html! {
        section {
            h2 { "Over load" }
            div class="scroll" {
                table id="over-load" {
                    caption { "Latency in µs, and CPU time in µs for each of the " (unit) }
                    thead {
                        tr {
                            @for name in ["asked for", "reached", "p50", "p95", "p99", "p99.9", "max",
                                "not answered well", "client CPU", "server CPU"] {
                                th scope="col" { (name) }
                            }
                        }
                    }
                    tbody {
                        @for run in runs {
                            tr {
                                th scope="row" { (run.asked) "/s" }
                                td { (format!("{:.1}/s", run.reached)) }
                                @for (_, figure) in of { td { (cell(run.latency().map(figure))) } }
                                td { (cell(run.latency().map(|times| times.max))) }
                                td { (run.missed) }
                                @for each in [run.client_cpu_us, run.server_cpu_us] {
                                    td { (cell(each.map(|each| format!("{each:.1}")))) }
                                }
                            }
                        }
                    }
                }
            }
            (chart.draw()?)
        }
    })
}

/// How the latency of each run is distributed.
fn distributions(runs: &[Run<'_>]) -> Result<Markup, String> {
    let lines = runs.iter().map(|run| Line {
        name: run.name.clone(),
        points: run
            .distribution
            .iter()
            .map(|point| (point.quantile, point.us as f64))
            .collect(),
    });
    let chart = Chart {
        id: "distribution",
        title: "Latency by percentile",
        x: Axis {
            name: "percentile",
            scale: Scale::Nines,
            format: percentile,
        },
        y: TIME,
        lines: lines.collect(),
    };
    Ok(html! {
        section {
            h2 { "Distribution" }
            (chart.draw()?)
        }
    })
}

/// All of one run.
fn section(number: usize, run: &Run<'_>) -> Result<Markup, String> {
    Ok(html! {
        section {
            h2 { (run.name) }
            @if let Some(fault) = &run.fault { p class="bad" { (fault) } }
            table class="facts" {
                tbody {
                    @for (name, fact) in &run.facts { tr { th scope="row" { (name) } td { (fact) } } }
                }
            }
            (counts(run))
            (times(run))
            (latency_chart(number, run)?)
            (rate_chart(number, run)?)
            (seconds(run))
        }
    })
}

fn counts(run: &Run<'_>) -> Markup {
    html! {
        table class="counts" {
            caption { "What became of the " (run.unit) }
            tbody {
                @for (name, count) in &run.counts {
                    tr { th scope="row" { (name) } td { (count) } }
                }
                @for (reason, count) in run.errors {
                    tr { th scope="row" { "failed: " (reason) } td { (count) } }
                }
            }
        }
    }
}

fn times(run: &Run<'_>) -> Markup {
    html! {
        div class="scroll" {
            table class="times" {
                caption { "Times in µs" }
                thead {
                    tr {
                        th scope="col" { "from, to" }
                        @for name in ["mean", "p50", "p90", "p95", "p99", "p99.9", "max"] {
                            th scope="col" { (name) }
                        }
                    }
                }
                tbody {
                    @for (name, spread) in &run.times {
                        tr {
                            th scope="row" { (name) }
                            @match spread {
                                None => { td colspan="7" { "no samples" } }
                                Some(it) => {
                                    td { (format!("{:.1}", it.mean)) }
                                    @for value in [it.p50, it.p90, it.p95, it.p99, it.p99_9, it.max] {
                                        td { (value) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The worst of each percentile where several seconds are one point.
fn latency_chart(number: usize, run: &Run<'_>) -> Result<Markup, String> {
    let of: [Named<Second, Option<u64>>; 3] = [
        ("p50", |second| second.p50),
        ("p95", |second| second.p95),
        ("p99", |second| second.p99),
    ];
    let lines = of.map(|(name, figure)| Line {
        name: name.to_owned(),
        points: points(run.seconds, |part| {
            part.iter()
                .filter_map(figure)
                .max()
                .map(|micros| micros as f64)
        }),
    });
    Chart {
        id: &format!("latency-{number}"),
        title: "Latency of each second",
        x: SECONDS,
        y: TIME,
        lines: lines.into(),
    }
    .draw()
}

fn rate_chart(number: usize, run: &Run<'_>) -> Result<Markup, String> {
    let line = Line {
        name: run.unit.to_owned(),
        points: points(run.seconds, |part| {
            let answered: u64 = part.iter().map(|second| second.answered).sum();
            Some(answered as f64 / part.len() as f64)
        }),
    };
    Chart {
        id: &format!("rate-{number}"),
        title: "Answered in each second",
        x: SECONDS,
        y: Axis {
            name: run.unit,
            scale: Scale::Linear,
            format: short,
        },
        lines: vec![line],
    }
    .draw()
}

/// Figures of seconds as points of a line, few enough to be drawn.
fn points(seconds: &[Second], figure: impl Fn(&[Second]) -> Option<f64>) -> Vec<(f64, f64)> {
    let together = seconds.len().div_ceil(MOST_POINTS).max(1);
    seconds
        .chunks(together)
        .filter_map(|part| Some((part[0].second as f64, figure(part)?)))
        .collect()
}

fn seconds(run: &Run<'_>) -> Markup {
    html! {
        details {
            summary { "Figures of each second" }
            @if run.seconds.len() > MOST_ROWS {
                p { "The first " (MOST_ROWS) "; the report of --json has all." }
            }
            div class="scroll" {
                table class="seconds" {
                    caption { "Latency in µs" }
                    thead {
                        tr {
                            @for name in ["second", "answered", "p50", "p95", "p99", "max"] {
                                th scope="col" { (name) }
                            }
                        }
                    }
                    tbody {
                        @for second in run.seconds.iter().take(MOST_ROWS) {
                            tr {
                                th scope="row" { (second.second) }
                                td { (second.answered) }
                                @for value in [second.p50, second.p95, second.p99, second.max] {
                                    td { (cell(value)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn cell(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| value.to_string())
}

const TIME: Axis<'static> = Axis {
    name: "latency",
    scale: Scale::Log,
    format: time,
};

const SECONDS: Axis<'static> = Axis {
    name: "seconds since the beginning",
    scale: Scale::Linear,
    format: short,
};
