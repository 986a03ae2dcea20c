//! Instructions per operation, from what the runner and callgrind have left behind.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::Command;

use oap_micro::Op;
use oap_micro::connection::Bytewise;
use oap_micro::payload::{Bomb, Deflate, InflateMib, OneShot};
use serde_json::Value;

/// Where the runner has left its summaries.
pub(crate) struct Counts {
    home: PathBuf,
}

impl Counts {
    pub(crate) fn new(home: PathBuf) -> Self {
        Self { home }
    }

    /// Instructions of one operation.
    ///
    /// # Errors
    /// One line: there is no summary, or it has another form.
    pub(crate) fn figure(&self, id: &str) -> Result<f64, String> {
        let (few, many) = (
            self.instructions(id, "few")?,
            self.instructions(id, "many")?,
        );
        Ok((many as f64 - few as f64) / operations(id))
    }

    /// The functions in which the instructions of one operation are spent, calls not included.
    ///
    /// # Errors
    /// One line: `callgrind_annotate` cannot be run, or there is no profile.
    pub(crate) fn functions(&self, id: &str) -> Result<BTreeMap<String, f64>, String> {
        let mut functions = self.profile(id, "many")?;
        for (name, few) in self.profile(id, "few")? {
            *functions.entry(name).or_default() -= few;
        }
        for instructions in functions.values_mut() {
            *instructions = rounded(*instructions / operations(id));
        }
        functions.retain(|_, instructions| *instructions != 0.0);
        Ok(functions)
    }

    fn place(&self, id: &str, run: &str) -> PathBuf {
        self.home.join(format!("{id}.{run}"))
    }

    /// The instructions of the newest run.
    fn instructions(&self, id: &str, run: &str) -> Result<u64, String> {
        let path = self.place(id, run).join("summary.json");
        let text = std::fs::read_to_string(&path).map_err(|error| at(&path, &error))?;
        let summary: Value = serde_json::from_str(&text).map_err(|error| at(&path, &error))?;
        let metrics = summary
            .pointer("/profiles/0/summaries/total/summary/Callgrind/Ir/metrics")
            .ok_or_else(|| at(&path, &"no instruction count"))?;
        // Left: nothing to compare with; Both: the new run, then the old one.
        metrics
            .get("Left")
            .or_else(|| metrics.pointer("/Both/0"))
            .and_then(|metric| metric.get("Int"))
            .and_then(Value::as_u64)
            .ok_or_else(|| at(&path, &"an instruction count of another form"))
    }

    fn profile(&self, id: &str, run: &str) -> Result<BTreeMap<String, f64>, String> {
        let path = self
            .place(id, run)
            .join(format!("callgrind.{id}.{run}.out"));
        let output = Command::new("callgrind_annotate")
            .args(["--threshold=100", "--auto=no", "--show-percs=no"])
            .arg(&path)
            .output()
            .map_err(|error| format!("callgrind_annotate: {error}"))?;
        if !output.status.success() {
            return Err(at(&path, &String::from_utf8_lossy(&output.stderr).trim()));
        }
        Ok(parse(&String::from_utf8_lossy(&output.stdout)))
    }
}

fn at(path: &Path, what: &dyn Display) -> String {
    format!("{}: {what}", path.display())
}

/// To a tenth of an instruction.
pub(crate) fn rounded(instructions: f64) -> f64 {
    (instructions * 10.0).round() / 10.0
}

/// What lies between the two runs of a benchmark: operations, or bytes where the figure is per byte.
fn operations(id: &str) -> f64 {
    match id {
        "oap_bytewise_1mib" => between::<Bytewise>() * Bytewise::BYTES as f64,
        "bounded_inflate_guard_1mib" => between::<InflateMib>(),
        "inflate_one_shot_1mib" | "inflate_one_shot_64mib" => between::<OneShot<1>>(),
        "oap_bomb_refused_64mib" | "oap_bomb_refused_64mib_at_4" => between::<Bomb<8>>(),
        "oap_deflate_16k" => between::<Deflate>(),
        _ => 1_000.0,
    }
}

fn between<O: Op>() -> f64 {
    f64::from(O::MANY - O::FEW)
}

/// Lines such as ` 1,234  FILE:FUNCTION [OBJECT]`; a function has several, one for each file that it
/// was put together from.
fn parse(annotated: &str) -> BTreeMap<String, f64> {
    let mut functions = BTreeMap::new();
    for line in annotated.lines() {
        let Some((count, place)) = line.trim_start().split_once("  ") else {
            continue;
        };
        let Ok(count) = count.replace(',', "").parse::<f64>() else {
            continue;
        };
        let Some((_file, function)) = place.trim().split_once(':') else {
            continue;
        };
        let name = function.split(" [").next().unwrap_or(function);
        *functions.entry(name.to_owned()).or_default() += count;
    }
    functions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_the_sum_of_its_lines() {
        let functions = parse(
            "Events recorded:  Ir\n\
             1,435,461  PROGRAM TOTALS\n\
             Ir       file:function\n\
             129,801  /a/recv.rs:oap_core::Connection::handle_input\n \
             70,400  ./malloc/malloc.c:_int_free [/usr/lib/libc.so.6]\n \
             51,700  /a/mod.rs:oap_core::Connection::handle_input [/b/ir-1]\n",
        );
        let expected = [
            ("_int_free".to_owned(), 70_400.0),
            ("oap_core::Connection::handle_input".to_owned(), 181_501.0),
        ];
        assert_eq!(functions, BTreeMap::from(expected));
    }
}
